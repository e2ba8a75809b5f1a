"""A thousand who follow one colo over HTTP while 200 writes a second go on: whether each is told each change once.

Everyone is a client of raw asyncio in this process, the server a process of its own. That nobody misses a
change, or is told one twice, is the limit; how much later they are told hangs on what else this machine does.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from typing import NamedTuple

from bench.limits.server import cpu_of, served

__all__ = ["Figure", "measure", "report"]

FOLLOWERS = 1_000
RATE = 200
SECONDS = 5.0
WRITERS = 10
_TOLD = re.compile(rb'"entry":\{"key":"k\d+","value":(\d+),.*?"stamp":(\d+)')


class Figure(NamedTuple):
    """`wrong`: of the followers, those who missed a change or were told one twice. Times in milliseconds, `cpu` in
    seconds of the server's processor for each second of writes that were asked for."""

    wrong: int
    took: float
    half: float
    p99: float
    cpu: float


class _Follower(asyncio.Protocol):
    def __init__(self) -> None:
        self.parts: list[tuple[float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        ask = b"GET /v1/default/changes?feed=sse&heartbeat=60 HTTP/1.1\r\nhost: lhr\r\n\r\n"
        transport.write(ask)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.parts.append((time.time() * 1000, data))


def measure() -> Figure:
    """Some 15 s."""
    with tempfile.TemporaryDirectory() as folder, served(folder) as (process, port):
        return asyncio.run(_measure(port, lambda: cpu_of(process.pid)))


async def _measure(port: int, cpu: object) -> Figure:
    loop = asyncio.get_running_loop()
    followers = [(await loop.create_connection(_Follower, "127.0.0.1", port))[1] for _ in range(FOLLOWERS)]
    while not all(follower.parts for follower in followers):
        await asyncio.sleep(0.1)
    number, begin, before = int(RATE * SECONDS), time.time(), cpu()  # type: ignore[operator]
    await asyncio.gather(*(_write(port, range(w, number, WRITERS), begin) for w in range(WRITERS)))
    took = time.time() - begin
    wanted, deadline = list(range(number)), time.time() + 20
    while (told := [_values(follower) for follower in followers]) and time.time() < deadline:
        if all(len(values) >= number for values in told):
            break
        await asyncio.sleep(0.5)
    spent = cpu() - before  # type: ignore[operator]
    parts = [part for follower in followers[:20] for part in follower.parts]
    late = sorted(at - int(stamp) for at, text in parts for _, stamp in _TOLD.findall(text))
    wrong = sum(values != wanted for values in told)
    return Figure(wrong, took, late[len(late) // 2], late[int(len(late) * 0.99)], spent / SECONDS)


def _values(follower: _Follower) -> list[int]:
    return sorted(int(value) for value, _ in _TOLD.findall(b"".join([part for _, part in follower.parts])))


async def _write(port: int, numbers: range, begin: float) -> None:
    """Puts at the moments that are theirs, or as soon after as the one before is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        await asyncio.sleep(max(0.0, begin + (number + 1) / RATE - time.time()))
        body = b"%d" % number
        head = b"PUT /v1/default/keys/k%d HTTP/1.1\r\nhost: lhr\r\ncontent-length: %d\r\n\r\n" % (number, len(body))
        writer.write(head + body)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
    writer.close()


def report() -> bool:
    """Prints the figures; whether nobody missed a change, or was told one twice."""
    figure = measure()
    print(f"{FOLLOWERS:,} who follow, {RATE} writes a second for {SECONDS:.0f} s")
    print(f"  wrong {figure.wrong}; told after {figure.half:.0f} ms, 99 of 100 {figure.p99:.0f} ms; "
          f"the writes took {figure.took:.1f} s, the server {figure.cpu:.2f} of a core")  # fmt: skip
    return figure.wrong == 0
