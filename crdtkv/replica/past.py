"""What stood before: superseded siblings, and the value at any version still kept.

Local to each store, never replicated. A superseded sibling remembers all that
replaced it, so the cells at a version V are those of every sibling, standing or
superseded, that V knows, less those of whose replacers V knows one, less what the
writers of what V knows had purged.

A version can be rebuilt iff it covers the key's horizon and lies in none of its
gaps. Where a catch-up squashed what happened in between, versions strictly inside
are unknown here; a guess is never made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, Context, Sibling, due, make_cell, unhide
from crdtkv.core.clocks import Dot, Stamp, Vector, covers, covers_all, meet, merge
from crdtkv.core.digest import Stood
from crdtkv.core.packed import Packed
from crdtkv.core.sweeps import in_sweep
from crdtkv.core.tree import Cells
from crdtkv.storage.base import NO_HORIZON, Floor, Horizon, Life, Storage
from crdtkv.storage.pasts import NO_PAST, End, Past, Superseded, row_of, rows_of
from crdtkv.strategies.forgetting import dead_paths

__all__ = [
    "MAX_FLOORS",
    "MAX_GAPS",
    "MAX_LIVES",
    "Keep",
    "also_replaced",
    "begin_again",
    "begin_life",
    "begun",
    "behind",
    "cells_at",
    "differing",
    "is_due",
    "keep",
    "known",
    "leave",
    "note_floor",
    "note_gap",
    "note_purge",
    "raise_horizon",
    "rebuildable",
    "sweep_rows",
    "trim",
]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long

MAX_GAPS = 16
MAX_LIVES = 64
MAX_FLOORS = 1024


class Keep(NamedTuple):
    """How much of a key's past is kept: siblings per cell and milliseconds. `cells=0` keeps none."""

    cells: int = 64
    ms: int = 24 * 3600 * 1000


def keep(
    storage: Storage, key: str, path: bytes, stood: list[Stood], by: Dot | None, until: Context | None,
    wall_ms: int, limit: Keep,
) -> None:  # fmt: skip
    """What stood in a cell was just replaced, by the dot `by` or a catch-up to `until`; by neither: purged."""
    dots = (by,) if by else ()
    rows = storage.past(key).get(path, NO_PAST)
    most = limit.cells
    excess = len(rows) + len(stood) - most
    trims = excess > most // 4  # several at once: each time tells anew how far back the rest reaches
    if trims:
        excess = rows.whole(excess) if most else excess
        now, floors = storage.context(key), storage.horizon(key).floors
        if floors:
            gone = [_new(Superseded, (s, dots, until, wall_ms)) for s, _ in stood]
            oldest = [*rows.oldest(excess), *gone][:excess]
            if any(_decides(row, floor) for row in oldest for floor in floors):
                begin_again(storage, key, merge([now, dict(dots), until or {}]))
                return
        ends = rows.ends(excess)
        _forget(storage, key, ends if len(rows) >= excess else [*ends, (dots, until)], now or dict(dots))
    if most:
        end = by if until is None else None
        rows = rows.behind(rows_of(stood, dots, until, wall_ms), not by and until is None, end)
        storage.put_past(key, path, rows.without(excess) if trims else rows)
        deleted = 0
        for s, _ in stood:
            deleted = max(deleted, due(path, (s,)) or 0)
        if deleted and deleted > storage.horizon(key).deleted:
            storage.put_horizon(key, storage.horizon(key)._replace(deleted=deleted))
    elif rows:
        storage.put_past(key, path, NO_PAST)


def behind(
    storage: Storage, key: str, path: bytes, was: Sibling, packed: bytes, by: Dot, wall_ms: int, limit: Keep
) -> tuple[Past, bytes] | None:
    """The past of a cell after `was`, which MessagePack makes `packed` of, was replaced by `by`, and the row that came.

    None: there is more to do than that, see `keep`.
    """
    rows = storage.past(key).get(path)
    if rows is None or len(rows) >= limit.cells + limit.cells // 4 or due(path, (was,)) is not None:
        return None
    row = row_of(packed, by, wall_ms)
    return rows.behind([row], False, by), row


def _decides(row: Superseded, floor: Floor) -> bool:
    """Whether what was purged at `floor` hangs on `row`, which stood then: without it that cannot be told any more."""
    before, (sibling, by, until, _) = floor.before, row
    if not covers(before, sibling.dot) or any(covers(before, dot) for dot in by):
        return False
    return until is None or not covers_all(before, until)


