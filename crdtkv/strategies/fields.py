"""Named values, each with its own fate: what was written last, and what was added to it since.

What `hash` and `zset` share. A name has a register, one cell as in `lww`, and below it
the counter cells of those who added to it (`counter_cells`): a write cancels the adds
that its base had seen, so what is added meanwhile counts on top of it. A remove takes
away both as far as its base had seen them: a concurrent write stands, and of a
concurrent add just what was added.

A share is counted by its replica in a cell of its own for each time that it begins
(`replica/n`: n is the transaction that began it), so none has to begin where a dropped
one had been. Amounts are integers, in units of 1, 10^-17 or 10^-340 as they need: sums
are exact whatever their order, and rounded once, by who reads them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import paths, values
from crdtkv.core.blob import Blob
from crdtkv.core.cells import MARK_PLAIN, Cell, Sibling, is_live, sweep
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import CrdtkvError, TooLarge, WrongType
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import covers_live, misfit, readable, value_of
from crdtkv.strategies.counter import cancel
from crdtkv.strategies.counter_cells import Share, is_alive, is_share, share

__all__ = ["MAX_NAME", "UNITS", "Fields", "field_path", "name_at"]

MAX_NAME = 3072
"""Bytes of a packed name: it is a path, as an element of a set is."""

UNITS = (0, 17, 340)
"""Decimals that amounts are counted in. The last are those of the least float."""

_NONE = Fraction(0)


@mypyc_attr(allow_interpreted_subclasses=True)
class Fields(Strategy):
    """Names and values, each name with its own fate."""

    operations: ClassVar[Mapping[str, str]] = {
        "set": "set(name, value, ...)",
        "add": "add(name, n)",
        "remove": "remove(name, ...)",
        "put": "put({name: value, ...}): what changed since the base",
        "clear": "clear(): removes every name, as delete does",
        "delete": "delete()",
    }
    short = frozenset({"set", "add"})

    @abstractmethod
    def value(self, value: Any) -> Any:
        """The normal form of a value that is written. Raises WrongType."""

    @abstractmethod
    def total(self, written: Any, added: Fraction) -> Any:
        """What is shown where `written` (or ABSENT) stands, and `added` was added to it since."""

    @abstractmethod
    def step(self, shown: Any, n: Any) -> Any:
        """What an add of `n` to what is shown (or ABSENT) counts, a Fraction; or another value, to be written instead.

        Raises WrongType, ValueInvalid or Overflow.
        """

    # reading

    def field(self, tree: Tree, name: Any) -> Any:
        """The value of one name, ABSENT if it has none. O(log n)."""
        return self.at(tree, field_path(name))

    def at(self, tree: Tree, path: bytes) -> Any:
        """The same by the path of its register."""
        written = _written(tree.cell(path))
        added, alive = _added(tree, path)
        if written is ABSENT and not alive:
            return ABSENT
        return self.total(written, added) if added or written is ABSENT else written

    def read(self, tree: Tree) -> Any:
        """All of it, by name. Cost: O(n log n)."""
        found = {_shown_name(name): value for name, _, value in sorted(self._all(tree), key=_strings_last)}
        return {name: found[name] for name in sorted(found)} if found or self._marked(tree) else ABSENT

    def present(self, tree: Tree) -> bool:
        return self._marked(tree) or self.holds(tree)

    def holds(self, tree: Tree) -> bool:
        """Whether a name has a value. O(1) where its names are kept (`indexes`), else O(removed before the first)."""
        kept = None if tree.expiry else tree.memo.get(tree.prefix)
        return kept.holds(tree) if kept is not None else next(self.shown(tree), None) is not None

    def shown(self, tree: Tree) -> Iterator[bytes]:
        """The paths of the names that have a value, in path order. O(log n) and O(1) each."""
        last = b""
        for path, cell in tree.below():
            own = path[: paths.component_end(path, 0)]
            if own != last and (_stands(cell) if own == path else is_alive(path[len(own) :], cell)):
                last = own
                yield own

    def _all(self, tree: Tree) -> Iterator[tuple[Any, bytes, Any]]:
        for path in self.shown(tree):
            if (name := name_at(path)) is not ABSENT:
                yield name, path, self.at(tree, path)

    def _marked(self, tree: Tree) -> bool:
        return any(is_live(s.payload) for s in tree.cell())

    # writing

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        """set, add and remove cost O(log n) a name; put, clear and delete O(n)."""
        match operation:
            case Operation("set", given) if given and len(given) % 2 == 0:
                pairs = {field_path(name): self.value(v) for name, v in zip(given[::2], given[1::2], strict=True)}
                return [w for path, value in pairs.items() for w in _set(tree, path, value, env)]
            case Operation("add", (name, n)):
                return self._add(tree, field_path(name), n, env)
            case Operation("remove", names) if names:
                return [w for path in dict.fromkeys(map(field_path, names)) for w in _remove(tree, path, env)]
            case Operation("put", (value,)):
                return self._put(tree, self._checked(value), env)
            case Operation("clear" | "delete", ()):
                return self._clear(tree, env)
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        checked = self._checked(value)
        return {name: checked[name] for name in sorted(checked)}

    def since(self, then: Tree, value: Any) -> Any:
        before = self.read(then) or {}
        new = self._checked(value)
        return {name: v for name, v in new.items() if name not in before or not values.equal(v, before[name])}

    def _checked(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise WrongType(f"a {self.name} is put as an object; not {show(value)}")
        values.pack(dict(value))
        return {name: self.value(v) for name, v in value.items()}

    def _add(self, tree: Tree, path: bytes, n: Any, env: Env) -> list[Write]:
        shown = self.at(tree, path)
        step = self.step(shown, n)
        if not isinstance(step, Fraction):
            return list(_set(tree, path, step, env))
        if not step and shown is not ABSENT:
            return []
        places = next(u for u in UNITS if (step * 10**u).denominator == 1)
        at, own = _own_share(tree, path, env, places)
        return [Write(at, own.plus(int(step * 10**places)).pack(), all=True)]

    def _put(self, tree: Tree, wanted: dict[str, Any], env: Env) -> list[Write]:
        # What reads as absent is created whole, whatever the base.
        before = {_shown_name(n): (p, v) for n, p, v in self._all(env.base)} if self.present(tree) else {}
        writes = [w for name, (path, _) in before.items() if name not in wanted for w in _remove(tree, path, env)]
        for name, value in wanted.items():
            path, was = before.get(name, (field_path(name), ABSENT))
            if was is ABSENT or not values.equal(was, value):
                writes += _set(tree, path, value, env)
        if not wanted and not self._marked(tree):
            writes.append(Write(b"", MARK_PLAIN, all=True))
        return sorted(writes, key=lambda w: w.path)

    def _clear(self, tree: Tree, env: Env) -> list[Write]:
        below = list(tree.below())
        takes = covers_live(tree.cell(), env) or any(covers_live(c, env) for p, c in below if not _is_added(p))
        counted = dict.fromkeys(p[: paths.component_end(p, 0)] for p, _ in below if _is_added(p))
        cancelled = [w for path in counted for w in _cancel(tree, path, env, delete=True)]
        return [*([Write(b"", sweep(env.seen))] if takes else []), *cancelled]

    # what is told of it

    def says(self, path: bytes, sibling: Sibling) -> Any:
        if not _is_added(path):
            return super().says(path, sibling)
        added = Fraction(share((sibling,)).value, 10 ** _places(path))
        return int(added) if added.denominator == 1 else float(added)

    def where(self, tree: Tree, path: bytes) -> str:
        name = name_at(path[: paths.component_end(path, 0)]) if path else ABSENT
        return "" if name is ABSENT else "/" + _shown_name(name).replace("~", "~0").replace("/", "~1")

    def losers(self, tree: Tree) -> Iterable[Loser]:
        for path, cell in tree.crowded():
            if not _is_added(path) and (found := readable(cell)):
                yield from (Loser(path, s, v) for s, v in found if s.payload != found[-1][0].payload)


def field_path(name: Any) -> bytes:
    """Where the register of a name stands. Raises WrongType for what is no name, TooLarge."""
    if not isinstance(name, str | Blob):
        raise WrongType(f"a name is a string or bytes; not {show(name)}")
    data = values.pack(name)
    if len(data) + data.count(0) > MAX_NAME:
        raise TooLarge(f"name {str(name)[:40]!r}... is {len(data)} bytes packed; at most {MAX_NAME}")
    return paths.component(paths.VALUE, data)


def name_at(path: bytes) -> Any:
    """The name whose register is at `path`, ABSENT if it cannot be read."""
    try:
        tag, data, rest = paths.first(path)
        name = values.unpack(data) if tag == paths.VALUE and not rest else ABSENT
    except CrdtkvError:  # a foreign path: a read must go on
        return ABSENT
    return name if isinstance(name, str | Blob) else ABSENT


def _shown_name(name: Any) -> str:
    """A name as a member of an object: what is no UTF-8 with its bytes spelled out."""
    return name if isinstance(name, str) else name.data.decode("utf-8", "backslashreplace")


def _strings_last(found: tuple[Any, bytes, Any]) -> bool:
    """Of a name and bytes that are shown as it the name is read."""
    return isinstance(found[0], str)


# registers


def _written(cell: Cell) -> Any:
    """What was written last, of what stands."""
    if len(cell) == 1:
        return value_of(cell[0].payload)
    found = readable(cell)
    return found[-1][1] if found else ABSENT


def _stands(cell: Cell) -> bool:
    return _written(cell) is not ABSENT


def _set(tree: Tree, path: bytes, value: Any, env: Env) -> Iterator[Write]:
    # Written even where the same stands: it must win against a remove that has seen the earlier one only.
    yield Write(path, values.pack(value), all=True, beats=True)
    yield from _cancel(tree, path, env, delete=False)


def _remove(tree: Tree, path: bytes, env: Env) -> Iterator[Write]:
    if covers_live(tree.cell(path), env):
        yield Write(path, None)
    yield from _cancel(tree, path, env, delete=True)


# what was added


def _is_added(path: bytes) -> bool:
    return paths.is_counted(path)


def _cancel(tree: Tree, path: bytes, env: Env, delete: bool) -> Iterator[Write]:
    """What takes away the adds to a name that the base had seen."""
    was = env.base.sub(path)
    if next(was.below(), None) is not None:
        writes = cancel(tree.sub(path), env.with_base(was), delete)
        yield from (w._replace(path=path + w.path) for w in writes)


def _added(tree: Tree, path: bytes) -> tuple[Fraction, bool]:
    """What was added to a name and not cancelled, and whether that alone makes it stand."""
    total, alive = _NONE, False
    for at, cell in tree.below(path):
        if is_share(at[len(path) :]):
            said = share(cell).value
            total += Fraction(said, 10 ** _places(at)) if said else 0
            alive = alive or is_alive(at[len(path) :], cell)
    return total, alive


def _own_share(tree: Tree, path: bytes, env: Env, places: int) -> tuple[bytes, Share]:
    """The share in which this replica counts on, in that unit, and what it says; a new one if none stands."""
    head = paths.REPLICA + env.replica.encode() + b"/"
    for at, cell in tree.below(path):
        part = at[len(path) :]
        if part.startswith(head) and _places(part) == places:
            return at, share(cell)
    unit = f"/{places}" if places else ""
    return path + paths.component(paths.REPLICA, f"{env.replica}/{env.n}{unit}".encode()), Share()


def _places(path: bytes) -> int:
    """The decimals that the share at `path` counts in."""
    unit = path[paths.last_at(path) + 1 : -1].split(b"/")[2:]
    return int(unit[0]) if unit and unit[0].isdigit() and int(unit[0]) in UNITS else 0
