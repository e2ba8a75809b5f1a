"""The journal: what was acknowledged is in it, whatever the disk does, and what failed does not come back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import msgpack
import pytest

import crdtkv
from crdtkv.errors import BadRequest, ChecksumFailed, StorageFailed
from crdtkv.storage import backup, checkpoint
from crdtkv.storage.checkpoint import Checkpoint
from crdtkv.storage.journal import NUMBERS, SUFFIXES, Journal, begin, files_of
from crdtkv.storage.log import Log
from crdtkv.storage.logfile import LogFile
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.storage.tables import JOURNAL
from tests.colos import crash, limited, refuses
from tests.guards.mutation import Both, Line, guards
from tests.power.disk import Disk, Inode, PowerCut, Step, _Write, may_all
from tests.power.faults import Failing
from tests.power.vfs import Beside, Mounted


class _Synced:
    """A disk of which some syncs fail: what was written before one of them is shown, and is not on the disk."""

    def __init__(self, folder: str, durability: str = "full") -> None:
        self.path, self.durability = Path(folder) / "a.db", durability
        self.disk = Disk(self.path, Random(1))
        self.mounted = Mounted(self.disk)
        self.kv = self.open()

    def open(self) -> crdtkv.Store:
        with pytest.MonkeyPatch.context() as patch:
            self.mounted.lie_under(patch)
            self.kv = crdtkv.open(self.path, colo="a", durability=self.durability)
        return self.kv

    def fail_to_write(self, for_ever: bool = False, killed: bool = False) -> StorageFailed:
        """A put of `k` whose sync fails, and all that come then, or the process is killed at once."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.disk, "may", Failing("sync", 1, apsw.SQLITE_IOERR_FSYNC, for_ever))
            if killed:
                patch.setattr(SqliteStorage, "_undo_commit", lambda self, mark: False)
            patch.setattr(Inode, "after", lambda inode, dice: bytes(inode.durable))
            try:
                self.kv.put("k", 1)
            except StorageFailed as error:
                return error
        raise AssertionError("it was acknowledged, and not synced")

    def kill(self) -> None:
        self.mounted.let_go()
        self.disk.dead = False

    def cut(self, spoiled: bool = False) -> None:
        """The worst: no name is kept that its folder was not synced with; what was being written is lost, or spoiled."""
        self.mounted.let_go()

        def after(inode: Inode, dice: Random) -> bytes:
            content = bytearray(inode.durable)
            for change in inode.pending if spoiled else ():
                if isinstance(change, _Write):
                    content[change.at : change.at + len(change.data)] = bytes(len(change.data))
            return bytes(content)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Inode, "after", after)
            patch.setattr(self.disk.dice, "random", lambda: 0.0)
            self.disk.cut()


@guards(
    "What was appended since is not there: not after a crash either.",
    Line(Journal.back_to, "if self._torn or self.last != mark[0]:", "if False:"),
    Line(SqliteStorage._undo_commit, "if mark is not None:", "if False:"),
)
def acommit_that_failed_in_its_sync_is_taken_back() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        error = colo.fail_to_write()
        colo.kill()
        with colo.open() as kv:
            assert error.happened == "no" and dict(kv) == {}


@guards(
    "Whether what was begun is undone for certain.",
    Line(Journal.back_to, "self._files[self._generation & 1].sync()", "pass"),
)
def acommit_that_cannot_be_taken_back_may_have_happened() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        assert colo.fail_to_write(for_ever=True).happened == "unknown"
        assert refuses(StorageFailed, lambda: colo.kv.put("l", 1)) and "k" not in colo.kv
        colo.kill()


@guards(
    "it has to be written once more.",
    Line(SqliteStorage._open, "self._secure()", "self._found_log = False"),
    Line(Journal.secure, "file.replace(data)", "pass"),
)
def what_is_written_behind_what_was_not_synced_is_kept() -> None:
    """Killed after a sync that failed, opened again, and cut from its power."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        colo.fail_to_write(killed=True)
        colo.kill()
        colo.open().put("l", 2)
        colo.cut()
        with colo.open() as kv:
            assert dict(kv) == {"k": 1, "l": 2}


@guards(
    "It is written beside it, not over it: the power may go meanwhile.",
    Line(Journal.secure, "file.replace(data)", "(file.write(0, data), file.sync())"),
)
def what_was_acknowledged_is_kept_where_the_power_goes_while_it_is_opened() -> None:
    """At each step but one that reads: a sector that is written when the power goes may hold anything."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        for n in range(4):
            colo.kv.put("k", n)
        for n in range(1, 40):
            colo.cut(spoiled=True)
            steps = iter(range(n))

            def may(step: Step, steps: Iterator[int] = steps) -> None:
                if step.name.startswith("-commits") and step.kind != "read" and next(steps, None) is None:
                    raise PowerCut

            colo.disk.may = may
            with suppress(PowerCut):
                colo.open()
                break
        assert n > 3
        colo.cut(spoiled=True)
        with colo.open() as kv:
            assert dict(kv) == {"k": 3}


