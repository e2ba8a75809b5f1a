"""redis-server with `appendfsync always`: synced before it answers."""

from __future__ import annotations

from bench.peers.redis import Replica

__all__ = ["FSYNC", "replica"]

FSYNC = "always"


def replica(n: int) -> Replica:
    return Replica(FSYNC)
