"""The cells of a large key in memory, each as one string of bytes.

Most cells are one value that replaced nothing. As tuples, numbers and bytes such a one weighs six times as much as its
path and payload, and Python's collector goes through all of it again and again.

A row is a cell's path, 0x00, its payload, and when and by whom it was written. No component begins with 0x00, so rows
are in the order of their paths, and the row of a path is found among them.

Law of this room: it is a sorted mapping of paths and cells to who reads it; what is kept of a cell says all of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, KeysView, Mapping
from itertools import count
from struct import Struct, error
from typing import Any, Final

from crdtkv.core.cells import Cell, Fields, Sibling, newest_stamp, shown_payload
from crdtkv.core.clocks import Dot, Stamp, Vector, covers
from crdtkv.core.paths import ORDER, is_order

__all__ = ["Packed"]

_TAIL: Final = Struct(">QQHH")
"""n, stamp, whose (its place among those that were met, from 1 on), and how long the path is. (Stamps compare
as their bytes do.)"""

_SIZE: Final = _TAIL.size

_ODD: Final = 0
"""In the place of whose: the cell is of another shape, or says where an element was moved, and kept as it is."""

_FULL: Final = 1024
"""Rows of a piece. Where one comes in between, those behind it in its piece are moved."""

_AN_ORDER: Final = b"\0" + ORDER
"""Without that no path leads to an order cell below its root."""

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long
_ids: Final[dict[int, str]] = {}
_numbers: Final[dict[str, int]] = {}
_new_numbers: Final = count(1)


class Packed:
    """path -> cell, in path order.

    >>> cells = Packed({b"slist\\0e1\\0": (Sibling(("lhr~k3f7", 2), 5, b"\\xa1x"),)})
    >>> cells[b"slist\\0e1\\0"][0].dot, cells.payloads([b"slist\\0e1\\0"])
    (('lhr~k3f7', 2), [b'\\xa1x'])
    """

    __slots__ = ("_count", "_odd", "_pieces", "_starts")

    def __init__(self, cells: Mapping[bytes, Cell]) -> None:
        self._pieces: list[list[bytes]] = [[]]
        """The rows, in order. No piece is empty but an only one."""
        self._starts: list[bytes] = [b""]
        """Of each piece what its rows, and all that come, are not less than."""
        self._count = 0
        self._odd: dict[bytes, Cell] = {}
        self.update(cells)

    # one cell

    def __getitem__(self, path: bytes) -> Cell:
        row = self._row(path)
        if row is None:
            raise KeyError(path)
        return self._cell(row)

    def get(self, path: bytes, default: Any = None) -> Any:
        """The cell at `path`. O(log cells)."""
        row = self._row(path)
        return default if row is None else self._cell(row)

    def __contains__(self, path: bytes) -> bool:
        return self._row(path) is not None

    def __setitem__(self, path: bytes, cell: Cell) -> None:
        row, start = self._made(path, cell), path + b"\0"
        last = self._pieces[-1]
        if not last or start > last[-1]:  # behind all others, as most come
            last.append(row)
            self._count += 1
            if len(last) > _FULL:
                self._split(len(self._pieces) - 1, _FULL)
            return
        at = bisect_right(self._starts, start) - 1
        piece = self._pieces[at]
        place = bisect_left(piece, start)
        if place < len(piece) and piece[place].startswith(start):
            piece[place] = row
            return
        piece.insert(place, row)
        self._count += 1
        if len(piece) > _FULL:
            # Where they come in order a piece stays full.
            self._split(at, place if place == len(piece) - 1 else _FULL // 2)

    def _split(self, at: int, place: int) -> None:
        piece = self._pieces[at]
        self._pieces.insert(at + 1, piece[place:])
        self._starts.insert(at + 1, _path(piece[place]) + b"\0")
        del piece[place:]

    def pop(self, path: bytes, default: Any = None) -> Any:
        """The cell at `path`, which is there no more."""
        start = path + b"\0"
        at = bisect_right(self._starts, start) - 1
        piece = self._pieces[at]
        place = bisect_left(piece, start)
        if place == len(piece) or not piece[place].startswith(start):
            return default
        cell = self._cell(piece[place])
        self._odd.pop(path, None)
        del piece[place]
        self._count -= 1
        if not piece and len(self._pieces) > 1:
            del self._pieces[at], self._starts[at]
            self._starts[0] = b""
        return cell

    # many

    def update(self, cells: Mapping[bytes, Cell]) -> None:
        """All of these too. O(log cells) each; of many, or those behind all others, less."""
        if len(cells) * _MANY < self._count and min(cells, default=b"") + b"\0" <= self._pieces[-1][-1]:
            for path, cell in cells.items():
                self[path] = cell
            return
        rows = sorted([self._made(path, cell) for path, cell in cells.items()])
        if rows and self._count and _path(rows[0]) + b"\0" <= self._pieces[-1][-1]:
            # (Of what is in order already a sort is one pass.)
            rows = sorted([row for piece in self._pieces for row in piece if _path(row) not in cells] + rows)
            self._pieces, self._starts, self._count = [[]], [b""], 0
        self._put_behind(rows)

    def _put_behind(self, rows: list[bytes]) -> None:
        last = self._pieces[-1]
        room = max(0, _FULL - len(last))
        last += rows[:room]
        for at in range(room, len(rows), _FULL):
            self._pieces.append(rows[at : at + _FULL])
            self._starts.append(_path(rows[at]) + b"\0")
        self._count += len(rows)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            for row in piece:
                yield _path(row)

    def keys(self) -> KeysView[bytes]:
        """The paths, in order."""
        return KeysView(self)

    def values(self) -> Iterator[Cell]:
        """The cells, in path order."""
        for piece in self._pieces:
            for row in piece:
                yield self._cell(row)

    def items(self) -> Iterator[tuple[bytes, Cell]]:
        """The paths and cells, in path order."""
        for piece in self._pieces:
            for row in piece:
                yield _path(row), self._cell(row)

    def between(self, low: bytes, high: bytes, reverse: bool = False) -> Iterator[tuple[bytes, Cell]]:
        """The paths strictly between `low` and `high`, and their cells, in order. O(log cells) and O(1) each."""
        for row in self._rows(low, high, reverse):
            yield _path(row), self._cell(row)

    def paths_between(self, low: bytes, high: bytes) -> list[bytes]:
        """The paths strictly between `low` and `high`, in order."""
        return [] if self._none(low + b"\1", high + b"\0") else list(map(_path, self._rows(low, high, False)))

    def last(self) -> bytes:
        """The greatest path, of one that is not empty. O(1)."""
        return _path(self._pieces[-1][-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Mapping, Packed)) and dict(self.items()) == dict(other.items())

    def __ne__(self, other: object) -> bool:
        return not self == other

    # what is kept as bytes, without making cells of it

    def shown(self, low: bytes, high: bytes) -> list[bytes]:
        """The payloads that `cells.shown_payload` gives of the cells strictly between, in path order."""
        out = []
        for row in self._rows(low, high, False):
            at = _ends(row) + 1
            if (row[-4] | row[-3]) == _ODD or row[at] == 0xC1:
                payload = shown_payload(self._cell(row))
                if payload is not None:
                    out.append(payload)
            else:
                out.append(row[at:-_SIZE])
        return out

    def standing(self, paths: Collection[bytes]) -> list[bytes]:
        """Those of these paths at which there is a cell. O(paths), little where none stands from first to last."""
        if not paths or self._none(min(paths) + b"\0", max(paths) + b"\1"):
            return []
        return [path for path, row in zip(paths, self._rows_at(paths), strict=True) if row is not None]

    def payloads(self, paths: Iterable[bytes]) -> list[bytes] | None:
        """The payloads at these paths; None where there is none, or one is of another shape."""
        out = []
        for row in self._rows_at(paths):
            if row is None or _odd(row):
                return None
            out.append(_payload(row))
        return out

    def fields(self, paths: Iterable[bytes]) -> list[Any]:
        """Of each cell at these paths, which there are, the `[replica, n, stamp, payload]` of its one sibling; of one
        of another shape the cell."""
        out: list[Any] = []
        for row in self._rows_at(paths):
            assert row is not None, "there is no cell at one of these paths"
            n, stamp, number, size = _TAIL.unpack_from(row, len(row) - _SIZE)
            out.append(self._cell(row) if number == _ODD else [_ids[number], n, stamp, row[size + 1 : -_SIZE]])
        return out

    def dot(self, path: bytes) -> Dot | None:
        """The dot of the one sibling at `path`, a live one, of what `cells.due` never names; None: look at the cell."""
        return self.dots([path])[0]

    def dots(self, paths: Iterable[bytes]) -> list[Dot | None]:
        """As `dot` of each."""
        return [None if found is None else found[:2] for found in self.lone(paths)]

    def dots_from(self, path: bytes) -> list[tuple[bytes, Dot | None]]:
        """The paths from that one on, in order, each with what `dot` gives."""
        out: list[tuple[bytes, Dot | None]] = []
        for row in self._rows_from(path):
            n, _, number, size = _TAIL.unpack_from(row, len(row) - _SIZE)
            usual = number != _ODD and row[size + 1 : size + 2] != b"\xc1"
            out.append((row[:size], (_ids[number], n) if usual else None))
        return out

    def lone(self, paths: Iterable[bytes]) -> list[tuple[str, int, Stamp, bytes] | None]:
        """`replica, n, stamp, payload` of the sibling at each of these paths where `dot` gives its dot; else None."""
        out: list[tuple[str, int, Stamp, bytes] | None] = []
        for row in self._rows_at(paths):
            if row is not None:
                n, stamp, number, size = _TAIL.unpack_from(row, len(row) - _SIZE)
                if number != _ODD and row[size + 1 : size + 2] != b"\xc1":
                    out.append((_ids[number], n, stamp, row[size + 1 : -_SIZE]))
                    continue
            out.append(None)
        return out

    def beyond(self, vector: Vector) -> list[bytes]:
        """The paths where a sibling stands whose dot `vector` does not cover, in any order. O(cells)."""
        known = {number: vector.get(replica, 0) for number, replica in _ids.copy().items()}
        out = [path for path, cell in self._odd.items() if not all(covers(vector, s.dot) for s in cell)]
        for piece in self._pieces:
            for row in piece:
                n, _, number, size = _TAIL.unpack_from(row, len(row) - _SIZE)
                if number != _ODD and n > known[number]:
                    out.append(row[:size])
        return out

    def crowded(self) -> list[bytes]:
        """The paths where more than one sibling stands, in any order. O(those of another shape)."""
        return [path for path, cell in self._odd.items() if len(cell) > 1]

    def weight(self) -> int:
        """Bytes of the payloads. O(cells), a glance at each."""
        return self.weights()[3]

    def weights(self) -> tuple[int, int, int, int]:
        """How many siblings and parents there are, and bytes of paths and of payloads. O(cells), a glance at each."""
        siblings, parents, paths, payloads = self._count - len(self._odd), 0, 0, 0
        for cell in self._odd.values():
            siblings += len(cell)
            for s in cell:
                parents += len(s[3])
                payloads += len(s[2] or b"")
        for piece in self._pieces:
            for row in piece:
                size = _ends(row)
                paths += size
                payloads += len(row) - size - 1 - _SIZE
        return siblings, parents, paths, payloads

    def newest(self) -> Stamp:
        """The latest stamp. O(cells)."""
        odd = max(map(newest_stamp, self._odd.values()), default=0)
        rows = max([row[-12:-4] for piece in self._pieces for row in piece], default=b"")
        return max(odd, int.from_bytes(rows, "big"))

    # rows

    def _row(self, path: bytes) -> bytes | None:
        start = path + b"\0"
        piece = self._pieces[-1]
        if not piece or start > piece[-1]:
            return None
        piece = self._pieces[bisect_right(self._starts, start) - 1]
        place = bisect_left(piece, start)
        if place < len(piece):
            row = piece[place]
            if row.startswith(start):
                return row
        return None

    def _none(self, first: bytes, end: bytes) -> bool:
        """Whether there is no row from `first` on before `end`, in the piece where they would be."""
        at = bisect_right(self._starts, first) - 1
        piece = self._pieces[at]
        place = bisect_left(piece, first)
        if place < len(piece):
            return piece[place] >= end
        return at + 1 == len(self._pieces) or self._pieces[at + 1][0] >= end

    def _rows_at(self, paths: Iterable[bytes]) -> Iterator[bytes | None]:
        """As `_row` of each. O(1) where they follow each other with nothing in between."""
        piece: list[bytes] = []
        place, before = 0, b""
        for path in paths:
            start = path + b"\0"
            if place == len(piece) or not before < start <= piece[place]:
                piece = self._pieces[bisect_right(self._starts, start) - 1]
                place = bisect_left(piece, start)
            before = start
            if place < len(piece) and piece[place].startswith(start):
                yield piece[place]
                place += 1
            else:
                yield None

    def _rows(self, low: bytes, high: bytes, reverse: bool) -> Iterator[bytes]:
        """Those of the paths strictly between `low` and `high`, in order."""
        first, last = low + b"\1", high + b"\0"
        begin, end = bisect_right(self._starts, first) - 1, bisect_right(self._starts, last) - 1
        pieces = self._pieces[begin : end + 1]
        for piece in reversed(pieces) if reverse else pieces:
            rows = piece[bisect_left(piece, first) : bisect_left(piece, last)]
            yield from reversed(rows) if reverse else rows

    def _rows_from(self, path: bytes) -> Iterator[bytes]:
        start = path + b"\0"
        begin = bisect_right(self._starts, start) - 1
        yield from self._pieces[begin][bisect_left(self._pieces[begin], start) :]
        for piece in self._pieces[begin + 1 :]:
            yield from piece

    def _made(self, path: bytes, cell: Cell) -> bytes:
        """What is kept of a cell from now on."""
        if len(cell) == 1:
            fields: Fields = cell[0]
            _, stamp, _, parents, lost = fields
            payload: bytes | None = fields[2]
            dot: Dot = fields[0]
            replica, n = dot
            if payload is not None and not parents and not lost and not _says_where(path):
                number = _numbers.get(replica)
                try:
                    tail = _TAIL.pack(n, stamp, _number(replica) if number is None else number, len(path))
                    if self._odd:
                        self._odd.pop(path, None)
                    return path + b"\0" + payload + tail
                except error:
                    pass  # it is greater than usual
        self._odd[path] = cell
        return path + b"\0" + _TAIL.pack(0, 0, _ODD, len(path))

    def _cell(self, row: bytes) -> Cell:
        n, stamp, number, size = _TAIL.unpack_from(row, len(row) - _SIZE)
        if number == _ODD:
            return self._odd[row[:size]]
        return (_new(Sibling, ((_ids[number], n), stamp, row[size + 1 : -_SIZE], (), ())),)


_MANY: Final = 8


def _ends(row: bytes) -> int:
    """Where its path ends. (By hand: to unpack the tail takes ten times as long.)"""
    return row[-2] << 8 | row[-1]


def _path(row: bytes) -> bytes:
    return row[: _ends(row)]


def _payload(row: bytes) -> bytes:
    return row[_ends(row) + 1 : -_SIZE]


def _odd(row: bytes) -> bool:
    return (row[-4] | row[-3]) == _ODD


def _says_where(path: bytes) -> bool:
    return (path.find(_AN_ORDER) >= 0 or path[:1] == ORDER) and is_order(path)


def _number(replica: str) -> int:
    number = _numbers.setdefault(replica, next(_new_numbers))  # (in one step: stores of several threads share them)
    _ids[number] = replica
    return number