@guards(
    "Where a sync failed, before a crash too, what is shown as written may not be, and no later sync tells",
    Line(Journal.sync, "if self._failed:", "if False:"),
)
def a_sync_that_failed_is_made_good_before_anything_is_said() -> None:
    """Under `normal`: what was committed, and lost by a sync that failed, is on the disk after one that did not."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder, "normal")
        colo.kv.put("k", 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(colo.disk, "may", Failing("sync", 1, apsw.SQLITE_IOERR_FSYNC, False))
            patch.setattr(Inode, "after", lambda inode, dice: bytes(inode.durable))
            assert refuses(StorageFailed, colo.kv._replica.storage.sync)
        colo.kv._replica.storage.sync()
        colo.cut()
        with colo.open() as kv:
            assert dict(kv) == {"k": 1}


@guards(
    "An interrupt came where a record may be in the file, and is not counted.",
    Line(Journal.append, "self._synced, self._torn = False, True", "self._synced = False"),
)
def a_write_that_was_interrupted_when_it_was_written_does_not_come_back() -> None:
    """The process shows it as not written, and is killed before it writes anything else."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        colo.kv.put("k", 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Beside, "write", _interrupted(Beside.write))
            with suppress(KeyboardInterrupt):
                colo.kv.put("k", 2)
        shown = dict(colo.kv)
        colo.kill()
        with colo.open() as kv:
            assert dict(kv) == shown == {"k": 1}


def _interrupted(done: Callable[..., Any]) -> Callable[..., Any]:
    """Right after it was done."""

    def interrupted(*args: Any) -> Any:
        done(*args)
        raise KeyboardInterrupt

    return interrupted


@guards(
    "until it is undone: who interrupts may do it twice",
    Line(SqliteStorage._save, "self.doubtful = True  # until it is undone", "pass  # until it is undone"),
)
def who_interrupts_twice_is_told_to_open_it_again() -> None:
    """A commit in its sync, and then what takes it back: its number is not given to another."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Beside, "sync", _interrupted(Beside.sync))
            patch.setattr(Beside, "truncate", _interrupted(lambda file, size: None))
            with suppress(KeyboardInterrupt):
                colo.kv.put("k", 1)
        assert refuses(StorageFailed, lambda: colo.kv.put("l", 1))
        colo.kill()
        with colo.open() as kv:
            assert kv.check() == [] and kv.put("l", 1)


@guards(
    "What fails leaves all as it was, and is tried again.",
    Line(Checkpoint.step, "left = sorted(", "left = self._left = sorted("),
)
def a_checkpoint_that_could_not_turn_to_the_other_file_begins_again() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder, "normal")
        for n in range(2):
            colo.kv.put("k", n)
            colo.kv.close()
            colo.open()
        colo.kv.put("k", 2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(colo.disk, "may", Failing("sync", 1, apsw.SQLITE_IOERR_FSYNC, False, SUFFIXES[0]))
            patch.setattr(Inode, "after", lambda inode, dice: bytes(inode.durable))
            colo.kv._replica.storage.freshen()  # type: ignore[attr-defined]
        try:
            colo.kv.compact()
        except KeyError as error:
            raise AssertionError("it looks for a generation that is none") from error
        colo.kv.close()
        with colo.open() as kv:
            assert dict(kv) == {"k": 2}


@guards(
    "A file is there under its name once it was synced: also one that somebody made who was killed before he could.",
    Line(LogFile._open, "self._new = True", "self._new = not self.path.exists()"),
)
def a_file_that_was_made_by_who_was_killed_is_there_after_a_power_cut() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        colo.kv.close()
        colo.open()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(colo.disk, "may", Failing("write", 1, apsw.SQLITE_FULL, True))
            assert refuses(StorageFailed, lambda: colo.kv.put("k", 1))
        colo.kill()
        colo.open().put("k", 2)
        colo.cut()
        with colo.open() as kv:
            assert dict(kv) == {"k": 2}


@guards(
    "What was found in the logs is on the disk, before it is told and before more is written behind it.",
    Line(SqliteStorage._begin_write, "self._secure()", "pass"),
)
def the_tables_are_not_ahead_of_what_is_on_the_disk() -> None:
    """What was lost in a sync that failed is found by the next process, which cannot write it anew."""
    for n in range(1, 5):
        with TemporaryDirectory(prefix="crdtkv-") as folder, limited(checkpoint, "STEP_ROWS", 1):
            colo = _Synced(folder)
            colo.fail_to_write(killed=True)
            colo.kill()
            colo.disk.may = Failing("write", 1, apsw.SQLITE_FULL, True, SUFFIXES[0])
            kv = colo.open()
            for _ in range(n):
                kv._replica.storage.freshen()  # type: ignore[attr-defined]
            colo.disk.may = may_all
            colo.cut()
            with colo.open() as kv:
                assert kv.check() == [] and dict(kv) in ({}, {"k": 1})


@guards(
    "nothing says where its journal begins",
    Line(SqliteStorage._load_rows, "if started is None:", "if started is None and (started := [b'', 0, 0]) is None:"),
)
def a_file_that_does_not_say_where_its_journal_begins_is_not_opened() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        kv = crdtkv.open(path, colo="a")
        kv.put("k", 1)
        crash(kv)
        with closing(sqlite3.connect(path)) as db:
            db.execute("DELETE FROM meta WHERE name = 'journal'")
            db.commit()
        assert refuses(ChecksumFailed, lambda: crdtkv.open(path, colo="a").close())


@guards(
    "What was committed behind a frame that has changed is not passed over.",
    Both(
        Line(Log.check, "if broken is not None:", "if False:"),
        Line(SqliteStorage._load_rows, "self._journal.check()", "pass"),  # which what was written over may tell, too
    ),
    Line(SqliteStorage._let_go, "self._locked and not self._loaded", "False"),
)
def a_log_whose_bits_changed_is_told_and_left_as_it_is() -> None:
    """A frame of the first of four steps of checkpoints: SQLite would show none of them, and remove the log."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        log = Path(f"{colo.path}-wal")
        at = log.stat().st_size + 100
        for n in range(4):
            colo.kv.put("k", n)
            colo.kv._replica.storage.freshen()  # type: ignore[attr-defined]
        colo.kill()
        altered = bytearray(log.read_bytes())
        altered[at] ^= 1
        log.write_bytes(altered)
        for _ in range(2):
            assert refuses(ChecksumFailed, lambda: crdtkv.open(colo.path, colo="a").close())
        assert log.exists() and log.read_bytes() == altered


