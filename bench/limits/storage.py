"""What a large file costs: `python -m bench storage` builds one of `CRDTKV_BENCH_KEYS` keys (200,000 unless said).

Values of 100 bytes under keys of 17, no history, `durability="normal"`, in the folder for temporary files. How the time
of a put grows is told by the same puts in files of a hundredth and of all of the keys, in turn, so that other work on
the machine weighs on both. Processor time of one process, but for what is said to wait for the disk.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import crdtkv

__all__ = ["Figure", "measure", "report"]

KEYS = int(os.environ.get("CRDTKV_BENCH_KEYS", "200000"))
CACHE_MB = 256
_BATCH = 1_000
_GETS = 20_000
_PUTS = 40_000
CHECKPOINTS = 3
"""What is written goes on until so many have ended."""
_WARM = 15_000
_VALUE = 90


class Figure(NamedTuple):
    """`limit`: at most so much; at least, where `least`."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    least: bool = False

    @property
    def kept(self) -> bool:
        return self.limit is None or (self.value >= self.limit if self.least else self.value <= self.limit)


def key_of(n: int) -> str:
    """The n-th key: scattered over all of them, 17 bytes."""
    return f"user/{(n * 0x9E3779B97F4A7C15 + 0x1234567) % (1 << 48):012x}"


def value_of(n: int) -> str:
    """Its first value."""
    return f"{n:010d}" + "v" * _VALUE


def build(path: Path, count: int) -> float:
    """A file of that many keys; how many a second."""
    began = time.process_time()
    with opened(path) as kv:
        for first in range(0, count, _BATCH):
            with kv.transaction() as t:
                for n in range(first, min(first + _BATCH, count)):
                    t.put(key_of(n), value_of(n))
        kv.compact()
    return count / (time.process_time() - began)


