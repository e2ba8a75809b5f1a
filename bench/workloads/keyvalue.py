"""(h) Keys and values that outlive the process: put, get, scan, half and half, by one caller and by 64."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.harness.targets import at_least, faster
from bench.peers import need
from bench.worker import peak_mb
from bench.workloads.figures import DISK
from bench.workloads.measuring import disk_bytes, each_us, timed_ms

__all__ = ["WORKLOAD", "measure", "verdict"]

SYNCING = ("crdtkv", "redis-always", "etcd", "sqlite3", "lmdb", "redis")
RELAXED = ("crdtkv", "redis", "sqlite3", "diskcache")
CALLERS = 64
PUT = Figure("put_us", "a put, one caller", "us")
PUTS = Figure("puts", f"puts, {CALLERS} callers", "/s", more=True)
THREADS = Figure("puts_threads", f"puts, {CALLERS} threads", "/s", more=True)
GET = Figure("get_us", "a get", "us")
SCAN = Figure("scan", "entries scanned", "/s", more=True)
MIXED = Figure("mixed_us", "half puts, half gets, one caller", "us")
MIXES = Figure("mixes", f"half and half, {CALLERS} threads", "/s", more=True)
_VALUE = 100


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    need(peer, "keyvalue")
    store = peer.keyvalue(order["durability"])
    figures, found = _MEASURES[order["do"]](store, order)
    if hasattr(store, "process"):
        figures["peak_mb"] = peak_mb(store.process.pid)
    return {"figures": figures, "found": found}


def verdict(found: Mapping[str, int], order: Mapping[str, Any]) -> str:
    return RIGHT if found["there"] == found["wanted"] else f"{found['there']:,} entries of {found['wanted']:,}"


def _puts(store: Any, order: dict[str, Any]) -> tuple[dict[str, float], dict[str, int]]:
    """One caller, then many; and whether the last of each can be read."""
    values = _values()
    count = order["count"]
    figures = {"put_us": each_us(lambda n: store.put(f"one-{n:07}", next(values)), range(count), count)}
    many = order["many"]
    if hasattr(store, "callers"):
        figures["puts"] = store.callers(many, CALLERS, next(values))
        if hasattr(store, "threads"):
            figures["puts_threads"] = _together(lambda who, n: store.put(f"two-{who}-{n}", b"v" * _VALUE), many)
    else:
        figures["puts"] = _together(lambda who, n: store.put(f"two-{who}-{n}", b"v" * _VALUE), many)
    there = store.get(f"one-{count - 1:07}") is not None
    return {**figures, "disk_bytes": disk_bytes()}, {"there": int(there), "wanted": 1}


def _reads(store: Any, order: dict[str, Any]) -> tuple[dict[str, float], dict[str, int]]:
    values = _values()
    keys = order["keys"]
    store.fill({f"key-{n:07}": next(values) for n in range(keys)})
    dice = Random(2)
    names = [f"key-{dice.randrange(keys):07}" for _ in range(order["count"])]
    figures = {"get_us": each_us(store.get, names, len(names))}
    took, there = timed_ms(store.scan)
    return {**figures, "scan": there / (took / 1e3), "disk_bytes": disk_bytes()}, {"there": there, "wanted": keys}


def _mixed(store: Any, order: dict[str, Any]) -> tuple[dict[str, float], dict[str, int]]:
    """Keys as often as 1/n, half of the time written, half read."""
    values = _values()
    keys, count = order["keys"], order["count"]
    store.fill({f"key-{n:07}": next(values) for n in range(keys)})
    drawn = [(f"key-{min(keys - 1, int(keys ** dice)):07}", at % 2) for at, dice in enumerate(_draws(count))]

    def act(one: tuple[str, int]) -> None:
        if one[1]:
            store.put(one[0], b"w" * _VALUE)
        else:
            store.get(one[0])

    figures = {"mixed_us": each_us(act, drawn, count)}
    figures["mixes"] = _together(lambda who, n: act(drawn[(who * 37 + n) % count]), order["many"])
    return figures, {"there": store.scan(), "wanted": keys}


_MEASURES = {"puts": _puts, "reads": _reads, "mixed": _mixed}


def _draws(count: int) -> list[float]:
    dice = Random(3)
    return [dice.random() for _ in range(count)]


def _values() -> Iterator[bytes]:
    dice = Random(1)
    while True:
        yield dice.randbytes(_VALUE)


def _together(act: Callable[[int, int], object], count: int) -> float:
    """How many a second, by so many threads that each wait for theirs."""
    each = count // CALLERS

    def work(who: int) -> None:
        for n in range(each):
            act(who, n)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(CALLERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return each * CALLERS / (time.perf_counter() - began)


def _cases(count: int, many: int, keys: int, repetitions: int) -> tuple[Case, ...]:
    puts = {"do": "puts", "count": count, "many": many}
    mixed = {"do": "mixed", "keys": keys, "count": count, "many": many}
    return (
        Case("puts synced", f"Puts of {_VALUE} bytes, on the disk before they are answered (redis: everysec, beside)",
             {**puts, "durability": "full"}, (PUT, PUTS, THREADS, DISK), SYNCING, 15, repetitions),
        Case("puts", "Puts of which a power cut may take back the last",
             {**puts, "durability": "normal"}, (PUT, PUTS, THREADS, DISK), RELAXED, 15, repetitions),
        Case("reads", f"{keys:,} keys: gets of any, and a scan of all, key and value",
             {"do": "reads", "keys": keys, "count": 10 * count, "durability": "normal"},
             (GET, SCAN, DISK), ("crdtkv", "redis", "etcd", "sqlite3", "lmdb", "diskcache"), 15, repetitions),
        Case("mixed", f"Half puts, half gets of {keys:,} keys by zipf; a power cut may take back the last",
             {**mixed, "durability": "normal"}, (MIXED, MIXES), (*RELAXED, "lmdb", "etcd"), 15, repetitions),
    )  # fmt: skip


WORKLOAD = Workload(
    "keyvalue",
    "keys and values on disk",
    _cases(2_000, 12_800, 50_000, 3),
    _cases(200, 640, 1_000, 1),
    (
        faster(f"durable puts with {CALLERS} callers: >= 5 times etcd", "puts synced", PUTS, ("etcd",), 5.0),
        faster("... faster than Redis with appendfsync always", "puts synced", PUTS, ("redis-always",)),
        faster("... >= 0.5 times Redis with appendfsync everysec", "puts synced", PUTS, ("redis",), 0.5),
        at_least("scan: >= 500,000 entries/s", "reads", SCAN, 500_000),
    ),
    "crdtkv, SQLite, LMDB and diskcache are in the caller's process, Redis and etcd over loopback; `wire` is doors. "
    f"{CALLERS} callers: of crdtkv tasks of one event loop (`asubmit`), and beside it threads; of Redis connections of "
    "its own redis-benchmark, in C; of etcd requests under way by gRPC; of the others threads. One caller of Redis is "
    "redis-py with hiredis. LMDB and etcd sync every put, in each table.",
    verdict,
)  # fmt: skip
