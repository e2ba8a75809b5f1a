"""What a request over HTTP costs: GET and PUT (durability full) of 100-byte values, 64 connections, one server process.

Beside each, in turns of the same run, what uvicorn takes for a bare ASGI application that answers the same
bytes: nobody who speaks HTTP by it can be quicker. The client is of raw asyncio, in a process of its own.
Requests a second hang on what else this machine does; the processor time of the server does so less.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Ask", "Figure", "answers", "bare", "bare_server", "cpu_of", "load", "measure", "report", "served", "table"]

CONNECTIONS = 64
SECONDS = 2.0
ROUNDS = 3
KEYS = 1_000
RATIO = 0.7
P99_MS = 10.0
SYNCS = 300
READS = 2_000
_ROOT = Path(__file__).parent.parent.parent
_BODY = b'"' + b"v" * 98 + b'"'
_TOLD = {"GET": _BODY, "PUT": b'{"key":"key-000","version":"5af9_lhr~k3f9.123456","strategy":"json"}'}
_HEADERS = {
    "GET": [(b"content-type", b"application/json"), (b"etag", b'"5af9_lhr~k3f9.123456"'), (b"crdtkv-value", b"json")],
    "PUT": [(b"content-type", b"application/json"), (b"etag", b'"5af9_lhr~k3f9.123456"')],
}
_SESSION = (b"crdtkv-session", b"akZKofmRlZmF1bHSRkqhsaHJ-N3pycAQ")

Ask = Callable[[str, int, int], bytes]


class Figure(NamedTuple):
    """Of one method: requests a second and microseconds of the server's processor each, ours and the bare one's.

    `p99`: milliseconds at half of the lower rate (at more, the client would be what is measured).
    """

    method: str
    rate: float
    bare_rate: float
    cpu: float
    bare_cpu: float
    p99: float
    wanted: float
    """A ratio, by the clock or by the processor."""

    @property
    def kept(self) -> bool:
        return max(self.rate / self.bare_rate, self.bare_cpu / self.cpu) >= self.wanted and self.p99 <= P99_MS


def answers(told: dict[str, bytes], headers: dict[str, list[tuple[bytes, bytes]]]) -> Any:
    """An ASGI application that answers each method with these bytes and headers, and has nothing behind them."""

    async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        method = scope["method"]
        if method == "PUT":
            await receive()
        length = (b"content-length", b"%d" % len(told[method]))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers[method], _SESSION, length]})
        await send({"type": "http.response.body", "body": told[method]})

    return bare


bare = answers(_TOLD, _HEADERS)


def measure(
    ask: Ask | None = None, app: str = "bench.limits.server:bare", wanted: float = RATIO, **variables: str
) -> list[Figure]:
    """GET and PUT. Some 40 s. `ask`: as `load`; `app`: the bare application; `variables`: of the server."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours = stack.enter_context(served(folder, **variables))
        theirs = stack.enter_context(bare_server(app))
        seconds = 0.5
        while len(asyncio.run(load(ours[1], "PUT", seconds, None, ask=ask))) < CONNECTIONS * 40:
            seconds *= 2  # not every key was put yet
        found = []
        for method in ("PUT", "GET"):
            best: dict[bool, tuple[float, float]] = {True: (0.0, 0.0), False: (0.0, 0.0)}
            cpu = {True: 1e9, False: 1e9}
            for _ in range(ROUNDS):
                for is_ours, (process, port) in ((True, ours), (False, theirs)):
                    before = cpu_of(process.pid)
                    times = asyncio.run(load(port, method, SECONDS, None, ask=ask))
                    cpu[is_ours] = min(cpu[is_ours], (cpu_of(process.pid) - before) / len(times) * 1e6)
                    best[is_ours] = max(best[is_ours], (len(times) / SECONDS, 0.0))
            rate = min(best[True][0], best[False][0])
            times = sorted(asyncio.run(load(ours[1], method, SECONDS, rate / 2, ask=ask)))
            p99 = times[int(len(times) * 0.99)] * 1e3
            found.append(Figure(method, best[True][0], best[False][0], cpu[True], cpu[False], p99, wanted))
        return found


def report() -> bool:
    """Prints the figures; whether the limits are kept."""
    figures = measure()
    print(f"requests over HTTP, 100-byte values, {CONNECTIONS} connections, durability full")
    table(figures)
    print(f"  (wanted: a ratio of {RATIO}, and {P99_MS:.0f} ms at half the load)")
    half, p99 = _beside()
    print(f"  {READS:,} GETs a second, beside PUTs without a pause: half within {half:.1f} ms, 99 % within {p99:.1f}")
    half, p99 = _syncs()
    print(f"  a sync of this disk, of 20 kB and nothing else: half within {half:.1f} ms, 99 % within {p99:.1f}")
    return all(f.kept for f in figures)


