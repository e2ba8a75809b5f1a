"""pycrdt: Yjs in Rust. A document in memory; the y-sync exchange of state vectors and updates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from pycrdt import Array, Doc, Map, Text

from bench.peers import serving

__all__ = ["Replica", "durable", "fork", "meet", "replica"]


class Replica:
    """One document. Its set is a map's keys; it has no counter."""

    def __init__(self, n: int) -> None:
        self.doc: Doc[Any] = Doc(client_id=n)
        self.list = self.doc.get("list", type=Array)
        self.map = self.doc.get("map", type=Map)
        self.string = self.doc.get("text", type=Text)

    def append(self, value: Any) -> None:
        self.list.append(value)

    def extend(self, values: Iterable[Any]) -> None:
        self.list.extend(list(values))

    def remove(self, value: Any) -> None:
        del self.list[list(self.list).index(value)]

    def entries(self) -> list[Any]:
        return list(self.list)

    def write(self, value: Any) -> None:
        self.map["document"] = Array(value) if isinstance(value, list) else Map(value)

    def read(self) -> Any:
        return self.map["document"].to_py()

    def add(self, element: str) -> None:
        self.map[element] = True

    def add_all(self, elements: Iterable[str]) -> None:
        with self.doc.transaction():
            for element in elements:
                self.map[element] = True

    def discard(self, element: str) -> None:
        del self.map[element]

    def elements(self) -> list[str]:
        return list(self.map.keys())

    def increment(self, n: int) -> None:
        with self.doc.transaction():
            self.map["counter"] = self.map.get("counter", 0) + n

    def count(self) -> int:
        return int(self.map["counter"])

    def put(self, key: str, value: bytes) -> None:
        self.map[key] = value

    def put_all(self, values: Mapping[str, bytes]) -> None:
        self.map.update(dict(values))

    def get(self, key: str) -> bytes:
        return bytes(self.map[key])

    def save(self) -> bytes:
        return self.doc.get_update()

    def edit(self, changed: Mapping[str, Any], removed: Iterable[str]) -> None:
        with self.doc.transaction():
            self.map.update(dict(changed))
            for name in removed:
                del self.map[name]

    def members(self) -> Any:
        return self.map.to_py()

    def splice(self, at: int, deleted: int, inserted: str) -> None:
        with self.doc.transaction():
            if deleted:
                del self.string[at : at + deleted]
            if inserted:
                self.string.insert(at, inserted)

    def text(self) -> str:
        return str(self.string)


class _Kept(Replica):
    """Each transaction's update is written to an SQLiteYStore, and waited for."""

    def __init__(self, n: int) -> None:
        from pycrdt.store import SQLiteYStore

        super().__init__(n)
        updates: list[bytes] = []
        self._updates, self._loop = updates, asyncio.new_event_loop()
        self._told = self.doc.observe(lambda event: updates.append(event.update))
        SQLiteYStore.db_path = str(serving.folder("pycrdt") / "store.db")
        self._store = SQLiteYStore("document")
        self._loop.run_until_complete(self._store.__aenter__())

    def append(self, value: Any) -> None:
        super().append(value)
        while self._updates:
            self._loop.run_until_complete(self._store.write(self._updates.pop(0)))


def durable() -> Replica:
    return _Kept(1)


def replica(n: int) -> Replica:
    return Replica(n)


def fork(one: Replica, n: int) -> Replica:
    other = Replica(n)
    other.doc.apply_update(one.doc.get_update())
    return other


def meet(one: Replica, other: Replica) -> tuple[int, int]:
    """Each sends what it has, each answers with what the other lacks: both ways in one round trip and a half."""
    mine, theirs = one.doc.get_state(), other.doc.get_state()
    to_other, to_me = one.doc.get_update(theirs), other.doc.get_update(mine)
    other.doc.apply_update(to_other)
    one.doc.apply_update(to_me)
    return len(mine) + len(theirs) + len(to_other) + len(to_me), 2
