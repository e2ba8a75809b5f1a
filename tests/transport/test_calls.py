"""Calls over HTTP/1.1: what answers may be, and what becomes of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from crdtkv.transport import calls as room
from crdtkv.transport.calls import Answer, Broken, Calls

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 6\r\n\r\n"


@asynccontextmanager
async def served(*answers: bytes, ends: bool = False) -> AsyncIterator[tuple[Calls, str, list[int]]]:
    """A server that answers so, in turn, whatever it is asked; which connection each question came on."""
    left, came, connections = list(answers), [], []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        number = len(connections)
        try:
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.rpartition(b"content-length: ")[2]))
                came.append(number)
                writer.write(left.pop(0))
                if ends:
                    writer.close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    calls = Calls()
    try:
        yield calls, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", came
    finally:
        calls.close()
        server.close()
        await asyncio.gather(*(writer.wait_closed() for writer in connections), return_exceptions=True)


async def ask(calls: Calls, url: str, size_of: Callable[[bytes], int] = lambda first: 6) -> Answer:
    return await calls.post(url, b"question", 2, size_of)


def test_one_connection_serves_one_call_after_the_other() -> None:
    async def run() -> None:
        async with served(OK + b"answer", OK + b"second", OK + b"a", b"nswer") as (calls, url, came):
            assert await ask(calls, url) == Answer(200, False, b"answer")
            assert (await ask(calls, url)).body == b"second"
            assert came == [1, 1]

    asyncio.run(run())


def test_a_connection_that_was_closed_meanwhile_serves_no_call() -> None:
    async def run() -> None:
        async with served(OK + b"answer", OK + b"answer", ends=True) as (calls, url, came):
            for _ in range(2):
                assert (await ask(calls, url)).body == b"answer"
                await asyncio.sleep(0)
                while calls._idle[url] and calls._idle[url][0].open:
                    await asyncio.sleep(0)
            assert came == [1, 2]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "wrong", "begun"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nlong-long", Broken, True),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", Broken, False),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * (1 << 15) + b"\r\n\r\n", Broken, False),
        (OK + b"ans", Broken, True),
        (OK[:30], Broken, False),
    ],
)
def test_what_is_no_answer_breaks_the_connection(answer: bytes, wrong: type[Exception], begun: bool) -> None:
    async def run() -> None:
        async with served(answer, OK + b"answer", ends=len(answer) < 100) as (calls, url, came):
            with pytest.raises(wrong) as caught:
                await ask(calls, url)
            assert isinstance(caught.value, Broken) and caught.value.begun == begun
            assert (await ask(calls, url)).body == b"answer" and came == [1, 2]

    asyncio.run(run())


def test_an_answer_is_read_as_far_as_its_first_bytes_say() -> None:
    """And no further where these are not liked: what is raised then is told."""
    async def run() -> None:
        chunked = b"HTTP/1.1 409 No\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n5\r\nnswer\r\n0\r\n\r\n"
        async with served(chunked, OK + b"an") as (calls, url, _):
            seen: list[bytes] = []
            assert await ask(calls, url, lambda first: seen.append(first) or 6) == Answer(409, False, b"answer")
            assert seen == [b"an"]

            def disliked(first: bytes) -> int:
                raise KeyError(first)

            with pytest.raises(KeyError, match="an"):
                await ask(calls, url, disliked)

    asyncio.run(run())


def test_words_are_cut_and_are_not_taken_for_an_answer() -> None:
    async def run() -> None:
        words = b"x" * 1000
        async with served(b"HTTP/1.1 503 No\r\ncontent-length: 1000\r\n\r\n" + words) as (calls, url, _):
            assert await ask(calls, url) == Answer(503, True, words[: room.MAX_WORDS])

    asyncio.run(run())


def test_who_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SILENT_S", 0.01)

    async def run() -> None:
        async with served(b"", b"") as (calls, url, _):
            with pytest.raises(TimeoutError):
                await ask(calls, url)
            assert not calls._idle[url]

    asyncio.run(run())
