"""How an operation on a JSON document becomes writes: three-way, path by path.

Given what stands, what the base showed, and what the client wants, only what the
client changed is written. What reads as absent is made whole; a delete hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crdtkv.core import positions, values
from crdtkv.core.cells import MARK_ARRAY, MARK_OBJECT, TOMBSTONE, hide, is_hider, is_live, is_mark
from crdtkv.core.paths import ELEMENT, KEYED, MEMBER, STRATEGY, component, element_index
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import BaseTooOld, WrongOperation, WrongType
from crdtkv.strategies.base import Env, Operation, Write
from crdtkv.strategies.burial import bury, spent
from crdtkv.strategies.document import VALUE_KIND, Element, Node, Reader, Shown, hiders, nested_strategy, nested_tree
from crdtkv.strategies.document_parts import (
    Tokens,
    check_index,
    key_members,
    keyed,
    keyed_parts,
    leaf_component,
    member,
    named,
    own_component,
    similar,
    strategy_name,
)
from crdtkv.strategies.registry import strategy
from crdtkv.strategies.sequence import Plan, initial, make_plan, order_path, order_write, place, position_of, taken_in

__all__ = ["EMPTY", "Edit", "Gone"]

EMPTY = Node()


class Gone(Node):
    """A document that reads as absent although its cells are still here (expired, or deleted)."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.cell)
        self.adopt(node.children)


