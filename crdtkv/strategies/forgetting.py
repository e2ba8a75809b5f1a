"""What a purge drops: a function of a key's cells and the floor, and of nothing else.

Law: dropping it changes no reading, now or after any later join. What goes reads as
absent by itself, and all of it is stamped at or below the floor, so every member has
heard it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from crdtkv.core.cells import newest_stamp
from crdtkv.core.clocks import Stamp
from crdtkv.core.paths import component, first
from crdtkv.core.tree import Cells, Tree
from crdtkv.strategies.roots import TTL_PATH, expired, known_strategy, roots_in

__all__ = ["dead_paths"]


def dead_paths(cells: Callable[[], Cells], due: Iterable[bytes], floor: Stamp) -> Iterator[bytes]:
    """The paths of a key that a purge to `floor` drops, given those that are due (core.cells.due).

    Whoever iterates drops each before it asks for the next; `cells` gives what is left.
    """
    by_root: dict[bytes, list[bytes]] = {}
    for path in due:
        root = path if path in (b"", TTL_PATH) else component(*first(path)[:2])
        by_root.setdefault(root, []).append(path)
    # Dates last: what they hide goes with them.
    for root in sorted(by_root):
        yield from _dead_at(cells(), root, by_root[root], floor)


def _dead_at(cells: Cells, root: bytes, due: list[bytes], floor: Stamp) -> list[bytes]:
    if root == b"":
        orphans, blocked = _orphans(cells, floor)
        return orphans if blocked else [*orphans, *due]
    if root == TTL_PATH:
        return _expired(cells, floor)
    # A date that is not stable may still be put off, so it hides nothing from a purge.
    settled = newest_stamp(cells.get(TTL_PATH, ())) <= floor
    tree = Tree(cells, root, expired(cells, floor) if settled else 0)
    found = known_strategy(first(root)[1].decode())
    return [root + p for p in found.dead(tree, [p[len(root) :] for p in due], floor)]


def _orphans(cells: Cells, floor: Stamp) -> tuple[list[bytes], bool]:
    """Edits of a document whose root a new life swept away: what of them is old, and whether some is not.

    They are not shown and nothing below them was deleted, so the life's sweep is what
    remembers them: it goes last.
    """
    dead: list[bytes] = []
    blocked = False
    for found, tree in roots_in(cells):
        if found.whole and not cells.get(tree.prefix):
            below = [tree.prefix + path for path, _ in tree.below()]
            old = all(newest_stamp(cells[path]) <= floor for path in below)
            dead += below if old else []
            blocked = blocked or not old
    return dead, blocked


def _expired(cells: Cells, floor: Stamp) -> list[bytes]:
    """What goes because the key's date lies at or below the floor, the date last of all."""
    if newest_stamp(cells[TTL_PATH]) > floor:
        return []
    date = expired(cells, floor)
    dead: list[bytes] = []
    for root in {component(*first(path)[:2]) for path in cells if path not in (b"", TTL_PATH)}:
        found = known_strategy(first(root)[1].decode())
        paths = [p for p in cells if p.startswith(root)]
        if not found.whole:
            dead += [p for p in paths if newest_stamp(cells[p]) < date and newest_stamp(cells[p]) <= floor]
        elif date and not found.present(Tree(cells, root, date)):
            dead += paths if all(newest_stamp(cells[p]) <= floor for p in paths) else []
    left = [cell for path, cell in cells.items() if path not in {b"", TTL_PATH, *dead}]
    # Without its date, what is still older than the date would be shown again.
    if not date or not any(newest_stamp(cell) < date for cell in left):
        dead.append(TTL_PATH)
    return dead
