"""Files of earlier formats: what release 0.1 left in `format1.store`, and what it read there, is read today."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BaseTooOld
from crdtkv.storage.sqlite import FORMAT

HERE = Path(__file__).parent
NOW = 1_767_262_000.0


def reading(kv: crdtkv.Store) -> dict[str, Any]:
    """As `format1.json` has it."""
    return {
        "values": {key: repr(value) for key, value in kv.items()},
        "history": {
            key: [[r.version, repr(r.value)] for r in kv.history(key)]
            for key in ("text", "doc", "lost", "gone", "mv", "long")
        },
        "conflicts": [[lost.id, lost.key, repr(lost.value)] for lost in kv.conflicts()],
        "versions": {entry.key: entry.version for entry in kv.scan()},
        "digest": kv.digest(),
        "vector": kv.vector,
        "floor": kv.floor,
    }


def test_a_file_of_format_1(tmp_path: Path) -> None:
    """Values, versions, history, inbox, also what was in its journal alone; and after it was closed once more."""
    path = tmp_path / "lhr.db"
    shutil.copy(HERE / "format1.store", path)
    expected = json.loads((HERE / "format1.json").read_text(encoding="utf-8"))
    for _ in range(2):
        with crdtkv.open(path, colo="lhr", clock=lambda: NOW) as kv:
            assert reading(kv) == expected
            assert kv.check() == []


def test_a_file_of_format_3(tmp_path: Path) -> None:
    """What a key's row may say now stood in a row of its own."""
    path = tmp_path / "lhr.db"
    shutil.copy(HERE / "format3.store", path)
    expected = json.loads((HERE / "format3.json").read_text(encoding="utf-8"))
    with crdtkv.open(path, colo="lhr", history=False) as kv:
        assert [[r.version, r.value, r.known] for r in kv.history("b")] == expected["history"]
        with pytest.raises(BaseTooOld):
            kv.get("b", at=expected["versions"]["b"][0])
        kv.put("a", 4)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    with crdtkv.open(path, colo="lhr", history=False) as kv:
        assert kv.check() == [] and kv["a"] == 4
        with pytest.raises(BaseTooOld):
            kv.get("b", at=expected["versions"]["b"][0])


def as_before(path: Path, name: str) -> list[list[Any]]:
    """What is read of a file of that format is what was, by its views too, also once it was closed again; they."""
    shutil.copy(HERE / f"{name}.store", path)
    expected = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    told: list[list[Any]] = expected.pop("told")
    for _ in range(2):
        with crdtkv.open(path, colo="lhr", clock=lambda: NOW) as kv:
            assert reading(kv) == expected
            assert kv.check() == []
        with closing(sqlite3.connect(path)) as db:
            assert sorted(db.execute("SELECT key, version, value FROM history")) == [tuple(row) for row in told]
    return told


def test_a_file_of_format_5(tmp_path: Path) -> None:
    """A past lay in pieces of eight rows; and the journal named the rows that went by their writes."""
    as_before(tmp_path / "lhr.db", "format5")


def test_a_file_of_format_4(tmp_path: Path) -> None:
    """A past was one row, and what is told of it: what is written behind it is all that is written of it now."""
    path = tmp_path / "lhr.db"
    told = as_before(path, "format4")
    with crdtkv.open(path, colo="lhr", clock=lambda: NOW) as kv:
        kv.evict(next(member for member in kv.members if member.startswith("sin")))
        kv.put("text", "more")
    with closing(sqlite3.connect(path)) as db:
        assert [n for (n,) in db.execute("SELECT n FROM past WHERE key = 'text'")] == [0, 12, 23]
        found = sorted(db.execute("SELECT key, version, value FROM history WHERE key = 'text'"))
        assert found == [tuple(row) for row in told if row[0] == "text"]
