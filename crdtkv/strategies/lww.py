"""Last write wins: one value, and of two that did not know each other the later stamped.

One cell. A write replaces whatever stands here, so siblings are only ever
concurrent writes of different colos. Stamps decide between those alone: a write
made where an earlier one was known replaces it whatever the clocks say.

The anomaly that survives: of two concurrent writes one is lost to readers. It goes
to the conflict inbox of the colo that minted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import Cell, Sibling, is_live, is_value, latest, rank
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import misfit, value_of

__all__ = ["Lww"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Lww(Strategy):
    """One value; the later of two concurrent writes shows."""

    name = "lww"
    summary = "one value, the last write"
    wins = "the later stamp, a tie by replica; a write that knew the other always replaces it"
    anomaly = "of two concurrent writes one is lost to readers; the conflict inbox keeps it"
    cost = "one cell"
    operations: ClassVar[Mapping[str, str]] = {"put": "put(value)", "delete": "delete()"}

    def read(self, tree: Tree) -> Any:
        return _shown(tree.cell())[1]

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("put", (value,)):
                return [Write(b"", values.pack(value), all=True, beats=True)]
            case Operation("delete", ()):
                return [] if self.gone(tree.cell()) else [Write(b"", None, all=True, beats=True)]
        raise misfit(self, operation)

    def leaf(self, old: bytes | None, value: Any) -> bytes | None:
        return values.pack(value) if old is None or is_value(old) else None

    def norm(self, value: Any) -> Any:
        return values.unpack(values.pack(value))

    def gone(self, cell: Cell) -> bool:
        # Not "nothing live": a tombstone hides the losing sibling beside it, and
        # both must be dropped together or the loser comes back.
        return not cell or not is_live(latest(cell).payload)

    def losers(self, tree: Tree) -> Iterable[Loser]:
        cell = tree.cell()
        shown = _shown(cell)[0]
        # Two who wrote the same lost nothing.
        same = shown.payload if shown is not None else None
        return [Loser(b"", s, value_of(s.payload)) for s in cell if s is not shown and s.payload != same]


def _shown(cell: Cell) -> tuple[Sibling | None, Any]:
    """The latest sibling that is a tombstone or a value, and what it shows."""
    for sibling in sorted(cell, key=rank, reverse=True):
        value = value_of(sibling.payload)
        if value is not ABSENT or not is_live(sibling.payload):
            return sibling, value
    return None, ABSENT
