"""What stood before: superseded siblings, and the value at any version still kept.

Local to each store, never replicated. A superseded sibling remembers what replaced
it, so the cells at a version V are: every sibling, standing or superseded, that V
covers, less those whose replacement V covers too.

A version can be rebuilt iff it covers the key's horizon and lies in none of its
gaps. Where a catch-up squashed what happened in between, versions strictly inside
are unknown here; a guess is never made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from crdtkv.core.cells import Cell, Context, Sibling, make_cell, unhide
from crdtkv.core.clocks import Dot, Stamp, covers, covers_all, merge
from crdtkv.core.sweeps import in_sweep
from crdtkv.storage.base import NO_HORIZON, Horizon, Life, Storage, Superseded

__all__ = [
    "MAX_GAPS",
    "MAX_LIVES",
    "Keep",
    "also_replaced",
    "begin_again",
    "begin_life",
    "cells_at",
    "keep",
    "known",
    "name_replacers",
    "note_gap",
    "raise_horizon",
    "rebuildable",
    "sweep_rows",
    "trim",
]

MAX_GAPS = 16
MAX_LIVES = 64


class Keep(NamedTuple):
    """How much of a key's past is kept: siblings per cell and milliseconds. `cells=0` keeps none."""

    cells: int = 64
    ms: int = 24 * 3600 * 1000


def keep(
    storage: Storage, key: str, path: bytes, old: Iterable[Sibling], by: Dot | None, until: Context | None,
    wall_ms: int, limit: Keep,
) -> None:  # fmt: skip
    """The siblings `old` of a cell were just replaced, by the dot `by` or by a catch-up up to `until`."""
    dots = (by,) if by else ()
    gone = [Superseded(s, dots, dict(until) if until is not None else None, wall_ms) for s in old]
    rows = storage.past(key).get(path, ()) + tuple(gone)
    excess = max(0, len(rows) - limit.cells)
    _forget(storage, key, rows[:excess])
    storage.put_past(key, path, rows[excess:])


def also_replaced(storage: Storage, key: str, path: bytes, parents: Iterable[Dot], by: Dot) -> None:
    """`by` replaced `parents` too, which something concurrent had replaced here before."""
    rows = storage.past(key).get(path, ())
    wanted = set(parents)
    if any(row.sibling.dot in wanted for row in rows):
        storage.put_past(
            key, path,
            tuple(r._replace(by=(*r.by, by)) if r.sibling.dot in wanted and by not in r.by else r for r in rows),
        )  # fmt: skip


def begin_life(storage: Storage, key: str, dot: Dot, replaced: Context, floor: Stamp = 0) -> None:
    """The key was made anew by `dot`: what `replaced` covers is not part of versions that know `dot`.

    Where the writer had dropped the key whole, its purge `floor` says what it replaced.
    """
    horizon = storage.horizon(key)
    lives = (*horizon.lives, Life(dot, dict(replaced)))
    if replaced:
        storage.put_horizon(key, horizon._replace(lives=lives[-MAX_LIVES:]))
        for life in lives[:-MAX_LIVES]:
            raise_horizon(storage, key, dict([life.dot]))
    else:
        _replace_rows(storage, key, dot, lambda path, row: row.sibling.stamp <= floor)


def sweep_rows(storage: Storage, key: str, root: bytes, payload: bytes, dot: Dot) -> None:
    """The sweep `dot` replaced what it covers also where something concurrent had replaced that here before."""
    seen = unhide(payload).seen
    _replace_rows(storage, key, dot, lambda path, row: in_sweep(path, root, payload) and covers(seen, row.sibling.dot))


def _replace_rows(storage: Storage, key: str, dot: Dot, which: Callable[[bytes, Superseded], bool]) -> None:
    for path, rows in list(storage.past(key).items()):
        new = tuple(r._replace(by=(*r.by, dot)) if dot not in r.by and which(path, r) else r for r in rows)
        if new != rows:
            storage.put_past(key, path, new)


def note_gap(storage: Storage, key: str, since: Context, to: Context) -> None:
    """Something happened to the key that is not known here.

    `since`: of each replica of which something came, what was absorbed before; `to`: the
    key's context after.
    """
    horizon = storage.horizon(key)
    gaps = (*horizon.gaps, (dict(since), dict(to)))
    storage.put_horizon(key, horizon._replace(gaps=gaps[-MAX_GAPS:]))
    for _, end in gaps[:-MAX_GAPS]:
        raise_horizon(storage, key, end)


def begin_again(storage: Storage, key: str, context: Context) -> None:
    """Only versions from `context`, the key's present one, on can be rebuilt: what stood before is of no use."""
    for path in list(storage.past(key)):
        storage.put_past(key, path, ())
    storage.put_horizon(key, Horizon(dict(context), (), ()))


