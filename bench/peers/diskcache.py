"""diskcache: a Cache or a Deque in a folder, as it comes (SQLite in WAL mode, synchronous NORMAL)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import diskcache

from bench.peers import serving

__all__ = ["Replica", "replica"]


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
