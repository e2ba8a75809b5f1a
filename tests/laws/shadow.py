"""A second definition of a store: all records of a history, applied one by one, in the order they were minted.

Rule of this room: joins, catch-ups, vectors and storage are the engine's; here there are
none. What a store shows at a vector must be what the records that the vector covers
show when they are simply applied: parents out, siblings in, sweeps first.

Nothing is forgotten of its own accord. Only where a record writes to a key, what its
writer had purged there by then is dropped first: a write says nothing of what its
writer did not have any more.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgpack
from sortedcontainers import SortedDict

from crdtkv.core.cells import Sibling, due
from crdtkv.core.wire import Record
from crdtkv.strategies.forgetting import dead_paths

__all__ = ["Shadow"]

_SWEEP = b"\xc1w"


class Shadow:
    """Cells and key contexts of the records applied so far."""

    def __init__(self) -> None:
        self.vector: dict[str, int] = {}
        self.cells: dict[str, SortedDict] = {}
        self.contexts: dict[str, dict[str, int]] = {}

    def apply(self, records: Iterable[Record]) -> None:
        """Apply `records`, which come in an order that respects causality."""
        for record in records:
            self._apply(record)

    def _apply(self, record: Record) -> None:
        replica, n = record.dot
        assert self.vector.get(replica, 0) == n - 1, f"{record.dot} applied after {self.vector.get(replica, 0)}"
        self.vector[replica] = n
        for key in {w.key for w in record.writes}:
            self._forget(key, record.floor)
        for key, replaced in record.lives:
            context = self.contexts.get(key, {})
            self.contexts[key] = {r: m for r, m in context.items() if m > replaced.get(r, 0)}
        for write in record.writes:
            if write.payload is not None and write.payload[:2] == _SWEEP and len(write.payload) > 2:
                self._sweep(write.key, write.path, write.payload)
        for write in record.writes:
            cells = self.cells.setdefault(write.key, SortedDict())
            gone = set(write.parents)
            kept = [s for s in cells.get(write.path, ()) if s.dot not in gone]
            own = Sibling(record.dot, record.stamp, write.payload, write.parents, write.lost)
            cells[write.path] = tuple(sorted([own, *kept]))
            self.contexts.setdefault(write.key, {})[replica] = n

    def _forget(self, key: str, floor: int) -> None:
        cells = self.cells.get(key, SortedDict())
        places = [p for p, cell in cells.items() if (at := due(p, cell)) is not None and at <= floor]
        for path in dead_paths(lambda: cells, places, floor):
            cells.pop(path, None)
        if not cells:
            self.contexts.pop(key, None)

    def _sweep(self, key: str, root: bytes, payload: bytes) -> None:
        seen, _, *rest = msgpack.unpackb(payload[2:], raw=False)
        seen = dict(seen)
        bound = rest[0] if rest else None
        only = None if len(rest) < 2 else {root + p for p in rest[1]}
        cells = self.cells.get(key, SortedDict())
        for path in [p for p in cells if _reached(p, root, bound, only)]:
            kept = tuple(s for s in cells[path] if s.dot[1] > seen.get(s.dot[0], 0))
            if kept:
                cells[path] = kept
            else:
                del cells[path]


def _reached(path: bytes, root: bytes, bound: bytes | None, only: set[bytes] | None) -> bool:
    if path == root or not path.startswith(root) or path[len(root)] == 0xFF:
        return False
    if bound is not None and path >= root + bound:
        return False
    return (only is None or path in only) and not _counted(path)


def _counted(path: bytes) -> bool:
    """A counter's share or keyed increment: the last component is tagged r or x."""
    tag, at = 0, 0
    while at < len(path):
        tag = path[at]
        at = path.index(0, at + 1) + 1
        while at < len(path) and path[at] == 0xFF:
            at = path.index(0, at) + 1
    return tag in b"rx"
