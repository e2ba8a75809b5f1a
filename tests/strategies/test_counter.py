"""Counters: what resets, keys, foldings and 64 bits do to each other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core import values
from crdtkv.core.cells import is_live, make_cell
from crdtkv.core.tree import Tree
from crdtkv.errors import Overflow, ValueInvalid, WrongOperation, WrongType
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.counter import Counter
from crdtkv.strategies.counter_cells import FOLD_AFTER_MS, LIMIT, fold, once_path, share_path
from crdtkv.trial.colos import Replica, World
from tests.strategies.cases import CASES, Step, steps

A_DAY_ON = 10 * FOLD_AFTER_MS


def world(*names: str) -> World:
    return World(Counter(), "".join(names) or "abc")


def op(name: str, *args: Any) -> Operation:
    return Operation(name, args)


def do_fold(replica: Replica, floor: int) -> None:
    env = replica.env()
    replica.write(fold(replica.tree, floor, A_DAY_ON, lambda r: r == replica.id, env), env)


def test_a_reset_takes_away_exactly_what_it_saw() -> None:
    """reset ∥ +5 -> 5; and a subtraction concurrent with a reset counts too."""
    for n in (5, -5):
        w = world()
        w.edit(0, op("add", 7))
        w.settle()
        w.edit(0, op("add", n))
        w.edit(1, op("reset"))
        w.settle()
        assert [r.read() for r in w.replicas] == [n, n, n]


def test_a_delete_leaves_a_concurrent_add() -> None:
    """delete ∥ +5 -> 5; alone it leaves nothing, and a reset leaves 0."""
    w = world()
    w.edit(0, op("add", 7))
    w.settle()
    w.edit(1, op("delete"))
    assert w.replicas[1].read() is ABSENT
    w.edit(0, op("add", 5))
    w.settle()
    assert w.replicas[2].read() == 5
    w.edit(2, op("reset"))
    assert w.replicas[2].read() == 0


def test_a_delete_on_an_old_base_leaves_what_it_had_not_seen() -> None:
    """Also where it is the same colo that added; and a put on what is deleted starts from 0."""
    w = world()
    w.edit(0, op("add", 7))
    w.edit(0, op("add", 2))
    w.edit(0, op("delete"), back=1)
    assert w.replicas[0].read() == 2
    w.edit(0, op("delete"))
    w.edit(0, op("put", 5), back=1)
    assert w.replicas[0].read() == 5


def test_criss_cross() -> None:
    """base 0, +5 ∥ +3, both merge separately, exchange -> 8."""
    w = world()
    w.edit(0, op("add", 5))
    w.edit(1, op("add", 3))
    w.sync(0, 1)
    w.sync(1, 0)
    w.settle()
    assert {r.read() for r in w.replicas} == {8}


def test_put_adds_the_difference_to_what_the_base_showed() -> None:
    w = world()
    w.edit(0, op("put", 10))
    w.edit(0, op("put", 4))
    assert w.replicas[0].read() == 4
    w.edit(0, op("put", 12), back=1)  # the base showed 10
    assert w.replicas[0].read() == 6


def test_one_key_counts_once() -> None:
    """The same key at two colos, concurrently and again later, is one add; another amount under it is refused."""
    w = world()
    w.edit(0, op("add", 3, "k"))
    w.edit(1, op("add", 3, "k"))
    w.settle()
    w.edit(2, op("add", 3, "k"))
    assert {r.read() for r in w.replicas} == {3}
    with pytest.raises(ValueInvalid, match="idempotency key 'k' was used to add 3; not 4"):
        w.edit(2, op("add", 4, "k"))


def test_two_resets_around_a_folding_take_the_amount_off_once() -> None:
    """One saw the keyed add, the other the share it was folded into: 0, not minus the amount."""
    w = world()
    w.edit(0, op("add", 5))
    w.edit(0, op("add", 3, "k"))
    w.settle()
    do_fold(w.replicas[0], w.replicas[0].stamp)
    w.edit(1, op("reset"))
    w.edit(0, op("reset"))
    w.settle()
    assert {r.read() for r in w.replicas} == {0}


def test_a_reset_concurrent_with_a_folding_takes_the_amount_off() -> None:
    """The folder had not heard of the reset: 0 at once, and still 0 when it has set its share right."""
    w = world()
    w.edit(0, op("add", 5))
    w.edit(0, op("add", -3, "k"))
    w.settle()
    do_fold(w.replicas[0], w.replicas[0].stamp)
    w.edit(1, op("reset"))
    w.settle()
    assert {r.read() for r in w.replicas} == {0}
    do_fold(w.replicas[0], max(r.stamp for r in w.replicas))
    w.settle()
    assert {r.read() for r in w.replicas} == {0}
    assert w.replicas[0].cells[once_path(b"k")][0].payload is None


def test_forgetting_a_cancelled_key_leaves_zero() -> None:
    """The keyed add was all there was: the counter does not turn from 0 to absent."""
    w = world()
    w.edit(0, op("add", 3, "k"))
    w.edit(0, op("reset"))
    assert w.replicas[0].read() == 0
    do_fold(w.replicas[0], w.replicas[0].stamp)
    assert w.replicas[0].read() == 0


def test_a_reset_of_what_is_zero_writes_nothing() -> None:
    w = world()
    w.edit(0, op("put", 0))
    replica = w.replicas[0]
    assert replica.strategy.edit(replica.tree, op("reset"), replica.env()) == []


def test_folding_moves_the_amount_and_forgets_the_key() -> None:
    w = world()
    w.edit(0, op("add", 3, "k"))
    w.settle()
    floor = w.replicas[0].stamp
    do_fold(w.replicas[1], floor)
    assert w.replicas[1].weight() == 1, "b does not own it"
    env = w.replicas[0].env()
    early = fold(w.replicas[0].tree, floor, FOLD_AFTER_MS - 1, lambda r: True, env)
    late = fold(w.replicas[0].tree, floor - 1, A_DAY_ON, lambda r: True, env)
    assert early == late == [], "neither before a day has passed nor before it is stable"
    for _ in range(3):
        do_fold(w.replicas[0], w.replicas[0].stamp)
        assert w.replicas[0].read() == 3
    w.replicas[0].purge(w.replicas[0].stamp)
    assert list(w.replicas[0].cells) == [share_path("a")]


@given(st.data())
def test_folding_changes_no_reading(data: st.DataObject) -> None:
    """Whoever folds whenever it is stable, between adds, resets and deletes: the sum is the spec's.

    Presence is not compared: a delete concurrent with a folding may leave 0.
    """
    case, w = CASES["counter"], world()
    floor = 0
    for step in data.draw(st.lists(st.one_of(steps(case, 4), st.just("settle")), max_size=8)):
        for happened in step if isinstance(step, list) else [step]:
            if happened == "settle":
                w.settle()
                floor = max(r.stamp for r in w.replicas)
                for r in w.replicas:
                    # What was purged or folded cannot be undone by a base from before it.
                    r.past, r.stamp = r.past[-1:], floor
                continue
            assert isinstance(happened, Step)
            replica = w.replicas[happened.at]
            if happened.operation is None:
                w.sync(happened.at, happened.source)
            elif len(happened.operation.args) < 2 or not _known(w, happened.operation):
                w.edit(happened.at, happened.operation, happened.ms, happened.back)
            if floor:
                before = replica.read()
                do_fold(replica, floor)
                assert replica.read() is before or replica.read() == before
        assert all((r.read() or 0) == (w.expected(i, case.value_of) or 0) for i, r in enumerate(w.replicas))
    w.settle()
    assert len({repr(r.cells) for r in w.replicas}) == 1


def _known(w: World, operation: Operation) -> bool:
    """A key is used once only here: it is forgotten when folded, and then it would count again."""
    return any(e.operation == operation for e in w.events)


def test_old_bases_add_once_each_and_resets_do_not_pile_up() -> None:
    """Adds on old bases count once each; a hundred resets and deletes on one old base leave two siblings."""
    w = world()
    for i in range(101):
        w.edit(0, op("add", 1), back=i)
    replica = w.replicas[0]
    assert replica.read() == 101
    for name in ("reset", "delete") * 50:
        w.edit(0, op(name), back=len(replica.past) - 41)  # the base that had seen 40 adds
    assert replica.read() == 61
    assert replica.weight() <= 2
    for back in range(30):
        w.edit(0, op("reset"), back=2 * back)
    assert replica.weight() == 1


def test_64_bits() -> None:
    """The sum of two colos may leave 64 bits: all read the same exact number, and only a step back is taken."""
    w = world()
    w.edit(0, op("put", LIMIT - 1))
    w.edit(1, op("put", LIMIT - 1))
    w.settle()
    assert {r.read() for r in w.replicas} == {2 * (LIMIT - 1)}
    with pytest.raises(Overflow, match=r"18446744073709551614 \+ 1 is 18446744073709551615, beyond 64 bits"):
        w.edit(2, op("add", 1))
    with pytest.raises(Overflow):
        w.edit(2, op("add", 1, "k"))
    w.edit(2, op("add", -5))
    assert w.replicas[2].read() == 2 * (LIMIT - 1) - 5


def test_a_share_within_64_bits() -> None:
    """Where others took away what one colo added, its own total is what overflows."""
    w = world()
    w.edit(0, op("put", LIMIT - 1))
    w.sync(1, 0)
    w.edit(1, op("put", 0))
    w.sync(0, 1)
    assert w.replicas[0].read() == 0
    with pytest.raises(Overflow, match="this replica's own total would be 9223372036854775808"):
        w.edit(0, op("add", 1))


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        (op("add", True), WrongType, "a counter counts integers; not True"),
        (op("add", 1.0), WrongType, "not 1.0"),
        (op("put", "1"), WrongType, "not '1'"),
        (op("put", LIMIT), Overflow, "9223372036854775808 is beyond 64 bits"),
        (op("add"), WrongOperation, r"add\(\) does not fit add\(n\[, idempotency_key\]\) of counter"),
        (op("increment", 1), WrongOperation, "counter takes add, reset, put, delete; not 'increment'"),
        (op("add", 1, 2), WrongType, "an idempotency key is a string; not 2"),
        (op("add", 1, ""), ValueInvalid, "idempotency key is 0 bytes; 1 to 256"),
        (op("add", 1, "\ud800"), ValueInvalid, "lone surrogate"),
    ],
)
def test_what_is_refused(operation: Operation, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        world().edit(0, operation)


def test_a_dead_cell_is_not_live() -> None:
    """What a delete leaves still says the cancelled total, and is dropped like a tombstone."""
    w = world()
    w.edit(0, op("add", 2))
    w.edit(0, op("delete"))
    cell = w.replicas[0].cells[share_path("a")]
    assert not any(is_live(s.payload) for s in cell)
    w.edit(0, op("add", 1))
    assert w.replicas[0].read() == 1


def test_foreign_shares_are_no_numbers() -> None:
    """Shares that no replica writes (negative, cancelled beyond added, booleans) count nothing."""
    r = Replica("a", Counter())
    r.edit(op("add", 2))
    good = r.cells[share_path("a")]
    for said in ([-1, 0], [1, 2], [True, False], [1], [1, 1, 1], "x", {"a": 1}):
        bad = good[0]._replace(dot=("z", 1), payload=values.pack(said))
        assert Counter().read(Tree({share_path("a"): make_cell([*good, bad])})) == 2
        assert Counter().read(Tree({share_path("a"): (bad,)})) is ABSENT
