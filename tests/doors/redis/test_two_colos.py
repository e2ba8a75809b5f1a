"""What two colos make of commands that did not know of each other: the tables of Redis Active-Active, restated.

Each row: what both had, what each did, what both show then. Where crdtkv answers otherwise, by choice, the row says so.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.doors.redis.conftest import Sync

Commands = list[str]

ROWS: dict[str, tuple[Commands, Commands, Commands, dict[str, Any]]] = {
    # sets
    "add and add": ([], ["SADD s a"], ["SADD s b"], {"SMEMBERS s": {b"a", b"b"}}),
    "add wins over remove": (["SADD s a"], ["SREM s a"], ["SADD s a"], {"SMEMBERS s": {b"a"}}),
    "remove takes what it saw": (["SADD s a b"], ["SREM s a"], ["SADD s c"], {"SMEMBERS s": {b"b", b"c"}}),
    "delete takes what it saw": (["SADD s a b"], ["DEL s"], ["SADD s c"], {"SMEMBERS s": {b"c"}}),
    "both pop all": (["SADD s a"], ["SPOP s"], ["SPOP s"], {"SCARD s": 0}),
    "move and move": (
        ["SADD s a"], ["SMOVE s t a"], ["SMOVE s u a"], {"SCARD s": 0, "SMEMBERS t": {b"a"}, "SMEMBERS u": {b"a"}},
    ),
    # hashes
    "two fields": ([], ["HSET h a 1"], ["HSET h b 2"], {"HGETALL h": {b"a": b"1", b"b": b"2"}}),
    "one field: the later": ([], ["HSET h a 1"], ["HSET h a 2"], {"HGET h a": b"2"}),
    "field set, removed": (["HSET h a 1"], ["HDEL h a"], ["HSET h a 2"], {"HGETALL h": {b"a": b"2"}}),
    "field counts": (["HSET h a 10"], ["HINCRBY h a 5"], ["HINCRBY h a -3"], {"HGET h a": b"12"}),
    # Active-Active adds binary floats; here decimals are exact
    "field counts decimals": ([], ["HINCRBYFLOAT h a 0.1"], ["HINCRBYFLOAT h a 0.2"], {"HGET h a": b"0.3"}),
    "field removed, counted": (["HSET h a 10"], ["HDEL h a"], ["HINCRBY h a 2"], {"HGETALL h": {b"a": b"2"}}),
    "field set, counted": (["HSET h a 10"], ["HSET h a 100"], ["HINCRBY h a 2"], {"HGET h a": b"102"}),
    "field made text, counted": (["HSET h a 10"], ["HSET h a no"], ["HINCRBY h a 2"], {"HGET h a": b"no"}),
    "hash deleted, field counted": (
        ["HINCRBY h a 10", "HSET h b 1"], ["DEL h"], ["HINCRBY h a 2"], {"HGETALL h": {b"a": b"2"}},
    ),
    # sorted sets
    "two members": ([], ["ZADD z 1 a"], ["ZADD z 2 b"], {"ZRANGE z 0 -1 WITHSCORES": [[b"a", 1.0], [b"b", 2.0]]}),
    "one score: the later": ([], ["ZADD z 1 a"], ["ZADD z 2 a"], {"ZSCORE z a": 2.0}),
    "score counts": (["ZADD z 10 a"], ["ZINCRBY z 5 a"], ["ZINCRBY z -2 a"], {"ZSCORE z a": 13.0}),
    # as in their example: only the increment that the remove had not seen
    "removed, counted": (["ZADD z 1.1 a"], ["ZREM z a"], ["ZINCRBY z 2.0 a"], {"ZSCORE z a": 2.0}),
    "removed, added": (["ZADD z 1.1 a"], ["ZREM z a"], ["ZADD z 1.1 a"], {"ZSCORE z a": 1.1}),
    "score set, counted": (["ZADD z 10 a"], ["ZADD z 1 a"], ["ZINCRBY z 5 a"], {"ZSCORE z a": 6.0}),
    "seen counts are gone with the write": (
        ["ZINCRBY z 3 a"], ["ZADD z 1 a"], ["ZINCRBY z 5 a"], {"ZSCORE z a": 6.0},
    ),
    "deleted, added": (["ZADD z 1 a 2 b"], ["DEL z"], ["ZADD z 3 c"], {"ZRANGE z 0 -1": [b"c"]}),
    # lists
    "push and push": ([], ["RPUSH l a b"], ["RPUSH l x y"], {"LLEN l": 4}),
    "push at both ends": (
        ["RPUSH l m"], ["LPUSH l a"], ["RPUSH l z"], {"LRANGE l 0 -1": [b"a", b"m", b"z"]},
    ),
    "insert around one": (
        ["RPUSH l a c"], ["LINSERT l BEFORE c b"], ["RPUSH l d"], {"LRANGE l 0 -1": [b"a", b"b", b"c", b"d"]},
    ),
    # both were given `a`: at least once
    "pop and pop": (["RPUSH l a b c"], ["LPOP l"], ["LPOP l"], {"LRANGE l 0 -1": [b"b", b"c"]}),
    "pop and push": (["RPUSH l a"], ["LPOP l"], ["RPUSH l b"], {"LRANGE l 0 -1": [b"b"]}),
    "deleted, pushed": (["RPUSH l a"], ["DEL l"], ["RPUSH l b"], {"LRANGE l 0 -1": [b"b"]}),
    "set and set": (["RPUSH l a"], ["LSET l 0 x"], ["LSET l 0 y"], {"LRANGE l 0 -1": [b"y"]}),
    "remove of what was set": (["RPUSH l a b"], ["LREM l 0 a"], ["LSET l 1 c"], {"LRANGE l 0 -1": [b"c"]}),
    "trimmed, pushed": (["RPUSH l a b c"], ["LTRIM l 1 1"], ["RPUSH l d"], {"LRANGE l 0 -1": [b"b", b"d"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_what_both_show(two: tuple[Any, Any, Sync], name: str) -> None:
    lhr, sin, sync = two
    begin, here, there, shown = ROWS[name]
    for words in begin:
        lhr.execute_command(*words.split())
    sync()
    for words in here:
        lhr.execute_command(*words.split())
    for words in there:
        sin.execute_command(*words.split())
    sync()
    for words, wanted in shown.items():
        assert lhr.execute_command(*words.split()) == wanted, words
        assert sin.execute_command(*words.split()) == wanted, words


def test_a_key_made_as_two_types_is_one_of_them_everywhere(two: tuple[Any, Any, Sync]) -> None:
    """The later; the other is among the conflicts. (Theirs refuse to sync such a key.)"""
    lhr, sin, sync = two
    lhr.sadd("k", "a")
    sin.rpush("k", "b")
    sync()
    assert lhr.type("k") == sin.type("k") and lhr.type("k") in (b"set", b"list")


def test_runs_of_pushes_do_not_interleave(two: tuple[Any, Any, Sync]) -> None:
    lhr, sin, sync = two
    for n in range(5):
        lhr.rpush("l", f"a{n}")
        sin.rpush("l", f"b{n}")
        lhr.lpush("m", f"a{n}")
        sin.lpush("m", f"b{n}")
    sync()
    for key in "lm":
        assert lhr.lrange(key, 0, -1) == sin.lrange(key, 0, -1)
        assert [word[:1] for word in lhr.lrange(key, 0, -1)] in ([b"a"] * 5 + [b"b"] * 5, [b"b"] * 5 + [b"a"] * 5)


def test_sums_of_scores_are_the_same_to_the_last_digit(two: tuple[Any, Any, Sync]) -> None:
    """Whatever the order of arrival; ten tenths at each of two colos are two."""
    lhr, sin, sync = two
    for n in range(10):
        lhr.zincrby("z", 0.1, "a")
        sin.zincrby("z", 0.1, "a")
        if n % 3 == 0:
            sync()
        lhr.hincrbyfloat("h", "a", "0.1")
        sin.hincrbyfloat("h", "a", "0.1")
    sync()
    assert lhr.zscore("z", "a") == sin.zscore("z", "a")
    assert abs(lhr.zscore("z", "a") - 2) < 1e-12
    assert lhr.hget("h", "a") == sin.hget("h", "a") == b"2"
