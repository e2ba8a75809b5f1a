"""The laws of a strategy: what holds whatever it means, whatever happened in whatever order.

Each law takes what it needs and raises Broken, with the case in words, where it does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

from crdtkv.core import values
from crdtkv.core.cells import Sibling
from crdtkv.core.paths import VALUE, component
from crdtkv.core.show import show
from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.strategies.base import ABSENT, Operation, Strategy
from crdtkv.trial.colos import Replica, World

__all__ = [
    "Broken", "check_fresh", "check_purge", "check_nothing", "check_nothing_left", "check_norm", "check_order",
    "check_put", "check_survives", "check_weight", "check_words", "same",
]  # fmt: skip

_FOR_EVER = 2**62


class Broken(AssertionError):
    """A law that does not hold, and the case in which it does not."""


def same(a: Any, b: Any) -> bool:
    """Whether two readings are the same, the order of members included."""
    if a is ABSENT or b is ABSENT:
        return a is b
    return values.pack(a) == values.pack(b)


def _need(kept: bool, words: str) -> None:
    if not kept:
        raise Broken(words)


def check_order(world: World) -> None:
    """Any order of arrival gives the same cells and the same reading."""
    found: dict[str, tuple[int, ...]] = {}
    for order in permutations(range(len(world.replicas))):
        copies = World(world.replicas[0].strategy)
        copies.replicas = [r.clone() for r in world.replicas]
        copies.settle(order)
        readings = [replica.read() for replica in copies.replicas]
        for got in readings:
            _need(same(got, readings[0]), f"colos that hold the same read {show(readings[0])} and {show(got)}")
        for replica in copies.replicas:
            found[repr(list(replica.cells.items()))] = order
    _need(len(found) == 1, f"the cells differ by the order of arrival: {sorted(found.values())}")


def check_put(replica: Replica, value: Any) -> None:
    """A put on the current base reads as its normal form, or it changes nothing (a lesser one of max)."""
    before = replica.read()
    replica.edit(Operation("put", (value,)), ms=3)
    got, normal = replica.read(), replica.strategy.norm(value)
    _need(
        same(got, normal) or (before is not ABSENT and same(got, before)),
        f"put {show(value)} where {show(before)} stood reads {show(got)}, not {show(normal)}",
    )
    _need(replica.strategy.present(replica.tree), f"after put {show(value)} the key is not present")


def check_norm(strategy: Strategy, value: Any) -> None:
    """norm(norm(v)) = norm(v), and it is what a put into nothing reads as."""
    replica, normal = Replica("a", strategy), strategy.norm(value)
    replica.edit(Operation("put", (value,)))
    _need(same(replica.read(), normal), f"put {show(value)} reads {show(replica.read())}; norm gives {show(normal)}")
    again = strategy.norm(normal)
    _need(same(again, normal), f"norm of {show(normal)}, a normal form, is {show(again)}")


def check_weight(replica: Replica, wish: Operation, back: int = 0) -> None:
    """The same wish again, on the current base or on the same old one, leaves no more siblings."""
    replica.edit(wish, ms=3, back=back)
    once = replica.weight()
    for times in (1, 2):
        replica.edit(wish, ms=3, back=back + times if back else 0)
        _need(replica.weight() <= once, f"{_said(wish)} again leaves {replica.weight()} siblings; once left {once}")


def check_purge(world: World, wish: Operation) -> None:
    """Where all have all, a purge changes neither what is read nor what the next wish does."""
    world.settle()
    before, after = world.replicas[0], world.replicas[0].clone()
    after.purge(_FOR_EVER)
    _need(same(before.read(), after.read()), f"a purge makes {show(after.read())} of {show(before.read())}")
    present = (before.strategy.present(before.tree), after.strategy.present(after.tree))
    _need(present[0] == present[1], f"present is {present[0]} before a purge, {present[1]} after it")
    done = [_tried(replica, wish) for replica in (before, after)]
    _need(
        done[0] == done[1] and same(before.read(), after.read()),
        f"{_said(wish)} after a purge reads {show(after.read())}, not {show(before.read())}",
    )


def check_nothing_left(world: World) -> None:
    """After a delete that had seen everything, and a purge, nothing is left."""
    world.settle()
    replica = world.replicas[0]
    shown = replica.read()
    replica.edit(Operation("delete"), ms=3)
    _need(replica.read() is ABSENT, f"after a delete of {show(shown)} it reads {show(replica.read())}")
    replica.purge(_FOR_EVER)
    _need(not replica.cells, f"after a delete of {show(shown)} and a purge {len(replica.cells)} cells are left")


def check_nothing(strategy: Strategy) -> None:
    """What is not there reads as absent, and taking away from it writes nothing."""
    replica = Replica("a", strategy)
    _need(replica.read() is ABSENT, f"nothing reads as {show(replica.read())}, not as ABSENT")
    _need(not strategy.present(replica.tree), "nothing is present")
    _need(list(strategy.losers(replica.tree)) == [], "nothing has losers")
    for name, args in (("delete", ()), ("reset", ()), ("clear", ()), ("remove", ("x",)), ("trim", (5,))):
        if name in strategy.operations:
            wish = Operation(name, args)
            _need(not _writes(replica, wish), f"{_said(wish)} where nothing is writes something")


def _writes(replica: Replica, wish: Operation) -> list[Any]:
    try:
        return replica.strategy.edit(replica.tree, wish, replica.env())
    except BadRequest:
        return []  # a remove that wants an index, say: it writes nothing either


def check_survives(replica: Replica, payload: bytes, paths: Iterable[bytes]) -> None:
    """Whatever bytes stand in the cells: read, losers, present and dead give an answer, and none of it is dead."""
    strategy = replica.strategy
    foreign = Sibling(("z", 1), 99 << 16, payload)
    for path in paths:
        rest = (s for s in replica.cells.get(path, ()) if s.dot[0] != "z")
        replica.cells[path] = tuple(sorted((*rest, foreign)))
    replica.cells[component(VALUE, payload)] = (foreign,)
    replica.vector["z"] = 1
    try:
        strategy.read(replica.tree)
        strategy.present(replica.tree)
        list(strategy.losers(replica.tree))
        dead = list(strategy.dead(replica.tree, list(replica.cells), 0))
    except Exception as error:
        raise Broken(f"a payload {payload!r} that it did not write makes it raise {error!r}") from error
    _need(not dead, f"a payload {payload!r} that it did not write is dead at a floor of 0")


def check_fresh(strategy: Strategy, value: Any) -> None:
    """Returned values are never shared with the cells."""
    replica = Replica("a", strategy)
    replica.edit(Operation("put", (value,)))
    before = values.copy(replica.read())
    _spoil(replica.read())
    _need(
        same(replica.read(), before), f"who changes a reading of {show(value)} changes the next: {show(replica.read())}"
    )


def _spoil(value: Any) -> None:
    if isinstance(value, list):
        for part in value:
            _spoil(part)
        value.append("spoilt")
    elif isinstance(value, dict):
        for part in value.values():
            _spoil(part)
        value["spoilt"] = True


def check_words(strategy: Strategy) -> None:
    """It says what it is: docs are printed from these words."""
    for name in ("name", "summary", "wins", "anomaly", "cost"):
        words = getattr(strategy, name, "")
        _need(bool(words) and not words.endswith("."), f"{name} is {words!r}; words without a full stop are wanted")
    _need({"put", "delete"} <= strategy.operations.keys(), "put and delete are missing from its operations")
    wrong = [name for name, usage in strategy.operations.items() if not usage.startswith(name)]
    _need(not wrong, f"how {wrong} is used does not begin with its name")


def _tried(replica: Replica, wish: Operation) -> bool:
    """Whether it was carried out."""
    try:
        replica.edit(wish, ms=3)
    except CrdtkvError:
        return False
    return True


def _said(wish: Operation) -> str:
    return f"{wish.name}{show(wish.args)}"
