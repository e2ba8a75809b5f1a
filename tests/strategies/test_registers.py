"""lww, mv, max, min, latch, flag and merge: what is particular to each."""

from typing import Any

import pytest

from crdtkv.errors import MergeFunctionInvalid, RuleInvalid, TooManySiblings, ValueInvalid, WrongOperation, WrongType
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.merge import Merge, install
from crdtkv.strategies.mv import Mv
from crdtkv.strategies.registry import strategy
from crdtkv.trial.colos import World


def op(name: str, *args: Any) -> Operation:
    return Operation(name, args)


def apart(spec: str, first: Operation, second: Operation, *, base: Operation | None = None) -> World:
    """`first` at a, then `second` at b, neither knowing the other; then all know all."""
    w = World(strategy(spec))
    if base is not None:
        w.edit(0, base)
        w.settle()
    w.edit(0, first, ms=5)
    w.edit(1, second, ms=9)
    w.settle()
    assert len({repr(r.read()) for r in w.replicas}) == 1
    return w


def shown(spec: str, first: Operation, second: Operation, base: Operation | None = None) -> Any:
    return apart(spec, first, second, base=base).replicas[2].read()


def test_lww_the_later_stamp_wins_and_the_loser_is_listed() -> None:
    """Even where the other wrote three times."""
    w = World(strategy("lww"))
    for value in (1, 2, 3):
        w.edit(1, op("put", value), ms=5)
    w.edit(0, op("put", "later"), ms=9)
    w.settle()
    assert {r.read() for r in w.replicas} == {"later"}
    (loser,) = w.replicas[2].strategy.losers(w.replicas[2].tree)
    assert (loser.path, loser.value, loser.sibling.dot) == (b"", 3, ("b", 3))


def test_lww_a_write_that_knew_the_other_wins_whatever_the_clocks() -> None:
    w = World(strategy("lww"))
    w.edit(0, op("put", "v1"), ms=100)
    w.sync(1, 0)
    w.edit(1, op("put", "v2"), ms=50)
    w.settle()
    assert {r.read() for r in w.replicas} == {"v2"}


def test_lww_equal_stamps_tie_by_replica() -> None:
    w = World(strategy("lww"))
    w.edit(1, op("put", "b"), ms=5)
    w.edit(0, op("put", "a"), ms=5)
    w.settle()
    assert {r.read() for r in w.replicas} == {"b"}


def test_lww_a_tombstone_and_its_loser_are_dropped_together() -> None:
    """A delete that won stays a delete after the purge; a loser it beat is listed with its value."""
    w = apart("lww", op("put", 1), op("delete"), base=op("put", 0))
    assert w.replicas[2].read() is ABSENT
    assert [loser.value for loser in w.replicas[2].strategy.losers(w.replicas[2].tree)] == [1]
    w.replicas[2].purge(2**62)
    assert not w.replicas[2].cells


def test_lww_a_delete_that_lost_is_listed_as_absent() -> None:
    w = apart("lww", op("delete"), op("put", 1), base=op("put", 0))
    assert w.replicas[2].read() == 1
    assert [loser.value for loser in w.replicas[2].strategy.losers(w.replicas[2].tree)] == [ABSENT]


def test_lww_a_thousand_puts_on_one_old_base_leave_one_sibling() -> None:
    w = World(strategy("lww"))
    for i in range(1000):
        w.edit(0, op("put", i), back=i)
    assert w.replicas[0].weight() == 1


def test_mv_shows_all_that_nobody_replaced() -> None:
    w = apart("mv", op("put", "x"), op("put", "y"))
    mv, tree = w.replicas[2].strategy, w.replicas[2].tree
    assert isinstance(mv, Mv)
    assert mv.read(tree) == "y"
    assert mv.siblings(tree) == ["x", "y"]
    w.edit(2, op("put", "z"))
    assert mv.siblings(w.replicas[2].tree) == ["z"]


def test_mv_equal_values_show_once() -> None:
    w = apart("mv", op("put", {"a": 1, "b": 2}), op("put", {"b": 2, "a": 1}))
    mv = w.replicas[2].strategy
    assert isinstance(mv, Mv)
    assert len(mv.siblings(w.replicas[2].tree)) == 1


