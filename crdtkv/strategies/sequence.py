"""Elements in an order: what lists and JSON arrays share.

An element's identity is its path component: the position it was created at, or its
key members. It stands at that position, or where its order cell says once it was
moved. A new whole list is compared with the base by identity, so that an edit says
only what it changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import msgpack

from crdtkv.core import positions
from crdtkv.core.cells import Cell, is_live, latest
from crdtkv.core.diff import match
from crdtkv.core.paths import ELEMENT, KEYED, ORDER, component, components, first
from crdtkv.strategies.base import Env, Write

__all__ = [
    "Item",
    "Plan",
    "initial",
    "is_element",
    "make_plan",
    "order_path",
    "orders_on",
    "order_write",
    "place",
    "position_of",
    "taken_in",
]

_LAST = b"\xff"


class Item(NamedTuple):
    """An element that is shown: its position, its component, and what it is compared by."""

    position: bytes
    component: bytes
    token: Hashable


class Plan(NamedTuple):
    """How one order of elements becomes another; i counts in the old list, j in the new one.

    `blocks`: runs (i, j, length) that stay in place. `moved`: pairs that go elsewhere. `edited`: pairs of
    which the new is the old, changed. `removed`: i's. `inserted`: j's.
    """

    blocks: list[tuple[int, int, int]]
    moved: list[tuple[int, int]]
    edited: list[tuple[int, int]]
    removed: list[int]
    inserted: list[int]

    def kept(self) -> Iterator[tuple[int, int]]:
        """The pairs that stay in place, one by one."""
        for i, j, length in self.blocks:
            yield from zip(range(i, i + length), range(j, j + length), strict=True)

    def stays(self, j: int) -> int | None:
        """Which of the old stands at j of the new list without having been moved, edited or not. O(log blocks)."""
        at = bisect_right(self.blocks, j, key=lambda b: b[1]) - 1
        if at >= 0 and j < self.blocks[at][1] + self.blocks[at][2]:
            return self.blocks[at][0] + j - self.blocks[at][1]
        return next((i for i, other in self.edited if other == j), None)


def is_element(path: bytes) -> bool:
    """Whether a component names an element (not an order cell)."""
    return path[:1] in (ELEMENT, KEYED)


def order_path(element: bytes) -> bytes:
    """Where the order cell of an element stands, next to it."""
    return component(ORDER, element)


def orders_on(path: bytes) -> Iterator[bytes]:
    """Where the order cells of the elements stand that `path` is or leads through. O(path)."""
    at = 0
    for part in components(path):
        if is_element(part):
            yield path[:at] + order_path(part)
        at += len(part)


def order_write(parent: bytes, element: bytes, position: bytes) -> Write:
    """The write that puts an element elsewhere; the last move wins."""
    return Write(parent + order_path(element), msgpack.packb(position), all=True)


def position_of(element: bytes, order: Cell) -> bytes:
    """Where an element stands, given its order cell."""
    live = [s for s in order if is_live(s.payload)]
    if live and (moved := _place_in(latest(live).payload or b"")) is not None:
        return moved
    tag, data, _ = first(element)
    return data if tag == ELEMENT else _LAST + data


def _place_in(payload: bytes) -> bytes | None:
    """The position in an order cell's payload; None of what is none: then an element stands where it was made."""
    try:
        found = msgpack.unpackb(payload)
    except (ValueError, msgpack.UnpackException):
        return None
    return found if type(found) is bytes else None


def taken_in(stands: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """Whether a position is taken: by an element, a deleted one too, or by what says that one stands elsewhere.

    Who cleared the list without knowing of a move leaves the order cell alone: what was made anew at
    the position would stand where it says.
    """

    def taken(position: bytes) -> bool:
        element = component(ELEMENT, position)
        return stands(element) or stands(order_path(element))

    return taken


def initial(index: int, packed: bytes) -> bytes:
    """The component of the index-th element of a list made where nothing was.

    The same at every colo, so two colos that make the same list do not double it.
    """
    return component(ELEMENT, positions.initial(index, packed))


def make_plan(
    old: Sequence[Hashable], new: Sequence[Hashable], alike: Callable[[int, int], bool] = lambda i, j: False
) -> Plan:
    """Compare two lists of tokens. `alike(i, j)`: new j may be old i, edited.

    O(N D) for D differences, bounded (see core.diff).
    """
    blocks = match(old, new)
    regions: list[tuple[list[int], list[int]]] = []
    i = j = 0
    for block_i, block_j, length in [*blocks, (len(old), len(new), 0)]:
        if block_i > i or block_j > j:
            regions.append((list(range(i, block_i)), list(range(j, block_j))))
        i, j = block_i + length, block_j + length
    moved = _moves(old, new, regions)
    edited = [pair for gone, come in regions for pair in _edits(gone, come, alike)]
    removed = [i for gone, _ in regions for i in gone]
    inserted = [j for _, come in regions for j in come]
    return Plan([(b[0], b[1], b[2]) for b in blocks], moved, edited, removed, inserted)


def _moves(
    old: Sequence[Hashable], new: Sequence[Hashable], regions: list[tuple[list[int], list[int]]]
) -> list[tuple[int, int]]:
    """Pairs removed here and inserted there; they leave their regions."""
    gone: dict[Hashable, list[int]] = {}
    for i in [i for region, _ in regions for i in region]:
        gone.setdefault(old[i], []).append(i)
    come = [j for _, region in regions for j in region]
    moved = [(gone[new[j]].pop(0), j) for j in come if gone.get(new[j])]
    left, arrived = {i for i, _ in moved}, {j for _, j in moved}
    for gone_here, come_here in regions:
        gone_here[:] = [i for i in gone_here if i not in left]
        come_here[:] = [j for j in come_here if j not in arrived]
    return moved


def _edits(gone: list[int], come: list[int], alike: Callable[[int, int], bool]) -> list[tuple[int, int]]:
    """Pairs of one region of which the new is the old, edited: in order, first fit. They leave the region."""
    pairs: list[tuple[int, int]] = []
    rest = list(come)
    for i in list(gone):
        for at, j in enumerate(rest):
            if alike(i, j):
                pairs.append((i, j))
                rest = rest[at + 1 :]
                break
    for i, j in pairs:
        gone.remove(i)
        come.remove(j)
    return pairs


def place(
    fixed: Callable[[int], bytes | None], wanted: Sequence[int], length: int, taken: Callable[[bytes], bool], env: Env
) -> dict[int, bytes]:
    """Positions for the new list's indices `wanted`, between the positions of those that `fixed` knows."""
    out: dict[int, bytes] = {}
    for run in _runs(wanted):
        left = next((p for j in range(run[0] - 1, -1, -1) if (p := fixed(j)) is not None), None)
        right = next((p for j in range(run[-1] + 1, length) if (p := fixed(j)) is not None), None)
        used = set(out.values())
        made = positions.between(
            left, right, stamp=env.stamp, replica=env.replica, count=len(run), taken=_either(used, taken)
        )
        out.update(zip(run, made, strict=True))
    return out


def _either(used: set[bytes], taken: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    return lambda position: position in used or taken(position)


def _runs(wanted: Sequence[int]) -> list[list[int]]:
    """Indices in order, cut where one is left out."""
    runs: list[list[int]] = []
    for j in wanted:
        if runs and runs[-1][-1] == j - 1:
            runs[-1].append(j)
        else:
            runs.append([j])
    return runs
