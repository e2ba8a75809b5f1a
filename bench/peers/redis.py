"""redis-server, by redis-py with hiredis; `appendfsync everysec`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import redis

from bench.peers import serving

__all__ = ["FSYNC", "Replica", "replica", "server"]

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