def note_floor(storage: Storage, key: str, dot: Dot, before: Vector, floor: Stamp) -> None:
    """`dot` is about to touch the key, and its writer had purged to `floor`. `before`: what is absorbed here.

    Of what was deleted here it may name nothing, because there it was not any more.
    """
    horizon = storage.horizon(key)
    if horizon is NO_HORIZON:
        return
    noted = max((f.floor for f in horizon.floors if f.dot[0] == dot[0]), default=0)
    if min(floor, horizon.deleted) > noted:
        storage.put_horizon(key, horizon._replace(floors=(*horizon.floors, Floor(dot, dict(before), floor))))
    if len(horizon.floors) >= MAX_FLOORS:
        begin_again(storage, key, storage.context(key))


def note_purge(storage: Storage, key: str, floor: Stamp) -> None:
    """Some of what stood in the key was purged here at `floor`, which may be later than all that it hung on."""
    horizon = storage.horizon(key)
    if floor > horizon.deleted and storage.past(key):
        storage.put_horizon(key, horizon._replace(deleted=floor))


def also_replaced(storage: Storage, key: str, path: bytes, parents: Iterable[Dot], by: Dot) -> None:
    """`by` replaced `parents` too, which something concurrent had replaced here before."""
    wanted = set(parents)
    if wanted and (rows := storage.past(key).get(path)) is not None:
        made = rows.altered(wanted, lambda row: row if by in row.by else row._replace(by=(*row.by, by)))
        if made is not rows:
            storage.put_past(key, path, made)


def begin_life(storage: Storage, key: str, dot: Dot, replaced: Context, floor: Stamp) -> None:
    """The key was made anew by `dot`: a version that knows `dot` knows what `replaced` covers.

    And all that was stamped at or below the purge `floor` of its writer, who had heard it,
    although a key that was dropped whole has no context that would say so. And where
    nothing is left standing here, it knows all that was known here. Before the context
    is replaced.
    """
    heard = [row.sibling.dot for rows in storage.past(key).values() for row in rows if row.sibling.stamp <= floor]
    whole = all(s.dot == dot for cell in storage.cells(key).values() for s in cell)
    horizon = storage.horizon(key)
    lived = merge([replaced, *(dict([d]) for d in heard)])
    if whole:
        lived = merge([lived, horizon.base, *(to for _, to in horizon.gaps)])
    if not lived:
        return
    if not storage.past(key) and whole:
        # Nothing is left here of what it replaced, not even how far it reached.
        storage.put_horizon(key, Horizon(dict([dot])))
        return
    held = {r: n for r, n in lived.items() if known(storage, key, {r: n})}
    lives = (*horizon.lives, Life(dot, lived, held))
    storage.put_horizon(key, horizon._replace(lives=lives[-MAX_LIVES:]))
    for life in lives[:-MAX_LIVES]:
        raise_horizon(storage, key, dict([life.dot]))


def sweep_rows(storage: Storage, key: str, root: bytes, payload: bytes, dot: Dot) -> None:
    """The sweep `dot` replaced what it covers also where something concurrent had replaced that here before."""
    seen = unhide(payload).seen
    for path, rows in list(storage.past(key).items()):
        if in_sweep(path, root, payload):
            also_replaced(storage, key, path, {r.sibling.dot for r in rows if covers(seen, r.sibling.dot)}, dot)


def note_gap(storage: Storage, key: str, since: Context, to: Context) -> None:
    """Something happened to the key that is not known here.

    `since`: of each replica of which something came, what was absorbed before; `to`: the
    key's context after.
    """
    for path, rows in list(storage.past(key).items()):
        # What was purged is not part of any version behind the gap, whatever happened inside.
        if rows.loose:
            settled = [r if r.by or r.until is not None else r._replace(until=dict(to)) for r in rows]
            storage.put_past(key, path, rows.remade(settled))
    horizon = storage.horizon(key)
    gaps = (*horizon.gaps, (dict(since), dict(to)))
    storage.put_horizon(key, horizon._replace(gaps=gaps[-MAX_GAPS:]))
    for _, end in gaps[:-MAX_GAPS]:
        raise_horizon(storage, key, end)


