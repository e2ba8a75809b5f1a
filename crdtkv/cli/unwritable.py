"""Stores that may not be written by whoever reads them: on a read-only disk, or of another user.

An open store writes to its file, if only who it is. So what is read is a copy of it, made for the while.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from crdtkv.storage.backup import where_it_begins
from crdtkv.storage.journal import SUFFIXES
from crdtkv.storage.rows import RowInvalid

__all__ = ["copied", "is_writable"]

_TRIES = 5


def is_writable(path: Path) -> bool:
    """Whether a store in that file can be opened: it writes to it, and beside it."""
    return os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """A copy of what is committed in the file at `path`, gone at the end. O(file)."""
    with tempfile.TemporaryDirectory(prefix="crdtkv-") as folder:
        made = Path(folder) / path.name
        log = Path(f"{path}-wal")
        if not log.exists() or not _backed_up(path, made):
            for suffix in ("", "-wal", *SUFFIXES):
                if Path(f"{path}{suffix}").exists():
                    shutil.copyfile(f"{path}{suffix}", f"{made}{suffix}")
        yield made


def _backed_up(path: Path, made: Path) -> bool:
    """Whether SQLite could copy it: its own process has it open, perhaps, and writes to it meanwhile.

    If nobody has, SQLite cannot read a log that was left, where it may not make what it reads one by.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as there:
            for _ in range(_TRIES):
                made.unlink(missing_ok=True)
                with closing(sqlite3.connect(made)) as here:
                    there.backup(here)
                    for suffix in _newest_first(here):
                        if Path(f"{path}{suffix}").exists():
                            shutil.copyfile(f"{path}{suffix}", f"{made}{suffix}")
                    if where_it_begins(here) == where_it_begins(there):  # else the journal began anew meanwhile
                        return True
    except (sqlite3.Error, RowInvalid):
        pass
    made.unlink(missing_ok=True)
    return False


def _newest_first(db: sqlite3.Connection) -> tuple[str, ...]:
    """So what is copied ends somewhere, and has no gap: while the newer file is written to, the other is complete."""
    began = where_it_begins(db)
    return SUFFIXES[::-1] if began is None or began[1] % 2 == 0 else SUFFIXES
