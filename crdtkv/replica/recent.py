"""The records minted or absorbed last: who lacks few of them is sent these, and keeps every version in between.
And those that came too early.

Law of this room: it holds so many records and bytes, and no more. Who lacks what is not
here any more gets a catch-up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

from mypy_extensions import mypyc_attr

from crdtkv.core.clocks import Dot
from crdtkv.core.wire import Record

__all__ = ["MAX_WAITING", "RECENT_BYTES", "RECENT_RECORDS", "WAITING_BYTES", "Recent", "Waiting"]

RECENT_RECORDS = 4_096

RECENT_BYTES = 32 << 20
"""Of the encoded ones."""

MAX_WAITING = 10_000

WAITING_BYTES = 32 << 20

_Made = tuple[Any, bytes]
"""A dot (which is not taken apart here), and its record."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Recent:
    """The dots of records, each with its bytes, the oldest first. The last is kept, whatever its size.

    (Of the records themselves nobody needs more; as objects they take as much again, and Python's collector
    goes through them.)
    """

    def __init__(self) -> None:
        self._kept: deque[_Made] = deque()
        self._bytes = 0

    def append(self, made: _Made) -> None:
        """One more; what is too much by now leaves. O(1) on average."""
        kept = self._kept
        kept.append(made)
        self._bytes += len(made[1])
        while len(kept) > RECENT_RECORDS or (self._bytes > RECENT_BYTES and len(kept) > 1):
            self._bytes -= len(kept.popleft()[1])

    def extend(self, made: Iterable[_Made]) -> None:
        """As `append` of each."""
        for each in made:
            self.append(each)

    def clear(self) -> None:
        """None is left."""
        self._kept.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[_Made]:
        return iter(self._kept)

    def __reversed__(self) -> Iterator[_Made]:
        return reversed(self._kept)

    def __getitem__(self, at: int) -> _Made:
        return self._kept[at]


class Waiting(dict[Dot, tuple[Record, bytes]]):
    """Records that wait for what they build on, each with its bytes. What is too much is not kept: a catch-up heals.

    `wanted`: the dots after which one of them may be ready, and how many.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self.wanted: Counter[Dot] = Counter()

    def admit(self, record: Record, data: bytes) -> None:
        """One more, if there is room, and it does not wait already. O(1)."""
        fits = len(self) < MAX_WAITING and self._bytes + len(data) <= WAITING_BYTES
        if fits and record.dot not in self:
            self[record.dot] = (record, data)
            self._bytes += len(data)
            self.wanted.update(_wanted(record))

    def pop(self, dot: Dot, *_: Any) -> tuple[Record, bytes]:
        """It waits no more."""
        made = dict.pop(self, dot)
        self._bytes -= len(made[1])
        for each in _wanted(made[0]):
            self.wanted[each] -= 1
            if not self.wanted[each]:
                del self.wanted[each]
        return made

    def clear(self) -> None:
        """None waits."""
        dict.clear(self)
        self._bytes = 0
        self.wanted.clear()


def _wanted(record: Record) -> Iterator[Dot]:
    """What is absorbed one by one is at what it builds on when the last of these comes."""
    origin, n = record.dot
    yield origin, n - 1
    yield from ((r, m) for r, m in record.needs.items() if r != origin)
