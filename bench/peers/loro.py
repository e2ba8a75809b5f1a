"""loro: a document in memory; version vectors and updates are exchanged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loro import ExportMode, LoroDoc

__all__ = ["Replica", "fork", "meet", "replica"]


class Replica:
    """One document. A transaction is a commit."""

    def __init__(self, n: int) -> None:
        self.doc = LoroDoc()
        self.doc.peer_id = n
        self.list, self.map = self.doc.get_list("list"), self.doc.get_map("map")

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
