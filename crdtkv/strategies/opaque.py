"""A strategy that this process has no code for: kept, replicated, not read.

A user's strategy may be registered at some colos only. Elsewhere its keys show as a
conflict that names it; nothing is lost, and nothing is edited or purged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mypy_extensions import mypyc_attr

from crdtkv.core.cells import is_live
from crdtkv.core.clocks import Stamp
from crdtkv.core.tree import Tree
from crdtkv.errors import UnknownStrategy
from crdtkv.strategies.base import ABSENT, Env, Operation, Strategy, Write

__all__ = ["Opaque"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Opaque(Strategy):
    """Stands in for the strategy of `spec`."""

    name = "opaque"
    summary = "a strategy that is not installed here"
    wins = "unknown here"
    anomaly = "unreadable until the strategy is installed"
    cost = "none"
    operations = {}

    def __init__(self, spec: str) -> None:
        super().__init__()
        self.spec = spec

    def present(self, tree: Tree) -> bool:
        return any(is_live(s.payload) for cell in (tree.cell(), *(c for _, c in tree.below())) for s in cell)

    def read(self, tree: Tree) -> Any:
        return ABSENT

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        raise UnknownStrategy(
            f"strategy {self.spec!r} is not installed at this colo, so it cannot {operation.name!r}; install it here"
        )

    def norm(self, value: Any) -> Any:
        return value

    def dead(self, tree: Tree, candidates: Iterable[bytes], floor: Stamp) -> Iterable[bytes]:
        return ()