def in_another(path: Path, what: str) -> list[float]:
    """What a process of its own measured there."""
    command = [sys.executable, "-c", f"from bench.limits.storage import {what}; print(*{what}({str(path)!r}))"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def cold(path: str) -> tuple[float, ...]:
    """Seconds to open; gets of other keys a second; seconds of a catch-up's question; MiB of memory after all that."""
    began = time.perf_counter()
    kv = opened(Path(path))
    seconds = time.perf_counter() - began
    dice = random.Random(1)
    keys = [key_of(n) for n in dice.sample(range(KEYS), min(_GETS, KEYS))]
    began = time.process_time()
    for key in keys:
        kv.get(key)
    gets = len(keys) / (time.process_time() - began)
    vector = dict(kv.vector)
    vector[kv.id] -= 1
    began = time.perf_counter()
    found = kv._replica.storage.beyond(vector)
    beyond = time.perf_counter() - began
    assert len(found) <= _BATCH
    for n in range(KEYS - 1, max(-1, KEYS - 400_000), -1):
        kv.get(key_of(n))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kv.close()
    return seconds, gets, beyond, memory


def passed(path: str) -> tuple[float, ...]:
    """Entries a second of a first scan, and of a second one as far as memory goes; rows that SQLite alone gives."""
    scans = []
    with opened(Path(path)) as kv:
        for _ in range(2):
            began = time.process_time()
            page = kv.scan(limit=_BATCH)
            while page.cursor is not None:
                page = kv.scan(limit=_BATCH, cursor=page.cursor)
            scans.append(KEYS / (time.process_time() - began))
    with closing(sqlite3.connect(path)) as db:
        began = time.process_time()
        for first in range(0, KEYS, _BATCH):
            db.execute("SELECT * FROM cell WHERE key >= ? ORDER BY key LIMIT ?", (key_of(first), _BATCH)).fetchall()
        return *scans, KEYS / (time.process_time() - began)


def opened(path: Path) -> crdtkv.Store:
    """The file, as it is measured."""
    return crdtkv.open(path, colo="lhr", durability="normal", history=False, cache_mb=CACHE_MB)


def puts(kv: crdtkv.Store, draw: Iterator[int], count: int) -> list[float]:
    """How long each of some puts took, in seconds."""
    took = []
    for n in itertools.islice(draw, count):
        began = time.perf_counter()
        kv.put(key_of(n), f"{began:010.4f}" + "v" * _VALUE)
        took.append(time.perf_counter() - began)
    return took


def uniform(count: int) -> Iterator[int]:
    """Any key."""
    dice = random.Random(2)
    return (dice.randrange(count) for _ in itertools.count())


def zipf(count: int) -> Iterator[int]:
    """The n-th as often as 1/n, more or less: log-uniform."""
    dice = random.Random(3)
    return (min(count - 1, int(count ** dice.random())) for _ in itertools.count())


def ended(kv: crdtkv.Store) -> int:
    """How many checkpoints have ended since the file was made: with each the journal begins in another generation."""
    return int(next(iter(kv._replica.storage._journal._before)))  # type: ignore[attr-defined]


def sustained(kv: crdtkv.Store, draw: Iterator[int], count: int) -> list[float]:
    """As `puts`, so many at least, and until `CHECKPOINTS` have ended."""
    before, took = ended(kv), list[float]()
    while len(took) < count or ended(kv) - before < CHECKPOINTS:
        took += puts(kv, draw, min(count, _BATCH))
    return took


def growth(small: Path, large: Path, draw: Callable[[int], Iterator[int]], few: int) -> tuple[float, list[float]]:
    """How many times as long a put takes in the large file; and how long each took there, in seconds. Through
    `CHECKPOINTS` of either.
    """
    ours, theirs = list[float](), list[float]()
    with opened(small) as one, opened(large) as other:
        drawn, drawn_large = draw(few), draw(KEYS)
        for kv, keys in ((one, drawn), (other, drawn_large)):
            puts(kv, keys, _WARM)  # what is hot is in memory, as it is where writes go on for long
        before = ended(one), ended(other)
        while len(ours) < _PUTS or min(ended(one) - before[0], ended(other) - before[1]) < CHECKPOINTS:
            ours += puts(one, drawn, _BATCH)
            theirs += puts(other, drawn_large, _BATCH)
    return sum(theirs) / sum(ours), theirs


def measure() -> list[Figure]:
    """All of it. Some 100 us a key."""
    with tempfile.TemporaryDirectory() as folder:
        large, small, few = Path(folder) / "large.db", Path(folder) / "small.db", min(10_000, KEYS)
        built = build(large, KEYS)
        build(small, few)
        plain = sum(len(key_of(n)) + _VALUE + 10 for n in range(KEYS))
        seconds, gets, beyond, memory = in_another(large, "cold")
        first, again, alone = in_another(large, "passed")
        figures = [
            Figure("puts, 1,000 a transaction", built, "a second"),
            Figure("file / (keys + values), after compact()", large.stat().st_size / plain, "times", 1.6),
            Figure("open", seconds, "s", 2),
            Figure(f"memory after 400,000 gets, cache_mb={CACHE_MB}", memory, "MiB", 600),
            Figure("get of a key that is not in memory", gets, "a second", 100_000, least=True),
            Figure("first scan, pages of 1,000", first, "a second", 500_000, least=True),
            Figure("the next one", again, "a second"),
            Figure("rows of as many pages, by SQLite alone", alone, "a second"),
            Figure("what lies beyond a vector that lacks 1,000 keys", beyond * 1000, "ms"),
        ]
        times, took = growth(small, large, zipf, few)
        figures.append(Figure(f"put, {KEYS:,} keys beside {few:,}, zipf", times, "times", 1.2))
        times, took = growth(small, large, uniform, few)
        figures.append(Figure(f"put, {KEYS:,} keys beside {few:,}, uniform", times, "times", 2.5))
        took.sort()
        figures.append(Figure("99 of 100 puts, checkpoints among them", took[len(took) * 99 // 100] * 1000, "ms", 20))
        return figures


def report() -> bool:
    """Prints the figures; whether the limits are kept."""
    print(f"\na file of {KEYS:,} keys")
    figures = measure()
    for f in figures:
        fits = "ok" if f.kept else "UNDER" if f.least else "OVER"
        limit = "" if f.limit is None else f"limit {f.limit:,}  {fits}"
        print(f"  {f.what:<52}{f.value:>12,.2f} {f.unit:<10}{limit}")
    return all(f.kept for f in figures)
