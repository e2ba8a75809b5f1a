"""The records minted or absorbed last: who lacks few of them is sent these, and keeps every version in between.

Law of this room: it holds what came last, so much and no more. Who asks for what is not
here any more gets a catch-up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from crdtkv.core.wire import Record

__all__ = ["RECENT_BYTES", "RECENT_RECORDS", "Recent"]

RECENT_RECORDS = 4_096

RECENT_BYTES = 32 << 20
"""Of the encoded ones; in memory they take twice that."""


class Recent(deque[tuple[Record, bytes]]):
    """Records, each with its bytes, the oldest first. The last is kept, whatever its size."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def append(self, made: tuple[Record, bytes]) -> None:
        """One more; what is too much by now leaves. O(1) on average."""
        deque.append(self, made)
        self._bytes += len(made[1])
        while len(self) > RECENT_RECORDS or (self._bytes > RECENT_BYTES and len(self) > 1):
            self._bytes -= len(self.popleft()[1])

    def extend(self, made: Iterable[tuple[Record, bytes]]) -> None:
        """As `append` of each."""
        for each in made:
            self.append(each)

    def clear(self) -> None:
        """None is left."""
        deque.clear(self)
        self._bytes = 0
