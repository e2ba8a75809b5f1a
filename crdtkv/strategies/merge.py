"""A merge function of the user's own: concurrent values are folded into one when read.

One cell. A put stores what it wrote beside what its base showed; where several
puts that did not know each other stand, a read folds them from the earliest:
`acc = f(base, acc, new)`, with the base of each (None if nothing was there). The
function never runs in a join, so it may be wrong about the value but cannot make
two colos disagree about the cells.

The anomaly that survives: the function's own. One that fails shows the latest put,
and the others stand as conflicts until the next put. And the base is what the writer
of one put had read: where a colo puts twice before it hears of another's put, the
second is told the first as its base, which the other had not read, and an exact
function (a sum) may count the first put's change not at all. (`words`, for texts,
knows better; `counter`, for sums.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import Cell, Sibling, rank
from crdtkv.core.tree import Tree
from crdtkv.errors import MergeFunctionInvalid, RuleInvalid
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write, learn
from crdtkv.strategies.cell_reading import misfit, put_beside, take_away, unreadable, value_of

__all__ = ["Function", "Merge", "functions", "install"]

Function = Callable[[Any, Any, Any], Any]
"""f(base, mine, theirs) -> merged. Deterministic; f(b, b, x) = f(b, x, b) = f(b, x, x) = x."""

_functions: dict[str, Function] = {}


def install(name: str, function: Function) -> None:
    """Make `function` known here as `merge:<name>`. Its contract is checked by `crdtkv.registration`."""
    _functions[name] = function
    learn()


def functions() -> list[str]:
    """The names that are known here, sorted."""
    return sorted(_functions)


@mypyc_attr(allow_interpreted_subclasses=True)
class Merge(Strategy):
    """One value; a function folds concurrent ones."""

    name = "merge"
    summary = "one value, concurrent ones folded by your function"
    wins = "what the function makes of base, mine and theirs"
    anomaly = "the function's own; where it fails the latest put shows and the others are conflicts"
    cost = "one cell, a sibling per unseen concurrent put (at most 64)"
    operations: ClassVar[Mapping[str, str]] = {"put": "put(value)", "delete": "delete()"}

    def __init__(self, function: str = "", **options: str) -> None:
        if options or not function:
            raise RuleInvalid("merge is written merge:<function> and takes no options")
        super().__init__()
        self.function = function
        self.spec = f"{self.name}:{function}"

    def check_known(self) -> None:
        if self.function not in _functions:
            known = ", ".join(functions()) or "none"
            raise MergeFunctionInvalid(f"no merge function {self.function!r} here; there are {known}")

    def read(self, tree: Tree) -> Any:
        return self._fold(tree.cell())[0]

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("put", (value,)):
                self.check_known()
                cell = tree.cell()
                absent = self.gone(cell)
                base = ABSENT if absent else self.read(env.base)
                payload = values.pack([value] if base is ABSENT else [value, base])
                return put_beside(cell, payload, env, absent)
            case Operation("delete", ()):
                return take_away(tree, env)
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        return values.unpack(values.pack([value]))[0]

    def says(self, path: bytes, sibling: Sibling) -> Any:
        said = value_of(sibling.payload)
        return said[0] if isinstance(said, list) and said else ABSENT

    def restore(self, tree: Tree, path: bytes, payload: bytes | None) -> list[Write]:
        """A new put of what was lost, by who has read what stands now."""
        said, shown = value_of(payload), self.read(tree)
        if isinstance(said, list) and said:
            payload = values.pack([said[0]] if shown is ABSENT else [said[0], shown])
        return super().restore(tree, path, payload)

    def losers(self, tree: Tree) -> Iterable[Loser]:
        """None where the function folded them all; else all but the latest."""
        cell = tree.cell()
        for sibling in unreadable(cell):
            yield Loser(b"", sibling, ABSENT)
        if not self._fold(cell)[1]:
            for sibling, new, _ in _puts(cell)[:-1]:
                yield Loser(b"", sibling, new)

    def _fold(self, cell: Cell) -> tuple[Any, bool]:
        """What the cell shows, and whether the function could fold all of it."""
        puts = _puts(cell)
        if not puts:
            return ABSENT, True
        acc = puts[0][1]
        if len(puts) == 1:
            return acc, True
        try:
            function = _functions[self.function]
            for _, new, base in puts[1:]:
                acc = function(base, acc, new)
            return values.unpack(values.pack(acc)), True
        except Exception:  # the user's code, or none is known here: replication goes on, the siblings stay
            return _puts(cell)[-1][1], False  # unpacked anew: the function may have changed what it was given


def _puts(cell: Cell) -> list[tuple[Sibling, Any, Any]]:
    """(sibling, new, base or None) of each put that can be read, the latest last."""
    found = []
    for sibling in sorted(cell, key=rank):
        said = value_of(sibling.payload)
        if isinstance(said, list) and len(said) in (1, 2):
            found.append((sibling, said[0], said[1] if len(said) == 2 else None))
    return found
