"""A connection that is wrong, slow, silent or too loud: an answer or none, the end of it, and the port goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdtkv.doors.items.limits import MAX_VALUE
from crdtkv.doors.workers import connection, port
from crdtkv.doors.workers.connection import PROGRESS, Connection
from crdtkv.node.node import Node
from tests.doors.workers.served import Served, port_of, served

HEAD = b"PUT /a HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def over(check: Callable[[Served], Awaitable[None]], **given: Any) -> None:
    async def run() -> None:
        async with served(**given) as here:
            await check(here)
            client = await here.connect()
            assert (await client.get("still served")).status == 404
            assert here.port.held == 0

    asyncio.run(run())


def first(told: bytes) -> bytes:
    return told.partition(b"\r\n")[0]


# what is sent


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 illegal request line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"HTTP/1.1 400 illegal request line"),
        (b"GET /" + b"a" * 100_000, b"HTTP/1.1 431 Receive buffer too long"),
        (HEAD + b"A: " + b"a" * 100_000, b"HTTP/1.1 431 Receive buffer too long"),
        (HEAD + b"Content-Length: 99999999999\r\n\r\n",
         b"HTTP/1.1 413 A body of 99999999999 bytes; at most 52428800 are read."),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", b"HTTP/1.1 501 Only Transfer-Encoding: chunked is supported"),
        (HEAD + b"Content-Length: 5\r\n\r\nhe", b"HTTP/1.1 400 "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_answered_once_and_is_the_end(sent: bytes, line: bytes) -> None:
    async def check(here: Served) -> None:
        client = await here.connect()
        await client.raw(sent)
        client.writer.write_eof()
        told = await client.rest()
        assert first(told).startswith(line) and told.count(b"HTTP/1.1") == 1
        assert b"Connection: close" in told

    over(check)


def test_requests_one_behind_the_other_are_answered_in_order() -> None:
    async def check(here: Served) -> None:
        client = await here.connect()
        await client.raw(HEAD + b"Content-Length: 2\r\n\r\nhi" + GET + b"DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        client.writer.write_eof()
        told = await client.rest()
        assert [part[:3] for part in told.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"200", b"404"]
        assert b"\r\n\r\nhi" in told

    over(check)


def test_a_client_that_goes_away_in_the_middle() -> None:
    async def check(here: Served) -> None:
        for sent in (b"GE", HEAD, HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 500_000, GET * 50):
            client = await here.connect()
            await client.raw(sent)
            client.writer.transport.abort()

    over(check)


@settings(max_examples=60)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.sampled_from([
            GET, HEAD, HEAD + b"Content-Length: 3\r\n\r\nabc", HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
            b"3\r\nabc\r\n", b"0\r\n\r\n", b"MF-URL: a://b/c\r\n", b"Expect: 100-continue\r\n",
            b"Content-Length: 1\r\n",
            b'POST /bulk/get HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"keys":["a"]}', b"\r\n",
            b"GET /?cursor=x HTTP/1.1\r\n",
        ]),
        max_size=10,
    )
)  # fmt: skip
def test_whatever_comes(pieces: list[bytes]) -> None:
    """Only answers come back, the connection ends, and the next client is served."""

    async def check(here: Served) -> None:
        client = await here.connect()
        for piece in pieces:
            await client.raw(piece)
        client.writer.write_eof()
        told = await client.rest()
        assert told == b"" or told.startswith(b"HTTP/1.1 ")
        assert b" 500 " not in told

    over(check)


# how much at once


def test_no_more_connections_than_the_limit() -> None:
    async def check(here: Served) -> None:
        clients = [await here.connect() for _ in range(3)]
        assert (await clients[0].get("a")).status == 404
        told = await clients[2].rest()
        assert first(told) == b"HTTP/1.1 503 too many connections are open here"
        await clients[1].close()
        await clients[2].close()
        while len(here.port._connections) > 1:
            await asyncio.sleep(0)

    over(check, limits={"connections": 2})


def test_no_more_is_held_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies that come and are not answered, of all connections together."""
    monkeypatch.setattr(port, "MAX_HELD", 1_500_000)

    async def check(here: Served) -> None:
        one, other = await here.connect(), await here.connect()
        await one.raw(HEAD + b"Content-Length: 1000001\r\n\r\n" + b"x" * 1_000_000)
        while here.port.held < 1_000_000:
            await asyncio.sleep(0)
        await other.raw(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 999_999)
        assert first(await other.rest()).startswith(b"HTTP/1.1 503 too much is being sent here at once")
        await one.raw(b"x")
        assert (await one.reader.readline()).startswith(b"HTTP/1.1 200")

    over(check)


