"""crdtkv, by its public API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import crdtkv

__all__ = ["Replica", "fork", "meet", "replica"]

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
