"""SQLite, by Python's own module: a table in WAL mode, a commit each; `synchronous` NORMAL, or FULL where asked."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from bench.peers import serving

__all__ = ["KeyValue", "Replica", "keyvalue", "opened", "replica"]


def opened(path: Any, synchronous: str = "NORMAL") -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("CREATE TABLE IF NOT EXISTS list (n INTEGER PRIMARY KEY, value TEXT NOT NULL)")
    db.execute("CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
    return db


class Replica:
    """One file."""

    def __init__(self) -> None:
        self.db = opened(serving.folder("sqlite") / "one.db")

    def append(self, value: Any) -> None:
        self.db.execute("INSERT INTO list (value) VALUES (?)", (value,))

    def extend(self, values: Iterable[Any]) -> None:
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO list (value) VALUES (?)", [(value,) for value in values])
        self.db.execute("COMMIT")

    def remove(self, value: Any) -> None:
        self.db.execute("DELETE FROM list WHERE n = (SELECT MIN(n) FROM list WHERE value = ?)", (value,))

    def entries(self) -> list[Any]:
        return [value for (value,) in self.db.execute("SELECT value FROM list ORDER BY n")]

    def write(self, value: Any) -> None:
        self.db.execute("INSERT OR REPLACE INTO kv VALUES ('document', ?)", (json.dumps(value),))

    def read(self) -> Any:
        return json.loads(self.db.execute("SELECT value FROM kv WHERE key = 'document'").fetchone()[0])


def replica(n: int) -> Replica:
    return Replica()


class KeyValue:
    """A table; a commit each, one at a time."""

    def __init__(self, durability: str) -> None:
        self.db = opened(serving.folder("sqlite") / "one.db", durability)
        self.lock = threading.Lock()

    def put(self, key: str, value: bytes) -> None:
        with self.lock:
            self.db.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))

    def get(self, key: str) -> Any:
        with self.lock:
            return self.db.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()

    def fill(self, values: Mapping[str, bytes]) -> None:
        self.db.execute("BEGIN")
        self.db.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", values.items())
        self.db.execute("COMMIT")

    def scan(self) -> int:
        return sum(1 for _ in self.db.execute("SELECT key, value FROM kv ORDER BY key"))


def keyvalue(durability: str) -> KeyValue:
    return KeyValue(durability)
