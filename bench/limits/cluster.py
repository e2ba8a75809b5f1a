"""How soon what is written at one colo is told at another, and how soon who lacks much has it: real processes.

Three colos that serve over HTTP on loopback, each a process, as do clients and this: all on
the cores of one machine. A change is under way from when its writer has its answer until a
feed (SSE) of another colo tells it.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.limits.server import cpu_of
from crdtkv.node.node import Node
from tests.cluster.asking import Connection
from tests.cluster.colos import Cluster, Colo

__all__ = ["Figure", "measure", "report"]

RATE = int(os.environ.get("CRDTKV_BENCH_RATE", "1000"))
SECONDS = 10
WRITERS = 20
BEHIND = int(os.environ.get("CRDTKV_BENCH_BEHIND", "100000"))
KEYS = int(os.environ.get("CRDTKV_BENCH_BOOTSTRAP", "1000000"))
LOAD = 100
PATIENCE = 900
VALUE = "x" * 100


class Figure(NamedTuple):
    """What was measured, in its unit, beside its limit."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def kept(self) -> bool:
        return self.value <= self.limit


async def measure(names: tuple[str, ...] = ("propagation", "behind", "bootstrap")) -> list[Figure]:
    """The figures of these, each with a cluster of its own."""
    found: list[Figure] = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found += await _MEASURES[name](Path(folder))
    return found


def report() -> bool:
    """Prints the figures; whether the limits are kept."""
    chosen = tuple(os.environ.get("CRDTKV_BENCH_CLUSTER", "propagation,behind,bootstrap").split(","))
    figures = asyncio.run(measure(chosen))
    print(f"a cluster on {os.cpu_count()} cores, a process each")
    for f in figures:
        print(f"  {f.what:<64}{f.value:>9.1f}{f.limit:>8.0f} {f.unit:<3}{'' if f.kept else '  over'}")
    return all(f.kept for f in figures)


# propagation


