"""One process at a time has a store's file open for writing; whoever likes may read it meanwhile.

Law of this room: the lock is on the file itself, so nobody can delete it away; it ends
with the process, however that ends. It is another kind of lock than SQLite's, and a
process that closes any handle of a file gives up SQLite's locks on it: so a file that
is open in this process already is found without opening it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from crdtkv.errors import StoreLocked

__all__ = ["FileLock"]

_PROC_LOCKS = Path("/proc/locks")


class FileLock:
    """The lock on the file at `path`, which is there. Raises StoreLocked, with the id of the process that has it."""

    _held: dict[tuple[int, int], int] = {}  # (device, inode) -> the process that holds it here

    def __init__(self, path: Path) -> None:
        found = os.stat(path)
        self._place = (found.st_dev, found.st_ino)
        self._file = -1
        if self._held.get(self._place) == os.getpid():
            raise StoreLocked(f"{str(path)!r} is open already, in this process ({os.getpid()}); close it there")
        file = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            holder = _holder(found)
            where = f" in process {holder}" if holder else ""
            raise StoreLocked(f"{str(path)!r} is open already{where}; close it there") from None
        self._file = file
        self._held[self._place] = os.getpid()

    def release(self) -> None:
        """Let go, once SQLite has let go of the file. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            if self._held.get(self._place) == os.getpid():
                del self._held[self._place]


def _holder(found: os.stat_result) -> int | None:
    """The process that holds a lock of our kind on a file, as Linux tells it; None if it does not."""
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        lines = _PROC_LOCKS.read_text().splitlines()
    except OSError:
        return None
    return next((int(p[4]) for p in map(str.split, lines) if len(p) > 5 and p[1] == "FLOCK" and p[5] == place), None)
