"""List: each element its own fate; what two colos append stands, runs never interleave.

One cell per element, at the position it was created at, so an element is itself
wherever it is moved and however many equal ones there are. A put of a whole list
is compared with what its client had read: what it lacks is removed, what is new is
put in between its neighbours.

The anomaly that survives: two colos that put in the same new element at the same
time put in two; and two that set one element differently end with the later one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from mypy_extensions import mypyc_attr

from crdtkv.core import positions, values
from crdtkv.core.cells import MARK_PLAIN, TOMBSTONE, Cell, Sibling, is_live, latest, only_tombstones, sweep
from crdtkv.core.clocks import Stamp
from crdtkv.core.paths import ELEMENT, ORDER, component, first
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import WrongType
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import covers_live, misfit
from crdtkv.strategies.document import Element, Reader, build, fresh
from crdtkv.strategies.line import beyond, known_line, line, moved
from crdtkv.strategies.sequence import Plan, make_plan, order_path, order_write, place, position_of, taken_in

__all__ = ["List"]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long


@mypyc_attr(allow_interpreted_subclasses=True)
class List(Strategy):
    """Elements in an order."""

    name = "list"
    summary = "a sequence of values"
    wins = "each element by itself: adds stand, a remove takes what it saw; set and move: the later"
    anomaly = "the same new element put in at two colos stands twice"
    cost = "one cell per element, about 25 bytes of position; append costs the same at any length; put is O(length)"
    operations: ClassVar[Mapping[str, str]] = {
        "append": "append(value, ...)",
        "prepend": "prepend(value, ...)",
        "insert": "insert(index, value, ...)",
        "remove": "remove(index[, count])",
        "set": "set(index, value)",
        "move": "move(index, to)",
        "put": "put([value, ...]): what changed since the base",
        "clear": "clear(): removes every element",
        "delete": "delete()",
    }
    short = frozenset({"append", "prepend", "insert", "set"})

    def read(self, tree: Tree) -> Any:
        """The values in order. Cost: O(n)."""
        found = list(map(_payload, _shown(tree))) if moved(tree) else tree.payloads(ELEMENT)
        return values.unpack(values.join_array(found)) if found or _marked(tree) else ABSENT

    def present(self, tree: Tree) -> bool:
        return _marked(tree) or self.holds(tree)

    def holds(self, tree: Tree) -> bool:
        """Whether there is an element. O(1) where a line is kept, else O(deleted before the first)."""
        kept = known_line(tree)
        if kept is not None:
            return len(kept) > 0
        return any(not self.gone(cell) for _, cell in tree.range(ELEMENT))

    def norm(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise WrongType(f"a list is put as a list; not {show(value)}")
        return values.unpack(values.pack(list(value)))

    def since(self, then: Tree, value: Any) -> Any:
        items = self.norm(value)
        return [items[j] for j in make_plan([_payload(row) for row in _shown(then)], values.pack_list(items)).inserted]

    def gone(self, cell: Cell) -> bool:
        return not cell or not any(is_live(s.payload) for s in cell)

    def standing(self, tree: Tree) -> Iterator[Sibling]:
        for path, cell in [(b"", tree.cell()), *tree.below()]:
            if not self.gone(tree.cell(first(path)[1]) if path[:1] == ORDER else cell):
                yield from (s for s in cell if is_live(s.payload))

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        """append and prepend cost O(log n); by index too, but the first time and where an element was moved: O(n)."""
        match operation:
            case Operation("append", new) if new:
                return _go_on(tree, env, new) or _insert(tree, env, _last(tree), None, new, outside=True)
            case Operation("prepend", new) if new:
                return _go_on(tree, env, new, front=True) or _insert(tree, env, None, _first(tree), new, outside=True)
            case Operation("insert", given) if len(given) > 1:
                return _insert_at(tree, env, given[0], given[1:])
            case Operation("remove", (index,)):
                return _remove(tree, next(_paths(tree, index)), env)
            case Operation("remove", (index, count)):
                return [w for path in list(_paths(tree, index, count)) for w in _remove(tree, path, env)]
            case Operation("set", (index, value)):
                values.check_items([value])
                return [Write(next(_paths(tree, index)), values.pack(value), all=True, beats=True)]
            case Operation("move", (index, to)):
                return _move(tree, env, index, to)
            case Operation("put", (value,)):
                return self._put(tree, self.norm(value), env)
            case Operation("clear" | "delete", ()):
                # Not where an absent element was moved: a purge may have taken that.
                shown = [tree.cell(), *(cell for _, cell in tree.range(ELEMENT))]
                if not any(covers_live(cell, env) for cell in shown):
                    return []
                return [Write(b"", sweep(env.seen)), *_end_orders(tree, env)]
        raise misfit(self, operation)

    def _put(self, tree: Tree, value: list[Any], env: Env) -> list[Write]:
        mark = []
        if not value and not _marked(tree):
            mark = [Write(b"", MARK_PLAIN, all=True)]
        packed = values.pack_list(value)
        base = _shown(env.base) if self.present(tree) else []
        if not base and not (self.present(tree) and self.present(env.base)):
            made = [(positions.initial(i, p), p) for i, p in enumerate(packed)]
            new = [(component(ELEMENT, at), p) for at, p in made if self.gone(tree.cell(component(ELEMENT, at)))]
            orders = [Write(order_path(path), TOMBSTONE, all=True) for path, _ in new if tree.cell(order_path(path))]
            return mark + [Write(path, p, all=True) for path, p in new] + orders
        plan = make_plan(list(map(_payload, base)), packed)
        return mark + _follow(tree, env, base, packed, plan)

    def dead(self, tree: Tree, candidates: Iterable[bytes], floor: Stamp) -> Iterable[bytes]:
        """An absent element goes with its order cell, or not yet; an order cell that says nothing goes by itself."""
        out: list[bytes] = []
        for path in candidates:
            if path[:1] == ORDER:
                cell, left = tree.cell(path), not tree.cell(first(path)[1])
                if only_tombstones(cell, floor) or (left and all(s.stamp <= floor for s in cell)):
                    out.append(path)
            elif self._droppable(tree.cell(path), floor):
                order = tree.cell(order_path(path)) if path else ()
                if all(s.stamp <= floor for s in order):
                    out += [path, order_path(path)] if order else [path]
        return out

    def restore(self, tree: Tree, path: bytes, payload: bytes | None) -> list[Write]:
        writes = [Write(path, payload, all=True)]
        if path[:1] == ELEMENT and self.gone(tree.cell(path)) and tree.cell(order_path(path)):
            # Made anew where it was created: where it was moved to may be forgotten elsewhere.
            writes.append(Write(order_path(path), TOMBSTONE, all=True))
        return writes

    def leaves(self, tree: Tree) -> Iterable[tuple[str, Sibling, Any]]:
        for at, element in enumerate(_shown(tree)):
            sibling = latest(s for s in element.node.cell if is_live(s.payload))
            yield f"/{at}", sibling, values.unpack(_payload(element))

    def where(self, tree: Tree, path: bytes) -> str:
        at = next((i for i, e in enumerate(_shown(tree)) if e.component == path), None)
        return "" if at is None else f"/{at}"

    def losers(self, tree: Tree) -> Iterable[Loser]:
        for path, cell in tree.crowded():
            if path[:1] == ELEMENT:
                live = [s for s in cell if is_live(s.payload)]
                for s in live:
                    if s.payload != latest(live).payload:
                        yield Loser(path, s, values.unpack(s.payload or b""))


def _marked(tree: Tree) -> bool:
    return any(is_live(s.payload) for s in tree.cell())


def _shown(tree: Tree) -> list[Element]:
    """The elements that are shown, in order. O(n), O(1) until one changes."""
    return _READER.elements(build(tree) if not tree.expiry else fresh(tree))


def _payload(element: Element) -> bytes:
    """An element's value, as it was packed."""
    shown = _READER.shown(element.node)
    assert shown is not None and shown.sibling is not None, "an element that is listed shows a value"
    return shown.sibling.payload or b""