def raise_horizon(storage: Storage, key: str, context: Context) -> None:
    """Versions that do not cover `context` can no longer be rebuilt."""
    horizon = storage.horizon(key)
    base = merge([horizon.base, context])
    gaps = tuple(gap for gap in horizon.gaps if not covers_all(base, gap[1]))
    storage.put_horizon(key, horizon._replace(base=base, gaps=gaps))


def rebuildable(horizon: Horizon, version: Context) -> bool:
    """Whether the cells at `version` can be rebuilt here, exactly."""
    version, _ = _knows(horizon, version)
    if not covers_all(version, horizon.base):
        return False
    return all(_outside(version, since, to) for since, to in horizon.gaps)


def _knows(horizon: Horizon, version: Context) -> tuple[Context, list[Life]]:
    """`version` with what the lives it knows had replaced, and those lives.

    A key context forgets what its life replaced; who wrote it had not, nor what that
    life's writer knew of the lives before.
    """
    known, lives, left = version, [], list(horizon.lives)
    while found := [life for life in left if covers(known, life.dot)]:
        lives += found
        left = [life for life in left if life not in found]
        known = merge([known, *(life.replaced for life in found)])
    return known, lives


def known(storage: Storage, key: str, version: Context) -> bool:
    """Whether each entry of `version` is a touch of this key that is still remembered here.

    What is not was trimmed, squashed or purged away, belongs to another key, or was made up.
    """
    horizon = storage.horizon(key)
    contexts = [
        storage.context(key),
        horizon.base,
        *(li.replaced for li in horizon.lives),
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


def cells_at(storage: Storage, key: str, version: Context) -> dict[bytes, Cell]:
    """The cells of `key` as `version` showed them. O(cells and past of the key). `rebuildable` must hold."""
    cells: dict[bytes, list[Sibling]] = {}
    knows, lives = _knows(storage.horizon(key), version)
    for path, cell in storage.cells(key).items():
        cells.setdefault(path, []).extend(s for s in cell if covers(version, s.dot))
    for path, rows in storage.past(key).items():
        cells.setdefault(path, []).extend(
            r.sibling for r in rows if covers(version, r.sibling.dot) and _stood(r, knows)
        )
    out: dict[bytes, Cell] = {}
    for path in sorted(cells):
        kept = [s for s in cells[path] if not any(covers(li.replaced, s.dot) and s.dot != li.dot for li in lives)]
        if kept:
            out[path] = make_cell(kept)
    return out


def _stood(row: Superseded, version: Context) -> bool:
    if any(covers(version, dot) for dot in row.by):
        return False
    return row.until is None or not covers_all(version, row.until)


def _forget(storage: Storage, key: str, rows: Iterable[Superseded]) -> None:
    for row in rows:
        raise_horizon(storage, key, row.until if row.until is not None else merge([dict([dot]) for dot in row.by]))


def trim(storage: Storage, key: str, limit: Keep, wall_ms: int) -> int:
    """Forget what is older than the limit; how many siblings that were. O(past of the key)."""
    forgotten = 0
    for path, rows in list(storage.past(key).items()):
        kept = tuple(r for r in rows if wall_ms - r.wall_ms < limit.ms)
        if len(kept) < len(rows):
            old = [r for r in rows if wall_ms - r.wall_ms >= limit.ms]
            _forget(storage, key, old)
            storage.put_past(key, path, kept)
            forgotten += len(old)
    if not storage.past(key) and not storage.cells(key):
        storage.put_horizon(key, NO_HORIZON)
    return forgotten


def name_replacers(
    storage: Storage, key: str, path: bytes, context: Context, new: Iterable[Sibling],
    sweeps: Iterable[tuple[bytes, Sibling]],
) -> bool:  # fmt: skip
    """What a catch-up brought names what it replaced: exacter than the context after it. Whether all is named now.

    `new`: the siblings that came at `path`; `sweeps`: those that came anywhere in the key.
    """
    by: dict[Dot, set[Dot]] = {}
    for s in new:
        for parent in s.parents:
            by.setdefault(parent, set()).add(s.dot)
    reaching = [(unhide(s.payload or b"").seen, s.dot) for root, s in sweeps if in_sweep(path, root, s.payload or b"")]
    rows = []
    for row in storage.past(key).get(path, ()):
        dots = by.get(row.sibling.dot, set()) | {dot for seen, dot in reaching if covers(seen, row.sibling.dot)}
        if dots:
            # Only what this catch-up took away: what an earlier one said by its context still holds.
            until = None if row.until == context and not row.by else row.until
            row = row._replace(by=tuple(sorted({*row.by, *dots})), until=until)
        rows.append(row)
    storage.put_past(key, path, tuple(rows))
    return all(row.by or row.until is None for row in rows)
