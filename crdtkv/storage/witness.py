"""A few words beside a file, so that an old copy put in its place is known for one.

A file that is laid over another keeps its device and inode. What it lacks is what was
committed since: that is noted here, outside of it. Were this file put back with it,
the time at which the system says that this one changed would not be the one it names
itself: nobody can set that time. (Only since the machine was started: after a power
cut the words may be older than the time. A file that was moved says a wrong time as
well, and its store then takes a new incarnation for nothing.)

After a power cut a witness may say less than it did, but nothing of before the machine
was started last: its first words since then are synced, and what overwrites them is of
their length.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["TOLERANCE_NS", "Witness"]

TOLERANCE_NS = 20_000_000
"""The system's clock for files moves in steps of some milliseconds."""

_WIDTH = 160
_COMPARE_EVERY = 1_000
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Witness:
    """The words noted last at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._boot = _BOOT.read_text().strip() if _BOOT.is_file() else ""
        self._synced = not self.restarted()
        self._ahead = 0
        self._since = 0

    def note(self, words: str) -> None:
        """Remember `words`. Some 2 µs: not synced, but for the first since the machine was started."""
        if self._since == 0:
            self._compare(words)
        self._since = (self._since + 1) % _COMPARE_EVERY
        if not self._synced:
            self._sync()
        while True:
            now = time.time_ns()
            self._write(words, now + self._ahead)
            if time.time_ns() - now <= TOLERANCE_NS // 2:
                return

    def noted(self) -> str:
        """The words noted last; none of a witness that is new, or was put back."""
        words, boot, said = self._read()
        apart = abs(os.fstat(self._file).st_ctime_ns - said)
        return "" if boot and boot == self._boot and apart > TOLERANCE_NS else words

    def restarted(self) -> bool:
        """Whether the machine may have been started anew since the words were noted."""
        _, boot, _ = self._read()
        return not boot or boot != self._boot

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _compare(self, words: str) -> None:
        """How far the clock that dates this file is ahead of ours: not at all, but where another machine has it."""
        while True:
            now = time.time_ns()
            self._write(words, 0)
            ahead = os.fstat(self._file).st_ctime_ns - now
            if time.time_ns() - now <= TOLERANCE_NS // 2:
                self._ahead = ahead if abs(ahead) > TOLERANCE_NS // 2 else 0
                return

    def _read(self) -> tuple[str, str, int]:
        """Words, boot, and when the file says that it was changed."""
        os.lseek(self._file, 0, os.SEEK_SET)
        parts = os.read(self._file, _WIDTH).decode(errors="replace").split("|")
        if len(parts) != 4 or not parts[2].isdecimal():
            return "", "", 0
        return parts[0], parts[1], int(parts[2])

    def _sync(self) -> None:
        """It is on the disk, under its name."""
        os.fsync(self._file)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._synced = True

    def _write(self, words: str, changed: int) -> None:
        """Write, saying that this file changed at `changed`."""
        line = f"{words}|{self._boot}|{changed}|".ljust(_WIDTH - 1) + "\n"
        os.pwrite(self._file, line.encode(), 0)
