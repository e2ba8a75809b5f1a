"""What is said of a store's file that cannot be opened, read or written.

Law of this room: it is said whether anything was written, and what to do; and what is
damaged is never taken for what is none of ours.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from crdtkv.errors import ChecksumFailed, CrdtkvError, NotAStore, StorageFailed, StoreLocked
from crdtkv.storage.rows import RowInvalid

__all__ = ["APPLICATION_ID", "CHECK", "MALFORMED", "taken", "taken_here", "unopened", "unread", "unsynced", "unwritten"]

APPLICATION_ID = int.from_bytes(b"crdt", "big")
"""In the header of the file: this is a store."""

CHECK = "check the path and who may read and write it"

MALFORMED = (UnicodeError, ValueError, TypeError, KeyError, RecursionError)
"""What reading a row raises that was not written so."""

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HEADER = 100
"""How many bytes SQLite's own header has; the application id is at 68."""


def taken_here(path: Path) -> StoreLocked:
    """It is open in this process. (No number of a process tells that: of two that share a folder each may be the first
    of a machine of its own.)"""
    step = "use that store, or close it first"
    return StoreLocked(f"{str(path)!r} is open already in this process; {step}", next_step=step)


def taken(path: Path, where: str) -> StoreLocked:
    """It is open elsewhere, and where, if that is known."""
    return StoreLocked(f"{str(path)!r} is open already{where and ' '}{where}; close it where it is open")


def unopened(path: Path, error: Exception) -> CrdtkvError:
    """It cannot be opened. (Only after SQLite let go of the file, which is read here: who closes it beside SQLite gives
    up its locks.)"""
    name, code = repr(str(path)), _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return taken(path, "in another program, which writes to it")
    if isinstance(error, RowInvalid) or (_is_broken(error) and _is_marked(path)):
        return _damaged(path, error)
    if _is_broken(error):
        return NotAStore(f"{name} is no store: {error}")
    next_step = "make room on the disk, then open it again" if code == sqlite3.SQLITE_FULL else CHECK
    return StorageFailed(f"cannot open {name}: {error}", happened="no", next_step=next_step)


def unread(path: Path, error: Exception) -> CrdtkvError:
    """A row of it cannot be read."""
    if not isinstance(error, sqlite3.Error) or _is_broken(error):
        return _damaged(path, error)
    words = f"{str(path)!r} could not be read: {error}"
    return StorageFailed(words, happened="no", next_step="see to the disk, then try again")


def unwritten(path: Path, error: sqlite3.Error, undone: bool) -> StorageFailed:
    """A commit failed; `undone`: for certain, nothing of it is there."""
    words = f"{str(path)!r} could not be written: {error}"
    if not undone:
        return StorageFailed(f"{words}; it may or may not have been written")
    ways = {
        sqlite3.SQLITE_FULL: "make room on the disk, then write again",
        sqlite3.SQLITE_BUSY: "another program is writing to the file: write again when it is done",
    }
    next_step = ways.get(_code(error), "see to the disk, then write again")
    return StorageFailed(f"{words}; nothing was written", happened="no", next_step=next_step)


def unsynced(path: Path, error: sqlite3.Error) -> StorageFailed:
    """What was committed under `normal` durability could not be brought to the disk."""
    words = f"{str(path)!r} could not be synced: {error}; what was committed is in it, and a power cut may take it back"
    return StorageFailed(words, happened="yes", next_step="see to the disk, then try again")


def _damaged(path: Path, error: Exception) -> ChecksumFailed:
    return ChecksumFailed(f"{str(path)!r} is not as it was written: {error}")


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))


def _is_broken(error: Exception) -> bool:
    # What the driver says of text that is none has no code.
    return _code(error) in _BROKEN or isinstance(error, UnicodeError) or "decode to UTF-8" in str(error)


def _is_marked(path: Path) -> bool:
    """Whether the header says that this was a store."""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(_HEADER)
        return head[68:72] == APPLICATION_ID.to_bytes(4, "big")
    return False
