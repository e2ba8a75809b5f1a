"""What holds for every simple strategy, whatever happened in whatever order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdtkv.core.tree import Tree
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.registry import strategy
from crdtkv.trial import laws
from crdtkv.trial.colos import Replica, World
from crdtkv.trial.laws import same
from tests.strategies.cases import CASES, Case, Step, steps

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
few = settings(max_examples=max(25, settings().max_examples // 4))


def fitting(case: Case, replica: Replica, step: Step) -> Operation:
    """The operation; a put to a log goes on from what its base shows, a remove is of what there is, as it demands."""
    assert step.operation is not None
    if case.spec == "log" and step.operation.name == "remove":
        count = len(replica.read() or ())
        index, many = step.operation.args
        return Operation("remove", (index, min(many, count - index))) if index < count else Operation("trim", (0,))
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
    laws.check_order(run(case, data.draw(steps(case))))


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
    laws.check_norm(strategy(case.spec), data.draw(case.puts))


@every_case
@few
@given(st.data())
def test_said_twice_weighs_as_much_as_said_once(case: Case, data: st.DataObject) -> None:
    """The same wish again, on the current base or on the same old one, leaves no more siblings."""
    world = run(case, data.draw(steps(case)))
    replica, wish = world.replicas[0], data.draw(case.operations)
    back = data.draw(st.integers(0, 2)) if case.repeats else 0
    if case.spec == "log" and wish.name not in ("trim", "keep"):
        wish = Operation("put", (replica.strategy.read(replica.tree) or [],))
    laws.check_weight(replica, wish, back)


@every_case
@few
@given(st.data())
def test_dropping_what_is_dead_changes_no_reading(case: Case, data: st.DataObject) -> None:
    """Where all have all, a purge changes neither what is read nor what the next wish does."""
    world = run(case, data.draw(steps(case)))
    wish = data.draw(case.operations)
    if case.spec == "log":
        wish = Operation("append", ("next",))
    if wish.name == "add" and len(wish.args) == 2 and isinstance(wish.args[1], str):
        wish = Operation("add", (1,))  # an id of once is forgotten with what was deleted
    laws.check_purge(world, wish)


@every_case
@few
@given(st.data())
def test_what_is_deleted_everywhere_leaves_nothing(case: Case, data: st.DataObject) -> None:
    """After a delete that had seen everything, and a purge, the store is as small as before."""
    laws.check_nothing_left(run(case, data.draw(steps(case))))


@every_case
def test_on_nothing(case: Case) -> None:
    """What is not there reads as absent, and taking away from it writes nothing."""
    laws.check_nothing(strategy(case.spec))


@every_case
@few
@given(st.data())
def test_a_foreign_payload_never_breaks_a_reading(case: Case, data: st.DataObject) -> None:
    """Whatever bytes stand in the cells: read, losers, present, dead give an answer, and a put is read again."""
    replica = run(case, data.draw(steps(case, 6))).replicas[0]
    odd = [b"\xc1d\x91", b"\xc1*", b"\x92\x01", b"\x93\x01\xcb", b"\xc1"]
    foreign = data.draw(st.one_of(st.binary(max_size=6), st.sampled_from(odd)))
    laws.check_survives(replica, foreign, [path for path in [b"", *replica.cells] if data.draw(st.booleans())])


@every_case
def test_a_reading_is_a_fresh_object(case: Case) -> None:
    """Returned values are never shared with the cells."""
    value = {"set": ["x"], "log": ["x"], "counter": 1, "flag": True, "latch": "paid", "zset": {"a": 1}}.get(
        case.spec.partition("?")[0], {"a": [1]}
    )
    laws.check_fresh(strategy(case.spec), value)


@every_case
def test_it_says_what_it_is(case: Case) -> None:
    """docs/strategies.md is printed from these words."""
    chosen = strategy(case.spec)
    assert chosen.spec == case.spec
    laws.check_words(chosen)
