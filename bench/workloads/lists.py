"""(a) A list that grows at its end: at one replica, in one transaction, on disk, and at two replicas at once."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.harness.targets import at_most, both, faster, grows
from bench.peers import need
from bench.worker import peak_mb
from bench.workloads.figures import DISK, MERGE, SENT, STATE
from bench.workloads.measuring import disk_bytes, each_us, exchanged, timed_ms

__all__ = ["WORKLOAD", "measure", "verdict"]

DOCUMENTS = ("crdtkv", "pycrdt", "loro", "automerge", "yjs", "loro-js", "automerge-js")
KEEPING = ("crdtkv", "sqlite3", "diskcache", "redis", "etcd", "lmdb", "pycrdt", "pouchdb")
APPEND = Figure("append_us", "one append", "us")
EACH = Figure("each_us", "each of one transaction", "us")
PEAK = Figure("peak_mb", "peak memory", "MB")


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    need(peer, "replica", "append", "entries")
    return _MEASURES[order["do"]](peer, order["length"])


def verdict(found: Mapping[str, Any], order: Mapping[str, Any]) -> str:
    """Whether all are there; of two replicas, whether they read the same, and each run in one piece."""
    lost = found["wanted"] - found["length"]
    words = [f"loses {lost:,} entries"] if lost > 0 else [f"{-lost:,} too many"] if lost else []
    words += [] if found.get("equal", True) else ["the two differ"]
    words += [] if found.get("whole", True) else ["the two runs are mixed"]
    return ", ".join(words) or RIGHT


def _append(peer: Any, length: int) -> dict[str, Any]:
    one = peer.replica(1)
    took = each_us(one.append, [f"entry-{n}" for n in range(length)], length)
    figures = {"append_us": took, "peak_mb": peak_mb()}  # before the state is written out
    if hasattr(one, "save"):
        figures["state_bytes"] = len(one.save())
    return {"figures": figures, "found": {"length": len(one.entries()), "wanted": length}}


def _batch(peer: Any, length: int) -> dict[str, Any]:
    need(peer, "extend")
    one = peer.replica(1)
    took, _ = timed_ms(lambda: one.extend([f"entry-{n}" for n in range(length)]))
    return {"figures": {"each_us": took * 1e3 / length}, "found": {"length": len(one.entries()), "wanted": length}}


def _concurrent(peer: Any, length: int) -> dict[str, Any]:
    need(peer, "fork", "meet")
    one = peer.replica(1)
    other = peer.fork(one, 2)
    for n in range(length):
        one.append(f"a-{n}")
        other.append(f"b-{n}")
    figures = exchanged(peer, one, other)
    entries = one.entries()
    runs = sum(a[0] != b[0] for a, b in pairwise(entries))
    found = {"length": len(entries), "wanted": 2 * length, "equal": entries == other.entries(), "whole": runs == 1}
    return {"figures": figures, "found": found}


def _durable(peer: Any, length: int) -> dict[str, Any]:
    one = getattr(peer, "durable", lambda: peer.replica(1))()
    took = each_us(one.append, [f"entry-{n}" for n in range(length)], length)
    found = {"length": len(one.entries()), "wanted": length}
    return {"figures": {"append_us": took, "disk_bytes": disk_bytes()}, "found": found}


_MEASURES = {"append": _append, "batch": _batch, "concurrent": _concurrent, "durable": _durable}


def _cases(sizes: tuple[int, ...], some: int, kept: int, repetitions: int) -> tuple[Case, ...]:
    found = []
    for n, size in enumerate(sizes):
        found.append(
            Case(
                f"append {size:,}",
                f"{size:,} appends at one replica, a transaction each, in memory",
                {"do": "append", "length": size},
                (APPEND, STATE),
                DOCUMENTS,
                seconds=12 if size > 200_000 else 8,
                repetitions=repetitions if size < 200_000 else 1,
                after=f"append {sizes[n - 1]:,}" if n else "",
            )
        )
    batch = {"do": "batch", "length": some}
    words = f"{some:,} at each of two replicas, then the two exchange"
    durable = f"{kept:,} appends, each on its way to the disk"
    return (
        *found,
        Case("one transaction", f"{some:,} in one transaction", batch, (EACH,), DOCUMENTS, 8, repetitions),
        Case("two replicas", words, {**batch, "do": "concurrent"}, (MERGE, SENT), DOCUMENTS, 8, repetitions),
        Case("on disk", durable, {"do": "durable", "length": kept}, (APPEND, DISK), KEEPING, 10, repetitions),
    )


WORKLOAD = Workload(
    "lists",
    "a list that grows at its end",
    _cases((10_000, 100_000, 260_000), 10_000, 2_000, 3),
    _cases((500, 2_000), 500, 200, 1),
    (
        at_most("one append, its own transaction, in memory: <= 8 µs", "append 10,000", APPEND, 8),
        at_most("each of one transaction of 10,000: <= 4 µs", "one transaction", EACH, 4),
        grows("an append among 260,000 takes as long as among 10,000 (<= 1.25 times)",
              "append 10,000", "append 260,000", APPEND, 1.25),
        at_most("260,000 appends: <= 100 MB", "append 260,000", PEAK, 100),
        at_most("10,000 + 10,000 at once, merged: <= 60 ms", "two replicas", MERGE, 60),
        both("an append on its way to the disk takes less than with all who store",
             faster("", "on disk", APPEND, KEEPING[1:])),
    ),
    "The documents in memory are Rust, or JavaScript, and keep one value: no keys, no versions that a client can name, "
    "nothing on disk. On disk, a power cut may take back the last: crdtkv with `durability=\"normal\"`, SQLite WAL "
    "with synchronous NORMAL, diskcache as it comes, Redis with appendfsync everysec by redis-py. Synced each: etcd, "
    "LMDB, pycrdt with pycrdt-store's SQLiteYStore.",
    verdict,
)  # fmt: skip