@pytest.mark.parametrize("spec", ["mv", "merge:joined_up"])
def test_beyond_64_siblings_a_put_says_read_again(spec: str) -> None:
    install("joined_up", lambda base, mine, theirs: theirs)
    w = World(strategy(spec))
    w.edit(0, op("put", "first"))
    for i in range(64):
        w.edit(0, op("put", i), back=i)
    assert w.replicas[0].weight() == 64
    with pytest.raises(TooManySiblings, match="64 concurrent values stand that this write has not seen; read again"):
        w.edit(0, op("put", "one more"), back=64)
    w.edit(0, op("put", "read again"))
    assert w.replicas[0].weight() == 1


@pytest.mark.parametrize(
    ("spec", "first", "second", "expected"),
    [
        ("max", 5, 3, 5),
        ("max", "a", 9, "a"),
        ("max", 1, 1.0, 1.0),
        ("min", 5, 3, 3),
        ("min", None, 3, None),
        ("latch?order=open,paid,sent", "sent", "paid", "sent"),
    ],
)
def test_rankings(spec: str, first: Any, second: Any, expected: Any) -> None:
    got = shown(spec, op("put", first), op("put", second))
    assert (got, type(got)) == (expected, type(expected))


@pytest.mark.parametrize(("spec", "better", "worse"), [("max", 5, 3), ("min", 3, 5), ("latch?order=a,b", "b", "a")])
def test_a_put_of_a_lesser_or_equal_value_writes_nothing(spec: str, better: Any, worse: Any) -> None:
    w = World(strategy(spec))
    w.edit(0, op("put", better))
    replica = w.replicas[0]
    for value in (better, worse):
        assert replica.strategy.edit(replica.tree, op("put", value), replica.env()) == []


@pytest.mark.parametrize(("spec", "sign"), [("max", 1), ("min", -1)])
def test_a_hundred_puts_on_one_old_base_leave_one_sibling(spec: str, sign: int) -> None:
    w = World(strategy(spec))
    for i in range(100):
        w.edit(0, op("put", i * sign), back=i)
    assert w.replicas[0].weight() == 1


@pytest.mark.parametrize("spec", ["mv", "merge:any"])
def test_what_reads_as_absent_is_made_anew_whatever_the_base(spec: str) -> None:
    """No tombstone is left beside the value, and a merge starts from nothing."""
    install("any", lambda base, mine, theirs: [base, mine, theirs])
    w = World(strategy(spec))
    w.edit(0, op("put", 1))
    w.edit(0, op("delete"))
    w.sync(1, 0)
    w.edit(0, op("put", 2), back=1, ms=9)
    assert (w.replicas[0].read(), w.replicas[0].weight()) == (2, 1)
    w.edit(1, op("put", 3), ms=5)
    w.settle()
    assert w.replicas[0].read() == ([None, 3, 2] if spec != "mv" else 2)


def test_merge_folds_from_the_earliest() -> None:
    install("any", lambda base, mine, theirs: [*mine, *theirs])
    w = World(strategy("merge:any"))
    for at, ms in ((0, 7), (1, 9), (2, 5)):
        w.edit(at, op("put", [ms]), ms=ms)
    w.settle()
    assert w.replicas[0].read() == [5, 7, 9]


def test_flag_the_preferred_side_wins() -> None:
    """enable wins over a disable that had not seen it, also where it was on already; disable under the option."""
    on, off = op("enable"), op("disable")
    for base in (None, on, off):
        assert shown("flag", on, off, base) is True
        assert shown("flag", off, on, base) is True
        assert shown("flag?wins=disable", on, off, base) is False
        assert shown("flag?wins=disable", off, on, base) is False


def test_flag_is_turned_by_who_has_seen() -> None:
    for spec in ("flag", "flag?wins=disable"):
        w = World(strategy(spec))
        for value in (True, False, True):
            w.edit(0, op("put", value))
            assert w.replicas[0].read() is value


