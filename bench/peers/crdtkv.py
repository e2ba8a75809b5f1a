"""crdtkv, by its public API."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from random import Random
from typing import Any

import crdtkv
from bench.peers import serving
from crdtkv.core.wire import encode
from crdtkv.replica import cutting

__all__ = [
    "KeyValue",
    "Replica",
    "durable",
    "fork",
    "http_door",
    "keyvalue",
    "meet",
    "put_on_base",
    "redis_door",
    "replica",
    "three_way",
]

_OPEN = ExitStack()
_COLOS = ("lhr", "sin", "gru", "jnb")


class Replica:
    """One colo's store; each thing is a key of its own."""

    def __init__(self, n: int, path: Any = ":memory:", **options: Any) -> None:
        self.kv = crdtkv.open(path, colo=_COLOS[n - 1], **options)
        self._list, self._set, self._counter = self.kv.list("list"), self.kv.set("set"), self.kv.counter("counter")
        self._text = self.kv.list("text")
        self._read: str | None = None

    def append(self, value: Any) -> None:
        self._list.append(value)

    def extend(self, values: Iterable[Any]) -> None:
        self._list.append(*values)

    def remove(self, value: Any) -> None:
        self._list.remove(self.entries().index(value))

    def entries(self) -> list[Any]:
        return list(self._list)

    def write(self, value: Any) -> None:
        """As a client that had read it PUTs it: on the version it read."""
        self._read = self.kv.put("document", value, base=self._read).version

    def read(self) -> Any:
        return self.kv["document"]

    def add(self, element: Any) -> None:
        self._set.add(element)

    def add_all(self, elements: Iterable[Any]) -> None:
        self._set.add(*elements)

    def discard(self, element: Any) -> None:
        self._set.remove(element)

    def elements(self) -> list[Any]:
        return list(self._set)

    def increment(self, n: int) -> None:
        self._counter.add(n)

    def count(self) -> int:
        return int(self._counter)

    def put(self, key: str, value: Any) -> None:
        self.kv.put(key, value)

    def put_all(self, values: Mapping[str, Any]) -> None:
        """In transactions of a thousand."""
        items = list(values.items())
        for first in range(0, len(items), 1_000):
            with self.kv.transaction() as t:
                for key, value in items[first : first + 1_000]:
                    t.put(key, value)

    def get(self, key: str) -> Any:
        found = self.kv[key]
        return found.data if isinstance(found, crdtkv.Blob) else found

    def purge(self) -> None:
        self.kv.compact()

    def save(self) -> bytes:
        """A catch-up from nothing, as it goes over the wire."""
        return encode(cutting.catch_up(self.kv._replica, {}))

    def edit(self, changed: Mapping[str, Any], removed: Iterable[str]) -> None:
        """As a client does: it reads the document, and PUTs it whole, on the version that it read."""
        entry = self.kv.get("document")
        document = {} if entry is None else dict(entry.value)
        document |= changed
        for name in removed:
            del document[name]
        self.kv.put("document", document, base=None if entry is None else entry.version)

    def members(self) -> Any:
        return self.kv["document"]

    def splice(self, at: int, deleted: int, inserted: str) -> None:
        if inserted and not deleted:
            self._text.insert(at, *inserted)
        elif deleted == 1 and not inserted:
            self._text.remove(at)
        else:
            with self.kv.transaction() as t:
                for _ in range(deleted):
                    t.list("text").remove(at)
                if inserted:
                    t.list("text").insert(at, *inserted)

    def text(self) -> str:
        return "".join(self._text)


def durable() -> Replica:
    """In a file; a power cut may take the last writes back, as with those it stands beside."""
    return Replica(1, serving.folder("crdtkv") / "lhr.db", durability="normal")


def replica(n: int) -> Replica:
    """In memory."""
    return Replica(n)


def fork(one: Replica, n: int) -> Replica:
    """A colo that has joined; its client has read what the other's had."""
    other = Replica(n)
    one.kv.sync(other.kv)
    other._read = one._read
    return other


def meet(one: Replica, other: Replica) -> tuple[int, int]:
    report = one.kv.sync(other.kv)
    assert report.equal, report
    return report.bytes, report.rounds


def three_way(base: Any, ours: Any, theirs: Any) -> Any:
    """Base PUT at one colo; theirs, and a second later ours, PUT on it at two; exchanged, and read."""
    now = [1_700_000_000.0]
    with (
        crdtkv.open(colo="a", clock=lambda: now[0], random=Random(1)) as a,
        crdtkv.open(colo="b", clock=lambda: now[0], random=Random(2)) as b,
    ):
        version = a.put("file", base).version
        a.sync(b)
        for store, document in ((b, theirs), (a, ours)):
            now[0] += 1
            store.put("file", document, base=version)
        a.sync(b)
        return a["file"]


def put_on_base(base: Any, ours: Any, theirs: Any) -> tuple[float, Any]:
    """Theirs is there; how long a PUT of ours on the same base takes, and the reading of what came of it."""
    with crdtkv.open(colo="lhr") as kv:
        version = kv.put("list", base).version
        kv.put("list", theirs, base=version)
        began = time.perf_counter()
        kv.put("list", ours, base=version)
        merged = kv["list"]
        return (time.perf_counter() - began) * 1e3, merged


class KeyValue:
    """A file."""

    threads = True

    def __init__(self, durability: str) -> None:
        self.kv = crdtkv.open(serving.folder("crdtkv") / "lhr.db", colo="lhr", durability=durability, history=False)
        self.put, self.get = self.kv.put, self.kv.get

    def fill(self, values: Mapping[str, Any]) -> None:
        items = list(values.items())
        for first in range(0, len(items), 1_000):
            with self.kv.transaction() as t:
                for key, value in items[first : first + 1_000]:
                    t.put(key, value)

    def scan(self) -> int:
        """In pages of a thousand, key and value."""
        count, page = 0, self.kv.scan(limit=1_000)
        while True:
            count += sum(1 for entry in page if entry.value is not None)
            if page.cursor is None:
                return count
            page = self.kv.scan(limit=1_000, cursor=page.cursor)

    def callers(self, count: int, callers: int, value: bytes) -> float:
        """Puts a second, of so many tasks that each wait for theirs."""

        async def work(who: int) -> None:
            for n in range(count // callers):
                await self.kv.asubmit(lambda t, n=n: t.put(f"many-{who}-{n}", value))  # type: ignore[misc]

        async def main() -> float:
            began = time.perf_counter()
            await asyncio.gather(*(work(who) for who in range(callers)))
            return count // callers * callers / (time.perf_counter() - began)

        return asyncio.run(main())


def keyvalue(durability: str) -> KeyValue:
    return KeyValue(durability)


def http_door() -> tuple[subprocess.Popen[str], int]:
    """A colo that is served, and its port. It ends with the worker."""
    from bench.limits.server import served

    return _OPEN.enter_context(served(str(serving.folder("colo"))))


def redis_door(durability: str) -> tuple[subprocess.Popen[str], int]:
    """A colo that is served to clients of Redis, and the port for these."""
    from bench.limits.server import served

    port = serving.port()
    more = ("--redis", f"127.0.0.1:{port}", "--durability", durability)
    process, _ = _OPEN.enter_context(served(str(serving.folder("colo")), more))
    serving.answers(port)
    return process, port
