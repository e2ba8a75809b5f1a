"""A small HTTP client over asyncio: one connection, kept open; what is not known to have happened is said so.

Its rule is that of a careful client: an answer says whether the write happened (`happened` in
the body of an error); without an answer it is "unknown", unless there was no connection yet.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, NamedTuple

__all__ = ["Answer", "Connection"]

SECONDS = 5.0


class Answer(NamedTuple):
    """`happened`: "yes", "no" or "unknown"; `status` is 0 where there was no answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    happened: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """To one port of loopback. Opened when it is needed, and again after it broke."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self._port = port
        self._head = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, seconds: float = SECONDS
    ) -> Answer:
        """The answer to one request. Raises nothing: no answer is an answer, too."""
        sent = False
        try:
            async with asyncio.timeout(seconds):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 26)
                sent = True
                return await self._exchange(method, path, body, headers or {})
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            await self.close()
            return Answer(0, {}, b"", "unknown" if sent else "no")
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _exchange(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        assert self._streams is not None
        reader, writer = self._streams
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"host": f"127.0.0.1:{self._port}", "content-length": str(len(data))}
        given |= {"content-type": "application/json"} if body is not None else {}
        head = "".join(f"{k}: {v}\r\n" for k, v in {**given, **headers}.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}{self._head}\r\n".encode() + data)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        heard = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
        found = await self._body(method, status, heard)
        if heard.get("connection", "") == "close":
            await self.close()
        return Answer(status, heard, found, _happened(status, found))

    async def _body(self, method: str, status: int, heard: dict[str, str]) -> bytes:
        assert self._streams is not None
        reader = self._streams[0]
        if method == "HEAD" or status in (204, 304):
            return b""
        if "chunked" not in heard.get("transfer-encoding", ""):
            return await reader.readexactly(int(heard.get("content-length", 0)))
        out = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            out += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return out

    async def close(self) -> None:
        """Nothing of it is left open. Idempotent."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(Exception):
                await streams[1].wait_closed()


def _happened(status: int, body: bytes) -> str:
    if status < 400:
        return "yes"
    try:
        return str(json.loads(body)["happened"])
    except (ValueError, KeyError, TypeError):
        return "no" if status < 500 else "unknown"
