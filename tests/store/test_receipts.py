"""Receipts: the value at their version, read when it is asked for; and void if their transaction was undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, BaseTooOld, StoreClosed

Opened = Callable[..., crdtkv.Store]

WRITES: dict[str, tuple[Callable[[crdtkv.Store], Any], Any]] = {
    "set": (lambda kv: kv.set("k").add("a"), ["a"]),
    "list": (lambda kv: kv.list("k").append("a"), ["a"]),
    "log": (lambda kv: kv.log("k").append("a"), ["a"]),
    "counter": (lambda kv: kv.counter("k").add(2), 2),
    "flag": (lambda kv: kv.flag("k").enable(), True),
    "json": (lambda kv: kv.json("k").at("/m").put({"x": 1}), {"m": {"x": 1}}),
    "array": (lambda kv: kv.json("k").list("/l").append(1, 2), {"l": [1, 2]}),
    "put": (lambda kv: kv.put("k", {"a": [1]}), {"a": [1]}),
    "patch": (lambda kv: kv.patch("k", {"a": 1}), {"a": 1}),
}


@pytest.mark.parametrize("write", WRITES)
def test_the_value_is_that_of_the_version(kv: crdtkv.Store, write: str) -> None:
    """At once, and after the key has changed, was deleted, and was made anew."""
    act, value = WRITES[write]
    receipts = [act(kv)]
    assert receipts[0].value == value == kv["k"]
    kv.delete("k")
    for _ in range(2):
        receipts.append(act(kv))
        act(kv)
    kv.delete("k")
    kv.put("k", "something else", strategy="lww")
    assert receipts[1].value == value
    assert kv.get("k", at=receipts[2].version).value == receipts[2].value  # type: ignore[union-attr]


def test_the_value_stays_what_it_was_when_it_was_read(kv: crdtkv.Store) -> None:
    """One reading: the same object, whatever comes."""
    receipt = kv.set("k").add("a")
    first = receipt.value
    kv.set("k").add("b")
    assert receipt.value is first and first == ["a"]


def test_it_is_of_its_own_write_whatever_arrives(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    receipt = lhr.set("k").add("a")
    lhr.sync(sin)
    sin.set("k").add("b")
    lhr.sync(sin)
    assert lhr["k"] == ["a", "b"] and receipt.value == ["a"]


def test_where_no_history_is_kept(opened: Opened) -> None:
    """Who asks too late is told so, with what is there now; a put was read when it was done."""
    kv = opened("lhr", history=False)
    put, added = kv.put("k", ["a"], strategy="set"), kv.set("k").add("b")
    kv.delete("k")
    assert put.value == ["a"]
    with pytest.raises(BaseTooOld):
        _ = added.value


def test_after_close(opened: Opened) -> None:
    kv = opened("lhr")
    receipt = kv.set("k").add("a")
    kv.close()
    assert receipt.version and receipt.strategy == "set"
    with pytest.raises(StoreClosed):
        _ = receipt.value


def test_in_a_transaction(kv: crdtkv.Store) -> None:
    """All its writes of a key have one version: the value is that of the whole, once it has ended."""
    with kv.transaction() as t:
        first, second = t.set("k").add("a"), t.set("k").add("b")
        assert second.value == ["a", "b"]
        third = t.set("k").add("c")
    kv.set("k").add("d")
    assert first.version == second.version == third.version
    assert first.value == third.value == ["a", "b", "c"]
    assert second.value == ["a", "b"]


def test_of_a_transaction_that_was_undone(kv: crdtkv.Store) -> None:
    """Its version is the next transaction's, so it must not pass for one."""
    with pytest.raises(RuntimeError), kv.transaction() as t:
        void = [t.put("k", 1), t.counter("n").add(1)]
        raise RuntimeError("given up")
    taken = kv.put("k", 2)
    for receipt in void:
        for ask in (lambda r=receipt: r.version, lambda r=receipt: r.value):
            with pytest.raises(BadRequest, match="was undone"):
                ask()
    assert repr(void[0]).startswith("Receipt(key='k'") and taken.value == 2


def test_writes_that_change_nothing(kv: crdtkv.Store) -> None:
    """Nothing there: no strategy, no value. Something there: what there is."""
    nothing = kv.delete("k")
    assert (nothing.value, nothing.strategy) == (None, "")
    kv.set("k").add("a")
    same = kv.set("k").remove("b")
    kv.set("k").add("c")
    assert same.value == ["a"]


def test_with_an_expiry_date(kv: crdtkv.Store, clock: Any) -> None:
    """A version reads the same for ever, also behind its date."""
    kv.put("k", ["a"], strategy="set", ttl=10)
    receipt = kv.set("k").add("b")
    clock.now += 20
    assert "k" not in kv and receipt.value == ["a", "b"]


def test_of_a_repeated_put_in_a_transaction(kv: crdtkv.Store) -> None:
    """Void if the first try was in the one that was undone; not if that was committed before."""
    kv.put("before", 1, idempotency_key="before")
    with pytest.raises(RuntimeError), kv.transaction() as t:
        t.put("k", 1, idempotency_key="in it")
        void, standing = t.put("k", 1, idempotency_key="in it"), t.put("before", 1, idempotency_key="before")
        raise RuntimeError("given up")
    assert standing.value == 1 and standing.version
    with pytest.raises(BadRequest, match="was undone"):
        _ = void.version


def test_of_a_put_tried_again_later(kv: crdtkv.Store) -> None:
    """The same receipt: version, strategy and value of then, whatever became of the key."""
    first = kv.put("k", ["b", "a"], strategy="set", idempotency_key="try")
    kv.set("k").add("c")
    again = kv.put("k", ["b", "a"], strategy="set", idempotency_key="try")
    assert (again.version, again.strategy, again.value) == (first.version, "set", ["a", "b"])
    kv.delete("k")
    gone = kv.put("k", ["b", "a"], strategy="set", idempotency_key="try")
    assert gone.value == ["a", "b"] and "k" not in kv