def test_answers_that_nobody_takes_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those who do not read the first that was answered goes first; who reads is not touched."""
    monkeypatch.setattr(port, "MAX_HELD", 40_000_000)

    async def check(here: Served) -> None:
        client = await here.connect()
        assert (await client.put("a", b"x" * 20_000_000)).status == 200
        slow = []
        for number in range(1, 7):  # the kernel takes some ten million of each
            slow.append(await here.connect())
            await slow[-1].raw(GET)
            while here.port._serving.counts.get(("GET", 200), 0) < number:
                await asyncio.sleep(0)
            assert here.port.held <= 40_000_000
        assert len((await client.get("a")).body) == 20_000_000
        assert len(await slow[0].rest()) < 20_000_000
        assert len((await slow[-1].answer()).body) == 20_000_000
        for each in slow:
            each.writer.transport.abort()
        while len(here.port._connections) > 1:
            await asyncio.sleep(0)

    over(check)


def test_a_value_that_is_too_long_is_told_its_length() -> None:
    async def check(here: Served) -> None:
        client = await here.connect()
        found = await client.put("a", b"x" * (MAX_VALUE + 1))
        assert (found.status, found.reason) == (413, f"Value length of {MAX_VALUE + 1} exceeds limit of {MAX_VALUE}.")
        assert (await client.put("a", b"x" * MAX_VALUE)).status == 200
        assert (await client.get("a")).body == b"x" * MAX_VALUE

    over(check)


def test_a_client_that_is_cut_off_while_it_sends_reads_why() -> None:
    async def check(here: Served) -> None:
        client = await here.connect()
        await client.raw(HEAD + b"Content-Length: 90000000\r\n\r\n")
        for _ in range(20):
            await client.raw(b"x" * 100_000)
        client.writer.write_eof()
        assert first(await client.rest()).startswith(b"HTTP/1.1 413 ")

    over(check)


# time


class Transport(asyncio.Transport):
    """What was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.did: list[str] = []

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def __getattribute__(self, name: str) -> Any:
        if name in ("close", "abort", "write_eof", "pause_reading", "resume_reading"):
            return lambda: self.did.append(name)
        return super().__getattribute__(name)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0


def in_time(check: Callable[[Connection, Transport, Callable[[float], None]], Awaitable[None]]) -> None:
    """`check(connection, transport, wait)`: `wait(seconds)` is time that passes without anything coming."""

    async def run() -> None:
        with Node(None, colo="lhr") as node:
            here = port_of(node, idle=75.0)
            made, transport = Connection(here), Transport()
            made.connection_made(transport)

            def wait(seconds: float) -> None:
                made.since -= seconds
                made._look()

            await check(made, transport, wait)
            made.connection_lost(None)
            here.close()
            here._serving.close()

    asyncio.run(run())


def test_who_is_idle_is_let_go() -> None:
    async def check(made: Connection, transport: Transport, wait: Callable[[float], None]) -> None:
        wait(74)
        assert transport.did == []
        wait(2)
        assert transport.did == ["abort"] and transport.written == b""

    in_time(check)


def test_a_request_that_does_not_come_to_its_end() -> None:
    async def check(made: Connection, transport: Transport, wait: Callable[[float], None]) -> None:
        wait(70)
        made.data_received(b"GET /a")
        wait(70)
        assert transport.did == [], "it has just begun"
        made.data_received(b"bc")
        wait(6)
        assert transport.written.startswith(b"HTTP/1.1 408 ") and transport.did == ["write_eof"]
        wait(3)
        assert transport.did == ["write_eof", "abort"]

    in_time(check)


def test_a_body_that_moves_on_is_waited_for() -> None:
    async def check(made: Connection, transport: Transport, wait: Callable[[float], None]) -> None:
        made.data_received(HEAD + b"Content-Length: 1000000\r\n\r\n")
        for _ in range(3):
            wait(70)
            made.data_received(b"x" * PROGRESS)
        wait(70)
        made.data_received(b"x" * 100)
        assert transport.did == []
        wait(6)
        assert transport.written.startswith(b"HTTP/1.1 408 ")

    in_time(check)


def test_who_does_not_take_its_answer_is_let_go() -> None:
    async def check(made: Connection, transport: Transport, wait: Callable[[float], None]) -> None:
        made.pause_writing()
        made.data_received(GET)
        task = made._task
        assert task is not None
        wait(1000)
        assert transport.did == ["pause_reading"], "as long as it is made nobody is late"
        while not transport.written:
            await asyncio.sleep(0)
        wait(74)
        made.data_received(GET)
        assert transport.written.count(b"HTTP/1.1") == 1, "and it is answered nothing more"
        wait(2)
        assert transport.did == ["pause_reading", "abort"]
        made.connection_lost(None)
        await task

    in_time(check)


def test_what_still_comes_from_who_was_cut_off_is_thrown_away() -> None:
    async def check(made: Connection, transport: Transport, wait: Callable[[float], None]) -> None:
        made.data_received(b"nonsense\r\n\r\n")
        told = transport.written
        for _ in range(10):
            made.data_received(GET)
        made.eof_received()
        assert transport.written == told and made._wire.come is None, "of it nothing is kept"
        wait(connection.LINGER_S + 1)
        assert transport.did == ["write_eof", "abort"]

    in_time(check)


# the end


def test_a_stopping_port_answers_what_was_asked_and_takes_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with served() as here:
            idle, busy = await here.connect(), await here.connect()
            assert (await idle.get("a")).status == 404
            go = asyncio.Event()
            real = here.port._answering.answer

            async def slowly(asked: Any) -> Any:
                await go.wait()
                return await real(asked)

            monkeypatch.setattr(here.port._answering, "answer", slowly)
            await busy.raw(GET)
            while not any(each._task for each in here.port._connections):
                await asyncio.sleep(0)
            here.port.stop()
            assert await idle.rest() == b""
            with pytest.raises(ConnectionError):
                await asyncio.open_connection(*here.address)
            go.set()
            told = await busy.rest()
            assert told.startswith(b"HTTP/1.1 404") and b"Connection: close" in told
            await here.port.ended()
            assert not here.port._connections

    asyncio.run(run())


def test_who_is_not_done_in_the_time_that_is_given_is_cut_off() -> None:
    async def run() -> None:
        async with served(limits={"grace": 0.0}) as here:
            half = await here.connect()
            await half.raw(HEAD)
            while not here.port._connections:
                await asyncio.sleep(0)
            here.port.stop()
            await here.port.ended()
            assert await half.rest() == b""

    asyncio.run(run())
