"""The rows of a store's file: tables, bytes and checksums.

Law of this room: what was written comes back equal, or `RowInvalid` is raised. The
checksum is of the row's table, key and bytes: bits that changed by themselves, and
a row that came to lie in the place of another, are found when it is read.
docs/formats.md says what each row holds.
"""

from __future__ import annotations

from typing import Any

import msgpack
import xxhash

from crdtkv.core.cells import Cell, Sibling
from crdtkv.storage.base import Floor, Horizon, Life, Superseded

__all__ = ["TABLES", "RowInvalid", "cell_in", "horizon_in", "pack_row", "past_in", "unpack_row"]

TABLES = {
    "cell": ("key TEXT, path BLOB, siblings BLOB NOT NULL", "key, path"),
    "context": ("key TEXT, entries BLOB NOT NULL", "key"),
    "past": ("key TEXT, path BLOB, rows BLOB NOT NULL", "key, path"),
    "horizon": ("key TEXT, horizon BLOB NOT NULL", "key"),
    "inbox": ("id TEXT, lost BLOB NOT NULL", "id"),
    "meta": ("name TEXT, value BLOB NOT NULL", "name"),
}
"""Table -> its columns, without the last one, `checksum`; and its primary key."""


class RowInvalid(Exception):
    """What lies there was not written there. The storage says in which file."""


def pack_row(table: str, where: tuple[Any, ...], row: Any) -> tuple[bytes, int]:
    """The bytes of the row at `where` of a table, and their checksum. O(size)."""
    blob: bytes = msgpack.packb(row)
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
    """A cell of what `unpack_row` gave."""
    return tuple(map(_sibling_in, parts))


def past_in(parts: Any) -> tuple[Superseded, ...]:
    """What stood at a place before, of what `unpack_row` gave."""
    return tuple(map(_superseded_in, parts))


def horizon_in(parts: Any) -> Horizon:
    """A horizon of what `unpack_row` gave."""
    base, gaps, lives, deleted, floors = parts
    return Horizon(
        base, tuple((a, b) for a, b in gaps), tuple(Life((d[0], d[1]), r, h) for d, r, h in lives),
        deleted, tuple(Floor((d[0], d[1]), before, floor) for d, before, floor in floors),
    )  # fmt: skip


def _sibling_in(parts: Any) -> Sibling:
    (replica, n), stamp, payload, parents, lost = parts
    return Sibling((replica, n), stamp, payload, tuple((r, m) for r, m in parents), tuple((r, m) for r, m in lost))


def _superseded_in(parts: Any) -> Superseded:
    sibling, by, until, wall_ms = parts
    return Superseded(_sibling_in(sibling), tuple((r, n) for r, n in by), until, wall_ms)
