"""Stores in files: what is acknowledged is kept, one process at a time, and a failing disk tells."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import (
    BadRequest,
    FormatTooNew,
    NotAStore,
    NotBackYet,
    StorageFailed,
    StoreLocked,
)  # fmt: skip
from crdtkv.storage.journal import Journal
from crdtkv.storage.logfile import LogFile
from crdtkv.storage.sqlite import FORMAT, SqliteStorage
from tests.colos import crash
from tests.compiled import interpreted
from tests.store.filling import everything, fill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lhr.db"


def test_closed_and_opened_again(path: Path) -> None:
    """All of it: values, versions, history, rules, inbox, members, vector, digest; and the incarnation."""
    with crdtkv.open(path, colo="lhr") as kv, crdtkv.open(colo="sin") as other:
        other.sync(kv)
        kv.sync(other)
        fill(kv)
        other.put("mv", 2, strategy="mv")
        other.put("blob", 1)
        kv.sync(other)
        before = everything(kv)
        entry = kv.get("doc")
    with crdtkv.open(path, colo="lhr") as kv:
        assert everything(kv) == before
        assert kv.check() == []
        assert entry is not None
        assert kv.put("doc", {"a": 1}, base=entry.version).value == {"a": 1}
        assert kv.vector[kv.id] == before[1][before[0]] + 1


def test_not_closed_and_opened_again(path: Path) -> None:
    """What was acknowledged is there; no stamp is said a second time, though the clock stands ten seconds back."""
    kv = crdtkv.open(path, colo="lhr")
    fill(kv)
    before = everything(kv)
    clock = kv._replica.state.clock
    crash(kv)
    with crdtkv.open(path, colo="lhr", clock=lambda: (clock >> 16) / 1000 - 10) as again:
        assert everything(again)[1:8] == before[1:8]
        again.put("next", 1)
        assert again._replica.state.clock > clock


def test_killed_in_another_process(path: Path) -> None:
    """A process that is killed right after its last acknowledged write has lost none."""
    program = (
        "import crdtkv, os, sys\n"
        f"kv = crdtkv.open({str(path)!r}, colo='lhr')\n"
        "for i in range(20):\n    kv.put(f'k{i}', i)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    assert done.returncode == 9
    with crdtkv.open(path, colo="lhr") as kv:
        assert dict(kv.items()) == {f"k{i}": i for i in range(20)}
        assert kv.check() == []


def test_opened_twice(path: Path) -> None:
    """The second is refused, in this process as in another; the first goes on; after it closed it is free."""
    kv = crdtkv.open(path, colo="lhr")
    with pytest.raises(StoreLocked) as caught:
        crdtkv.open(path, colo="lhr")
    assert str(path) in str(caught.value) and caught.value.happened == "no" and caught.value.next_step
    program = f"import crdtkv\ntry: crdtkv.open({str(path)!r}, colo='lhr')\nexcept crdtkv.Refused as e: print(e.code)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.stdout.strip() == "store-locked", done
    kv.put("a", 1)
    kv.close()
    with crdtkv.open(path, colo="lhr") as again:
        assert again["a"] == 1


def test_a_backup(path: Path) -> None:
    """All that was committed, also what is only in the journal; opened, it is a copy, and sound."""
    copy = path.with_name("monday.db")
    with crdtkv.open(path, colo="lhr") as kv, crdtkv.open(colo="sin") as sin:
        sin.sync(kv)
        fill(kv)
        kv.sync(sin)
        before = everything(kv)
        kv.backup(copy)
        kv.put("since", 1)
        with pytest.raises(BadRequest, match=r"there is a file .*monday.db"):
            kv.backup(copy)
        with pytest.raises(BadRequest, match="in memory"):
            sin.backup(path.with_name("sin.db"))
        with pytest.raises(StorageFailed, match="cannot make"):
            kv.backup(path.with_name("nowhere") / "x.db")
        path.with_name("old.db-wal").touch()
        with pytest.raises(BadRequest, match=r"there is a file .*old.db-wal"):
            kv.backup(path.with_name("old.db"))
    assert sorted(p.name for p in path.parent.glob("monday*")) == ["monday.db"]
    with crdtkv.open(copy, colo="lhr") as kv:
        assert kv.digest() == before[2] and "since" not in kv and kv.check() == []
        with pytest.raises(NotBackYet, match="copy"):
            kv.put("a", 1)


def test_a_backup_while_others_write(path: Path) -> None:
    """One instant: each transaction whole or not there."""
    with crdtkv.open(path, colo="lhr") as kv:
        stop = threading.Event()

        def write() -> None:
            n = 0
            while not stop.is_set():
                n += 1
                with kv.transaction() as t:
                    t.put("x", n)
                    t.put("y", n)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for n in range(5):
                kv.backup(path.with_name(f"{n}.db"))
        finally:
            stop.set()
            writer.join()
        for n in range(5):
            with crdtkv.open(path.with_name(f"{n}.db"), colo="lhr") as copy:
                assert copy.get("x") is None or copy["x"] == copy["y"]
                assert copy.check() == []


def test_another_colos_file(path: Path) -> None:
    crdtkv.open(path, colo="lhr").close()
    with pytest.raises(BadRequest, match="belongs to colo 'lhr', not 'sin'"):
        crdtkv.open(path, colo="sin")
    crdtkv.open(path, colo="lhr").close()


def test_a_newer_format(path: Path) -> None:
    """Refused, with both numbers; the file is as it was."""
    with crdtkv.open(path, colo="lhr") as kv:
        kv.put("a", 1)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={FORMAT + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(FormatTooNew) as caught:
        crdtkv.open(path, colo="lhr")
    assert f"format {FORMAT + 1}" in str(caught.value) and f"up to {FORMAT}" in str(caught.value)
    assert path.read_bytes() == before
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={FORMAT}")
    db.close()
    with crdtkv.open(path, colo="lhr") as kv:
        assert kv["a"] == 1


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_store(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotAStore) as caught:
        crdtkv.open(path, colo="lhr")
    assert str(path) in str(caught.value) and caught.value.happened == "no"
    assert path.read_bytes() == content


@pytest.mark.parametrize("made", ["CREATE TABLE notes (a)", "CREATE TABLE cell (id)", "PRAGMA user_version=1"])
def test_somebody_elses_database(path: Path, made: str) -> None:
    """A SQLite file that another program made is not taken over, and not touched: not even its journal mode."""
    db = sqlite3.connect(path)
    db.execute(made)
    db.close()
    before = path.read_bytes()
    with pytest.raises(NotAStore) as caught:
        crdtkv.open(path, colo="lhr")
    assert str(path) in str(caught.value) and "another file" in str(caught.value)
    assert path.read_bytes() == before and not path.with_name("lhr.db-witness").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed) as caught:
        crdtkv.open(tmp_path / "none" / "lhr.db", colo="lhr")
    assert "none" in str(caught.value)
    with pytest.raises(StorageFailed):
        crdtkv.open(tmp_path, colo="lhr")


@pytest.mark.parametrize("odd", [5, 1.5, ["a"], {}])
def test_a_path_that_is_none(odd: Any) -> None:
    with pytest.raises(BadRequest, match="is wanted"):
        crdtkv.open(odd, colo="lhr")


def test_a_disk_with_no_room_for_a_new_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told as that, and not as a wrong path."""

    def full(self: SqliteStorage) -> None:
        self._db.execute("PRAGMA max_page_count=1")
        self._db.execute("CREATE TABLE a (b)")

    monkeypatch.setattr(SqliteStorage, "_create", full)
    with pytest.raises(StorageFailed, match="full") as caught:
        crdtkv.open(path, colo="lhr")
    assert caught.value.happened == "no" and "make room" in caught.value.next_step


