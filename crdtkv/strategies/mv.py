"""Multi-value register: concurrent writes all stand until somebody puts one in their place.

"Two colos wrote while apart; who decides?" Here the reader does: `siblings` gives
every value that nobody replaced, equal ones once, and the next put replaces those
that its base had seen. (Dynamo, 2007; the register of Riak with allow_mult.)

The anomaly that survives: a reader that does not ask for siblings sees the latest
only, and a put on an old base leaves standing what it has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import is_value
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import ABSENT, Env, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import misfit, put_beside, readable, take_away

__all__ = ["Mv"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Mv(Strategy):
    """All concurrent values; a read shows the latest, `siblings` each."""

    name = "mv"
    summary = "all concurrent values, for the reader to decide"
    wins = "none: all stand until a put that has seen them"
    anomaly = "a reader that ignores siblings sees the latest only; beyond 64 siblings a put is refused"
    cost = "one cell, a sibling per unseen concurrent put"
    operations: ClassVar[Mapping[str, str]] = {"put": "put(value)", "delete": "delete()"}

    def read(self, tree: Tree) -> Any:
        found = readable(tree.cell())
        return found[-1][1] if found else ABSENT

    def siblings(self, tree: Tree) -> list[Any]:
        """The distinct live values, earliest first; the last is what `read` shows. Cost: O(siblings).

        Equal values show once, in the place of their latest writer.
        """
        by_identity: dict[bytes, Any] = {}
        for _, value in readable(tree.cell()):
            identity = values.pack_canonical(value)
            by_identity.pop(identity, None)
            by_identity[identity] = value
        return list(by_identity.values())

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("put", (value,)):
                cell = tree.cell()
                return put_beside(cell, values.pack(value), env, absent=self.gone(cell))
            case Operation("delete", ()):
                return take_away(tree, env)
        raise misfit(self, operation)

    def leaf(self, old: bytes | None, value: Any) -> bytes | None:
        return values.pack(value) if old is None or is_value(old) else None

    def norm(self, value: Any) -> Any:
        return values.unpack(values.pack(value))
