"""Forgetting: what was deleted, and is known to be deleted everywhere, is dropped.

Law: what is dropped is a function of (cells, floor) alone, and no reading changes,
now or after any later join. The floor moves in steps so that replicas share it.
"""

from __future__ import annotations

from crdtkv.core.cells import Cell, due, newest_stamp
from crdtkv.core.clocks import Stamp, make_stamp
from crdtkv.core.paths import component, first
from crdtkv.core.tree import Tree
from crdtkv.replica import members
from crdtkv.replica.core import TTL_PATH, Replica, expired, known_strategy, roots_in
from crdtkv.strategies.counter_cells import share, share_path

__all__ = ["PURGE_STEP_MS", "purge", "purge_to", "stable"]

PURGE_STEP_MS = 10_000


def stable(replica: Replica, step_ms: int = PURGE_STEP_MS) -> Stamp:
    """The stamp up to which everything is known to have been heard by every member, in steps; 0 if unknown."""
    if members.forked(replica) or not members.agreed(replica):
        return 0
    said = replica.state.announced
    step = make_stamp(step_ms) if step_ms else 1
    return min(said[m][1] for m in members.members(replica)) // step * step


def purge(replica: Replica, step_ms: int = PURGE_STEP_MS) -> int:
    """Drop what is stable; how many cells that was. O(what was deleted or dated)."""
    with replica.transaction():
        members.announce(replica)
        return purge_to(replica, stable(replica, step_ms))


def purge_to(replica: Replica, floor: Stamp) -> int:
    """Raise the floor and drop what is absent and old. Inside a transaction."""
    storage, state = replica.storage, replica.state
    if floor > state.floor:
        state.floor = floor
        places = storage.due(floor)
    else:
        # What arrived at or below a floor that was reached without its writer goes as well.
        places = [place for place in _changed(replica) if _is_due(replica, *place)]
    by_root: dict[tuple[str, bytes], list[bytes]] = {}
    for key, path in places:
        root = path if path in (b"", TTL_PATH) else component(*first(path)[:2])
        by_root.setdefault((key, root), []).append(path)
    floor = state.floor
    # Dates last: what they hide goes with them.
    return sum(_purge_root(replica, key, root, paths, floor) for (key, root), paths in sorted(by_root.items()))


def _changed(replica: Replica) -> list[tuple[str, bytes]]:
    return [(key, path) for key, paths in replica.changed.items() for path in paths]


def _is_due(replica: Replica, key: str, path: bytes) -> bool:
    when = due(path, replica.storage.cells(key).get(path, ()))
    return when is not None and when <= replica.state.floor


def _purge_root(replica: Replica, key: str, root: bytes, paths: list[bytes], floor: Stamp) -> int:
    if root == b"":
        orphans, blocked = _orphans(replica, key, floor)
        return _drop(replica, key, orphans if blocked else [*orphans, *paths])
    if root == TTL_PATH:
        return _drop(replica, key, _expired(replica, key, floor))
    cells = replica.storage.cells(key)
    # A date that is not stable may still be put off, so it hides nothing from a purge.
    settled = newest_stamp(cells.get(TTL_PATH, ())) <= floor
    tree = Tree(cells, root, expired(cells, floor) if settled else 0)
    found = known_strategy(first(root)[1].decode())
    return _drop(replica, key, [root + p for p in found.dead(tree, [p[len(root) :] for p in paths], floor)])


def _orphans(replica: Replica, key: str, floor: Stamp) -> tuple[list[bytes], bool]:
    """Edits of a document whose root a new life swept away: what of them is old, and whether some is not.

    They are not shown and nothing below them was deleted, so the life's sweep is what
    remembers them: it goes last.
    """
    cells = replica.storage.cells(key)
    dead: list[bytes] = []
    blocked = False
    for found, tree in roots_in(cells):
        if found.whole and not cells.get(tree.prefix):
            below = [tree.prefix + path for path, _ in tree.below()]
            old = all(newest_stamp(cells[path]) <= floor for path in below)
            dead += below if old else []
            blocked = blocked or not old
    return dead, blocked


def _expired(replica: Replica, key: str, floor: Stamp) -> list[bytes]:
    """What goes because the key's date lies at or below the floor, the date last of all."""
    cells = replica.storage.cells(key)
    if newest_stamp(cells[TTL_PATH]) > floor:
        return []
    date = expired(cells, floor)
    dead = []
    for root in {component(*first(path)[:2]) for path in cells if path not in (b"", TTL_PATH)}:
        data = first(root)[1]
        found = known_strategy(data.decode())
        dead += (
            [p for p, cell in cells.items() if p.startswith(root) and _old(cell, date, floor)]
            if not found.whole
            else []
        )
        if found.whole and date and not found.present(Tree(cells, root, date)):
            below = [p for p in cells if p.startswith(root)]
            dead += below if all(newest_stamp(cells[p]) <= floor for p in below) else []
    left = [cell for path, cell in cells.items() if path not in {b"", TTL_PATH, *dead}]
    # Without its date, what is still older than the date would be shown again.
    if not date or not any(newest_stamp(cell) < date for cell in left):
        dead.append(TTL_PATH)
    return dead


def _old(cell: Cell, date: Stamp, floor: Stamp) -> bool:
    return newest_stamp(cell) < date and newest_stamp(cell) <= floor


def _drop(replica: Replica, key: str, paths: list[bytes]) -> int:
    storage, state = replica.storage, replica.state
    context = dict(storage.context(key))
    for path in paths:
        for sibling in storage.cells(key).get(path, ()):
            origin, n = sibling.dot
            state.dropped[origin] = max(n, state.dropped.get(origin, 0))
        if path.endswith(share_path(state.id)):
            said = share(storage.cells(key).get(path, ()))
            state.share_floor = max(state.share_floor, said.up, said.down)
        replica.set_cell(key, path, (), until=context)
    if not storage.cells(key):
        replica.set_context(key, {})
    return len(paths)
