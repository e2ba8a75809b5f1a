"""Files: what was committed is in them, one process has them open, and what is not as it was written is found."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, ChecksumFailed, Corrupt, FormatTooNew, NotAStore, StorageFailed, StoreLocked
from crdtkv.replica import life
from crdtkv.storage import checkpoint, faults, journal, keyrows, pasts, rows, sqlite, tables
from crdtkv.storage.checkpoint import Checkpoint
from crdtkv.storage.holding import Hold
from crdtkv.storage.journal import Journal
from crdtkv.storage.layers import Layers
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.storage.tables import SCHEMA, Tables
from crdtkv.storage.witness import Witness
from crdtkv.storage.writing import Writing
from crdtkv.store import maintenance, opening
from tests.colos import Colos, crash, limited, refuses
from tests.guards.mutation import Line, guards


def _all_of(kv: crdtkv.Store) -> dict[str, Any]:
    """All that a store is asked for."""
    return {
        "vector": kv.vector, "floor": kv.floor, "digest": kv.digest(), "values": dict(kv.items()), "check": kv.check(),
        "history": [(r.version, r.value, r.known) for r in kv.history("k")],
        "old": [(r.version, r.value, r.known) for r in kv.history("doc")],
        "past": {key: str(kv._replica.storage.past(key)) for key in ("k", "short", "many")},
        "conflicts": [(c.id, c.value) for c in kv.conflicts()],
        "horizons": [str(kv._replica.storage.horizon(key)) for key in ("k", "doc", "s")],
        "inbox": sorted(map(str, kv._replica.storage.inbox().items())),
    }  # fmt: skip


_UNITS = ("key", "past", "inbox", "meta")
_KEPT = ("cell", "context", "past", "horizon", "inbox", "meta")


def _written_and_opened_again(*ends: Callable[[crdtkv.Store], None]) -> None:
    """Something in every table, rows that went among it: whatever ends the store, all of it is as it was."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colos = Colos("a", "b", folder=Path(folder), memory="b")
        a, b = colos["a"], colos["b"]
        a.put("k", 1)
        a.put("gone", 1)
        a.put("long", list(range(40)), strategy="list")
        a.set("fewer").add(*range(20))
        b.put("doc", {"x": 1}, strategy="json")
        colos.meet()
        a.close()
        a = colos.open("a")
        colos.clock.wait(5)  # its clock goes on above what it had reserved
        a.rules.set("short", "lww", keep_cells=2)
        for value in range(5):
            a.put("short", value)
        a.put("k", 2)
        a.list("long").remove(3)
        a.set("fewer").remove(*range(1, 20))
        a.put("grown", list(range(40)), strategy="list")
        a.delete("gone")
        a.delete("doc")
        a.put("doc", {"y": 1}, strategy="json")
        a.set("s").add("x", "y")
        b.put("lost", "later")
        a.put("lost", "earlier")
        b.put("lost", "latest")
        for value in range(70):
            a.put("many", value)
        colos.purge()
        # What follows is in the journal alone, unless a checkpoint has it.
        a.put("k", 3)
        a.put("short", 5)
        for value in range(30):
            a.put("many", value)
        a.set("s").clear()
        a.delete("doc")
        b.put("lost", "later yet")
        a.put("lost", "again")
        b.put("lost", "last")
        colos.meet()
        a.conflicts()[0].dismiss()
        before, clock = _all_of(a), a._replica.state.clock
        assert before["conflicts"] and before["history"] and before["floor"] and not before["check"]
        for end in ends:
            end(colos["a"])
            again = colos.open("a")
            assert _all_of(again) == before and again._replica.state.clock >= clock
        colos["a"].close()


@guards(
    "Law: what a transaction changed is in the file before `commit` returns",
    *(Line(journal.rows_of, "in changes:", f"in [c for c in changes if c[0] != '{t}']:") for t in _KEPT),
    Line(SqliteStorage._save, "self._journal.append(rows)", "pass"),
    Line(pasts.grown, "past.without(first - past.first) if past.first < first else past", "past"),
    Line(Layers._take, "cell_in(row or ())", "cell_in(row or [[['x~x', 1], 1, None, [], []]])"),
)  # fmt: skip
def what_was_committed_is_there_after_acrash() -> None:
    _written_and_opened_again(crash)


