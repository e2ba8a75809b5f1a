"""(l) Growth: what a put, memory, the file and an exchange cost, from 10,000 keys on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.harness.targets import at_most, grows
from bench.peers import serving
from bench.worker import peak_mb
from bench.workloads.figures import SENT
from bench.workloads.measuring import timed_ms

__all__ = ["WORKLOAD", "measure", "verdict"]

BUILD = Figure("build_us", "each of a first 1,000 a transaction", "us")
ZIPF = Figure("zipf_us", "a put, keys by zipf", "us")
UNIFORM = Figure("uniform_us", "a put, any key", "us")
MOST = Figure("p99_ms", "99 of 100 puts within", "ms")
FILE = Figure("file", "the file, times keys and values", "")
OPEN = Figure("open_ms", "opened in", "ms")
EXCHANGE = Figure("exchange_ms", "100 changes cut for a peer", "ms")
CHECKPOINTS = Figure("checkpoints", "checkpoints that ended meanwhile", "")
PEAK = Figure("peak_mb", "peak memory", "MB")
CHANGES = 100


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """A file of so many keys; then so many puts at least, until three checkpoints have ended, by processor time;
    `cache_mb` is 256.
    """
    from bench.limits import storage

    keys, count = order["keys"], order["puts"]
    path = serving.folder("growth") / "lhr.db"
    built = storage.build(path, keys)
    plain = keys * (len(storage.key_of(0)) + len(storage.value_of(0)))
    file = path.stat().st_size / plain
    opened, kv = timed_ms(lambda: storage.opened(path))
    figures = {"build_us": 1e6 / built, "file": file, "open_ms": opened}
    with kv:
        ended = []
        for name, draw in (("zipf_us", storage.zipf(keys)), ("uniform_us", storage.uniform(keys))):
            storage.puts(kv, draw, count // 4)
            before, began = storage.ended(kv), time.process_time()
            took = storage.sustained(kv, draw, count)
            figures[name] = 1e6 * (time.process_time() - began) / len(took)
            ended.append(storage.ended(kv) - before)
        figures["p99_ms"] = sorted(took)[len(took) * 99 // 100] * 1e3
        figures["checkpoints"] = min(ended)
        figures |= _exchanged(kv, storage.uniform(keys))
    return {"figures": {**figures, "peak_mb": peak_mb()}, "found": {"there": _there(path), "wanted": keys}}


def verdict(found: Mapping[str, int], order: Mapping[str, Any]) -> str:
    return RIGHT if found["there"] == found["wanted"] else f"{found['there']:,} keys of {found['wanted']:,}"


def _exchanged(kv: Any, draw: Iterator[int]) -> dict[str, float]:
    """The catch-up that a peer takes who lacks a hundred changes."""
    from bench.limits import storage
    from crdtkv.core.wire import encode
    from crdtkv.replica import cutting

    vector = dict(kv.vector)
    for n in itertools.islice(draw, CHANGES):
        kv.put(storage.key_of(n), "changed" + "v" * 90)
    began = time.process_time()
    message = encode(cutting.catch_up(kv._replica, vector))
    return {"exchange_ms": 1e3 * (time.process_time() - began), "sent_bytes": len(message)}


def _there(path: Path) -> int:
    from bench.limits import storage

    with storage.opened(path) as kv:
        return len(kv)


def _case(keys: int, puts: int, seconds: float) -> Case:
    order = {"keys": keys, "puts": puts}
    figures = (BUILD, ZIPF, UNIFORM, MOST, CHECKPOINTS, FILE, OPEN, EXCHANGE, SENT)
    words = f"{keys:,} keys of 100 bytes, and {puts:,} puts each way, or more until three checkpoints have ended"
    return Case(f"{keys:,} keys", words, order, figures, ("crdtkv",), seconds, 1, size=keys)


WORKLOAD = Workload(
    "growth",
    "what grows with the number of keys",
    (_case(10_000, 30_000, 120), _case(100_000, 30_000, 120), _case(1_000_000, 30_000, 300)),
    (_case(1_000, 2_000, 60), _case(10_000, 2_000, 60)),
    (
        grows("a put by zipf among 1,000,000 keys: <= 1.2 times among 10,000",
              "10,000 keys", "1,000,000 keys", ZIPF, 1.2),
        grows("a put of any key: <= 2.5 times", "10,000 keys", "1,000,000 keys", UNIFORM, 2.5),
        at_most("the file: <= 1.6 times keys and values", "1,000,000 keys", FILE, 1.6),
        at_most("open: <= 2 s", "1,000,000 keys", OPEN, 2_000),
        at_most("memory: <= 600 MB", "1,000,000 keys", PEAK, 600),
        at_most("99 of 100 puts, checkpoints among them: <= 20 ms", "1,000,000 keys", MOST, 20),
    ),
    "One process, a file with `durability=\"normal\"`, no history, `cache_mb=256`; the file is weighed after "
    "`compact()`. `--large` adds 5,000,000 keys. What grows with colos stands under `simulator`.",
    verdict,
    (_case(5_000_000, 30_000, 1_200),),
)  # fmt: skip
