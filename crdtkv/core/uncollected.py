"""No garbage collection while a large message becomes cells, or many keys become entries.

All of it is made at once and none of it is garbage, yet Python's collector goes through
everything again for each quarter that is added: half of the time. Nothing here makes
cycles, so nothing waits for it meanwhile. For the whole process, hence only where it is much.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LARGE", "uncollected"]

LARGE = 1 << 16
"""Bytes from which on it is worth it."""


@contextmanager
def uncollected(size: int) -> Iterator[None]:
    """The collector rests inside, if it ran and `size` is large. Several threads may be inside: the last
    word has who found it running."""
    if size < LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
