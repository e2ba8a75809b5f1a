"""What a purge drops: a function of a key's cells and the floor, and of nothing else.

Law: dropping it changes no reading, now or after any later join; and whether it goes in
one step or in many, with one floor or with one after the other, the same is left. What
goes reads as absent by itself, and all of it is stamped at or below the floor, so every
member has heard it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, due, is_live, is_sweep, newest_stamp, unhide
from crdtkv.core.clocks import Stamp, covers
from crdtkv.core.paths import ORDER, component, components, first, last_at, last_tag
from crdtkv.core.tree import Cells, Tree
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.roots import TTL_PATH, expired, known_strategy, roots_in
from crdtkv.strategies.sequence import orders_on

__all__ = ["dead_paths", "left_orders", "woken"]


def dead_paths(cells: Callable[[], Cells], due: Iterable[bytes], floor: Stamp) -> Iterator[bytes]:
    """The paths of a key that a purge to `floor` drops, given those that are due (core.cells.due).

    Whoever iterates drops each before it asks for the next; `cells` gives what is left.
    """
    done: set[bytes] = set()
    while due:
        gone = sorted(_dead(cells(), due, floor) - done)
        yield from gone
        done.update(gone)
        due = woken(cells(), gone, floor)


def woken(cells: Cells, changed: Iterable[bytes], floor: Stamp) -> set[bytes]:
    """Of what is due at `floor`, all that may go now because the cells at `changed` have changed. O(changed), and
    O(cells) where the key's own is among them, O(moved) where a root is."""
    near = {path for at in changed for path in _around(at, cells)} if floor else set()
    return {p for p in near if (cell := cells.get(p)) and (when := due(p, cell)) is not None and when <= floor}


def _around(path: bytes, cells: Cells) -> Iterator[bytes]:
    """The cells whose going may hang on the cell at `path`: it, those above it, an element's order cell and it; on one
    where a sweep may stand, every order cell that it may have left."""
    yield from (b"", TTL_PATH)
    if len(cells) > 1 and not path:
        yield from (p for p in cells if last_tag(p) == ORDER)
    elif len(cells) > 1 and last_at(path) == 0:
        yield from (path + p for p, _ in Tree(cells, path).range(ORDER))
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
    date = cells.get(TTL_PATH, ())
    settled = newest_stamp(date) <= floor
    found = known_strategy(first(root)[1].decode())
    # Who wrote such a date may have written it after others had purged, and had seen what they judged by then: beside
    # an older one, which it had not, they had it too.
    beside = not settled and any(s.stamp <= floor for s in date)
    hides = settled and not (found.whole and any(map(_missed(cells, root, found, floor), _below(cells, root))))
    tree = Tree(_undeleted(cells, root, found) if beside else cells, root, expired(cells, floor) if hides else 0)
    gone = [root + p for p in found.dead(tree, [p[len(root) :] for p in due], floor)]
    # Where a sweep stands that is not stable, what it took may come back to where it was moved.
    waits = set(left_orders(cells, gone)) if newest_stamp(_sweeping(cells, root, found)) > floor else ()
    return [p for p in gone if p not in waits]


def _sweeping(cells: Cells, root: bytes, found: Strategy) -> Cell:
    """What stands where a sweep of a root would: the key's own cell, and of independent elements the root's."""
    return cells.get(b"", ()) if found.whole else (*cells.get(b"", ()), *cells.get(root, ()))


def _below(cells: Cells, root: bytes) -> list[Cell]:
    tree = Tree(cells, root)
    return [tree.cell(), *(cell for _, cell in tree.below())]


def _missed(cells: Cells, root: bytes, found: Strategy, floor: Stamp) -> Callable[[Cell], bool]:
    """Whether a cell of a root has a sibling that a sweep which is not stable had not seen.

    What stood beside it and was later than the date may have gone in that sweep: who has it still shows the cell, and
    may put the date off.
    """
    young = [s.payload for s in _sweeping(cells, root, found) if s.stamp > floor]
    seen = [unhide(payload).seen for payload in young if payload is not None and is_sweep(payload)]
    return lambda cell: any(not covers(each, s.dot) for each in seen for s in cell)


def _undeleted(cells: Cells, root: bytes, found: Strategy) -> Cells:
    """The cells as they read once the date has passed for what is deleted at the root of a document where deletes win,
    and not for what stands beside it: so a date that is not stable may leave it."""
    cell = cells.get(root, ())
    alive = tuple(s for s in cell if is_live(s.payload))
    if not alive or len(alive) == len(cell) or not found.whole or found.chosen.get("wins") != "delete":
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
    if newest_stamp(cells[TTL_PATH]) > floor:
        return []
    date = expired(cells, floor)
    out: list[bytes] = []
    for found, tree in roots_in(cells, date) if date else ():
        below = {tree.prefix + path: cell for path, cell in [(b"", tree.raw().cell()), *tree.raw().below()] if cell}
        missed = _missed(cells, tree.prefix, found, floor)
        if not found.whole:
            old = [(p, cell) for p, cell in below.items() if newest_stamp(cell) < date and newest_stamp(cell) <= floor]
            out += [p for p, cell in old if found.gone(cell) or not missed(cell)]
        elif tree.prefix in below and not found.present(tree):
            out += below if all(newest_stamp(cell) <= floor and not missed(cell) for cell in below.values()) else []
    left = [cell for path, cell in cells.items() if path not in {b"", TTL_PATH, *out}]
    # Without its date, what is still older than the date would be shown again, now or when what is beside it goes.
    return out if any(s.stamp < date for cell in left for s in cell) else [*out, TTL_PATH]
