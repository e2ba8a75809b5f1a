"""Records and catch-ups as bytes: MessagePack in an envelope.

Law of this room: `decode(encode(m)) == m`, and whatever bytes come in, `decode` gives
a message whose every part has the right type and size, or raises MessageInvalid; of
a later release FormatTooNew (`core/envelope.py`). Fields are only ever added at the end;
docs/formats.md has worked bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgpack
import xxhash

from crdtkv.core.cells import Cell, Fields, Sibling
from crdtkv.core.clocks import Dot, Stamp, Vector
from crdtkv.core.envelope import seal, unseal
from crdtkv.core.packed import Packed
from crdtkv.core.parts import (
    dot_in,
    dots_in,
    expect,
    fields_in,
    in_order,
    name_in,
    number,
    path_in,
    payload_in,
    stamps_in,
    vector_in,
)
from crdtkv.core.show import show
from crdtkv.core.state import Announcement
from crdtkv.core.tree import Cells
from crdtkv.core.uncollected import uncollected
from crdtkv.core.usual import usual_cells, usual_key, usual_sibling, usual_write
from crdtkv.core.views import Ancestor, View
from crdtkv.errors import MessageInvalid

__all__ = [
    "RECORDS",
    "CatchUp",
    "Floor",
    "KeyCells",
    "Message",
    "Record",
    "RecordWrite",
    "chain",
    "decode",
    "encode",
    "pack_cells",
    "pack_key",
    "unpack_key",
]

RECORDS = 1
"""Version of the wire that records and catch-ups are in: what they are has not changed since."""

_KINDS = {b"r": "record", b"c": "catch-up"}
_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long


class Floor(NamedTuple):
    """The purge floor: `stamp` up to which deleted cells were dropped, `dots` the highest n dropped per replica."""

    stamp: Stamp
    dots: dict[str, int]


class RecordWrite(NamedTuple):
    """One cell that a transaction wrote."""

    key: str
    path: bytes
    payload: bytes | None
    parents: tuple[Dot, ...] = ()
    lost: tuple[Dot, ...] = ()


class Record(NamedTuple):
    """One transaction as its origin minted it; relayed unchanged.

    `needs`: the vector entries that changed since the origin's previous transaction
    (all, on the first after each open), but for those that a record absorbed since needs
    as well. `previous`: the chain hash of the origin's previous record. `lives`: keys made
    anew, and the context entries that replaced.
    """

    dot: Dot
    stamp: Stamp
    previous: int
    needs: dict[str, int]
    floor: Stamp
    writes: tuple[RecordWrite, ...]
    lives: tuple[tuple[str, dict[str, int]], ...] = ()


class KeyCells(NamedTuple):
    """What a catch-up sends of one key: its context, and whole cells."""

    key: str
    context: dict[str, int]
    cells: tuple[tuple[bytes, Cell], ...]


class CatchUp(NamedTuple):
    """All cells with a sibling beyond `since`, under the sender's vector `to`; a full join if `full`.

    `heard`: stamps up to which all of a replica was absorbed. `chains`: hash of each
    replica's last record, where known. `announced`: member -> its last word about what it has heard.
    `digest`: of the sender's whole state at `to`. `lineage`, `ancestry`, `members` and
    `overruled` are its view (`core/views.py`).
    """

    since: dict[str, int]
    to: dict[str, int]
    full: bool
    keys: Collection[KeyCells]
    floor: Floor
    heard: dict[str, int]
    chains: dict[str, int]
    announced: dict[str, Announcement]
    lineage: tuple[str, ...]
    digest: int
    ancestry: tuple[Ancestor, ...] = ()
    members: tuple[str, ...] = ()
    overruled: tuple[Dot, ...] = ()

    @property
    def view(self) -> View:
        """Whom the sender counted when it made this."""
        return View(self.to, self.lineage, self.ancestry, self.members, self.overruled)


Message = Record | CatchUp


def encode(message: Message) -> bytes:
    """The bytes of a message. O(size). TooLarge above MAX_MESSAGE."""
    if isinstance(message, Record):
        return seal(b"r", _record_out(message), RECORDS)
    return seal(b"c", _catch_up_out(message), RECORDS)


def decode(data: Any) -> Message:
    """The message in `data`. O(size).

    Raises MessageInvalid for anything `encode` did not make, FormatTooNew for what is more than one version ahead.

    >>> decode(encode(Record(("lhr~k3f7", 1), 0, 0, {}, 0, ()))).dot
    ('lhr~k3f7', 1)
    """
    kind, body = unseal(data)
    if kind not in _KINDS:
        raise MessageInvalid(f"no message kind {kind!r}; there are {', '.join(map(repr, _KINDS))}")
    try:
        if kind == b"r":
            return _record_in(_unpacked(body))
        with uncollected(len(data)):
            return _catch_up_in(_unpacked(body))
    except MessageInvalid:
        raise
    except Exception as error:
        raise MessageInvalid(f"{_KINDS[kind]} is malformed: {type(error).__name__}: {error}") from error


def pack_key(key: KeyCells) -> bytes:
    """What a catch-up sends of one key, by itself. O(size)."""
    packed: bytes = msgpack.packb(_key_out(key), use_bin_type=True)
    return packed


def pack_cells(key: str, context: Vector, cells: Cells, paths: Sequence[bytes]) -> bytes:
    """As `pack_key` of the cells at these paths, which are in order: what is kept as bytes is not made for it."""
    if not isinstance(cells, Packed):
        return pack_key(KeyCells(key, dict(context), tuple([(path, cells[path]) for path in paths])))
    told = [
        [path, said] if type(said) is list else [path, *map(_sibling_out, said)]
        for path, said in zip(paths, cells.fields(paths), strict=True)
    ]
    packed: bytes = msgpack.packb([key, context, told], use_bin_type=True)
    return packed


def unpack_key(data: bytes) -> KeyCells:
    """What `pack_key` made. Raises MessageInvalid for anything else."""
    try:
        return _key_in(_unpacked(data))
    except MessageInvalid:
        raise
    except Exception as error:
        raise MessageInvalid(f"a key of a catch-up is malformed: {type(error).__name__}: {error}") from error


def _unpacked(body: bytes) -> Any:
    return msgpack.unpackb(body, raw=False, strict_map_key=True)


def chain(data: bytes) -> int:
    """The 63-bit hash of an encoded record that the origin's next record names."""
    return int(xxhash.xxh3_64_intdigest(data)) >> 1