def test_merge_gives_the_function_the_base_of_each() -> None:
    seen: list[Any] = []

    def told(base: Any, mine: Any, theirs: Any) -> Any:
        seen.append((base, mine, theirs))
        return mine + theirs

    install("told", told)
    assert shown("merge:told", op("put", [1]), op("put", [2]), op("put", [0])) == [1, 2]
    assert set(map(repr, seen)) == {"([0], [1], [2])"}
    seen.clear()
    assert shown("merge:told", op("put", [1]), op("put", [2])) == [1, 2]
    assert set(map(repr, seen)) == {"(None, [1], [2])"}


def spoil(base: Any, mine: Any, theirs: Any) -> Any:
    mine.append("spoilt")
    theirs.append("spoilt")
    raise RuntimeError("no")


@pytest.mark.parametrize("function", [spoil, lambda b, m, t: object(), lambda b, m, t: float("nan")])
def test_merge_a_function_that_fails_shows_the_latest(function: Any) -> None:
    """It never comes out of a read; the others are conflicts, unspoilt."""
    install("fails", function)
    w = apart("merge:fails", op("put", [1]), op("put", [2]))
    replica = w.replicas[2]
    assert replica.read() == [2]
    assert [loser.value for loser in replica.strategy.losers(replica.tree)] == [[1]]
    assert replica.weight() == 2


def test_merge_unknown_here_is_read_and_not_written() -> None:
    """A colo without the function shows the latest, keeps all, and refuses a put with the names it has."""
    install("only-there", lambda base, mine, theirs: "folded")
    w = apart("merge:only-there", op("put", 1), op("put", 2))
    there = w.replicas[2]
    assert there.read() == "folded"
    here = Merge("only-elsewhere")
    assert here.read(there.tree) == 2
    assert [loser.value for loser in here.losers(there.tree)] == [1]
    with pytest.raises(MergeFunctionInvalid, match=r"no merge function 'only-elsewhere' here; there are .*only-there"):
        here.edit(there.tree, op("put", 3), there.env())


@pytest.mark.parametrize(
    ("spec", "operation", "error", "words"),
    [
        ("lww", op("put"), WrongOperation, r"put\(\) does not fit put\(value\) of lww"),
        ("lww", op("put", float("nan")), ValueInvalid, "nan"),
        ("lww", op("add", 1), WrongOperation, "lww takes put, delete; not 'add'"),
        ("mv", op("delete", 1), WrongOperation, r"delete\(1,\) does not fit delete\(\) of mv"),
        ("mv", op("clear"), WrongOperation, "mv takes put, delete; not 'clear'"),
        ("max", op("put", {1}), ValueInvalid, "1"),
        ("min", op("reset"), WrongOperation, "min takes put, delete; not 'reset'"),
        ("latch?order=a,b", op("put", "c"), ValueInvalid, "state is one of a, b; not 'c'"),
        ("latch?order=a,b", op("put", ["a"]), ValueInvalid, r"not \['a'\]"),
        ("latch?order=a,b", op("enable"), WrongOperation, "latch takes put, delete; not 'enable'"),
        ("flag", op("put", 1), WrongType, "a flag is true or false; not 1"),
        ("flag", op("add", 1), WrongOperation, "flag takes enable, disable, put, delete; not 'add'"),
        ("merge:any", op("put", float("inf")), ValueInvalid, "inf"),
        ("merge:any", op("append", 1), WrongOperation, "merge takes put, delete; not 'append'"),
    ],
)
def test_what_is_refused(spec: str, operation: Operation, error: type[Exception], words: str) -> None:
    install("any", lambda base, mine, theirs: theirs)
    with pytest.raises(error, match=words):
        World(strategy(spec)).edit(0, operation)


@pytest.mark.parametrize("order", ["", "a,a", "a,,b", ",".join(map(str, range(65)))])
def test_a_latch_needs_its_states(order: str) -> None:
    with pytest.raises(RuleInvalid, match="option order of latch is 1 to 64 distinct states"):
        strategy(f"latch?order={order}")
