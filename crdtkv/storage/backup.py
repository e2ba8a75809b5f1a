"""A copy of a store's file: all that is committed at one instant, synced, and there whole or not at all."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from crdtkv.errors import BadRequest, StorageFailed
from crdtkv.storage.journal import BEGIN, SUFFIXES, Journal, begin, files_of, keep
from crdtkv.storage.logfile import sync_folder
from crdtkv.storage.rows import RowInvalid
from crdtkv.storage.tables import Tables

__all__ = ["backup", "journal_of", "pieces", "restore", "where_it_begins"]

_TRIES = 5
_BESIDE = re.compile(r"-(wal|shm|journal|commits[01](-next)?|witness|pid|staged)(\.[0-9]+)?")
"""What is behind the name of a store's file in the names of those that lie beside it."""


def backup(db: sqlite3.Connection, source: str, path: Path) -> None:
    """What `db` holds, the file `source`, and its journal is in a new file at `path`, alone. O(file).

    Raises BadRequest where there is one, StorageFailed.
    """
    _check_new(path)
    part = None
    try:
        handle, part = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        os.close(handle)
        _copy(db, source, part)
        _sync(Path(part))
        os.link(part, path)
        sync_folder(path.parent)
    except (sqlite3.Error, OSError, RowInvalid) as error:
        next_step = "check the path and who may read and write it"
        raise StorageFailed(f"cannot make {str(path)!r}: {error}", happened="no", next_step=next_step) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def restore(copy: Path, path: Path) -> None:
    """What a copy holds is in a new file at `path`. O(file). Raises BadRequest where there is one, StorageFailed.

    Opened there it is known for a copy: it takes a new id with the first member it meets, and writes then.
    """
    _check_new(path)
    db = None
    try:
        db = sqlite3.connect(f"{copy.resolve().as_uri()}?mode=ro", uri=True)
        db.execute("SELECT 1 FROM meta")  # (another's database has none)
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        next_step = "name a file that `backup` made, and that may be read"
        words = f"{str(copy)!r} is no copy of a store: {error}"
        raise StorageFailed(words, happened="no", next_step=next_step) from error
    try:
        backup(db, os.path.realpath(copy), path)
    finally:
        db.close()


def pieces(path: Path) -> list[Path]:
    """The files of the store at `path` that are there, its own the last. O(folder).

    Others of a like name are somebody's own, as `lhr.db.old` and `lhr.db-lost`.
    """
    beside = (at for at in path.parent.iterdir() if at.name.startswith(path.name))
    ours = [at for at in beside if _BESIDE.fullmatch(at.name, len(path.name))]
    return [*sorted(ours, reverse=True), *([path] if path.exists() else [])]


def _check_new(path: Path) -> None:
    for at in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-journal", *SUFFIXES))):
        if at.exists():
            raise BadRequest(f"there is a file {str(at)!r} already; name one that is not there yet")


def _copy(db: sqlite3.Connection, source: str, part: str) -> None:
    """Another process may have the file open: then its journal may begin anew between the two looks at it."""
    for _ in range(_TRIES):
        os.truncate(part, 0)
        db.execute("VACUUM INTO ?", (part,))
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            records, wrong = [], None
            try:
                records = journal_of(copy, source)
            except RowInvalid as error:
                wrong = error
            if where_it_begins(db) != where_it_begins(copy):
                continue
            if wrong is not None:
                raise wrong
            _take(copy, records)
            return
    raise sqlite3.OperationalError("it is being written to all the time; close it where it is open, or copy it there")


def _take(copy: sqlite3.Connection, records: Iterable[tuple[int, bytes]]) -> None:
    """The journal goes into the table that a copy has for it; one of its own begins behind that."""
    copy.execute("BEGIN")
    keep(copy, records)
    last = copy.execute("SELECT coalesce(max(n), 0) FROM journal").fetchone()[0]
    Tables(copy).write("meta", [((BEGIN,), begin(last))])
    copy.execute("COMMIT")


def journal_of(db: sqlite3.Connection, path: str) -> list[tuple[int, bytes]]:
    """The records that lie beside the file at `path`, of which `db` is a copy, or has it open. O(journal).

    Raises RowInvalid, sqlite3.Error.
    """
    started = Tables(db).one("meta", BEGIN)
    journal = Journal(db, files_of(path))
    return [(n, record) for n, record in journal.records(started) if started is not None and n > started[2]]


def where_it_begins(db: sqlite3.Connection) -> Any:
    """Salt, oldest generation and the record before; None of a file of an earlier format. As `journal_of`."""
    row = Tables(db).one("meta", BEGIN)
    return row and row[:3]


def _sync(path: Path) -> None:
    """A file's bytes are on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
