"""How an operation on a JSON document becomes writes: three-way, path by path.

Given what stands, what the base showed, and what the client wants, only what the
client changed is written. What reads as absent is made whole; a delete hides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from crdtkv.core import positions, values
from crdtkv.core.cells import MARK_ARRAY, MARK_OBJECT, TOMBSTONE, Cell, hide, is_hider, is_live, is_mark
from crdtkv.core.paths import ELEMENT, KEYED, MEMBER, ORDER, STRATEGY, component, is_counted
from crdtkv.core.tree import Tree
from crdtkv.errors import ValueInvalid, WrongOperation, WrongType
from crdtkv.strategies.base import Env, Operation, Write
from crdtkv.strategies.counter_cells import dead_payload
from crdtkv.strategies.document import VALUE_KIND, Element, Node, Reader, Shown, hiders, nested_strategy, nested_tree
from crdtkv.strategies.registry import strategy
from crdtkv.strategies.sequence import Plan, initial, make_plan, order_path, order_write, place

__all__ = [
    "EMPTY",
    "Edit",
    "Gone",
    "Tokens",
    "check_index",
    "key_members",
    "keyed",
    "keyed_parts",
    "leaf_component",
    "member",
    "own_component",
    "pointer",
    "similar",
    "within",
]

Tokens = tuple[str, ...]
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
        if own is not None:
            if own == self.strings and shown is not None and self._unchanged(base, value):
                return []
            other = shown is not None and shown.kind != own  # what it said before is not what is read
            return self._put_nested(path, at, Gone(now) if other else now, EMPTY if other else base, own, value)
        if isinstance(value, dict):
            return self._put_container(path, at, now, base, value, MARK_OBJECT)
        if isinstance(value, list | tuple):
            return self._put_container(path, at, now, base, value, MARK_ARRAY)
        return self._put_value(path, now, was, values.pack(value))

    def shown(self, node: Node) -> Shown | None:
        return None if isinstance(node, Gone) else self.reader.shown(node)

    def _unchanged(self, base: Node, value: Any) -> bool:
        packed = self.reader.packed(base)
        return packed is not None and packed == values.pack_canonical(value)

    def _put_value(self, path: bytes, now: Node, was: Shown | None, packed: bytes) -> list[Write]:
        shown = self.shown(now)
        if was is not None and was.sibling is not None and was.sibling.payload == packed and shown is not None:
            return []
        writes = [Write(path, packed, all=True, beats=True)]
        return [*writes, *self._bury(path, now, all=False)]

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
        """A container made where none is shown: nothing of what stood below comes back."""
        writes = [Write(path, kind, all=True, beats=True)]
        if kind == MARK_OBJECT:
            for name in value:
                part = member(name)
                writes += self.put(path + part, (*at, name), self._buried(now, part), EMPTY, value[name])
        else:
            for part, element, position in self._initial(at, value):
                writes += self.put(path + part, (*at, "*"), self._buried(now, part), EMPTY, element)
                writes += [order_write(path, part, position)] if position else []
        written = {w.path for w in writes}
        return writes + [w for w in self._bury(path, now) if w.path not in written]

    def _bury(self, path: bytes, now: Node, all: bool = True) -> Iterable[Write]:
        """Everything below goes; counters are cancelled, for a tombstone would give back what an add replaced.

        What reads as absent already is replaced whole, whatever the base: it may be
        purged elsewhere.
        """
        for part, child in now.children.items():
            whole = all or (part[:1] not in (STRATEGY, ORDER) and self.reader.shown(child) is None)
            if any(is_live(s.payload) or is_hider(s.payload) for s in child.cell):
                payload = dead_payload(part, child.cell) if is_counted(part) else TOMBSTONE
                yield Write(path + part, payload, whole)
            yield from self._bury(path + part, child, whole)

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
            writes += self._put_child(path, (*at, name), part, now, base, value[name])
        for part, child in base.children.items():
            if part[:1] == MEMBER and part not in wanted and self.reader.shown(child) is not None:
                writes += self.delete(path + part, now.children.get(part, EMPTY), child)
        return writes

    def _put_child(self, path: bytes, at: Tokens, part: bytes, now: Node, base: Node, value: Any) -> list[Write]:
        child = now.children.get(part, EMPTY)
        writes = self.put(path + part, at, child, base.children.get(part, EMPTY), value)
        order = order_path(part)
        if writes and part[:1] == ELEMENT and order in now.children and self.shown(child) is None:
            # Made anew where it was created: where it was moved to may be forgotten elsewhere.
            writes.append(Write(path + order, TOMBSTONE, all=True))
        return writes

    # arrays

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
        for i, j in inside:
            writes += self._put_child(path, (*at, "*"), old[i].component, now, base, value[j])
        return writes + self._place(path, at, now, old, plan, value, parts)

    def _place(
        self, path: bytes, at: Tokens, now: Node, old: list[Element], plan: Plan, value: Sequence[Any],
        parts: dict[int, bytes],
    ) -> list[Write]:  # fmt: skip
        wanted = sorted([*plan.inserted, *(j for _, j in plan.moved)])
        if not wanted:
            return []

        def fixed(j: int) -> bytes | None:
            i = plan.stays(j)
            return None if i is None else old[i].position

        made = place(fixed, wanted, len(value), lambda p: component(ELEMENT, p) in now.children, self.env)
        writes = [order_write(path, old[i].component, made[j]) for i, j in plan.moved]
        for j in plan.inserted:
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
            child = now.children.get(part, EMPTY)
            if self.reader.shown(child) is None or position:
                writes += self.put(path + part, (*at, "*"), child, EMPTY, element)
                writes += [order_write(path, part, position)] if position and self.reader.shown(child) is None else []
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

    def _put_nested(self, path: bytes, at: Tokens, now: Node, base: Node, own: bytes, value: Any) -> list[Write]:
        writes = self.nested(path, now, base, own, Operation("put", (value,)))
        return self._clear_others(path, now) + writes if writes else []

    def nested(self, path: bytes, now: Node, base: Node, own: bytes, operation: Operation) -> list[Write]:
        """The writes of an operation of the strategy at `path`."""
        part = now.children.get(own, EMPTY)
        tree = nested_tree(part) if not isinstance(now, Gone) else Tree(_spent(part))
        before = tree if base is now else nested_tree(base.children.get(own, EMPTY))
        env = self.env.with_base(before)
        return [w._replace(path=path + own + w.path) for w in nested_strategy(own).edit(tree, operation, env)]

    def _clear_others(self, path: bytes, now: Node) -> list[Write]:
        """What makes room for a strategy of its own at `path`."""
        others = Node(now.cell)
        others.adopt({part: child for part, child in now.children.items() if part[:1] != STRATEGY})
        own = [Write(path, TOMBSTONE, all=True, beats=True)] if any(s.payload is not None for s in now.cell) else []
        return own + list(self._bury(path, others))

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
        if self.shown(now) is not None:
            return self._at(b"", (), now, base, tokens, family, operation)
        inner = self._at(b"", (), EMPTY, EMPTY, tokens, family, operation)
        return [Write(b"", MARK_OBJECT, all=True), *inner] if inner else []

    def _at(
        self, path: bytes, at: Tokens, now: Node, base: Node, rest: Tokens, family: str, operation: Operation
    ) -> list[Write]:
        if not rest:
            return self._here(path, at, now, base, family, operation)
        shown = self.shown(now)
        kind = shown.kind if shown is not None else MARK_OBJECT
        if kind == VALUE_KIND or kind[:1] == STRATEGY:
            raise WrongType(f"{pointer(at)!r} holds no members, so {rest[0]!r} cannot be in it")
        part = member(rest[0]) if kind == MARK_OBJECT else self._element(now, at, rest[0])
        step = rest[0] if kind == MARK_OBJECT else "*"
        child, before = now.children.get(part, EMPTY), base.children.get(part, EMPTY)
        writes = self._at(path + part, (*at, step), child, before, rest[1:], family, operation)
        if writes and shown is None:
            return [Write(path, kind, all=True), *writes] if path else writes
        return self.reassert(path, now, kind, writes)

    def _element(self, now: Node, at: Tokens, token: str) -> bytes:
        elements = self.reader.elements(now)
        if not token.isdigit() or int(token) >= len(elements):
            raise WrongType(f"{pointer(at)!r} is an array of {len(elements)}: no element {token!r}")
        return elements[int(token)][1]

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
            raise WrongType(f"{pointer(at)!r} is not a {family}")
        return self.nested(path, now, base, own, operation)

    def _list_operation(self, path: bytes, at: Tokens, now: Node, base: Node, operation: Operation) -> list[Write]:
        """append, insert, move... as edits of the list that is shown."""
        shown = self.shown(now)
        if shown is not None and shown.kind != MARK_ARRAY:
            raise WrongType(f"{pointer(at)!r} is not a list")
        elements = self.reader.elements(now) if shown is not None else []
        if operation.name in ("append", "prepend", "insert") and shown is None:
            return self._create(path, at, now, list(operation.args[-1:]), MARK_ARRAY)
        writes = self._element_operation(path, at, now, base, elements, operation)
        return self.reassert(path, now, MARK_ARRAY, writes)

    def _element_operation(
        self,
        path: bytes,
        at: Tokens,
        now: Node,
        base: Node,
        elements: list[Element],
        operation: Operation,
    ) -> list[Write]:
        name, args, count = operation.name, operation.args, len(elements)
        if name in ("append", "prepend", "insert"):
            index = {"append": count, "prepend": 0}.get(name, args[0])
            part = keyed(args[-1], self._key_members(at))
            position = self._between(elements, check_index(index, count, at), now)
            target = part or component(ELEMENT, position)
            writes = self.put(path + target, (*at, "*"), now.children.get(target, EMPTY), EMPTY, args[-1])
            return [*writes, order_write(path, target, position)] if part else writes
        index = check_index(args[0], count - 1, at)
        _, part, node = elements[index]
        if name == "remove":
            return self.delete_element(path, now, base, part)
        if name == "set":
            return self.put(path + part, (*at, "*"), node, base.children.get(part, EMPTY), args[1])
        if name == "move":
            rest = elements[:index] + elements[index + 1 :]
            return [order_write(path, part, self._between(rest, check_index(args[1], count - 1, at), now))]
        raise WrongOperation(f"a list in json takes append, prepend, insert, remove, set, move; not {name!r}")

    def _between(self, elements: list[Element], index: int, now: Node) -> bytes:
        fixed = {i: e[0] for i, e in enumerate(elements[:index])} | {
            i + 1: e[0] for i, e in enumerate(elements) if i >= index
        }
        taken = lambda p: component(ELEMENT, p) in now.children  # noqa: E731
        return place(fixed.get, [index], len(elements) + 1, taken, self.env)[index]


def _spent(node: Node) -> dict[bytes, Cell]:
    """What is left of a strategy in something absent: counters go on from what they had counted, cancelled."""
    out: dict[bytes, Cell] = {}
    for path, cell in node.cells():
        if is_counted(path):
            payload = dead_payload(path, cell)
            out[path] = cell if payload is None else tuple(s._replace(payload=payload) for s in cell)
    return out


def member(name: str) -> bytes:
    """The component of an object's member."""
    return component(MEMBER, name.encode())