_READER: Final = Reader()


def _last(tree: Tree) -> bytes | None:
    """The greatest position that may be _shown: what an append goes behind."""
    return _edge(tree, reverse=True)


def _first(tree: Tree) -> bytes | None:
    return _edge(tree, reverse=False)


def _edge(tree: Tree, reverse: bool) -> bytes | None:
    """The first or last position of an element, a tombstone's too, or where one was moved. O(log n + moved)."""
    ends = [first(path)[1] for path in _end_element(tree, reverse)]
    ends += [position_of(first(path)[1], cell) for path, cell in tree.range(ORDER) if cell]
    return (max if reverse else min)(ends, default=None)


def _end_element(tree: Tree, reverse: bool) -> list[bytes]:
    path = tree.last_before(ELEMENT + b"\xff") if reverse else tree.first_after(ELEMENT)
    return [path] if path is not None and path[:1] == ELEMENT else []


def _go_on(tree: Tree, env: Env, new: Sequence[Any], front: bool = False) -> list[Write]:
    """What `_insert` writes at an end of a list where this replica goes on; none elsewhere."""
    made = beyond(tree, env.replica, len(new), front)
    if not made:
        return []
    values.check_items(new)
    return _elements(made, new)


def _insert(
    tree: Tree, env: Env, left: bytes | None, right: bytes | None, new: Sequence[Any], outside: bool = False
) -> list[Write]:  # fmt: skip
    """`outside`: the neighbour is the outermost there is, so where nothing was moved nothing beyond it is taken."""
    values.check_items(new)
    free = outside and next(tree.raw().range(ORDER), None) is None
    taken = _nothing if free else _taken(tree)
    made = positions.between(left, right, stamp=env.stamp, replica=env.replica, count=len(new), taken=taken)
    return _elements(made, new)


