"""Forgetting: what was deleted, and is known to be deleted everywhere, is dropped.

Here is when: how far the floor may move. What goes then is strategies/forgetting.py.
The floor moves in steps so that replicas share it.
"""

from __future__ import annotations

from crdtkv.core.clocks import Stamp, covers_all, make_stamp
from crdtkv.replica import members, past
from crdtkv.replica.core import Replica
from crdtkv.storage.pasts import NO_PAST
from crdtkv.strategies.forgetting import dead_paths, woken
from crdtkv.strategies.roots import TTL_PATH

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
    """Raise the floor and drop what is absent and old; how many cells that was. Inside a transaction.

    Also without a higher floor: what arrived at or below one that was reached without its
    writer goes, and what could not go before what has just changed.
    """
    state = replica.state
    if floor <= state.floor and not (state.floor and replica.changed):
        return 0
    places: dict[str, set[bytes]] = {}
    if floor > state.floor:
        replica.reach()
        state.floor = floor
        for key, path in replica.storage.due(floor):
            places.setdefault(key, set()).add(path)
    else:
        for key, changed in replica.changed.items():
            places[key] = woken(replica.storage.cells(key), changed, state.floor)
    return sum(_purge_key(replica, key, paths) for key, paths in sorted(places.items()) if paths)


def _purge_key(replica: Replica, key: str, paths: set[bytes]) -> int:
    storage, state = replica.storage, replica.state
    count, context, known_from = 0, storage.context(key), storage.horizon(key).base
    dated, lost = TTL_PATH in storage.cells(key), False
    for path in dead_paths(lambda: storage.cells(key), paths, state.floor):
        cell = storage.cells(key).get(path, ())
        replica.reach()
        for origin, n in (s.dot for s in cell):
            state.dropped[origin] = max(n, state.dropped.get(origin, 0))
        replica.set_cell(key, path, ())
        count += 1
        lost = lost or (dated and len(storage.past(key).get(path, NO_PAST)) < len(cell))
    if covers_all(storage.horizon(key).base, context) and not covers_all(known_from, context):
        # Its past was begun anew half-way: what was kept since is not all that stood.
        past.begin_again(storage, key, context)
        lost = True
    if count:
        past.note_purge(storage, key, state.floor)
    if not storage.cells(key):
        replica.set_context(key, {})
        if dated and lost:  # its last version showed what has expired since
            past.leave(storage, key)
    return count
