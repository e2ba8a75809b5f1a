"""The row of a key: all that stands in it, or where the rest of it lies.

A key that is one text or whole number, written by one dot, is a *plain* row: columns that
any SQLite tool reads. What has up to `SMALL` cells is *packed*: one blob. What has more is
in *parts*: a row for each cell, so that one of ten thousand is written alone.

Law of this room: `read(key, row(key, held)) == held`, or RowInvalid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgpack
import xxhash
from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, Context, Sibling, due
from crdtkv.core.clocks import Dot, Stamp
from crdtkv.core.paths import STRATEGY, component
from crdtkv.core.tree import Cells
from crdtkv.storage.base import Said
from crdtkv.storage.index import SMALL
from crdtkv.storage.rows import RowInvalid, cell_in

__all__ = [
    "ABSENT",
    "ALONE",
    "PACKED",
    "PARTS",
    "PLAIN",
    "Held",
    "Row",
    "stamp_column",
    "dots_of",
    "due_of",
    "key_row",
    "kind_of",
    "read_key",
    "read_row",
    "weight_of",
]

ABSENT, ALONE, PLAIN, PACKED, PARTS = range(5)
"""There is nothing; a context by itself; a row."""

_MIN, _MAX = -(1 << 63), (1 << 63) - 1
_TEXTS = frozenset([*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB])
_INTEGERS = frozenset([*range(0x80), *range(0xCC, 0xD4), *range(0xE0, 0x100)])
_PLAIN_BYTES = _TEXTS | _INTEGERS

_pack = msgpack.Packer().pack
_name_hash, _row_hash = xxhash.xxh3_64_intdigest, xxhash.xxh32_intdigest

_new = tuple.__new__
"""(Half the time of the call of a named tuple: a scan reads many rows.)"""

Row = tuple[Any, ...]
"""key, mark, origin, n, stamp, root, value, rest, due."""



class Held:
    """The cells and context of a key, and what the tables have of it.

    Of a plain key they are made when they are asked for, of what its row said: most are only read, and what it
    said is nothing that Python's collector has to go through.
    """

    __slots__ = ("cells", "changed", "context", "dots", "kind", "said", "used", "weight")
    cells: Cells
    context: Context

    def __init__(self, cells: Cells, context: Context, kind: int = ABSENT, dots: tuple[Dot, ...] = ()) -> None:
        self.cells, self.context = cells, context
        self.said: Said | None = None
        """What the row of a plain key says, as long as that is all there is of it."""
        self.kind = kind
        """How the tables have it."""
        self.dots = dots
        """Under which dots the tables list it: of each replica none of its own is above. (Of a plain one not said.)"""
        self.changed: set[bytes] | None = None
        """The paths that the tables do not have as they are; None if they have all, and the context."""
        self.used = False
        self.weight = 0

    @classmethod
    def of_row(cls, said: Said) -> Held:
        """A plain key, as its row has it."""
        held = _new_held(cls)
        held.said, held.kind, held.dots, held.changed, held.used, held.weight = said, PLAIN, (), None, False, 0
        return held

    def __getattr__(self, name: str) -> Any:
        if name not in ("cells", "context") or self.said is None:
            raise AttributeError(name)
        _, replica, n, stamp, spec, value, rest, _ = self.said
        sibling = _new(Sibling, ((replica, n), stamp, _pack(value), ((replica, rest),) if rest is not None else (), ()))
        self.cells, self.context = {_root(spec): (sibling,)}, {replica: n}
        return getattr(self, name)

    def begin_to_change(self) -> None:
        """What its row said is not all there is of it any more. Idempotent."""
        if self.said is not None:
            self.cells  # noqa: B018  (it is made of that)
            self.said = None


_new_held = object.__new__


def weight_of(held: Held) -> int:
    """Some bytes: of a key of one cell what was measured, of others what that says."""
    if held.said is not None:
        value = held.said[5]
        return 1_250 + (len(value) if type(value) is str else 8)
    weight = 900
    for cell in held.cells.values():
        weight += 350
        for sibling in cell:
            weight += len(sibling[2] or b"")
    return weight


def key_row(key: str, held: Held, kind: int, dots: tuple[Dot, ...], number: Callable[[str], int]) -> Row:
    """The row of a key that has cells; `number` gives that of a name. O(cells), of a key in parts O(1)."""
    (replica, n), *_ = dots
    if kind == PLAIN:
        ((path, (sibling,)),) = held.cells.items()
        value, root = msgpack.unpackb(sibling.payload), path[1:-1].decode()
        rest = sibling.parents[0][1] if sibling.parents else None
        mark = _mark((key, replica, n, sibling.stamp, root, value, rest, None))  # (a value is never due)
        return (key, mark, number(replica), n, sibling.stamp, number(root), value, rest, None)
    cells = None if kind == PARTS else sorted(held.cells.items())
    rest, when = _pack((held.context, dots, cells)), None if cells is None else due_of(cells)
    mark = _mark((key, replica, n, None, None, None, rest, when))
    return (key, mark, number(replica), n, None, None, None, rest, when)


def kind_of(held: Held) -> int:
    """How a key is written."""
    count = len(held.cells)
    if count != 1:
        return PACKED if 0 < count <= SMALL else PARTS if count else ALONE if held.context else ABSENT
    ((path, cell),) = held.cells.items()
    return PLAIN if len(cell) == 1 and _is_plain(path, cell[0], held.context) else PACKED


def _is_plain(path: bytes, sibling: Sibling, context: Context) -> bool:
    (replica, n), stamp, payload, parents, lost = sibling
    return (
        payload is not None
        and payload[:1] != b"\xc1"
        and stamp <= _MAX
        and context == {replica: n}
        and not lost
        and (not parents or (len(parents) == 1 and parents[0][0] == replica))
        and _is_root(path)
        and _as_column(payload) is not None
    )


def _is_root(path: bytes) -> bool:
    if path[:1] != STRATEGY or path.find(b"\0") != len(path) - 1:
        return False
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_column(payload: bytes) -> Any:
    """The text or whole number that SQLite keeps in the place of `payload`, None if it is nothing of that."""
    if payload[0] not in _PLAIN_BYTES:
        return None
    try:
        value = msgpack.unpackb(payload)
    except (ValueError, msgpack.UnpackException):
        return None
    if _pack(value) != payload:
        return None
    if type(value) is int:
        return value if _MIN <= value <= _MAX else None
    return None if "\0" in value else value


def dots_of(cells: Iterable[Cell], over: Iterable[Dot] = ()) -> tuple[Dot, ...]:
    """Of each replica the highest n that stands in `cells`, or is in `over`, in order."""
    found: dict[str, int] = dict(over)
    for cell in cells:
        for (replica, n), *_ in cell:
            if n > found.get(replica, 0):
                found[replica] = n
    return tuple(sorted(found.items()))


def due_of(cells: Iterable[tuple[bytes, Cell]]) -> Stamp | None:
    """From which purge floor on one of these cells may be dropped."""
    return stamp_column(min((when for path, cell in cells if (when := due(path, cell)) is not None), default=None))


def stamp_column(when: Stamp | None) -> Stamp | None:
    """The stamp that stands in a column: SQLite's integers end at half of what stamps do, in the year 6429."""
    return None if when is None else min(when, _MAX)


