"""The cells of a large key in memory, those of the usual shape as bytes.

Most cells are one value that replaced nothing. As tuples, numbers and bytes such a one weighs five times as much as
its payload, and Python's collector goes through all of it again and again.

Law of this room: it is a SortedDict of paths and cells to who reads it; what is kept of a cell says all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from struct import Struct, error
from typing import Any

from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, Sibling, newest_stamp
from crdtkv.core.clocks import Dot, Stamp, Vector, covers
from crdtkv.core.ordered import put_behind
from crdtkv.core.paths import ORDER, last_tag

__all__ = ["Packed"]

_HEAD = Struct("<QQH")
"""n, stamp, and whose: its place among those that were met, of whom there are some 65,000 at the most."""

_SIZE = _HEAD.size

_AN_ORDER = b"\0" + ORDER
"""Without that no path leads to an order cell below its root."""

_new = tuple.__new__  # of a NamedTuple: its own takes four times as long
_ids: dict[int, str] = {}
_numbers: dict[str, int] = {}
_new_numbers = count()


class Packed(SortedDict):  # type: ignore[misc]
    """path -> cell, in path order.

    >>> cells = Packed({b"slist\\0e1\\0": (Sibling(("lhr~k3f7", 2), 5, b"\\xa1x"),)})
    >>> cells[b"slist\\0e1\\0"][0].dot, cells.payloads([b"slist\\0e1\\0"])
    (('lhr~k3f7', 2), [b'\\xa1x'])
    """

    def __init__(self, cells: Mapping[bytes, Cell]) -> None:
        super().__init__()
        self.update(cells)

    def __setitem__(self, path: bytes, cell: Cell) -> None:
        _set(self, path, _packed(cell))

    def update(self, cells: Mapping[bytes, Cell]) -> None:
        """All of these too."""
        rows = _rows(cells)
        paths = sorted(rows)
        if put_behind(self._list, paths):
            dict.update(self, rows)
        else:
            SortedDict.update(self, rows)

    def __getitem__(self, path: bytes) -> Cell:
        found: Any = _row(self, path)
        return found if type(found) is tuple else _cell(found)

    def get(self, path: bytes, default: Any = None) -> Any:
        """The cell at `path`. O(1)."""
        found: Any = _get(self, path)
        return default if found is None else found if type(found) is tuple else _cell(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self.items()) == dict(other.items())

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def payloads(self, paths: Iterable[bytes]) -> list[bytes] | None:
        """The payloads at these paths, without making their cells; None where one is of another shape."""
        rows: list[Any] = [_get(self, path) for path in paths]
        return [row[_SIZE:] for row in rows] if set(map(type, rows)) <= {bytes} else None

    def fields(self, paths: Iterable[bytes]) -> list[Any]:
        """Of each cell at these paths, which there are, the `[replica, n, stamp, payload]` of its one sibling; of one
        of another shape the cell."""
        rows: list[Any] = [_row(self, path) for path in paths]
        return [row if type(row) is tuple else _fields(row) for row in rows]

    def dot(self, path: bytes) -> Dot | None:
        """The dot of the one sibling at `path`, a live one, of what `cells.due` never names; None: look at the cell."""
        row: Any = _get(self, path)
        if type(row) is not bytes or row[_SIZE : _SIZE + 1] == b"\xc1" or last_tag(path) == ORDER:
            return None
        n, _, number = _HEAD.unpack_from(row)
        return _ids[number], n

    def dots(self, paths: Iterable[bytes]) -> list[Dot | None]:
        """As `dot` of each, which there are."""
        return [None if found is None else found[:2] for found in self.lone(paths)]

    def lone(self, paths: Iterable[bytes]) -> Iterator[tuple[str, int, Stamp, bytes] | None]:
        """`replica, n, stamp, payload` of the sibling at each of these paths where `dot` gives its dot; else None."""
        unpack, ids = _HEAD.unpack_from, _ids
        for path in paths:
            row: Any = _get(self, path)
            if type(row) is not bytes or row[_SIZE : _SIZE + 1] == b"\xc1" or (
                (_AN_ORDER in path or path[:1] == ORDER) and last_tag(path) == ORDER
            ):  # fmt: skip
                yield None
            else:
                n, stamp, number = unpack(row)
                yield ids[number], n, stamp, row[_SIZE:]

    def beyond(self, vector: Vector) -> list[bytes]:
        """The paths where a sibling stands whose dot `vector` does not cover, in any order. O(cells)."""
        known = {number: vector.get(replica, 0) for number, replica in _ids.copy().items()}
        out, unpack = [], _HEAD.unpack_from
        rows: Iterable[tuple[bytes, Any]] = dict.items(self)
        for path, row in rows:
            if type(row) is tuple:
                if not all(covers(vector, s.dot) for s in row):
                    out.append(path)
            else:
                n, _, number = unpack(row)
                if n > known[number]:
                    out.append(path)
        return out

    def crowded(self) -> list[bytes]:
        """The paths where more than one sibling stands, in any order. O(cells), a glance at each."""
        rows: Iterable[tuple[bytes, Any]] = dict.items(self)
        return [path for path, row in rows if type(row) is tuple and len(row) > 1]

    def weight(self) -> int:
        """Bytes of the payloads. O(cells), a glance at each."""
        rows: Iterable[Any] = dict.values(self)
        return sum([len(row) - _SIZE if type(row) is bytes else sum(len(s[2] or b"") for s in row) for row in rows])

    def newest(self) -> Stamp:
        """The latest stamp. O(cells)."""
        unpack = _HEAD.unpack_from
        rows: Iterable[Any] = dict.values(self)
        found = [newest_stamp(row) if type(row) is tuple else unpack(row)[1] for row in rows]
        return max(found, default=0)


_set, _row, _get = SortedDict.__setitem__, dict.__getitem__, dict.get


def _rows(cells: Mapping[bytes, Cell]) -> dict[bytes, Any]:
    """What is kept of each of these cells: of many that one transaction wrote the head is made once."""
    rows: dict[bytes, Any] = {}
    known: Any = None
    when: Any = None
    head = b""
    for path, cell in cells.items():
        if len(cell) == 1:
            dot, stamp, payload, parents, lost = cell[0]
            if dot is known and stamp is when and payload is not None and not parents and not lost:
                rows[path] = head + payload
                continue
        row = rows[path] = _packed(cell)
        if type(row) is bytes:
            known, when, head = cell[0][0], cell[0][1], row[:_SIZE]
    return rows


def _packed(cell: Cell) -> Any:
    """What is kept of a cell: itself, where it is of another shape."""
    if len(cell) == 1:
        (replica, n), stamp, payload, parents, lost = cell[0]
        if payload is not None and not parents and not lost:
            number = _numbers.get(replica)
            try:
                return _HEAD.pack(n, stamp, _number(replica) if number is None else number) + payload
            except error:
                return cell
    return cell


def _number(replica: str) -> int:
    number = _numbers.setdefault(replica, next(_new_numbers))  # (in one step: stores of several threads share them)
    _ids[number] = replica
    return number


def _cell(row: bytes) -> Cell:
    n, stamp, number = _HEAD.unpack_from(row)
    return (_new(Sibling, ((_ids[number], n), stamp, row[_SIZE:], (), ())),)


def _fields(row: bytes) -> list[Any]:
    n, stamp, number = _HEAD.unpack_from(row)
    return [_ids[number], n, stamp, row[_SIZE:]]
