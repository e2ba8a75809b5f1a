"""A JSON document as a tree of cells, and what of it is shown.

A container of some kind (object, array, or a strategy of its own) is shown while its
mark stands, or, where edits win, while something below was edited by who had not
seen the delete: then all below shows, never half of it. Where several kinds are
shown at one path, the latest is read and the others are conflicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from crdtkv.core import values
from crdtkv.core.cells import (
    MARK_ARRAY,
    MARK_OBJECT,
    Cell,
    Hider,
    Sibling,
    is_hider,
    is_live,
    is_mark,
    is_value,
    rank,
    unhide,
)
from crdtkv.core.clocks import Dot, Stamp, covers
from crdtkv.core.paths import KEYED, MEMBER, ORDER, STRATEGY, first
from crdtkv.core.tree import Tree
from crdtkv.errors import CrdtkvError
from crdtkv.strategies.base import ABSENT, Strategy
from crdtkv.strategies.registry import strategy
from crdtkv.strategies.sequence import is_element, order_path, position_of

__all__ = [
    "VALUE_KIND",
    "Node",
    "Rank",
    "Reader",
    "Shown",
    "build",
    "hiders",
    "member_name",
    "nested_strategy",
    "nested_tree",
    "of_kind",
]

VALUE_KIND = b"value"

Rank = tuple[Stamp, Dot]


class Node:
    """What stands at a path, and the nodes below it by component."""

    __slots__ = ("cell", "children")

    def __init__(self, cell: Cell = ()) -> None:
        self.cell = cell
        self.children: dict[bytes, Node] = {}

    def child(self, component: bytes) -> Node | None:
        return self.children.get(component)

    def cells(self, path: bytes = b"") -> Iterator[tuple[bytes, Cell]]:
        """The cells at and below this node, by path."""
        if self.cell:
            yield path, self.cell
        for component, child in self.children.items():
            yield from child.cells(path + component)


class Shown(NamedTuple):
    """What a reader sees at a path: a kind (a mark, or VALUE_KIND) and, for a value, its sibling."""

    kind: bytes
    rank: Rank
    sibling: Sibling | None


def build(tree: Tree) -> Node:
    """The nodes of a tree, in path order. O(cells)."""
    root = Node(tree.cell())
    stack: list[tuple[bytes, Node]] = [(b"", root)]
    for path, cell in tree.below():
        while not _under(path, stack[-1][0]):
            stack.pop()
        above, node = stack[-1]
        at = len(above)
        while at < len(path):
            end = _end(path, at)
            below = Node()
            node.children[path[at:end]] = below
            node = below
            at = end
            stack.append((path[:at], node))
        node.cell = cell
    return root


def _under(path: bytes, above: bytes) -> bool:
    return path.startswith(above) and path[len(above)] != 0xFF


def _end(path: bytes, at: int) -> int:
    """Where the component that begins at `at` ends."""
    end = path.index(b"\x00", at) + 1
    while path[end : end + 1] == b"\xff":
        end = path.index(b"\x00", end) + 1
    return end


def member_name(component: bytes) -> str:
    """The name of an object's member."""
    return first(component)[1].decode()


def nested_strategy(component: bytes) -> Strategy:
    """The strategy that a component names."""
    return strategy(first(component)[1].decode())


