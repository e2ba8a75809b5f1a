"""Concurrent writes: whoever hears of what first, all read the same."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import TooManySiblings
from tests.colos import Colos, arrive, cut, outbox

LONG = os.environ.get("CRDTKV_LAWS") == "long"


@pytest.mark.parametrize("strategy", ["list", "json"])
@pytest.mark.parametrize(
    ("base", "puts", "wanted"),
    [
        ([], {"a": ["a"], "b": ["b"], "c": ["c"]}, None),
        (["o0", "o1"], {"a": ["a0", "o0", "o1"], "b": ["o1"], "c": ["o0"]}, ["a0"]),
    ],
)
def test_case_01_one_list_whatever_the_order(
    strategy: str, base: list[str], puts: dict[str, list[str]], wanted: list[str] | None
) -> None:
    """All orders of exchange, pairwise and chained: the same list everywhere (naive merge: 32-44 % differ)."""
    results = set()
    pairs = [("a", "b"), ("b", "c"), ("a", "c")]
    orders: list[Sequence[tuple[str, str]]] = [*itertools.permutations(pairs)]
    orders += [[(x, y), (y, z), (y, x), (z, x)] for x, y, z in itertools.permutations("abc")]
    for order in orders:
        colos = Colos("a", "b", "c")
        version = colos["a"].put("l", base, strategy=strategy).version
        colos.meet()
        for name, value in puts.items():
            assert colos[name].put("l", value, base=version).value == value
        for x, y in order:
            colos[x].sync(colos[y])
        colos.meet()
        colos.check()
        results.add(tuple(colos.read("l")))
    assert len(results) == 1, results
    assert sorted(results.pop()) == (wanted or ["a", "b", "c"])


def test_case_02_two_merge_the_same_pair() -> None:
    """Who merges the same two writes has the same version: no third one, no conflict, no event when they meet."""
    colos = Colos("a", "b", "c", "d")
    version = colos["a"].put("doc", {"x": 0, "l": [1]}, strategy="json").version
    colos.meet()
    colos["a"].put("doc", {"x": 1, "l": [1, 2]}, base=version)
    colos["b"].put("doc", {"x": 2, "l": [3, 1]}, base=version)
    for one, other in ("ab", "ba"):
        colos["c" if one == "a" else "d"].sync(colos[one])
        colos["c" if one == "a" else "d"].sync(colos[other])
    c, d = colos["c"], colos["d"]
    assert c.get("doc") == d.get("doc")
    assert c.vector == d.vector and c.digest() == d.digest()
    feed, before = c.watch(timeout=0), c.vector
    report = c.sync(d)
    assert (report.records, report.cells) == (0, 0)
    assert c.vector == before == d.vector
    assert list(feed) == []
    assert c.conflicts() == d.conflicts() == []


@pytest.mark.parametrize("seed", range(25))
def test_case_04_doubled_late_and_in_parts(seed: int) -> None:
    """Records doubled, shuffled, lost, mixed with catch-ups: the same as one full exchange."""
    dice = random.Random(seed)
    colos = Colos("a", "b", "c", seed=seed)
    for key, strategy in KINDS.items():
        colos["a"].rules.set(key, strategy)
    colos.meet()
    sent = {name: outbox(kv) for name, kv in colos.items()}
    flying: list[tuple[str, bytes]] = []
    for _ in range(60):
        name = dice.choice("abc")
        _act(colos[name], dice)
        if dice.random() < 0.3:
            source, target = dice.sample("abc", 2)
            flying.append((target, cut(colos[source], colos[target])))
        for source in "abc":
            flying += [
                (t, data) for data in sent[source] for t in "abc" if t != source for _ in range(dice.randrange(3))
            ]
            sent[source].clear()
        for _ in range(dice.randrange(4)):
            if flying:
                target, data = (
                    flying[dice.randrange(len(flying))]
                    if dice.random() < 0.3
                    else flying.pop(dice.randrange(len(flying)))
                )
                arrive(colos[target], data)
        if dice.random() < 0.05:
            colos.purge(wait=0.1)
    dice.shuffle(flying)
    for target, data in flying:
        arrive(colos[target], data)
    colos.meet()
    colos.check()
    assert len({kv.digest() for kv in colos.values()}) == 1 or len({kv.floor for kv in colos.values()}) > 1
    colos.purge(wait=0.1)
    assert len({(kv.digest(), kv.floor) for kv in colos.values()}) == 1
    for key in KINDS:
        colos.read(key)


KINDS = {"reg": "lww", "multi": "mv", "n": "counter", "tags": "set", "row": "list", "doc": "json", "on": "flag"}


def _act(kv: crdtkv.Store, dice: random.Random) -> None:
    """One random write."""
    v = dice.randrange(5)
    acts: list[Callable[[], Any]] = [
        lambda: kv.put("reg", v),
        lambda: kv.delete("reg"),
        lambda: kv.put("multi", v),
        lambda: kv.counter("n").add(v),
        lambda: kv.counter("n").reset(),
        lambda: kv.set("tags").add(v),
        lambda: kv.set("tags").remove(v),
        lambda: kv.list("row").append(v),
        lambda: kv.put("row", [v]),
        lambda: kv.put("doc", {"a": {"b": v}, "l": list(range(v))}),
        lambda: kv.json("doc").at("/a").delete(),
        lambda: kv.json("doc").at("/a/c").put(v),
        lambda: kv.flag("on").enable(),
        lambda: kv.flag("on").disable(),
        lambda: kv.delete(dice.choice(list(KINDS))),
        lambda: kv.put("doc", [v, {"x": v}]),
    ]
    with suppress(crdtkv.BadRequest):  # an operation that does not fit what stands there now
        dice.choice(acts)()


@pytest.mark.parametrize("strategy", ["lww", "json", "mv"])
def test_case_23_equal_stamps(strategy: str) -> None:
    """A tie goes by replica, the same everywhere, whoever hears of whom first."""
    for first in ("ab", "ba"):
        now = [1_767_261_600.0]
        stores = {n: crdtkv.open(colo=n, clock=lambda now=now: now[0], random=random.Random(n)) for n in "abc"}
        stores["a"].sync(stores["b"])
        stores["a"].sync(stores["c"])
        stores["b"].sync(stores["a"])
        for kv in stores.values():
            kv._replica.state.clock = 0
        now[0] += 5
        for n in "ab":
            stores[n].put("k", f"from {n}", strategy=strategy)
        stamps = {stores[n].get("k").stamp for n in "ab"}
        assert len(stamps) == 1
        for n in first:
            stores["c"].sync(stores[n])
        stores["a"].sync(stores["b"])
        stores["a"].sync(stores["c"])
        assert {kv["k"] for kv in stores.values()} == {"from b"}


def test_case_23_the_same_value_twice_shows_once() -> None:
    colos = Colos("a", "b", "c")
    for n in "abc":
        colos[n].put("k", {"v": 1}, strategy="mv")
    colos.meet()
    assert colos["a"].get("k").siblings == ({"v": 1},)
    colos["a"].put("k", 2)
    colos["b"].put("k", 2)
    colos["c"].put("k", 2.0)
    colos.meet()
    assert sorted(map(repr, colos["b"].get("k").siblings)) == ["2", "2.0"]


def test_case_48_a_thousand_puts_on_one_old_base() -> None:
    """lww one sibling; mv refuses beyond 64; set elements one sibling each."""
    for strategy in ("lww", "mv", "set", "list", "json", "counter"):
        kv = crdtkv.open(colo="a")
        kv.rules.set("k", strategy, keep_cells=5000)
        first = 0 if strategy == "counter" else ["s"] if strategy in ("set", "list", "json") else "s"
        base = kv.put("k", first).version
        refused = 0
        for i in range(1000 if LONG else 150):
            value: Any = (
                1
                if strategy == "counter"
                else ["s", "e"]
                if strategy == "set"
                else ["s", i]
                if strategy in ("list", "json")
                else i
            )
            try:
                kv.put("k", value, base=base)
            except TooManySiblings:
                refused += 1
        most = max(len(cell) for cell in kv._replica.storage.cells("k").values())
        assert most <= (64 if strategy == "mv" else 1), strategy
        assert bool(refused) == (strategy == "mv")
        if strategy == "counter":
            assert kv["k"] == (1000 if LONG else 150)


def test_case_52_parts_of_a_catch_up_while_writes_go_on() -> None:
    """Catch-ups cut at different moments arrive in any order, twice: nothing is lost and nothing stands twice."""
    for order in itertools.permutations(range(4)):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        pages = []
        for i in range(4):
            a.list("l").append(i)
            a.put("k", i)
            if i == 2:
                a.list("l").remove(0)
            pages.append(cut(a, b))
        for at in (*order, *order):
            arrive(b, pages[at])
        assert b["l"] == a["l"] and b["k"] == 3
        assert b.digest() == a.digest()
        colos.check()