@guards(
    "a file is written anew only when a table holds each of its rows",
    Line(Tables.write_key, "self._rows.append(", "("),
    *(Line(Writing._write, "[((name,), row)]", f"[((name,), row)] if table != '{t}' else []") for t in ("inbox", "meta")),
    Line(Writing._write_together, 'self._tables.write("past",', '("past",'),
    Line(Writing._write_together, 'self._tables.write("horizon",', '("horizon",'),
    Line(Tables.write, "if gone:", "if False:"),
    Line(Tables.write_key, 'self._db.execute("DELETE FROM cell WHERE key = ?", (key,))', "pass"),
    Line(Tables._write_parts, "if path not in cells]", "if False]"),
    Line(Checkpoint.step, "for kind in self._lacking", "for kind in ('meta',)"),
)  # fmt: skip
def what_was_committed_is_in_the_tables_after_a_close() -> None:
    """Also what was in the journal when it crashed."""
    _written_and_opened_again(crash, crdtkv.Store.close)


@guards(
    "One process at a time: the file is locked while it is open, and others may read it.",
    Line(Hold.__init__, '_lock(self._files[0], "F_WRLCK", OURS, 1)', "True"),
)
def a_file_that_is_open_is_refused() -> None:
    """Case 6."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a"):
            assert refuses(StoreLocked, lambda: crdtkv.open(path, colo="a").close())


@guards(
    "else a reader that closes would be the last one, and remove the log that is still written to.",
    Line(Hold.say, '_lock(self._files[0], "F_RDLCK", *_SHARED)', "pass"),
    Line(Hold.say, '_lock(self._files[1], "F_RDLCK", *_ALIVE)', "pass"),
)
def a_reader_beside_the_store_takes_nothing_with_it() -> None:
    """Although this process has closed the file and its shared memory once, as a copy of it does."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        kv = crdtkv.open(path, colo="a")
        kv.put("k", 1)
        for suffix in ("", "-shm"):
            Path(f"{path}{suffix}").read_bytes()
        words = f"import fcntl; fcntl.lockf(open('{path}-shm', 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)"
        assert subprocess.run([sys.executable, "-c", words], stderr=subprocess.DEVNULL).returncode, "nobody has it"
        words = f"import sqlite3; db = sqlite3.connect({str(path)!r}); db.execute('SELECT * FROM cell'); db.close()"
        subprocess.run([sys.executable, "-c", words], check=True)
        assert Path(f"{path}-wal").exists(), "the log is gone"
        kv.put("k", 2)
        crash(kv)
        with crdtkv.open(path, colo="a") as again:
            assert again["k"] == 2


@guards(
    "What is written to a file that was moved would lie in a log that stays behind: StorageFailed.",
    Line(SqliteStorage._save, "self._hold.check()", "pass"),
    Line(Hold.check, "os.path.samestat(os.stat(self._real), self._stat)", "os.path.exists(self._real)"),
    Line(Hold.check, "return", "raise OSError"),
)
def nothing_is_written_to_a_file_that_was_moved() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path, away = Path(folder) / "a.db", Path(folder) / "b.db"
        kv = crdtkv.open(path, colo="a")
        for another in (True, False):
            path.rename(away)
            if another:
                path.touch()
            assert refuses(StorageFailed, lambda: kv.put("k", 1))
            away.rename(path)
        kv.put("k", 2)
        kv.close()


@guards(
    "Raises StoreLocked if another store has it open, FormatTooNew if a later release made it",
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
    Line(rows.checked, "if type(blob) is not bytes or _checksum(table, where, blob) != checksum:", "if False:"),
    Line(rows._checksum, "(table, *where)", "(table,)"),
)
def a_row_that_is_not_what_was_written_there_is_found() -> None:
    """One bit of a value; and two values, each sound, in each other's place."""
    flipped = "UPDATE past SET rows = x'{}' WHERE key = 'k'"
    moved = "UPDATE past SET (rows, checksum) = (SELECT rows, checksum FROM past WHERE key = 'l') WHERE key = 'k'"
    for statement in (flipped, moved):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                for key, value in (("k", 1), ("k", 3), ("l", 2), ("l", 3)):
                    kv.put(key, value)
            with closing(sqlite3.connect(path)) as db:
                [[blob]] = db.execute("SELECT rows FROM past WHERE key = 'k'").fetchall()
                db.execute(statement.format(blob.replace(b"\xc4\x01\x01", b"\xc4\x01\x02").hex()))
                db.commit()
            with crdtkv.open(path, colo="a") as kv:
                assert refuses(ChecksumFailed, lambda kv=kv: kv.history("k")) and kv["k"] == 3