# out


def _dots_out(dots: tuple[Dot, ...]) -> list[Any]:
    return [*dots[0]] if len(dots) == 1 else [part for dot in dots for part in dot]


def _trim(fields: list[Any]) -> list[Any]:
    """Empty fields at the end are not sent."""
    while fields and fields[-1] in ([], {}):
        fields.pop()
    return fields


def _record_out(r: Record) -> list[Any]:
    by_key: dict[str, list[Any]] = {}
    for key, path, payload, parents, lost in r.writes:
        group = by_key.get(key)
        if group is None:
            group = by_key[key] = [key]
        if lost:
            group.append((path, payload, _dots_out(parents), _dots_out(lost)))
        else:
            group.append((path, payload, _dots_out(parents)) if parents else (path, payload))
    writes = list(by_key.values())
    fields = [*r.dot, r.stamp, r.previous, r.needs, r.floor, writes]
    return [*fields, [list(life) for life in r.lives]] if r.lives else fields if writes else _trim(fields)


def _sibling_out(s: Sibling) -> list[Any]:
    fields: Fields = s
    _, stamp, payload, parents, lost = fields
    dot: Dot = fields[0]
    replica, n = dot
    if lost:
        return [replica, n, stamp, payload, _dots_out(parents), _dots_out(lost)]
    return [replica, n, stamp, payload, _dots_out(parents)] if parents else [replica, n, stamp, payload]


def _key_out(k: KeyCells) -> list[Any]:
    return [k.key, k.context, [[path, *map(_sibling_out, cell)] for path, cell in k.cells]]


def _catch_up_out(c: CatchUp) -> list[Any]:
    return [
        c.since, c.to, c.full, [_key_out(k) for k in c.keys], list(c.floor), c.heard, c.chains,
        {m: list(a) for m, a in c.announced.items()}, list(c.lineage), c.digest.to_bytes(16, "big"),
        [[id, *joined] for id, joined in c.ancestry], list(c.members), _dots_out(c.overruled),
    ]  # fmt: skip


