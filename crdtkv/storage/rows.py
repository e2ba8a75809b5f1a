"""The rows of a store's file: bytes and checksums.

Law of this room: what was written comes back equal, or `RowInvalid` is raised. The
checksum is of the row's table, key and bytes: bits that changed by themselves, and
a row that came to lie in the place of another, are found when it is read.
docs/formats.md says what each row holds.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack
import xxhash

from crdtkv.core.cells import Cell, Sibling
from crdtkv.core.clocks import Dot
from crdtkv.storage.base import Floor, Horizon, Life, Superseded

__all__ = [
    "RowInvalid",
    "cell_in",
    "growth_of",
    "grown",
    "horizon_in",
    "pack_row",
    "past_in",
    "unpack_row",
]


_pack: Final = msgpack.Packer().pack
_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long


class RowInvalid(Exception):
    """What lies there was not written there. The storage says in which file."""


def pack_row(table: str, where: tuple[Any, ...], row: Any) -> tuple[bytes, int]:
    """The bytes of the row at `where` of a table, and their checksum. O(size)."""
    blob: bytes = _pack(row)
    return blob, _checksum(table, where, blob)


def unpack_row(table: str, where: tuple[Any, ...], blob: Any, checksum: Any) -> Any:
    """What `pack_row` was given, tuples as lists. Raises RowInvalid."""
    if type(blob) is not bytes or _checksum(table, where, blob) != checksum:
        raise RowInvalid(f"the checksum of {table} {', '.join(map(repr, where))[:200]} does not fit")
    return msgpack.unpackb(blob, strict_map_key=False)


def _checksum(table: str, where: tuple[Any, ...], blob: bytes) -> int:
    place = "\0".join(part if type(part) is str else repr(part) for part in (table, *where))
    return xxhash.xxh32_intdigest(place.encode("utf-8", "backslashreplace") + b"\0" + blob)


def cell_in(parts: Any) -> Cell:
    """A cell of what `unpack_row` gave, or of the like in tuples."""
    return tuple([_sibling_in(sibling) for sibling in parts])


def past_in(parts: Any) -> tuple[Superseded, ...]:
    """What stood at a place before, of what `unpack_row` gave."""
    return tuple(map(_superseded_in, parts))


_Growth = tuple[tuple[Superseded, ...], list[tuple[str, int, int]]]
"""What came behind the others in a row of `past`, and which went: replica, n, when."""


def growth_of(old: tuple[Superseded, ...], new: tuple[Superseded, ...] | None) -> _Growth | None:
    """How a row of `past` became another; None unless some came behind, or the oldest went. O(row), a glance.

    Each write of a cell adds one: whole, it would be written as often as it is long.
    """
    if not old or not new:
        return None
    first = new[0]
    cut = 0 if old[0] is first else next((i for i, row in enumerate(old) if row is first), len(old))
    left = old[cut:]
    if not left or new[: len(left)] != left:
        return None
    return new[len(left) :], [(*row.sibling.dot, row.wall_ms) for row in old[:cut]]


def grown(rows: tuple[Superseded, ...], growth: Any) -> tuple[Superseded, ...]:
    """The row after that, also where it had grown so already."""
    came, went = growth
    gone = {(replica, n, ms) for replica, n, ms in went}
    all = (*rows, *(row for row in past_in(came) if row not in rows))
    return tuple(row for row in all if (*row.sibling.dot, row.wall_ms) not in gone)


def horizon_in(parts: Any) -> Horizon:
    """A horizon of what `unpack_row` gave."""
    base, gaps, lives, deleted, floors = parts
    return Horizon(
        base, tuple((a, b) for a, b in gaps), tuple(Life((d[0], d[1]), r, h) for d, r, h in lives),
        deleted, tuple(Floor((d[0], d[1]), before, floor) for d, before, floor in floors),
    )  # fmt: skip


def _sibling_in(parts: Any) -> Sibling:
    dot, stamp, payload, parents, lost = parts
    return _new(Sibling, (tuple(dot), stamp, payload, _dots_in(parents), _dots_in(lost)))


def _dots_in(parts: Any) -> tuple[Dot, ...]:
    return tuple([tuple(dot) for dot in parts]) if parts else ()


def _superseded_in(parts: Any) -> Superseded:
    sibling, by, until, wall_ms = parts
    return _new(Superseded, (_sibling_in(sibling), _dots_in(by), until, wall_ms))
