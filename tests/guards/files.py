"""Files: what was committed is in them, one process has them open, and what is not as it was written is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, ChecksumFailed, Corrupt, FormatTooNew, NotAStore, StoreLocked
from crdtkv.replica import life
from crdtkv.storage import rows, sqlite
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.store import opening
from tests.colos import Colos, limited, refuses
from tests.guards.mutation import Line, guards


def _all_of(kv: crdtkv.Store) -> dict[str, Any]:
    """All that a store is asked for."""
    return {
        "vector": kv.vector, "floor": kv.floor, "digest": kv.digest(), "values": dict(kv.items()), "check": kv.check(),
        "history": [(r.version, r.value, r.known) for r in kv.history("k")],
        "old": [(r.version, r.value, r.known) for r in kv.history("doc")],
        "conflicts": [(c.id, c.value) for c in kv.conflicts()], "clock": kv._replica.state.ceiling,
    }  # fmt: skip


def _lose(table: str) -> Line:
    return Line(
        SqliteStorage._save,
        "for table, where in changed:",
        f"for table, where in [c for c in changed if c[0] != '{table}']:",
    )


@guards(
    "Law: a transaction's rows are in the file, synced, before `commit` returns.",
    *map(_lose, ("cell", "context", "past", "horizon", "inbox", "meta")),
    Line(SqliteStorage._save_row, "if row is None:", "if False:"),
    Line(SqliteStorage._save, 'self._db.execute("COMMIT")', "self._db.execute('ROLLBACK')"),
)
def what_was_committed_is_there_when_it_is_opened_again() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colos = Colos("a", "b", folder=Path(folder), memory="b")
        a, b = colos["a"], colos["b"]
        a.put("k", 1)
        a.put("k", 2)
        b.put("lost", "later")
        a.put("lost", "earlier")
        b.put("lost", "latest")
        a.put("gone", 1)
        a.delete("gone")
        b.put("doc", {"x": 1}, strategy="json")
        colos.meet()
        a.delete("doc")
        a.put("doc", {"y": 1}, strategy="json")
        colos.purge()
        before = _all_of(a)
        assert before["conflicts"] and before["history"] and before["floor"]
        a.close()
        assert _all_of(colos.open("a")) == before
        colos["a"].close()


@guards(
    "One process at a time: the file is locked while it is open.",
    Line(SqliteStorage._open, "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA locking_mode=NORMAL"),
)
def a_file_that_is_open_is_refused() -> None:
    """Case 6."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a"):
            assert refuses(StoreLocked, lambda: crdtkv.open(path, colo="a").close())


@guards(
    "Raises StoreLocked if another process has it open, FormatTooNew if a later release made it",
    Line(SqliteStorage._is_new, "if found > FORMAT:", "if False:"),
)
def a_file_of_a_later_release_is_refused() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with limited(sqlite, "FORMAT", sqlite.FORMAT + 1):
            crdtkv.open(path, colo="a").close()
        assert refuses(FormatTooNew, lambda: crdtkv.open(path, colo="a").close())


@guards(
    "Only a file that bears our number is a store; only one that holds nothing becomes one.",
    Line(SqliteStorage._is_new, "if mark != APPLICATION_ID and (mark or found or tables):", "if False:"),
    Line(SqliteStorage._is_new, "if self._was_there and self._was_noted():", "if False:"),
)
def a_file_of_somebody_else_and_a_store_that_was_emptied_are_refused() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path, emptied = Path(folder) / "notes.db", Path(folder) / "a.db"
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE notes (a)")
        crdtkv.open(emptied, colo="a").close()
        emptied.write_bytes(b"")
        assert refuses(NotAStore, lambda: crdtkv.open(path, colo="a").close())
        assert refuses(ChecksumFailed, lambda: crdtkv.open(emptied, colo="a").close())


@guards(
    "bits that changed by themselves, and a row that came to lie in the place of another, are found when it is read.",
    Line(rows.unpack_row, "if type(blob) is not bytes or _checksum(table, where, blob) != checksum:", "if False:"),
    Line(rows._checksum, "(table, *where)", "(table,)"),
)
def a_row_that_is_not_what_was_written_there_is_found() -> None:
    """One bit of a value; and two values, each sound, in each other's place."""
    flipped = "UPDATE cell SET siblings = x'{}' WHERE key = 'k'"
    moved = "UPDATE past SET (rows, checksum) = (SELECT rows, checksum FROM past WHERE key = 'l') WHERE key = 'k'"
    for statement in (flipped, moved):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                for key, value in (("k", 1), ("k", 3), ("l", 2), ("l", 3)):
                    kv.put(key, value)
            with closing(sqlite3.connect(path)) as db:
                [[blob]] = db.execute("SELECT siblings FROM cell WHERE key = 'k'").fetchall()
                db.execute(statement.format(blob.replace(b"\xc4\x01\x03", b"\xc4\x01\x02").hex()))
                db.commit()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(life, "_check_digest", lambda storage, kept: None)
                assert refuses(ChecksumFailed, lambda path=path: crdtkv.open(path, colo="a").close())


@guards(
    "Rows have checksums of their own; this finds those that are missing, or are of another time.",
    Line(life._check_digest, "if found != kept:", "if False:"),
    Line(life.begin, 'if plain is None and next(storage.keys("", None), None) is not None:', "if False:"),
)
def rows_that_are_missing_are_found_when_a_store_is_opened() -> None:
    for missing in ("cell WHERE key = 'k'", "meta WHERE name = 'state'"):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                kv.put("k", 1)
            with closing(sqlite3.connect(path)) as db:
                db.execute(f"DELETE FROM {missing}")
                db.commit()
            assert refuses(Corrupt, lambda path=path: crdtkv.open(path, colo="a").close())


@guards(
    "who is told that it cannot be opened must not find it locked by us.",
    Line(SqliteStorage.__init__, "self.close()", "pass"),
    Line(opening.open_store, "storage.close()", "pass"),
)
def a_store_that_could_not_be_opened_locks_nothing() -> None:
    """By the storage, of a row that is wrong, and by the store, of another colo's name; while the error is at hand."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        crdtkv.open(path, colo="a").close()
        try:
            crdtkv.open(path, colo="b")
        except BadRequest as error:
            crdtkv.open(path, colo="a").close()
            assert error
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE cell SET checksum = 0")
            db.commit()
        try:
            crdtkv.open(path, colo="a")
        except ChecksumFailed as error:
            with closing(sqlite3.connect(path, timeout=0)) as db:
                assert not refuses(sqlite3.OperationalError, lambda: db.execute("SELECT key FROM cell").fetchall())
            assert error
