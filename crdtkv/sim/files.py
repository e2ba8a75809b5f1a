"""Disks that are real SQLite files, for runs with crashes: what a crash leaves is opened as SQLite opens it.

Law of this room: the process ends without a close. What is in the files then is all that the next
life has; under "normal" less of the log than was written, but no less than was synced last.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random

from crdtkv.errors import StorageFailed
from crdtkv.sim.disk import Weights, weight_of
from crdtkv.storage.base import Storage
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.storage.transactions import Changed

__all__ = ["FileDisk", "Laid"]

_SUFFIXES = ("", "-wal")
_SALT = slice(16, 24)
"""Where the log says which one it is: another, once it was begun again."""


class FileDisk(SqliteStorage):
    """As `Disk`, in a file."""

    def __init__(self, path: Path, durability: str = "full") -> None:
        self.durability, self.full, self.syncs = durability, False, 0
        self._since: list[int] = []
        self._synced_log = b""
        self._kept: dict[str, bytes] | None = None
        SqliteStorage.__init__(self, path, durability)

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.path)

    def _save(self, changes: Iterable[Changed]) -> None:
        if self.full:
            raise StorageFailed("the disk is full; nothing was written", happened="no")
        super()._save(changes)
        self._since.append(1)
        if self.durability == "full":
            self.syncs += 1

    def sync(self) -> None:
        SqliteStorage.sync(self)
        if self._since and self.durability != "full":
            self.syncs += 1

    def synced(self) -> None:
        """All that was committed is durable from now on."""
        self._since.clear()
        if self.durability != "full":
            self._synced_log = self._files().get("-wal", b"")

    def lose(self, dice: Random) -> int:
        """The machine went down; how many commits may be lost."""
        self._kept = self._files()
        count, log, synced = len(self._since), self._kept.get("-wal", b""), self._synced_log
        if self.durability == "full" or not count or log[_SALT] != synced[_SALT]:
            return 0
        self._kept["-wal"] = log[: dice.randint(len(synced), len(log))]
        return count

    def reopened(self) -> FileDisk:
        """What another process finds: opened anew, after this one ended as it stood."""
        files = self._kept or self._files()
        return Laid(self.path, files, self.durability).reopened(self)

    def begun(self) -> None:
        """It was opened."""

    def copy(self) -> Laid:
        """What is committed now."""
        self.settle()
        return Laid(self.path, self._files(), self.durability)

    def weight(self) -> Weights:
        """As of a disk in memory. O(cells)."""
        return weight_of(self)

    def _files(self) -> dict[str, bytes]:
        found = {suffix: Path(f"{self.path}{suffix}") for suffix in _SUFFIXES}
        return {suffix: path.read_bytes() for suffix, path in found.items() if path.exists()}


class Laid:
    """Files to be laid over those at a path, which stay the files they are."""

    def __init__(self, path: Path, files: dict[str, bytes], durability: str) -> None:
        self.path, self.files, self.durability = path, files, durability
        self.place = str(path)

    def reopened(self, before: Storage | None = None) -> FileDisk:
        """They lie there, and are opened."""
        if before is not None:
            before.close()
        for suffix in (*_SUFFIXES, "-shm"):
            at = Path(f"{self.path}{suffix}")
            if suffix in self.files:
                at.write_bytes(self.files[suffix])
            else:
                at.unlink(missing_ok=True)
        return FileDisk(self.path, self.durability)