def begin_again(storage: Storage, key: str, context: Context) -> None:
    """Only versions from `context`, the key's present one, on can be rebuilt: what stood before is of no use."""
    _clear(storage, key)
    storage.put_horizon(key, begun(storage.cells(key), context))


def leave(storage: Storage, key: str) -> None:
    """The key is gone, and no version of it can be rebuilt."""
    _clear(storage, key)
    storage.put_horizon(key, NO_HORIZON)


def begun(cells: Cells, context: Context) -> Horizon:
    """The horizon of a key that has these cells, and of which nothing that was before is known. O(cells)."""
    # What stands from an earlier life (a counter's cancelled shares) is part of every version from now on.
    older: dict[str, int] = {}
    for cell in cells.values():
        for (replica, n), _, _, _, _ in cell:
            if n > context.get(replica, 0) and n > older.get(replica, 0):
                older[replica] = n
    lives = tuple(Life(dot, older, older) for dot in list(context.items())[:1]) if older else ()
    return Horizon(dict(context), lives=lives)


def _clear(storage: Storage, key: str) -> None:
    for path in list(storage.past(key)):
        storage.put_past(key, path, NO_PAST)


def raise_horizon(storage: Storage, key: str, context: Context) -> None:
    """Versions that do not cover `context` can no longer be rebuilt."""
    horizon = storage.horizon(key)
    base, gaps, lives, deleted, floors = horizon
    base = merge([base, context])
    if gaps:
        gaps = tuple([gap for gap in gaps if not covers_all(base, gap[1])])
    storage.put_horizon(key, _new(Horizon, (base, gaps, lives, deleted, floors)))


def rebuildable(horizon: Horizon, version: Context) -> bool:
    """Whether the cells at `version` can be rebuilt here, exactly."""
    version = _knows(horizon, version)
    if not covers_all(version, horizon.base):
        return False
    return all(_outside(version, since, to) for since, to in horizon.gaps)


def _knows(horizon: Horizon, version: Context) -> Context:
    """`version` with all that its writers knew of the key.

    A key context forgets what its life replaced; who wrote it had not, nor what that
    life's writer knew of the lives before.
    """
    known, left = version, list(horizon.lives)
    while found := [life for life in left if covers(known, life.dot)]:
        left = [life for life in left if life not in found]
        known = merge([known, *(life.replaced for life in found)])
    return known


def known(storage: Storage, key: str, version: Context) -> bool:
    """Whether each entry of `version` is a touch of this key that is still remembered here.

    What is not was trimmed, squashed or purged away, belongs to another key, or was made up.
    """
    horizon = storage.horizon(key)
    contexts = [
        storage.context(key),
        horizon.base,
        *(li.held for li in horizon.lives),
        *(to for _, to in horizon.gaps),
    ]
    contexts += [dict([life.dot]) for life in horizon.lives]
    rest = [(r, n) for r, n in version.items() if not any(c.get(r) == n for c in contexts)]
    rest = [dot for dot in rest if not storage.stands(key, dot)]
    if rest:
        past = {row.sibling.dot for rows in storage.past(key).values() for row in rows}
        return all(dot in past for dot in rest)
    return True


def _outside(version: Context, since: Context, to: Context) -> bool:
    """Whether a version knows nothing of what came with the gap, or all of it."""
    return covers_all(version, to) or all(version.get(r, 0) <= n for r, n in since.items())


def cells_at(storage: Storage, key: str, version: Context) -> Cells:
    """The cells of `key` as `version` showed them. O(cells and past of the key). `rebuildable` must hold."""
    horizon = storage.horizon(key)
    known = _Known(storage, key, _knows(horizon, version))
    for when in horizon.floors:
        if covers(known.version, when.dot):
            known.purge(when)
    cells: Cells = known.cells()
    return cells


def differing(storage: Storage, key: str, version: Context) -> dict[bytes, Cell] | None:
    """Where `cells_at` gives others than stand now, and which (`()`: none). None if it takes more than what is kept
    of these places. O(cells), some 0.2 us each, and past of the key.
    """
    horizon = storage.horizon(key)
    version = _knows(horizon, version)
    if any(covers(version, when.dot) for when in horizon.floors):
        return None
    cells = storage.cells(key)
    if isinstance(cells, Packed):
        beyond = cells.beyond(version)
    else:
        beyond = [path for path, cell in cells.items() if not all(covers(version, s.dot) for s in cell)]
    out = {path: tuple(s for s in cells[path] if covers(version, s.dot)) for path in beyond}
    for path, rows in storage.past(key).items():
        back = [row.sibling for row in rows if covers(version, row.sibling.dot) and _stood(row, version)]
        if back:
            out[path] = make_cell([*out.get(path, cells.get(path, ())), *back])
    return out


