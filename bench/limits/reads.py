"""What a read costs, and what it costs to take in what another colo wrote: 100-byte values, one core; in memory,
unless said.

CPU time, the best of three runs of each. Beside each figure its limit in the same run: what Python
itself takes for the same work without a store (a dict's entry behind a method and a lock; MessagePack
decoded and put in a dict).
"""

import gc
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgpack

import crdtkv
from crdtkv.core.wire import CatchUp, decode, encode
from crdtkv.replica import cutting, exchange

__all__ = ["Figure", "measure", "report"]

KEYS = 20_000
HOT = 100
RUNS = 3
VALUE = "x" * 100
Figure = tuple[str, float, float, int]
"""What, per second, the limit per second, what we want per second."""


class _Plain:
    """A dict behind a method and a lock: what a read cannot cost less than."""

    def __init__(self, rows: dict[str, Any]) -> None:
        self._rows = rows
        self._lock = threading.RLock()

    def get(self, key: str) -> Any:
        """The row."""
        with self._lock:
            return self._rows.get(key)


def measure() -> list[Figure]:
    """The figures. Takes some 20 s."""
    names = [f"key/{i:06}" for i in range(KEYS)]
    frames = [_records(names, known, frame) for known in (False, True) for frame in (100, 1)]
    with tempfile.TemporaryDirectory() as folder:
        caught_up = [_caught_up(names, None), _caught_up(names, Path(folder))]
    return [*_reading(names), *caught_up, *frames]


def _reading(names: list[str]) -> list[Figure]:
    hot = names[:HOT] * (KEYS // HOT)
    plain = _Plain({name: msgpack.packb(VALUE) for name in names})
    document = {"name": VALUE[:60], "n": 7, "tags": ["a", "b"]}
    with crdtkv.open(":memory:", colo="lhr") as kv:
        for name in names:
            kv.put(name, VALUE)
        kv.put("document", document)
        forget = kv._replica.memos.clear
        bare = _rate(KEYS, lambda: [plain.get(name) for name in hot])
        fresh = _rate(KEYS, lambda: [msgpack.unpackb(plain.get(name)) for name in names])
        return [
            ("get, hot", _rate(KEYS, lambda: [kv.get(name) for name in hot]), bare, 500_000),
            ("get a document, hot", _rate(KEYS, lambda: [kv["document"] for _ in hot]), bare, 500_000),
            ("kv[key], hot", _rate(KEYS, lambda: [kv[name] for name in hot]), bare, 500_000),
            ("key in kv", _rate(KEYS, lambda: [name in kv for name in hot]), bare, 500_000),
            ("get, cold", _rate(KEYS, lambda: [kv.get(name) for name in names], forget), fresh, 100_000),
            ("scan, pages of 1,000", _rate(KEYS, lambda: _pages(kv), forget), fresh, 500_000),
            ("keys", _rate(KEYS, lambda: list(kv.keys()), forget), fresh, 500_000),
        ]


def _pages(kv: crdtkv.Store) -> None:
    cursor = None
    while (page := kv.scan(limit=1000, cursor=cursor)).cursor is not None:
        cursor = page.cursor


def _caught_up(names: list[str], folder: Path | None) -> Figure:
    """Cells/s of a catch-up that begins where the two last met, each cell of another transaction."""
    best = limit = 0.0
    for run in range(RUNS):
        lhr, sin = _pair(folder and folder / f"sin-{run}.db")
        for name in names:
            lhr.put(name, VALUE)
        message = encode(cutting.catch_up(lhr._replica, sin._replica.state.vector))
        limit = max(limit, _once(KEYS, partial(_store_plainly, [message])))
        best = max(best, _once(KEYS, partial(_absorb, sin, message)))
        sin.close()
    return ("cells of a catch-up" + (", into a file" if folder else ""), best, limit, 200_000)


def _records(names: list[str], known: bool, frame: int) -> Figure:
    """Records/s of one cell each, of new keys or of keys that are there, so many at once."""
    best = limit = 0.0
    for _ in range(RUNS):
        lhr, sin = _pair()
        told: list[bytes] = []
        if known:
            with lhr.transaction() as t:
                for name in names:
                    t.put(name, 1)
            lhr.sync(sin)
        lhr.on_commit.append(lambda _, data, told=told: told.append(data))  # type: ignore[misc]
        for name in names[: KEYS // 4]:
            lhr.put(name, VALUE)
        limit = max(limit, _once(len(told), partial(_store_plainly, told)))
        best = max(best, _once(len(told), partial(_receive, sin, told, frame)))
    return (f"records of {'known' if known else 'new'} keys, by {frame}", best, limit, 60_000)


def _pair(path: Path | None = None) -> tuple[crdtkv.Store, crdtkv.Store]:
    lhr, sin = crdtkv.open(":memory:", colo="lhr"), crdtkv.open(path or ":memory:", colo="sin")
    lhr.sync(sin)
    return lhr, sin


def _absorb(kv: crdtkv.Store, data: bytes) -> None:
    message = decode(data)
    assert isinstance(message, CatchUp)
    assert exchange.absorb(kv._replica, message) is exchange.Outcome.absorbed


def _receive(kv: crdtkv.Store, told: list[bytes], frame: int) -> None:
    for at in range(0, len(told), frame):
        records = [(decode(data), data) for data in told[at : at + frame]]
        outcomes = exchange.receive_all(kv._replica, cast(Any, records))
        assert set(outcomes) == {exchange.Outcome.absorbed}


def _store_plainly(messages: list[bytes]) -> dict[Any, Any]:
    """The same messages decoded by MessagePack alone, each of their cells put in a dict."""
    rows: dict[Any, Any] = {}
    for data in messages:
        body = msgpack.unpackb(data[2:-4], raw=False)
        for key, *cells in body[3] if data[1:2] == b"c" else body[6]:
            for path, *rest in cells[-1] if data[1:2] == b"c" else cells:
                rows[key, path] = rest
    return rows


def _rate(count: int, act: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> float:
    found = 0.0
    for _ in range(RUNS):
        before()
        found = max(found, _once(count, act))
    return found


def _once(count: int, act: Callable[[], Any]) -> float:
    """How many per second of CPU."""
    gc.collect()
    began = time.process_time()
    act()
    return count / (time.process_time() - began)


def report() -> bool:
    """Prints the figures; whether all are as wanted."""
    figures = measure()
    print(f"\nreads and absorbing, per second of CPU ({KEYS:,} keys of {len(VALUE)} bytes, best of {RUNS})")
    print(f"  {'':<30}{'crdtkv':>11}{'limit':>12}{'of it':>7}{'wanted':>10}")
    for what, found, limit, wanted in figures:
        words = "ok" if found >= wanted else "UNDER"
        print(f"  {what:<30}{found:>11,.0f}{limit:>12,.0f}{found / limit:>7.0%}{wanted:>10,}  {words}")
    return all(found >= wanted for _, found, _, wanted in figures)
