"""AUTH takes a token, and its scopes hold for each command and each key."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from crdtkv.doors.redis.door import TELLS
from crdtkv.doors.redis.table import COMMANDS
from crdtkv.node.tokens import Scope
from tests.doors.redis.conftest import Colo, MakeColo

ROOT = "a token of the settings"


@pytest.fixture
def guarded(make_colo: MakeColo) -> Colo:
    return make_colo(tokens=(ROOT,))


def client(colo: Colo, *scopes: Scope) -> Any:
    """A client whose token allows that."""
    _, secret = colo.node.tokens.create("of a test", scopes)
    return colo.client(password=secret)


def test_nothing_is_done_for_who_shows_none(guarded: Colo) -> None:
    for protocol in (2, 3):
        with pytest.raises(redis.AuthenticationError):
            guarded.client(protocol=protocol).set("a", 1)
    assert guarded.client(password=ROOT).set("a", 1)


def test_a_token_s_actions_hold(guarded: Colo) -> None:
    guarded.client(password=ROOT).set("a", 1)
    reader = client(guarded, Scope("~default", "", ("read",)))
    assert reader.get("a") == b"1" and reader.keys() == [b"a"]
    for words in ("SET a 2", "INCR a", "FLUSHDB", "FLUSHALL", "CONFIG SET notify-keyspace-events KEA", "CLIENT KILL x"):
        with pytest.raises(redis.ResponseError, match="may not"):
            reader.execute_command(*words.split())
    with reader.pipeline() as p, pytest.raises(redis.ResponseError):
        p.set("a", 2).execute()
    assert reader.get("a") == b"1"


@pytest.mark.parametrize(
    "words",
    ["GETSET a 2", "SET a 2 GET", "SET a 2 ex 10 get", "GETDEL a", "GETEX a", "LPOP l", "LMPOP 1 l LEFT", "SPOP s",
     "ZPOPMIN z", "BLPOP l 1", "LMOVE l m LEFT LEFT", "COPY a b", "RENAME a b", "SUNIONSTORE t s", "SETBIT a 1 1",
     "SORT s ALPHA STORE t", "INCR n", "DECRBY n 2", "INCRBYFLOAT n 1", "HINCRBY h f 1", "ZINCRBY z 1 x",
     "ZADD z INCR 1 x"],
)  # fmt: skip
def test_who_may_only_write_learns_nothing(guarded: Colo, words: str) -> None:
    root = guarded.client(password=ROOT)
    root.set("a", 1), root.rpush("l", "x"), root.sadd("s", "x"), root.zadd("z", {"x": 1})
    blind = client(guarded, Scope("~default", "", ("write",)))
    assert blind.set("b", 2) and blind.sadd("s", "y") and blind.zadd("z", {"y": 1}) == 1
    for given in (words, words.lower()):
        with pytest.raises(redis.ResponseError, match="may not"):
            blind.execute_command(*given.split())
    assert root.mget("a", "b") == [b"1", b"2"] and root.lrange("l", 0, -1) == [b"x"]
    both = client(guarded, Scope("~default", "", ("read", "write")))
    both.execute_command(*words.split())


def test_who_may_only_write_counts_unseen(guarded: Colo) -> None:
    """INCR tells the total. Where no reply is wanted it is done; in a transaction EXEC would tell it."""
    root = guarded.client(password=ROOT)
    root.set("a", 1), root.incrby("n", 5)
    blind = client(guarded, Scope("~default", "", ("write",))).connection_pool.get_connection()
    said = []
    for words in ("CLIENT REPLY SKIP", "INCR n", "CLIENT REPLY SKIP", "ZADD z INCR 2 x", "CLIENT REPLY SKIP"):
        blind.send_command(*words.split())
    for words in ("GETSET a 2", "SET b 1", "CLIENT REPLY OFF", "HINCRBY h f 3", "MULTI", "INCR n", "EXEC"):
        blind.send_command(*words.split())
    for words in ("LPOP l", "CLIENT REPLY ON", "SET c 1"):
        blind.send_command(*words.split())
    said = [blind.read_response() for _ in range(3)]
    assert said == [b"OK"] * 3
    assert root.mget("a", "b", "n") == [b"1", b"1", b"6"] and root.hget("h", "f") == b"3"
    assert root.zscore("z", "x") == 2


def test_what_tells_is_a_command_that_writes() -> None:
    assert all(COMMANDS[name].write for name in TELLS)
    popped = {name for name, each in COMMANDS.items() if each.write and "pop" in name}
    assert popped <= TELLS


@pytest.mark.parametrize(
    "words",
    ["GET secret", "MGET cart/1 secret", "SET secret 1", "RENAME cart/1 secret", "SUNIONSTORE cart/1 secret", "KEYS *",
     "SCAN 0", "DBSIZE", "SORT cart/1 BY secret* GET secret", "ZUNIONSTORE cart/1 1 secret", "EXISTS secret", "FLUSHDB",
     "OBJECT ENCODING secret", "CRDTKV.HISTORY secret", "CRDTKV.CONFLICTS", "ZUNION 1 secret", "XREAD STREAMS secret 0",
     "BITOP NOT cart/1 secret", "EVALSHA c3f8721cbb97f72bc19e972846bd7aaf91901658 1 secret x", "MEMORY USAGE secret"],
)  # fmt: skip
def test_a_token_s_prefix_holds(guarded: Colo, words: str) -> None:
    guarded.client(password=ROOT).set("secret", "x")
    clerk = client(guarded, Scope("~default", "cart/", ("read", "write")))
    assert clerk.set("cart/1", "x") and clerk.get("cart/1") == b"x"
    with pytest.raises(redis.ResponseError, match="may not"):
        clerk.execute_command(*words.split())


def test_a_token_of_another_namespace_is_none_here(guarded: Colo) -> None:
    shop = guarded.node.create("shop")
    r = client(guarded, Scope(shop.id, "", ("read", "write")))
    with pytest.raises(redis.ResponseError, match="may not"):
        r.get("a")
    connection = r.connection_pool.get_connection()
    for words, answer in (("SELECT shop", b"OK"), ("SET a 1", b"OK"), ("GET a", b"1")):
        connection.send_command(*words.split())
        assert connection.read_response() == answer
    r.connection_pool.release(connection)
    with pytest.raises(redis.ResponseError, match="may not"):
        r.execute_command("SELECT", 7)


def test_a_token_that_is_revoked_is_none_any_more(guarded: Colo) -> None:
    token, secret = guarded.node.tokens.create("of a test", [Scope("~default", "", ("read",))])
    r = guarded.client(password=secret)
    assert r.get("a") is None
    guarded.node.tokens.revoke(token.id)
    with pytest.raises(redis.RedisError):
        r.get("a")
