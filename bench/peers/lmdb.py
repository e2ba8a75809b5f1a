"""LMDB: a transaction each, synced before it is done."""

from __future__ import annotations

import json
from typing import Any

import lmdb

from bench.peers import serving

__all__ = ["Replica", "opened", "replica"]


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
