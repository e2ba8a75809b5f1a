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


def test_a_file_of_format_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a key's row says now stood in a row of its own, which goes with the next write of the key."""
    path = tmp_path / "lhr.db"
    with monkeypatch.context() as patch:
        patch.setattr("crdtkv.storage.layers.lone", lambda horizon: None)
        patch.setattr("crdtkv.storage.sqlite.FORMAT", 3)
        with crdtkv.open(path, colo="lhr", history=False) as kv:
            for key in ("a", "b"):
                versions = [kv.put(key, n).version for n in (1, 2, 3)]
            history = [[r.version, r.value, r.known] for r in kv.history("b")]
    with crdtkv.open(path, colo="lhr", history=False) as kv:
        assert [[r.version, r.value, r.known] for r in kv.history("b")] == history
        with pytest.raises(BaseTooOld):
            kv.get("b", at=versions[0])
        kv.put("a", 4)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        assert {"b"} == {key for (key,) in db.execute("SELECT key FROM horizon")} - {"\0members"}
    with crdtkv.open(path, colo="lhr", history=False) as kv:
        assert kv.check() == [] and kv["a"] == 4
        with pytest.raises(BaseTooOld):
            kv.get("b", at=versions[0])
