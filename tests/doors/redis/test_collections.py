"""Collections at one colo, beyond what the comparison with redis-server draws: waiting, other doors, bytes, many."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

import crdtkv


def test_who_waits_is_told_of_each_push(colo: Any, r: Any) -> None:
    """However close the push comes to the question: nothing is missed."""
    pusher = colo.client()

    def push() -> None:
        for n in range(200):
            pusher.rpush("queue", n)

    thread = threading.Thread(target=push)
    thread.start()
    try:
        assert [r.blpop("queue", timeout=60)[1] for _ in range(200)] == [b"%d" % n for n in range(200)]
    finally:
        thread.join()


def test_who_waits_is_told_what_comes_from_another_colo(two: Any) -> None:
    lhr, sin, sync = two
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(lhr.bzpopmin("z", timeout=60)))
    thread.start()
    sin.zadd("z", {"a": 1})
    sync()
    thread.join()
    assert list(map(list, found)) == [[b"z", b"a", 1.0]]


def test_of_all_who_wait_one_is_given_an_element(colo: Any, r: Any) -> None:
    found: list[Any] = []
    waiting = [threading.Thread(target=lambda: found.append(colo.client().blpop("q", timeout=60))) for _ in range(3)]
    for each in waiting:
        each.start()
    assert r.llen("q") == 0  # so that the place is there
    parking = colo.redis_port.door.place("default").parking
    for n, value in enumerate("abc"):
        while len(parking) != 3 - n:
            pass
        r.rpush("q", value)
        while len(found) == n:
            pass
        assert list(found[n]) == [b"q", value.encode()] and len(found) == n + 1
    for each in waiting:
        each.join()


def test_other_doors_see_text_and_numbers(colo: Any, r: Any) -> None:
    """And what they put is seen by Redis' clients."""
    kv = colo.store
    r.hset("h", mapping={"name": "ann", "age": "41"})
    r.hincrby("h", "age", 1)
    r.hincrby("h", "visits", 3)
    r.sadd("s", "b", "a")
    r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")})
    r.rpush("l", "x", "y")
    assert kv["h"] == {"age": "42", "name": "ann", "visits": 3}
    assert (kv["s"], kv["z"], kv["l"]) == (["a", "b"], {"a": 1, "b": 2.5, "c": "inf"}, ["x", "y"])
    kv.put("h", {"name": "bob", "age": 7})
    kv.operate("s", "set", "add", 1)
    kv.put("l", ["x", {"a": [1, None]}])
    assert r.hgetall("h") == {b"name": b"bob", b"age": b"7"} and r.hincrby("h", "age", 1) == 8
    assert r.smembers("s") == {b"a", b"b", b"1"} and r.lrange("l", 0, -1) == [b"x", b'{"a":[1,null]}']


def test_bytes_are_kept(r: Any) -> None:
    odd = [b"\x00", b"\xff\xfe", bytes(range(256)), "é".encode(), b""]
    r.sadd("s", *odd)
    r.hset("h", mapping={each: each for each in odd})
    r.zadd("z", dict.fromkeys(odd, 1))
    r.rpush("l", *odd)
    assert r.smembers("s") == set(odd) and r.hgetall("h") == {each: each for each in odd}
    assert r.zrange("z", 0, -1) == sorted(odd) and r.lrange("l", 0, -1) == odd
    for kind in "shzl":
        assert r.copy(kind, f"{kind}2") == 1
    assert r.hgetall("h2") == r.hgetall("h") and r.zrange("z2", 0, -1) == sorted(odd)
    assert set(r.spop("s", 9)) == set(odd) and [name for name, _ in r.zpopmin("z", 9)] == sorted(odd)


def test_what_was_put_empty_by_another_door_ends_with_its_last_element(colo: Any, r: Any) -> None:
    kv = colo.store
    for key, spec, value in (("h", "hash", {}), ("z", "zset", {}), ("s", "set", []), ("l", "list", [])):
        kv.put(key, value, strategy=spec)
    r.hset("h", "a", 1), r.zadd("z", {"a": 1}), r.sadd("s", "a"), r.rpush("l", "a")
    r.hdel("h", "a"), r.zrem("z", "a"), r.srem("s", "a"), r.lpop("l")
    assert r.exists("h", "z", "s", "l") == 0


