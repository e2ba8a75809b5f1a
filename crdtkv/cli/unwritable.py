"""Stores that may not be written by whoever reads them: on a read-only disk, or of another user.

An open store writes to its file, if only who it is. So what is read is a copy of it, made for the while.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crdtkv.errors import StorageFailed
from crdtkv.storage.backup import restore
from crdtkv.storage.journal import SUFFIXES

__all__ = ["copied", "is_writable"]


def is_writable(path: Path) -> bool:
    """Whether a store in that file can be opened: it writes to it, and beside it."""
    return os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """A copy of what is committed in the file at `path`, gone at the end. O(file).

    Its own process has it open, perhaps, and writes to it meanwhile. If nobody has, SQLite cannot read a log that was
    left, where it may not make what it reads one by: then the files are copied as they are.
    """
    with tempfile.TemporaryDirectory(prefix="crdtkv-") as folder:
        made = Path(folder) / path.name
        try:
            if not Path(f"{path}-wal").exists():
                raise StorageFailed("nobody has it open")
            restore(path, made)
        except StorageFailed:
            for suffix in ("", "-wal", *SUFFIXES):
                if Path(f"{path}{suffix}").exists():
                    shutil.copyfile(f"{path}{suffix}", f"{made}{suffix}")
        yield made
