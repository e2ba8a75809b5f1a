"""pycrdt: Yjs in Rust. A document in memory; the y-sync exchange of state vectors and updates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pycrdt import Array, Doc, Map, Text

__all__ = ["Replica", "fork", "meet", "replica"]


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
