"""A file beside a store's, written at a place and synced.

Law of this room: it fails as SQLite does, with SQLite's errors: who keeps a store's files has one
kind of failure to answer. A file is there under its name once it was synced: also one that
somebody made who was killed before he could.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from mypy_extensions import mypyc_attr

__all__ = ["LogFile", "sync_folder"]

_CODES = {
    errno.ENOSPC: (sqlite3.SQLITE_FULL, "database or disk is full"),
    errno.EDQUOT: (sqlite3.SQLITE_FULL, "database or disk is full"),
    errno.EROFS: (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
}


@mypyc_attr(allow_interpreted_subclasses=True)
class LogFile:
    """The file at `path`, made when it is first written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._new = True

    def read(self) -> bytes:
        """All of it; nothing of one that is not there."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _failure(error, sqlite3.SQLITE_IOERR_READ) from error

    def write(self, at: int, data: bytes) -> None:
        """`data` stands at `at`, unsynced. What fails may have left some of it, never all."""
        try:
            if self._file < 0:
                self._open()
            wrote = os.pwrite(self._file, data, at)
            while wrote < len(data):
                wrote += os.pwrite(self._file, data[wrote:], at + wrote)
        except OSError as error:
            raise _failure(error, sqlite3.SQLITE_IOERR_WRITE) from error

    def sync(self) -> None:
        """What was written is on the disk. Nothing for a file that is not there."""
        if self._file < 0:
            return
        try:
            os.fdatasync(self._file)
            if self._new:
                sync_folder(self.path.parent)
                self._new = False
        except OSError as error:
            raise _failure(error, sqlite3.SQLITE_IOERR_FSYNC) from error

    def replace(self, data: bytes) -> None:
        """It holds `data`, on the disk, and nothing else. What fails, or a crash, leaves all that it held before.

        (A sector that is written while the power goes may hold anything then, also if the same was written.)
        """
        try:
            self.close()
            file = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                wrote = 0
                while wrote < len(data):
                    wrote += os.write(file, data[wrote:])
                os.fsync(file)
            finally:
                os.close(file)
            os.replace(self._next, self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            with suppress(OSError):  # it would take room on a disk that is full
                self._next.unlink()
            raise _failure(error, sqlite3.SQLITE_IOERR_WRITE) from error

    def truncate(self, size: int) -> None:
        """What was behind `size` is not there any more, unsynced. Nothing for a file that is not there."""
        try:
            if self._file < 0 and self.path.exists():
                self._open()
            if self._file >= 0:
                os.ftruncate(self._file, size)
        except OSError as error:
            raise _failure(error, sqlite3.SQLITE_IOERR_TRUNCATE) from error

    def remove(self) -> None:
        """It is not there any more. Idempotent."""
        self.close()
        for path in (self.path, self._next):
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def _next(self) -> Path:
        """Where what takes its place is written."""
        return self.path.with_name(f"{self.path.name}-next")

    def _open(self) -> None:
        try:
            self._new = True
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _failure(error, sqlite3.SQLITE_CANTOPEN) from error


def sync_folder(path: Path) -> None:
    """Which names there are is on the disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _failure(error: OSError, code: int) -> sqlite3.OperationalError:
    code, words = _CODES.get(error.errno or 0, (code, str(error)))
    failure = sqlite3.OperationalError(words)
    failure.sqlite_errorcode = code
    return failure
