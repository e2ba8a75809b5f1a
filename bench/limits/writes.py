"""What a write costs: puts one by one, by many threads, a hundred a transaction; adds to counters, sets and lists.

Values of 100 bytes, a file in the folder for temporary files, the best of some rounds. Processor time,
but for the threads, who wait for the disk together, and for one another: how often they can do that stands
below. Beside each stands what SQLite alone takes in the same run: a row of as many bytes in a table, a
commit each, or one a hundred rows.
"""

import random
import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import crdtkv

__all__ = ["Figure", "measure", "report"]

PUTS = 3_000
ROUNDS = 4
THREADS = 64
LARGE = 1_000_000
RATIO = 1.25
OLD_KEYS, VERSIONS = 5_000, 40
_ROW_BYTES = 400
_VALUE = "v" * 98


class Figure(NamedTuple):
    """Writes a second; `limit`: at least so many; `bare`: what SQLite alone does of that."""

    what: str
    rate: float
    limit: float | None
    bare: float | None = None

    @property
    def kept(self) -> bool:
        return self.limit is None or self.rate >= self.limit


def measure() -> list[Figure]:
    """All but the large set and list. Some 20 s."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        alone, packed = _bare(at / "alone.db", 1), _bare(at / "packed.db", 100)
        with crdtkv.open(at / "normal.db", colo="lhr", durability="normal") as kv:
            figures = [
                Figure("put, a new key", _best(lambda i: kv.put(f"key-{i}", _VALUE)), None, alone),
                Figure("put, a key again", _best(lambda i: kv.put(f"key-{i % 1000}", f"{_VALUE}{i}")), 40_000, alone),
                Figure("put, lww", _best(lambda i: kv.put(f"lww-{i}", _VALUE, strategy="lww")), None, alone),
                Figure("100 puts a transaction", _best(_hundred(kv), PUTS // 100) * 100, 200_000, packed),
                Figure("counter add", _best(lambda i: kv.counter("hits").add(1)), 50_000, alone),
                Figure("set add", _best(lambda i: kv.set("tags").add(f"tag-{i}")), None, alone),
                Figure("list append", _best(lambda i: kv.list("list").append(f"item-{i}")), None, alone),
            ]
        with crdtkv.open(at / "full.db", colo="lhr") as kv:
            figures.append(Figure(f"put, {THREADS} threads, durability full", _threads(kv), 60_000))
        figures.append(Figure(f"{THREADS} threads that wait, and no write", _waiting(), None))
        over, size = _over_old(at / "old.db"), (at / "old.db").stat().st_size / 1e6
        what = f"put over any of {OLD_KEYS:,} kept {VERSIONS} times, {size:.0f} MB"
        return [*figures, Figure(what, over, None)]


def report() -> bool:
    """Prints the figures; whether the limits are kept."""
    figures = measure()
    print(f"\nwrites a second, values of 100 bytes (best of {ROUNDS})")
    print(f"  {'':<46}{'a second':>10}{'us each':>9}{'SQLite us':>11}{'limit':>9}")
    for f in figures:
        bare = f"{1e6 / f.bare:.1f}" if f.bare else ""
        limit, kept = ("", "") if f.limit is None else (f"{f.limit:,.0f}", "ok" if f.kept else "UNDER")
        print(f"  {f.what:<46}{f.rate:>10,.0f}{1e6 / f.rate:>9.1f}{bare:>11}{limit:>9}  {kept}")
    kept = [figure.kept for figure in figures]
    for name, act in _GROWING.items():
        small, large = _grown(act)
        kept.append(large <= RATIO * small)
        words = f"{name}: into {LARGE:,} elements {large:.1f} us, into an empty one {small:.1f} us"
        print(f"  {words}, {large / small:.2f} times; limit {RATIO}  {'ok' if kept[-1] else 'OVER'}")
    return all(kept)


def _best(act: Callable[[int], object], count: int = PUTS) -> float:
    """Calls a second, of the best round; each call gets another number."""
    rates = []
    for round in range(ROUNDS):
        began = time.process_time()
        for i in range(round * count, (round + 1) * count):
            act(i)
        rates.append(count / (time.process_time() - began))
    return max(rates)


def _hundred(kv: crdtkv.Store) -> Callable[[int], None]:
    def act(i: int) -> None:
        with kv.transaction() as t:
            for j in range(100):
                t.put(f"many-{i}-{j}", _VALUE)

    return act


def _over_old(path: Path) -> float:
    """Puts a second over keys that were written often, in a file that was opened just now."""
    dice = random.Random(1)
    with crdtkv.open(path, colo="lhr", durability="normal") as kv:
        for version in range(VERSIONS):
            with kv.transaction() as t:
                for n in range(OLD_KEYS):
                    t.put(f"key-{n}", f"{_VALUE}{version}")
    with crdtkv.open(path, colo="lhr", durability="normal") as kv:
        return _best(lambda i: kv.put(f"key-{dice.randrange(OLD_KEYS)}", f"{_VALUE}again{i}"))


def _threads(kv: crdtkv.Store) -> float:
    def work(name: int) -> None:
        for i in range(PUTS // 10):
            kv.put(f"key-{name}-{i % 100}", f"{_VALUE}{i}")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return THREADS * (PUTS // 10) / (time.perf_counter() - began)


def _waiting() -> float:
    """How often a second threads can ask another for something, and be woken by it: what bounds those that write."""
    asked: deque[threading.Lock] = deque()
    somebody = threading.Semaphore(0)
    each = PUTS // 10

    def lead() -> None:
        left = THREADS * each
        while left:
            somebody.acquire()
            while asked:
                asked.popleft().release()
                left -= 1

    def work() -> None:
        gate = threading.Lock()
        gate.acquire()
        for _ in range(each):
            asked.append(gate)
            somebody.release()
            gate.acquire()

    threads = [threading.Thread(target=act) for act in (lead, *[work] * THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return THREADS * each / (time.perf_counter() - began)


_GROWING: dict[str, tuple[str, Callable[[crdtkv.Store, int], object]]] = {
    "set add": ("set", lambda kv, i: kv.set("grown").add(f"{_VALUE}{i}")),
    "list append": ("list", lambda kv, i: kv.list("grown").append(f"{_VALUE}{i}")),
}


def _grown(kind: tuple[str, Callable[[crdtkv.Store, int], object]]) -> tuple[float, float]:
    """Microseconds of a write into an empty one, and into a large one, in memory."""
    strategy, act = kind
    took = []
    for length in (0, LARGE):
        with crdtkv.open(colo="lhr", history=False) as kv:
            if length:
                kv.put("grown", list(range(length)), strategy=strategy)
            took.append(1e6 / _best(lambda i, kv=kv: act(kv, i), 1_000))  # type: ignore[misc]
    return took[0], took[1]


def _bare(path: Path, rows: int) -> float:
    """Rows a second that SQLite takes, so many a commit, without a sync."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE journal (n INTEGER PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL)")
    record = bytes(_ROW_BYTES * rows)
    rate = _best(lambda i: db.execute("INSERT INTO journal VALUES (?, ?, ?)", (i + 1, record, i)), PUTS // rows)
    db.close()
    return rate * rows
