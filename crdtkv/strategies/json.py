"""JSON document: three-way by path; each leaf, element and container its own fate.

A put is compared with what its client had read, once, where it happens; only what
changed is written. Objects merge by member, arrays as lists with identity (of
creation, of key members, or of value: a set), scalars by last write. A path may
have a strategy of its own: `/tags` a set, `/hits` a counter.

A delete of a container hides it with all that its writer had seen. Under
`wins=edit` an edit inside, made by who had not seen the delete, brings the whole
container back; under `wins=delete` it stays away and the edit is in the inbox.

The anomaly that survives: a document is merged path by path, so a rule that spans
paths (a total that equals its parts) may be broken by two edits that each kept it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import (
    MARK_ARRAY,
    MARK_OBJECT,
    Cell,
    Sibling,
    is_live,
    is_mark,
    is_value,
    only_tombstones,
)
from crdtkv.core.clocks import Stamp
from crdtkv.core.paths import ELEMENT, MEMBER, ORDER, STRATEGY, components, element_index, first
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.burial import restore
from crdtkv.strategies.cell_reading import choose, misfit
from crdtkv.strategies.document import (
    Node,
    Reader,
    Shown,
    build,
    member_name,
    nested_strategy,
    nested_tree,
    of_kind,
)
from crdtkv.strategies.document_edit import EMPTY, Edit, Gone
from crdtkv.strategies.document_parts import (
    key_members,
    keyed,
    leaf_component,
    member,
    own_component,
    pointer,
    within,
)
from crdtkv.strategies.sequence import is_element, order_path

__all__ = ["Json"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Json(Strategy):
    """The strategy `json`."""

    name = "json"
    summary = "a JSON document merged by path"
    wins = "each member, element and leaf by itself; an edit wins over a concurrent delete (wins=delete: the delete)"
    anomaly = "a rule that spans paths may be broken by two edits that each kept it"
    cost = "one cell per leaf and per container; a put is O(document + changes)"
    operations = {
        "put": "put(value): three-way against the base",
        "delete": "delete(): the whole document",
        "at": "at(path, strategy, operation): an operation of the strategy at that path",
    }
    options = {
        "strings": "lww (default), or words: strings outside arrays are merged word by word",
        "wins": "edit (default) or delete",
    }
    also = ("list",)
    whole = True

    def __init__(self, **options: str) -> None:
        super().__init__(**choose(self.name, options, wins=("edit", "delete"), strings=("lww", "words")))

    def read(self, tree: Tree) -> Any:
        reader, node = self._reader(tree), build(tree)
        shown = reader.root(node)
        return ABSENT if shown is None else reader.value(node, shown)

    def present(self, tree: Tree) -> bool:
        cell = tree.raw().cell()
        if len(cell) == 1 and is_live(cell[0].payload) and not tree.expiry:
            return True
        return bool(cell) and self._reader(tree).root(build(tree)) is not None

    def norm(self, value: Any) -> Any:
        return values.unpack(values.pack_canonical(value))

    def standing(self, tree: Tree) -> Iterator[Sibling]:
        return _standing(self._reader(tree), build(tree)) if self.present(tree) else iter(())

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        reader, node = self._reader(tree), build(tree)
        now = Gone(node) if reader.root(node) is None else node
        # What expiry hides is hidden at the root alone; below, everything reads as it stands.
        reader = Reader(reader.delete_wins)
        base = EMPTY if now is not node else node if env.base is tree else build(env.base)
        edit = Edit(reader, env, tree, self._strings)
        if operation.name == "put":
            values.pack(operation.args[0])  # so that an error names the path in the whole value
            return edit.put(b"", (), now, base, operation.args[0])
        if operation.name == "delete":
            return edit.delete(b"", now, base)
        if operation.name == "at" and _is_place(operation.args):
            tokens, family, inner = operation.args
            values.pack(within(tokens, None))
            inside = family in ("list", "log", "set") and inner.name != "put"
            for arg in inner.args:
                values.pack(within(tokens, [arg] if inside else arg))  # the whole has its limits too
            return edit.at(now, base, *operation.args)
        raise misfit(self, operation)

    def leaf(self, old: bytes | None, value: Any) -> bytes | None:
        if isinstance(value, (dict, list, tuple)):
            return None
        packed = values.pack(value)
        if old is None:
            return packed
        # Who puts what is shown already has changed nothing.
        return None if not is_value(old) else b"" if old == packed else packed

    def restore(self, tree: Tree, path: bytes, payload: bytes | None) -> list[Write]:
        writes = list(restore(self._reader(tree), build(tree), path, payload))
        parts = components(path)
        at = next((i for i, part in enumerate(parts) if part[:1] == STRATEGY), None)
        if at is None:
            return writes
        # A strategy of its own says how what was lost there is said again.
        above = b"".join(parts[: at + 1])
        stands = tree.sub(above) if self.reaches(tree, above) else Tree({})
        again = nested_strategy(parts[at]).restore(stands, path[len(above) :], payload)
        return [*(w for w in writes if w.path != path), *(w._replace(path=above + w.path) for w in again)]

    @property
    def _strings(self) -> bytes | None:
        """The component of the strategy that strings are kept under; None if they are plain values."""
        if self.chosen.get("strings") != "words":
            return None
        return own_component("words?wins=delete" if self.chosen.get("wins") == "delete" else "words")

    def _reader(self, tree: Tree) -> Reader:
        return Reader(self.chosen.get("wins") == "delete", tree.expiry)

    # what a purge may drop

    def dead(self, tree: Tree, candidates: Iterable[bytes], floor: Stamp) -> Iterable[bytes]:
        root, reader = build(tree), self._reader(tree)
        if root.cell and reader.root(root) is None and _old(root, floor):
            return [p for p, _ in root.cells()]
        out: set[bytes] = set()
        for path in candidates:
            if path not in out:
                out.update(_dead_because(reader, root, path, floor))
        return out

    def orphans(self, tree: Tree) -> Iterable[Mapping[bytes, Cell]]:
        return list(_orphans(build(tree), b""))

    def misplaced(self, tree: Tree, strategy_for: Callable[[tuple[str, ...]], str | None]) -> bool:
        return _misplaced(self._reader(tree), build(tree), (), strategy_for, self._strings)

    def nested_at(self, tree: Tree, path: tuple[str, ...]) -> tuple[Strategy, Tree] | None:
        node: Node | None = build(tree)
        reader = self._reader(tree)
        for token in path:
            if node is None:
                return None
            elements = reader.elements(node) if token.isdigit() else []
            index = element_index(token, len(elements))
            node = node.children.get(member(token)) if index is None else elements[index].node
        shown = reader.shown(node)
        if node is None or shown is None or shown.kind[:1] != STRATEGY:
            return None
        return nested_strategy(shown.kind), nested_tree(node.children[shown.kind])

    def where(self, tree: Tree, path: bytes) -> str:
        node: Node | None = build(tree)
        reader = self._reader(tree)
        out = []
        for part in components(path):
            if node is None or part[:1] == STRATEGY:
                break
            if is_element(part):
                at = next((i for i, e in enumerate(reader.elements(node)) if e.component == part), "-")
                out.append(str(at))
            elif part[:1] == MEMBER:
                out.append(member_name(part))
            node = node.children.get(part)
        return pointer(tuple(out))

    def leaves(self, tree: Tree) -> Iterable[tuple[str, Sibling, Any]]:
        return _leaves(self._reader(tree), build(tree), ())

    def told(self, tree: Tree, path: bytes, sibling: Sibling) -> Any:
        node: Node | None = build(tree)
        at = 0
        for part in components(path):
            at += len(part)
            node = node.children.get(part) if node is not None else None
            if part[:1] == STRATEGY:
                return nested_strategy(part).told(nested_tree(node or EMPTY), path[at:], sibling)
        if not is_mark(sibling.payload):
            return super().told(tree, path, sibling)
        return self._reader(tree).value(node, Shown(sibling.payload or b"", (sibling.stamp, sibling.dot), None))

    def mark(self, tree: Tree) -> bytes | None:
        shown = self._reader(tree).root(build(tree))
        if shown is None:
            return None
        return shown.sibling.payload if shown.sibling is not None else shown.kind

    def reaches(self, tree: Tree, path: bytes) -> bool:
        node: Node | None = build(tree)
        reader = self._reader(tree)
        for part in components(path):
            shown = reader.shown(node)
            if node is None or shown is None:
                return False
            if part[:1] == STRATEGY:
                return part == shown.kind
            if not of_kind(first(part)[1] if part[:1] == ORDER else part, shown.kind):
                return False
            node = node.children.get(part)
        return reader.shown(node) is not None

    def counted(self, tree: Tree) -> Iterable[bytes]:
        """Only what is shown: a write below what is deleted would bring it back."""
        reader, node = self._reader(tree), build(tree)
        return [] if reader.root(node) is None else list(_counted(reader, node, b""))

    def siblings(self, tree: Tree) -> list[Any]:
        """Where a strategy of its own shows more than one value: the path and the values, as `{"path":, "values":}`."""
        reader, node = self._reader(tree), build(tree)
        return [] if reader.root(node) is None else list(_siblings(reader, node, ()))

    def losers(self, tree: Tree) -> Iterable[Loser]:
        return list(_losers(self._reader(tree), build(tree), b""))


def _is_place(args: tuple[Any, ...]) -> bool:
    """Whether that is a path, a family of strategies, and an operation of it."""
    if len(args) != 3 or not isinstance(args[0], tuple) or not isinstance(args[2], Operation):
        return False
    return all(isinstance(part, str) for part in (*args[0], args[1], args[2].name)) and isinstance(args[2].args, tuple)


def _standing(reader: Reader, node: Node) -> Iterator[Sibling]:
    yield from (s for s in node.cell if is_live(s.payload))
    for part, child in node.children.items():
        if part[:1] == STRATEGY:
            yield from nested_strategy(part).standing(nested_tree(child))
        elif reader.shown(node.children.get(first(part)[1]) if part[:1] == ORDER else child) is not None:
            yield from _standing(reader, child)


def _counted(reader: Reader, node: Node, path: bytes) -> Iterator[bytes]:
    shown = reader.shown(node)
    if shown is None or shown.sibling is not None:
        return
    if shown.kind[:1] == STRATEGY:
        yield from (path + shown.kind + at for at in nested_strategy(shown.kind).counted(Tree({})))
        return
    for part, child in node.children.items():
        if of_kind(part, shown.kind):
            yield from _counted(reader, child, path + part)


def _siblings(reader: Reader, node: Node, at: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    shown = reader.shown(node) if node.disputed() else None
    if shown is None or shown.sibling is not None:
        return
    if shown.kind[:1] == STRATEGY:
        found = nested_strategy(shown.kind).siblings(nested_tree(node.children[shown.kind]))
        if len(found) > 1:
            yield {"path": pointer(at), "values": found}
    elif shown.kind == MARK_ARRAY:
        for index, element in enumerate(reader.elements(node)):
            yield from _siblings(reader, element.node, (*at, str(index)))
    else:
        for part, child in node.children.items():
            if part[:1] == MEMBER:
                yield from _siblings(reader, child, (*at, member_name(part)))


def _losers(reader: Reader, node: Node, path: bytes) -> Iterable[Loser]:
    if not node.disputed():
        return
    shown = reader.shown(node)
    nested = [(part, child) for part, child in node.children.items() if part[:1] == STRATEGY]
    if len(node.cell) > 1 or nested:
        for s in node.cell:
            # Where deletes win a value may stand beside one.
            if is_value(s.payload) and (shown is None or shown.sibling is None or s.payload != shown.sibling.payload):
                yield Loser(path, s, values.unpack(s.payload or b""))
            elif shown is not None and is_mark(s.payload) and s.payload != shown.kind:
                kind = s.payload or b""
                yield Loser(path, s, reader.value(node, Shown(kind, (s.stamp, s.dot), None)))
    for part, child in nested:
        yield from _losers_of_its_own(part, child, path + part, shown)
    if shown is not None:
        for part, child in node.children.items():
            if part[:1] != STRATEGY and of_kind(part, shown.kind):
                yield from _losers(reader, child, path + part)


def _losers_of_its_own(part: bytes, node: Node, path: bytes, shown: Shown | None) -> Iterable[Loser]:
    """What loses in the cells of a strategy of its own: to siblings, or all of it to another kind that is read."""
    other = shown is not None and shown.kind != part
    if not other and not node.disputed():
        return
    found, tree = nested_strategy(part), nested_tree(node)
    if not other:
        yield from (Loser(path + at, s, value) for at, s, value in found.losers(tree))
        return
    for at, cell in node.cells():
        said = (s for s in cell if is_value(s.payload) and not found.gone(cell))
        yield from (Loser(path + at, s, found.told(tree, at, s)) for s in said)


def _leaves(reader: Reader, node: Node, at: tuple[str, ...]) -> Iterable[tuple[str, Sibling, Any]]:
    shown = reader.shown(node)
    if shown is None:
        return
    if shown.sibling is not None:
        yield pointer(at), shown.sibling, reader.value(node)
    elif shown.kind == MARK_ARRAY:
        for index, element in enumerate(reader.elements(node)):
            yield from _leaves(reader, element.node, (*at, str(index)))
    elif shown.kind == MARK_OBJECT:
        for part, child in node.children.items():
            if part[:1] == MEMBER:
                yield from _leaves(reader, child, (*at, member_name(part)))
    else:
        found = nested_strategy(shown.kind)
        for where, sibling, value in found.leaves(nested_tree(node.children[shown.kind])):
            yield pointer(at) + where, sibling, value


def _misplaced(
    reader: Reader, node: Node, at: tuple[str, ...], strategy_for: Callable[[tuple[str, ...]], str | None],
    strings: bytes | None,
) -> bool:  # fmt: skip
    shown = reader.shown(node)
    if shown is None:
        return False
    spec = strategy_for(at)
    wanted = own_component(spec)
    if strings is not None and spec is None:
        wanted = leaf_component(strings, at, reader.value(node))
    if (shown.kind if shown.kind[:1] == STRATEGY else None) != wanted:
        return True
    keys = key_members(spec)
    for part, child in node.children.items():
        if is_element(part):
            value = reader.value(child)
            if value is not ABSENT and (keyed(value, keys) or part[:1]) not in (part, ELEMENT):
                return True
        if part[:1] != STRATEGY and of_kind(part, shown.kind):
            step = member_name(part) if part[:1] == MEMBER else "*"
            if _misplaced(reader, child, (*at, step), strategy_for, strings):
                return True
    return False


def _old(node: Node, floor: Stamp) -> bool:
    return all(s.stamp <= floor for _, cell in node.cells() for s in cell)


def _dead_because(reader: Reader, root: Node, path: bytes, floor: Stamp) -> Iterable[bytes]:
    """What goes because of the cell at `path`: the topmost thing on the way that is absent by itself and old, whole.

    Never "only below what is shown": a replica that has not heard yet of the delete
    of what is above must drop the same. And only what has a cell that says that it is
    absent: else it would hang on what is due below it whether it goes (see `orphans`).
    A strategy of its own that stands there too goes, or stays, by itself: who dropped
    the rest before it was put there must hold the same.
    """
    node, at = root, b""
    for part in components(path):
        child = node.children.get(part)
        if child is None:
            return ()
        above, parent, node, at = at, node, child, at + part
        if part[:1] == STRATEGY:
            rest = path[len(at) :]
            return [at + p for p in nested_strategy(part).dead(nested_tree(node), [rest], floor)]
        if part[:1] == ORDER:
            # An element takes its order cell with it; alone goes what says nothing, and what is left of an element.
            spent = first(part)[1] not in parent.children and _old(node, floor)
            return [at] if spent or only_tombstones(node.cell, floor) else []
        inside = path[len(at) : len(at) + 1] == STRATEGY
        if not inside and (gone := _dead_here(reader, parent, above, part, floor)):
            return gone
    return [path] if only_tombstones(node.cell, floor) and not _has_orphans(node) else ()


def _dead_here(reader: Reader, parent: Node, above: bytes, part: bytes, floor: Stamp) -> list[bytes]:
    """A child that says that it is absent, if it is old, with all below it.

    An absent element goes with its order cell, or not yet.
    """
    node, order = parent.children[part], EMPTY
    own = node.plain()
    if not node.cell or reader.shown(own) is not None or not _old(own, floor):
        return []
    gone = [above + part + p for p, _ in own.cells()]
    if is_element(part):
        order = parent.children.get(order_path(part), EMPTY)
        if not _old(order, floor):
            return []
    return [*gone, above + order_path(part)] if order.cell and own is node else gone


def _orphans(node: Node, path: bytes) -> Iterable[Mapping[bytes, Cell]]:
    below = {part: child for part, child in node.children.items() if part[:1] != STRATEGY}
    if node.cell:
        for part, child in below.items():
            yield from _orphans(child, path + part)
    elif _has_orphans(node):
        yield {p: cell for part, child in below.items() for p, cell in child.cells(path + part)}


def _has_orphans(node: Node) -> bool:
    """Whether something live is left below that is not of a strategy of its own: then all goes together."""
    below = (cell for part, child in node.children.items() if part[:1] != STRATEGY for _, cell in child.cells())
    return any(is_live(s.payload) for cell in below for s in cell)