async def _propagation(folder: Path) -> list[Figure]:
    async with Cluster(3, folder, proxied=False) as cluster:
        await _agreed(cluster, 30)
        lhr, *others = cluster.colos.values()
        answered: dict[int, float] = {}
        told: dict[int, list[float]] = {}
        feeds = [asyncio.create_task(_follow(colo, told)) for colo in others]
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        await asyncio.gather(*(_write(lhr, i, begun, answered) for i in range(WRITERS)))
        took = time.monotonic() - begun
        await _until(lambda: len(told) >= len(answered) and all(len(t) == len(others) for t in told.values()), 10)
        for feed in feeds:
            feed.cancel()
        delays = sorted(max(0.0, at - answered[n]) * 1000 for n in answered for at in told.get(n, []))
        rate = len(answered) / took
        missed = len(answered) * len(others) - len(delays)
        shown = f"propagation at {rate:,.0f} writes/s between 3 colos"
        return [
            Figure(f"{shown}, p50", delays[len(delays) // 2], 5, "ms"),
            Figure(f"{shown}, p99", delays[len(delays) * 99 // 100], 50, "ms"),
            Figure("changes that a feed did not tell", missed, 0, ""),
            Figure(f"writes/s short of {RATE:,}", max(0.0, RATE - rate), RATE * 0.05, "/s"),
        ]


async def _write(colo: Colo, writer: int, begun: float, answered: dict[int, float]) -> None:
    """Its share of the writes, each at its time."""
    connection = Connection(colo.port)
    for i in range(RATE * SECONDS // WRITERS):
        n = i * WRITERS + writer
        await asyncio.sleep(begun + n / RATE - time.monotonic())
        answer = await connection.ask("PUT", f"/v1/default/keys/k{n}", {"n": n, "is": VALUE})
        if answer.ok:
            answered[n] = time.monotonic()
    await connection.close()


async def _follow(colo: Colo, told: dict[int, list[float]]) -> None:
    """When its feed told what."""
    reader, writer = await asyncio.open_connection("127.0.0.1", colo.port, limit=1 << 24)
    writer.write(b"GET /v1/default/changes?feed=sse HTTP/1.1\r\nhost: colo\r\n\r\n")
    try:
        while line := await reader.readline():
            if line.startswith(b"data:"):
                at = time.monotonic()
                change = json.loads(line[5:])
                if change["key"].startswith("k"):
                    told.setdefault(int(change["key"][1:]), []).append(at)
    finally:
        writer.close()


# behind


async def _behind(folder: Path) -> list[Figure]:
    async with Cluster(3, folder) as cluster:
        await _agreed(cluster, 30)
        lhr, sin, gru = cluster.colos.values()
        cluster.proxy.partition([lhr.name, sin.name], [gru.name])
        await _fill(lhr, "k", BEHIND)
        cluster.proxy.heal()
        begun = time.monotonic()
        await _agreed(cluster, 120)
        took = time.monotonic() - begun
        return [Figure(f"{BEHIND:,} keys behind after a partition, caught up", took, 5, "s")]


async def _fill(colo: Colo, prefix: str, number: int) -> None:
    """So many keys, ten a transaction: more of these than a colo keeps at hand for others."""
    connections = [Connection(colo.port) for _ in range(16)]

    async def part(connection: Connection, firsts: list[int]) -> None:
        for first in firsts:
            keys = range(first, min(first + 10, number))
            writes = [{"op": "put", "key": f"{prefix}{n}", "value": VALUE} for n in keys]
            answer = await connection.ask("POST", "/v1/default/transactions", {"writes": writes}, seconds=60)
            if not answer.ok:
                raise AssertionError(f"{answer.status} {answer.body[:300]!r}")

    firsts = list(range(0, number, 10))
    await asyncio.gather(*(part(c, firsts[i::16]) for i, c in enumerate(connections)))
    for connection in connections:
        await connection.close()


# bootstrap


async def _bootstrap(folder: Path) -> list[Figure]:
    cluster = Cluster(2, folder, patience=PATIENCE)
    names = cluster.names
    await asyncio.to_thread(_load, folder / names[0])
    async with cluster:
        await _agreed(cluster, PATIENCE)
        took_bytes = cluster.proxy.bytes[names[0], names[1]]
        going = asyncio.Event()
        writing = asyncio.create_task(_go_on(cluster.colos[names[0]], going))
        new = await cluster.add("gru")
        begun = time.monotonic()
        starting = asyncio.create_task(new.start())
        await _until_async(lambda: _given(cluster, new.name, took_bytes / 2), PATIENCE)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        worked = _worked(new)
        new.kill()
        half = time.monotonic() - begun
        await new.start()
        await _until_async(lambda: _near(cluster, names[0], new.name, LOAD), PATIENCE)
        took = time.monotonic() - begun
        worked += _worked(new)
        going.set()
        wrote = await writing
        await _agreed(cluster, 30)
        what = f"a new colo with {KEYS:,} keys, killed half-way, {wrote / took:,.0f} writes/s going on"
        return [
            Figure(what, took, 60, "s"),
            Figure("  of that until it was killed", half, 60, "s"),
            Figure("  processor time of the new colo, which hangs less on what else the machine does", worked, 60, "s"),
        ]


def _worked(colo: Colo) -> float:
    """Seconds of processor time that its process has taken."""
    return cpu_of(colo.pid) if colo.pid is not None else 0.0


def _load(folder: Path) -> None:
    """All keys, before anybody serves them."""
    with Node(folder, colo=folder.name, durability="normal") as node:
        store = node.store("default")
        for first in range(0, KEYS, 10_000):
            with store.transaction() as t:
                for n in range(first, min(first + 10_000, KEYS)):
                    t.put(f"b{n}", VALUE)


async def _go_on(colo: Colo, enough: asyncio.Event) -> int:
    """Writes at LOAD a second until it is enough; how many."""
    connection, n, begun = Connection(colo.port), 0, time.monotonic()
    while not enough.is_set():
        await asyncio.sleep(max(0.0, begun + n / LOAD - time.monotonic()))
        answer = await connection.ask("PUT", f"/v1/default/keys/w{n}", n, seconds=30)
        n += answer.ok
    await connection.close()
    return n


async def _given(cluster: Cluster, name: str, wanted: float) -> bool:
    """Whether others have sent so many bytes to that colo."""
    return sum(n for (_, to), n in cluster.proxy.bytes.items() if to == name) >= wanted


# waiting


async def _vectors(cluster: Cluster) -> list[Any]:
    return await asyncio.gather(*(_vector(colo) for colo in cluster.colos.values()))


async def _vector(colo: Colo) -> Any:
    answer = await colo.status()
    told = answer.json()["namespaces"] if answer.ok else []
    return {each["name"]: each["vector"] for each in told} or colo.name


async def _agreed(cluster: Cluster, seconds: float) -> None:
    """All have absorbed the same. Raises TimeoutError."""

    async def same() -> bool:
        first, *others = await _vectors(cluster)
        return all(other == first for other in others)

    await _until_async(same, seconds)


async def _near(cluster: Cluster, one: str, other: str, most: int) -> bool:
    """Whether the second has all but so many of the writes of the first's default namespace."""
    mine, theirs = await _vector(cluster.colos[one]), await _vector(cluster.colos[other])
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return False
    a, b = mine["default"], theirs["default"]
    return all(b.get(replica, 0) >= n - most for replica, n in a.items())


async def _until_async(done: Callable[[], Awaitable[bool]], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not await done():
        if time.monotonic() > end:
            raise TimeoutError(f"not in {seconds} s")
        await asyncio.sleep(0.02)


async def _until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        await asyncio.sleep(0.02)


_MEASURES: dict[str, Callable[[Path], Awaitable[list[Figure]]]] = {
    "propagation": _propagation, "behind": _behind, "bootstrap": _bootstrap,
}  # fmt: skip