class Reader:
    """What is shown, under `edit` or `delete` wins, with everything older than `expiry` hidden at the root."""

    def __init__(self, delete_wins: bool = False, expiry: Stamp = 0) -> None:
        self.delete_wins = delete_wins
        self.expiry = expiry

    def root(self, node: Node) -> Shown | None:
        """What is shown of the whole document."""
        if not self.expiry:
            return self.shown(node)
        date = self.expiry
        if self.delete_wins:
            return self.shown(Node(tuple(s for s in node.cell if s.stamp >= date)))
        # As if a delete stood at the root that had seen all that is older than the date.
        outside = self._latest_outside(node, lambda s: s.stamp >= date)
        return self.shown(node) if outside is not None else None

    def shown(self, node: Node | None) -> Shown | None:
        """What is read at a node; None if it is absent."""
        return max(self.candidates(node), key=lambda c: c.rank, default=None) if node is not None else None

    def candidates(self, node: Node) -> list[Shown]:
        """Everything shown at a node, one of which is read."""
        cell = node.cell
        # Strategies of their own sort last among the children.
        plain = self._plain(node) if node.children and next(reversed(node.children))[:1] == STRATEGY else []
        if len(cell) == 1 and is_live(cell[0].payload):
            s = cell[0]
            if is_value(s.payload):
                return [Shown(VALUE_KIND, rank(s), s), *plain]
            return [Shown(s.payload or b"", rank(s), None), *plain]
        if self.delete_wins and any(not is_live(s.payload) for s in cell):
            return plain
        out = [Shown(VALUE_KIND, rank(s), s) for s in cell if is_value(s.payload)]
        marks = {s.payload for s in cell if is_mark(s.payload)}
        out += [Shown(kind or b"", max(rank(s) for s in cell if s.payload == kind), None) for kind in marks]
        return [*out, *self._revived(node, {m for m in marks if m is not None}), *plain]

    def _revived(self, node: Node, marked: set[bytes]) -> list[Shown]:
        """Kinds without a mark in which something was edited by who had not seen the delete."""
        hiders = [unhide(s.payload) for s in node.cell if s.payload is not None and is_hider(s.payload)]
        if not hiders:
            return []
        out = []
        for kind in {h.kind for h in hiders} - marked:
            latest = self._latest_below(node, kind, lambda s: not any(covers(h.seen, s.dot) for h in hiders))
            if latest is not None:
                out.append(Shown(kind, latest, None))
        return out

    def _plain(self, node: Node) -> list[Shown]:
        """Strategies of their own, which need no mark to be there."""
        out = []
        for component, child in node.children.items():
            if component[:1] == STRATEGY and _present(component, child):
                out.append(
                    Shown(component, max(rank(s) for _, c in child.cells() for s in c if is_live(s.payload)), None)
                )
        return out

    def _latest_below(self, node: Node, kind: bytes, outside: Callable[[Sibling], bool]) -> Rank | None:
        found = [self._latest_outside(child, outside, c) for c, child in node.children.items() if of_kind(c, kind)]
        return max((f for f in found if f is not None), default=None)

    def _latest_outside(self, node: Node, outside: Callable[[Sibling], bool], component: bytes = b"") -> Rank | None:
        """The latest live sibling at or below a node that is itself shown, among those `outside`."""
        if component[:1] == STRATEGY:
            if not _present(component, node):
                return None
            return max((rank(s) for _, c in node.cells() for s in c if is_live(s.payload) and outside(s)), default=None)
        shown = self.shown(node)
        if shown is None:
            return None
        here = [rank(s) for s in node.cell if is_live(s.payload) and outside(s)]
        below = self._latest_below(node, shown.kind, outside) if shown.kind != VALUE_KIND else None
        return max(here + ([below] if below is not None else []), default=None)

    # values

    def value(self, node: Node | None, shown: Shown | None = None) -> Any:
        """The JSON value at a node, a fresh object; ABSENT if nothing is shown."""
        found = shown or self.shown(node)
        if found is None or node is None:
            return ABSENT
        if found.sibling is not None:
            return _unpacked(found.sibling)
        if found.kind == MARK_OBJECT:
            return self._object(node)
        if found.kind == MARK_ARRAY:
            return [self.value(child) for _, _, child in self.elements(node)]
        return nested_strategy(found.kind).read(nested_tree(node.children[found.kind]))

    def _object(self, node: Node) -> dict[str, Any]:
        out = {}
        for component, child in node.children.items():
            if component[:1] == MEMBER:
                value = self.value(child)
                if value is not ABSENT:
                    out[member_name(component)] = value
        return out

    def elements(self, node: Node) -> list[tuple[bytes, bytes, Node]]:
        """The elements that are shown, in order: (position, component, node)."""
        children = node.children
        # Elements made at a position come in order; order cells and keys may say otherwise.
        sorted_already = not any(component[:1] in (KEYED, ORDER) for component in children)
        out = []
        for component, child in children.items():
            if is_element(component) and self.shown(child) is not None:
                order = None if sorted_already else children.get(order_path(component))
                out.append((position_of(component, order.cell if order else ()), component, child))
        if not sorted_already:
            out.sort(key=lambda e: (e[0], e[1]))
        return out


def of_kind(component: bytes, kind: bytes) -> bool:
    """Whether a child belongs to a container of that kind."""
    if kind == MARK_OBJECT:
        return component[:1] == MEMBER
    if kind == MARK_ARRAY:
        return is_element(component)
    return component == kind


def nested_tree(node: Node) -> Tree:
    """The tree of a nested strategy."""
    return Tree(dict(node.cells()))


def hiders(cell: Cell) -> list[Hider]:
    """The hiders that stand in a cell."""
    return [unhide(s.payload) for s in cell if s.payload is not None and is_hider(s.payload)]


def _present(component: bytes, node: Node) -> bool:
    try:
        return nested_strategy(component).present(nested_tree(node))
    except CrdtkvError:
        return False


def _unpacked(sibling: Sibling) -> Any:
    assert sibling.payload is not None
    return values.unpack(sibling.payload)
