"""loro: a document in memory; version vectors and updates are exchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loro import ExportMode, LoroDoc

__all__ = ["Replica", "fork", "meet", "replica"]


class Replica:
    """One document. A transaction is a commit."""

    def __init__(self, n: int) -> None:
        self.doc = LoroDoc()
        self.doc.peer_id = n
        self.list, self.map = self.doc.get_list("list"), self.doc.get_map("map")
        self.counter, self.string = self.doc.get_counter("counter"), self.doc.get_text("text")

    def append(self, value: Any) -> None:
        self.list.push(value)
        self.doc.commit()

    def extend(self, values: Iterable[Any]) -> None:
        for value in values:
            self.list.push(value)
        self.doc.commit()

    def remove(self, value: Any) -> None:
        self.list.delete(self.entries().index(value), 1)
        self.doc.commit()

    def entries(self) -> list[Any]:
        return self.list.get_deep_value()  # type: ignore[return-value]

    def write(self, value: Any) -> None:
        self.map.insert("document", value)
        self.doc.commit()

    def read(self) -> Any:
        return self.map.get_deep_value()["document"]  # type: ignore[index,call-overload]

    def add(self, element: str) -> None:
        self.map.insert(element, True)
        self.doc.commit()

    def add_all(self, elements: Iterable[str]) -> None:
        for element in elements:
            self.map.insert(element, True)
        self.doc.commit()

    def discard(self, element: str) -> None:
        self.map.delete(element)
        self.doc.commit()

    def elements(self) -> list[str]:
        return list(self.map.get_deep_value())  # type: ignore[arg-type]

    def increment(self, n: int) -> None:
        self.counter.increment(n)
        self.doc.commit()

    def count(self) -> int:
        return int(self.doc.get_deep_value()["counter"])  # type: ignore[index,call-overload,arg-type]

    def put(self, key: str, value: bytes) -> None:
        self.map.insert(key, value)
        self.doc.commit()

    def put_all(self, values: Mapping[str, bytes]) -> None:
        for key, value in values.items():
            self.map.insert(key, value)
        self.doc.commit()

    def get(self, key: str) -> bytes:
        return bytes(self.map.get_deep_value()[key])  # type: ignore[index,call-overload,arg-type]

    def save(self) -> bytes:
        return self.doc.export(ExportMode.Snapshot())

    def edit(self, changed: Mapping[str, Any], removed: Iterable[str]) -> None:
        for name, value in changed.items():
            self.map.insert(name, value)
        for name in removed:
            self.map.delete(name)
        self.doc.commit()

    def members(self) -> Any:
        return self.map.get_deep_value()

    def splice(self, at: int, deleted: int, inserted: str) -> None:
        if deleted:
            self.string.delete(at, deleted)
        if inserted:
            self.string.insert(at, inserted)
        self.doc.commit()

    def text(self) -> str:
        return str(self.doc.get_deep_value()["text"])  # type: ignore[index,call-overload]


def replica(n: int) -> Replica:
    return Replica(n)


def fork(one: Replica, n: int) -> Replica:
    other = Replica(n)
    other.doc.import_(one.doc.export(ExportMode.Snapshot()))
    return other


def meet(one: Replica, other: Replica) -> tuple[int, int]:
    mine, theirs = one.doc.oplog_vv, other.doc.oplog_vv
    to_other = one.doc.export(ExportMode.Updates(theirs))
    to_me = other.doc.export(ExportMode.Updates(mine))
    other.doc.import_(to_other)
    one.doc.import_(to_me)
    return len(mine.encode()) + len(theirs.encode()) + len(to_other) + len(to_me), 2
