"""set and log: what is particular to containers of independent elements."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedDict

from crdtkv.core import paths, values
from crdtkv.core.cells import Sibling
from crdtkv.core.clocks import make_stamp
from crdtkv.core.tree import Tree
from crdtkv.errors import TooLarge, ValueInvalid, WrongOperation, WrongType
from crdtkv.strategies.base import ABSENT, Env, Operation
from crdtkv.strategies.log import Log
from crdtkv.strategies.registry import strategy
from crdtkv.strategies.set import MAX_ELEMENT, Set
from crdtkv.trial.colos import Replica, World

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), FINITE, st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=4,
)


def op(name: str, *args: Any) -> Operation:
    return Operation(name, args)


def apart(spec: str, base: list[Any], first: Operation, second: Operation) -> Any:
    w = World(strategy(spec))
    w.edit(0, op("put", base))
    w.settle()
    w.edit(0, first, ms=5)
    w.edit(1, second, ms=9)
    w.settle()
    assert len({repr(r.read()) for r in w.replicas}) == 1
    return w.replicas[2].read()


@pytest.mark.parametrize(
    ("first", "second", "add_wins", "remove_wins"),
    [
        (op("remove", "x"), op("add", "x"), ["x", "y"], ["y"]),
        (op("add", "x"), op("remove", "x"), ["x", "y"], ["y"]),
        (op("clear"), op("add", "x"), ["x"], ABSENT),
        (op("clear"), op("add", "new"), ["new"], ["new"]),
        (op("delete"), op("add", "new"), ["new"], ["new"]),
        (op("put", ["y", "z"]), op("put", ["x", "y", "w"]), ["w", "y", "z"], ["w", "y", "z"]),
        (op("put", ["renamed", "y"]), op("put", ["other", "y"]), ["other", "renamed", "y"], ["other", "renamed", "y"]),
    ],
)
def test_concurrent_operations(first: Operation, second: Operation, add_wins: Any, remove_wins: Any) -> None:
    assert apart("set", ["x", "y"], first, second) == add_wins
    assert apart("set?wins=remove", ["x", "y"], first, second) == remove_wins


def test_the_thread() -> None:
    """[1..7]; A puts it without 5 ∥ B puts it with 8 and 9; a later put against the old base does not bring 5 back."""
    w = World(strategy("set"))
    w.edit(0, op("put", [1, 2, 3, 4, 5, 6, 7]))
    w.settle()
    w.edit(0, op("put", [1, 2, 3, 4, 6, 7]))
    w.edit(1, op("put", [1, 2, 3, 4, 5, 6, 7, 8, 9]))
    w.settle()
    assert {tuple(r.read()) for r in w.replicas} == {(1, 2, 3, 4, 6, 7, 8, 9)}
    w = World(strategy("set"))
    w.edit(0, op("put", [1, 5]))
    w.edit(0, op("put", [1]))
    w.edit(0, op("put", [1, 5, 10]), back=1)
    assert w.replicas[0].read() == [1, 10]


def test_riak_dt_78() -> None:
    """A adds foo, bar; B adds baz; C joins both; A removes bar; A joins C -> foo and baz."""
    w = World(strategy("set"))
    w.edit(0, op("add", "foo"))
    w.edit(0, op("add", "bar"))
    w.edit(1, op("add", "baz"))
    w.sync(2, 0)
    w.sync(2, 1)
    w.edit(0, op("remove", "bar"))
    w.sync(0, 2)
    assert w.replicas[0].read() == ["baz", "foo"]


@pytest.mark.parametrize("spec", ["set", "set?wins=remove"])
def test_empty_or_absent(spec: str) -> None:
    """A set that was put empty is there; one whose last element was removed, or that was cleared, is not."""
    replica = Replica("a", strategy(spec))
    replica.edit(op("put", []))
    assert replica.read() == []
    replica.edit(op("add", 1))
    replica.edit(op("remove", 1))
    assert replica.read() == []
    replica.edit(op("clear"))
    assert replica.read() is ABSENT
    replica.edit(op("add", 1))
    replica.edit(op("remove", 1))
    assert replica.read() is ABSENT


def test_a_thousand_times_added_and_removed_weighs_one_tombstone() -> None:
    replica = Replica("a", Set())
    for i in range(300):
        replica.edit(op("add", "x"), back=i)
        replica.edit(op("remove", "x"), back=i % 3)
    assert replica.weight() <= 2


def test_removes_on_one_old_base_do_not_pile_up() -> None:
    replica = Replica("a", Set())
    replica.edit(op("add", "x"))
    for i in range(20):
        replica.edit(op("add", "x"))
        replica.edit(op("remove", "x"), back=1 + 2 * i)
    assert (replica.read(), replica.weight()) == (["x"], 1)


@pytest.mark.parametrize("spec", ["set", "set?wins=remove", "log"])
def test_what_reads_as_absent_is_made_anew_whatever_the_base(spec: str) -> None:
    replica = Replica("a", strategy(spec))
    replica.edit(op("put", [1, 2]))
    replica.edit(op("delete"))
    replica.edit(op("put", [1, 2]), back=1)
    assert replica.read() == [1, 2]


@given(st.lists(JSON, max_size=6))
def test_elements_are_their_exact_value(elements: list[Any]) -> None:
    """Any JSON value is an element by exact identity; a read is sorted by sort_key, without duplicates."""
    replica = Replica("a", Set())
    if elements:
        replica.edit(op("add", *elements))
    distinct = {values.pack_canonical(e): e for e in elements}
    expected = sorted(distinct.values(), key=values.sort_key)
    assert (replica.read() or []) == expected
    assert list(map(values.pack_canonical, replica.read() or [])) == list(map(values.pack_canonical, expected))
    assert list(map(values.pack_canonical, Set().norm(elements))) == list(map(values.pack_canonical, expected))


def test_one_and_true_are_three() -> None:
    replica = Replica("a", Set())
    replica.edit(op("add", 1, True, 1.0, 1))
    assert list(map(repr, replica.read())) == ["True", "1", "1.0"]


@pytest.mark.parametrize(
    ("spec", "operation", "error", "words"),
    [
        ("set", op("add"), WrongOperation, r"add\(\) does not fit add\(element, ...\) of set"),
        ("set", op("increment"), WrongOperation, "set takes add, remove, put, clear, delete; not 'increment'"),
        ("set", op("put", "abc"), WrongType, "a set is put as a list; not 'abc'"),
        ("set", op("put", {"a": 1}), WrongType, "not {'a': 1}"),
        ("set", op("add", 1, float("nan")), ValueInvalid, "nan"),
        ("set", op("add", "x" * MAX_ELEMENT), TooLarge, f"is {MAX_ELEMENT + 3} bytes packed; at most {MAX_ELEMENT}"),
        ("log", op("append"), WrongOperation, r"append\(\) does not fit append\(value, ...\) of log"),
        ("log", op("move", 1), WrongOperation, "log takes append, trim, keep, remove, put, delete; not 'move'"),
        ("log", op("remove", 1), WrongType, "no 1 entries from index 1 on in a log of 0"),
        ("log", op("remove", 0, True), WrongType, "whole numbers; not True"),
        ("log", op("keep", -1), WrongType, "a whole number from 0 on; not -1"),
        ("log", op("put", 7), WrongType, "a log is put as a list; not 7"),
        ("log", op("append", float("inf")), ValueInvalid, "inf"),
        ("log", op("trim", -1), ValueInvalid, "milliseconds since 1970, an integer from 0 to .*; not -1"),
        ("log", op("trim", True), ValueInvalid, "not True"),
        ("log", op("trim", 2**48), ValueInvalid, "not 281474976710656"),
    ],
)
def test_what_is_refused(spec: str, operation: Operation, error: type[Exception], words: str) -> None:
    """With the value that caused it, and nothing is written."""
    replica = Replica("a", strategy(spec))
    with pytest.raises(error, match=words):
        replica.edit(operation)
    assert not replica.cells


def test_a_log_is_not_rewritten() -> None:
    replica = Replica("a", Log())
    replica.edit(op("put", ["a", 1]))
    for wanted in (["a"], ["b", 1], ["a", 1.0, "c"], []):
        with pytest.raises(WrongType, match="a log only grows: entry"):
            replica.edit(op("put", wanted))
    replica.edit(op("put", ["a", 1, "c"]))
    assert replica.read() == ["a", 1, "c"]


def test_a_put_comes_after_what_a_fast_clock_wrote() -> None:
    """An append keeps its own time; a put is read as it was put."""
    w = World(strategy("log"))
    w.edit(1, op("append", "fast"), ms=900)
    w.settle()
    w.edit(0, op("append", "own time"), ms=5)
    w.edit(0, op("put", ["own time", "fast", "last"]), ms=6)
    assert w.replicas[0].read() == ["own time", "fast", "last"]


def test_a_log_is_ordered_by_its_stamps() -> None:
    """A late arrival takes its place; equal stamps go by replica; several in one transaction stay in order."""
    w = World(strategy("log"))
    w.edit(1, op("append", "b1", "b2"), ms=5)
    w.edit(0, op("append", "a1", "a2"), ms=5)
    w.edit(2, op("append", "early"), ms=1)
    w.settle()
    assert {tuple(r.read()) for r in w.replicas} == {("early", "a1", "a2", "b1", "b2")}


def test_many_in_one_transaction_stay_in_order() -> None:
    """Also where a transaction appends more than once, and beyond one byte of index."""
    log, cells = Log(), SortedDict()
    env = Env("a", 300, make_stamp(7), {"a": 300}, lambda dot: True, Tree(cells))
    for i in range(0, 600, 2):
        for write in log.edit(Tree(cells), op("append", i, i + 1), env):
            assert write.path not in cells
            cells[write.path] = (Sibling(env.dot, env.stamp, write.payload),)
    assert log.read(Tree(cells)) == list(range(600))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300)), max_size=8),
    st.none() | st.integers(0, 300),
    st.none() | st.integers(0, 300),
)
def test_a_range_of_time(added: list[tuple[int, int]], since: int | None, until: int | None) -> None:
    """entries(since, until) is the part of all entries with since <= ms < until; trim keeps what is not before it."""
    w = World(strategy("log"))
    for at, ms in added:
        w.edit(at, op("append", ms), ms=ms)
    w.settle()
    replica = w.replicas[0]
    log = replica.strategy
    assert isinstance(log, Log)
    everything = log.entries(replica.tree)
    assert everything == sorted(everything, key=lambda entry: entry[0])
    part = [(ms, v) for ms, v in everything if (since is None or since <= ms) and (until is None or ms < until)]
    assert log.entries(replica.tree, since, until) == part
    replica.edit(op("trim", since or 0))
    assert (replica.read() or []) == [v for ms, v in everything if ms >= (since or 0)]


def test_a_trim_leaves_what_its_base_had_not_seen() -> None:
    w = World(strategy("log"))
    w.edit(0, op("append", "seen"), ms=1)
    w.settle()
    w.edit(1, op("append", "unseen"), ms=2)
    w.edit(0, op("trim", 100))
    assert w.replicas[0].read() is ABSENT
    w.settle()
    assert {tuple(r.read()) for r in w.replicas} == {("unseen",)}


def large_set(n: int) -> SortedDict:
    cells = SortedDict()
    for i in range(n):
        path = paths.component(paths.VALUE, values.pack_canonical(f"element-{i:06}"))
        cells[path] = (Sibling(("a", i + 1), i, b"\xc0"),)
    return cells


def test_an_add_costs_the_same_in_a_set_of_any_size() -> None:
    """One write of the same bytes, and no element is looked at. Prints figures; asserts none."""

    class Unscanned(Tree):
        def below(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("an add or a remove scanned the set")

    cells = large_set(100_000)
    big, none = Unscanned(cells), Unscanned(SortedDict())
    chosen = Set()

    def env(tree: Tree) -> Env:
        return Env("b", 1, 1, {"a": 100_000}, lambda dot: True, tree)

    assert chosen.edit(big, op("add", "new"), env(big)) == chosen.edit(none, op("add", "new"), env(none))
    assert len(chosen.edit(big, op("remove", "element-000500"), env(big))) == 1
    start = time.perf_counter()
    for i in range(10_000):
        chosen.edit(big, op("add", i), env(big))
    per_add = (time.perf_counter() - start) / 10_000
    start = time.perf_counter()
    assert len(chosen.read(Tree(cells))) == 100_000
    print(f"\nset of 100,000: add {per_add * 1e6:.1f} us, read {(time.perf_counter() - start) * 1e3:.0f} ms")
