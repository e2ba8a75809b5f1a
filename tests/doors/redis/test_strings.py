"""Strings and counters, by redis-py, and what Redis' own documentation says of them."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from crdtkv.doors.redis.at import At
from tests.doors.redis.conftest import Colo, left


def test_what_is_set_is_read(r: Any) -> None:
    assert r.get("a") is None
    assert r.set("a", b"\xff\x00bytes")
    assert r.get("a") == b"\xff\x00bytes"
    r.set("a", "text")
    assert [r.get("a") for _ in range(4)] == [b"text"] * 4
    assert r.delete("a", "b") == 1
    assert r.get("a") is None


@pytest.mark.parametrize("key", [b"\xff", b"", b"a\0", b"k" * 513])
def test_what_is_no_key_is_refused(r: Any, key: bytes) -> None:
    with pytest.raises(redis.ResponseError, match="key"):
        r.set(key, 1)


def test_set_takes_all_options(r: Any) -> None:
    assert r.set("a", "1", nx=True) and r.set("a", "2", nx=True) is None
    assert r.set("b", "1", xx=True) is None and r.set("a", "3", xx=True)
    assert r.set("a", "4", get=True) == b"3"
    assert r.set("a", "5", ex=100) and left(r.ttl("a"), 100)
    assert r.set("a", "6", keepttl=True) and r.ttl("a") > 0
    assert r.set("a", "7") and r.ttl("a") == -1
    assert r.set("a", "8", px=100_000) and 91_000 < r.pttl("a") <= 100_000
    assert r.set("a", "9", exat=33177117420) and r.expiretime("a") == 33177117420
    assert r.set("a", "9", pxat=33177117420000) and r.pexpiretime("a") == 33177117420000


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("SET a 1 NX XX", "syntax error"), ("SET a 1 EX", "syntax error"), ("SET a 1 EX 1 PX 1", "syntax error"),
        ("SET a 1 EX 0", "invalid expire time in 'set' command"), ("SET a 1 EX x", "not an integer"),
        ("SET a 1 EX 9223372036854775807", "invalid expire time"), ("SET a 1 FOO", "syntax error"),
        ("SET a", "wrong number of arguments for 'set' command"), ("SETEX a -1 x", "invalid expire time in 'setex'"),
        ("GETEX a EX 1 PERSIST", "syntax error"), ("SETRANGE a -1 x", "offset is out of range"),
        ("INCRBY a 1.5", "not an integer"), ("INCRBYFLOAT a x", "not a valid float"), ("MSET a", "wrong number"),
        ("SETRANGE a 999999999 x", "exceeds maximum allowed size"), ("DECRBY a -9223372036854775808", "overflow"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused_in_redis_s(r: Any, words: str, error: str) -> None:
    with pytest.raises(redis.ResponseError, match=error):
        r.execute_command(*words.split())
    assert r.get("a") is None


def test_parts_of_strings(r: Any) -> None:
    assert r.append("a", "Hello ") == 6 and r.append("a", "World") == 11
    assert r.getrange("a", 0, 4) == b"Hello" and r.getrange("a", -5, -1) == b"World" and r.getrange("a", 5, 1) == b""
    assert r.setrange("a", 6, "Redis") == 11 and r.get("a") == b"Hello Redis"
    assert r.setrange("b", 3, "x") == 4 and r.get("b") == b"\0\0\0x"
    assert r.strlen("a") == 11 and r.strlen("nothing") == 0


def test_several_at_once(r: Any) -> None:
    assert r.mset({"a": 1, "b": 2})
    assert r.mget("a", "nothing", "b") == [b"1", None, b"2"]
    assert r.msetnx({"b": 3, "c": 3}) is False and r.get("c") is None
    assert r.getset("a", 5) == b"1" and r.getdel("a") == b"5" and r.exists("a", "b", "b") == 2
    assert r.getex("b", ex=50) == b"2" and left(r.ttl("b"), 50)
    assert r.getex("b", persist=True) == b"2" and r.ttl("b") == -1


def test_counters_count(r: Any) -> None:
    assert r.incr("n") == 1 and r.incrby("n", 9) == 10 and r.decr("n", 4) == 6 and r.get("n") == b"6"
    assert r.execute_command("CRDTKV.STRATEGY", "n") == b"counter"
    assert r.set("n", 100) and r.incr("n") == 101 and r.execute_command("CRDTKV.STRATEGY", "n") == b"counter"
    assert r.set("n", "text") and r.execute_command("CRDTKV.STRATEGY", "n") == b"lww"
    with pytest.raises(redis.ResponseError, match="not an integer"):
        r.incr("n")
    r.set("n", 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="overflow"):
        r.incr("n")
    assert r.incrbyfloat("f", 10.5) == 10.5 and r.incrbyfloat("f", "0.1") == 10.6
    assert r.get("f") == b"10.6"


def test_a_date_outlives_an_increment(r: Any) -> None:
    r.set("n", 5, ex=100)
    assert r.incr("n") == 6 and left(r.ttl("n"), 100)
    assert r.incr("n") == 7 and left(r.ttl("n"), 100)


def test_a_pipeline_s_reads_see_its_writes(r: Any) -> None:
    with r.pipeline(transaction=False) as p:
        for i in range(100):
            p.set(f"k{i % 7}", i)
            p.get(f"k{i % 7}")
            p.incr("n")
        got = p.execute()
    assert got == [each for i in range(100) for each in (True, str(i).encode(), i + 1)]


def test_what_is_wrong_in_a_pipeline_is_wrong_alone(r: Any) -> None:
    with r.pipeline(transaction=False) as p:
        p.set("a", 1).incr("b").execute_command("NOTHING").incr("a", 2**63 - 1).get("a").lpush("a")
        got = p.execute(raise_on_error=False)
    assert got[0] is True and got[1] == 1 and got[4] == b"1"
    assert all(isinstance(got[i], redis.ResponseError) for i in (2, 3, 5))


def test_a_pipelined_batch_is_one_transaction(colo: Colo) -> None:
    r, store = colo.client(), colo.store
    r.ping()
    before = sum(store.vector.values())
    with r.pipeline(transaction=False) as p:
        for i in range(200):
            p.set(f"k{i}", i)
        p.execute()
    assert sum(store.vector.values()) - before <= 2


def test_what_is_added_in_a_row_is_added_once(colo: Colo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of it too, and nothing for who is refused."""
    r, operate, said = colo.client(), At.operate, []
    r.incr("n")
    monkeypatch.setattr(At, "operate", lambda at, *given: said.append(given) or operate(at, *given))
    with r.pipeline(transaction=False) as p:
        p.incr("n").incrby("n", 5).decr("n").incrby("n", 2**63 - 1).incr("n")
        got = p.execute(raise_on_error=False)
    assert got[:3] == [2, 7, 6] and isinstance(got[3], redis.ResponseError) and got[4] == 7
    assert r.get("n") == b"7" and said == [("n", "counter", "add", 6)]


