"""A log as a stream: its entries by their ids.

An entry of a stream is a list in the log: its id, then fields and values in turn, `["1526919030474-0", "a", "1"]`. An
entry that another door appended is shown under the stamp of its append, with one field, `value`. Order is by id: what
another colo appended takes its place when it comes.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import xxhash
from sortedcontainers import SortedList

from crdtkv.core.cells import Cell
from crdtkv.core.clocks import stamp_ms
from crdtkv.core.paths import ENTRY, first
from crdtkv.core.tree import Tree
from crdtkv.doors.redis.at import At
from crdtkv.doors.redis.held import text
from crdtkv.doors.redis.refusals import Refusal
from crdtkv.replica import members
from crdtkv.strategies.cell_reading import readable

__all__ = ["BAD_ID", "END", "Entry", "Id", "Stream", "id_of", "next_id", "said", "stream", "written"]

BAD_ID = "ERR Invalid stream ID specified as stream command argument"
END = 2**64 - 1
_ID = re.compile(rb"(\d{1,20})(?:-(\d{1,20}))?")

Id = tuple[int, int]
"""Milliseconds and a number among those of one millisecond."""


def id_of(word: bytes, seq: int = 0) -> Id:
    """The id that a word says; `seq` where it says milliseconds only. Raises Refusal."""
    match = _ID.fullmatch(word)
    if match is None:
        raise Refusal(BAD_ID)
    found = int(match[1]), seq if match[2] is None else int(match[2])
    if max(found) > END:
        raise Refusal(BAD_ID)
    return found


def said(id: Id) -> bytes:
    """How an id is written.

    >>> said((1526919030474, 0))
    b'1526919030474-0'
    """
    return b"%d-%d" % id


def written(id: Id, words: list[Any]) -> list[Any]:
    """What is appended to the log for an entry with these fields and values."""
    return [said(id).decode(), *words]


class Entry(NamedTuple):
    """One entry, where it stands in the log, its fields and values in turn."""

    id: Id
    path: bytes
    words: tuple[Any, ...]

    def told(self) -> list[Any]:
        """As a reply."""
        return [said(self.id), list(map(text, self.words))]


class Stream:
    """The entries of a log by their ids; kept beside its cells."""

    def __init__(self, tree: Tree) -> None:
        found = (entry for path, cell in tree.range(ENTRY) if (entry := _entry(path, cell)) is not None)
        self._by_path = {entry.path: entry for entry in found}
        self.order: SortedList = SortedList(self._by_path.values(), key=_key)

    def put_cell(self, path: bytes, cell: Cell) -> None:
        """`cell` stands at `path`."""
        old, new = self._by_path.pop(path, None), _entry(path, cell)
        if old is not None:
            self.order.remove(old)
        if new is not None:
            self._by_path[path] = new
            self.order.add(new)

    def between(self, start: Id, stop: Id) -> tuple[int, int]:
        """From which to before which of `order` the ids are at least `start` and at most `stop`."""
        begin, end = self.order.bisect_key_left((start,)), self.order.bisect_key_left(((stop[0], stop[1] + 1),))
        return begin, max(begin, end)

    @property
    def last(self) -> Id:
        """The greatest id; 0-0 if there is none."""
        return self.order[-1].id if self.order else (0, 0)


def _key(entry: Entry) -> tuple[Id, bytes]:
    return entry.id, entry.path


def _entry(path: bytes, cell: Cell) -> Entry | None:
    found = readable(cell) if path[:1] == ENTRY else []
    if not found:
        return None
    value = found[-1][1]
    if isinstance(value, list) and len(value) % 2 and value and isinstance(value[0], str):
        match = _ID.fullmatch(value[0].encode())
        if match is not None and match[2] is not None:
            return Entry((int(match[1]), int(match[2])), path, tuple(value[1:]))
    stamp = int.from_bytes(first(path)[1][:8], "big")
    return Entry((stamp_ms(stamp), stamp & 0xFFFF), path, ("value", value))


def stream(tree: Tree) -> Stream:
    """The stream of a log. O(n log n) once, then O(1)."""
    if tree.expiry:
        return Stream(tree)
    made: Stream | None = tree.memo.get(tree.prefix)
    if made is None:
        made = tree.memo[tree.prefix] = Stream(tree)
    return made


_COLOS = 4096


def next_id(at: At, last: Id, ms: int | None = None) -> Id:
    """The id of the next entry, greater than `last`; `ms`: in that millisecond, else in this one.

    Alone a colo counts as Redis does. One of several counts in steps, from a number of its own: ids of two colos are
    the same in one of 4,096 milliseconds at the most in which both append.
    """
    step = _COLOS if len(members.members(at.replica)) > 1 else 1
    own = xxhash.xxh3_64_intdigest(at.replica.state.id.encode()) % step
    at_ms = max(at.now_ms, last[0]) if ms is None else ms
    if at_ms < last[0]:
        raise Refusal(_TOO_SMALL)
    seq = own if at_ms > last[0] else (last[1] // step + 1) * step + own
    if (at_ms, seq) == (0, 0):
        seq = step
    if seq > END:
        raise Refusal(_TOO_SMALL)
    return at_ms, seq


_TOO_SMALL = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
