"""The views of a store's file: what other SQLite tools read in it is what the store shows."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

import crdtkv
from crdtkv.storage.tables import Tables
from crdtkv.store import following
from crdtkv.store.showing import as_json
from tests.colos import crash
from tests.store.filling import fill

HERE = Path(__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lhr.db"


def view(path: Path, name: str) -> list[dict[str, Any]]:
    """As `sqlite-utils rows` gives it."""
    db = sqlite_utils.Database(sqlite3.connect(path))
    rows = list(db[name].rows)
    db.close()
    return rows


def told(kv: crdtkv.Store) -> dict[str, Any]:
    return {
        e.key: (json.loads(as_json(e.value)), e.strategy, e.version, list(e.conflicts) or None, e.expires is None)
        for e in kv.scan()
    }


def shown(path: Path) -> dict[str, Any]:
    return {
        row["key"]: (
            json.loads(row["value"]), row["strategy"], row["version"],
            json.loads(row["conflicts"]) if row["conflicts"] else None, row["expires"] is None,
        )
        for row in view(path, "kv")
    }  # fmt: skip


def test_kv_is_what_the_store_shows(path: Path) -> None:
    """Every strategy, several siblings, dates, blobs; after changes too."""
    with crdtkv.open(path, colo="lhr") as kv, crdtkv.open(colo="sin") as sin:
        kv.sync(sin)
        fill(kv)
        for name in ("lww", "mv", "max", "min", "json"):
            kv.put(f"text {name}", 'é " \n \\ \U0001f600', strategy=name)
            kv.put(f"number {name}", -(2**63), strategy=name)
        for n, value in enumerate([None, True, 1.5, "", "nul \x00", 2**64, [], {}, [1, {"a": None}], 0.1]):
            kv.put(f"odd/{n}", value)
            kv.put(f"odd/{n}/lww", value, strategy="lww")
        for who in (kv, sin):
            who.put("siblings", who.colo, strategy="mv")
            who.put("two strategies", who.colo, strategy=(who.colo == "lhr" and "mv") or "lww")
        kv.sync(sin)
        kv.compact()
        assert shown(path) == told(kv) and len(told(kv)) > 30
        kv.put("siblings", "one again", strategy="mv")
        kv.put("text lww", ["was text"])
        kv.put("odd/8", "was a list")
        kv.delete("doc")
        kv.set("new").add("x")
        kv.compact()
        assert shown(path) == told(kv)


def test_what_a_store_of_format_1_held_is_shown(path: Path) -> None:
    shutil.copy(HERE / "format1.store", path)
    with crdtkv.open(path, colo="lhr", clock=lambda: 1_767_262_000.0) as kv:
        kv.compact()
        expected = told(kv)
    del expected["ttl"]  # its date has passed since
    assert shown(path) == expected


def test_what_cannot_be_told_at_the_opening_is_told_at_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(HERE / "format1.store", path)
    with monkeypatch.context() as patch:

        def full(*given: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr(Tables, "tell", full)
        kv = crdtkv.open(path, colo="lhr")
        patch.undo()
        assert len(kv) > 0 and shown(path).keys() != told(kv).keys()
        kv.close()
    with crdtkv.open(path) as kv:
        assert shown(path) == told(kv)


def test_history_and_conflicts(path: Path) -> None:
    now = [1_767_261_600.0]
    with (
        crdtkv.open(path, colo="lhr", clock=lambda: 1_767_261_600.0) as kv,
        crdtkv.open(colo="sin", clock=lambda: now[0]) as sin,
    ):
        kv.sync(sin)
        for value in ("first", ["a", 1], "third"):
            kv.put("k", value, strategy="lww")
        kv.put("lost", "mine", strategy="lww")
        now[0] += 5
        sin.put("lost", "theirs", strategy="lww")
        kv.sync(sin)
        kv.compact()
        rows = [row for row in view(path, "history") if row["key"] == "k"]
        assert [(r["version"], json.loads(r["value"])) for r in rows] == [(r.version, r.value) for r in kv.history("k")]
        assert [row["time"][:2] for row in rows] == ["20"] * 3
        [lost] = view(path, "conflicts")
        [conflict] = kv.conflicts()
        assert (lost["id"], lost["key"], json.loads(lost["value"]), json.loads(lost["winner"])) == (
            conflict.id, "lost", conflict.value, conflict.winner,
        )  # fmt: skip
        conflict.dismiss()
        kv.compact()
        assert view(path, "conflicts") == []


def test_the_tables_follow_while_it_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a checkpoint or a close; and what was not brought there before a crash is at the next one."""
    monkeypatch.setattr(following, "FRESH_S", 0.0)
    kv = crdtkv.open(path, colo="lhr")
    kv.put("k", "value")
    kv.set("tags").add("x")
    reader = sqlite3.connect(path)
    while reader.execute("SELECT count(*) FROM kv").fetchone() != (2,):
        pass
    assert shown(path) == told(kv)
    reader.close()
    crash(kv)
    with crdtkv.open(path, colo="lhr") as again:
        assert again["k"] == "value"


def test_a_function_that_fails_is_in_nobodys_way(path: Path) -> None:
    """What cannot be told is left out."""
    with crdtkv.open(path, colo="lhr") as kv:
        kv.put("k", [1])
        kv._replica.storage._showing = kv._replica.storage._showing._replace(key=lambda key: None)  # type: ignore[attr-defined]
        kv.put("k", [2])
        kv.put("l", "x")
        kv.compact()
        assert [row["key"] for row in view(path, "kv")] == ["l"] and kv["k"] == [2]


def test_what_no_calendar_has_or_cannot_be_read_is_in_nobodys_way(path: Path) -> None:
    """A colo whose clock is thousands of years ahead, and a payload of a later release: in the past of a key."""
    far = 270_000_000_000.0
    with crdtkv.open(path, colo="lhr") as kv, crdtkv.open(colo="sin", clock=lambda: far) as sin:
        kv.sync(sin)
        for store in (kv, sin, kv):
            sin._replica.offsets.clear()
            store.put("k", store.colo, strategy="lww")
            kv.sync(sin)
        kv.put("odd", 1, strategy="lww")
        with kv._replica.transaction():
            ((place, (sibling,)),) = kv._replica.storage.cells("odd").items()
            kv._replica.set_cell("odd", place, (sibling._replace(payload=b"\xc0\xc0"),))
        kv.put("odd", 2, strategy="lww")
        kv.put("odd", ["now"], strategy="lww")
        kv.compact()
        assert None in [row["time"] for row in view(path, "history") if row["key"] == "k"]
        assert {row["key"]: json.loads(row["value"]) for row in view(path, "kv")} == {"k": "lhr", "odd": ["now"]}
