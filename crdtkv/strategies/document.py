"""A JSON document as a tree of cells, and what of it is shown.

A container of some kind (object, array, or a strategy of its own) is shown while its
mark stands, or, where edits win, while something below was edited by who had not
seen the delete: then all below shows, never half of it. Where several kinds are
shown at one path, the latest is read and the others are conflicts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

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
from crdtkv.core.paths import ELEMENT, MEMBER, STRATEGY, component_end, first
from crdtkv.core.tree import Earlier, Tree
from crdtkv.strategies.base import ABSENT, Strategy
from crdtkv.strategies.opaque import Opaque
from crdtkv.strategies.roots import known_strategy
from crdtkv.strategies.sequence import is_element, order_path, position_of

__all__ = [
    "Element",
    "fresh",
    "update",
    "update_all",
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

VALUE_KIND: Final = b"value"

Rank = tuple[Stamp, Dot]
_UNKNOWN: Final[Any] = object()
_CONTAINERS: Final = tuple(bytes((b,)) for b in (*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF))
"""The first bytes of packed arrays and maps."""


class Node:
    """What stands at a path, and the nodes below it by component, in path order.

    A node remembers what was made of it; `put_cell` keeps the tree of a key up to date
    and forgets only along the path that changed.
    """

    __slots__ = ("_behind", "_children", "_disputed", "_sorted", "cell", "elements", "packed", "position", "shown")

    def __init__(self, cell: Cell = ()) -> None:
        self.cell = cell
        self._children: dict[bytes, Node] = {}
        self._sorted = True
        self.position: bytes | None = None
        self.forget()

    def forget(self) -> None:
        """Nothing is remembered of what this node shows."""
        self.shown: Any = _UNKNOWN
        self.packed: bytes | None = None
        self.elements: list[Element] | None = None
        self._behind: tuple[list[Element], dict[bytes, Node]] | None = None
        self._disputed: bool | None = None

    @property
    def children(self) -> dict[bytes, Node]:
        if not self._sorted:
            known = self._children
            self._children = {component: known[component] for component in sorted(known)}
            self._sorted = True
        return self._children

    def disputed(self) -> bool:
        """Whether at or below this node something stands beside something else: else nothing can be unshown there."""
        if self._disputed is None:
            below = self._children.items()
            self._disputed = len(self.cell) > 1 or any(p[:1] == STRATEGY or child.disputed() for p, child in below)
        return self._disputed

    def plain(self) -> Node:
        """What stands here without strategies of their own, which need nothing else to be there. O(1) if none is."""
        if next(reversed(self.children), b"")[:1] != STRATEGY:
            return self
        own = Node(self.cell)
        own.adopt({part: child for part, child in self.children.items() if part[:1] != STRATEGY})
        return own

    def adopt(self, children: dict[bytes, Node]) -> None:
        """These are the children, in path order."""
        self._children = children

    def grow(self, component: bytes) -> Node:
        """The child at `component`, made if it is not there."""
        child = self._children.get(component)
        if child is None:
            last = next(reversed(self._children), b"")
            self._sorted = self._sorted and last < component
            child = self._children[component] = Node()
        return child

    def cells(self, path: bytes = b"") -> Iterator[tuple[bytes, Cell]]:
        """The cells at and below this node, by path."""
        if self.cell:
            yield path, self.cell
        for component, child in self.children.items():
            yield from child.cells(path + component)

    def put_cell(self, path: bytes, cell: Cell) -> bool:
        """`cell` stands at `path`; whether anything is left at or below this node."""
        behind = self._behind if self.elements is None else (self.elements, {})
        self.forget()
        if not path:
            self.cell = cell
        else:
            end = component_end(path, 0)
            component = path[:end]
            child = self.grow(component)
            if not child.put_cell(path[end:], cell):
                del self._children[component]
            if behind is not None:
                behind[1][component] = child
                self._behind = behind
        return bool(self.cell or self._children)

    def differing(self, cells: Mapping[bytes, Cell]) -> Node:
        """This tree with other cells at some paths. O(children); what is alike is shared: valid until this changes."""
        made, parts = Node(cells.get(b"", self.cell)), dict[bytes, dict[bytes, Cell]]()
        for path, cell in cells.items():
            if path:
                end = component_end(path, 0)
                parts.setdefault(path[:end], {})[path[end:]] = cell
        made._children, made._sorted = self._children.copy(), self._sorted
        changed: dict[bytes, Node] = {}
        for part, below in parts.items():
            child = changed[part] = self._children.get(part, Node()).differing(below)
            if child.cell or child._children:
                made._sorted = made._sorted and part in made._children
                made._children[part] = child
            else:
                made._children.pop(part, None)
        self.elements = self.elements or self.caught_up()
        if self.elements is not None:
            made._behind = self.elements, changed
        return made

    def caught_up(self) -> list[Element] | None:
        """The elements of a list in which nothing was moved, after some leaves changed; None if that is not so plain.

        Only when they are asked for: who appends to a long list does not look at it. A new list, since
        whoever holds the old one goes on with what it showed. O(n), some ns each.
        """
        behind = self._behind
        # Order cells and keyed elements sort last: where there is none, a leaf stands where it was made.
        if behind is None or next(reversed(self.children), b"")[:1] != ELEMENT:
            return None
        old, changed = behind
        if not all(_is_leaf(part, node) for part, node in changed.items()):
            return None
        if len(changed) > _FEW:
            left = [e for e in old if e.component not in changed]
            left += [e for part, node in changed.items() for e in _shown_leaf(part, node)]
            return sorted(left, key=_component)
        elements = old.copy()
        for part, node in changed.items():
            at = bisect_left(elements, part, key=_component)
            there = at < len(elements) and elements[at].component == part
            elements[at : at + there] = _shown_leaf(part, node)
        return elements


_FEW = 32
_component: Final = attrgetter("component")


def _shown_leaf(part: bytes, node: Node) -> list[Element]:
    return [Element(_position(part, node), part, node)] if node.cell and is_live(node.cell[0].payload) else []


def _is_leaf(component: bytes, node: Node) -> bool:
    """Whether that is an element of one sibling that is a value, or was taken away, or of none, and nothing below."""
    if component[:1] != ELEMENT or node.children or len(node.cell) > 1:
        return False
    return not node.cell or not (is_hider(node.cell[0].payload) or is_mark(node.cell[0].payload))


class Shown(NamedTuple):
    """What a reader sees at a path: a kind (a mark, or VALUE_KIND) and, for a value, its sibling."""

    kind: bytes
    rank: Rank
    sibling: Sibling | None


class Element(NamedTuple):
    """An element that is shown: where it stands, its component, its node."""

    position: bytes
    component: bytes
    node: Node


def build(tree: Tree) -> Node:
    """The nodes of a tree, expired or not. O(cells), then O(1): `update` keeps them."""
    made: Node | None = tree.memo.get(tree.prefix)
    if made is None:
        made = _build_earlier(tree) if isinstance(tree, Earlier) else _build(tree.raw())
        tree.memo[tree.prefix] = made
    return made


def _build_earlier(tree: Earlier) -> Node:
    """As the nodes of what stands, but where something else stood. Valid until one of these changes."""
    prefix = tree.prefix
    at = len(prefix)
    below = {p[at:]: cell for p, cell in tree.differing.items() if p.startswith(prefix) and p[at : at + 1] != b"\xff"}
    return build(tree.now).differing(below)


def fresh(tree: Tree) -> Node:
    """The nodes of a tree without what has expired; not remembered."""
    return _build(tree)


def update(memo: dict[bytes, Any], path: bytes, cell: Cell) -> None:
    """A cell of the key changed: what `build` remembers of the key follows."""
    for prefix, node in memo.items():
        if path.startswith(prefix) and (rest := path[len(prefix) :])[:1] != b"\xff":  # at or below it
            node.put_cell(rest, cell)


def update_all(memo: dict[bytes, Any], cells: Mapping[bytes, Cell]) -> None:
    """As `update` of each of these cells, where nothing stood."""
    for prefix, node in memo.items():
        at = len(prefix)
        below = {p[at:]: cell for p, cell in cells.items() if p.startswith(prefix) and p[at : at + 1] != b"\xff"}
        many = getattr(node, "put_cells", None)
        if below and many is not None:
            many(below)
        else:
            for path, cell in below.items():
                node.put_cell(path, cell)


def _build(tree: Tree) -> Node:
    root = Node(tree.cell())
    stack: list[tuple[bytes, Node]] = [(b"", root)]
    for path, cell in tree.below():
        above, node = stack[-1]
        while not (path.startswith(above) and path[len(above)] != 0xFF):
            stack.pop()
            above, node = stack[-1]
        at = len(above)
        while at < len(path):
            end = component_end(path, at)
            node = node.grow(path[at:end])
            at = end
            stack.append((path[:at], node))
        node.cell = cell
    return root


def member_name(component: bytes) -> str:
    """The name of an object's member."""
    return first(component)[1].decode()


