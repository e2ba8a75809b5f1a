"""Which keys the tables have nothing of, for certain, without asking them.

Law of this room: of a key that is in any table by its key it never says so. It may not know: it is a Bloom filter of
one hash, as large as a small part of the memory, of what was written since the file was opened, and of all that stood
before once that was gone through, a piece at a time, if it is asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from crdtkv.storage.rows import RowInvalid

__all__ = ["MISSES", "PIECE", "Absent"]

PIECE = 1_000
"""Keys that are gone through at a time."""

MISSES = 1_000
"""So many keys were asked for in vain before all are gone through: who only reads what there is needs none of it."""


class Absent:
    """`read(after, limit)` gives the next keys of all tables, in order. In `room` bytes at most.

    >>> there = ["a", "b"]
    >>> absent = Absent(lambda after, limit: [key for key in there if key > after][:limit], 64)
    >>> absent.lacks("c"); absent.learn(); absent.lacks("a")
    False
    False
    """

    def __init__(self, read: Callable[[str, int], list[str]], room: int) -> None:
        self._read = read
        self._bits = bytearray(1 << max(room, 64).bit_length() - 1)
        self._mask = 8 * len(self._bits) - 1
        self._after: str | None = ""
        """How far what stood before was gone through; None: all of it."""
        self._misses = 0
        self._given_up = False

    def lacks(self, key: str) -> bool:
        """Whether the tables have nothing of `key`; False where that is not known. O(1)."""
        if self._after is not None:
            return False
        at = hash(key) & self._mask
        return not self._bits[at >> 3] >> (at & 7) & 1

    def add(self, keys: Iterable[str]) -> None:
        """The tables may have something of these from now on. O(keys)."""
        bits, mask = self._bits, self._mask
        for key in keys:
            at = hash(key) & mask
            bits[at >> 3] |= 1 << (at & 7)

    def missed(self) -> None:
        """The tables were asked for a key in vain."""
        self._misses += 1

    def learns(self) -> bool:
        """As `learn`, if that is worth it by now; whether it still is."""
        if self._misses < MISSES:
            return False
        self.learn()
        return self._after is not None and not self._given_up

    def learn(self) -> None:
        """Go through a piece of what stands. O(PIECE). What cannot be read, or may be passed over: it never knows."""
        if self._after is not None and not self._given_up:
            try:
                keys = self._read(self._after, PIECE)
            except (sqlite3.Error, RowInvalid):
                self._given_up = True
            else:
                self.add(keys)
                self._after = keys[-1] if len(keys) == PIECE else None
