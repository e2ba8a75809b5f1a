"""What is no RESP, what is too large, who does not read: an error of the protocol, and a server that lives."""

from __future__ import annotations

import resource
import socket
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdtkv.doors.redis.protocol import LIMITS, Limits, Parser, _Slow
from crdtkv.doors.redis.table import COMMANDS
from tests.doors.redis.conftest import Colo, MakeColo


def said(colo: Colo, data: bytes) -> bytes:
    """All that is answered to these bytes until the server closes the connection, or nothing more is asked."""
    with socket.create_connection(("127.0.0.1", colo.port), timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        found = b""
        while part := client.recv(65536):
            found += part
        return found


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*1\r\n:5\r\n", b"expected '$', got ':'"), (b"*1\r\n*1\r\n$4\r\nPING\r\n", b"expected '$', got '*'"),
        (b"*99999999\r\n", b"invalid multibulk length"), (b"*x\r\n", b"invalid multibulk length"),
        (b"*1\r\n$99999999999\r\n", b"invalid bulk length"), (b"*1\r\n$-1\r\n", b"invalid bulk length"),
        (b"*2\r\n$3\r\nGET\r\n$30000000\r\n", b"invalid bulk length"), (b"x" * 70_000, b"too big inline request"),
        (b"SET a 'b\r\n", b"unbalanced quotes in request"), (b"*" + b"1" * 100, b"too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 100, b"too big bulk count string"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_and_ends_the_connection(colo: Colo, data: bytes, error: bytes) -> None:
    assert said(colo, b"PING\r\n" + data) == b"+PONG\r\n-ERR Protocol error: " + error + b"\r\n"
    assert colo.client().ping()


def test_what_came_before_it_is_answered(colo: Colo) -> None:
    found = said(colo, b"SET a 1\r\nGET a\r\n*1\r\n:5\r\n")
    assert found.startswith(b"+OK\r\n$1\r\n1\r\n-ERR Protocol error") and colo.store["a"] == "1"


@pytest.mark.parametrize(
    "data", [b"*2\r\n$3\r\nGE", b"*2\r\n", b"*", b"PI", b"*2\r\n$3\r\nGET\r\n$100\r\nhalf", b"\r\n\r\n"]
)  # fmt: skip
def test_half_a_command_is_none(colo: Colo, data: bytes) -> None:
    assert said(colo, data) == b""
    assert colo.client().ping()


def test_a_stranger_may_say_little(make_colo: MakeColo) -> None:
    colo = make_colo(tokens=("a token of 16 letters",))
    assert b"NOAUTH" in said(colo, b"GET a\r\n")
    assert b"unauthenticated multibulk length" in said(colo, b"*1000000\r\n")
    assert b"unauthenticated bulk length" in said(colo, b"*2\r\n$4\r\nAUTH\r\n$2000000\r\n")
    with pytest.raises(redis.AuthenticationError):
        colo.client(password="wrong").ping()
    assert colo.client(password="a token of 16 letters").set("a", 1)
    assert colo.client(username="ann", password="a token of 16 letters").get("a") == b"1"


def test_who_does_not_read_is_not_read_from(colo: Colo) -> None:
    """Three hundred megabytes are asked for and not read: they are not kept, and others are answered meanwhile."""
    r = colo.client()
    r.set("large", b"x" * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with socket.create_connection(("127.0.0.1", colo.port), timeout=20) as greedy:
        greedy.sendall(b"GET large\r\n" * 300)
        for i in range(20):
            assert r.set("a", i) and r.get("a") == str(i).encode()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 150_000, f"{grown} KiB"
        found = 0
        while found < 300 * 1_000_012:
            part = greedy.recv(1 << 20)
            assert part, found
            found += len(part)


@pytest.mark.parametrize("words", ["KEYS", "PSUBSCRIBE", "SUBSCRIBE", "SCAN 0 MATCH", "CLIENT SETNAME", "CONFIG GET"])
def test_what_is_kept_of_a_client_is_bounded(r: Any, words: str) -> None:
    with pytest.raises(redis.ResponseError):
        r.execute_command(*words.split(), "*" * 5000 + "x")
    assert r.ping()


@pytest.mark.parametrize("pattern", [b"*a" * 1000 + b"b", b"[" * 2000, b"?*" * 1500, b"\\" * 3000, b"[a-" * 900])
def test_no_pattern_takes_long(r: Any, pattern: bytes) -> None:
    r.set("a" * 500, 1)
    assert r.keys(pattern) is not None


def test_a_listener_that_does_not_read_is_sent_away(colo: Colo, monkeypatch: Any) -> None:
    monkeypatch.setattr("crdtkv.doors.redis.connection.MAX_OUTPUT", 4_000_000)
    r = colo.client()
    with socket.create_connection(("127.0.0.1", colo.port), timeout=20) as deaf:
        deaf.sendall(b"SUBSCRIBE news\r\n")
        deaf.recv(100)
        while r.publish("news", b"x" * 1_000_000):
            pass
    assert r.pubsub_numsub("news") == [(b"news", 0)]


def test_more_clients_than_may_come_are_refused(colo: Colo, monkeypatch: Any) -> None:
    from dataclasses import replace

    colo.serving.limits = replace(colo.serving.limits, connections=2)
    first = [socket.create_connection(("127.0.0.1", colo.port)) for _ in range(2)]
    for each in first:
        each.sendall(b"PING\r\n")
        assert each.recv(100) == b"+PONG\r\n"
    with socket.create_connection(("127.0.0.1", colo.port), timeout=20) as third:
        assert b"max number of clients reached" in third.recv(100)
    for each in first:
        each.close()


# any bytes


_PIECES = st.sampled_from(
    [b"*1\r\n", b"*2\r\n", b"*3\r\n", b"$3\r\n", b"$1\r\n", b"$0\r\n", b"GET\r\n", b"k\r\n", b"\r\n", b"PING\r\n", b"*",
     b"$", b":5\r\n", b"\n", b"'", b'"', b"*-1\r\n", b"*0\r\n", b"$03\r\n", b"*1000001\r\n", b"$9999999\r\n", b"\\x41"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.binary(max_size=5)), max_size=12), st.data())
def test_it_is_read_alike_however_it_is_cut(pieces: list[bytes], data: Any) -> None:
    """hiredis' reader and the careful one agree, whatever comes, in whatever parts.

    (What stands in the place of an argument hiredis reads to its end before it is found to be wrong.)
    """
    whole = b"".join(pieces)
    limits = Limits(bulk=1000, command=4000, arguments=50, inline=200)
    parser, careful = Parser(limits), _Slow(Parser(limits))
    found: list[list[bytes]] = []
    at = 0
    while at < len(whole) and parser.wrong is None:
        size = data.draw(st.integers(1, len(whole)))
        found += [command for command in parser.feed(whole[at : at + size]) if command]
        at += size
    assert found == careful.feed(whole)
    assert parser.wrong == careful.wrong or (parser.wrong is None and (careful.wrong or "").startswith("expected"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=5), max_size=8), st.data())
def test_commands_are_read_as_they_were_written(commands: list[list[bytes]], data: Any) -> None:
    whole = b"".join(
        b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)
        for command in commands
    )
    parser, found, at = Parser(LIMITS), [], 0
    while at < len(whole):
        size = data.draw(st.integers(1, len(whole)))
        found += parser.feed(whole[at : at + size])
        at += size
    assert found == commands and parser.wrong is None


