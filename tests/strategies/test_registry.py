"""Specs, names, plug-ins, and the check of a user's merge function."""

import importlib.metadata
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv import registration
from crdtkv.errors import MergeFunctionInvalid, RuleInvalid, UnknownStrategy
from crdtkv.registration import register_merge
from crdtkv.strategies import merge, registry
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.lww import Lww
from crdtkv.strategies.registry import names, register, strategy

ALL = "counter, flag, hash, json, latch, list, log, lww, max, merge, min, mv, set, words, zset"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    registered, functions = dict(registry._registered), dict(merge._functions)
    yield
    registry._registered.clear()
    registry._registered.update(registered)
    merge._functions.clear()
    merge._functions.update(functions)
    registry._load_entry_points.cache_clear()
    strategy.cache_clear()


@pytest.mark.parametrize(
    ("spec", "printed"),
    [
        ("lww", "lww"),
        ("set?wins=add", "set"),
        ("set?wins=remove", "set?wins=remove"),
        ("flag?wins=enable", "flag"),
        ("latch?order=open,paid", "latch?order=open,paid"),
        ("merge:sum", "merge:sum"),
    ],
)
def test_equal_spec_equal_strategy(spec: str, printed: str) -> None:
    """A spec prints without what is the default, and reads back as itself."""
    assert strategy(spec).spec == printed
    assert strategy(strategy(spec).spec).spec == printed
    assert strategy(spec) is strategy(spec)


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("or-set", UnknownStrategy, f"no strategy 'or-set'; there are {ALL}"),
        ("", UnknownStrategy, "no strategy ''"),
        ("set:x", UnknownStrategy, "no strategy 'set:x'"),
        ("set?wins=both", RuleInvalid, "option wins of set is add or remove; not 'both'"),
        ("set?win=add", RuleInvalid, "set takes the options wins; not 'win'"),
        ("set?", RuleInvalid, "set takes the options wins; not ''"),
        ("set?wins", RuleInvalid, "options are written option=value, each once; not 'wins'"),
        ("set?wins=add&wins=add", RuleInvalid, "each once"),
        ("lww?wins=me", RuleInvalid, r"lww takes the options \(none\); not 'wins'"),
        ("merge", RuleInvalid, "merge is written merge:<function> and takes no options; not 'merge'"),
        ("merge:f?x=1", RuleInvalid, "takes no options"),
        ("latch", RuleInvalid, "option order of latch"),
    ],
)
def test_a_wrong_spec_says_what_is_allowed(spec: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        strategy(spec)


def test_a_strategy_of_ones_own() -> None:
    class First(Lww):
        name = "first"

    assert register(First) is First
    register(First)
    assert isinstance(strategy("first"), First)
    assert "first" in names()
    for name, words in (("set", "'set' already"), ("first", "'first' already"), ("a b", "not 'a b'")):
        with pytest.raises(RuleInvalid, match=words):
            register(type("Other", (Lww,), {"name": name}))


def test_entry_points_are_asked_for_an_unknown_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Point:
        def load(self) -> type[Strategy]:
            return type("Plugged", (Lww,), {"name": "plugged"})

    def entry_points(group: str) -> list[Point]:
        asked.append(group)
        return [Point()]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    registry._load_entry_points.cache_clear()
    strategy("lww")
    assert asked == []
    assert strategy("plugged").name == "plugged"
    assert asked == ["crdtkv.strategies"]


def test_importing_the_registry_loads_no_strategy_that_is_not_asked_for() -> None:
    late = ("crdtkv.strategies.set", "crdtkv.strategies.json", "importlib.metadata")
    code = f"import crdtkv.strategies.registry, sys; print(*[m for m in {late} if m in sys.modules])"
    world = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=world)
    assert done.stdout.split() == []


def good(base: Any, mine: Any, theirs: Any) -> Any:
    """The larger text of what each changed."""
    if repr(mine) == repr(base):
        return theirs
    return mine if repr(theirs) == repr(base) else max(mine, theirs, key=repr)


def by_hash(base: Any, mine: Any, theirs: Any) -> Any:
    if repr(mine) == repr(base) or repr(mine) == repr(theirs):
        return theirs
    return mine if repr(theirs) == repr(base) or hash(repr(mine)) < hash(repr(theirs)) else theirs


def by_chance(base: Any, mine: Any, theirs: Any) -> Any:
    if repr(mine) == repr(base) or repr(mine) == repr(theirs):
        return theirs
    return mine if repr(theirs) == repr(base) else random.choice([mine, theirs])


