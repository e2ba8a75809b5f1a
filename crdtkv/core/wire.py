"""Messages between colos as bytes: a version byte, a kind, MessagePack, a checksum.

Law of this room: `decode(encode(m)) == m`, and whatever bytes come in, `decode` gives
a message whose every part has the right type and size, or raises MessageInvalid; of
a later release FormatTooNew, which the version and the checksum tell, both where
they always were. Fields are only ever added at the end; docs/formats.md has worked bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from operator import itemgetter, lt
from sys import intern
from typing import Any, NamedTuple, TypeVar

import msgpack
import xxhash

from crdtkv.core.cells import Cell, Sibling, check_payload
from crdtkv.core.clocks import Dot, Stamp
from crdtkv.core.keys import MAX_KEY
from crdtkv.core.paths import MEMBER, STRATEGY, split
from crdtkv.core.show import show
from crdtkv.core.state import Announcement
from crdtkv.core.uncollected import uncollected
from crdtkv.core.usual import usual_dots, usual_path, usual_payload, usual_sibling, usual_write
from crdtkv.core.views import Ancestor, View
from crdtkv.errors import FormatTooNew, MessageInvalid, TooLarge

__all__ = [
    "MAX_MESSAGE",
    "VERSION",
    "CatchUp",
    "Floor",
    "KeyCells",
    "Message",
    "Record",
    "RecordWrite",
    "chain",
    "decode",
    "encode",
]

VERSION = 1
MAX_MESSAGE = 1 << 30
"""A message is at most 1 GiB."""

_CHECK = 4
_KINDS = {b"r": "record", b"c": "catch-up"}
_T = TypeVar("_T")


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
    (all, on the first after each open). `previous`: the chain hash of the origin's
    previous record. `lives`: keys made anew, and the context entries that replaced.
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
    keys: tuple[KeyCells, ...]
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
    kind, body = (b"r", _record_out(message)) if isinstance(message, Record) else (b"c", _catch_up_out(message))
    data: bytes = bytes((VERSION,)) + kind + msgpack.packb(body, use_bin_type=True)
    if len(data) + _CHECK > MAX_MESSAGE:
        raise TooLarge(f"message is {len(data)} bytes; at most {MAX_MESSAGE}")
    return data + xxhash.xxh32_digest(data)


def decode(data: bytes) -> Message:
    """The message in `data`. O(size).

    Raises MessageInvalid for anything `encode` did not make, FormatTooNew for what a later one made.

    >>> decode(encode(Record(("lhr~k3f7", 1), 0, 0, {}, 0, ()))).dot
    ('lhr~k3f7', 1)
    """
    if type(data) is not bytes:
        raise MessageInvalid(f"message is {type(data).__name__}; bytes are wanted")
    if len(data) < 2 + _CHECK or len(data) > MAX_MESSAGE:
        raise MessageInvalid(f"message is {len(data)} bytes; {2 + _CHECK} to {MAX_MESSAGE} are allowed")
    if xxhash.xxh32_digest(data[:-_CHECK]) != data[-_CHECK:]:
        raise MessageInvalid(f"checksum of a message of {len(data)} bytes does not fit; it was truncated or altered")
    if data[0] > VERSION:
        raise FormatTooNew(f"message has wire version {data[0]}; this release speaks {VERSION}")
    if data[0] != VERSION:
        raise MessageInvalid(f"message has wire version {data[0]}, which never was; this release speaks {VERSION}")
    kind = data[1:2]
    if kind not in _KINDS:
        raise MessageInvalid(f"no message kind {kind!r}; there are {', '.join(map(repr, _KINDS))}")
    try:
        if kind == b"r":
            return _record_in(_unpacked(data))
        with uncollected(len(data)):
            return _catch_up_in(_unpacked(data))
    except MessageInvalid:
        raise
    except Exception as error:
        raise MessageInvalid(f"{_KINDS[kind]} is malformed: {type(error).__name__}: {error}") from error


def _unpacked(data: bytes) -> Any:
    return msgpack.unpackb(data[2:-_CHECK], raw=False, strict_map_key=True)


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
    return _trim([*s.dot, s.stamp, s.payload, _dots_out(s.parents), _dots_out(s.lost)])


def _catch_up_out(c: CatchUp) -> list[Any]:
    keys = [[k.key, k.context, [[path, *map(_sibling_out, cell)] for path, cell in k.cells]] for k in c.keys]
    return [
        c.since, c.to, c.full, keys, list(c.floor), c.heard, c.chains,
        {m: list(a) for m, a in c.announced.items()}, list(c.lineage), c.digest.to_bytes(16, "big"),
        [[id, *joined] for id, joined in c.ancestry], list(c.members), _dots_out(c.overruled),
    ]  # fmt: skip


# in: nothing of what comes is believed


def _is(value: Any, kind: type[_T]) -> _T:
    if type(value) is not kind:
        raise MessageInvalid(f"message has {show(value)} where {kind.__name__} belongs")
    return value


def _number(value: Any) -> int:
    if _is(value, int) < 0:
        raise MessageInvalid(f"message has the number {value}; at least 0")
    return int(value)


def _vector_in(value: Any) -> dict[str, int]:
    """`value` itself: it was unpacked for us."""
    for replica, n in _is(value, dict).items():
        if type(replica) is not str or type(n) is not int or n < 0:
            _is(replica, str), _number(n)
    return value  # type: ignore[no-any-return]


def _dots_in(value: Any) -> tuple[Dot, ...]:
    usual = usual_dots(value)
    if usual is not None:
        return usual
    parts = _is(value, list)
    if len(parts) % 2:
        raise MessageInvalid(f"message has {len(parts)} parts of dots; an even number belongs here")
    return tuple(_dot_in(r, n) for r, n in zip(parts[::2], parts[1::2], strict=True))


def _dot_in(replica: Any, n: Any) -> Dot:
    if not _number(n):
        raise MessageInvalid(f"message has a transaction 0 of {show(replica)}; they count from 1")
    return intern(_is(replica, str)), n


def _name_in(key: Any) -> str:
    if not 1 <= len(_is(key, str)) <= MAX_KEY // 4 and not 1 <= len(key.encode()) <= MAX_KEY:
        raise MessageInvalid(
            f"message has a key of {len(key)} characters, {show(key)}; 1 to {MAX_KEY} bytes belong there"
        )
    return str(key)


def _in_order(parts: tuple[_T, ...], what: str, by: Callable[[_T], Any]) -> tuple[_T, ...]:
    """`parts`, if each comes after the one before it."""
    if len(parts) > 1:
        places = list(map(by, parts))
        if not all(map(lt, places, places[1:])):
            one, after = next((a, b) for a, b in pairwise(places) if not a < b)
            raise MessageInvalid(f"message has {what} {show(after)} after {show(one)}; each once, in order")
    return parts


def _payload_in(value: Any) -> bytes | None:
    if usual_payload(value):
        return value  # type: ignore[no-any-return]
    payload = None if value is None else _is(value, bytes)
    check_payload(payload)
    return payload


def _path_in(value: Any) -> bytes:
    path = _is(value, bytes)
    if usual_path(path):
        return path
    for tag, data in split(path):
        if tag in (STRATEGY, MEMBER):
            data.decode("utf-8")
    return path


def _fields(value: Any, least: int, defaults: tuple[Any, ...]) -> list[Any]:
    given = _is(value, list)
    if len(given) == least and not defaults:
        return given
    if not least <= len(given) <= least + len(defaults):
        raise MessageInvalid(f"message has {len(given)} fields where {least} to {least + len(defaults)} belong")
    return given + list(defaults[len(given) - least :])


def _record_in(body: Any) -> Record:
    replica, n, stamp, previous, needs, floor, writes, lives = _fields(body, 6, ([], []))
    return Record(
        _dot_in(replica, n), _number(stamp), _number(previous), _vector_in(needs), _number(floor),
        tuple([w for group in _is(writes, list) for w in _group_in(group)]),
        tuple((_name_in(key), _vector_in(replaced)) for key, replaced in _is(lives, list)),
    )  # fmt: skip


def _group_in(group: Any) -> list[RecordWrite]:
    """The writes of one key."""
    key, *writes = _is(group, list)
    name = _name_in(key)
    return [_write_in(name, w) for w in writes]


def _write_in(key: str, value: Any) -> RecordWrite:
    usual = usual_write(value)
    if usual is not None:
        return RecordWrite(key, *usual)
    path, payload, *dots = _fields(value, 2, ([], []))
    parents, lost = map(_dots_in, dots)
    return RecordWrite(key, _path_in(path), _payload_in(payload), parents, lost)


def _sibling_in(value: Any) -> Sibling:
    usual = usual_sibling(value)
    if usual is not None:
        return usual
    replica, n, stamp, payload, parents, lost = _fields(value, 4, ([], []))
    return Sibling(_dot_in(replica, n), _number(stamp), _payload_in(payload), _dots_in(parents), _dots_in(lost))


def _keys_in(value: Any) -> tuple[KeyCells, ...]:
    """The keys of a catch-up. What they were made of goes as they come: a message may be large."""
    left = _is(value, list)
    left.reverse()
    return _in_order(tuple([_key_in(left.pop()) for _ in range(len(left))]), "key", itemgetter(0))


def _key_in(value: Any) -> KeyCells:
    key, context, cells = _fields(value, 3, ())
    found = tuple([_cell_in(cell) for cell in _is(cells, list)])
    return KeyCells(_name_in(key), _vector_in(context), _in_order(found, "path", itemgetter(0)))


def _cell_in(value: Any) -> tuple[bytes, Cell]:
    if len(_is(value, list)) == 2:
        return _path_in(value[0]), (_sibling_in(value[1]),)
    path, *siblings = value
    if not siblings:
        raise MessageInvalid(f"message has an empty cell at {show(path)}; none is sent of a cell that is gone")
    return _path_in(path), _in_order(tuple(map(_sibling_in, siblings)), "sibling", itemgetter(0))


def _announcement_in(value: Any) -> Announcement:
    total, low, facts = _fields(value, 3, ())
    return (_number(total), _number(low), _number(facts))


def _ancestor_in(value: Any) -> Ancestor:
    id, origin, n = _fields(value, 3, ())
    return (_is(id, str), _dot_in(origin, n))


def _catch_up_in(body: Any) -> CatchUp:
    since, to, full, keys, floor, heard, chains, announced, lineage, digest, ancestry, members, overruled = _fields(
        body, 13, ()
    )
    if not _is(lineage, list):
        raise MessageInvalid("message has an empty lineage; the sender's id belongs there")
    stamp, dropped = _fields(floor, 2, ())
    if len(_is(digest, bytes)) != 16:
        raise MessageInvalid(f"message has a digest of {len(digest)} bytes; 16 belong there")
    return CatchUp(
        _vector_in(since), _vector_in(to), _is(full, bool),
        _keys_in(keys),
        Floor(_number(stamp), _vector_in(dropped)), _vector_in(heard), _vector_in(chains),
        {_is(m, str): _announcement_in(said) for m, said in _is(announced, dict).items()},
        tuple(_is(r, str) for r in _is(lineage, list)), int.from_bytes(digest, "big"),
        tuple(map(_ancestor_in, _is(ancestry, list))), tuple(_is(r, str) for r in _is(members, list)),
        _dots_in(overruled),
    )  # fmt: skip