@guards(
    "a row is given only as it was written",
    Line(keyrows.read_row, "!= mark:", "!= mark and False:"),
    Line(keyrows._mark, "_pack(said)", "_pack(said[1:])"),
)
def a_key_that_is_not_as_it_was_written_is_not_read() -> None:
    """One bit of its value; and two rows in each other's place. Others are read and written on."""
    flipped = "UPDATE cell SET value = 3 WHERE key = 'k'"
    moved = (
        "UPDATE cell SET (mark, n, stamp, value) = (SELECT (mark & 2147483647) | (SELECT mark >> 31 << 31 FROM cell "
        "WHERE key = 'k'), n, stamp, value FROM cell WHERE key = 'l') WHERE key = 'k'"
    )
    for statement in (flipped, moved):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                kv.put("k", 1)
                kv.put("l", 2)
            with closing(sqlite3.connect(path)) as db:
                db.execute(statement)
                db.commit()
            with crdtkv.open(path, colo="a") as kv:
                assert refuses(ChecksumFailed, lambda kv=kv: kv.get("k")) and kv["l"] == 2
                assert refuses(ChecksumFailed, lambda kv=kv: kv.put("k", 3)) and kv.put("l", 3).value == 3


@guards(
    "All of a file looked at: what is not as it was written",
    Line(faults.faults, 'if word != "ok":', "if False:"),
)
def a_page_that_lies_in_the_place_of_another_is_found() -> None:
    """Each leaf that holds old versions copied over each other one: `check` tells, or all reads as before."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a") as kv:
            for value in ("first" * 40, "second"):
                for key in range(40):
                    kv.put(f"k{key}", value, strategy="lww")
        data = path.read_bytes()
        with closing(sqlite3.connect(path)) as db:
            roots = {row[0] for row in db.execute("SELECT rootpage FROM sqlite_master")}
        pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
        old = [4096 * n for n, page in enumerate(pages) if n + 1 not in roots and page.count(b"firstfirst") > 3]
        assert len(old) > 2
        told = 0
        for at in old:
            for other in old:
                Path(f"{path}-witness").unlink(missing_ok=True)
                path.write_bytes(data[:at] + data[other : other + 4096] + data[at + 4096 :])
                with suppress(Corrupt), crdtkv.open(path, colo="a") as kv:
                    read = {kv.history(f"k{key}")[0].value[:5] for key in range(40)}
                    found = kv.check()
                    assert read == {"first"} or found, f"page {other // 4096} in the place of {at // 4096}"
                    told += bool(found)
        assert told > len(old), "pages of what the views say, which nothing else looks at"


@contextmanager
def _altered(statement: str) -> Iterator[Path]:
    """The file of a store with a key, closed, and then altered so."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a") as kv:
            kv.put("k", 1)
        with closing(sqlite3.connect(path)) as db:
            db.execute(statement)
            db.commit()
        yield path


@guards(
    "What is wrong, in words.",
    Line(maintenance.check, "elif digest % MODULUS != state.digest:", "elif False:"),
    Line(maintenance.check, "unread.append(key)", "pass"),
)
def rows_that_are_missing_are_found_by_a_check() -> None:
    for statement in ("DELETE FROM cell WHERE key = 'k'", "UPDATE cell SET mark = 0 WHERE key = 'k'"):
        with _altered(statement) as path, crdtkv.open(path, colo="a") as kv:
            assert any("digest" in word for word in kv.check())
            assert statement[:6] == "DELETE" or any("1 keys cannot be read" in word for word in kv.check())


@guards(
    "there are cells, and nothing says whose: the replica's state is missing",
    Line(life.begin, 'if state is None and next(storage.keys("", None), None) is not None:', "if False:"),
)
def a_state_that_is_missing_is_not_taken_for_a_new_store() -> None:
    with _altered("DELETE FROM meta WHERE name = 'state'") as path:
        assert refuses(Corrupt, lambda: crdtkv.open(path, colo="a").close())


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
            db.execute("UPDATE meta SET checksum = 0")
            db.commit()
        try:
            crdtkv.open(path, colo="a")
        except ChecksumFailed as error:
            assert refuses(ChecksumFailed, lambda: crdtkv.open(path, colo="a").close())
            assert error


@guards(
    "a file is written anew only when a table holds each of its rows",
    *(Line(Checkpoint.step, "for kind in self._lacking", f"for kind in self._lacking if kind != '{kind}'") for kind in _UNITS),
)
def what_was_committed_since_it_was_opened_is_in_the_tables_after_a_close() -> None:
    _written_and_opened_again(crdtkv.Store.close)


@guards(
    "Others may have what this disk has lost: its numbers are not given again.",
    Line(life.begin, "storage.uncertain() and", "False and"),
    Line(SqliteStorage._open, "self._mark(True)", "pass"),
)
def what_was_not_synced_and_not_closed_takes_a_new_name() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        kv = crdtkv.open(path, colo="a", durability="normal")
        kv.put("k", 1)
        first = kv.id
        crash(kv)
        with crdtkv.open(path, colo="a", durability="normal") as again:
            second = again.id
            assert second != first and again["k"] == 1 and again.members == [second]


@guards(
    "Say in the file, synced, that what is committed from now on may be lost; or that nothing was.",
    Line(SqliteStorage.close, "self._mark(False)", "pass"),
)
def what_was_not_synced_but_closed_keeps_its_name() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a", durability="normal") as kv:
            name = kv.put("k", 1) and kv.id
        with crdtkv.open(path, colo="a") as kv:
            assert kv.id == name


