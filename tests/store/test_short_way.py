"""The short way of a put leaves what the long way leaves: two stores with one clock and one random, one of each."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crdtkv
from crdtkv.core.blob import Blob
from crdtkv.core.clocks import make_stamp
from crdtkv.errors import BaseRequired, CrdtkvError
from crdtkv.replica import leaf
from crdtkv.replica.draft import Draft
from crdtkv.store import plain
from crdtkv.store.operations import Operations
from crdtkv.strategies.base import Operation

KINDS = ("counter", "set", "list", "log")
KEYS = ("a", "b", "lww/a", "mv/a", "max/a", "words/a", "base/a")
VALUES = (0, 1, "x", None, True, 1.5, [], [1, 2], {}, {"x": 1}, b"\x00", "long " * 40)
RULES: dict[str, dict[str, Any]] = {
    "lww/*": {"strategy": "lww", "keep_cells": 2}, "mv/*": {"strategy": "mv"}, "max/*": {"strategy": "max"},
    "words/*": {"strategy": "json", "strings": "words"}, "base/*": {"strategy": "json", "require_base": True},
}  # fmt: skip

PUT = st.tuples(st.just("put"), st.sampled_from(KEYS), st.sampled_from(VALUES))
ELSE = st.tuples(
    st.sampled_from(
        ["until", "until", "stays", "update", "delete", "expire", "based", "wait", "away", "meet", "compact", "patch",
         "lww"]
    ),
    st.sampled_from(KEYS), st.sampled_from(VALUES),
)  # fmt: skip
OPERATIONS = st.sampled_from([
    ("counter", "add", 1), ("counter", "add", -2), ("counter", "reset"), ("set", "add", "x"), ("set", "add", "y", "z"),
    ("set", "remove", "x"), ("set", "clear"), ("list", "append", 1), ("list", "append", 2, 3), ("list", "prepend", 4),
    ("list", "append", *range(20)), ("list", "insert", 0, 5), ("list", "insert", 1, 6, 7), ("list", "insert", -1, 8),
    ("list", "set", 0, 9), ("list", "set", -1, [1]), ("list", "set", 1, 9),
    ("list", "move", 0, 1), ("list", "remove", 0), ("list", "clear"), ("log", "append", 1), ("removes", "add", "x"),
    ("set", "add", *"xabcdefghijklmnopqrs"),
    ("removes", "remove", "x"), ("list@log", "append", 1), ("counter", "add", "wrong"),
    ("set", "add"), ("set", "append", 1),
])  # fmt: skip
OPERATE = st.tuples(st.just("operate"), OPERATIONS, st.booleans())
ONE = st.one_of(PUT, PUT, OPERATE, OPERATE, ELSE)
SCRIPT = st.lists(st.one_of(ONE, st.lists(ONE, max_size=6)), max_size=25)


def _put_until(key: str, value: Any, seconds: int | None, draft: Draft) -> None:
    """As the Redis door does it."""
    date = None if seconds is None else draft.stamp + make_stamp(seconds * 1000)
    if leaf.put_until(draft, key, value, None, date):
        return
    if draft.rule_of(key).require_base and draft.replica.shown(key, draft.stamp):
        raise BaseRequired(key)
    if date is None:
        draft.expire(key, None)
    draft.operate(key, Operation("put", (value,)))
    if date is not None:
        draft.expire(key, date)


class Pair:
    """A store and a peer of it, and what was said of each act."""

    def __init__(self, history: bool) -> None:
        self.now = 1_700_000_000.0
        self.here, self.there = (
            crdtkv.open(colo=colo, clock=lambda: self.now, random=Random(colo), history=history, purge_step_ms=1)
            for colo in ("lhr", "sin")
        )
        self.here.sync(self.there)
        self.said: list[Any] = []
        self.bytes: list[bytes] = []
        self.here.on_commit.append(lambda record, data: self.bytes.append(data))
        self.versions: dict[str, str] = {}
        for pattern, rule in RULES.items():
            self.here.rules.set(pattern, **rule)

    def act(self, kv: Any, act: tuple[str, str, Any]) -> None:
        try:
            self.said.append(self._do(kv, *act))
        except CrdtkvError as error:
            self.said.append(repr(error))

    def _do(self, kv: Any, name: str, key: Any, value: Any) -> Any:
        match name:
            case "operate":
                kind, name, *args = key
                family, _, at = kind.partition("@")
                if value and kv is self.here:
                    return self.there.operate(at or kind, family.replace("removes", "set"), name, *args).version
                receipt = kv.operate(at or kind, family.replace("removes", "set"), name, *args)
                return receipt.version, receipt.value, receipt.strategy
            case "put":
                receipt = kv.put(key, value)
                self.versions.setdefault(key, receipt.version)
                return receipt.version, receipt.value, receipt.strategy, receipt.key
            case "update":
                return kv.update({key: value})
            case "delete":
                return kv.delete(key).version
            case "expire":
                return kv.expire(key, 20).version
            case "until" | "stays":
                return kv._run(partial(_put_until, key, value, 3 if name == "until" else None))
            case "based":
                return kv.put(key, value, base=self.versions.get(key)).value
            case "lww":
                receipt = kv.put(key, value, strategy="lww")
                return receipt.version, receipt.value, receipt.strategy
            case "patch":
                return kv.patch(key, {"y": 1}).value
            case "wait":
                self.now += 7
                return None
        if kv is not self.here:
            return None
        return self._outside(name, key, value)

    def _outside(self, name: str, key: str, value: Any) -> Any:
        if name == "away":
            return self.there.put(key, value).version
        self.now += 1
        reports = [self.here.sync(self.there) for _ in range(2)]
        if name == "compact":
            return [kv.compact() for kv in (self.here, self.there)]
        return [report.equal for report in reports]

    def everything(self) -> Any:
        storage: Any = self.here._replica.storage
        tables = (storage._cells, storage._contexts, storage._past, storage._horizons, storage._inbox)
        return (
            self.said, self.bytes, self.here.digest(), self.here.vector, self.here.check(),
            # (How much of the state is written, and how much is its tip, hangs on the way.)
            self.here._replica.state.to_plain(), {name for name in storage._meta if name != "state"},
            [{key: _ordered(row) for key, row in table.items()} for table in tables],
            sorted(storage.beyond({})), storage.due(1 << 62), [repr(e) for e in self.here.scan()],
            [repr(self.here.history(key)) for key in (*KEYS, *KINDS)],
        )  # fmt: skip


def _ordered(row: Any) -> Any:
    return sorted(row.items()) if isinstance(row, dict) and all(isinstance(at, bytes) for at in row) else row


def played(script: list[Any], history: bool) -> Any:
    pair = Pair(history)
    for step in script:
        if isinstance(step, tuple):
            pair.act(pair.here, step)
            continue
        with pair.here.transaction() as t:
            for act in step:
                pair.act(t, act)
    return pair.everything()


@given(SCRIPT, st.booleans())
def test_both_ways_leave_the_same(script: list[Any], history: bool) -> None:
    short = played(script, history)
    with patch.multiple(plain, put=_put_long, operate=_operate_long), patch.object(leaf, "put_until", _never):
        assert played(script, history) == short


def _never(*given: Any) -> None:
    """The short way is not taken."""


def _put_long(of: Any, key: str, value: Any, spec: str | None, draft: Draft) -> Any:
    value = Blob(value) if isinstance(value, bytes) else value
    return of._writing(key, Operation("put", (value,)), None, spec, None, whole=True)(draft)


def _operate_long(of: Any, key: str, name: str, args: tuple[Any, ...], family: str | None, draft: Draft) -> Any:
    return of._writing(key, Operation(name, args), None, None, family)(draft)


@pytest.mark.parametrize("value", [1, "x", None])
@pytest.mark.parametrize("key", ["a", "lww/a", "mv/a"])
def test_most_puts_go_the_short_way(key: str, value: Any) -> None:
    """New and again, in a transaction of its own and in one of many."""
    pair = Pair(True)
    with patch.object(Operations, "_writing", side_effect=AssertionError("the long way")):
        pair.here.put(key, value)
        pair.here.put(key, 2)
        with pair.here.transaction() as t:
            t.put(key, value)
            t.put(key, 2)
            t.update({key: value})


@pytest.mark.parametrize(
    "act",
    [("counter", "add", 1), ("set", "add", "x"), ("list", "append", 1), ("list", "insert", 0, 1), ("log", "append", 1)],
)
def test_most_operations_go_the_short_way(act: tuple[Any, ...]) -> None:
    """The first, which makes the key, and all others."""
    pair = Pair(True)
    with patch.object(Operations, "_writing", side_effect=AssertionError("the long way")):
        for _ in range(20):
            pair.here.operate(act[0], *act)