def keyed(element: Any, keys: tuple[str, ...]) -> bytes | None:
    """The component of an element that is identified by its key members, None if it lacks one."""
    if not keys or not isinstance(element, dict) or any(k not in element for k in keys):
        return None
    return component(KEYED, values.pack_canonical([element[k] for k in keys]))


def own_component(spec: str | None) -> bytes | None:
    """The component of a strategy that stands by itself at a path; None for what a document does itself."""
    if spec is None or spec == "json" or spec.split("?")[0] == "list":
        return None
    return component(STRATEGY, strategy(spec).spec.encode())


def leaf_component(strings: bytes, at: Tokens, value: Any) -> bytes | None:
    """The component of a leaf where strings are merged by words; None for an element of an array and for the root.

    Not for strings alone: a leaf that another colo makes a number meanwhile stays one cell, in which the later wins.
    """
    return None if isinstance(value, dict | list | tuple) or at[-1:] in ((), ("*",)) else strings


def key_members(spec: str | None) -> tuple[str, ...]:
    """The members that identify an array's elements; none: their creation does."""
    return tuple(spec.removeprefix("list?key=").split(",")) if spec and spec.startswith("list?key=") else ()


def within(tokens: Tokens, value: Any) -> Any:
    """A document that holds `value` at a path and nothing else."""
    if len(tokens) > values.MAX_DEPTH:
        raise ValueInvalid(f"path of {len(tokens)} steps; at most {values.MAX_DEPTH}")
    for token in reversed(tokens):
        value = {token: value}
    return value


