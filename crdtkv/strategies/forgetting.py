"""What a purge drops: a function of a key's cells and the floor, and of nothing else.

Law: dropping it changes no reading, now or after any later join; and whether it goes in
one step or in many, with one floor or with one after the other, the same is left. What
goes reads as absent by itself, and all of it is stamped at or below the floor, so every
member has heard it; and no sweep above the floor had not seen it, so nobody shows it who
has not heard of the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, Context, due, expiry_of, is_live, newest_stamp, told
from crdtkv.core.clocks import Stamp, covers
from crdtkv.core.paths import (
    ELEMENT,
    ENTRY,
    KEYED,
    ONCE,
    ORDER,
    REPLICA,
    STRATEGY,
    VALUE,
    component,
    components,
    first,
    last_at,
    last_tag,
)
from crdtkv.core.tree import Cells, Tree
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.roots import TTL_PATH, expired, roots_in, strategy_at
from crdtkv.strategies.sequence import orders_on

__all__ = ["dead_paths", "left_orders", "woken"]

_EVER = 1 << 64
"""Later than every stamp."""

_ALONE = (ENTRY, REPLICA, ONCE)
"""What has one writer, or goes in no sweep."""

_SHARED = (ELEMENT, KEYED, ORDER, VALUE)
"""The elements below a strategy's cell that have many."""


def dead_paths(cells: Callable[[], Cells], due: Iterable[bytes], floor: Stamp) -> Iterator[bytes]:
    """The paths of a key that a purge to `floor` drops, given those that are due (core.cells.due).

    Whoever iterates drops each before it asks for the next; `cells` gives what is left.
    """
    done: set[bytes] = set()
    while due:
        gone = sorted(_dead(cells(), due, floor) - done)
        yield from gone
        done.update(gone)
        due = woken(cells(), dict.fromkeys(gone, ()), floor)


def woken(cells: Cells, changed: Mapping[bytes, Cell], floor: Stamp) -> set[bytes]:
    """Of what is due at `floor`, all that may go now because the cells at `changed` have changed, given what stood
    there. O(changed), and O(cells below) of a sweep that was not stable."""
    near = {path for at in changed for path in _around(at)} if floor else set()
    for at, was in changed.items() if floor else ():
        if _young(was, floor):
            below = Tree(cells, at)
            shared = (each for tag in _SHARED for each in below.range(tag))
            near |= {at + path for path, _ in (shared if at else below.below())}
    return {p for p in near if (cell := cells.get(p)) and (when := due(p, cell)) is not None and when <= floor}


def _around(path: bytes) -> Iterator[bytes]:
    """The cells whose going may hang on the cell at `path`: it, those above it, an element's order cell and it."""
    yield from (b"", TTL_PATH)
    yield from orders_on(path)
    at = 0
    for part in components(path):
        above, at = path[:at], at + len(part)
        yield path[:at]
        if part[:1] == ORDER:
            yield above + first(part)[1]


def _dead(cells: Cells, due: Iterable[bytes], floor: Stamp) -> set[bytes]:
    by_root: dict[bytes, list[bytes]] = {}
    for path in sorted(due):
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


def _dead_root(cells: Cells, root: bytes, due: list[bytes], floor: Stamp) -> list[bytes]:
    # A date that is not stable may still be put off, so it hides nothing from a purge.
    settled = newest_stamp(cells.get(TTL_PATH, ())) <= floor and not _missed(cells, [TTL_PATH], floor)
    found = strategy_at(root)
    paths = [p[len(root) :] for p in due]

    def dead(cells: Cells) -> list[bytes]:
        tree = Tree(cells if settled else _undeleted(cells, root, found), root, expired(cells, floor) if settled else 0)
        return [root + p for p in found.dead(tree, paths, floor)]

    gone = dead(cells)
    missed = _missed(cells, gone, floor)
    return dead(SortedDict({**cells, **{p: _late(cells[p]) for p in missed}})) if missed else gone


def _missed(cells: Cells, paths: Iterable[bytes], floor: Stamp) -> list[bytes]:
    """Of these, the cells of which a sweep above them that is not stable had not seen all: they are not stable either.

    What stood beside it may have gone in that sweep: who has not heard of the sweep still shows the cell, and builds
    on it. (A counter's cell goes in none, and an entry of a log has no other writer.)
    """
    seen: dict[bytes, list[Context]] = {}

    def unseen(path: bytes, at: bytes) -> bool:
        if at not in seen:
            seen[at] = _young(cells.get(at, ()), floor)
        return any(not covers(each, s.dot) for each in seen[at] for s in cells.get(path, ()))

    return [p for p in paths if last_tag(p) not in _ALONE and any(unseen(p, at) for at in _above(p))]


def _young(cell: Cell, floor: Stamp) -> list[Context]:
    """What the writers knew of the sweeps above the floor that stand in a cell, or whose place they have taken."""
    return [knew for s in cell for stamp, knew in told(s) if stamp > floor]


def _above(path: bytes) -> list[bytes]:
    """Where a sweep may stand that reaches a path: the key's own cell, and that of each strategy it leads through."""
    out, at = [b""], 0
    for part in components(path)[:-1]:
        at += len(part)
        if part[:1] == STRATEGY:
            out.append(path[:at])
    return out


def _late(cell: Cell) -> Cell:
    return tuple(s._replace(stamp=_EVER) for s in cell)


def _undeleted(cells: Cells, root: bytes, found: Strategy) -> Cells:
    """The cells as they read once a date has passed for what is deleted at the root of a document where deletes win,
    and not for what stands beside it: so a date that is not stable may leave it. One that was written later than all of
    that can not: whoever had purged before it came judged without it."""
    cell = cells.get(root, ())
    if not cell or not found.whole or found.chosen.get("wins") != "delete":
        return cells
    dates = [max(s.stamp, date) for s in cells.get(TTL_PATH, ()) if (date := expiry_of((s,))) is not None]
    alive = tuple(s for s in cell if is_live(s.payload) and s.stamp >= min(dates, default=_EVER + 1))
    if not alive or all(is_live(s.payload) for s in cell):
        return cells
    left: Cells = SortedDict({**cells, root: alive})
    return left


def left_orders(cells: Cells, among: Iterable[bytes], gone: Collection[bytes] = ()) -> Iterator[bytes]:
    """Of the cells `among`, the order cells that say something and whose element has no cell left but those `gone`."""
    for path in among:
        if last_tag(path) == ORDER and any(s.payload is not None for s in cells[path]):
            at = last_at(path)
            element = path[:at] + first(path[at:])[1]
            left = (element + p for p, _ in [(b"", ()), *Tree(cells, element).below()])
            if all(p in gone or not cells.get(p) for p in left):
                yield path


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
    if newest_stamp(cells[TTL_PATH]) > floor or _missed(cells, [TTL_PATH], floor):
        return []
    date = expired(cells, floor)
    out: list[bytes] = []
    for found, tree in roots_in(cells, date) if date else ():
        below = {tree.prefix + path: cell for path, cell in [(b"", tree.raw().cell()), *tree.raw().below()] if cell}
        old = {p for p, cell in below.items() if newest_stamp(cell) <= floor}
        old -= set(_missed(cells, old, floor))
        if not found.whole:
            out += [p for p in old if newest_stamp(below[p]) < date]
        elif tree.prefix in below and not found.present(tree):
            out += below if len(old) == len(below) else []
    left = [cell for path, cell in cells.items() if path not in {b"", TTL_PATH, *out}]
    # Without its date, what is still older than the date would be shown again, now or when what is beside it goes.
    return out if any(s.stamp < date for cell in left for s in cell) else [*out, TTL_PATH]
