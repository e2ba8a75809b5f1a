"""Forgetting: what was deleted, and is known to be deleted everywhere, is dropped.

Law: what is dropped is a function of (cells, floor) alone, and no reading changes,
now or after any later join. The floor moves in steps so that replicas share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from crdtkv.core.cells import due, newest_stamp
from crdtkv.core.clocks import Stamp, covers_all, make_stamp
from crdtkv.core.paths import ORDER, component, components, first
from crdtkv.core.tree import Cells, Tree
from crdtkv.replica import members
from crdtkv.replica.core import TTL_PATH, Replica, expired, roots_in
from crdtkv.strategies.counter_cells import share, share_path
from crdtkv.strategies.opaque import known_strategy
from crdtkv.strategies.sequence import is_element, order_path

__all__ = ["PURGE_STEP_MS", "dead", "purge", "purge_to", "stable"]

PURGE_STEP_MS = 10_000


def stable(replica: Replica, step_ms: int = PURGE_STEP_MS) -> Stamp:
    """The stamp up to which everything is known to have been heard by every member, in steps; 0 if unknown."""
    state = replica.state
    if members.forked(replica) or not members.is_member(replica, state.id):
        return 0
    here = members.members(replica)
    said = {m: state.announced.get(m, (0, 0, {})) for m in here}
    if any(state.vector.get(m, 0) < n for m, (_, n, _) in said.items()):
        return 0
    # Of who is no member any more no low says anything: every member must have what we have of them.
    gone = members.retired(replica)
    if not all(covers_all(known, gone) for _, _, known in said.values()):
        return 0
    step = make_stamp(step_ms) if step_ms else 1
    return min((low for low, _, _ in said.values()), default=0) // step * step


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
    storage, state = replica.storage, replica.state
    if floor > state.floor:
        state.floor = floor
        places = _by_key(storage.due(floor))
    else:
        places = _awake(replica, replica.changed)
    dropped = 0
    while places:
        gone = {key: dead(storage.cells(key), paths, state.floor) for key, paths in sorted(places.items())}
        for key, paths in gone.items():
            _drop(replica, key, paths)
            dropped += len(paths)
        places = _awake(replica, gone)
    return dropped


def _by_key(places: Iterable[tuple[str, bytes]]) -> dict[str, set[bytes]]:
    out: dict[str, set[bytes]] = {}
    for key, path in places:
        out.setdefault(key, set()).add(path)
    return out


def _awake(replica: Replica, changed: Mapping[str, Iterable[bytes]]) -> dict[str, set[bytes]]:
    """Of what is due, all that may go now because these cells changed."""
    floor = replica.state.floor
    out: dict[str, set[bytes]] = {}
    for key, paths in changed.items() if floor else ():
        cells = replica.storage.cells(key)
        near = {n for path in paths for n in _around(path)}
        found = {p for p in near if (cell := cells.get(p)) and (when := due(p, cell)) is not None and when <= floor}
        if found:
            out[key] = found
    return out


def _around(path: bytes) -> Iterator[bytes]:
    """The cells whose going may hang on the cell at `path`: it, those above it, an element's order cell and it."""
    yield from (b"", TTL_PATH)
    at = 0
    for part in components(path):
        above, at = path[:at], at + len(part)
        yield path[:at]
        if is_element(part):
            yield above + order_path(part)
        elif part[:1] == ORDER:
            yield above + first(part)[1]


def dead(cells: Cells, candidates: Iterable[bytes], floor: Stamp) -> set[bytes]:
    """What of a key a purge to `floor` drops because of the cells at `candidates`: a function of its cells alone."""
    by_root: dict[bytes, list[bytes]] = {}
    for path in sorted(candidates):
        root = path if path in (b"", TTL_PATH) else component(*first(path)[:2])
        by_root.setdefault(root, []).append(path)
    out: set[bytes] = set()
    for root, paths in by_root.items():
        if root == b"":
            out.update(_dead_sweep(cells, floor))
        elif root == TTL_PATH:
            out.update(_dead_date(cells, floor))
        else:
            out.update(_dead_root(cells, root, paths, floor))
    return out


def _dead_root(cells: Cells, root: bytes, paths: list[bytes], floor: Stamp) -> list[bytes]:
    # A date that is not stable may still be put off, so it hides nothing from a purge.
    settled = newest_stamp(cells.get(TTL_PATH, ())) <= floor
    tree = Tree(cells, root, expired(cells, floor) if settled else 0)
    found = known_strategy(first(root)[1].decode())
    return [root + p for p in found.dead(tree, [p[len(root) :] for p in paths], floor)]


def _dead_sweep(cells: Cells, floor: Stamp) -> list[bytes]:
    """The key's own cell, after the edits of a document whose container a new life swept away.

    They are not shown and nothing below them was deleted, so the life's sweep is what
    remembers them: it goes last.
    """
    groups = [(tree.prefix, group) for found, tree in roots_in(cells) for group in found.orphans(tree)]
    old = [(at, group) for at, group in groups if all(newest_stamp(cell) <= floor for cell in group.values())]
    return [*(at + path for at, group in old for path in group), *([b""] if len(old) == len(groups) else [])]


def _dead_date(cells: Cells, floor: Stamp) -> list[bytes]:
    """What goes because the key's date lies at or below the floor, the date last of all."""
    if newest_stamp(cells[TTL_PATH]) > floor:
        return []
    date = expired(cells, floor)
    out: list[bytes] = []
    for found, tree in roots_in(cells, date) if date else ():
        below = {tree.prefix + path: cell for path, cell in [(b"", tree.raw().cell()), *tree.raw().below()] if cell}
        if not found.whole:
            out += [p for p, cell in below.items() if newest_stamp(cell) < date and newest_stamp(cell) <= floor]
        elif tree.prefix in below and not found.present(tree) and all(newest_stamp(cell) <= floor for cell in below.values()):
            out += below
    left = [cell for path, cell in cells.items() if path not in {b"", TTL_PATH, *out}]
    # Without its date, what is still older than the date would be shown again.
    return out if any(s.stamp < date for cell in left for s in cell) else [*out, TTL_PATH]


def _drop(replica: Replica, key: str, paths: Iterable[bytes]) -> None:
    storage, state = replica.storage, replica.state
    context = dict(storage.context(key))
    for path in sorted(paths):
        for sibling in storage.cells(key).get(path, ()):
            origin, n = sibling.dot
            state.dropped[origin] = max(n, state.dropped.get(origin, 0))
        if path.endswith(share_path(state.id)):
            said = share(storage.cells(key).get(path, ()))
            state.share_floor = max(state.share_floor, said.up, said.down)
        replica.set_cell(key, path, (), until=context)
    if not storage.cells(key):
        replica.set_context(key, {})
