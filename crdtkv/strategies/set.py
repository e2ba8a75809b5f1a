"""Observed-remove set: a remove takes away what its writer had seen, no more.

One cell per element. An add replaces all siblings of its element; a remove those
that its base had seen, so a concurrent add is a sibling that stands: add wins.
Under `wins=remove` an element with a tombstone beside its add is not in the set.
Elements are JSON values by exact identity: 1, 1.0 and true are three.

The anomaly that survives: a rename is a remove and an add, so two colos that
rename one element differently at the same time end with both new names. And a set
whose last element is removed reads as absent, unless it was put empty: only then
does a mark at the container's cell say that it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from mypy_extensions import mypyc_attr

from crdtkv.core import paths, values
from crdtkv.core.cells import MARK_PLAIN, Cell, Sibling, is_live, sweep
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import TooLarge, WrongType
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import choose, covers_live, misfit

__all__ = ["MAX_ELEMENT", "Set"]

MAX_ELEMENT = 3072
"""Bytes of a packed element: it is its own path, and a path has 4,096 (with each NUL twice)."""
_HERE: Final = b"\xc0"


@mypyc_attr(allow_interpreted_subclasses=True)
class Set(Strategy):
    """Elements, each with its own fate."""

    name = "set"
    summary = "distinct elements"
    wins = "add (or remove, by option), element by element"
    anomaly = "a rename is a remove and an add: two concurrent renames leave both new names"
    cost = "one cell per element; an add costs the same in a set of any size"
    operations: ClassVar[Mapping[str, str]] = {
        "add": "add(element, ...)",
        "remove": "remove(element, ...)",
        "put": "put([element, ...]): what changed since the base",
        "clear": "clear(): removes every element, as delete does",
        "delete": "delete()",
    }
    short = frozenset({"add"})
    options: ClassVar[Mapping[str, str]] = {"wins": "add (default) or remove"}

    def __init__(self, **options: str) -> None:
        super().__init__(**choose(self.name, options, wins=("add", "remove")))
        self.add_wins = "wins" not in self.chosen

    def read(self, tree: Tree) -> Any:
        """The elements in `values.sort_key` order. Cost: O(n log n)."""
        found = [e for path, cell in tree.below() if self.shows(cell) and (e := _element(path)) is not ABSENT]
        return _in_order(found) if found or self.shows(tree.cell()) else ABSENT

    def present(self, tree: Tree) -> bool:
        return self.shows(tree.cell()) or self.holds(tree)

    def holds(self, tree: Tree) -> bool:
        """Whether an element is in. O(1) where its members are kept (`indexes`), else O(removed before the first)."""
        kept = None if tree.expiry else tree.memo.get(tree.prefix)
        return kept.holds(tree) if kept is not None else next(self._elements(tree), None) is not None

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        """add and remove cost O(log n) per element; put, clear and delete O(n)."""
        match operation:
            case Operation("add", elements) if elements:
                return [_add(path) for path in _paths(elements)]
            case Operation("remove", elements) if elements:
                return [w for path in _paths(elements) for w in self._remove(tree, path, env)]
            case Operation("put", (value,)):
                return self._put(tree, _paths(_checked(value)), env)
            case Operation("clear" | "delete", ()):
                return self._clear(tree, env)
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        return _in_order([_element(path) for path in _paths(_checked(value))])

    def since(self, then: Tree, value: Any) -> Any:
        seen = set(self._elements(then))
        return [_element(path) for path in _paths(_checked(value)) if path not in seen]

    def says(self, path: bytes, sibling: Sibling) -> Any:
        return _element(path)

    def gone(self, cell: Cell) -> bool:
        return not self.shows(cell)

    def losers(self, tree: Tree) -> Iterable[Loser]:
        """Under wins=remove what was added while another removed it."""
        for path, cell in tree.below() if not self.add_wins else ():
            if len(cell) > 1 and not self.shows(cell):
                yield from (Loser(path, s, _element(path)) for s in cell if is_live(s.payload))

    def shows(self, cell: Cell) -> bool:
        """Whether an element whose cell that is belongs to the set. O(siblings)."""
        if len(cell) == 1:
            return is_live(cell[0].payload)
        how = any if self.add_wins else all
        return bool(cell) and how(is_live(s.payload) for s in cell)

    def _remove(self, tree: Tree, path: bytes, env: Env) -> Iterator[Write]:
        cell = tree.cell(path)
        # Under wins=remove a tombstone counts also beside an add that the base has not seen.
        if self.shows(cell) and (not self.add_wins or covers_live(cell, env)):
            yield Write(path, None)

    def _put(self, tree: Tree, wanted: dict[bytes, None], env: Env) -> list[Write]:
        # What reads as absent is created whole, whatever the base.
        before = set(self._elements(env.base)) if self.present(tree) else set()
        writes = [w for path in before if path not in wanted for w in self._remove(tree, path, env)]
        writes += [_add(path) for path in wanted if path not in before and not self.shows(tree.cell(path))]
        if not wanted and not self.shows(tree.cell()):
            writes.append(Write(b"", MARK_PLAIN, all=True))
        return sorted(writes)

    def _clear(self, tree: Tree, env: Env) -> list[Write]:
        if not self.add_wins:
            # A sweep leaves no tombstone at an element, and a concurrent add would win.
            everything = [b"", *(path for path, _ in tree.below())]
            return [w for path in everything for w in self._remove(tree, path, env)]
        takes = covers_live(tree.cell(), env) or any(covers_live(cell, env) for _, cell in tree.below())
        return [Write(b"", sweep(env.seen))] if takes else []

    def _elements(self, tree: Tree) -> Iterator[bytes]:
        for path, cell in tree.below():
            if self.shows(cell):
                yield path


def _add(path: bytes) -> Write:
    # Written even where the element stands: this add must win against a concurrent
    # remove that has seen the earlier one only.
    return Write(path, _HERE, all=True)


def _checked(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise WrongType(f"a set is put as a list; not {show(value)}")
    return list(value)


def _paths(elements: Sequence[Any]) -> dict[bytes, None]:
    """The cells of the elements, each once, in the order given."""
    values.check_items(elements)
    found: dict[bytes, None] = {}
    for element in elements:
        data = values.pack_canonical(element)
        if len(data) + data.count(0) > MAX_ELEMENT:
            raise TooLarge(f"element {str(element)[:40]!r}... is {len(data)} bytes packed; at most {MAX_ELEMENT}")
        found[paths.component(paths.VALUE, data)] = None
    return found


def _element(path: bytes) -> Any:
    """The element whose cell is at `path`; ABSENT if it cannot be read."""
    try:
        tag, data, rest = paths.first(path)
        return values.unpack(data) if tag == paths.VALUE and not rest else ABSENT
    except Exception:  # a foreign path: a read must go on
        return ABSENT


def _in_order(elements: list[Any]) -> list[Any]:
    kinds = set(map(type, elements))
    if kinds <= {str} or kinds <= {int}:  # sort_key orders these as they are, ten times slower
        elements.sort()
    else:
        elements.sort(key=values.sort_key)
    return elements
