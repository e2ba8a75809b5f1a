"""The journal: what each commit changed, one record a commit, until the tables have it.

It lies in two files beside the store's, `<file>-commits0` and `-commits1`, written by turns: while a
checkpoint brings what the one holds into the tables, the other takes what is committed meanwhile. A
record costs one write and, synced, one sync; in a table it would cost SQLite whole pages.

Law of this room: the journal replayed over the tables, as any step of a checkpoint left
them, gives what was committed last. So a record holds whole rows, or what came to a row
and what went by its name (GROWTH), and may be replayed over what it has done already; and
a file is written anew only when a table holds each of its rows, or one that is newer, for
certain: a step of a checkpoint is committed once the journal is synced.

What the tables say, in the row `journal` of meta, is where it begins: a number drawn once, which
generation of records is the oldest that is needed, the number of the last record before, and of the
last of which they may have something: a journal that ends before that is not all there. Each
record bears its generation's mark, so that what is left in a file from before is none.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgpack
import xxhash

from crdtkv.core import said
from crdtkv.core.cells import Cell, Context
from crdtkv.storage.base import NO_HORIZON, Over
from crdtkv.storage.logfile import LogFile
from crdtkv.storage.pasts import Past, growth_of, whole
from crdtkv.storage.rows import RowInvalid
from crdtkv.storage.transactions import Changed

__all__ = ["BEGIN", "GROWTH", "NUMBERS", "SUFFIXES", "Journal", "Mark", "Row", "begin", "files_of", "keep", "rows_of"]

Row = tuple[int, tuple[Any, ...], Any]
"""Number of the table, where, and the row as plain data; None: there is none any more."""

GROWTH: Final = "growth"
"""In the place of a table: of a row of `past`, see `pasts.growth_of`."""

BEGIN = "journal"
"""The row of meta that says where the journal begins."""

SUFFIXES = ("-commits0", "-commits1")

_pack: Final[Callable[[Any], bytes]] = msgpack.Packer().pack

_KEPT_BYTES = 32 << 20
"""A file that is done with and longer gives its room back."""

_HEAD: Final = struct.Struct("<8sQIQ")
"""Mark of the generation, number, length, checksum; then the record."""

_NAMES = ["cell", "context", "past", "horizon", "inbox", "meta", GROWTH]
NUMBERS: Final = {table: number for number, table in enumerate(_NAMES)}

_BEFORE: Final = {table: bytes([0x93, number]) for table, number in NUMBERS.items()}
"""What the row of a table begins with."""


Mark = tuple[int, int, int]
"""Where the journal ends: see `Journal.mark`."""

_Begin = Sequence[Any]
"""Salt, generation, its first record, the last one when this was said."""


def files_of(path: str) -> tuple[LogFile, LogFile]:
    """Those beside the file at `path`: the one way to them, so that a test may put a disk that fails in their place."""
    return LogFile(Path(path + SUFFIXES[0])), LogFile(Path(path + SUFFIXES[1]))


def rows_of(changes: Iterable[Changed]) -> list[bytes]:
    """What rows are now, or how they have grown: each as MessagePack has a `Row`. O(changes)."""
    rows: list[bytes] = []
    for table, where, old, new in changes:
        if table == "over":
            _over_rows(rows, where, old[2], new)
        elif table == "cell":
            rows.append(_cell_row(said.text(where[0]), where[1], new))
        elif table == "context":
            rows.append(_context_row(said.text(where), new))
        elif table == "past":
            growth = growth_of(old, new)
            place = said.place(said.text(where[0]), where[1])
            rows.append(_past_row(place, whole(new)) if growth is None else _growth_row(place, growth))
        elif table == "cells":
            rows += _cell_rows(where, new)
        elif table == "key":
            rows += _cell_rows(where, new[0])
            rows.append(_context_row(said.text(where), new[1]))
        else:
            rows.append(_pack((NUMBERS[table], (where,), None if new is NO_HORIZON else new)))
    return rows


def _over_rows(rows: list[bytes], where: tuple[str, bytes], had: Past, over: Over) -> None:
    key, path = where
    _, packed, context, past, row = over
    name = said.text(key)
    place = said.place(name, path)
    rows.append(b"%b%b%b%b" % (_BEFORE["cell"], place, b"\x91", packed))
    rows.append(_growth_row(place, (had.end, row, past.first)))
    rows.append(_context_row(name, context))


def _cell_rows(key: str, cells: Mapping[bytes, Cell]) -> list[bytes]:
    name = said.text(key)
    return [_cell_row(name, path, cell) for path, cell in cells.items()]


def _cell_row(key: bytes, path: bytes, cell: Cell) -> bytes:
    found = b"\x91" + said.sibling(cell[0]) if len(cell) == 1 else _pack(cell)
    return b"%b%b%b" % (_BEFORE["cell"], said.place(key, path), found)


def _context_row(key: bytes, context: Context) -> bytes:
    return b"%b%b%b%b" % (_BEFORE["context"], b"\x91", key, said.context(context))


def _past_row(place: bytes, past: tuple[int, bytes] | None) -> bytes:
    return b"%b%b%b" % (_BEFORE["past"], place, _pack(past))


def _growth_row(place: bytes, growth: tuple[int, bytes, int]) -> bytes:
    n, came, first = growth
    return b"%b%b\x93%b%b%b" % (_BEFORE[GROWTH], place, said.number(n), said.data(came), said.number(first))


def _array(count: int) -> bytes:
    """What MessagePack has before so many."""
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


def begin(last: int = 0) -> _Begin:
    """Where a journal begins that goes on after record `last`, and of which nothing was written yet."""
    return os.urandom(8), 0, last, last


class Journal:
    """The journal of a store's file: the table `journal` of `db`, where one that was copied is, and `files`."""

    def __init__(self, db: sqlite3.Connection, files: tuple[LogFile, LogFile]) -> None:
        self._db, self._files = db, files
        self.last = 0
        """The number of the last record."""
        self.size = 0
        """Bytes of the records that the tables may not have."""
        self._salt = b""
        self._generation = 0
        self._mark = b""
        self._end = 0
        """Where the next record is written, in the file of the generation."""
        self._before: dict[int, int] = {}
        """Of each generation that is needed, the oldest first: the number of the last record before it."""
        self._synced = True
        self._failed = False
        """A sync has failed since: what it should have brought to the disk may not be there; no sync tells."""
        self._torn = False
        """An interrupt came where a record may be in the file, and is not counted."""

    # writing

    def append(self, rows: list[bytes]) -> None:
        """One more record, unsynced. O(rows), some 5 us. Raises sqlite3.Error: then there is none."""
        record = _array(len(rows)) + b"".join(rows)
        n, at = self.last + 1, self._end
        data = _HEAD.pack(self._mark, n, len(record), _checksum(n, record)) + record
        end, size = at + len(data), self.size + len(data)
        self._synced, self._torn = False, True
        try:
            self._files[self._generation & 1].write(at, data)
        except sqlite3.Error:
            self._torn = False  # some of it is there, never all
            raise
        # (No call between these: an interrupt comes at one.)
        self.last, self._end, self.size, self._torn = n, end, size, False

    def mark(self) -> Mark:
        """For `back_to`."""
        return self.last, self._end, self.size

    def back_to(self, mark: Mark) -> None:
        """What was appended since is not there: not after a crash either. Raises sqlite3.Error: then it may be."""
        if self._torn or self.last != mark[0]:
            self._files[self._generation & 1].truncate(mark[1])
            self._files[self._generation & 1].sync()
        self.last, self._end, self.size = mark
        self._torn = False

    def sync(self) -> None:
        """All that was appended is on the disk. Raises sqlite3.Error."""
        if self._failed:
            self.secure()
        elif not self._synced:
            self._failed = True
            self._files[self._generation & 1].sync()
            self._failed = False
        self._synced = True

    def turn(self) -> int:
        """What comes next goes to the other file, if that is free; the generation that it goes to.

        Once the tables have all that was appended until now, no generation before that is needed. Raises sqlite3.Error.
        """
        if len(self._before) == 1 and self._end:
            self.sync()
            self._go_to(self._generation + 1)
        return self._generation

    def begin_at(self, generation: int) -> _Begin:
        """What the row of meta says once the tables have what is before `generation`; their own copy goes with it."""
        self._db.execute("DELETE FROM journal")
        return self._salt, generation, self._before[generation], self.last

    def begin_still(self) -> _Begin:
        """What the row of meta says once the tables have more, and not all that they lacked."""
        generation, before = next(iter(self._before.items()))
        return self._salt, generation, before, self.last

    def drop(self, generation: int) -> None:
        """That is committed: what is before `generation` may be written over."""
        for old in [g for g in self._before if g < generation]:
            del self._before[old]
            if self.size > _KEPT_BYTES:
                with suppress(sqlite3.Error):
                    self._files[old & 1].truncate(0)
        self.size = self._end

    # reading

    def open(self, begin: _Begin | None) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
        """Table, where and row of all changes, in the order they were committed; then it can be written.

        `begin`: the row of meta. Raises RowInvalid, sqlite3.Error.
        """
        for _, record in self.records(begin):
            for number, where, row in msgpack.unpackb(record, strict_map_key=False):
                yield _NAMES[number], tuple(where), row

    def records(self, begin: _Begin | None) -> Iterator[tuple[int, bytes]]:
        """The records by their numbers. As `open`."""
        for n, record, checksum in self._db.execute("SELECT n, record, checksum FROM journal ORDER BY n"):
            if type(record) is not bytes or _checksum(n, record) != checksum:
                raise RowInvalid(f"the checksum of journal {n} does not fit")
            self.last = n
            self.size += len(record)
            yield n, record
        if begin is not None:
            self._salt, generation, self.last, had = (*begin, begin[2])[:4]
            yield from self._in_file(generation)
            if self._end:
                yield from self._in_next()
            if self.last < had:
                one, other = (file.path.name for file in self._files)
                raise RowInvalid(
                    f"its journal, in {one} and {other}, ends at record {self.last}, and its tables have some of what "
                    f"record {had} says; put those two back as they were, or a backup in its place"
                )

    def _in_file(self, generation: int) -> Iterator[tuple[int, bytes]]:
        self._go_to(generation)
        data = self._files[generation & 1].read()
        while (record := _record_at(data, self._end, self._mark, self.last + 1)) is not None:
            self.last += 1
            self._end += _HEAD.size + len(record)
            self.size += _HEAD.size + len(record)
            yield self.last, record

    def _in_next(self) -> Iterator[tuple[int, bytes]]:
        """What was committed while a checkpoint ran."""
        generation, end = self._generation, self._end
        found = False
        for found_record in self._in_file(generation + 1):
            found = True
            yield found_record
        if not found:
            del self._before[generation + 1]
            self._generation, self._mark, self._end = generation, self._mark_of(generation), end

    def check(self) -> None:
        """What was committed behind a record that has changed is not passed over. O(journal). Raises RowInvalid."""
        for generation in (self._generation, self._generation + 1):
            file, mark = self._files[generation & 1], self._mark_of(generation)
            data = file.read()
            at = data.find(mark, self._end if generation == self._generation else 0)
            while at >= 0:
                if (n := _number_at(data, at)) > self.last and _record_at(data, at, mark, n) is not None:
                    raise RowInvalid(
                        f"record {self.last + 1} of the journal has changed, and {n} of {file.path.name} follows; put "
                        f"a backup in its place, or remove {file.path.name} to go on without what it holds"
                    )
                at = data.find(mark, at + 1)

    def secure(self) -> None:
        """What was found in the files is on the disk, whatever the system said of it, and nothing behind it.

        Where a sync failed, before a crash too, what is shown as written may not be, and no later sync tells; and
        behind what was lost there may be records whose numbers are given again. It is written beside it, not over
        it: the power may go meanwhile. O(journal). Raises sqlite3.Error.
        """
        current, other = (self._files[generation & 1] for generation in (self._generation, self._generation + 1))
        for file, end in ((current, self._end), (other, None if len(self._before) > 1 else 0)):
            if data := file.read()[:end]:
                file.replace(data)
            else:
                file.truncate(0)
                file.sync()
        self._failed = False

    def close(self) -> None:
        """The files are let go of; what nobody needs any more is removed. Idempotent."""
        for file in self._files:
            file.close()

    def remove(self) -> None:
        """The tables have all of it: there are no files beside the store's. Idempotent."""
        for file in self._files:
            file.remove()

    def _go_to(self, generation: int) -> None:
        self._before[generation] = self.last
        self._generation, self._mark, self._end = generation, self._mark_of(generation), 0

    def _mark_of(self, generation: int) -> bytes:
        return xxhash.xxh3_64_digest(self._salt, seed=generation)


def keep(db: sqlite3.Connection, records: Iterable[tuple[int, bytes]]) -> None:
    """In a copy of a store's file: what its journal held goes along."""
    db.executemany("INSERT INTO journal VALUES (?, ?, ?)", ((n, r, _checksum(n, r)) for n, r in records))


def _number_at(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 8 : at + 16], "little")


def _record_at(data: bytes, at: int, mark: bytes, n: int) -> bytes | None:
    """The record that begins there, if it is record `n` of that generation, whole."""
    begin = at + _HEAD.size
    if begin > len(data):
        return None
    found, number, length, checksum = _HEAD.unpack_from(data, at)
    record = data[begin : begin + length]
    whole = found == mark and number == n and len(record) == length
    return record if whole and _checksum(n, record) == checksum else None


def _checksum(n: int, record: bytes) -> int:
    return xxhash.xxh3_64_intdigest(record, seed=n) >> 1
