"""What holds for every simple strategy, whatever happened in whatever order."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdtkv.core import values
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.registry import strategy
from tests.strategies.cases import CASES, Case, Step, steps
from crdtkv.trial.colos import Replica, World

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
few = settings(max_examples=max(25, settings().max_examples // 4))
FOR_EVER = 2**62


def same(a: Any, b: Any) -> bool:
    if a is ABSENT or b is ABSENT:
        return a is b
    return values.pack(a) == values.pack(b)


def fitting(case: Case, replica: Replica, step: Step) -> Operation:
    """The operation; a put to a log goes on from what its base shows, as the log demands."""
    assert step.operation is not None
    if case.spec != "log" or step.operation.name != "put":
        return step.operation
    shown = replica.strategy.read(Tree(replica.past[max(0, len(replica.past) - 1 - step.back)][1]))
    return Operation("put", ([*(shown or []), *step.operation.args[0]],))


def run(case: Case, happened: list[Step], check: bool = False) -> World:
    world = World(strategy(case.spec))
    for step in happened:
        if step.operation is None:
            world.sync(step.at, step.source)
        else:
            world.edit(step.at, fitting(case, world.replicas[step.at], step), step.ms, step.back)
        if check:
            got, expected = world.replicas[step.at].read(), world.expected(step.at, case.value_of)
            assert same(got, expected), f"{step}: reads {got!r}, the spec says {expected!r}"
    return world


@every_case
@given(st.data())
def test_a_reading_is_what_the_spec_says(case: Case, data: st.DataObject) -> None:
    """At every step at every colo the cells read as the plain definition over the history it has absorbed."""
    world = run(case, data.draw(steps(case, 14)), check=True)
    world.settle()
    assert all(same(world.replicas[i].read(), world.expected(i, case.value_of)) for i in range(3))


@every_case
@few
@given(st.data())
def test_any_order_of_arrival_gives_the_same_cells(case: Case, data: st.DataObject) -> None:
    world = run(case, data.draw(steps(case)))
    found: set[str] = set()
    for order in permutations(range(3)):
        copies = World(strategy(case.spec))
        copies.replicas = [r.clone() for r in world.replicas]
        copies.settle(order)
        found |= {repr(list(r.cells.items())) for r in copies.replicas}
    assert len(found) == 1


@every_case
@few
@given(st.data())
def test_what_was_put_is_what_is_read(case: Case, data: st.DataObject) -> None:
    """After a put on the current base a read gives norm(value): for rankings, unless it already ranked higher."""
    world = run(case, data.draw(steps(case)))
    replica, value = world.replicas[0], data.draw(case.puts)
    shown = replica.read()
    if case.spec == "log" and shown:
        value = [*shown, *value]
    replica.edit(Operation("put", (value,)), ms=3)
    expected = replica.strategy.norm(value)
    if case.spec.startswith(("max", "min", "latch")) and shown is not ABSENT:
        place = ["open", "paid", "sent"].index if case.spec.startswith("latch") else int
        expected = (min if case.spec == "min" else max)(shown, expected, key=place)
    assert same(replica.read(), expected)
    assert replica.strategy.present(replica.tree)


@every_case
@few
@given(st.data())
def test_norm_is_what_it_is(case: Case, data: st.DataObject) -> None:
    """norm(norm(v)) = norm(v), and it is what a put into nothing reads as."""
    value = data.draw(case.puts)
    chosen = strategy(case.spec)
    replica = Replica("a", chosen)
    replica.edit(Operation("put", (value,)))
    assert same(replica.read(), chosen.norm(value))
    assert same(chosen.norm(chosen.norm(value)), chosen.norm(value))


@every_case
@few
@given(st.data())
def test_said_twice_weighs_as_much_as_said_once(case: Case, data: st.DataObject) -> None:
    """The same wish again, on the current base or on the same old one, leaves no more siblings."""
    world = run(case, data.draw(steps(case)))
    replica, wish = world.replicas[0], data.draw(case.operations)
    back = data.draw(st.integers(0, 2)) if case.repeats else 0
    if case.spec == "log" and wish.name != "trim":
        wish = Operation("put", (replica.strategy.read(replica.tree) or [],))
    replica.edit(wish, ms=3, back=back)
    once = replica.weight()
    for times in (1, 2):
        replica.edit(wish, ms=3, back=back + times if back else 0)
        assert replica.weight() <= once


@every_case
@few
@given(st.data())
def test_dropping_what_is_dead_changes_no_reading(case: Case, data: st.DataObject) -> None:
    """Where all have all, a purge changes neither what is read nor what the next wish does."""
    world = run(case, data.draw(steps(case)))
    world.settle()
    before, after = world.replicas[0], world.replicas[0].clone()
    after.purge(FOR_EVER)
    assert same(before.read(), after.read())
    assert before.strategy.present(before.tree) == after.strategy.present(after.tree)
    wish = data.draw(case.operations)
    if case.spec == "log":
        wish = Operation("append", ("next",))
    if not (wish.name == "add" and len(wish.args) == 2 and isinstance(wish.args[1], str)):  # once keys are forgotten
        before.edit(wish, ms=3)
        after.edit(wish, ms=3)
        assert same(before.read(), after.read())


@every_case
@few
@given(st.data())
def test_what_is_deleted_everywhere_leaves_nothing(case: Case, data: st.DataObject) -> None:
    """After a delete that had seen everything, and a purge, the store is as small as before."""
    world = run(case, data.draw(steps(case)))
    world.settle()
    replica = world.replicas[0]
    replica.edit(Operation("delete"), ms=3)
    assert replica.read() is ABSENT
    replica.purge(FOR_EVER)
    assert not replica.cells


@every_case
def test_on_nothing(case: Case) -> None:
    """What is not there reads as absent, and taking away from it writes nothing."""
    replica = Replica("a", strategy(case.spec))
    assert replica.read() is ABSENT
    assert not replica.strategy.present(replica.tree)
    assert list(replica.strategy.losers(replica.tree)) == []
    for name, args in (("delete", ()), ("reset", ()), ("clear", ()), ("remove", ("x",)), ("trim", (5,))):
        if name in replica.strategy.operations:
            assert replica.strategy.edit(replica.tree, Operation(name, args), replica.env()) == []


@every_case
@few
@given(st.data())
def test_a_foreign_payload_never_breaks_a_reading(case: Case, data: st.DataObject) -> None:
    """Whatever bytes stand in the cells: read, losers, present, dead give an answer, and a put is read again."""
    replica = run(case, data.draw(steps(case, 6))).replicas[0]
    odd = [b"\xc1d\x91", b"\xc1*", b"\x92\x01", b"\x93\x01\xcb", b"\xc1"]
    foreign = data.draw(st.one_of(st.binary(max_size=6), st.sampled_from(odd)))
    for path in [b"", *replica.cells]:
        if data.draw(st.booleans()):
            cell = replica.cells.get(path, ())
            replica.cells[path] = tuple(sorted((*(s for s in cell if s.dot[0] != "z"), _foreign(foreign))))
    replica.cells[b"\x00" + foreign] = (_foreign(foreign),)
    replica.vector["z"] = 1
    replica.read()
    replica.strategy.present(replica.tree)
    list(replica.strategy.losers(replica.tree))
    assert not list(replica.strategy.dead(replica.tree, list(replica.cells), 0))


def _foreign(payload: bytes) -> Any:
    from crdtkv.core.cells import Sibling

    return Sibling(("z", 1), 99 << 16, payload)


@every_case
def test_a_reading_is_a_fresh_object(case: Case) -> None:
    """Returned values are never shared with the cells."""
    value = {"set": ["x"], "log": ["x"], "counter": 1, "flag": True, "latch": "paid"}.get(
        case.spec.partition("?")[0], {"a": [1]}
    )
    replica = Replica("a", strategy(case.spec))
    replica.edit(Operation("put", (value,)))
    got = replica.read()
    if isinstance(got, list):
        got.append("spoilt")
    if isinstance(got, dict):
        got["a"].append("spoilt")
    assert same(replica.read(), value)


@every_case
def test_it_says_what_it_is(case: Case) -> None:
    """docs/strategies.md is printed from these words."""
    chosen = strategy(case.spec)
    assert chosen.spec == case.spec
    for words in (chosen.name, chosen.summary, chosen.wins, chosen.anomaly, chosen.cost):
        assert words
        assert not words.endswith(".")
    assert {"put", "delete"} <= chosen.operations.keys()
    assert all(usage.startswith(name) for name, usage in chosen.operations.items())