def test_a_rule_s_strategy_holds(colo: Colo) -> None:
    colo.store.rules.set("doc/*", "json")
    colo.store.rules.set("n/*", "counter")
    r = colo.client()
    r.set("doc/1", '{"b": [1, 2], "a": 1}')
    assert r.get("doc/1") == b'{"a":1,"b":[1,2]}' and colo.store["doc/1"] == {"a": 1, "b": [1, 2]}
    r.set("doc/2", "no json")
    assert r.get("doc/2") == b"no json"
    assert r.set("n/1", 5) and r.incr("n/1") == 6
    with pytest.raises(redis.ResponseError):
        r.set("n/1", "text")


def test_a_set_merges_with_what_others_wrote_since_the_get(colo: Colo) -> None:
    colo.store.rules.set("*", "json")
    ann, bob = colo.client(), colo.client()
    ann.set("todo", "[1,2,3,4,5]")
    assert ann.get("todo") == bob.get("todo") == b"[1,2,3,4,5]"
    bob.set("todo", "[1,2,3,4,5,8]")
    ann.set("todo", "[1,2,3,4]")
    assert ann.get("todo") == b"[1,2,3,4,8]"


def test_a_set_after_another_s_write_wants_a_get(colo: Colo) -> None:
    colo.store.rules.set("*", "json")
    ann, bob = colo.client(), colo.client()
    ann.set("todo", "[1]")
    ann.set("todo", "[1,2]")
    bob.get("todo")
    bob.set("todo", "[1,2,3]")
    ann.set("todo", "[1,2,4]")
    assert sorted(colo.store["todo"]) == [1, 2, 3, 4]
    with pytest.raises(redis.ResponseError, match="GET it again"):
        ann.set("todo", "[1,2,4,5]")
    ann.get("todo")
    ann.set("todo", "[]")
    assert ann.get("todo") == b"[]"


def test_crdtkv_base_says_from_what_a_set_is_made(colo: Colo) -> None:
    colo.store.rules.set("*", "json")
    r = colo.client()
    version = colo.store.put("todo", [1, 2]).version
    colo.store.put("todo", [1, 2, 3])
    assert r.execute_command("CRDTKV.BASE", "todo") is None
    assert r.execute_command("CRDTKV.BASE", "todo", version)
    assert r.execute_command("CRDTKV.BASE", "todo") == version.encode()
    r.set("todo", "[2]")
    assert colo.store["todo"] == [2, 3]


def test_what_http_writes_is_read(colo: Colo) -> None:
    r = colo.client()
    colo.store["text"], colo.store["doc"], colo.store["n"] = "hello", {"a": [1]}, 5
    assert [r.get(key) for key in ("text", "doc", "n")] == [b"hello", b'{"a":[1]}', b"5"]
    r.set("text", "changed")
    assert colo.store["text"] == "changed"


def test_bits(r: Any) -> None:
    """The examples of Redis' own pages."""
    assert r.setbit("b", 7, 1) == 0 and r.getbit("b", 7) == 1 and r.getbit("b", 100) == 0 and r.get("b") == b"\x01"
    r.set("k", "foobar")
    assert r.bitcount("k") == 26 and r.bitcount("k", 0, 0) == 4 and r.bitcount("k", 1, 1) == 6
    assert r.bitcount("k", 5, 30, "BIT") == 17 and r.bitcount("nothing") == 0
    r.set("m", b"\xff\xf0\x00")
    assert r.bitpos("m", 0) == 12 and r.bitpos("m", 1) == 0 and r.bitpos("m", 1, 2) == -1
    r.set("full", b"\xff\xff")
    assert r.bitpos("full", 0) == 16 and r.bitpos("full", 0, 0, -1) == -1
    r.mset({"x": "foobar", "y": "abcdef"})
    assert r.bitop("AND", "to", "x", "y") == 6 and r.get("to") == b"`bc`ab"
    assert r.bitop("NOT", "to", "m") == 3 and r.get("to") == b"\x00\x0f\xff"
    for words in ("SETBIT b -1 1", "SETBIT b 0 2", "BITCOUNT x 0", "BITPOS k 2", "BITOP NOT to x y", "BITOP X to x"):
        with pytest.raises(redis.ResponseError):
            r.execute_command(*words.split())
