"""The hot paths: each is prepared, then gives whose processor time counts, and what is done, which tells how often."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from pathlib import Path

import crdtkv
from bench.limits import reads, server
from bench.limits.redis import free_port
from crdtkv.core.wire import encode
from crdtkv.replica import cutting
from crdtkv.sim import parse, run
from simulations.growth import PACE

__all__ = ["PATHS", "Prepared"]

SECONDS = 3.0
"""Of processor time, each."""
_VALUE = "v" * 92
_KEYS = 1_000
_SCANNED = 100_000
_COLOS = ("sin", "fra", "syd", "gru", "nrt", "iad")

Prepared = tuple[int, Callable[[], int]]
"""A process, and what makes it work for a while."""

Hot = Callable[[Path], AbstractContextManager[Prepared]]


def _repeated(act: Callable[[], int]) -> Prepared:
    """`act` in this process, again and again; it gives how often it did what it does, 0: there is no more."""

    def work() -> int:
        done, began = 0, time.process_time()
        while more := act():
            done += more
            if time.process_time() - began > SECONDS:
                break
        return done

    return os.getpid(), work


def _in_file(fill: bool, each: Callable[[crdtkv.Store, int], object], times: int = 1) -> Hot:
    """`each(store, n)` on a file: of one of some keys that are there (`fill`), or n is new each time."""

    @contextmanager
    def prepared(folder: Path) -> Iterator[Prepared]:
        dice, numbers = random.Random(1), count()
        with crdtkv.open(folder / "lhr.db", colo="lhr", durability="normal") as kv:
            for n in range(_KEYS if fill else 0):
                kv.put(f"key-{n}", _VALUE)

            def act() -> int:
                for _ in range(500):
                    each(kv, dice.randrange(_KEYS) if fill else next(numbers))
                return 500 * times

            yield _repeated(act)

    return prepared


def _hundred(kv: crdtkv.Store, n: int) -> None:
    with kv.transaction() as t:
        for i in range(100):
            t.put(f"key-{n}-{i}", _VALUE)


@contextmanager
def _submitted(folder: Path) -> Iterator[Prepared]:
    async def caller(kv: crdtkv.Store, dice: random.Random, until: float) -> int:
        done = 0
        while not done or time.process_time() < until:
            key, value = f"key-{dice.randrange(_KEYS)}", f"{_VALUE}{dice.random():.6f}"
            await kv.asubmit(lambda t, key=key, value=value: t.put(key, value))  # type: ignore[misc]
            done += 1
        return done

    async def callers(kv: crdtkv.Store) -> int:
        until = time.process_time() + SECONDS
        return sum(await asyncio.gather(*(caller(kv, random.Random(n), until) for n in range(64))))

    with crdtkv.open(folder / "lhr.db", colo="lhr") as kv:
        yield os.getpid(), lambda: asyncio.run(callers(kv))


@contextmanager
def _append(folder: Path) -> Iterator[Prepared]:
    with crdtkv.open(colo="lhr") as kv:
        todo = kv.list("todo")

        def act() -> int:
            for n in range(500):
                todo.append(n)
            return 500

        yield _repeated(act)


@contextmanager
def _catch_up(folder: Path) -> Iterator[Prepared]:
    names = [f"key/{i:06}" for i in range(reads.KEYS)]
    with ExitStack() as stack:
        lhr, *others = (stack.enter_context(crdtkv.open(colo=colo)) for colo in ("lhr", *_COLOS))
        for other in others:
            lhr.sync(other)
        for name in names:
            lhr.put(name, _VALUE)
        waiting = [(kv, encode(cutting.catch_up(lhr._replica, kv._replica.state.vector))) for kv in others]

        def act() -> int:
            if not waiting:
                return 0
            reads._absorb(*waiting.pop())
            return len(names)

        yield _repeated(act)


@contextmanager
def _records(folder: Path) -> Iterator[Prepared]:
    names = [f"key/{i:06}" for i in range(5_000)]
    with crdtkv.open(colo="lhr") as lhr, crdtkv.open(colo="sin") as sin:
        for name in names:
            lhr.put(name, 1)
        lhr.sync(sin)
        told: list[bytes] = []
        lhr.on_commit.append(lambda _, data: told.append(data))
        for turn in range(16):
            for name in names:
                lhr.put(name, f"{_VALUE}{turn}")
        told.reverse()

        def act() -> int:
            some = [told.pop() for _ in range(min(1_000, len(told)))]
            reads._receive(sin, some, 1)
            return len(some)

        yield _repeated(act)


@contextmanager
def _scan(folder: Path) -> Iterator[Prepared]:
    with crdtkv.open(folder / "lhr.db", colo="lhr", history=False) as kv:
        for at in range(_SCANNED // 100):
            _hundred(kv, at)
        kv.compact()
    with crdtkv.open(folder / "lhr.db", colo="lhr", history=False, cache_mb=1) as kv:

        def act() -> int:
            reads._pages(kv)
            return _SCANNED

        yield _repeated(act)


@contextmanager
def _merge(folder: Path) -> Iterator[Prepared]:
    def act() -> int:
        with crdtkv.open(colo="lhr") as lhr, crdtkv.open(colo="sin") as sin:
            lhr.list("todo").append("first")
            lhr.sync(sin)
            for kv in (lhr, sin):
                kv.list("todo").append(*range(10_000))
            lhr.sync(sin)
        return 1

    yield _repeated(act)


@contextmanager
def _http_put(folder: Path) -> Iterator[Prepared]:
    with server.served(str(folder)) as (process, port):
        yield process.pid, lambda: len(asyncio.run(server.load(port, "PUT", SECONDS, None)))


@contextmanager
def _redis_set(folder: Path) -> Iterator[Prepared]:
    if not shutil.which("redis-benchmark"):
        raise FileNotFoundError("no redis-benchmark here; on Debian: apt-get install redis-tools")
    redis, asked = free_port(), 100_000
    command = ["redis-benchmark", "-p", str(redis), "-t", "set", "-n", str(asked), "-c", "50", "-r", str(_KEYS), "-q"]

    def work() -> int:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return asked

    with server.served(str(folder), ("--redis", f"127.0.0.1:{redis}")) as (process, _):
        yield process.pid, work


@contextmanager
def _simulated(folder: Path) -> Iterator[Prepared]:
    yield os.getpid(), lambda: run(parse(PACE), 1).absorbed


PATHS: dict[str, tuple[str, Hot]] = {
    "append": ("an append, a transaction of its own, in memory", _append),
    "put-new": ("a put of a new key, into a file", _in_file(False, lambda kv, n: kv.put(f"key-{n}", _VALUE))),
    "put-again": (
        f"a put over any of {_KEYS:,} keys, into a file",
        _in_file(True, lambda kv, n: kv.put(f"key-{n}", f"{_VALUE}{random.random():.6f}")),
    ),
    "hundred": ("each of 100 puts a transaction, into a file", _in_file(False, _hundred, 100)),
    "counter": ("an add to a counter, into a file", _in_file(False, lambda kv, n: kv.counter("hits").add(1))),
    "submitted": (f"a put over any of {_KEYS:,} keys by one of 64 coroutines, durability full", _submitted),
    "catch-up": ("a cell of a catch-up, in memory", _catch_up),
    "record": ("a record of a key that is there, in memory", _records),
    "scan": ("an entry of a scan, from a file", _scan),
    "merge": ("10,000 and 10,000 appends at once, and their merge", _merge),
    "http-put": ("a PUT over HTTP, 64 connections, durability full", _http_put),
    "redis-set": (f"a SET of any of {_KEYS:,} keys, 50 connections, durability full", _redis_set),
    "simulated": ("a record taken in by one of twelve simulated colos, and all that goes with it", _simulated),
}