def _elements(made: Sequence[bytes], new: Sequence[Any]) -> list[Write]:
    # (As `component`: a position has no 0x00, and is shorter than a path may be.)
    packed = values.pack_list(new)
    return [_new(Write, (ELEMENT + position + b"\0", packed[at], True, False)) for at, position in enumerate(made)]


def _nothing(position: bytes) -> bool:
    return False


def _taken(tree: Tree) -> Callable[[bytes], bool]:
    return taken_in(lambda path: bool(tree.raw().cell(path)))


def _insert_at(tree: Tree, env: Env, index: Any, new: Sequence[Any]) -> list[Write]:
    count = _count(tree)
    at = _index(index, count, end=1)
    left = _position_at(tree, at - 1) if at else None
    right = _position_at(tree, at) if at < count else None
    return _insert(tree, env, left, right, new)


def _count(tree: Tree) -> int:
    plain = line(tree)
    return len(_shown(tree)) if plain is None else len(plain)


def _position_at(tree: Tree, at: int) -> bytes:
    plain = line(tree)
    return _shown(tree)[at][0] if plain is None else first(plain.path(at))[1]


def _paths(tree: Tree, index: Any, count: Any = 1) -> Iterator[bytes]:
    """Where the elements from `index` on stand, `count` of them. Raises WrongType."""
    there = _count(tree)
    at = _index(index, there)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= there - at:
        raise WrongType(f"from index {at} of a list of {there} 1 to {there - at} elements are removed; not {count!r}")
    plain = line(tree)
    if plain is not None:
        return plain.paths(at, at + count)
    return iter([e[1] for e in _shown(tree)[at : at + count]])


def _remove(tree: Tree, path: bytes, env: Env) -> list[Write]:
    if not covers_live(tree.cell(path), env):
        return []
    order = order_path(path)
    # (One of tombstones alone may be forgotten elsewhere.)
    moved = any(is_live(s.payload) for s in tree.cell(order))
    return [Write(path, TOMBSTONE), *([Write(order, TOMBSTONE)] if moved else [])]


def _move(tree: Tree, env: Env, index: Any, to: Any) -> list[Write]:
    now = _shown(tree)
    at, goal = _index(index, len(now)), _index(to, len(now))
    rest = now[:at] + now[at + 1 :]
    left = rest[goal - 1][0] if goal else None
    right = rest[goal][0] if goal < len(rest) else None
    made = positions.between(left, right, stamp=env.stamp, replica=env.replica, taken=_taken(tree))
    return [order_write(b"", now[at][1], made[0])] if at != goal else []


def _follow(tree: Tree, env: Env, base: list[Element], packed: list[bytes], plan: Plan) -> list[Write]:
    """The writes of a plan: removals, moves, new elements."""
    writes = [w for i in plan.removed for w in _remove(tree, base[i][1], env)]

    def fixed(j: int) -> bytes | None:
        i = plan.stays(j)
        return None if i is None else base[i][0]

    wanted = sorted([*plan.inserted, *(j for _, j in plan.moved)])
    made = place(fixed, wanted, len(packed), _taken(tree), env)
    # Not of what was deleted since: an order cell without its element may have been forgotten elsewhere.
    stands = [(base[i][1], j) for i, j in plan.moved if any(is_live(s.payload) for s in tree.cell(base[i][1]))]
    writes += [order_write(b"", element, made[j]) for element, j in stands]
    writes += [Write(component(ELEMENT, made[j]), packed[j], all=True) for j in plan.inserted]
    return writes


def _end_orders(tree: Tree, env: Env) -> Iterator[Write]:
    """No order cell says where an element stood of which a sweep by this base leaves nothing."""
    for path, order in tree.range(ORDER):
        both = order, tree.cell(first(path)[1])
        says, stands = (any(is_live(s.payload) and not env.covers(s.dot) for s in cell) for cell in both)
        if says and not stands:
            yield Write(path, TOMBSTONE, all=True)


def _index(index: Any, count: int, end: int = 0) -> int:
    """`index` counted from the front, negatives as in Python; `end=1`: also behind the last. WrongType outside."""
    if not isinstance(index, int) or isinstance(index, bool) or not -count <= index < count + end:
        allowed = f"{-count} to {count + end - 1} are allowed" if count + end else "it has no element"
        raise WrongType(f"no index {show(index)} in a list of {count}; {allowed}")
    return index + count if index < 0 else index
