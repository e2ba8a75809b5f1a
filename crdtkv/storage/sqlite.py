"""The SQLite storage: every commit a record in the journal, checkpoints behind, in memory what is hot.

Law: what a transaction changed is in the file before `commit` returns, synced unless
`normal` durability was asked for. The file is the user's: documented tables
(docs/formats.md), which the journal beside it is ahead of while it is open. One process at a time:
the file is locked while it is open, and others may read it. Only a file that bears our
number is a store; only one that holds nothing becomes one.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from crdtkv.core.show import show
from crdtkv.core.state import TIP_OF
from crdtkv.errors import BadRequest, FormatTooNew, NotAStore, StorageFailed
from crdtkv.storage import refusals
from crdtkv.storage.backup import backup
from crdtkv.storage.base import Said
from crdtkv.storage.checkpoint import STEP_ROWS, Checkpoint
from crdtkv.storage.faults import faults
from crdtkv.storage.holding import HeldElsewhere, Hold
from crdtkv.storage.journal import BEGIN, Journal, Mark, begin, files_of, rows_of
from crdtkv.storage.log import Log
from crdtkv.storage.migrations import OLD_TABLES, migrate
from crdtkv.storage.pile import Pile
from crdtkv.storage.refusals import APPLICATION_ID
from crdtkv.storage.rows import RowInvalid
from crdtkv.storage.tables import JOURNAL, SCHEMA, TABLES
from crdtkv.storage.transactions import Changed
from crdtkv.storage.views import Showing
from crdtkv.storage.witness import Witness
from crdtkv.storage.writing import Writing

__all__ = ["CACHE_MB", "FORMAT", "PACK_PAGES", "SqliteStorage", "connect"]

_T = TypeVar("_T")

FORMAT = 6

CACHE_MB = 256

_UNSYNCED = "unsynced"
"""A row of meta: not every commit was synced, and the file was not closed since."""

_PACKED = "packed"
"""A row of meta: how many pages the file had when it was last packed."""

_TOLD = "told"
"""A row of meta: what the views say of keys that are not plain is there."""

PACK_PAGES = 1_000
"""A file of fewer is not worth it."""

_FEW = 4
"""What a write of one key reads at the most."""


def connect(path: Path) -> sqlite3.Connection:
    """The file at `path`, opened: the one way to it, so that a test may put a disk that fails in its place."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)


