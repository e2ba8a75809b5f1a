"""A copy of a store's file: all that is committed at one instant, synced, and there whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

from crdtkv.errors import BadRequest, StorageFailed

__all__ = ["backup", "restore"]


def backup(db: sqlite3.Connection, path: Path) -> None:
    """What `db` holds is in a new file at `path`. O(file). Raises BadRequest where there is one, StorageFailed."""
    for at in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-journal"))):
        if at.exists():
            raise BadRequest(f"there is a file {str(at)!r} already; name one that is not there yet")
    part = None
    try:
        handle, part = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        os.close(handle)
        db.execute("VACUUM INTO ?", (part,))
        _sync(Path(part))
        os.link(part, path)
        _sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        next_step = "check the path and who may read and write it"
        raise StorageFailed(f"cannot make {str(path)!r}: {error}", happened="no", next_step=next_step) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def restore(copy: Path, path: Path) -> None:
    """What a copy holds is in a new file at `path`. O(file). Raises BadRequest where there is one, StorageFailed.

    Opened there it is known for a copy: it takes a new id with the first member it meets, and writes then.
    """
    try:
        db = sqlite3.connect(f"{copy.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        next_step = "name a file that `backup` made, and that may be read"
        raise StorageFailed(f"cannot read {str(copy)!r}: {error}", happened="no", next_step=next_step) from error
    try:
        backup(db, path)
    finally:
        db.close()


def _sync(path: Path) -> None:
    """A file's bytes, or a folder's names, are on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
