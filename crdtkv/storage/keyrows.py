"""The row of a key: all that stands in it, or where the rest of it lies.

A key that is one text or whole number, written by one dot, is a *plain* row: columns that
any SQLite tool reads. What has up to `SMALL` cells is *packed*: one blob. What has more is
in *parts*: a row for each cell, so that one of ten thousand is written alone.

Law of this room: `read(key, row(key, held)) == held`, or RowInvalid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import msgpack
import xxhash

from crdtkv.core.cells import Cell, Context, due
from crdtkv.core.clocks import Dot, Stamp
from crdtkv.core.packed import Packed
from crdtkv.core.paths import STRATEGY
from crdtkv.core.tree import Cells
from crdtkv.storage.base import Said
from crdtkv.storage.held import ABSENT, ALONE, PACKED, PARTS, PLAIN, Held
from crdtkv.storage.index import SMALL
from crdtkv.storage.rows import RowInvalid, cell_in

__all__ = [
    "READ",
    "Names",
    "Row",
    "stamp_column",
    "dots_of",
    "due_of",
    "key_row",
    "kind_of",
    "pack_parts",
    "read_key",
    "read_row",
    "said_of",
]

_MIN: Final = -(1 << 63)
_MAX: Final = (1 << 63) - 1
_TEXTS: Final = frozenset([*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB])
_INTEGERS: Final = frozenset([*range(0x80), *range(0xCC, 0xD4), *range(0xE0, 0x100)])
_TEXT_HEADS: Final = {0xD9: (2, 0x20), 0xDA: (3, 0x100), 0xDB: (5, 0x10000)}
"""By the first byte of a packed text: where it begins, and how long it is at least."""

_pack: Final = msgpack.Packer().pack
_name_hash: Final = xxhash.xxh3_64_intdigest
_row_hash: Final = xxhash.xxh32_intdigest

Row = tuple[Any, ...]
"""key, mark, origin, n, stamp, root, value, rest, due; of a part key, path, siblings, due, checksum."""

READ = "key, mark, origin << 32 | ifnull(root, 4294967295), n, stamp, ifnull(value, due), rest"
"""What `read_row` asks of a row of `cell`: a column less saves a fifteenth of what SQLite takes. A plain row has a root
and a value and is never due, of another it is the reverse."""

_NO_ROOT: Final = 0xFFFFFFFF


def key_row(key: str, held: Held, kind: int, dots: tuple[Dot, ...], number: Callable[[str], int]) -> Row:
    """The row of a key that has cells; `number` gives that of a name. O(cells), of a key in parts O(1)."""
    (replica, n), *_ = dots
    if held.said is not None:
        _, _, _, stamp, spec, value, rest, _ = held.said  # (a value is never due)
        return (key, _mark(held.said), number(replica), n, stamp, number(spec), value, rest, None)
    cells = None if kind == PARTS else sorted(held.cells.items())
    rest, when = _pack((held.context, dots, cells)), None if cells is None else due_of(cells)
    mark = _mark((key, replica, n, None, None, None, rest, when))
    return (key, mark, number(replica), n, None, None, None, rest, when)


def kind_of(key: str, held: Held) -> int:
    """How a key is written. One that is plain says so from now on."""
    if held.said is not None:
        return PLAIN
    count = len(held.cells)
    if count != 1:
        return PACKED if 0 < count <= SMALL else PARTS if count else ALONE if held.context else ABSENT
    said = said_of(key, held.cells, held.context, held.base)
    if said is None:
        return PACKED
    held.say(said)
    return PLAIN


def said_of(key: str, cells: Cells, context: Context, base: Dot | None) -> Said | None:
    """What the row of a key says that has this one cell; None if it is not a plain one.

    `base`: from which dot on all is known of it. That it is this one, the row can say.
    """
    [(path, cell)] = cells.items()
    if len(cell) != 1:
        return None
    (replica, n), stamp, payload, parents, lost = cell[0]
    if payload is None or lost or len(context) > 1 or context.get(replica) != n or stamp > _MAX:
        return None
    if parents and (len(parents) > 1 or parents[0][0] != replica):
        return None
    spec, value = _spec_at(path), _as_column(payload)
    if spec is None or value is None:
        return None
    rest = parents[0][1] if parents else 0
    return (key, replica, n, stamp, spec, value, -rest if base == (replica, n) else rest or None, None)


@lru_cache
def _spec_at(path: bytes) -> str | None:
    """The strategy whose root that is, None of what is no root, or named by what is no text."""
    if path[:1] != STRATEGY or path.find(b"\0") != len(path) - 1:
        return None
    try:
        return path[1:-1].decode()
    except UnicodeDecodeError:
        return None


def _as_column(payload: bytes) -> Any:
    """The text or whole number that SQLite keeps in the place of `payload`, None if it is nothing of that."""
    first = payload[0]
    if first in _TEXTS:
        return _text_in(payload, first)
    if first not in _INTEGERS:
        return None
    try:
        value = msgpack.unpackb(payload)
    except (ValueError, msgpack.UnpackException):
        return None
    return value if _pack(value) == payload and _MIN <= value <= _MAX else None


def _text_in(payload: bytes, first: int) -> str | None:
    """The text that is packed there, if it is packed in as few bytes as can be and SQLite's tools show all of it."""
    if first < 0xC0:
        head, least, length = 1, 0, first & 0x1F
    else:
        head, least = _TEXT_HEADS[first]
        length = int.from_bytes(payload[1:head], "big")
    if length < least or length != len(payload) - head:
        return None
    try:
        text = payload[head:].decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def dots_of(cells: Iterable[Cell], over: Iterable[Dot] = ()) -> tuple[Dot, ...]:
    """Of each replica the highest n that stands in `cells`, or is in `over`, in order."""
    found: dict[str, int] = dict(over)
    for cell in cells:
        for sibling in cell:
            replica, n = sibling[0]
            if n > found.get(replica, 0):
                found[replica] = n
    return tuple(sorted(found.items()))


