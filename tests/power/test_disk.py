"""The disk that forgets: what a cut may take and what not."""

from __future__ import annotations

from pathlib import Path
from random import Random

import apsw
import pytest

from tests.power.disk import SECTOR, Disk, Inode, PowerCut, Step
from tests.power.vfs import Mounted, failure


def test_what_was_synced_is_there_and_the_rest_may_be() -> None:
    """None of it, all, or part; and sometimes torn."""
    found = set()
    for seed in range(2000):
        file = Inode(b"a" * 2 * SECTOR)
        file.write(0, b"b" * 2 * SECTOR)
        file.sync()
        file.write(0, b"c" * 2 * SECTOR)
        file.write(2 * SECTOR, b"d")
        found.add(file.after(Random(seed)))
    b, c = b"b" * SECTOR, b"c" * SECTOR
    assert {b + b, c + c, c + c + b"d", b + b + b"d", b + c, c + b} <= found
    assert not any(b"a" in content[:1] for content in found)


def test_truncations_may_be_undone() -> None:
    file = Inode(b"abc")
    file.truncate(1)
    assert {file.after(Random(seed)) for seed in range(50)} == {b"abc", b"a"}
    file.sync()
    assert {file.after(Random(seed)) for seed in range(50)} == {b"a"}


def test_names_are_durable_once_the_folder_was_synced(tmp_path: Path) -> None:
    """Made and removed: either may be undone until then."""
    left = set()
    for seed in range(50):
        path = tmp_path / f"{seed}.db"
        path.write_bytes(b"old")
        disk = Disk(path, Random(seed))
        disk.delete(path.name)
        disk.create(f"{path.name}-wal")
        disk.cut()
        left.add(tuple(sorted(p.name.removeprefix(str(seed)) for p in tmp_path.glob(f"{seed}.db*"))))
        disk.create(f"{path.name}-journal")
        disk.sync_folder()
        disk.cut()
        assert path.with_name(f"{path.name}-journal").exists()
    assert left == {(), (".db",), (".db-wal",), (".db", ".db-wal")}


@pytest.mark.parametrize("synchronous", ["FULL", "OFF"])
def test_sqlite_on_it(tmp_path: Path, synchronous: str) -> None:
    """Synced, all that was committed is there after each cut; not synced, it is not always."""
    path, lost = tmp_path / "a.db", False
    for seed in range(30):
        for file in tmp_path.iterdir():
            file.unlink()
        disk = Disk(path, Random(seed))
        mounted = Mounted(disk)
        db = mounted.connect(path)
        for statement in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", f"synchronous={synchronous}"):
            db.execute(f"PRAGMA {statement}").fetchall()
        db.execute("CREATE TABLE a (n)")
        for n in range(5):
            db.execute("INSERT INTO a VALUES (?)", (n,))
        mounted.let_go()
        disk.cut()
        db = mounted.connect(path)
        try:
            lost |= db.execute("SELECT count(*) FROM a").fetchone() != (5,)
        except Exception:
            lost = True
        mounted.let_go()
    assert lost == (synchronous == "OFF")


def test_what_is_done_after_the_cut_reaches_nothing(tmp_path: Path) -> None:
    """And whoever does it is told by PowerCut."""
    path = tmp_path / "a.db"
    disk = Disk(path, Random(1))
    mounted = Mounted(disk)
    db = mounted.connect(path)
    db.execute("CREATE TABLE a (n)")
    disk.sync_folder()

    def may(step: Step) -> None:
        raise PowerCut

    disk.may = may
    with pytest.raises(PowerCut):
        db.execute("INSERT INTO a VALUES (1)")
    with pytest.raises(PowerCut):
        db.execute("SELECT 1")
    mounted.let_go()
    disk.cut()
    db = mounted.connect(path)
    assert db.execute("SELECT * FROM a").fetchall() == []
    mounted.let_go()


def test_what_fails_is_an_error_of_sqlite3(tmp_path: Path) -> None:
    """Of the class and with the code that Python's own would have."""
    import sqlite3

    disk = Disk(tmp_path / "a.db", Random(1))
    mounted = Mounted(disk)
    db = mounted.connect(tmp_path / "a.db")
    db.execute("CREATE TABLE a (n UNIQUE)")
    db.execute("INSERT INTO a VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError) as caught:
        db.execute("INSERT INTO a VALUES (1)")
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    for code in (apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE):

        def may(step: Step, code: int = code) -> None:
            if step.kind == "write":
                raise failure(code)

        disk.may = may
        with pytest.raises(sqlite3.OperationalError) as told:
            db.execute("INSERT INTO a VALUES (2)")
        assert told.value.sqlite_errorcode == code
    mounted.let_go()
