"""redis-server, by redis-py with hiredis; `appendfsync everysec`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from bench.peers import serving

__all__ = ["FSYNC", "KeyValue", "Replica", "keyvalue", "redis_door", "replica", "server"]

FSYNC = "everysec"


def server(fsync: str) -> tuple[redis.Redis, Any, int]:
    """A client, the process, the port. Data go to an append-only file."""
    port, home = serving.port(), serving.folder("redis")
    client = redis.Redis(port=port)
    options = ["--appendonly", "yes", "--appendfsync", fsync, "--save", "", "--daemonize", "no", "--bind", "127.0.0.1"]
    process = serving.started(["redis-server", "--port", str(port), "--dir", str(home), *options], client.ping)
    return client, process, port


class Replica:
    """A client of a server of its own."""

    def __init__(self, fsync: str) -> None:
        self.redis, self.process, self.port = server(fsync)

    def append(self, value: Any) -> None:
        self.redis.rpush("list", value)

    def extend(self, values: Iterable[Any]) -> None:
        self.redis.rpush("list", *values)

    def remove(self, value: Any) -> None:
        self.redis.lrem("list", 1, value)

    def entries(self) -> list[Any]:
        return [entry.decode() for entry in self.redis.lrange("list", 0, -1)]  # type: ignore[union-attr]

    def write(self, value: Any) -> None:
        self.redis.set("document", json.dumps(value))

    def read(self) -> Any:
        return json.loads(self.redis.get("document") or "null")  # type: ignore[arg-type]


def replica(n: int) -> Replica:
    return Replica(FSYNC)


class KeyValue:
    """Strings under keys."""

    def __init__(self, fsync: str) -> None:
        self.redis, self.process, self.port = server(fsync)
        self.put, self.get = self.redis.set, self.redis.get

    def fill(self, values: Mapping[str, bytes]) -> None:
        items = list(values.items())
        for first in range(0, len(items), 1_000):
            self.redis.mset(dict(items[first : first + 1_000]))

    def scan(self) -> int:
        """SCAN in pages of a thousand, and MGET of each."""
        count, cursor = 0, 0
        while True:
            cursor, names = self.redis.scan(cursor, count=1_000)  # type: ignore[misc]
            count += sum(value is not None for value in self.redis.mget(names)) if names else 0  # type: ignore[union-attr]
            if not cursor:
                return count

    def callers(self, count: int, callers: int, value: bytes) -> float:
        """Puts a second by redis-benchmark: raw connections in C."""
        options = ["-t", "set", "-c", str(callers), "-n", str(count), "-d", str(len(value)), "-r", str(count), "--csv"]
        command = ["redis-benchmark", "-p", str(self.port), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout.strip().splitlines()[-1].split(",")[1].strip('"'))


def keyvalue(durability: str) -> KeyValue:
    return KeyValue(FSYNC)


def redis_door(durability: str) -> tuple[Any, int]:
    _, process, port = server(FSYNC)
    return process, port