def nested_strategy(component: bytes) -> Strategy:
    """The strategy that a component names; what this process has no code for is kept, unread."""
    return known_strategy(first(component)[1].decode())


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
        """What is read at a node; None if it is absent. O(1) once asked, where nothing is in doubt."""
        if node is None:
            return None
        if node.shown is _UNKNOWN:
            node.shown = max(self.candidates(node), key=lambda c: c.rank, default=None)
        found: Shown | None = node.shown
        return found

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
        hiders = [(s.dot, unhide(s.payload)) for s in node.cell if s.payload is not None and is_hider(s.payload)]
        if not hiders:
            return []
        # What the hiding transaction itself wrote below is hidden too; its context does not say so.
        unseen = lambda s: not any(s.dot == dot or covers(h.seen, s.dot) for dot, h in hiders)  # noqa: E731
        out = []
        for kind in {h.kind for _, h in hiders} - marked:
            latest = self._latest_below(node, kind, unseen)
            if latest is not None:
                out.append(Shown(kind, latest, None))
        return out

    def _plain(self, node: Node) -> list[Shown]:
        """Strategies of their own, which need no mark to be there."""
        own = [(part, _standing(part, child)) for part, child in node.children.items() if part[:1] == STRATEGY]
        return [Shown(part, max(map(rank, siblings)), None) for part, siblings in own if siblings]

    def _latest_below(self, node: Node, kind: bytes, outside: Callable[[Sibling], bool]) -> Rank | None:
        found = [self._latest_outside(child, outside, c) for c, child in node.children.items() if of_kind(c, kind)]
        return max((f for f in found if f is not None), default=None)

    def _latest_outside(self, node: Node, outside: Callable[[Sibling], bool], component: bytes = b"") -> Rank | None:
        """The latest live sibling at or below a node that is itself shown, among those `outside`."""
        if component[:1] == STRATEGY:
            return max((rank(s) for s in _standing(component, node) if outside(s)), default=None)
        shown = self.shown(node)
        if shown is None:
            return None
        here = [rank(s) for s in node.cell if is_live(s.payload) and outside(s)]
        below = self._latest_below(node, shown.kind, outside) if shown.kind != VALUE_KIND else None
        return max(here + ([below] if below is not None else []), default=None)

    # values

    def value(self, node: Node | None, shown: Shown | None = None) -> Any:
        """The JSON value at a node, a fresh object; ABSENT if nothing is shown."""
        packed = self.packed(node, shown)
        return ABSENT if packed is None else values.unpack(packed)

    def packed(self, node: Node | None, shown: Shown | None = None) -> bytes | None:
        """The value at a node as canonical packed bytes. Joined from those below, so that C unpacks it at once."""
        if node is None:
            return None
        if shown is not None:
            return self._packed(node, shown)
        if node.packed is None:
            found = self.shown(node)
            if found is None:
                return None
            node.packed = self._packed(node, found)
        return node.packed

    def _packed(self, node: Node, found: Shown) -> bytes:
        if found.sibling is not None:
            payload = found.sibling.payload or b""
            # A value put whole may have its members in any order.
            return payload if payload[:1] not in _CONTAINERS else values.pack_canonical(values.unpack(payload))
        if found.kind == MARK_OBJECT:
            parts = [
                p for part, child in node.children.items() if part[:1] == MEMBER for p in self._member(part, child)
            ]
            return values.join_map(parts)
        if found.kind == MARK_ARRAY:
            return values.join_array(self.tokens(self.elements(node)))
        return values.pack_canonical(nested_strategy(found.kind).read(nested_tree(node.children[found.kind])))

    def tokens(self, elements: list[Element]) -> list[bytes]:
        """The packed values of elements that are shown."""
        return [e.node.packed or self.packed(e.node) or b"" for e in elements]

    def _member(self, component: bytes, child: Node) -> tuple[bytes, ...]:
        packed = self.packed(child)
        return () if packed is None else (values.pack(member_name(component)), packed)

    def elements(self, node: Node) -> list[Element]:
        """The elements that are shown, in order."""
        if node.elements is None:
            node.elements = node.caught_up() or self._elements(node)
        return node.elements

    def _elements(self, node: Node) -> list[Element]:
        children = node.children
        # Elements made at a position come in order; order cells and keys may say otherwise.
        ends = (next(iter(children), b"")[:1], next(reversed(children), b"")[:1])
        if ends == (ELEMENT, ELEMENT):
            return [
                Element(_position(part, child), part, child)
                for part, child in children.items()
                if (self.shown(child) if child.shown is _UNKNOWN else child.shown) is not None
            ]
        out = []
        for part, child in children.items():
            if is_element(part) and self.shown(child) is not None:
                order = children.get(order_path(part))
                out.append(Element(position_of(part, order.cell if order else ()), part, child))
        return sorted(out, key=lambda e: e[:2])


def _position(component: bytes, node: Node) -> bytes:
    if node.position is None:
        node.position = first(component)[1]
    return node.position


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


def _standing(component: bytes, node: Node) -> list[Sibling]:
    """The live siblings of a strategy of its own that is there; none if it is not."""
    found, tree = nested_strategy(component), nested_tree(node)
    return list(found.standing(tree)) if not isinstance(found, Opaque) and found.present(tree) else []
