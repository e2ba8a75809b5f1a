"""Deletes and purges: nothing comes back, nothing is left, and never half of anything."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import pytest

import crdtkv
from tests.colos import Colos, arrive, cells, cut

LONG = os.environ.get("CRDTKV_LAWS") == "long"


def test_case_26_nothing_is_left() -> None:
    """1,000 add+remove in a set and 1,000 put+delete of keys: after the purge the store is as small as before."""
    colos = Colos("a", "b")
    colos["a"].set("tags").add("stays")
    colos.meet()
    size = {n: _weight(kv) for n, kv in colos.items()}
    for i in range(1000 if LONG else 200):
        kv = colos["ab"[i % 2]]
        kv.set("tags").add(i)
        kv.set("tags").remove(i)
        kv.put(f"k{i}", i)
        kv.delete(f"k{i}")
    colos.purge()
    colos.clock.wait(25 * 3600)
    colos.purge()
    assert {n: _weight(kv) for n, kv in colos.items()} == size
    assert colos.read("tags") == ["stays"]


def _weight(kv: crdtkv.Store) -> dict[str, int]:
    """Rows of each table but the system keys' and meta; the horizon of a key that stands is part of it."""
    storage = kv._replica.storage
    keys = [k for k in storage.keys("", None) if k >= "\x01"]
    past = [k for k in storage.past_keys() if k >= "\x01" and k not in keys]
    return {
        "keys": len(keys),
        "cells": sum(len(storage.cells(k)) for k in keys),
        "past": sum(len(rows) for k in past for rows in storage.past(k).values()),
        "past keys": len(past),
        "inbox": len(storage.inbox()),
    }


def test_case_41_join_first_purge_after() -> None:
    """X has the tombstone, Y's concurrent add is later; A has both and purged to between: X reads what A reads."""
    colos = Colos("a", "x", "y")
    a, x, y = colos["a"], colos["x"], colos["y"]
    a.rules.set("s", "set", wins="remove")
    a.set("s").add("e")
    colos.meet()
    removed = a.set("s").remove("e")
    assert removed.value is None and arrive(x, cut(a, x)) == "absorbed"
    colos.clock.wait(10)
    for source, target in ((y, x), (a, x), (x, a)):  # x has heard both, and y knows of no remove
        arrive(target, cut(source, target))
    colos.clock.wait(10)
    y.set("s").add("e")
    for source, target in ((y, a), (a, y), (y, a)):
        arrive(target, cut(source, target))
    before = a.floor
    a.compact()
    assert a.floor > before
    assert arrive(x, cut(a, x)) == "absorbed"
    colos.check()
    assert a.get("s") == x.get("s") is None
    colos.meet()
    colos.purge()
    assert len({kv.digest() for kv in colos.values()}) == 1
    assert colos.read("s") is None


@pytest.mark.parametrize("order", list(itertools.permutations(["ab", "bc", "ac"])))
@pytest.mark.parametrize("wins", ["json", "json?wins=delete"])
@pytest.mark.parametrize("again", [False, True])
def test_case_44_whole_or_gone(order: Sequence[str], wins: str, again: bool) -> None:
    """An element is deleted at one colo and edited at another; purges at every step: never half of it."""
    colos = Colos("a", "b", "c")
    colos["a"].put("doc", {"e": {"a": 1, "b": 2}, "x": 0}, strategy=wins)
    colos.meet()
    colos["a"].json("doc").at("/e").delete()
    colos["b"].json("doc").at("/e/a").put(9)
    for pair in (*order, *order):
        colos[pair[0]].sync(colos[pair[1]])
        colos.clock.wait(20)
        for kv in colos.values():
            kv.compact()
            found = kv["doc"].get("e")
            assert found in (None, {"a": 1, "b": 2}, {"a": 9, "b": 2}), found
    colos.meet()
    colos.check()
    assert colos.read("doc").get("e") == (None if "wins" in wins else {"a": 9, "b": 2})
    if again:
        colos["c"].json("doc").at("/e").delete()
        colos.meet()
        colos["c"].json("doc").at("/e").put({"n": 1})
        colos.meet()
        assert colos.read("doc")["e"] == {"n": 1}
        colos.purge()
        assert colos.read("doc")["e"] == {"n": 1}


def test_case_53_hidden_leaves_do_not_reappear() -> None:
    """P purges a deleted container and creates it again; Q still holds the hidden leaves and catches up from P."""
    colos = Colos("p", "q")
    p, q = colos["p"], colos["q"]
    p.put("doc", {"c": {"old": 1, "deep": {"older": 2}}}, strategy="json")
    colos.meet()
    p.json("doc").at("/c").delete()
    colos.clock.wait(20)
    colos.meet()
    colos.clock.wait(20)
    p.sync(q)
    p.compact()
    p.json("doc").at("/c").put({"new": 1})
    message = cut(p, q)
    assert arrive(q, message) == "absorbed"
    assert q["doc"] == p["doc"] == {"c": {"new": 1}}
    colos.meet()
    colos.purge()
    assert p.digest() == q.digest()
    colos.check()


@pytest.mark.parametrize("strategy", ["lww", "set", "json", "list", "mv"])
def test_case_54_one_re_creates_before_its_purge_one_after(strategy: str) -> None:
    """Two colos write a wholly deleted key, one before its own purge, one after: equal cells, contexts, digests."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    for kv in (a, b):
        kv.put("k", ["x"], strategy=strategy)
        kv.sync(b if kv is a else a)
    a.delete("k")
    colos.clock.wait(20)
    colos.meet()
    colos.clock.wait(20)
    colos.meet()
    b.put("k", ["from b"], strategy=strategy)
    a.compact()
    assert cells(a, "k") == 0
    a.put("k", ["from a"], strategy=strategy)
    colos.meet()
    colos.check()
    assert a.get("k") == b.get("k")
    colos.purge()
    assert a.digest() == b.digest() and a.get("k") == b.get("k")
    assert a._replica.storage.context("k") == b._replica.storage.context("k")
