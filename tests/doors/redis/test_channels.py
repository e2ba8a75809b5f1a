"""Publish and subscribe, keyspace notifications, over one colo and over two."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.doors.conftest import Colos
from tests.doors.redis.conftest import Colo


def heard(listener: Any) -> Any:
    """The next message, waited for."""
    while (message := listener.get_message(timeout=20)) is not None:
        if message["type"].endswith("message"):
            return message
    raise AssertionError("nothing came")


@pytest.mark.parametrize("protocol", [2, 3])
def test_who_listens_is_told(colo: Colo, protocol: int) -> None:
    r = colo.client(protocol=protocol)
    listener = r.pubsub()
    listener.subscribe("news", "other")
    listener.psubscribe("n?ws*")
    listener.ssubscribe("shard")
    for _ in range(4):
        listener.get_message(timeout=20)
    assert r.publish("news", "hello") == 2 and r.publish("nobody", "x") == 0
    assert [heard(listener)["type"], heard(listener)["type"]] == ["message", "pmessage"]
    assert r.execute_command("SPUBLISH", "shard", "s") == 1
    assert heard(listener)["data"] == b"s"
    assert r.pubsub_numsub("news") == [(b"news", 1)] and r.pubsub_numpat() == 1
    assert r.pubsub_channels() == [b"news", b"other"] and r.pubsub_channels("o*") == [b"other"]
    listener.unsubscribe()
    listener.punsubscribe()
    for _ in range(3):
        listener.get_message(timeout=20)
    assert r.publish("news", "x") == 0
    listener.close()


def test_who_listens_in_resp2_does_nothing_else(colo: Colo) -> None:
    connection = colo.client(protocol=2).connection_pool.get_connection()
    connection.send_command("SUBSCRIBE", "a")
    assert connection.read_response() == [b"subscribe", b"a", 1]
    connection.send_command("GET", "a")
    with pytest.raises(redis.ResponseError, match="Can't execute 'get'"):
        connection.read_response()
    connection.send_command("PING")
    assert connection.read_response() == [b"pong", b""]
    connection.send_command("UNSUBSCRIBE")
    assert connection.read_response() == [b"unsubscribe", b"a", 0]
    connection.send_command("GET", "a")
    assert connection.read_response() is None


def test_what_a_transaction_publishes_is_told_after_it(r: Any, colo: Colo) -> None:
    listener = colo.client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe("news")
    listener.get_message(timeout=20)
    with r.pipeline() as p:
        assert p.set("a", 1).publish("news", "done").execute() == [True, 1]
    assert heard(listener)["data"] == b"done"


def test_events_of_keys(r: Any, colo: Colo) -> None:
    assert r.config_get("notify-keyspace-events") == {"notify-keyspace-events": ""}
    r.config_set("notify-keyspace-events", "KEA")
    listener = colo.client().pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("__key*__:*")
    listener.get_message(timeout=20)
    r.set("a", 1)
    first, second = heard(listener), heard(listener)
    assert (first["channel"], first["data"]) == (b"__keyspace@0__:a", b"set")
    assert (second["channel"], second["data"]) == (b"__keyevent@0__:set", b"a")
    r.delete("a")
    assert heard(listener)["data"] == b"del"
    with pytest.raises(redis.ResponseError, match="Invalid event class"):
        r.config_set("notify-keyspace-events", "Q")


def test_what_another_colo_wrote_is_an_event(make_colo: Any) -> None:
    lhr, sin = make_colo("lhr"), make_colo("sin")
    lhr.store.sync(sin.store)
    r = lhr.client()
    r.config_set("notify-keyspace-events", "Eg")
    listener = lhr.client().pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("__key*__:*")
    listener.get_message(timeout=20)
    r.set("own", 1)
    sin.client().set("a", 1)
    lhr.store.sync(sin.store)
    message = heard(listener)
    assert (message["channel"], message["data"]) == (b"__keyevent@0__:merge", b"a")
    sin.client().delete("a")
    lhr.store.sync(sin.store)
    message = heard(listener)
    assert (message["channel"], message["data"]) == (b"__keyevent@0__:del", b"a")


def test_other_colos_are_told(colos: Colos) -> None:
    lhr, sin = colos("lhr", "sin", options=["--redis", "127.0.0.1:0"], CRDTKV_LOG="error")
    here, there = (redis.Redis.from_url(f"redis://{colo.door('Redis')}", socket_timeout=30) for colo in (lhr, sin))
    lhr.told(sin)
    listener = there.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("news")
    listener.get_message(timeout=20)
    assert here.publish("news", b"\xff hello") == 0
    assert heard(listener)["data"] == b"\xff hello"
    here.set("greeting", "hello")
    lhr.told(sin)
    assert there.get("greeting") == b"hello"
    assert b"lag_ms_sin" in here.execute_command("INFO", "crdt") or "lag_ms_sin" in str(here.info("crdt"))
    listener.close()