def test_a_good_function_is_registered() -> None:
    register_merge("good", good)
    assert merge.functions().count("good") == 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda base, mine, theirs: mine, r"f\(None, None, 0\) is None; it must be 0"),
        (lambda base, mine, theirs: theirs, r"f\(None, 0, None\) is None; it must be 0"),
        (lambda base, mine, theirs: [mine, theirs], r"f\(None, None, None\) is \[None, None\]; it must be None"),
        (lambda base, mine, theirs: 1 // 0, r"f\(None, None, None\) raised ZeroDivisionError"),
        (lambda base, mine, theirs: object(), r"f\(None, None, None\) raised ValueInvalid"),
        (by_hash, "it must be the same in every process"),
        (by_chance, "it must be the same in every process"),
        (lambda *args: by_chance(*args), "it must be the same in every process"),
    ],
)
def test_a_bad_function_is_named_by_its_sample(function: Any, words: str) -> None:
    with pytest.raises(MergeFunctionInvalid, match=words):
        register_merge("bad", function)
    assert "bad" not in merge.functions()


def test_a_function_that_fails_on_three_different_values_is_found() -> None:
    """The laws alone would not call it with three."""

    def fails(base: Any, mine: Any, theirs: Any) -> Any:
        if repr(mine) in (repr(base), repr(theirs)):
            return theirs
        if repr(theirs) == repr(base):
            return mine
        raise RuntimeError

    with pytest.raises(MergeFunctionInvalid, match="raised RuntimeError"):
        register_merge("fails", fails)


def test_samples_are_the_users() -> None:
    """A function for numbers is tried on numbers."""

    def add(base: Any, mine: Any, theirs: Any) -> Any:
        return mine + theirs - (base or 0) if mine != theirs else mine

    with pytest.raises(MergeFunctionInvalid):
        register_merge("sum", add)
    register_merge("sum", add, samples=[0, 1, 5])
    with pytest.raises(MergeFunctionInvalid, match="samples is empty"):
        register_merge("sum", add, samples=[])
    with pytest.raises(MergeFunctionInvalid, match="samples is more than 16"):
        register_merge("sum", add, samples=count())
    with pytest.raises(MergeFunctionInvalid, match="not 'a b'"):
        register_merge("a b", add, samples=[0])


def test_what_can_be_imported_elsewhere() -> None:
    assert registration._importable(good) is not None
    assert registration._importable(lambda b, m, t: m) is None


def test_a_broken_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is asked for; what the store knows goes on."""

    class Point:
        name, value = "sorted", "sorted_set.strategy:SortedSet"

        def load(self) -> type[Strategy]:
            raise ImportError("no module named 'sorted_set'")

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()])
    registry._load_entry_points.cache_clear()
    with pytest.raises(RuleInvalid, match=r"plugin 'sorted' .*SortedSet.*no module named") as caught:
        strategy("sorted")
    assert "uninstall" in caught.value.next_step
    assert strategy("lww").name == "lww"


@pytest.mark.parametrize("odd", [None, 5, "set", dict, Lww()])
def test_what_is_no_strategy_is_not_registered(odd: Any) -> None:
    with pytest.raises(RuleInvalid, match="is no strategy"):
        register(odd)


REGISTERS_ON_IMPORT = """
import os
from crdtkv.registration import register_merge

depth = int(os.environ.get("DEPTH", "0"))
os.environ["DEPTH"] = str(depth + 1)
assert depth < 2, "a check that began a check"


def theirs_first(base, mine, theirs):
    return mine if theirs == base else theirs


register_merge("theirs-first", theirs_first)
"""


def test_a_module_may_register_when_it_is_imported(tmp_path: Path) -> None:
    """The processes that try its function import it too, and begin no check of their own: once they did for ever."""
    (tmp_path / "ours.py").write_text(REGISTERS_ON_IMPORT)
    world = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])}
    done = subprocess.run([sys.executable, "-c", "import ours"], capture_output=True, text=True, env=world)
    assert done.returncode == 0, done.stderr


def test_what_was_read_without_its_code_is_read_anew() -> None:
    """A document is read while nobody knows the function of one of its members; then that is registered."""
    greatest = lambda base, mine, theirs: max(mine, theirs)  # noqa: E731
    merge.install("later-known", greatest)
    a, b = crdtkv.open(colo="a"), crdtkv.open(colo="b")
    a.sync(b)
    a.rules.set("doc", "json", paths={"/c": "merge:later-known"})
    a.put("doc", {"c": 0})
    a.sync(b)
    a.json("doc").at("/c").put(9)
    b.json("doc").at("/c").put(1)
    a.sync(b)
    del merge._functions["later-known"]
    a._replica.memos.clear()
    assert a["doc"] == {"c": 1}
    merge.install("later-known", greatest)
    assert a["doc"] == {"c": 9}