# in


def _record_in(body: Any) -> Record:
    lives: Any = []
    if type(body) is list and len(body) == 7:  # most begin no life
        replica, n, stamp, previous, needs, floor, writes = body
    else:
        replica, n, stamp, previous, needs, floor, writes, lives = fields_in(body, 6, ([], []))
    made = (
        dot_in(replica, n), number(stamp), number(previous), vector_in(needs), number(floor),
        tuple([w for group in expect(writes, list) for w in _group_in(group)]),
        tuple([(name_in(key), vector_in(replaced)) for key, replaced in expect(lives, list)]),
    )  # fmt: skip
    return _new(Record, made)


def _group_in(group: Any) -> list[RecordWrite]:
    """The writes of one key."""
    given = expect(group, list)
    name = name_in(given[0])
    return [_write_in(name, write) for write in given[1:]]


def _write_in(key: str, value: Any) -> RecordWrite:
    usual = usual_write(value)
    if usual is not None:
        place, said, named = usual
        return _new(RecordWrite, (key, place, said, named, ()))
    path, payload, *dots = fields_in(value, 2, ([], []))
    parents, lost = map(dots_in, dots)
    return RecordWrite(key, path_in(path), payload_in(payload), parents, lost)


def _sibling_in(value: Any) -> Sibling:
    usual = usual_sibling(value)
    if usual is not None:
        return usual
    replica, n, stamp, payload, parents, lost = fields_in(value, 4, ([], []))
    return Sibling(dot_in(replica, n), number(stamp), payload_in(payload), dots_in(parents), dots_in(lost))


def _keys_in(value: Any) -> tuple[KeyCells, ...]:
    """The keys of a catch-up. What they were made of goes as they come: a message may be large."""
    left = expect(value, list)
    left.reverse()
    return in_order(tuple([_key_in(left.pop()) for _ in range(len(left))]), "key", itemgetter(0))


def _key_in(value: Any) -> KeyCells:
    usual = usual_key(value)
    if usual is not None:
        return _new(KeyCells, usual)
    key, context, cells = fields_in(value, 3, ())
    found = usual_cells(cells)
    if found is None:
        found = in_order(tuple([_cell_in(cell) for cell in expect(cells, list)]), "path", itemgetter(0))
    return KeyCells(name_in(key), vector_in(context), found)


def _cell_in(value: Any) -> tuple[bytes, Cell]:
    if len(expect(value, list)) == 2:
        return path_in(value[0]), (_sibling_in(value[1]),)
    path, *siblings = value
    if not siblings:
        raise MessageInvalid(f"message has an empty cell at {show(path)}; none is sent of a cell that is gone")
    return path_in(path), in_order(tuple(map(_sibling_in, siblings)), "sibling", itemgetter(0))


def _announcement_in(value: Any) -> Announcement:
    total, low, facts = fields_in(value, 3, ())
    return (number(total), number(low), number(facts))


def _ancestor_in(value: Any) -> Ancestor:
    id, origin, n = fields_in(value, 3, ())
    return (expect(id, str), dot_in(origin, n))


def _catch_up_in(body: Any) -> CatchUp:
    since, to, full, keys, floor, heard, chains, announced, lineage, digest, ancestry, members, overruled = fields_in(
        body, 13, ()
    )
    if not expect(lineage, list):
        raise MessageInvalid("message has an empty lineage; the sender's id belongs there")
    stamp, dropped = fields_in(floor, 2, ())
    if len(expect(digest, bytes)) != 16:
        raise MessageInvalid(f"message has a digest of {len(digest)} bytes; 16 belong there")
    return CatchUp(
        vector_in(since), vector_in(to), expect(full, bool),
        _keys_in(keys),
        Floor(number(stamp), vector_in(dropped)), stamps_in(heard), stamps_in(chains),
        {expect(m, str): _announcement_in(said) for m, said in expect(announced, dict).items()},
        tuple(expect(r, str) for r in expect(lineage, list)), int.from_bytes(digest, "big"),
        tuple(map(_ancestor_in, expect(ancestry, list))), tuple(expect(r, str) for r in expect(members, list)),
        dots_in(overruled),
    )  # fmt: skip
