"""crdtkv, by its public API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import crdtkv
from bench.peers import serving
from crdtkv.core.wire import encode
from crdtkv.replica import cutting

__all__ = ["Replica", "durable", "fork", "meet", "replica"]

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
