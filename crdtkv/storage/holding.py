"""Who has a file open: one store, and beside it whoever only reads.

Law of this room: the second store is refused, in this process too, and told by whom; other
programs read on. The locks are of the open file (OFD), not of the process: closing the same
file elsewhere in the process, a copy or a backup of it, takes none of them away, as it does
with those that SQLite holds. So what SQLite's say, that somebody has the file and its
shared memory open, is said here once more: else a reader that closes would be the last
one, and remove the log that is still written to.

Where the system has no such locks `shares` is False, and SQLite keeps the file to itself.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

from crdtkv.errors import StorageFailed

__all__ = ["OURS", "Hold", "HeldElsewhere"]

OURS = 0x40000000 + 1024
"""A byte of the file, behind those that SQLite locks: who holds it is the one store."""

_SHARED = (0x40000002, 510)
"""SQLite, unix VFS: whoever has the database open holds these for reading."""

_ALIVE = (128, 1)
"""And this one of its shared memory."""

_BUSY = (errno.EAGAIN, errno.EACCES)


class HeldElsewhere(Exception):
    """Another store has the file open; `pid`: its process, if it is known."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"in process {pid}" if pid else "")


class Hold:
    """The file at `path`, made if it is not there, is ours until `close`. Raises HeldElsewhere, OSError."""

    def __init__(self, path: Path) -> None:
        self._real = real = os.path.realpath(path)  # as SQLite names the files beside it
        self._pid, self._memory = Path(f"{real}-pid"), Path(f"{real}-shm")
        self._files = [os.open(path, os.O_RDWR | os.O_CREAT, 0o644)]
        self._stat = os.fstat(self._files[0])
        try:
            self.shares = _lock(self._files[0], "F_WRLCK", OURS, 1)
        except OSError as error:
            self.close()
            raise HeldElsewhere(self._told()) if error.errno in _BUSY else error from error

    def is_of(self, path: Path) -> bool:
        """Whether it holds the file at `path`, by whatever name."""
        with suppress(OSError):
            return bool(self._files) and os.path.samestat(os.stat(path), self._stat)
        return False

    def say(self) -> None:
        """From now on who is refused is told by whom; and SQLite has the file open, in WAL mode."""
        if self.shares:
            _lock(self._files[0], "F_RDLCK", *_SHARED)
            self._files.append(os.open(self._memory, os.O_RDWR))
            _lock(self._files[1], "F_RDLCK", *_ALIVE)
        with suppress(OSError):  # it only says more
            self._pid.write_text(f"{os.getpid()}\n")

    def check(self) -> None:
        """What is written to a file that was moved would lie in a log that stays behind: StorageFailed. Some 2 us."""
        with suppress(OSError):
            if os.path.samestat(os.stat(self._real), self._stat):
                return
        raise StorageFailed(
            f"{self._real!r} was moved, replaced or removed while it is open; nothing was written",
            happened="no", next_step="put it back where it was, then close it; move a store that is closed",
        )  # fmt: skip

    def hush(self) -> None:
        """SQLite is about to let go of it, and may tidy up."""
        if len(self._files) > 1:
            _lock(self._files[0], "F_UNLCK", *_SHARED)
            _lock(self._files[1], "F_UNLCK", *_ALIVE)
            with suppress(OSError):
                self._pid.unlink()

    def close(self) -> None:
        """Others may have it. After SQLite let go of it: who closes the file gives up SQLite's locks. Idempotent."""
        while self._files:
            os.close(self._files.pop())

    def _told(self) -> str:
        with suppress(OSError, ValueError):
            return str(int(self._pid.read_text()))
        return ""


def _lock(file: int, kind: str, start: int, length: int) -> bool:
    """Whether there are such locks; then it is held. Raises OSError if another has it."""
    if sys.platform != "linux" or struct.calcsize("P") != 8:
        return False
    import fcntl

    request = struct.pack("hhqqi4x", getattr(fcntl, kind), os.SEEK_SET, start, length, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)
    except OSError as error:
        if error.errno in _BUSY:
            raise
        return False  # a file system that has none
    return True
