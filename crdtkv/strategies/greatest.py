"""Greatest and least: a value that concurrent writes can only push one way.

One cell; any JSON values, in the order null < false < true < numbers < strings <
arrays < objects < blobs. A put of a lesser (or equal) one writes nothing.

The anomaly that survives: a put that changed nothing left no trace. If what it
was measured against is deleted concurrently, the lesser value is gone as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import misfit, readable, take_away, unreadable

__all__ = ["Max", "Min"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Max(Strategy):
    """The greatest value put so far."""

    name = "max"
    summary = "the greatest value"
    wins = "the greatest; a put of a lesser one changes nothing"
    anomaly = "a lesser put leaves no trace: if the greater value is deleted concurrently, nothing is left"
    cost = "one cell"
    operations: ClassVar[Mapping[str, str]] = {"put": "put(value)", "delete": "delete()"}
    least: ClassVar[bool] = False

    def read(self, tree: Tree) -> Any:
        best: Any = ABSENT
        for _, value in readable(tree.cell()):
            if best is ABSENT or self._beats(value, best):
                best = value
        return best

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("put", (value,)):
                payload, shown = values.pack(value), self.read(tree)
                beats = shown is ABSENT or self._beats(value, shown)
                return [Write(b"", payload, all=True)] if beats else []
            case Operation("delete", ()):
                return take_away(tree, env)
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        """The value itself, where nothing greater stands."""
        return values.unpack(values.pack(value))

    def losers(self, tree: Tree) -> Iterable[Loser]:
        """Only what cannot be read: to be passed by a greater value is no loss."""
        return [Loser(b"", s, ABSENT) for s in unreadable(tree.cell())]

    def _beats(self, value: Any, other: Any) -> bool:
        ours, theirs = values.sort_key(value), values.sort_key(other)
        return bool(ours < theirs if self.least else theirs < ours)


@mypyc_attr(allow_interpreted_subclasses=True)
class Min(Max):
    """The least value put so far."""

    name = "min"
    summary = "the least value"
    wins = "the least; a put of a greater one changes nothing"
    anomaly = "a greater put leaves no trace: if the lesser value is deleted concurrently, nothing is left"
    least = True
