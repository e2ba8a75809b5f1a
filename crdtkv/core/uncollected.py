"""No garbage collection while a large message becomes cells, or many keys become entries.

All of it is made at once and none of it is garbage, yet Python's collector goes through
everything again for each quarter that is added: half of the time. Nothing here makes
cycles, so nothing waits for it meanwhile. For the whole process, hence only where it is much.
"""

from __future__ import annotations

import gc

__all__ = ["A_WRITE", "LARGE", "uncollected"]

LARGE = 1 << 16
"""Bytes from which on it is worth it."""


A_WRITE = 500
"""Some, of a write and what its commit makes of it."""


class uncollected:
    """The collector rests inside, if it ran and `size` is large. Several threads may be inside: the last
    word has who found it running."""

    # By hand: a generator takes several times as long, and each write enters one.
    __slots__ = ("_rests",)

    def __init__(self, size: int) -> None:
        self._rests = size >= LARGE and gc.isenabled()

    def __enter__(self) -> None:
        if self._rests:
            gc.disable()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._rests:
            gc.enable()
