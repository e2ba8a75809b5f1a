"""automerge, by its low-level Python core; its sync protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from automerge.core import ROOT, Document, ObjType, ScalarType, SyncState

__all__ = ["Replica", "fork", "meet", "replica"]

_TYPES = {
    str: ScalarType.Str,
    int: ScalarType.Int,
    bytes: ScalarType.Bytes,
    bool: ScalarType.Boolean,
    float: ScalarType.F64,
}


class Replica:
    """One document, whose list, map and text one replica has made before the others forked.

    No counter: to put one is not implemented in 1.0.0rc1.
    """

    def __init__(self, n: int, doc: Document | None = None) -> None:
        self.doc = doc or Document(actor_id=bytes([0] * 15 + [n]))
        if doc is None:
            with self.doc.transaction() as tx:
                tx.put_object(ROOT, "list", ObjType.List)
                tx.put_object(ROOT, "map", ObjType.Map)
                tx.put_object(ROOT, "text", ObjType.Text)
        self.list, self.map, self.string = (self._child(name) for name in ("list", "map", "text"))
        self.length = self.doc.length(self.list)

    def _child(self, name: str) -> bytes:
        found = self.doc.get(ROOT, name)
        assert found is not None
        return found[1]

    def append(self, value: Any) -> None:
        with self.doc.transaction() as tx:
            tx.insert(self.list, self.length, _TYPES[type(value)], value)
        self.length += 1

    def extend(self, values: Iterable[Any]) -> None:
        with self.doc.transaction() as tx:
            for value in values:
                tx.insert(self.list, self.length, _TYPES[type(value)], value)
                self.length += 1

    def remove(self, value: Any) -> None:
        at = self.entries().index(value)
        with self.doc.transaction() as tx:
            tx.delete(self.list, at)
        self.length -= 1

    def entries(self) -> list[Any]:
        return [value[1] for value, _ in self.doc.values(self.list)]  # type: ignore[index]

    def write(self, value: Any) -> None:
        with self.doc.transaction() as tx:
            made = tx.put_object(ROOT, "document", ObjType.List)
            for at, entry in enumerate(value):
                tx.insert(made, at, _TYPES[type(entry)], entry)

    def read(self) -> Any:
        return [value[1] for value, _ in self.doc.values(self._child("document"))]  # type: ignore[index]

    def add(self, element: str) -> None:
        with self.doc.transaction() as tx:
            tx.put(self.map, element, ScalarType.Boolean, True)

    def add_all(self, elements: Iterable[str]) -> None:
        with self.doc.transaction() as tx:
            for element in elements:
                tx.put(self.map, element, ScalarType.Boolean, True)

    def discard(self, element: str) -> None:
        with self.doc.transaction() as tx:
            tx.delete(self.map, element)

    def elements(self) -> list[str]:
        return self.doc.keys(self.map)

    def increment(self, n: int) -> None:
        with self.doc.transaction() as tx:
            found = tx.get(self.map, "counter")
            tx.put(self.map, "counter", ScalarType.Int, (found[0][1] if found else 0) + n)  # type: ignore[index]

    def count(self) -> int:
        return self.doc.get(self.map, "counter")[0][1]  # type: ignore[index,return-value]

    def put(self, key: str, value: bytes) -> None:
        with self.doc.transaction() as tx:
            tx.put(self.map, key, ScalarType.Bytes, value)

    def put_all(self, values: Mapping[str, bytes]) -> None:
        with self.doc.transaction() as tx:
            for key, value in values.items():
                tx.put(self.map, key, ScalarType.Bytes, value)

    def get(self, key: str) -> bytes:
        return bytes(self.doc.get(self.map, key)[0][1])  # type: ignore[index,arg-type]

    def save(self) -> bytes:
        return self.doc.save()

    def edit(self, changed: Mapping[str, Any], removed: Iterable[str]) -> None:
        with self.doc.transaction() as tx:
            for name, value in changed.items():
                tx.put(self.map, name, _TYPES[type(value)], value)
            for name in removed:
                tx.delete(self.map, name)

    def members(self) -> Any:
        values = self.doc.values(self.map)
        return {name: v[0][1] for name, v in zip(self.doc.keys(self.map), values, strict=True)}  # type: ignore[index]

    def splice(self, at: int, deleted: int, inserted: str) -> None:
        with self.doc.transaction() as tx:
            for _ in range(deleted):
                tx.delete(self.string, at)
            for n, letter in enumerate(inserted):
                tx.insert(self.string, at + n, ScalarType.Str, letter)

    def text(self) -> str:
        return self.doc.text(self.string)


def replica(n: int) -> Replica:
    return Replica(n)


def fork(one: Replica, n: int) -> Replica:
    # Its actor is drawn by chance: `set_actor` of a fork panics at the next transaction (1.0.0rc1).
    return Replica(n, one.doc.fork())


def meet(one: Replica, other: Replica) -> tuple[int, int]:
    """Sync messages until neither has one to send."""
    states, sent, rounds = (SyncState(), SyncState()), 0, 0
    while True:
        said = one.doc.generate_sync_message(states[0]), other.doc.generate_sync_message(states[1])
        if said[0] is None and said[1] is None:
            one.length, other.length = one.doc.length(one.list), other.doc.length(other.list)
            return sent, rounds
        rounds += 1
        for message, to, state in ((said[0], other, states[1]), (said[1], one, states[0])):
            if message is not None:
                sent += len(message.encode())
                to.doc.receive_sync_message(state, message)
