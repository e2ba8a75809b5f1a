"""A second definition of a store: all records of a history, applied one by one, in the order they were minted.

Rule of this room: joins, catch-ups, vectors, storage and purges are the engine's; here
there are none of these. What a store shows at a vector must be what the records that the
vector covers show when they are simply applied: parents out, siblings in, sweeps first.

A record says nothing of what its writer did not have any more. So where one writes to a
key, what its writer had forgotten there by then is forgotten first; and what `forgotten`
leaves of the whole at a floor is, to the sibling, what a store holds at that floor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgpack
from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, Sibling, expiry_of
from crdtkv.core.paths import ELEMENT, ENTRY, KEYED, ORDER, STRATEGY, component, first
from crdtkv.core.tree import Tree
from crdtkv.core.wire import Record
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.document import Node, Reader, build, nested_strategy
from crdtkv.strategies.roots import TTL_PATH, expired, roots_in

__all__ = ["Shadow", "forgotten"]

_SWEEP = b"\xc1w"
_NEVER = 1 << 64

Cells = SortedDict  # path -> cell


class Shadow:
    """Cells and key contexts of the records applied so far."""

    def __init__(self) -> None:
        self.vector: dict[str, int] = {}
        self.cells: dict[str, Cells] = {}
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
        if key in self.cells:
            self.cells[key] = forgotten(self.cells[key], floor)
            if not self.cells[key]:
                self.contexts[key] = {}

    def _sweep(self, key: str, root: bytes, payload: bytes) -> None:
        seen, _, *rest = msgpack.unpackb(payload[2:], raw=False)
        seen = dict(seen)
        bound = rest[0] if rest else None
        only = None if len(rest) < 2 or rest[1] is None else {root + p for p in rest[1]}
        cells = self.cells.get(key, SortedDict())
        for path in [p for p in cells if _reached(p, root, bound, only)]:
            kept = tuple(s for s in cells[path] if s.dot[1] > seen.get(s.dot[0], 0))
            if kept:
                cells[path] = kept
            else:
                del cells[path]


# forgetting: everything is looked at, again and again, until nothing more goes


def forgotten(cells: Cells, floor: int) -> Cells:
    """What is left of a key where everything stamped at or below `floor` is known to be known."""
    if not any(s.stamp <= floor for cell in cells.values() for s in cell):
        return cells  # what goes is old
    left = SortedDict(cells)
    while gone := set(_gone(left, floor)):
        for path in gone:
            del left[path]
    return left


def _gone(told: Cells, floor: int) -> Iterator[bytes]:
    cells = _with_missed(told, floor)
    dated = TTL_PATH in cells and _old(cells[TTL_PATH], floor)
    date = expired(cells, floor) if dated else 0
    waiting = False
    for strategy, tree in roots_in(cells, date):
        root = tree.prefix
        inside = SortedDict({p[len(root) :]: c for p, c in cells.items() if p.startswith(root)})
        if strategy.whole:
            dates = [(s.stamp, expiry_of((s,))) for s in told.get(TTL_PATH, ())]
            since = [max(stamp, date) for stamp, date in dates if date and not dated]
            alive = tuple(s for s in inside.get(b"", ()) if _is_live(s.payload) and since and s.stamp >= min(since))
            if alive and not all(_is_live(s.payload) for s in inside[b""]) and strategy.spec.endswith("wins=delete"):
                # A date that may still be put off may hide the delete, and not what stands beside it.
                inside[b""] = alive
            node = build(Tree(inside))
            found = set(_gone_of_document(strategy, node, inside, floor, date))
            lost = _in_no_container(node, b"")
            waiting = waiting or not all(_all_old(group, floor) for group in lost)
            if b"" in cells and _old(cells[b""], floor):
                found |= {p for group in lost if _all_old(group, floor) for p in group}
        else:
            found = {p for p, c in inside.items() if _old(c, floor) and all(s.stamp < date for s in c)}
            found |= set(_gone_of_elements(strategy, inside, floor))
        yield from (root + p for p in found)
    if b"" in cells and _old(cells[b""], floor) and not waiting:
        yield b""
    hidden = any(s.stamp < date for p, c in told.items() if p not in (b"", TTL_PATH) for s in c)
    if dated and not hidden and (date or not _later_date(cells, floor)):
        yield TTL_PATH


def _with_missed(cells: Cells, floor: int) -> Cells:
    """The cells, where what the writer of a young sweep did not know is young: others may have had more there, which
    the sweep took. (No sweep takes what is counted, and an entry of a log has no other writer.)
    """
    out = SortedDict(cells)
    for at, cell in cells.items():
        for knew in (knew for s in cell for stamp, knew in _told(s) if stamp > floor):
            for path, other in cells.items():
                missed = any(n > knew.get(replica, 0) for replica, n in (s.dot for s in other))
                if missed and _reached(path, at, None, None) and _last_tag(path) != ord(ENTRY):
                    out[path] = tuple(s._replace(stamp=_NEVER) for s in other)
    return out


def _told(sibling: Sibling) -> list[tuple[int, dict[str, int]]]:
    """When a sweep was written and what its writer knew, and the like of those whose place it has taken."""
    payload = sibling.payload or b""
    if payload[:2] != _SWEEP or len(payload) <= 2:
        return []
    seen, _, *rest = msgpack.unpackb(payload[2:], raw=False)
    knew, stood = rest[2:] or (None, [])
    return [(sibling.stamp, dict(seen if knew is None else knew)), *((stamp, dict(k)) for stamp, k in stood)]


def _later_date(cells: Cells, floor: int) -> bool:
    """Whether the key is still to expire."""
    return expired(cells, 2**63) > floor


def _gone_of_elements(strategy: Strategy, cells: Cells, floor: int) -> Iterator[bytes]:
    """Independent cells: those that read as absent. An element takes its order cell along, or waits for it."""
    for path, cell in cells.items():
        tag, data, _ = first(path) if path else (b"", b"", b"")
        order = component(ORDER, path) if tag in (ELEMENT, KEYED) else None
        if tag == ORDER:
            if _old(cell, floor) and (data not in cells or _says_nothing(cell)):
                yield path
        elif strategy.gone(cell) and _old(cell, floor) and _old(cells.get(order, ()), floor):
            yield path


def _gone_of_document(strategy: Strategy, root: Node, cells: Cells, floor: int, date: int) -> Iterator[bytes]:
    reader = Reader(strategy.spec.endswith("wins=delete"), date)
    if root.cell and reader.root(root) is None and _all_old(cells, floor):
        yield from cells
    yield from _gone_below(Reader(reader.delete_wins), root, b"", floor)


def _gone_below(reader: Reader, node: Node, path: bytes, floor: int) -> Iterator[bytes]:
    """A node that has a cell and is not shown, when all of it is old; and by itself a cell of tombstones."""
    if node.cell and _says_nothing(node.cell) and _old(node.cell, floor):
        plain = [c for part, child in node.children.items() if part[:1] != STRATEGY for _, c in child.cells()]
        if not any(_is_live(s.payload) for cell in plain for s in cell):
            yield path
    for part, child in node.children.items():
        below, at = dict(child.cells(path + part)), path + part
        if part[:1] == STRATEGY:
            inside = SortedDict(child.cells())
            yield from (at + p for p in _gone_of_elements(nested_strategy(part), inside, floor))
        elif part[:1] == ORDER:
            left = first(part)[1] not in node.children
            if _all_old(below, floor) and (left or _says_nothing(child.cell)):
                yield at
        else:
            order = node.children.get(component(ORDER, part))
            waits = part[:1] in (ELEMENT, KEYED) and order is not None and not _old(order.cell, floor)
            # (A strategy of its own that stands there too is looked at by itself.)
            own = Node(child.cell)
            own.adopt({p: below for p, below in child.children.items() if p[:1] != STRATEGY})
            group = dict(own.cells(at))
            if child.cell and reader.shown(own) is None and _all_old(group, floor) and not waits:
                yield from group
            yield from _gone_below(reader, child, at, floor)


def _in_no_container(node: Node, path: bytes) -> list[dict[bytes, Cell]]:
    """What lies below a place where a container would have to be and has no cell: all of it, if any of it is live."""
    below = {part: child for part, child in node.children.items() if part[:1] != STRATEGY}
    if node.cell:
        return [group for part, child in below.items() for group in _in_no_container(child, path + part)]
    lost = {p: c for part, child in below.items() for p, c in child.cells(path + part)}
    return [lost] if any(_is_live(s.payload) for c in lost.values() for s in c) else []


def _old(cell: Cell, floor: int) -> bool:
    return all(s.stamp <= floor for s in cell)


def _all_old(cells: dict[bytes, Cell], floor: int) -> bool:
    return all(_old(cell, floor) for cell in cells.values())


def _says_nothing(cell: Cell) -> bool:
    return all(s.payload is None for s in cell)


def _is_live(payload: bytes | None) -> bool:
    return payload is not None and (payload[:1] != b"\xc1" or len(payload) == 2)


def _reached(path: bytes, root: bytes, bound: bytes | None, only: set[bytes] | None) -> bool:
    if path == root or not path.startswith(root) or path[len(root)] == 0xFF:
        return False
    if bound is not None and path >= root + bound:
        return False
    return (only is None or path in only) and not _counted(path)


def _counted(path: bytes) -> bool:
    """A counter's share or keyed increment: the last component is tagged r or x."""
    return _last_tag(path) in b"rx"


def _last_tag(path: bytes) -> int:
    tag, at = 0, 0
    while at < len(path):
        tag = path[at]
        at = path.index(0, at + 1) + 1
        while at < len(path) and path[at] == 0xFF:
            at = path.index(0, at) + 1
    return tag