def table(figures: list[Figure]) -> None:
    """Prints them."""
    print(f"  {'':<6}{'a second':>10}{'bare':>9}{'ratio':>7}{'us':>8}{'bare':>7}{'ratio':>7}{'p99 ms':>8}")
    for f in figures:
        print(
            f"  {f.method:<6}{f.rate:>10,.0f}{f.bare_rate:>9,.0f}{f.rate / f.bare_rate:>7.2f}{f.cpu:>8.1f}"
            f"{f.bare_cpu:>7.1f}{f.bare_cpu / f.cpu:>7.2f}{f.p99:>8.1f}  {'ok' if f.kept else 'UNDER'}"
        )


def _beside() -> tuple[float, float]:
    """Milliseconds of a GET while others write other keys and never pause: the median, and of 99 %."""

    async def both(port: int) -> list[float]:
        reads = load(port, "GET", SECONDS, READS)
        took, _ = await asyncio.gather(reads, load(port, "PUT", SECONDS, None, first=KEYS))
        return sorted(took)

    with tempfile.TemporaryDirectory() as folder, served(folder) as (_, port):
        asyncio.run(load(port, "PUT", 2 * SECONDS, None))
        asyncio.run(load(port, "GET", SECONDS / 2, None))
        took = asyncio.run(both(port))
    return took[len(took) // 2] * 1e3, took[int(len(took) * 0.99)] * 1e3


def _syncs() -> tuple[float, float]:
    """Milliseconds that a durable write waits for, whatever the program does: the median, and of 99 %."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(bytes(20_000))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    return took[SYNCS // 2], took[int(SYNCS * 0.99)]


# the servers


@contextmanager
def served(folder: str, more: tuple[str, ...] = (), **variables: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A colo in that folder, in a process of its own, and its port. `more`: options of `crdtkv serve`."""
    command = ["-m", "crdtkv.cli", "serve", "--colo", "lhr", "--data", folder, "--listen", "127.0.0.1:0", *more]
    with _process(command, **variables) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rsplit(":", 1)[1])


@contextmanager
def bare_server(app: str = "bench.limits.server:bare") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`bare`, or another application, under uvicorn, in a process of its own, and its port."""
    code = (
        "import socket, uvicorn\n"
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        f"c = uvicorn.Config({app!r}, loop='uvloop', http='httptools', ws='none', lifespan='off', access_log=False,\n"
        "    log_level='warning', server_header=False)\n"
        "uvicorn.Server(c).run(sockets=[s])"
    )
    with _process(["-c", code]) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())


@contextmanager
def _process(arguments: list[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, *arguments]
    quiet, known = subprocess.DEVNULL, {**os.environ, **variables}
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=quiet, text=True, env=known) as process:
        try:
            yield process
        finally:
            process.terminate()


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# the client


class _Connection(asyncio.Protocol):
    """One request after another; `pace`: seconds from one to the next, None: as soon as it is answered."""

    def __init__(self, requests: list[bytes], until: float, pace: float | None, times: list[float]) -> None:
        self._requests, self._until, self._pace, self._times = requests, until, pace, times
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._got = b""
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._due = time.perf_counter()
        self._ask()

    def _ask(self) -> None:
        # Late is late: a request that had to wait for its turn has waited since it was due.
        self._since = self._due if self._pace is not None else time.perf_counter()
        self._transport.write(self._requests[self._number % len(self._requests)])
        self._number += 1

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        assert head.startswith(b"HTTP/1.1 20"), head
        self._got = b""
        now = time.perf_counter()
        self._times.append(now - self._since)
        if now >= self._until:
            self._transport.close()
        elif self._pace is None:
            self._ask()
        else:
            self._due += self._pace
            self._loop.call_later(max(0.0, self._due - now), self._ask)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(
    port: int, method: str, seconds: float, rate: float | None, first: int = 0, ask: Ask | None = None
) -> list[float]:  # fmt: skip
    """How long each request took. `rate`: of all together, None: as many as there can be; `first`: of the keys.

    `ask(method, key, turn)`: the bytes of a request; of `/v1` if that is not said.
    """
    ask = ask or _request
    loop = asyncio.get_running_loop()
    times: list[float] = []
    until = time.perf_counter() + seconds
    pace = None if rate is None else CONNECTIONS / rate
    connections = []
    for number in range(CONNECTIONS):
        requests = [ask(method, first + (number * 37 + i) % KEYS, i) for i in range(100)]
        made = await loop.create_connection(
            lambda requests=requests: _Connection(requests, until, pace, times), "127.0.0.1", port  # type: ignore[misc]
        )
        connections.append(made[1])
    await asyncio.gather(*(connection.done for connection in connections))
    return times


def _request(method: str, key: int, turn: int) -> bytes:
    head = f"{method} /v1/default/keys/key-{key:03} HTTP/1.1\r\nhost: lhr\r\n".encode()
    if method == "GET":
        return head + b"\r\n"
    body = b'"%s%02d"' % (b"v" * 96, turn % 100)
    return head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