def keyed_parts(value: Sequence[Any], keys: tuple[str, ...]) -> dict[int, bytes]:
    """The components of the elements that have their key members; of two with one key the first."""
    out: dict[int, bytes] = {}
    used: set[bytes] = set()
    for j, element in enumerate(value):
        part = keyed(element, keys)
        if part is not None and part not in used:
            out[j] = part
            used.add(part)
    return out


def similar(old: Any, new: Any) -> bool:
    """Whether two containers share at least half of their members."""
    if isinstance(old, dict) and isinstance(new, dict):
        same = sum(1 for k in old if k in new and values.equal(old[k], new[k]))
        return 2 * same >= max(len(old), len(new))
    return False


def check_index(index: Any, most: int, at: Tokens) -> int:
    """`index` as it counts from the front. WrongType if there is no such place."""
    if not isinstance(index, int) or isinstance(index, bool):
        raise WrongType(f"index {index!r} of {pointer(at)!r} is not a whole number")
    found = index + most + 1 if index < 0 else index
    if not 0 <= found <= most:
        raise WrongType(f"index {index} is outside {pointer(at)!r}; 0 to {most} are allowed")
    return found


def pointer(tokens: Tokens) -> str:
    """The JSON pointer of a path (RFC 6901)."""
    return "".join("/" + t.replace("~", "~0").replace("/", "~1") for t in tokens)
