"""A disk that forgets: of what was written and not synced, a power cut leaves some, torn, or nothing.

Law: a sync makes durable what was written before it in that file, and nothing else
does. A name that was made or taken away is durable once its folder was synced. What is
neither may be there after a cut or not, each write by itself, sector by sector, and a
sector that was being written may hold anything.

The files lie in a real folder, which has what a running system shows. `cut` writes over
them what the disk had; they stay the files they are (device and inode).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

__all__ = ["SECTOR", "Disk", "Inode", "PowerCut", "Step", "may_all"]

SECTOR = 512

SUFFIXES = ("", "-wal", "-journal", "-commits0", "-commits1")


class PowerCut(BaseException):
    """The power went. Nothing that the process still does reaches the disk."""


class Step(NamedTuple):
    """Something that is asked of the disk: open, read, write, sync, truncate, delete; and of which file."""

    kind: str
    name: str


class _Write(NamedTuple):
    at: int
    data: bytes


class _Truncate(NamedTuple):
    size: int


_Change = _Write | _Truncate


class Inode:
    """A file: what of it is durable, and what was done since."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = bytearray(content)
        self.pending: list[_Change] = []

    def write(self, at: int, data: bytes) -> None:
        self.pending.append(_Write(at, bytes(data)))

    def truncate(self, size: int) -> None:
        self.pending.append(_Truncate(size))

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()

    def fail_to_sync(self, dice: Random) -> None:
        """What did not get to the disk now never will: the system takes it for written, and tells it once."""
        self.durable = bytearray(self.after(dice))
        self.pending.clear()

    def after(self, dice: Random) -> bytes:
        """What a cut leaves: what was synced, and none, all, the first or any of what was done since, torn."""
        content = bytearray(self.durable)
        for change in _surviving(self.pending, dice):
            for part in _torn(change, dice):
                _apply(content, part)
        return bytes(content)


def _apply(content: bytearray, change: _Change) -> None:
    if isinstance(change, _Truncate):
        content.extend(bytes(max(0, change.size - len(content))))
        del content[change.size :]
        return
    content.extend(bytes(max(0, change.at - len(content))))
    content[change.at : change.at + len(change.data)] = change.data


def _surviving(pending: list[_Change], dice: Random) -> list[_Change]:
    match dice.randrange(4):
        case 0:
            return []
        case 1:
            return list(pending)
        case 2:
            return pending[: dice.randrange(len(pending) + 1)]
        case _:
            return [change for change in pending if dice.random() < 0.5]


def _torn(change: _Change, dice: Random) -> Iterator[_Change]:
    """The change, or some sectors of it, one of them spoiled perhaps."""
    if isinstance(change, _Truncate) or dice.random() < 0.7:
        yield change
        return
    for sector in _sectors(change):
        fate = dice.random()
        if fate < 0.1:
            yield _Write(sector.at, dice.randbytes(len(sector.data)))
        elif fate < 0.6:
            yield sector


def _sectors(write: _Write) -> Iterator[_Write]:
    """A write in pieces, none across the border of a sector."""
    at, end = write.at, write.at + len(write.data)
    while at < end:
        upto = min(end, at - at % SECTOR + SECTOR)
        yield _Write(at, write.data[at - write.at : upto - write.at])
        at = upto


def may_all(step: Step) -> None:
    """A sound disk."""


class Disk:
    """The files whose names begin with `path`; each step on them is asked of `may` before it is done."""

    def __init__(self, path: Path, dice: Random) -> None:
        self.path, self.dice = path, dice
        self.may: Callable[[Step], None] = may_all
        """Raises what the step fails with; PowerCut: then it is not done, a write perhaps in part."""
        self.steps: Counter[Step] = Counter()
        self.dead = False
        """Nothing that is asked of it is done any more, and nobody is told: SQLite has but one call to return from."""
        self.names: dict[str, Inode] = {}
        self._durable_names: dict[str, Inode] = {}
        self._renamings: list[tuple[str, Inode | None]] = []
        self.mount()

    def mount(self) -> None:
        """All that is there now is durable, as after a clean shutdown."""
        self.names = {}
        for suffix in SUFFIXES:
            at = Path(f"{self.path}{suffix}")
            if at.exists():
                self.names[at.name] = Inode(at.read_bytes())
        self._durable_names = dict(self.names)
        self._renamings.clear()
        self.dead = False
        self.may = may_all

    def step(self, kind: str, name: str) -> None:
        """Before each thing that is done, as long as there is power. Raises what it fails with."""
        if self.dead:
            return
        step = Step(kind, name.removeprefix(self.path.name))
        self.steps[step] += 1
        try:
            self.may(step)
        except PowerCut:
            self.dead = True

    def create(self, name: str) -> Inode:
        """The file of that name, made if it is not there."""
        if self.dead:
            return Inode()
        if name not in self.names:
            self.names[name] = Inode()
            self._renamings.append((name, self.names[name]))
        return self.names[name]

    def delete(self, name: str) -> None:
        if self.names.pop(name, None) is not None:
            self._renamings.append((name, None))

    def replace(self, name: str, content: bytes) -> Inode:
        """A file that was synced takes the place of the one of that name."""
        self.names[name] = Inode(content)
        self._renamings.append((name, self.names[name]))
        return self.names[name]

    def sync_folder(self) -> None:
        """Which names there are is durable."""
        self._durable_names = dict(self.names)
        self._renamings.clear()

    def cut(self) -> None:
        """The power went, and is back: the folder has what the disk had. Whoever had files open has closed them."""
        left = self._names_after()
        for suffix in SUFFIXES:
            at = Path(f"{self.path}{suffix}")
            if at.name in left:
                _overwrite(at, left[at.name].after(self.dice))
            else:
                at.unlink(missing_ok=True)
        self.mount()

    def _names_after(self) -> dict[str, Inode]:
        names = dict(self._durable_names)
        for name, inode in self._renamings:
            if self.dice.random() < 0.5:
                continue
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode
        return names


def _overwrite(path: Path, content: bytes) -> None:
    """The file stays the one it is."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(0)
        file.write(content)
