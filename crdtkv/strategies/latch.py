"""Latch: a state that moves forward only, along an order that the rule declares.

`latch?order=open,paid,sent`: of concurrent puts the furthest along shows, and a
put of an earlier state (or the same) writes nothing. For orders, jobs, approvals.

The anomaly that survives: a state may be skipped: paid at one colo and sent at
another show as sent, and nothing says whether sent knew of paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import is_live
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import RuleInvalid, ValueInvalid
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import misfit, take_away, value_of

__all__ = ["MAX_STATES", "Latch"]

MAX_STATES = 64


@mypyc_attr(allow_interpreted_subclasses=True)
class Latch(Strategy):
    """The furthest of a declared order of states."""

    name = "latch"
    summary = "the furthest of declared states"
    wins = "the state furthest along; a put of an earlier one changes nothing"
    anomaly = "states may be skipped, and an earlier put leaves no trace"
    cost = "one cell"
    operations: ClassVar[Mapping[str, str]] = {"put": "put(state)", "delete": "delete()"}
    options: ClassVar[Mapping[str, str]] = {"order": "the states in order, such as open,paid,sent (required)"}

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        wrong = sorted(options.keys() - {"order"})
        if wrong:
            raise RuleInvalid(f"latch takes the option order; not {wrong[0]!r}")
        order = options.get("order", "")
        states = order.split(",")
        if len(states) != len(set(states)) or not all(states) or len(states) > MAX_STATES:
            raise RuleInvalid(
                f"option order of latch is 1 to {MAX_STATES} distinct states such as open,paid,sent; not {order!r}"
            )
        self.states = {state: place for place, state in enumerate(states)}

    def read(self, tree: Tree) -> Any:
        known = [v for s in tree.cell() if (v := self._state(s.payload)) is not ABSENT]
        return max(known, key=self.states.__getitem__, default=ABSENT)

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("put", (value,)):
                state, shown = self.norm(value), self.read(tree)
                further = shown is ABSENT or self.states[state] > self.states[shown]
                return [Write(b"", values.pack(state), all=True)] if further else []
            case Operation("delete", ()):
                return take_away(tree, env)
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        """The state itself, where nothing further along stands."""
        if not isinstance(value, str) or value not in self.states:
            raise ValueInvalid(f"state is one of {', '.join(self.states)}; not {show(value)}")
        return value

    def losers(self, tree: Tree) -> Iterable[Loser]:
        """Only what is no state of this order: to be passed is no loss."""
        cell = tree.cell()
        strange = [s for s in cell if is_live(s.payload) and self._state(s.payload) is ABSENT]
        return [Loser(b"", s, value_of(s.payload)) for s in strange]

    def _state(self, payload: bytes | None) -> Any:
        value = value_of(payload)
        return value if isinstance(value, str) and value in self.states else ABSENT