def read_row(row: Row, name: Mapping[int | None, str | None]) -> Said:
    """key, replica, n, stamp, strategy, value, rest, due: what a row says; `name` gives that of a number (None: None).

    Raises RowInvalid.
    """
    key, mark, origin, n, stamp, root, value, rest, when = row
    try:
        said = (key, name[origin], n, stamp, name[root], value, rest, when)
    except (KeyError, TypeError):
        raise RowInvalid(f"{key!r:.200} has names {origin!r:.50} and {root!r:.50}, which are none") from None
    if _mark(said) != mark:
        raise RowInvalid(f"the checksum of {key!r:.200} does not fit")
    return said


def read_key(said: Said, parts: Callable[[str], dict[bytes, Cell]]) -> Held:
    """What stands in a key, of what its row says. `parts` gives the cells of a key in parts. Raises RowInvalid."""
    key, *_, spec, _, rest, _ = said
    if spec is not None:
        return Held.of_row(said)
    context, listed, packed = msgpack.unpackb(rest, strict_map_key=False)
    dots = tuple((r, m) for r, m in listed)
    if packed is None:
        return Held(SortedDict(parts(key)), context, PARTS, dots)
    return Held({path: cell_in(cell) for path, cell in packed}, context, PACKED, dots)


@lru_cache
def _root(spec: str) -> bytes:
    return component(STRATEGY, spec.encode())


def _mark(said: Said) -> int:
    """16 bits that a key's version begins with, and 31 of a checksum over the row: six bytes in the file."""
    return (_name_hash(said[0].encode()) & 0xFFFF) << 31 | _row_hash(_pack(said)) >> 1
