"""redis-server with `appendfsync always`: synced before it answers."""

from __future__ import annotations

from bench.peers.redis import KeyValue, Replica

__all__ = ["FSYNC", "keyvalue", "replica"]

FSYNC = "always"


def replica(n: int) -> Replica:
    return Replica(FSYNC)


def keyvalue(durability: str) -> KeyValue:
    return KeyValue(FSYNC)
