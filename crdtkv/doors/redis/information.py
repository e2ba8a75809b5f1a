"""What INFO tells."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crdtkv.core.views import colo_of
from crdtkv.doors.redis.commands.connections import VERSION, namespace_of
from crdtkv.errors import CrdtkvError
from crdtkv.server.operating import status_of

if TYPE_CHECKING:
    from crdtkv.doors.redis.door import Door

__all__ = ["SECTIONS", "information"]


def information(door: Door, sections: set[str]) -> str:
    """Those sections. It waits for the stores; `keyspace` counts all keys."""
    parts = []
    for name, tell in _TELL.items():
        if name in sections:
            lines = [f"{field}:{value}" for field, value in tell(door).items()]
            title = "CRDT" if name == "crdt" else "CPU" if name == "cpu" else name.capitalize()
            parts.append("\r\n".join([f"# {title}", *lines]) + "\r\n")
    return "\r\n".join(parts)


def _server(door: Door) -> dict[str, Any]:
    up = int(time.time() - door.began)
    return {
        "redis_version": VERSION, "redis_mode": "standalone", "os": platform.platform(), "arch_bits": 64,
        "process_id": os.getpid(), "server_name": "crdtkv", "crdtkv_colo": door.node.colo, "uptime_in_seconds": up,
        "uptime_in_days": up // 86400, "multiplexing_api": "uvloop", "python_version": platform.python_version(),
    }  # fmt: skip


def _clients(door: Door) -> dict[str, Any]:
    clients = list(door.clients.values())
    return {
        "connected_clients": len(clients), "maxclients": door.serving.limits.connections,
        "blocked_clients": sum(len(place.parking) for place in door.places()),
        "pubsub_clients": sum(each.listens for each in clients),
    }  # fmt: skip


def _memory(door: Door) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    used = _resident() or peak
    return {
        "used_memory": used, "used_memory_human": _human(used), "used_memory_rss": used,
        "used_memory_peak": peak, "used_memory_peak_human": _human(peak), "maxmemory": 0, "maxmemory_human": "0B",
        "maxmemory_policy": "noeviction", "mem_fragmentation_ratio": 1.0,
    }  # fmt: skip


def _resident() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _human(size: float) -> str:
    for unit in "BKM":
        if size < 1024:
            return f"{size:.2f}{unit}" if unit != "B" else f"{int(size)}B"
        size /= 1024
    return f"{size:.2f}G"


def _persistence(door: Door) -> dict[str, Any]:
    return {
        "loading": 0, "rdb_changes_since_last_save": 0, "rdb_bgsave_in_progress": 0, "rdb_last_bgsave_status": "ok",
        "aof_enabled": 1, "aof_rewrite_in_progress": 0, "aof_last_write_status": "ok",
    }  # fmt: skip


def _stats(door: Door) -> dict[str, Any]:
    board = door.board
    return {
        "total_connections_received": door.connections_made, "total_commands_processed": door.commands_run,
        "rejected_connections": 0, "expired_keys": 0, "evicted_keys": 0, "keyspace_hits": 0, "keyspace_misses": 0,
        "pubsub_channels": len(board.channels), "pubsub_patterns": len(board.patterns),
        "pubsubshard_channels": len(board.shards),
    }  # fmt: skip


def _replication(door: Door) -> dict[str, Any]:
    return {"role": "master", "connected_slaves": 0, "master_replid": "0" * 40, "master_repl_offset": 0}


def _cpu(door: Door) -> dict[str, Any]:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return {"used_cpu_sys": f"{spent.ru_stime:.6f}", "used_cpu_user": f"{spent.ru_utime:.6f}"}


def _crdt(door: Door) -> dict[str, Any]:
    """Of each namespace that SELECT knows by a number."""
    told: dict[str, Any] = {"crdt_colo": door.node.colo}
    for index in range(16):
        try:
            store = door.node.store(namespace_of(index))
            status = status_of(namespace_of(index), store)
        except CrdtkvError:
            continue
        heard: dict[str, int] = {}
        for member, ago in status["heard_ms_ago"].items():
            if member != status["replica"] and ago is not None:
                colo = colo_of(member)
                heard[colo] = min(ago, heard.get(colo, ago))
        lag = ",".join(f"lag_ms_{colo}={ago}" for colo, ago in sorted(heard.items()))
        floor = status["floor_ms_ago"]
        told[f"crdt_db{index}"] = ",".join(filter(None, (
            f"namespace={status['name']}", f"replica={status['replica']}", f"members={len(status['members'])}",
            f"transactions={sum(status['vector'].values())}", f"floor_ms_ago={-1 if floor is None else floor}",
            f"conflicts={status['lost_writes']}", f"pending={status['pending']}", lag,
        )))  # fmt: skip
    return told


def _keyspace(door: Door) -> dict[str, Any]:
    told = {}
    for index in range(16):
        try:
            keys = len(door.node.store(namespace_of(index)))
        except CrdtkvError:
            continue
        if keys:
            told[f"db{index}"] = f"keys={keys},expires=0,avg_ttl=0"
    return told


_TELL: dict[str, Callable[[Door], dict[str, Any]]] = {
    "server": _server, "clients": _clients, "memory": _memory, "persistence": _persistence, "stats": _stats,
    "replication": _replication, "cpu": _cpu, "crdt": _crdt, "keyspace": _keyspace,
}  # fmt: skip

SECTIONS = frozenset(_TELL)