class SqliteStorage(Writing):
    """A Storage in the file at `path`, made if it is not there.

    `durability`: "full" syncs every commit; "normal" leaves that to the system, so that a
    power cut may take back the last commits, all from one on.
    Raises StoreLocked if another store has it open, FormatTooNew if a later
    release made it, NotAStore if crdtkv did not make it, ChecksumFailed if it is not
    as it was written, StorageFailed if it cannot be opened or read. Cost: O(journal).

    `cache_mb`: what is kept in memory of what was read. A key that is read and is not as it was
    written raises ChecksumFailed; others are read and written on.
    """

    def __init__(self, path: str | os.PathLike[str], durability: str = "full", cache_mb: int = CACHE_MB) -> None:
        try:
            self.path = Path(path)
        except TypeError:
            raise BadRequest(f"path is {show(path)}; a file's path, or ':memory:', is wanted") from None
        self._normal = durability == "normal"
        self._witness: Witness | None = None
        self._loaded = self._told = False
        self._uncertain = self._unsynced = self._locked = False
        self._found_log = True
        """Of what the logs held when it was opened, not all is on the disk for certain."""
        self._reading: Any = None
        self._reads = 0
        self.stale = threading.Event()
        """Set by a commit, and by the close: the tables may lag behind."""
        real = os.path.realpath(self.path)  # as SQLite names its log: one file, by whatever name it is opened
        self._real = real
        self._log = Log(Path(f"{real}-wal"))
        self._was_there = self.path.exists()
        self._noted_path = Path(f"{real}-witness")
        try:
            self._hold = Hold(self.path)
        except HeldElsewhere as error:
            if any(other._hold.is_of(self.path) for other in list(_open_here)):
                raise refusals.taken_here(self.path) from None
            raise refusals.taken(self.path, str(error)) from None
        except OSError as error:
            raise refusals.unopened(self.path, error) from error
        try:
            self._db = connect(self.path)
        except sqlite3.Error as error:
            self._hold.close()
            raise refusals.unopened(self.path, error) from error
        _open_here.add(self)
        # A quarter of the memory is SQLite's own, for pages: the upper ones of each tree.
        super().__init__(self._db, (cache_mb << 20) * 3 // 4)
        self._page_kb = cache_mb << 8
        self.pile = Pile(Path(f"{real}-staged"))
        self._journal = Journal(self._db, files_of(real))
        self._checkpoint = Checkpoint(
            self._db, self._journal, self._lacking, self._untold, self._weigh, self._halfway, self._begin_write,
            self._write, self._say_begin, self._tables.begin, self._tidy,
        )  # fmt: skip
        try:
            self._open()
        except BaseException as error:
            # Whatever it is: who is told that it cannot be opened must not find it locked by us.
            self.close()
            if not isinstance(error, (sqlite3.Error, OSError, UnicodeError, RowInvalid)):
                raise
            raise refusals.unopened(self.path, error) from error

    def _open(self) -> None:
        db = self._db
        if not self._hold.shares:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        self._locked = True
        new = self._is_new()
        db.execute("ROLLBACK")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute(f"PRAGMA cache_size=-{self._page_kb}")
        if new:
            self._create()
        if not new and self._log.size() > 0 and not self._is_unsynced():
            with suppress(sqlite3.Error):
                self._log.check(db)
        migrate(db, FORMAT)
        self._load()
        with suppress(sqlite3.Error):  # on a full disk it can be read; it is tried again before a write
            self._secure()
        if self._normal:
            self._mark(True)
        self._witness = Witness(self._noted_path)
        self._hold.say()
        self._loaded = True

    def _create(self) -> None:
        self._db.execute("BEGIN EXCLUSIVE")
        for statement in (*SCHEMA, JOURNAL):
            self._db.execute(statement)
        self._say_begin(begin())
        self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version={FORMAT}")
        self._db.execute("COMMIT")

    def _is_new(self) -> bool:
        """Whether it holds nothing. Raises for a file that is somebody else's, of a later release, or not whole."""
        name = repr(str(self.path))
        mark, found = (self._db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version"))
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if mark != APPLICATION_ID and (mark or found or tables):
            raise NotAStore(
                f"{name} is a database of something else (application id {mark}, tables "
                f"{', '.join(sorted(tables)) or 'none'}); name another file, or one that is not there yet"
            )
        if mark != APPLICATION_ID:
            if self._was_there and self._was_noted():
                raise RowInvalid(f"it is empty, and {self._noted_path.name} beside it says that it was not")
            return True
        if found > FORMAT:
            raise FormatTooNew(
                f"{name} has format {found}; this release reads up to {FORMAT}; open it with a newer crdtkv"
            )
        if missing := {*OLD_TABLES.get(found, TABLES), "journal"} - tables:
            raise RowInvalid(f"there is no table {', '.join(sorted(missing))}")
        self._check_length()
        return False

    def _check_length(self) -> None:
        """A file that was cut short may have lost what nothing reads for now. Raises RowInvalid."""
        pages, size = (self._db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "page_size"))
        if not self._log.size() and (found := self.path.stat().st_size) < pages * size:
            raise RowInvalid(f"it is {found} bytes long, and says that it is {pages * size}")

    def _is_unsynced(self) -> bool:
        return self._db.execute("SELECT 1 FROM meta WHERE name=?", (_UNSYNCED,)).fetchone() is not None

    def _was_noted(self) -> bool:
        if not self._noted_path.exists():
            return False
        with closing(Witness(self._noted_path)) as witness:
            return witness.noted() != ""

    def _load(self) -> None:
        try:
            self._load_rows()
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RowInvalid(f"a row cannot be read ({type(error).__name__}: {error})") from error

    def _load_rows(self) -> None:
        """What is not read by key: who this is, what has no key, and what the tables do not have yet."""
        self._tables.begin()
        self._uncertain = self._tables.one("meta", _UNSYNCED) is not None
        list(self._tables.rows("meta", "state", f"{TIP_OF}\U0010ffff"))  # what is wrong with them is said now
        self._inbox = {where[0]: row for where, row in self._tables.rows("inbox")}
        self._told = self._tables.one("meta", _TOLD) is not None
        self._absent.learn()
        started = self._tables.one("meta", BEGIN)
        if started is None:
            raise RowInvalid("nothing says where its journal begins")
        for table, where, row in self._journal.open(started):
            self._take(table, where, row)
        if not self._uncertain:  # of what was not synced any part may be missing
            self._journal.check()

    def _say_begin(self, where: Any) -> None:
        self._tables.write("meta", [((BEGIN,), where)])

    def _read(self, ask: Callable[..., _T], *of: Any) -> _T:
        try:
            if self._reading is None and not self._db.in_transaction:
                # A statement that is not at its end: what is read meanwhile needs no transaction of its own.
                # (Nor do the first reads since a write: most writes read as little.)
                if self._reads >= _FEW:
                    self._reading = self._db.execute("SELECT name FROM sqlite_master")
                self._reads += 1
            return ask(*of)
        except (RowInvalid, sqlite3.Error, *refusals.MALFORMED) as error:
            raise refusals.unread(self.path, error) from error

    def _said(self, low: str, high: str | None, reverse: bool) -> Iterator[list[Said]]:
        try:
            yield from super()._said(low, high, reverse)
        except (RowInvalid, sqlite3.Error, *refusals.MALFORMED) as error:
            raise refusals.unread(self.path, error) from error

    def _stop_reading(self) -> None:
        """Before anything is written, or tidied up: SQLite does neither under a reader of its own."""
        self._reads = 0
        if self._reading is not None:
            with suppress(sqlite3.Error):
                self._reading.close()
            self._reading = None

    def _tidy(self) -> None:
        """SQLite's own log is in the file, and empty."""
        self._stop_reading()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _begin_write(self) -> None:
        self._secure()
        self._stop_reading()
        self._db.execute("BEGIN IMMEDIATE")

    def _save(self, changes: Iterable[Changed]) -> None:
        rows, mark = rows_of(changes), self._journal.mark()
        if not self._normal or not self.stale.is_set():  # (under `normal` twice a second)
            self._hold.check()
        doubtful, count = self.doubtful, len(rows)
        try:
            if self._found_log:
                self._secure()
            self._journal.append(rows)
            if not self._normal:
                self._journal.sync()
            # It is committed: whoever interrupts from here on will think that it was not.
            self.doubtful = True
        except BaseException as error:
            self.doubtful = True  # until it is undone: who interrupts may do it twice
            undone = self._undo_commit(mark)
            self.doubtful = doubtful or not undone
            if not isinstance(error, sqlite3.Error):
                raise
            raise refusals.unwritten(self.path, error, undone) from error
        self._unsynced = self._normal
        self._after_commit(count)
        self.doubtful = doubtful

    def _secure(self) -> None:
        """What was found in the logs is on the disk, before it is told and before more is written behind it.

        Where a sync failed before a crash, the system shows as written what the disk may
        not have, and no later sync tells: it has to be written once more.
        """
        if self._found_log:
            self._tidy()
            self._journal.secure()
            self._found_log = False

    def _after_commit(self, count: int) -> None:
        with suppress(sqlite3.Error):  # (as `keep_up`)
            if self._tells():
                self._checkpoint.leave(count)
        if not self.stale.is_set():
            self.stale.set()

    def _undo_commit(self, mark: Mark | None = None) -> bool:
        """Whether what was begun is undone for certain. `mark`: where the journal was."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if mark is not None:
                self._journal.back_to(mark)
        except sqlite3.Error:
            return False
        return True

    def size(self) -> int:
        pages, free, each = (
            self._db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * each) + self._journal.size

    def journal_size(self) -> int:
        return self._journal.size

    def backup(self, path: Path) -> None:
        self._stop_reading()
        backup(self._db, self._real, path)

    def home(self) -> str:
        """Device, inode and machine."""
        found = os.stat(self.path)
        machine = Path("/etc/machine-id")
        name = machine.read_text().strip() if machine.is_file() else platform.node()
        return f"{found.st_dev}:{found.st_ino}:{name}"

    def note(self, words: str) -> None:
        try:
            if self._witness is not None:
                self._witness.note(words)
        except OSError:
            pass  # what it says only ever lags behind
        if self._uncertain:
            self._settle_name()

    def _settle_name(self) -> None:
        """A new name is in the file, and noted: what was noted before, of what was lost, is never asked for again."""
        self._uncertain = False
        if not self._normal:
            with suppress(sqlite3.Error):
                self._mark(False)

    def noted(self) -> str | None:
        if self._witness is None or (self._uncertain and self._witness.restarted()):
            return None  # what it speaks of may be just what a power cut took back
        return self._witness.noted()

    def sync(self) -> None:
        if not self._unsynced:
            return
        try:
            self._journal.sync()
        except sqlite3.Error as error:
            raise refusals.unsynced(self.path, error) from error
        self._unsynced = False

    def settle(self) -> None:
        try:
            self._checkpoint.finish()
            self._pack()
        except BaseException as error:
            self.doubtful = self.doubtful or self._checkpoint.torn
            if not isinstance(error, sqlite3.Error):
                raise
            words = f"{str(self.path)!r}: {error}; what was committed is in its journal"
            raise StorageFailed(words, happened="yes", next_step=refusals.CHECK) from error

    def _pack(self) -> None:
        """A file that has grown by a fifth since it was last packed, or holds as much that is free, is packed. O(file).

        Rows that come in any order leave each page a third empty. (SQLite's incremental vacuum leaves them so: it gives
        back pages that are empty as a whole.)
        """
        pages, free = (self._db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count"))
        packed = self._tables.one("meta", _PACKED) or 0
        if pages > PACK_PAGES and (pages > packed * 6 // 5 or free > pages // 5):
            self._stop_reading()
            self._db.execute("VACUUM")
            after = self._db.execute("PRAGMA page_count").fetchone()[0]
            self._tables.write("meta", [((_PACKED,), after)])
            self._tidy()

    def uncertain(self) -> bool:
        return self._uncertain

    def _mark(self, unsynced: bool) -> None:
        """Say in the file, synced, that what is committed from now on may be lost; or that nothing was."""
        self._secure()
        self._stop_reading()
        self._tables.write("meta", [((_UNSYNCED,), True if unsynced else None)])

    def attend(self, showing: Showing) -> None:
        """From now on the views tell what `showing` says; of what a migration left untold, at once: O(that)."""
        self._showing = showing
        try:
            self._find_untold()
            self._tell_untold(showing, None if self._tables.one("meta", _TOLD) else "")
        except sqlite3.Error:  # it can be read and written all the same, and tells when it is opened next
            self.doubtful = not self._undo_commit()

    def _tells(self) -> bool:
        """Whether the tables may follow: not before it is known what is shown, where the views have told of it."""
        return self._showing is not None or not self._told

    def _tell_untold(self, showing: Showing, after: str | None) -> None:
        while after is not None:
            self._begin_write()
            keys = self._tables.untold(after, STEP_ROWS)
            self._tables.tell("shown", [((key,), showing.key(key)) for key in keys])
            if not keys:
                self._tables.write("meta", [((_TOLD,), True)])
            self._db.execute("COMMIT")
            after = keys[-1] if keys else None

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""
        return not self._loaded

    def freshen(self) -> bool:
        """Bring the tables a step nearer to what was committed last; whether there is more to do. O(STEP_ROWS)."""
        if self.closed or self.doubtful or (self._undo and not self.committed):
            return False
        with suppress(sqlite3.Error):
            return self._checkpoint.catch_up() or self._absent.learns()
        return False

    def faults(self) -> Iterator[str]:
        return faults(self._db, self._tables)

    def close(self) -> None:
        try:
            # What could not be opened is not ours to tidy up; what is not in the tables is in the journal.
            if self._loaded and not self.doubtful:
                with suppress(sqlite3.Error):
                    self._finish()
                    if self._normal and not self._uncertain:
                        self._mark(False)
                    if not self._journal.size:
                        self._journal.remove()
        finally:
            self._let_go()
            self._loaded = self._locked = False
            self.stale.set()

    def _finish(self) -> None:
        """Nothing is in the journal that is not on the disk; and nothing at all, if the tables may have it."""
        if self._tells():
            self._checkpoint.finish()
        self._journal.sync()

    def _let_go(self) -> None:
        # (Only what is ours: in the log of one that is open elsewhere there is being written.)
        with self._log.kept() if self._locked and not self._loaded else nullcontext():
            self._stop_reading()
            self._hold.hush()
            self._db.close()
        self._journal.close()
        self._hold.close()
        if self._witness is not None:
            self._witness.close()


_open_here: weakref.WeakSet[SqliteStorage] = weakref.WeakSet()


def _never_close() -> None:
    """In a forked child: what the parent has open stays open for good.

    SQLite takes the child's copy for the owner of the file: closing it, at exit too, would
    take away the journal that the parent goes on writing to, with all that is in it.
    """
    import ctypes

    for storage in _open_here:
        storage._hold.close()  # (the lock is the parent's, as long as it has it open)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(storage._db))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_never_close)