def _stood(row: Superseded, version: Context) -> bool:
    """Whether it had not been replaced at a version."""
    return not _ended(row, version) and not any(covers(version, dot) for dot in row.by)


class _Known:
    """What a version knows of a key: siblings, by path, each with what replaced it."""

    def __init__(self, storage: Storage, key: str, version: Context) -> None:
        self.version = version
        past = storage.past(key)
        standing = [(p, Superseded(s, (), None, 0)) for p, cell in storage.cells(key).items() for s in cell]
        rows = [*standing, *((p, row) for p, rows in past.items() for row in rows)]
        self.rows = [(p, r) for p, r in rows if covers(version, r.sibling.dot)]
        self.deleted = [when for p, r in self.rows if (when := due(p, (r.sibling,))) is not None]

    def cells(self, before: Vector | None = None) -> SortedDict:
        """The cells of what had come when `before` was absorbed (None: of all)."""
        known = self.version if before is None else meet(self.version, before)
        found = SortedDict()
        for path, row in self.rows:
            s = row.sibling
            if covers(known, s.dot) and _stood(row, known):
                found.setdefault(path, []).append(s)
        for path in found:
            found[path] = make_cell(found[path])
        return found

    def purge(self, when: Floor) -> None:
        """What whoever wrote `when.dot` had purged by then is gone."""
        if not any(at <= when.floor for at in self.deleted):
            return
        cells = self.cells(when.before)
        places = [p for p, cell in cells.items() if (at := due(p, cell)) is not None and at <= when.floor]
        dropped = set()
        for path in dead_paths(lambda: cells, places, when.floor):
            dropped |= {(path, s.dot) for s in cells.pop(path, ())}
        self.rows = [(p, r) for p, r in self.rows if (p, r.sibling.dot) not in dropped]


def _ended(row: Superseded, version: Context) -> bool:
    return row.until is not None and covers_all(version, row.until)


def _forget(storage: Storage, key: str, ends: Iterable[End], now: Context) -> None:
    """Before rows go that ended so: versions that would show them can't be rebuilt any more. `now`: the key's context.
    """
    known: dict[str, int] = {}
    for by, until in ends:
        for replica, n in (by if until is None else until.items()) or now.items():
            if n > known.get(replica, 0):
                known[replica] = n
    raise_horizon(storage, key, known)


def is_due(storage: Storage, key: str, limit: Keep, wall_ms: int) -> bool:
    """Whether `trim` would change something. O(past of the key)."""
    rows = [row for rows in storage.past(key).values() for row in rows]
    if rows:
        return any(wall_ms - row.wall_ms >= limit.ms for row in rows)
    return storage.horizon(key) != _bare(storage, key)


def _bare(storage: Storage, key: str) -> Horizon:
    """The horizon of a key without a past."""
    return storage.horizon(key)._replace(deleted=0, floors=()) if storage.cells(key) else NO_HORIZON


def trim(storage: Storage, key: str, limit: Keep, wall_ms: int) -> int:
    """Forget what is older than the limit; how many siblings that were. O(past of the key)."""
    old = [row for rows in storage.past(key).values() for row in rows if wall_ms - row.wall_ms >= limit.ms]
    context = storage.context(key)
    if old and not context:
        # Purged whole: no version can say that it is later than that, so none is known any more.
        leave(storage, key)
    elif any(_decides(row, floor) for row in old for floor in storage.horizon(key).floors):
        begin_again(storage, key, context)
    elif old:
        _forget(storage, key, [(row.by, row.until) for row in old], context)
        for path, rows in list(storage.past(key).items()):
            left = [r for r in rows if wall_ms - r.wall_ms < limit.ms]
            if len(left) < len(rows):
                storage.put_past(key, path, rows.remade(left))
    if not storage.past(key):
        storage.put_horizon(key, _bare(storage, key))
    return len(old)
