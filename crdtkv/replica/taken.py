"""What a colo that came back had taken away, of what is not known here: it does not come back with who wrote it.

Two colos are out, and one had deleted what the other wrote. What it deletes anew says so, but only until that is
forgotten here as any delete is; and a sweep or hider says it of the numbers that things had there, not of those
that they are minted anew with. So who returns also leaves, in a system key beside the user's, what it had taken away,
and who returns after it looks there. (None of it says anything to who reads or purges.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from crdtkv.core import values
from crdtkv.core.cells import Cell, Sibling, is_hider, is_live, is_sweep, newest_stamp, unhide
from crdtkv.core.clocks import Dot, Vector, covers, covers_all, make_stamp
from crdtkv.core.keys import SYSTEM
from crdtkv.core.paths import REPLICA, STRATEGY, component, components, first, is_below, is_counted, split
from crdtkv.core.sweeps import in_sweep
from crdtkv.core.views import colo_of
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.counter_cells import joined_payload
from crdtkv.strategies.roots import known_strategy

__all__ = ["KEEP_TAKEN_MS", "MAX_TAKEN", "TAKEN", "Row", "Taken", "leave", "row_of", "rows_of", "takes_below", "told"]

TAKEN = SYSTEM + "taken/"
"""Before a key: the rows of it."""

MAX_TAKEN = 10_000
"""So many rows of a key are left at one return; more deletes of one key may be forgotten as all are."""

KEEP_TAKEN_MS = 90 * 24 * 3600 * 1000
"""So long they are kept, at least."""

Row = list[Any]
"""`[path, dots beside, seen]`: a cell was empty but for these. `[path, payload]`: a sweep or a hider.
`[path, payload, colo]`: what a counter's cell had come to at that colo."""


class Taken(NamedTuple):
    """The rows of a key."""

    cells: list[tuple[bytes, frozenset[Dot], Vector]]
    wide: list[tuple[bytes, bytes]]
    counts: dict[bytes, list[bytes]]

    def has(self, path: bytes, dots: set[Dot]) -> bool:
        """Whether what stood at `path`, written as one of `dots`, had been taken away by who had seen it."""
        for at, beside, seen in self.cells:
            if at == path and any(covers(seen, dot) and dot not in beside for dot in dots):
                return True
        return any(
            takes_below(path, at, payload) and any(covers(unhide(payload).seen, dot) for dot in dots)
            for at, payload in self.wide
        )


def takes_below(path: bytes, at: bytes, payload: bytes) -> bool:
    """Whether a sweep or hider at `at` reaches `path`. (A hider replaces what it had seen in its own cell, too.)"""
    if is_sweep(payload):
        return in_sweep(path, at, payload)
    return (path == at or is_below(path, at)) and not is_counted(path)


def told(replica: Replica, key: str) -> Taken:
    """What those who came back have left of a key; of counters, what other colos have. O(rows)."""
    value = replica.read(TAKEN + key)
    found = Taken([], [], {})
    for row in value if value is not ABSENT else ():
        path = bytes.fromhex(row[0])
        if is_counted(path):
            if row[2] != colo_of(replica.state.id):
                found.counts.setdefault(path, []).append(bytes.fromhex(row[1]))
        elif len(row) == 3:
            found.cells.append((path, frozenset((r, n) for r, n in row[1]), dict(row[2])))
        else:
            found.wide.append((path, bytes.fromhex(row[1])))
    return found


def row_of(replica: Replica, key: str, path: bytes, s: Sibling) -> list[Any] | None:
    """What an own sibling says of what it had taken away: of whom it knew what, and the row. None if of nothing."""
    payload, storage = s.payload, replica.storage
    row: Row | None = None
    wide = payload is not None and (is_sweep(payload) or is_hider(payload))
    context = unhide(payload).seen if payload is not None and wide else storage.context(key)
    seen = {r: n for r, n in context.items() if r not in replica.state.lineage}
    if payload is not None and wide:
        # But where the container that was hidden is shown all the same, nothing was taken away.
        row = None if is_hider(payload) and _is_shown(replica, key, path) else [path.hex(), payload.hex()]
    elif is_counted(path):
        row = _counted(replica, key, path)
    elif path and not is_live(payload):
        beside = [list(other.dot) for other in storage.cells(key)[path] if other is not s]
        row = [path.hex(), beside, sorted(map(list, seen.items()))]
    return [seen, row] if row and seen else None


def _counted(replica: Replica, key: str, path: bytes) -> Row | None:
    """What another's share, or a keyed add, had come to here."""
    tag, data, _ = first(components(path)[-1])
    joined = joined_payload(path, replica.storage.cells(key)[path])
    mine = tag == REPLICA and data.decode() in replica.state.lineage
    return None if mine or joined is None else [path.hex(), joined.hex(), colo_of(replica.state.id)]


def rows_of(replica: Replica, pending: Iterable[dict[str, Any]], to: Vector) -> dict[str, list[Row]]:
    """Of a store that is about to return to a snapshot at `to`: what the writes that wait had taken away of what this
    lacks; and what others have told here, and may not have there. O(these)."""
    found = dict[str, list[Row]]()
    for key in _keys(replica):
        rows = [_row_at(p) for p, c in replica.storage.cells(key).items() if _lacks(c, to)]
        if rows:
            found[key.removeprefix(TAKEN)] = rows
    for plain in pending:
        for seen, row in filter(None, [plain.get("taken")]):
            if not covers_all(to, seen):
                found.setdefault(plain["key"], []).append(row)
    return found


def _is_shown(replica: Replica, key: str, path: bytes) -> bool:
    """Whether the container that was hidden at `path` is shown all the same."""
    tag, data, rest = first(path)
    tree = next((t for _, t in replica.roots(key) if t.prefix == component(tag, data)), None)
    return tag == STRATEGY and tree is not None and known_strategy(data.decode()).reaches(tree, rest)


def leave(draft: Draft, rows: Mapping[str, Sequence[Row]]) -> None:
    """These rows are there, as far as they are not; those that are too old go."""
    replica = draft.replica
    oldest_ms = max(0, replica.wall_ms() - KEEP_TAKEN_MS)
    for key, said in sorted(rows.items()):
        value = replica.read(TAKEN + key)
        new = [row for row in said[:MAX_TAKEN] if value is ABSENT or row not in value]
        if new:
            draft.operate(TAKEN + key, Operation("add", tuple(new)), spec="set")
    for key in list(_keys(replica)):
        cells = replica.storage.cells(key).items()
        old = [path for path, cell in cells if newest_stamp(cell) < make_stamp(oldest_ms) and is_live(cell[0].payload)]
        if old:
            draft.operate(key, Operation("remove", tuple(map(_row_at, old))))


def _row_at(path: bytes) -> Row:
    found: Row = values.unpack(split(path)[-1][1])
    return found


def _lacks(cell: Cell, to: Vector) -> bool:
    return any(is_live(s.payload) and not covers(to, s.dot) for s in cell)


def _keys(replica: Replica) -> Iterator[str]:
    return replica.storage.keys(TAKEN, TAKEN[:-1] + "0")
