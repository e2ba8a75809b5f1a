"""Whether the engine under test is compiled (`make test-fast`): what is compiled cannot be exchanged.

Those few tests that put another function or method in the place of one of the engine's say so: `interpreted`. They run
on the source, in `make test`.
"""

import pytest

from crdtkv.core import cells

__all__ = ["interpreted", "of_source"]

_COMPILED = not cells.__file__.endswith(".py")
_WHY = "it exchanges something of the engine, which is compiled here"

interpreted = pytest.mark.skipif(_COMPILED, reason=_WHY)
"""Of a test."""


def of_source() -> None:
    """As `interpreted`, within a proof or fixture, from where it says so."""
    if _COMPILED:
        pytest.skip(_WHY)