@guards(
    "What was committed behind a record that has changed is not passed over.",
    Line(SqliteStorage._load_rows, "self._journal.check()", "pass"),
    Line(Journal.check, "> self.last and", "< 0 and"),
)
def a_record_that_changed_is_told_and_left_as_it_is() -> None:
    """The first of four commits: none of them would be shown, and the next would be written over them."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colo = _Synced(folder)
        for n in range(4):
            colo.kv.put("k", n)
        colo.kill()
        log = Path(f"{colo.path}{SUFFIXES[0]}")
        altered = bytearray(log.read_bytes())
        altered[60] ^= 1
        log.write_bytes(altered)
        for _ in range(2):
            assert refuses(ChecksumFailed, lambda: crdtkv.open(colo.path, colo="a").close())
        assert log.read_bytes() == altered


@guards(
    "a journal that ends before that is not all there.",
    Line(Journal.records, "if self.last < had:", "if False:"),
    Line(Journal.begin_still, "before, self.last", "before, before"),
)
def tables_that_are_ahead_of_what_is_left_of_their_journal_are_not_shown() -> None:
    """The last record is lost, or its files are: the tables have a row of it, and not the rest."""
    for lost in ("a bit", "both files"):
        with TemporaryDirectory(prefix="crdtkv-") as folder, limited(checkpoint, "STEP_ROWS", 4):
            path = Path(folder) / "a.db"
            kv = crdtkv.open(path, colo="a")
            for n in range(20):
                kv.put(f"k{n:02}", n)
            kv._replica.storage.freshen()  # type: ignore[attr-defined]
            kv.put("k19", "last")
            for _ in range(4):
                kv._replica.storage.freshen()  # type: ignore[attr-defined]
            crash(kv)
            if lost == "a bit":
                log = Path(f"{path}{SUFFIXES[1]}")
                data = bytearray(log.read_bytes())
                data[-1] ^= 1
                log.write_bytes(data)
            else:
                for suffix in SUFFIXES:
                    Path(f"{path}{suffix}").unlink()
            assert refuses(ChecksumFailed, lambda path=path: crdtkv.open(path, colo="a").close())


@guards(
    "not before it is known what is shown, where the views have told of it.",
    Line(SqliteStorage._finish, "if self._tells():", "if True:"),
    Line(SqliteStorage._after_commit, "if self._tells():", "if True:"),
)
def what_was_shown_and_then_deleted_is_not_told_of_any_more() -> None:
    """Not closed, then opened as another colo's, which fails; and a commit before anybody says what is shown."""
    for durability in ("full", "normal"):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            kv = crdtkv.open(path, colo="a", durability=durability)
            kv.put("k", [1])
            kv.compact()
            kv.delete("k")
            crash(kv)
            if durability == "full":
                assert refuses(BadRequest, lambda path=path: crdtkv.open(path, colo="b").close())
            with limited(checkpoint, "JOURNAL_BYTES", 1):
                with closing(SqliteStorage(path, durability)) as storage:
                    storage.begin()
                    storage.put_meta("of nobody", 1)
                    storage.commit()
                    storage.keep_up()
                with crdtkv.open(path, colo="a", durability=durability) as again:
                    assert again.check() == [] and "k" not in again
            with closing(sqlite3.connect(path)) as db:
                assert db.execute("SELECT key FROM kv").fetchall() == []


