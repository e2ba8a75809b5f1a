"""SQLite's own log, `<file>-wal`, after a crash: does it break off where it was written last, or before?

SQLite takes a frame that does not fit for the end of the log. After a power cut it is;
but where commits follow it, its bits have changed by themselves since: a commit is
written once the one before it is synced. (https://sqlite.org/fileformat2.html, 4)
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crdtkv.storage.rows import RowInvalid

__all__ = ["Log"]

_HEADER, _FRAME = 32, 24
_LITTLE, _BIG = 0x377F0682, 0x377F0683


class Log:
    """The log at `path`, if there is one. Whoever calls holds the lock of the file that it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """In bytes; 0 of a file that was closed."""
        return self.path.stat().st_size if self.path.exists() else 0

    def check(self, db: sqlite3.Connection) -> None:
        """What was committed behind a frame that has changed is not passed over. O(log). Raises RowInvalid."""
        _, sound, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        broken = self._commits_after(sound)
        if broken is not None:
            raise RowInvalid(
                f"a frame of {self.path.name} before the {broken}th has changed, and commits follow; put a backup in "
                f"its place, or remove {self.path.name} to go on without what it holds"
            )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """It is there after this as it was: SQLite removes it when it closes, whatever it passed over in it."""
        other = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        if self.size():
            with suppress(OSError):  # (a file system without links)
                os.link(self.path, other)
        try:
            yield
        finally:
            if self.path.exists():
                other.unlink(missing_ok=True)
            elif other.exists():
                os.replace(other, self.path)

    def _commits_after(self, sound: int) -> int | None:
        """The first frame after the `sound` ones that is a commit, by those before and behind it.

        Both: of a commit that failed frames are left, and the next one may be torn over them.
        """
        data = self.path.read_bytes()
        if len(data) < _HEADER:
            return None
        magic, _, page, _, *salts = _numbers(data[:24])
        if magic not in (_LITTLE, _BIG) or _sum(data[:24], (0, 0), magic) != _numbers(data[24:32]):
            return None  # it was being begun anew: the file has all that the frames say
        size = _FRAME + page
        frames = [data[at : at + size] for at in range(_HEADER + sound * size, len(data) - size + 1, size)]
        for n, (before, frame, behind) in enumerate(zip(frames, frames[1:], frames[2:], strict=False), sound + 2):
            commits = _ends_commit(frame, salts) and _follows(frame, before, salts, magic)
            if commits and _follows(behind, frame, salts, magic):
                return n
        return None


def _ends_commit(frame: bytes, salts: list[int]) -> bool:
    _, pages, *found = _numbers(frame[:16])
    return bool(pages) and found == salts


def _follows(frame: bytes, before: bytes, salts: list[int], magic: int) -> bool:
    """Whether its checksum goes on from that of the frame before it."""
    one, other = _numbers(before[16:24])
    return _numbers(frame[8:24]) == [*salts, *_sum(frame[:8] + frame[_FRAME:], (one, other), magic)]


def _sum(data: bytes, start: tuple[int, int], magic: int) -> list[int]:
    one, other = start
    words = struct.unpack(f"{'<' if magic == _LITTLE else '>'}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return [one, other]


def _numbers(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 4}I", data))
