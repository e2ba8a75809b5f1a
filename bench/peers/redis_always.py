"""redis-server with `appendfsync always`: synced before it answers."""

from __future__ import annotations

from typing import Any

from bench.peers.redis import KeyValue, Replica, server

__all__ = ["FSYNC", "keyvalue", "redis_door", "replica"]

FSYNC = "always"


def replica(n: int) -> Replica:
    return Replica(FSYNC)


def keyvalue(durability: str) -> KeyValue:
    return KeyValue(FSYNC)


def redis_door(durability: str) -> tuple[Any, int]:
    _, process, port = server(FSYNC)
    return process, port