def little_room(patch: pytest.MonkeyPatch, most: int = 8_192) -> None:
    """What is longer does not fit on the disk, and half of it is there."""
    whole = LogFile.write

    def write(file: LogFile, at: int, data: bytes) -> None:
        whole(file, at, data if len(data) <= most else data[: len(data) // 2])
        if len(data) > most:
            raise failure(sqlite3.SQLITE_FULL, "database or disk is full")

    patch.setattr(LogFile, "write", write)


def failure(code: int, words: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error


@interpreted
def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that does not fit: StorageFailed, nothing of it here or in the file; the next that fits is fine."""
    kv = crdtkv.open(path, colo="lhr", random=random.Random(1))
    kv.put("a", 1)
    before = everything(kv), kv.put("b", 1)
    state = everything(kv)
    little_room(monkeypatch)
    feed = kv.watch(timeout=0)
    for act in (
        lambda: kv.put("large", "x" * 100_000),
        lambda: kv.put("b", ["x" * 100_000]),
        lambda: kv.rules.set("r" * 500, "json", paths={f"/{i}" * 100: "set" for i in range(200)}),
        lambda: _two(kv),
    ):
        with pytest.raises(StorageFailed) as caught:
            act()
        assert str(path) in str(caught.value) and "full" in str(caught.value)
        assert caught.value.happened == "no" and "make room" in caught.value.next_step
        assert everything(kv) == state
    assert list(feed) == []
    assert kv.check() == []
    monkeypatch.undo()
    assert kv.put("large", "x" * 100_000).value == "x" * 100_000
    kv.close()
    with crdtkv.open(path, colo="lhr") as again:
        assert again["large"] == "x" * 100_000 and again.check() == [] and before


def _two(kv: crdtkv.Store) -> None:
    with kv.transaction() as t:
        t.put("small", 1)
        t.put("large", "x" * 100_000)


@interpreted
def test_a_commit_that_says_nothing_was_written_says_that_it_did_not_happen(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`happened` and the words agree."""
    kv = crdtkv.open(path, colo="lhr")
    little_room(monkeypatch)
    with pytest.raises(StorageFailed) as caught:
        kv.put("large", "x" * 100_000)
    assert ("nothing was written" in str(caught.value)) == (caught.value.happened == "no")
    kv.close()


@interpreted
def test_a_disk_that_turns_read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kv = crdtkv.open(path, colo="lhr")
    kv.put("a", 1)
    state = everything(kv)
    kv._replica.storage._db.execute("PRAGMA query_only=1")  # type: ignore[attr-defined]

    def refuse(file: LogFile, at: int, data: bytes) -> None:
        raise failure(sqlite3.SQLITE_READONLY, "attempt to write a readonly database")

    monkeypatch.setattr(LogFile, "write", refuse)
    other = crdtkv.open(colo="sin")
    other.sync(other2 := crdtkv.open(colo="gru"))
    for act in (lambda: kv.put("a", 2), lambda: kv.compact(), lambda: kv.expire("a", 10), lambda: kv.sync(other2)):
        with pytest.raises(StorageFailed):
            act()
        assert everything(kv) == state
    assert kv["a"] == 1
    kv._replica.storage._db.execute("PRAGMA query_only=0")  # type: ignore[attr-defined]
    monkeypatch.undo()
    assert kv.put("a", 2).value == 2
    kv.close()


class Failing:
    """In the place of Journal.append: the `at`-th record of a file fails before it is written, or right after."""

    def __init__(self, patch: pytest.MonkeyPatch, error: BaseException, after: bool) -> None:
        whole = Journal.append

        def append(journal: Journal, changes: list[bytes]) -> None:
            if after:
                whole(journal, changes)
            raise error

        patch.setattr(Journal, "append", append)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("disk I/O error"), MemoryError(), KeyboardInterrupt()], ids=repr
)
def test_a_commit_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, after: bool) -> None:
    """Whatever is raised, before the record is in the journal or after: nothing of it is left, the next one is fine."""
    kv = crdtkv.open(path, colo="lhr")
    fill(kv)
    state = everything(kv)
    with monkeypatch.context() as patch:
        Failing(patch, error, after)
        told = StorageFailed if isinstance(error, sqlite3.Error) else type(error)
        with pytest.raises(told), kv.transaction() as t:
            t.put("doc", {"tags": ["z"], "l": [1], "hits": 9})
            t.list("row").move(0, 2)
            t.counter("n").add(1)
            t.delete("mv")
    assert everything(kv) == state
    assert kv.check() == []
    assert kv.put("a", 3).value == 3
    expected = everything(kv)
    kv.close()
    with crdtkv.open(path, colo="lhr") as again:
        assert everything(again)[1:7] == expected[1:7]


