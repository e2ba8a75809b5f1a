"""Every argument of every call, given everything that it is not: an error of the tree or a use, never Python's own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import crdtkv
from crdtkv.strategies import merge, registry
from crdtkv.strategies.base import Operation

ODD: list[Any] = [
    None, 5, -1, True, 1.5, float("nan"), float("inf"), b"x", "x", "", [], ["x"], {}, {"a": 1}, object(), "\ud800",
    2**80, (1,), dict, "²", "/a/²", 10**5_000, "long" * 50_000,
]  # fmt: skip
Call = Callable[[crdtkv.Store, Any], Any]
STRATEGIES = (
    "lww", "mv", "max", "latch?order=a,b", "flag", "counter", "set", "list", "log", "json", "words", "hash", "zset"
)  # fmt: skip
FAMILIES = [s.partition("?")[0] for s in STRATEGIES]
OPERATIONS = [(s, name) for s in FAMILIES for name in registry.find(s).operations]

CALLS: dict[str, Call] = {
    "put key": lambda kv, x: kv.put(x, 1),
    "put value": lambda kv, x: kv.put("new", x),
    "put base": lambda kv, x: kv.put("k", 1, base=x),
    "put strategy": lambda kv, x: kv.put("k", 1, strategy=x),
    "put ttl": lambda kv, x: kv.put("lw", 1, ttl=x),
    "put if_version": lambda kv, x: kv.put("k", 1, if_version=x),
    "put idempotency_key": lambda kv, x: kv.put("k", {"n": 1}, idempotency_key=x),
    "put all with an idempotency key": lambda kv, x: kv.put(
        "new", x, base=x, strategy=x, if_version=x, idempotency_key="once"
    ),
    "delete key": lambda kv, x: kv.delete(x),
    "delete base": lambda kv, x: kv.delete("mx", base=x),
    "patch": lambda kv, x: kv.patch("k", x),
    "patch operation": lambda kv, x: kv.patch("k", [x]),
    "patch path": lambda kv, x: kv.patch("k", [{"op": "add", "path": x, "value": 1}]),
    "expire": lambda kv, x: kv.expire("lw", x),
    "operate family": lambda kv, x: kv.operate("k", x, "put", 1),
    "operate name": lambda kv, x: kv.operate("k", "json", x, 1),
    "operate one": lambda kv, x: kv.operate("k", "json", "at", x),
    "operate three": lambda kv, x: kv.operate("k", "json", "at", x, x, x),
    "operate inner": lambda kv, x: kv.operate("k", "json", "at", ("a",), "json", x),
    "operate inner args": lambda kv, x: kv.operate("k", "json", "at", ("a",), "json", Operation("put", x)),
    "operate path": lambda kv, x: kv.operate("k", "json", "at", x, "json", Operation("put", (1,))),
    "get": lambda kv, x: kv.get(x),
    "get at": lambda kv, x: kv.get("k", at=x),
    "get_many": lambda kv, x: kv.get_many(x),
    "scan prefix": lambda kv, x: kv.scan(x),
    "scan glob": lambda kv, x: kv.scan(glob=x),
    "scan regex": lambda kv, x: kv.scan(regex=x),
    "scan start": lambda kv, x: kv.scan(start=x),
    "scan end": lambda kv, x: kv.scan(end=x),
    "scan limit": lambda kv, x: kv.scan(limit=x),
    "scan reverse": lambda kv, x: kv.scan(reverse=x),
    "scan cursor": lambda kv, x: kv.scan(cursor=x),
    "keys prefix": lambda kv, x: list(kv.keys(x)),
    "in": lambda kv, x: (x in kv, x in kv.keys("k"), x in kv.values(), x in kv.items(), (x, 1) in kv.items()),
    "history": lambda kv, x: kv.history(x),
    "diff": lambda kv, x: kv.diff("k", x, x),
    "diff of a blob": lambda kv, x: kv.diff("blob", None),
    "blame": lambda kv, x: kv.blame(x),
    "revert": lambda kv, x: kv.revert("k", x),
    "conflicts": lambda kv, x: kv.conflicts(x),
    "sync": lambda kv, x: kv.sync(x),
    "watch": lambda kv, x: list(kv.watch(x, timeout=0)),
    "evict": lambda kv, x: kv.evict(x),
    "resolve": lambda kv, x: kv.resolve(x),
    "rules.set pattern": lambda kv, x: kv.rules.set(x, "set"),
    "rules.set strategy": lambda kv, x: kv.rules.set("q*", x),
    "rules.set paths": lambda kv, x: kv.rules.set("q*", "json", paths=x),
    "rules.set path": lambda kv, x: kv.rules.set("q*", "json", paths={x if x.__hash__ else "x": "set"}),
    "rules.set at path": lambda kv, x: kv.rules.set("q*", "json", paths={"/x": x}),
    "rules.set list key": lambda kv, x: kv.rules.set("q*", "json", paths={"/x": {"list": {"key": x}}}),
    "rules.set ttl": lambda kv, x: kv.rules.set("q*", "json", ttl=x),
    "rules.set keep_cells": lambda kv, x: kv.rules.set("q*", "json", keep_cells=x),
    "rules.set keep_hours": lambda kv, x: kv.rules.set("q*", "json", keep_hours=x),
    "rules.set option": lambda kv, x: kv.rules.set("q*", "set", wins=x),
    "rules.remove": lambda kv, x: kv.rules.remove(x),
    "rules.of": lambda kv, x: kv.rules.of(x),
    "rules.migrate": lambda kv, x: kv.rules.migrate(x),
    "handle key": lambda kv, x: kv.counter(x).value,
    "counter": lambda kv, x: kv.counter("c").add(x),
    "set": lambda kv, x: (x in kv.set("s"), kv.set("s").add(x), kv.set("s").remove(x)),
    "set put": lambda kv, x: kv.set("s").put(x),
    "list append": lambda kv, x: (kv.list("l").append(x), x in kv.list("l")),
    "list insert": lambda kv, x: kv.list("l").insert(x, 1),
    "list remove": lambda kv, x: kv.list("l").remove(x),
    "list set": lambda kv, x: kv.list("l").set(x, 1),
    "list move": lambda kv, x: kv.list("l").move(x, x),
    "log trim": lambda kv, x: kv.log("g").trim(x),
    "log range": lambda kv, x: kv.log("g").range(x, x),
    "json get": lambda kv, x: kv.json("k").get(x),
    "json at": lambda kv, x: kv.json("k").at(x).put(1),
    "open path": lambda kv, x: crdtkv.open(x if not isinstance(x, str | bytes) else ":memory:", colo="x"),
    "open colo": lambda kv, x: crdtkv.open(colo=x),
    "open namespace": lambda kv, x: crdtkv.open(colo="x", namespace=x),
    "open history": lambda kv, x: crdtkv.open(colo="x", history=x),
    "open clock": lambda kv, x: crdtkv.open(colo="x", clock=x),
    "open clock that says": lambda kv, x: crdtkv.open(colo="x", clock=lambda: x),
    "open random": lambda kv, x: crdtkv.open(colo="x", random=x),
    "open cache_mb": lambda kv, x: crdtkv.open(colo="x", cache_mb=x),
    "open purge_step_ms": lambda kv, x: crdtkv.open(colo="x", purge_step_ms=x).compact(),
    "register": lambda kv, x: crdtkv.register(x),
    "register_merge name": lambda kv, x: crdtkv.register_merge(x, lambda b, mine, theirs: theirs),
    "register_merge function": lambda kv, x: crdtkv.register_merge("odd", x),
    "register_merge samples": lambda kv, x: crdtkv.register_merge("odd", lambda b, m, t: m if t == b else t, samples=x),
    **{f"put as {s}": lambda kv, x, s=s: kv.put(f"as {s}", x, strategy=s) for s in STRATEGIES},
    **{f"put in a list as {s}": lambda kv, x, s=s: kv.put(f"as {s}", [x], strategy=s) for s in STRATEGIES},
    **{f"{op} of a {s}": lambda kv, x, s=s, op=op: kv.operate(f"o {s}", s, op, x) for s, op in OPERATIONS},
    **{f"{op} two of a {s}": lambda kv, x, s=s, op=op: kv.operate(f"o {s}", s, op, x, x) for s, op in OPERATIONS},
}


@pytest.fixture(scope="module")
def shared() -> Iterator[crdtkv.Store]:
    kv = crdtkv.open(colo="lhr", random=random.Random(1))
    before = dict(merge._functions)
    yield kv
    merge._functions.clear()
    merge._functions.update(before)
    assert kv.check() == []


@pytest.mark.parametrize("name", CALLS)
def test_every_odd_argument(shared: crdtkv.Store, name: str) -> None:
    """And whatever it was, the store is as good as before."""
    kv = shared
    with kv.transaction() as t:
        t.clear()
        t.put("k", {"a": [1, 2], "n": 1})
        t.put("mx", 5, strategy="max")
        t.put("blob", b"abc")
        t.put("lw", {"x": 1}, strategy="lww")
        t.set("s").add("a")
        t.list("l").append(1, 2)
        t.counter("c").add(2)
        t.log("g").append(1)
    for odd in ODD:
        try:
            CALLS[name](kv, odd)
        except crdtkv.CrdtkvError as error:
            assert error.next_step and error.happened == "no"
            assert 0 < len(str(error)) < 600, "what is shown of it is short"
    assert kv.put("after", name).value == name