@pytest.mark.parametrize("n", [20_000])
def test_an_operation_costs_as_much_in_a_large_value(colo: Any, r: Any, n: int) -> None:
    """Not by the clock: by how many cells are looked at."""
    kv = colo.store
    kv.operate("s", "set", "add", *map(str, range(n)))
    kv.operate("h", "hash", "set", *(word for i in range(n) for word in (str(i), "v")))
    kv.operate("z", "zset", "set", *(word for i in range(n) for word in (str(i), i)))
    kv.operate("l", "list", "append", *map(str, range(n)))
    first = [r.scard("s"), r.hlen("h"), r.zcard("z"), r.llen("l")]
    assert first == [n] * 4
    looked = _count_looks(kv)
    r.sadd("s", "new"), r.srem("s", "1"), r.scard("s"), r.srandmember("s")
    r.hset("h", "new", 1), r.hincrby("h", "new", 1), r.hdel("h", "2"), r.hlen("h")
    r.zadd("z", {"new": 5.5}), r.zincrby("z", 3, "9"), r.zrank("z", "700"), r.zrange("z", 100, 110), r.zpopmin("z")
    r.rpush("l", "a"), r.lpush("l", "b"), r.lpop("l"), r.lset("l", 500, "x"), r.linsert("l", "before", "0", "y")
    r.lindex("l", 9000), r.lrange("l", -5, -1), r.llen("l")
    assert looked() < 2_000


def _count_looks(kv: Any) -> Any:
    from crdtkv.core.tree import Tree

    seen = [0]
    below, at = Tree.below, Tree.cell

    def counted(self: Any, *args: Any, **given: Any) -> Any:
        for each in below(self, *args, **given):
            seen[0] += 1
            yield each

    def cell(self: Any, *args: Any) -> Any:
        seen[0] += 1
        return at(self, *args)

    Tree.below, Tree.cell = counted, cell  # type: ignore[method-assign,assignment]

    def end() -> int:
        Tree.below, Tree.cell = below, at  # type: ignore[method-assign]
        return seen[0]

    return end


def test_a_wrong_type_is_told_and_nothing_written(colo: Any, r: Any) -> None:
    r.set("k", "v")
    before = colo.store.vector
    commands = "SADD k a", "HSET k a 1", "ZADD k 1 a", "RPUSH k a", "HINCRBY k a 1", "ZINCRBY k 1 a", "LPOP k", "SPOP k"
    wrong = "WRONGTYPE Operation against a key holding the wrong kind of value"
    for words in commands:
        with pytest.raises(redis.ResponseError, match=wrong):
            r.execute_command(*words.split())
    assert colo.store.vector == before
    with pytest.raises(redis.ResponseError, match="is 4000 bytes; an element or a field is at most 3000"):
        r.sadd("s", "x" * 4000)
    with pytest.raises(crdtkv.errors.WrongType):
        colo.store.operate("z", "zset", "set", "a", "much")


def test_what_was_dumped_is_restored(colo: Any, make_colo: Any, r: Any) -> None:
    """Under its strategy, here and at another colo; what is no dump is refused, and nothing written."""
    other = make_colo("sin").client()
    colo.store.put("doc", {"a": [1, {"b": None}]}, strategy="json")
    r.set("str", b"\xff\x00"), r.incr("n"), r.rpush("l", "a", b"\xff"), r.sadd("s", "a", b"\xff")
    r.hset("h", mapping={b"\xff": "1", "a": "2"}), r.zadd("z", {"a": 1.5, b"\xff": float("inf")}), r.xadd("x", {"a": 1})
    for key in ("doc", "str", "n", "l", "s", "h", "z", "x"):
        dumped = r.dump(key)
        assert other.restore(key, 0, dumped) == b"OK"
        assert other.type(key) == r.type(key) and other.dump(key) == dumped
        with pytest.raises(redis.ResponseError, match="BUSYKEY Target key name already exists"):
            other.restore(key, 0, dumped)
        assert other.restore(key, 60_000, dumped, replace=True) == b"OK" and 0 < other.pttl(key) <= 60_000
    assert other.incr("n") == 2 and other.hgetall("h") == r.hgetall("h")
    before = colo.store.vector
    for wrong in (b"", b"x" * 30, dumped[:-1], dumped[:-9] + b"\x00" + dumped[-8:]):
        with pytest.raises(redis.ResponseError, match="DUMP payload version or checksum are wrong"):
            r.restore("new", 0, wrong)
    assert r.dump("none") is None and colo.store.vector == before