class Edit:
    """One operation on a document: what it writes, given what stands and what its base showed."""

    def __init__(self, reader: Reader, env: Env, tree: Tree, strings: bytes | None = None) -> None:
        self.reader = reader
        self.env = env
        self.tree = tree
        self.strings = strings
        """The component that leaves are kept under where no rule says otherwise; None: as plain values."""

    # put: three-way at a path

    def put(self, path: bytes, at: Tokens, now: Node, base: Node, value: Any) -> list[Write]:
        """What makes `path` show `value`, as an edit of what `base` showed there."""
        if base is not now and self.shown(now) is None and self._unchanged(base, value):
            return []  # deleted since: who leaves it as it was does not bring it back
        shown, was = self.shown(now), self.reader.shown(base)
        own = self._kept_under(at, self._own_strategy(at, shown, was), value)
        if shown is not None and self._kept_otherwise(shown, was):
            if self._unchanged(base, value):
                return []
            self._check_kind(at, shown, was)
        if own is not None:
            other = shown is not None and shown.kind != own  # what it said before is not what is read
            seen = (Gone(now), EMPTY) if other else (now, base)
            return self._put_nested(path, *seen, own, Operation("put", (value,)))
        if isinstance(value, dict):
            return self._put_container(path, at, now, base, value, MARK_OBJECT)
        if isinstance(value, list | tuple):
            return self._put_container(path, at, now, base, value, MARK_ARRAY)
        return self._put_value(path, now, was, values.pack(value))

    def shown(self, node: Node) -> Shown | None:
        return None if isinstance(node, Gone) else self.reader.shown(node)

    def _kept_otherwise(self, shown: Shown, was: Shown | None) -> bool:
        """Whether one of what stands and what the base showed is of a strategy of its own, and the other is not."""
        return was is not None and was.kind != shown.kind and STRATEGY in (was.kind[:1], shown.kind[:1])

    def _check_kind(self, at: Tokens, shown: Shown, was: Shown | None) -> None:
        """Raises BaseTooOld where what the client changed cannot be told: its base is of before a migration."""
        if was is not None and self._kept_otherwise(shown, was) and self.strings not in (shown.kind, was.kind):
            then, now = (strategy_name(found.kind) for found in (was, shown))
            raise BaseTooOld(f"shows {then} at {named(at)}, where {now} is now")

    def _unchanged(self, base: Node, value: Any) -> bool:
        packed = self.reader.packed(base)
        return packed is not None and packed == values.pack_canonical(value)

    def _put_value(self, path: bytes, now: Node, was: Shown | None, packed: bytes) -> list[Write]:
        shown = self.shown(now)
        if was is not None and was.sibling is not None and was.sibling.payload == packed and shown is not None:
            return []
        writes = [Write(path, packed, all=True, beats=True)]
        return [*writes, *bury(self.reader, path, now, all=shown is None)]

    def _put_container(self, path: bytes, at: Tokens, now: Node, base: Node, value: Any, kind: bytes) -> list[Write]:
        shown, was = self.shown(now), self.reader.shown(base)
        if shown is None or (shown.kind != kind and (was is None or was.kind != kind or base is now)):
            return self._create(path, at, now, value, kind)
        if was is not None and was.kind == kind:
            before = base
        elif shown.kind == kind:
            before = EMPTY
        else:
            return self._create(path, at, now, value, kind)
        writes = (
            self._put_members(path, at, now, before, value)
            if kind == MARK_OBJECT
            else self._put_elements(path, at, now, before, value)
        )
        if writes and shown.kind != kind:
            return self._create(path, at, now, value, kind)
        return self.reassert(path, now, kind, writes)

    def reassert(self, path: bytes, now: Node, kind: bytes, writes: list[Write]) -> list[Write]:
        """An edit below a delete that its base had seen puts the mark in the delete's place."""
        if writes and any(is_hider(s.payload) and self.env.covers(s.dot) for s in now.cell):
            return [Write(path, kind), *writes]
        return writes

    def _create(self, path: bytes, at: Tokens, now: Node, value: Any, kind: bytes) -> list[Write]:
        """A container made where none is shown, with `value` in it."""
        inner: list[Write] = []
        if kind == MARK_OBJECT:
            for name in value:
                part = member(name)
                inner += self.put(path + part, (*at, name), self._buried(now, part), EMPTY, value[name])
        else:
            for part, element, position in self._initial(at, value):
                inner += self.put(path + part, (*at, "*"), self._buried(now, part), EMPTY, element)
                inner += [order_write(path, part, position)] if position else []
        return self._made(path, now, kind, inner)

    def _made(self, path: bytes, now: Node, kind: bytes, inner: list[Write]) -> list[Write]:
        """A container made where none is shown, and `inner` in it: nothing of what stood below comes back."""
        written = {w.path for w in inner}
        buried = [w._replace(beats=True) for w in bury(self.reader, path, now) if w.path not in written]
        return [Write(path, kind, all=True, beats=True), *inner, *buried]

    def _buried(self, now: Node, part: bytes) -> Node:
        """What stands below something absent is absent too."""
        child = now.children.get(part)
        return EMPTY if child is None else Gone(child)

    def _initial(self, at: Tokens, value: Sequence[Any]) -> list[tuple[bytes, Any, bytes]]:
        """Elements of an array made where nothing was: (component, element, position if it is keyed)."""
        keys = self._key_members(at)
        out: list[tuple[bytes, Any, bytes]] = []
        used: set[bytes] = set()
        for index, element in enumerate(value):
            packed = values.pack_canonical(element)
            part = keyed(element, keys)
            if part is None or part in used:
                out.append((initial(index, packed), element, b""))
            else:
                out.append((part, element, positions.initial(index, packed)))
                used.add(part)
        return out

    # objects

    def _put_members(self, path: bytes, at: Tokens, now: Node, base: Node, value: dict[str, Any]) -> list[Write]:
        writes: list[Write] = []
        wanted = {member(name): name for name in value}
        for part, name in wanted.items():
            children = now.children.get(part, EMPTY), base.children.get(part, EMPTY)
            writes += self.put(path + part, (*at, name), *children, value[name])
        for part, child in base.children.items():
            if part[:1] == MEMBER and part not in wanted and self.reader.shown(child) is not None:
                writes += self.delete(path + part, now.children.get(part, EMPTY), child)
        return writes

    # arrays

    def _put_element(
        self, path: bytes, at: Tokens, part: bytes, now: Node, base: Node, value: Any, position: bytes = b""
    ) -> list[Write]:
        """An element edited; if it was deleted since, it is made anew at `position`, or where it was created."""
        child, order = now.children.get(part, EMPTY), order_path(part)
        writes = self.put(path + part, (*at, "*"), child, base.children.get(part, EMPTY), value)
        if not writes or self.shown(child) is not None:
            return writes
        if position and position != position_of(part, ()):
            return [*writes, order_write(path, part, position)]
        # Where it was moved to may be forgotten elsewhere.
        return [*writes, Write(path + order, TOMBSTONE, all=True)] if order in now.children else writes

    def _put_elements(self, path: bytes, at: Tokens, now: Node, base: Node, value: Sequence[Any]) -> list[Write]:
        """The elements that changed against the base: removed, moved, edited, put in."""
        if base is EMPTY:
            return self._put_initial(path, at, now, value)
        keys = self._key_members(at)
        old = self.reader.elements(base)
        old_tokens: list[Any] = self.reader.tokens(old)
        # Keyed elements sort behind those that were made at a position.
        if next(reversed(base.children), b"")[:1] != ELEMENT:
            old_tokens = [e.component if e.component[:1] == KEYED else t for e, t in zip(old, old_tokens, strict=True)]
        packed = values.pack_each(value)
        parts = keyed_parts(value, keys) if keys else {}
        new_tokens: list[Any] = [parts.get(j, p) for j, p in enumerate(packed)] if parts else packed
        plan = make_plan(old_tokens, new_tokens, lambda i, j: j not in parts and self._alike(old[i], value[j]))
        writes: list[Write] = []
        for i in plan.removed:
            writes += self.delete_element(path, now, base, old[i].component)
        inside = plan.edited + [(i, j) for i, j in [*plan.kept(), *plan.moved] if j in parts] if parts else plan.edited
        made = self._places(now, old, plan, len(value))
        for i, j in inside:
            writes += self._put_element(path, at, old[i].component, now, base, value[j], made.get(j, old[i].position))
        # Not of what was deleted since: an order cell without its element may have been forgotten elsewhere.
        stands = [(old[i].component, j) for i, j in plan.moved if old[i].component in now.children]
        writes += [order_write(path, e, made[j]) for e, j in stands if self.shown(now.children[e]) is not None]
        return writes + self._insert(path, at, now, plan.inserted, value, parts, made)

    def _places(self, now: Node, old: list[Element], plan: Plan, length: int) -> dict[int, bytes]:
        """Where the elements go that were put in or moved."""
        wanted = sorted([*plan.inserted, *(j for _, j in plan.moved)])

        def fixed(j: int) -> bytes | None:
            i = plan.stays(j)
            return None if i is None else old[i].position

        taken = taken_in(now.children.__contains__)
        return place(fixed, wanted, length, taken, self.env) if wanted else {}

    def _insert(
        self, path: bytes, at: Tokens, now: Node, inserted: list[int], value: Sequence[Any], parts: dict[int, bytes],
        made: dict[int, bytes],
    ) -> list[Write]:  # fmt: skip
        writes: list[Write] = []
        for j in inserted:
            part = parts.get(j) or component(ELEMENT, made[j])
            child = now.children.get(part, EMPTY)
            writes += self.put(path + part, (*at, "*"), child, EMPTY, value[j])
            if j in parts:
                writes.append(order_write(path, part, made[j]))
        return writes

    def _put_initial(self, path: bytes, at: Tokens, now: Node, value: Sequence[Any]) -> list[Write]:
        """An array put by who knew of none, where another made one meanwhile."""
        writes: list[Write] = []
        for part, element, position in self._initial(at, value):
            if position or self.shown(now.children.get(part, EMPTY)) is None:
                writes += self._put_element(path, at, part, now, EMPTY, element, position)
        return writes

    def _alike(self, old: Element, value: Any) -> bool:
        """Whether `value` is the old element, edited: they share at least half of their members."""
        return isinstance(value, dict) and old.component[:1] != KEYED and similar(self.reader.value(old.node), value)

    def _key_members(self, at: Tokens) -> tuple[str, ...]:
        return key_members(self.env.strategy_for(at))

    # strategies of their own

    def _own_strategy(self, at: Tokens, shown: Shown | None, was: Shown | None) -> bytes | None:
        """The component of the strategy at this path: what is shown, else what was, else what the rules say."""
        for found in (shown, was):
            if found is not None:
                return found.kind if found.kind[:1] == STRATEGY else None
        return own_component(self.env.strategy_for(at))

    def _kept_under(self, at: Tokens, own: bytes | None, value: Any) -> bytes | None:
        """The same for a value that is put: where strings are merged by words, leaves of no other strategy are."""
        if self.strings is None or own not in (None, self.strings) or self.env.strategy_for(at) is not None:
            return own
        return leaf_component(self.strings, at, value)

    def _put_nested(self, path: bytes, now: Node, base: Node, own: bytes, operation: Operation) -> list[Write]:
        """A strategy of its own where it is not all that stands: whatever else does makes room for it."""
        writes = self.nested(path, now, base, own, operation)
        return self._clear_others(path, now) + writes if writes else []

    def nested(self, path: bytes, now: Node, base: Node, own: bytes, operation: Operation) -> list[Write]:
        """The writes of an operation of the strategy at `path`."""
        part = now.children.get(own, EMPTY)
        tree = nested_tree(part) if not isinstance(now, Gone) else Tree(spent(part))
        before = tree if base is now else nested_tree(base.children.get(own, EMPTY))
        env = self.env.with_base(before)
        return [w._replace(path=path + own + w.path) for w in nested_strategy(own).edit(tree, operation, env)]

    def _clear_others(self, path: bytes, now: Node) -> list[Write]:
        """What makes room for a strategy of its own at `path`."""
        own = [Write(path, TOMBSTONE, all=True, beats=True)] if any(s.payload is not None for s in now.cell) else []
        return own + list(bury(self.reader, path, now.plain()))

    # deletes

    def delete(self, path: bytes, now: Node, base: Node) -> list[Write]:
        """What takes away what the base showed at `path`; nothing if nothing is shown."""
        shown = self.shown(now)
        if shown is None:
            return []
        # Every kind that is present goes, not only the one that is read.
        writes = [
            w
            for part in now.children
            if part[:1] == STRATEGY and nested_strategy(part).present(nested_tree(now.children[part]))
            for w in self.nested(path, now, base, part, Operation("delete"))
        ]
        kinds = [s.payload for s in now.cell if is_mark(s.payload)] + [h.kind for h in hiders(now.cell)]
        if kinds:
            kind = shown.kind if shown.kind in kinds else kinds[0]
            return [*writes, Write(path, hide(self.env.seen, kind or MARK_OBJECT))]
        gone = any(self.env.covers(s.dot) and is_live(s.payload) for s in now.cell)
        return [*writes, Write(path, TOMBSTONE)] if gone else writes

    def delete_element(self, path: bytes, now: Node, base: Node, part: bytes) -> list[Write]:
        """Take an element away, and say no more where it stood."""
        writes = self.delete(path + part, now.children.get(part, EMPTY), base.children.get(part, EMPTY))
        order = order_path(part)
        if writes and order in now.children and any(is_live(s.payload) for s in now.children[order].cell):
            writes.append(Write(path + order, TOMBSTONE))
        return writes

    # operations by path

    def at(self, now: Node, base: Node, tokens: Tokens, family: str, operation: Operation) -> list[Write]:
        """An operation of the strategy `family` at the path `tokens`."""
        return self._at(b"", (), now, base, tokens, family, operation)

    def _at(
        self, path: bytes, at: Tokens, now: Node, base: Node, rest: Tokens, family: str, operation: Operation
    ) -> list[Write]:
        if not rest:
            return self._here(path, at, now, base, family, operation)
        shown = self.shown(now)
        kind = shown.kind if shown is not None else MARK_OBJECT
        if kind == VALUE_KIND or kind[:1] == STRATEGY:
            raise WrongType(f"{named(at)} holds no members, so {rest[0]!r} cannot be in it")
        part = member(rest[0]) if kind == MARK_OBJECT else self._element(now, at, rest[0])
        step = rest[0] if kind == MARK_OBJECT else "*"
        child = self._buried(now, part) if shown is None else now.children.get(part, EMPTY)
        before = base.children.get(part, EMPTY)
        writes = self._at(path + part, (*at, step), child, before, rest[1:], family, operation)
        if shown is None:
            return self._made(path, now, kind, writes) if writes else []
        return self.reassert(path, now, kind, writes)

    def _element(self, now: Node, at: Tokens, token: str) -> bytes:
        elements = self.reader.elements(now)
        index = element_index(token, len(elements))
        if index is None:
            raise WrongType(f"{named(at)} is an array of {len(elements)}: no element {show(token)}")
        return elements[index][1]

    def _here(self, path: bytes, at: Tokens, now: Node, base: Node, family: str, operation: Operation) -> list[Write]:
        if operation.name == "put":
            return self.put(path, at, now, base, operation.args[0])
        if operation.name == "delete":
            return self.delete(path, now, base)
        if family == "list":
            return self._list_operation(path, at, now, base, operation)
        own = self._own_strategy(at, self.shown(now), None) or component(STRATEGY, strategy(family).spec.encode())
        found = nested_strategy(own)
        if found.name != family or (self.shown(now) or Shown(own, (0, ("", 0)), None)).kind != own:
            raise WrongType(f"{named(at)} is not a {family}")
        shown = self.shown(now)
        if shown is None:
            return self._put_nested(path, now, base, own, operation)
        if operation.name not in found.baseless:
            self._check_kind(at, shown, self.reader.shown(base))
        return self.nested(path, now, base, own, operation)

    def _list_operation(self, path: bytes, at: Tokens, now: Node, base: Node, operation: Operation) -> list[Write]:
        """append, insert, move... as edits of the list that is shown."""
        shown = self.shown(now)
        if shown is not None and shown.kind != MARK_ARRAY:
            raise WrongType(f"{named(at)} is not a list")
        elements = self.reader.elements(now) if shown is not None else []
        place_new = _place_of_new(operation, len(elements), at)
        if place_new is None:
            writes = self._element_operation(path, at, now, base, elements, operation)
        elif shown is None:
            return self._create(path, at, now, list(place_new[1]), MARK_ARRAY)
        else:
            writes = self._insert_elements(path, at, now, elements, *place_new)
        return self.reassert(path, now, MARK_ARRAY, writes)

    def _insert_elements(
        self, path: bytes, at: Tokens, now: Node, elements: list[Element], index: int, new: Sequence[Any]
    ) -> list[Write]:
        parts = keyed_parts(new, self._key_members(at))
        writes: list[Write] = []
        for j, position in enumerate(self._between(elements, index, now, len(new))):
            part = parts.get(j) or component(ELEMENT, position)
            writes += self.put(path + part, (*at, "*"), now.children.get(part, EMPTY), EMPTY, new[j])
            writes += [order_write(path, part, position)] if j in parts else []
        return writes

    def _element_operation(
        self, path: bytes, at: Tokens, now: Node, base: Node, elements: list[Element], operation: Operation
    ) -> list[Write]:
        count = len(elements)
        match operation:
            case Operation("remove", (index,)):
                return self.delete_element(path, now, base, elements[check_index(index, count, at)].component)
            case Operation("remove", (index, int() as many)) if many > 0 and many is not True:
                found = check_index(index, count, at)
                check_index(found + many - 1, count, at)
                return [w for e in elements[found : found + many] for w in self.delete_element(path, now, base, e[1])]
            case Operation("set", (index, value)):
                _, part, node = elements[check_index(index, count, at)]
                return self.put(path + part, (*at, "*"), node, base.children.get(part, EMPTY), value)
            case Operation("move", (index, to)):
                found = check_index(index, count, at)
                rest = elements[:found] + elements[found + 1 :]
                [position] = self._between(rest, check_index(to, count, at), now, 1)
                return [order_write(path, elements[found].component, position)]
            case Operation("clear", ()):
                return [w for e in elements for w in self.delete_element(path, now, base, e.component)]
        takes = "append, prepend, insert(index, value, ...), remove(index[, n]), set(index, value), move(index, to), "
        takes += "clear"
        raise WrongOperation(f"a list in json takes {takes}; not {operation.name}{show(operation.args)}")

    def _between(self, elements: list[Element], index: int, now: Node, count: int) -> list[bytes]:
        """`count` positions in front of the element at `index`."""
        fixed = {i if i < index else i + count: e.position for i, e in enumerate(elements)}
        wanted = range(index, index + count)
        taken = taken_in(now.children.__contains__)
        made = place(fixed.get, wanted, len(elements) + count, taken, self.env)
        return [made[j] for j in wanted]


def _place_of_new(operation: Operation, count: int, at: Tokens) -> tuple[int, Sequence[Any]] | None:
    """Where an operation puts in which elements; None for one that puts in none."""
    match operation:
        case Operation("append", new) if new:
            return count, new
        case Operation("prepend", new) if new:
            return 0, new
        case Operation("insert", given) if len(given) > 1:
            return check_index(given[0], count, at, end=1), given[1:]
    return None
