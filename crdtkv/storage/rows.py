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

from crdtkv.core.cells import Cell
from crdtkv.storage.base import Floor, Horizon, Life
from crdtkv.storage.pasts import sibling_in

__all__ = [
    "RowInvalid",
    "cell_in",
    "checked",
    "horizon_in",
    "pack_row",
    "unpack_row",
]


_pack: Final = msgpack.Packer().pack


class RowInvalid(Exception):
    """What lies there was not written there. The storage says in which file."""


def pack_row(table: str, where: tuple[Any, ...], row: Any) -> tuple[bytes, int]:
    """The bytes of the row at `where` of a table, and their checksum. O(size). (Of a past it is bytes already.)"""
    blob: bytes = row if type(row) is bytes else _pack(row)
    return blob, _checksum(table, where, blob)


def unpack_row(table: str, where: tuple[Any, ...], blob: Any, checksum: Any) -> Any:
    """What `pack_row` was given, tuples as lists. Raises RowInvalid."""
    return msgpack.unpackb(checked(table, where, blob, checksum), strict_map_key=False)


def checked(table: str, where: tuple[Any, ...], blob: Any, checksum: Any) -> bytes:
    """The bytes of a row. Raises RowInvalid where they are not those that were written there."""
    if type(blob) is not bytes or _checksum(table, where, blob) != checksum:
        raise RowInvalid(f"the checksum of {table} {', '.join(map(repr, where))[:200]} does not fit")
    return blob


def _checksum(table: str, where: tuple[Any, ...], blob: bytes) -> int:
    place = "\0".join(part if type(part) is str else repr(part) for part in (table, *where))
    return xxhash.xxh32_intdigest(place.encode("utf-8", "backslashreplace") + b"\0" + blob)


def cell_in(parts: Any) -> Cell:
    """A cell of what `unpack_row` gave, or of the like in tuples."""
    return tuple([sibling_in(sibling) for sibling in parts])


def horizon_in(parts: Any) -> Horizon:
    """A horizon of what `unpack_row` gave."""
    base, gaps, lives, deleted, floors = parts
    return Horizon(
        base, tuple((a, b) for a, b in gaps), tuple(Life((d[0], d[1]), r, h) for d, r, h in lives),
        deleted, tuple(Floor((d[0], d[1]), before, floor) for d, before, floor in floors),
    )  # fmt: skip
