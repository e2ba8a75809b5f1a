"""Keys: when they end, their types, scans, copies."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.doors.redis.conftest import Colo, left


def test_dates(r: Any) -> None:
    assert r.ttl("a") == -2 and r.expire("a", 10) is False
    r.set("a", 1)
    assert r.ttl("a") == -1 and r.expire("a", 100) and left(r.ttl("a"), 100)
    assert r.pexpire("a", 50_000) and 41_000 < r.pttl("a") <= 50_000
    assert r.expireat("a", 33177117420) and r.expiretime("a") == 33177117420
    assert r.persist("a") and r.persist("a") is False and r.ttl("a") == -1
    assert r.expire("a", -1) and r.exists("a") == 0


def test_conditions_of_dates(r: Any) -> None:
    r.set("a", 1)
    assert not r.expire("a", 10, xx=True) and not r.expire("a", 10, gt=True)
    assert r.expire("a", 50, nx=True) and not r.expire("a", 60, nx=True)
    assert not r.expire("a", 40, gt=True) and r.expire("a", 60, gt=True) and left(r.ttl("a"), 60)
    assert not r.expire("a", 70, lt=True) and r.expire("a", 30, lt=True, xx=True) and left(r.ttl("a"), 30)
    for flags in ("NX XX", "GT LT", "NX GT", "FOO"):
        with pytest.raises(redis.ResponseError):
            r.execute_command("EXPIRE", "a", 5, *flags.split())


def test_what_has_ended_is_gone(colo: Colo) -> None:
    r = colo.client()
    r.set("a", 1, px=1)
    while r.exists("a"):
        pass
    assert r.get("a") is None and r.incr("a") == 1 and r.ttl("a") == -1


def test_what_has_ended_is_gone_also_where_it_was_read_often(r: Any) -> None:
    r.set("a", 1, px=300)
    seen = {r.get("a") for _ in range(5)}
    while r.get("a") is not None:
        pass
    assert seen <= {b"1", None} and r.exists("a") == 0
    r.set("a", 2, ex=100)
    assert {r.get("a") for _ in range(5)} == {b"2"}
    r.set("a", 3)
    assert {r.get("a") for _ in range(5)} == {b"3"}
    r.expire("a", 100)
    assert {r.get("a") for _ in range(5)} == {b"3"} and r.delete("a") and r.get("a") is None


def test_a_scan_tells_each_key_once(r: Any) -> None:
    names = {f"key:{i}".encode() for i in range(150)}
    r.mset(dict.fromkeys(names, 1))
    found = list(r.scan_iter(match="key:*", count=7))
    assert set(found) == names and len(found) == len(names)
    assert sorted(r.keys("key:1?")) == [b"key:1%d" % i for i in range(10)]
    assert set(r.scan_iter(match="key:[12]")) == {b"key:1", b"key:2"}
    assert set(r.scan_iter(_type="string", match="key:1")) == {b"key:1"}
    assert r.dbsize() >= 150 and r.randomkey() is not None
    with pytest.raises(redis.ResponseError, match="invalid cursor"):
        r.execute_command("SCAN", "12345")


def test_copies(r: Any) -> None:
    r.set("a", "1", ex=100)
    assert r.rename("a", "b") and r.get("b") == b"1" and left(r.ttl("b"), 100) and not r.exists("a")
    r.set("c", "2")
    assert r.renamenx("b", "c") is False
    assert r.copy("b", "c") is False and r.copy("b", "c", replace=True) and r.get("c") == b"1"
    with pytest.raises(redis.ResponseError, match="no such key"):
        r.rename("nothing", "x")
    r.incr("n", 5)
    assert r.copy("n", "m") and r.incr("m") == 6 and r.get("n") == b"5"


def test_flushing_and_namespaces(colo: Colo) -> None:
    r, three = colo.client(), colo.client(db=3)
    r.set("a", 1)
    three.set("a", 3)
    assert colo.node.store("db3")["a"] == "3"
    assert r.get("a") == b"1" and three.get("a") == b"3"
    assert r.flushdb() and r.dbsize() == 0 and three.dbsize() == 1
    with pytest.raises(redis.ResponseError, match="out of range"):
        r.execute_command("SELECT", 99)
    r.set("a", 1)
    assert r.flushall() and r.dbsize() == 0 and three.dbsize() == 0
    three.set("a", 3)
    r.execute_command("SELECT", "db3")
    assert r.get("a") == b"3"


def test_what_is_told_of_keys(r: Any) -> None:
    r.set("a", "x")
    assert r.type("a") == b"string" and r.type("nothing") == b"none" and r.touch("a", "b") == 1
    assert r.object("encoding", "a") == b"raw" and r.object("refcount", "a") == 1 and r.object("idletime", "a") == 0
    assert r.memory_usage("a") > 0 and r.memory_usage("nothing") is None
