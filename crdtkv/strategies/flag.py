"""Flag: on or off; where two colos disagree unseen, the side the rule prefers wins.

One cell. Under `wins=enable` an enable replaces whatever stands, a disable only
the enables that its base had seen: so a concurrent enable stands. `wins=disable`
is the mirror image. (Enable-wins and disable-wins flags of Riak and Antidote.)

The anomaly that survives: the preferred side wins though the other may have been
decided later, by a person who would have known better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import is_live
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import WrongType
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import choose, misfit, take_away, value_of

__all__ = ["Flag"]

_PAYLOAD = {value: values.pack(value) for value in (False, True)}


@mypyc_attr(allow_interpreted_subclasses=True)
class Flag(Strategy):
    """True or false; enable wins, or disable."""

    name = "flag"
    summary = "on or off"
    wins = "enable (or disable, by option)"
    anomaly = "the preferred side wins even over a later decision that it had not seen"
    cost = "one cell"
    operations: ClassVar[Mapping[str, str]] = {
        "enable": "enable()",
        "disable": "disable()",
        "put": "put(true or false)",
        "delete": "delete()",
    }
    options: ClassVar[Mapping[str, str]] = {"wins": "enable (default) or disable"}

    def __init__(self, **options: str) -> None:
        super().__init__(**choose(self.name, options, wins=("enable", "disable")))
        self.preferred = "wins" not in self.chosen

    def read(self, tree: Tree) -> Any:
        standing = {s.payload for s in tree.cell()}
        for value in (self.preferred, not self.preferred):
            if _PAYLOAD[value] in standing:
                return value
        return ABSENT

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("put", (value,)):
                return self._turn(tree, env, self.norm(value))
            case Operation("enable" | "disable" as name, ()):
                return self._turn(tree, env, name == "enable")
            case Operation("delete", ()):
                return take_away(tree, env)
        raise misfit(self, operation)

    def _turn(self, tree: Tree, env: Env, value: bool) -> list[Write]:
        # The preferred side is written even where it shows already: it must stand
        # against a concurrent turn to the other side, which has seen the first only.
        absent = self.read(tree) is ABSENT
        if value == self.preferred or absent:
            return [Write(b"", _PAYLOAD[value], all=True)]
        seen = any(s.payload == _PAYLOAD[self.preferred] and env.covers(s.dot) for s in tree.cell())
        return [Write(b"", _PAYLOAD[value])] if seen else []

    def norm(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise WrongType(f"a flag is true or false; not {show(value)}")
        return value

    def losers(self, tree: Tree) -> Iterable[Loser]:
        """Only what is neither true nor false."""
        strange = [s for s in tree.cell() if is_live(s.payload) and s.payload not in _PAYLOAD.values()]
        return [Loser(b"", s, value_of(s.payload)) for s in strange]