# any arguments


_NEVER = {"quit", "reset", "hello", "auth", "client", "debug", "select", "config", "flushall", "flushdb", "eval"}
_WORDS = st.one_of(
    st.sampled_from([b"k", b"s", b"h", b"z", b"l", b"n", b"x", b"0", b"1", b"-1", b"2", b"10", b"1.5", b"inf", b"nan"]),
    st.sampled_from([b"+inf", b"-inf", b"(1", b"[a", b"-", b"+", b"*", b"$", b"0-0", b"1-1", b"9223372036854775807"]),
    st.sampled_from([b"NX", b"XX", b"GT", b"LT", b"EX", b"PX", b"GET", b"KEEPTTL", b"CH", b"INCR", b"LIMIT", b"COUNT"]),
    st.sampled_from([b"WITHSCORES", b"BY", b"STORE", b"ALPHA", b"MATCH", b"TYPE", b"BEFORE", b"LEFT", b"RIGHT", b""]),
    st.sampled_from([b"STREAMS", b"BLOCK", b"GROUP", b"MAXLEN", b"=", b"~", b"NOMKSTREAM", b"WEIGHTS", b"REV", b">"]),
    st.binary(max_size=6),
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzzed() -> Any:
    from contextlib import ExitStack

    with ExitStack() as stack:
        r = Colo("lhr", stack).client(protocol=3)
        yield r


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(set(COMMANDS))), st.lists(_WORDS, max_size=6))
def test_no_words_of_a_command_break_it(fuzzed: Any, name: str, words: list[bytes]) -> None:
    command = COMMANDS[name]
    if name in _NEVER or command.group == "pubsub" or "blocking" in command.flags or b"BLOCK" in words:
        return
    if name in ("multi", "watch"):
        words = []
    connection = fuzzed.connection_pool.get_connection()
    try:
        connection.send_command(name, *words)
        reply = connection.read_response()
    except redis.ResponseError as error:
        reply = error
    finally:
        fuzzed.connection_pool.release(connection)
    assert "internal error" not in str(reply), (name, words)