@interpreted
def test_a_crash_in_mid_commit_leaves_nothing_of_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies with half of the record written: on opening, the transaction has not happened."""
    kv = crdtkv.open(path, colo="lhr")
    fill(kv)
    state = everything(kv)
    whole = LogFile.write

    def half(file: LogFile, at: int, data: bytes) -> None:
        whole(file, at, data[: len(data) // 2])
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "write", half)
        patch.setattr(SqliteStorage, "_undo_commit", lambda self, mark: crash(kv))
        with pytest.raises(SystemExit):
            kv.put("doc", {"tags": ["z"], "l": [], "x": 1})
    with crdtkv.open(path, colo="lhr") as again:
        assert everything(again)[1:8] == state[1:8]
        assert again.check() == []


def test_a_commit_of_which_nobody_knows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It failed, and so did taking it back. Reads go on; who writes is told to open it again, and then it shows."""
    kv = crdtkv.open(path, colo="lhr")
    kv.put("a", 1)
    with monkeypatch.context() as patch:
        Failing(patch, sqlite3.OperationalError("disk I/O error"), after=True)
        patch.setattr(SqliteStorage, "_undo_commit", lambda self, mark: False)
        with pytest.raises(StorageFailed) as caught:
            kv.put("a", 2)
        assert caught.value.happened == "unknown"
    with pytest.raises(StorageFailed, match="it is not known whether the last commit was one") as caught:
        kv.put("b", 1)
    assert caught.value.happened == "no" and "open it again" in caught.value.next_step and kv["a"] == 1
    kv.close()
    with crdtkv.open(path, colo="lhr") as again:
        assert again["a"] == 2 and "b" not in again and again.check() == []


def test_the_file_is_the_users(path: Path) -> None:
    """Documented tables, which any SQLite tool opens."""
    with crdtkv.open(path, colo="lhr") as kv:
        fill(kv)
    db = sqlite3.connect(path)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    assert {"cell", "part", "context", "past", "horizon", "inbox", "meta"} <= tables
    assert db.execute("SELECT COUNT(*) FROM cell WHERE key='doc'").fetchone() == (1,)
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