def pack_parts(key: str, cells: Packed, paths: list[bytes], dots: dict[str, int]) -> Iterator[Row]:
    """The rows of the cells at these paths of a key in parts, as `pack_row("part", (key, path, due), cell)` makes each.

    `dots`: of each replica the highest n that stands in any of them too, once all are made. O(size).
    """
    pack, hash, head = _pack, _row_hash, f"part\0{key}\0"
    for path, found in zip(paths, cells.lone(paths), strict=True):
        if found is None:
            cell = cells[path]
            when, blob = stamp_column(due(path, cell)), pack(cell)
            dots.update(dots_of([cell], dots.items()))
        else:
            replica, n, stamp, payload = found
            when, blob = None, pack((((replica, n), stamp, payload, (), ()),))
            if n > dots.get(replica, 0):
                dots[replica] = n
        place = f"{head}{path!r}\0{when!r}\0".encode("utf-8", "backslashreplace")
        yield (key, path, blob, when, hash(place + blob))


def due_of(cells: Iterable[tuple[bytes, Cell]]) -> Stamp | None:
    """From which purge floor on one of these cells may be dropped."""
    return stamp_column(min((when for path, cell in cells if (when := due(path, cell)) is not None), default=None))


def stamp_column(when: Stamp | None) -> Stamp | None:
    """The stamp that stands in a column: SQLite's integers end at half of what stamps do, in the year 6429."""
    return None if when is None else min(when, _MAX)


class Names:
    """The names that stand in rows as numbers."""

    __slots__ = ("_pairs", "number_of", "of")

    def __init__(self, number_of: dict[str, int]) -> None:
        self.number_of = number_of
        self.of = {number: name for name, number in number_of.items()}
        self._pairs: dict[Any, tuple[str, str | None]] = {}

    def add(self, name: str, number: int) -> None:
        """A number, once given, is that name's for ever."""
        self.number_of[name], self.of[number] = number, name

    def pair(self, both: Any) -> tuple[str, str | None] | None:
        """The replica and the strategy (None: no root) of a row that was read; None if a number is none. O(1)."""
        found = self._pairs.get(both)
        if found is None and type(both) is int:
            replica, root = self.of.get(both >> 32), both & _NO_ROOT
            if replica is not None and (root == _NO_ROOT or root in self.of):
                found = self._pairs[both] = replica, self.of.get(root)
        return found


def read_row(row: Row, names: Names) -> Said:
    """key, replica, n, stamp, strategy, value, rest, due: what a row says, of which `READ` was asked.

    Raises RowInvalid.
    """
    key, mark, both, n, stamp, value, rest = row
    pair = names.pair(both)
    if pair is None:
        raise RowInvalid(f"{key!r:.200} has names by the numbers in {both!r:.50}, which are none")
    replica, spec = pair
    said = (key, replica, n, stamp, None, None, rest, value) if spec is None else (
        key, replica, n, stamp, spec, value, rest, None
    )  # fmt: skip
    if type(key) is not str:
        raise RowInvalid(f"a row has {key!r:.200} in the place of its key")
    if _mark(said) != mark:
        raise RowInvalid(f"the checksum of {key!r:.200} does not fit")
    return said


def read_key(said: Said, parts: Callable[[str], dict[bytes, Cell]]) -> Held:
    """What stands in a key, of what its row says. `parts` gives the cells of a key in parts. Raises RowInvalid."""
    key, *_, spec, _, rest, _ = said
    if spec is not None:
        return Held.of_row(said)
    context, dots, packed = msgpack.unpackb(rest, strict_map_key=False, use_list=False)
    if packed is None:
        return Held(Packed(parts(key)), context, PARTS, dots)
    return Held({path: cell_in(cell) for path, cell in packed}, context, PACKED, dots)


def _mark(said: Said) -> int:
    """16 bits that a key's version begins with, and 31 of a checksum over the row: six bytes in the file."""
    key: str = said[0]
    return (_name_hash(key.encode()) & 0xFFFF) << 31 | _row_hash(_pack(said)) >> 1