@guards(
    "What is changed while a checkpoint runs belongs to the next one.",
    Line(Journal.begin_at, "self._before[generation]", "self.last"),
    Line(Checkpoint.step, "(units, not at)", "(units, True)"),
)
def acrash_in_mid_checkpoint_loses_nothing() -> None:
    """At each step of a checkpoint, with a write between any two of its steps."""
    with TemporaryDirectory(prefix="crdtkv-") as folder, limited(checkpoint, "STEP_ROWS", 4):
        for writes in range(12):
            path = Path(folder) / f"{writes}.db"
            kv = crdtkv.open(path, colo="a")
            with kv.transaction() as t:
                for n in range(20):
                    t.put(f"m{n}", n)
            with limited(checkpoint, "JOURNAL_BYTES", 1):
                for n in range(writes):
                    kv.put(f"k{n}", n)
            before = dict(kv.items())
            crash(kv)
            with crdtkv.open(path, colo="a") as again:
                assert dict(again.items()) == before and again.check() == []


@guards(
    "None where none are kept, or where it may be of what is `uncertain`.",
    Line(SqliteStorage.noted, "self._uncertain and self._witness.restarted()", "False"),
    Line(Witness.restarted, "boot != self._boot", "False"),
)
def what_was_noted_and_then_lost_with_the_power_makes_no_copy() -> None:
    """Under `normal` the note may get to the disk before that of which it speaks. It writes at once, by a new name."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        kv, other = crdtkv.open(path, colo="a", durability="normal"), crdtkv.open(colo="b")
        kv.sync(other)
        first = kv.id
        crash(kv)
        Path(f"{path}-witness").write_text(f"{first} 99|an earlier start|0|")
        with crdtkv.open(path, colo="a", durability="normal") as again:
            assert again.put("k", 1) and again.id != first


@guards(
    "A new name is in the file, and noted",
    Line(SqliteStorage._settle_name, "self._mark(False)", "pass"),
)
def what_is_synced_from_now_on_takes_but_one_new_name() -> None:
    """Not closed under `normal`, then opened under `full`, and not closed again: that has lost nothing."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        crash(crdtkv.open(path, colo="a", durability="normal"))
        kv = crdtkv.open(path, colo="a")
        name = kv.id
        crash(kv)
        with crdtkv.open(path, colo="a") as again:
            assert again.id == name


@guards(
    "not synced, but for the first since the machine was started.",
    Line(Witness.note, "if not self._synced:", "if False:"),
    Line(Witness._sync, "os.fsync(folder)", "pass"),
)
def the_first_words_of_awitness_are_synced() -> None:
    """A cut soon after leaves it as it was, with its name: without it the store would be taken for a copy."""
    with TemporaryDirectory(prefix="crdtkv-") as folder, pytest.MonkeyPatch.context() as patch:
        synced: list[int] = []
        patch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
        with crdtkv.open(Path(folder) / "a.db", colo="a", durability="normal") as kv:
            kv.put("k", 1)
            assert {os.stat(Path(folder) / "a.db-witness").st_ino, os.stat(folder).st_ino} <= set(synced)


@guards(
    "Whether a table is known to have no rows",
    Line(Tables.write, "self._bare[table] = False", "pass"),
)
def a_table_that_was_empty_is_asked_again() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        for words in SCHEMA:
            db.execute(words)
        tables = Tables(db)
        assert tables.one("context", "k") is None and list(tables.rows("past")) == []
        tables.write("context", [(("k",), {"a~1": 1})])
        assert tables.one("context", "k") == {"a~1": 1}


@guards(
    "Raises RowInvalid where a page lies in the place of another.",
    Line(tables._texts, "if type(key) is not str:", "if False:"),
    Line(keyrows.read_row, "if type(key) is not str:", "if False:"),
)
def what_is_no_text_where_a_key_should_be_is_refused() -> None:
    """A key, and the key of a past, that are bytes: `check` says so, and what walks over them is refused."""
    for table in ("cell", "past"):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                for n in range(3):
                    for key in ("k", "l"):
                        kv.put(key, n, strategy="lww")
            with closing(sqlite3.connect(path)) as db:
                db.execute(f"UPDATE {table} SET key = x'6b' WHERE key = 'k'")
                db.commit()
            with crdtkv.open(path, colo="a") as kv:
                walk: Callable[[], object] = partial(dict, kv) if table == "cell" else kv.compact
                try:
                    assert kv.check() and kv["l"] == 2 and refuses(ChecksumFailed, walk)
                except (AttributeError, TypeError) as error:
                    raise AssertionError("it was taken for a key") from error
