"""Catch-ups, cut: what a peer at some vector lacks, as one snapshot or page by page.

Law of this room: it writes nothing but the clock, and keeps nothing: who asks says from where
on. Pages are cut one after the other while writes go on; a *pass* goes once through the keys
that changed beyond a vector, and the next pass through those that changed since the first page
of it. A pass of one page is cut at one instant: laid over those before it, it makes them a
snapshot of that instant (what was dropped between has no writer that the asker lacks, or is
due at the floor that comes with it).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import methodcaller
from typing import NamedTuple, TypeVar

from sortedcontainers import SortedDict

from crdtkv.core.cells import Context
from crdtkv.core.clocks import Vector, covers_all
from crdtkv.core.packed import Packed
from crdtkv.core.paths import ORDER, STRATEGY, is_below
from crdtkv.core.tree import Cells, Tree
from crdtkv.core.wire import CatchUp, Floor, KeyCells, pack_cells
from crdtkv.replica import members
from crdtkv.replica.core import Replica
from crdtkv.strategies.roots import TTL_PATH
from crdtkv.strategies.sequence import orders_on

__all__ = ["Plan", "along", "catch_up", "changed", "cut", "cut_packed", "everything", "head", "since_for"]


_T = TypeVar("_T")

_SOME = 16
"""Of so many paths it is worth it to ask first whether they are all of the plainest shape."""

_MANY = 16
"""So many times as many cells are walked through faster than each of some is looked for."""


class Plan(NamedTuple):
    """What a pass goes through: keys in order, and of each the places that changed, None for all of it."""

    keys: Sequence[str] | None
    places: dict[str, list[bytes]]


def since_for(replica: Replica, vector: Vector, full: bool = False) -> dict[str, int]:
    """From where a peer at `vector` can be caught up: its vector, or nothing if it lacks what was purged here."""
    return {} if full or not covers_all(vector, replica.state.dropped) else dict(vector)


def catch_up(replica: Replica, vector: Vector, full: bool = False) -> CatchUp:
    """All that a peer at `vector` lacks, as one snapshot. O(what it lacks).

    Speaking ticks the clock: everything this replica ever writes later is stamped later.
    """
    replica.speak()
    since = since_for(replica, vector, full)
    plan = everything() if not since else changed(replica, since)
    return head(replica, since, full or not since, tuple(cut(replica, plan)))


def head(replica: Replica, since: Vector, full: bool, keys: Collection[KeyCells]) -> CatchUp:
    """A catch-up of `keys`, under what is known here now. (Who speaks has said its clock: `Replica.speak`.)

    Of chains those that lead on from `since`: who is there has the others.
    """
    state, view = replica.state, members.view(replica)
    vector = state.vector
    chains = {r: hash for r, hash in state.chains.items() if vector.get(r, 0) > since.get(r, 0)}
    return CatchUp(
        dict(since), dict(state.vector), full, keys,
        Floor(state.floor, dict(state.dropped)), dict(state.heard), chains, dict(state.announced),
        view.lineage, state.digest, view.ancestry, view.members, view.overruled,
    )  # fmt: skip


def everything() -> Plan:
    """All keys, whole."""
    return Plan(None, {})


def changed(replica: Replica, since: Vector) -> Plan:
    """The places with a sibling beyond `since`. O(their number)."""
    if covers_all(since, replica.state.vector):
        return Plan((), {})  # (what was changed here need not be looked through for it)
    places: dict[str, list[bytes]] = {}
    for key, path in replica.storage.beyond(since):
        places.setdefault(key, []).append(path)
    return Plan(sorted(places), places)


def cut(replica: Replica, plan: Plan, after: str | None = None) -> Iterator[KeyCells]:
    """The keys of a pass behind `after`, in order, each as it is when it is asked for."""
    return _cut(replica, plan, after, _made)


def cut_packed(replica: Replica, plan: Plan, after: str | None = None) -> Iterator[tuple[str, int, bytes]]:
    """As `cut`: of each key its name, how many cells, and what `wire.pack_key` makes of it."""
    return _cut(replica, plan, after, _packed)


_Make = Callable[[str, Context, Cells, Sequence[bytes]], _T]
"""What is made of a key, of its cells at these paths, which are in order."""


def _made(key: str, context: Context, cells: Cells, paths: Sequence[bytes]) -> KeyCells:
    return KeyCells(key, dict(context), tuple([(path, cells[path]) for path in paths]))


def _packed(key: str, context: Context, cells: Cells, paths: Sequence[bytes]) -> tuple[str, int, bytes]:
    return key, len(paths), pack_cells(key, context, cells, paths)


def _cut(replica: Replica, plan: Plan, after: str | None, make: _Make[_T]) -> Iterator[_T]:
    storage, keys = replica.storage, plan.keys
    if keys is None:

        def whole(key: str, cells: Cells, context: Context) -> _T:
            return make(key, context, cells, sorted(cells))

        yield from storage.passing("" if after is None else after + "\0", None, False, None, whole)
        return
    for at in range(0 if after is None else bisect_right(keys, after), len(keys)):
        key = keys[at]
        cells, paths = storage.cells(key), _paths_beyond(replica, key, plan.places[key])
        if paths:
            yield make(key, storage.context(key), cells, paths)


def _paths_beyond(replica: Replica, key: str, paths: list[bytes]) -> list[bytes]:
    """Those of these where a cell stands, and those that go along, in order."""
    cells = replica.storage.cells(key)
    more = along(paths, cells) if len(paths) < len(cells) else ()
    found = sorted({*paths, *more} if more else paths)
    return cells.standing(found) if isinstance(cells, Packed) else list(filter(cells.__contains__, found))


def along(paths: Collection[bytes], cells: Cells) -> set[bytes]:
    """What goes along with the cells at `paths` in a catch-up: all below them, and the order cells of the elements on
    the way. What was not sent of these is not there any more.

    (An order cell goes with its element: beside one that was made anew since, it must not be found where it was not
    forgotten yet.)
    """
    if len(paths) >= _SOME and _stand_alone(paths, cells):
        return set()
    out = {order for path in _on_ordered(paths, cells) for order in orders_on(path) if order in cells}
    roots = _roots_of(paths)
    if len(roots) * _MANY < len(cells):
        for root in roots:
            out |= {root + path for path, _ in Tree(cells, root).below()}
    else:
        out.update(_below(roots, cells))
    return out


def _stand_alone(paths: Collection[bytes], cells: Cells) -> bool:
    """Whether nothing goes along since all of `paths` are one component below one root, below which nothing was moved,
    and no other cell lies deeper than that. O(paths + cells), without a look at each in Python."""
    high, low = max(paths), min(paths)
    root = low[: low.find(b"\0") + 1]
    if root[:1] != STRATEGY or not is_below(high, root) or set(map(_zeros, paths)) != {2}:
        return False
    # (What lies below a path lies behind it, before the next beside it, and has one more 0x00 at least.)
    others = cells.paths_between(low, high + b"\xff") if isinstance(cells, Packed) else cells
    return max(map(_zeros, others), default=0) <= 2 and next(Tree(cells, root).range(ORDER), None) is None


_zeros = methodcaller("count", b"\0")


def _on_ordered(paths: Collection[bytes], cells: Cells) -> Iterable[bytes]:
    """Those of `paths` that lie where some element was moved, or deeper than one component below a strategy."""
    moved: dict[bytes, bool] = {}
    for path in paths:
        root = path[: path.find(b"\0") + 1]
        if path.count(b"\0") == 2 and path[:1] == STRATEGY and path[len(root)] != 0xFF:
            if root not in moved:
                moved[root] = next(Tree(cells, root).range(ORDER), None) is not None
            if not moved[root]:
                continue
        yield path


def _below(roots: Iterable[bytes], cells: Cells) -> Iterator[bytes]:
    """What lies below `roots`, in order and none below another, in one walk. O(roots + cells)."""
    left = iter(roots)
    root = next(left, None)
    for path in cells if isinstance(cells, (SortedDict, Packed)) else sorted(cells):
        while root is not None and path >= root + b"\xff":
            root = next(left, None)
        if root is None:
            return
        if path > root:
            yield path


def _roots_of(paths: Iterable[bytes]) -> list[bytes]:
    """The paths among `paths` that lie below no other of them. Below a key's date lies the whole key.

    (Who purged what had expired and gave the key a new date must say so to who holds
    the old date and what it hid.)
    """
    out: list[bytes] = []
    given = set(paths)
    for path in [b""] if TTL_PATH in given else sorted(given):
        if not out or not is_below(path, out[-1]):
            out.append(path)
    return out