@guards(
    "Another process may have the file open: then its journal may begin anew between the two looks at it.",
    Line(backup._copy, "if where_it_begins(db) != where_it_begins(copy):", "if False:"),
)
def a_copy_of_what_is_written_to_meanwhile_lacks_nothing() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder, pytest.MonkeyPatch.context() as patch:
        kv, looked = crdtkv.open(Path(folder) / "a.db", colo="a"), backup.journal_of
        kv.put("k", 1)
        meanwhile = iter([kv.compact, kv.compact])

        def look(*args: Any) -> Any:
            for act in meanwhile:
                act()
                kv.put("l", 2)
            return looked(*args)

        patch.setattr(backup, "journal_of", look)
        backup.restore(Path(folder) / "a.db", Path(folder) / "copy.db")
        with crdtkv.open(Path(folder) / "copy.db", colo="a") as copy:
            assert "k" in copy and copy.check() == []
        kv.close()


class _Written:
    """A journal on files, and what it gives when it is opened anew."""

    def __init__(self, folder: str) -> None:
        self.path, self.begin = f"{folder}/a.db", begin()
        self.db = sqlite3.connect(":memory:")
        self.db.execute(JOURNAL)
        self.numbers = self.open()

    def close(self) -> None:
        self.journal.close()
        self.db.close()

    def open(self) -> list[int]:
        """The rows that were written, as numbers."""
        self.journal = Journal(self.db, files_of(self.path))
        return [row for _, _, row in self.journal.open(self.begin)]

    def write(self, *numbers: int) -> None:
        for n in numbers:
            self.journal.append([msgpack.packb((NUMBERS["meta"], ("m",), n))])

    def spoil(self, suffix: str, n: int) -> None:
        """Record `n` of a file, all of one length, is lost."""
        path = Path(self.path + suffix)
        data = bytearray(path.read_bytes())
        size = len(data) // data.count(data[:8])
        data[size * n + 30] ^= 1
        path.write_bytes(data)


@guards(
    "while a checkpoint brings what the one holds into the tables, the other takes what is committed meanwhile.",
    Line(Journal.turn, "len(self._before) == 1 and", ""),
    Line(Journal.drop, "del self._before[old]", "pass"),
)
def a_file_is_not_turned_to_before_it_is_free() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder, closing(_Written(folder)) as written:
        written.write(1, 2)
        assert written.journal.turn() == 1
        written.write(3)
        assert written.journal.turn() == 1
        written.write(4)
        assert written.open() == [1, 2, 3, 4]
        written.begin = written.journal.begin_at(1)
        written.journal.drop(1)
        assert written.journal.turn() == 2
        written.write(5)
        assert written.open() == [3, 4, 5]


@guards(
    "behind what was lost there may be records whose numbers are given again.",
    Line(Journal.secure, "(current, self._end)", "(current, None)"),
    Line(Journal.secure, "> 1 else 0", "> 1 else None"),
)
def what_lies_behind_what_was_lost_does_not_come_back() -> None:
    """With the power the second record was lost, and one of the other file, not what came after it."""
    with TemporaryDirectory(prefix="crdtkv-") as folder, closing(_Written(folder)) as written:
        written.write(1, 2, 3)
        written.journal.turn()
        written.write(4, 5)
        written.spoil(SUFFIXES[0], 1)
        assert written.open() == [1]
        written.journal.secure()
        written.write(6)
        assert written.open() == [1, 6]
        written.write(7)
        written.journal.turn()
        written.write(8)
        assert written.open() == [1, 6, 7, 8]
