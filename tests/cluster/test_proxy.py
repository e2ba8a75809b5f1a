"""The proxy fails as it is told to, on the link it is told to."""

import asyncio
import os
from contextlib import suppress

import pytest

from tests.cluster.proxy import Proxy

PATIENCE_S = 60.0


class _Echo:
    """A colo that says back what it hears."""

    async def __aenter__(self) -> "_Echo":
        self.heard = b""
        self._talks: list[asyncio.StreamWriter] = []
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.proxy = Proxy({"sin": self.port}, lambda: {"lhr": os.getpid()})
        await self.proxy.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.proxy.stop()
        self._server.close()
        for writer in self._talks:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            self.heard += data
            writer.write(data)
        writer.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        talk = await asyncio.open_connection("127.0.0.1", self.proxy.ports["sin"])
        self._talks.append(talk[1])
        return talk


async def _silent(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(1), 0.2)
        return False
    except TimeoutError:
        return True


async def _says(talk: tuple[asyncio.StreamReader, asyncio.StreamWriter], word: bytes) -> bytes:
    talk[1].write(word)
    return await asyncio.wait_for(talk[0].readexactly(len(word)), PATIENCE_S)


def test_what_is_said_passes_and_is_counted() -> None:
    async def story() -> None:
        async with _Echo() as sin:
            talk = await sin.connect()
            assert await _says(talk, b"hello") == b"hello"
            assert sin.proxy.bytes == {("lhr", "sin"): 5, ("sin", "lhr"): 5}

    asyncio.run(story())


@pytest.mark.parametrize(("link", "heard"), [(("lhr", "sin"), b""), (("sin", "lhr"), b"hello")])
def test_a_one_way_partition(link: tuple[str, str], heard: bytes) -> None:
    """What one side says is lost on a connection that stays open; healed, that one is broken, and a new one works."""

    async def story() -> None:
        async with _Echo() as sin:
            talk = await sin.connect()
            await _says(talk, b"a")
            sin.proxy.cut(*link, one_way=True)
            talk[1].write(b"hello")
            async with asyncio.timeout(PATIENCE_S):
                while sin.heard != b"a" + heard:
                    await asyncio.sleep(0.005)
            assert await _silent(talk[0])
            assert sin.heard == b"a" + heard
            sin.proxy.heal()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await talk[0].readexactly(1)
            assert await _says(await sin.connect(), b"again") == b"again"

    asyncio.run(story())


def test_connections_break() -> None:
    async def story() -> None:
        async with _Echo() as sin:
            talk = await sin.connect()
            await _says(talk, b"a")
            assert sin.proxy.break_connections("lhr", "sin") == 1
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await talk[0].readexactly(1)
            sin.proxy.refuse("lhr", "sin")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await _says(await sin.connect(), b"b")

    asyncio.run(story())
