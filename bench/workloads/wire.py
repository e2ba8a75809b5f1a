"""(i) Over the wire: a colo's HTTP and Redis doors, 64 connections, beside redis-server and a bare HTTP server."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.peers import need
from bench.worker import peak_mb

__all__ = ["WORKLOAD", "measure", "verdict"]

CONNECTIONS = 64
COMMANDS = ("set", "get", "incr", "rpush", "sadd")
HTTP = (Figure("get", "GET", "/s", more=True), Figure("put", "PUT", "/s", more=True))
REDIS = tuple(Figure(name, name.upper(), "/s", more=True) for name in COMMANDS)


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    return (_http if order["do"] == "http" else _redis)(peer, order)


def verdict(found: list[str], order: Mapping[str, Any]) -> str:
    return f"no {', '.join(found)}" if found else RIGHT


def _redis(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Requests a second of each command, by redis-benchmark."""
    need(peer, "redis_door")
    process, port = peer.redis_door(order["durability"])
    figures, refused = {}, []
    for name in COMMANDS:
        rate = _benchmark(port, name, order["count"], order["pipeline"])
        if rate is None:
            refused.append(name.upper())
        else:
            figures[name] = rate
    return {"figures": {**figures, "peak_mb": peak_mb(process.pid)}, "found": refused}


def _benchmark(port: int, name: str, count: int, pipeline: int) -> float | None:
    """None if the server answers with an error."""
    options = ["-c", str(CONNECTIONS), "-n", str(count), "-P", str(pipeline), "-d", "100", "-r", "10000", "--csv"]
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-t", name, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    rows = [line.split('","') for line in done.stdout.splitlines() if line.startswith(f'"{name.upper()}"')]
    return float(rows[-1][1]) if rows and not done.returncode else None


def _http(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Requests a second, one after the other on each connection."""
    need(peer, "http_door")
    from bench.limits.server import load

    process, port = peer.http_door()
    seconds = order["seconds"]
    asyncio.run(load(port, "PUT", seconds / 4, None))
    times = {method.lower(): asyncio.run(load(port, method, seconds, None)) for method in ("PUT", "GET")}
    figures = {name: len(took) / seconds for name, took in times.items()}
    return {"figures": {**figures, "peak_mb": peak_mb(process.pid)}, "found": []}


def _cases(seconds: float, count: int, repetitions: int) -> tuple[Case, ...]:
    def redis(durability: str, pipeline: int, beside: str, words: str) -> Case:
        order = {"do": "redis", "durability": durability, "pipeline": pipeline, "count": count * min(4, pipeline)}
        name = f"redis {durability}" + (f" -P {pipeline}" if pipeline > 1 else "")
        return Case(name, words, order, REDIS, ("crdtkv", beside), 40, repetitions)

    http = f"HTTP, {CONNECTIONS} connections, values of 100 bytes; PUT is durable (uvicorn: a bare application)"
    return (
        Case("http", http, {"do": "http", "seconds": seconds}, HTTP, ("crdtkv", "uvicorn"), 40, repetitions),
        redis("normal", 1, "redis", f"Redis' protocol, {CONNECTIONS} connections; a power cut may take back the last"),
        redis("normal", 16, "redis", "The same, 16 requests at once on each connection"),
        redis("full", 1, "redis-always", f"Redis' protocol, {CONNECTIONS} connections; synced before it is answered"),
    )


WORKLOAD = Workload(
    "wire",
    "a served colo",
    _cases(1.5, 10_000, 3),
    _cases(0.4, 1_000, 1),
    (),
    "The clients are redis-benchmark in C, and for HTTP raw asyncio in a process of its own. uvicorn is an application "
    "that answers the same bytes and does nothing. The bare server stores nothing; redis-server is C.",
    verdict,
)
