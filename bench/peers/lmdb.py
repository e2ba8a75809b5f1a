"""LMDB: a transaction each, synced before it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import lmdb

from bench.peers import serving

__all__ = ["KeyValue", "Replica", "keyvalue", "opened", "replica"]


def opened() -> lmdb.Environment:
    return lmdb.open(str(serving.folder("lmdb")), map_size=4 << 30)


class Replica:
    """One folder; a list is its entries, a key each."""

    def __init__(self) -> None:
        self.env = opened()
        self.length = 0

    def append(self, value: Any) -> None:
        with self.env.begin(write=True) as tx:
            tx.put(b"list/%09d" % self.length, value.encode())
        self.length += 1

    def entries(self) -> list[Any]:
        with self.env.begin() as tx:
            return [value.decode() for _, value in tx.cursor().iternext()]

    def write(self, value: Any) -> None:
        with self.env.begin(write=True) as tx:
            tx.put(b"document", json.dumps(value).encode())

    def read(self) -> Any:
        with self.env.begin() as tx:
            return json.loads(bytes(tx.get(b"document") or b"null"))


def replica(n: int) -> Replica:
    return Replica()


class KeyValue:
    """A transaction each."""

    def __init__(self) -> None:
        self.env = opened()

    def put(self, key: str, value: bytes) -> None:
        with self.env.begin(write=True) as tx:
            tx.put(key.encode(), value)

    def get(self, key: str) -> Any:
        with self.env.begin() as tx:
            return tx.get(key.encode())

    def fill(self, values: Mapping[str, bytes]) -> None:
        with self.env.begin(write=True) as tx:
            for key, value in values.items():
                tx.put(key.encode(), value)

    def scan(self) -> int:
        with self.env.begin() as tx:
            return sum(1 for _ in tx.cursor().iternext(keys=True, values=True))


def keyvalue(durability: str) -> KeyValue:
    return KeyValue()
