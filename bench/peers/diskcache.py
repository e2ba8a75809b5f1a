"""diskcache: a Cache or a Deque in a folder, as it comes (SQLite in WAL mode, synchronous NORMAL)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import diskcache

from bench.peers import serving

__all__ = ["KeyValue", "Replica", "keyvalue", "replica"]


class Replica:
    """One folder."""

    def __init__(self) -> None:
        home = serving.folder("diskcache")
        self.list, self.cache = diskcache.Deque(directory=str(home / "list")), diskcache.Cache(str(home / "cache"))

    def append(self, value: Any) -> None:
        self.list.append(value)

    def extend(self, values: Iterable[Any]) -> None:
        with self.list.transact():
            self.list.extend(values)

    def remove(self, value: Any) -> None:
        self.list.remove(value)

    def entries(self) -> list[Any]:
        return list(self.list)

    def write(self, value: Any) -> None:
        self.cache["document"] = value

    def read(self) -> Any:
        return self.cache["document"]


def replica(n: int) -> Replica:
    return Replica()


class KeyValue:
    """A Cache."""

    def __init__(self) -> None:
        self.cache = diskcache.Cache(str(serving.folder("diskcache")), eviction_policy="none", timeout=30)
        self.put, self.get = self.cache.set, self.cache.get

    def fill(self, values: Mapping[str, bytes]) -> None:
        with self.cache.transact():
            for key, value in values.items():
                self.cache[key] = value

    def scan(self) -> int:
        return sum(1 for key in self.cache.iterkeys() if self.cache[key] is not None)


def keyvalue(durability: str) -> KeyValue:
    return KeyValue()
