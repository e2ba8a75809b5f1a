"""What stands at one place, and the one join of all strategies.

"When a sibling is here and not there, is it because here was written and there
has not heard, or because there has seen it and replaced it?" The version
vectors answer: there has seen it if its vector covers the sibling's dot.

A cell is a tuple of siblings sorted by dot, usually one; no cell is `()`. Every
touch of a cell leaves exactly one sibling bearing the dot of the touch, a
tombstone if it took something away. A sibling never changes: equal (dot, cell)
means equal sibling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgpack

from crdtkv.core.clocks import Dot, Stamp, Vector, covers
from crdtkv.core.paths import ORDER, last_tag
from crdtkv.core.show import show
from crdtkv.errors import MessageInvalid

__all__ = [
    "MARK_ARRAY",
    "MARK_OBJECT",
    "MARK_PLAIN",
    "TOMBSTONE",
    "Cell",
    "Context",
    "Fields",
    "Hider",
    "Sibling",
    "Told",
    "check_payload",
    "due",
    "expiry",
    "expiry_of",
    "hide",
    "is_hider",
    "is_life",
    "is_live",
    "is_mark",
    "is_sweep",
    "is_value",
    "join_cells",
    "join_contexts",
    "latest",
    "make_cell",
    "newest_stamp",
    "only_tombstones",
    "rank",
    "shown_payload",
    "spent",
    "sweep",
    "told",
    "unhide",
    "unspent",
]

Context = Vector
"""A key context: replica -> highest n that touched the key. A key's version."""

TOMBSTONE: Final = None
# 0xc1 begins no MessagePack value, so what starts with it is never a client's value.
MARK_OBJECT: Final = b"\xc1{"
MARK_ARRAY: Final = b"\xc1["
MARK_PLAIN: Final = b"\xc1*"
_HIDE: Final = b"\xc1h"
_SWEEP: Final = b"\xc1w"
_SPENT: Final = b"\xc1d"
_EXPIRY: Final = b"\xc1t"

_AN_ORDER: Final = b"\0" + ORDER
"""Without that no path leads to an order cell below its root."""


class Sibling(NamedTuple):
    """One write of one cell.

    `payload` is a packed value, a container's mark, a hider, or None: a tombstone.
    `parents` are the dots it replaced here, `lost` those of them that the writer's
    base had not covered (a lost write of whoever minted them).
    """

    dot: Dot
    stamp: Stamp
    payload: bytes | None
    parents: tuple[Dot, ...] = ()
    lost: tuple[Dot, ...] = ()


Cell = tuple[Sibling, ...]

Fields = tuple[Any, ...]
"""A named tuple that is taken apart by place: on the hot path, where the names of its fields take ten times as long."""


Told = tuple[Stamp, dict[str, int]]
"""When a sweep was written, and what its writer knew of the key."""


class Hider(NamedTuple):
    """What a delete of much at once took away: everything that `seen` covers.

    `kind` is the mark of the container it hid. A sweep may be bounded: to the paths
    before its cell's path + `below`, or to those listed in `only`. `knew`: what its
    writer knew of the key, where that is more than `seen`. `stood`: the sweeps whose place
    it has taken, where it does not take all that they took.
    """

    seen: dict[str, int]
    kind: bytes = MARK_PLAIN
    below: bytes | None = None
    only: tuple[bytes, ...] | None = None
    knew: dict[str, int] | None = None
    stood: tuple[Told, ...] = ()


def make_cell(siblings: Iterable[Sibling]) -> Cell:
    """The cell that holds `siblings`."""
    return tuple(sorted(siblings))


def join_cells(mine: Cell, my_vector: Vector, theirs: Cell, their_vector: Vector) -> Cell:
    """The join: keep what both have, and what one has and the other has not seen.

    Commutative, associative and idempotent for cells of one history, each under
    the vector it was read under. Cost: O(siblings). Source: the observed-remove
    rule with one causal context for the whole store (Almeida, Shoker, Baquero,
    Delta State Replicated Data Types, 2018, section 7).
    """
    if mine == theirs:
        return mine
    in_mine = {s.dot for s in mine}
    in_theirs = {s.dot for s in theirs}
    kept = [s for s in mine if s.dot in in_theirs or not covers(their_vector, s.dot)]
    kept += [s for s in theirs if s.dot not in in_mine and not covers(my_vector, s.dot)]
    kept.sort()
    return tuple(kept)


def join_contexts(mine: Context, my_vector: Vector, theirs: Context, their_vector: Vector) -> dict[str, int]:
    """Key contexts join as siblings do; where both have an entry, the greater.

    (Not a plain maximum: the write that re-creates an absent key replaces its
    context, and a maximum would bring the replaced entries back.)
    """
    if not mine:
        return {r: n for r, n in theirs.items() if n > my_vector.get(r, 0)}
    out: dict[str, int] = {}
    for replica in {**mine, **theirs}:  # (in an order of theirs, not of this process)
        m, t = mine.get(replica, 0), theirs.get(replica, 0)
        if m and t:
            out[replica] = max(m, t)
        elif m > their_vector.get(replica, 0):
            out[replica] = m
        elif t > my_vector.get(replica, 0):
            out[replica] = t
    return out


def is_value(payload: bytes | None) -> bool:
    """A client's value (not a mark, a hider or a tombstone)."""
    return payload is not None and payload[:1] != b"\xc1"


def is_mark(payload: bytes | None) -> bool:
    """A container's mark: an object, an array or a plain container is here."""
    return payload is not None and payload[:1] == b"\xc1" and len(payload) == 2


def is_live(payload: bytes | None) -> bool:
    """A value or a mark: something that can be read."""
    return payload is not None and (payload[:1] != b"\xc1" or len(payload) == 2)


def is_hider(payload: bytes | None) -> bool:
    """A delete of a JSON container: what it covers is hidden while it stands."""
    return payload is not None and payload[:2] == _HIDE and len(payload) > 2


def is_sweep(payload: bytes | None) -> bool:
    """A delete of independent elements: what it covers is replaced at once."""
    return payload is not None and payload[:2] == _SWEEP and len(payload) > 2


def is_life(payload: bytes | None) -> bool:
    """A sweep of everything, which at a key's own cell begins a new life of the key."""
    return payload is not None and is_sweep(payload) and unhide(payload)[2:4] == (None, None)


def hide(seen: Context, kind: bytes) -> bytes:
    """The payload of a hider over a JSON container of that kind."""
    return _HIDE + _pack([sorted(seen.items()), kind])


def sweep(
    seen: Context, below: bytes | None = None, only: Iterable[bytes] | None = None, knew: Context | None = None,
    stood: Iterable[Told] = (),
) -> bytes:  # fmt: skip
    """The payload of a sweep over the independent elements below a cell.

    It replaces every sibling that `seen` covers in the paths below the cell (as
    bounded, see Hider; never a counter's), when it is written and when its record is
    absorbed. At its own cell it replaces all siblings, whatever the base: else a
    replica that purged an older sweep and one that did not would differ.
    """
    bounds: list[Any] = [below] if only is None else [below, list(only)]
    if knew is not None or (stood := list(stood)):
        before = [[stamp, sorted(context.items())] for stamp, context in stood]
        bounds = [below, None if only is None else list(only), None if knew is None else sorted(knew.items()), before]
    return _SWEEP + _pack([sorted(seen.items()), MARK_PLAIN, *bounds])


def unhide(payload: bytes) -> Hider:
    """The hider in a payload that `hide` or `sweep` made."""
    seen, kind, *rest = msgpack.unpackb(payload[2:], raw=False, use_list=True)
    more: list[Any] = [*rest, None, None, None, None]
    below, only, knew, stood = more[:4]
    return Hider(
        dict(seen), bytes(kind), below, None if only is None else tuple(only), None if knew is None else dict(knew),
        tuple((stamp, dict(context)) for stamp, context in stood or ()),
    )  # fmt: skip


def told(sibling: Sibling) -> list[Told]:
    """Of a sweep: when it was written and what its writer knew, and the like of those whose place it has taken."""
    if sibling.payload is None or not is_sweep(sibling.payload):
        return []
    found = unhide(sibling.payload)
    return [(sibling.stamp, found.seen if found.knew is None else found.knew), *found.stood]


def check_payload(payload: bytes | None) -> None:
    """Raise MessageInvalid for what no writer makes. O(payload) for hiders, sweeps and dates, else O(1).

    A client's value is not looked into: whoever reads it says so if it cannot. What begins with
    0xc1 and a letter not known here is a later release's, and kept.

    >>> check_payload(hide({"lhr~k3f7": 2}, MARK_OBJECT))
    >>> check_payload(b"\\xc1h\\x90")
    Traceback (most recent call last):
    crdtkv.errors.MessageInvalid: b'\\xc1h\\x90' is no payload
    """
    sound = payload is None or len(payload) > (payload[:1] == b"\xc1")
    if sound and payload is not None and payload[:2] in (_HIDE, _SWEEP, _EXPIRY):
        try:
            _check_date(payload) if payload[:2] == _EXPIRY else _check_hider(payload)
        except (ValueError, TypeError, IndexError, msgpack.UnpackException):
            sound = False
    if not sound:
        raise MessageInvalid(f"{show(payload)} is no payload")


def _check_date(payload: bytes) -> None:
    date, rule = msgpack.unpackb(payload[2:])
    if rule not in ("max", "min") or not (date is None or (type(date) is int and date >= 0)):
        raise ValueError


def _check_hider(payload: bytes) -> None:
    found = unhide(payload)
    bounds = [*([found.below] if found.below is not None else []), *(found.only or ())]
    if not all(type(b) is bytes for b in bounds):
        raise ValueError
    for context in (found.seen, found.knew or {}, *(context for _, context in found.stood)):
        if not all(type(r) is str and type(n) is int and n > 0 for r, n in context.items()):
            raise ValueError
    if not all(type(stamp) is int and stamp > 0 for stamp, _ in found.stood):
        raise ValueError


def _pack(value: Any) -> bytes:
    out: bytes = msgpack.packb(value, use_bin_type=True)
    return out


def rank(sibling: Sibling) -> tuple[Stamp, Dot]:
    """The order that decides between concurrent siblings: stamp, then dot."""
    return (sibling.stamp, sibling.dot)


def latest(siblings: Iterable[Sibling]) -> Sibling:
    """The sibling that last-write-wins shows. `siblings` is not empty."""
    return max(siblings, key=rank)


def shown_payload(cell: Cell) -> bytes | None:
    """What the latest of the live siblings says, None if none is live."""
    if len(cell) == 1:  # most
        fields: Fields = cell[0]
        payload: bytes | None = fields[2]
        return payload if is_live(payload) else None
    live = [s for s in cell if is_live(s.payload)]
    return latest(live).payload if live else None


def newest_stamp(cell: Cell) -> Stamp:
    """The greatest stamp in the cell, 0 if there is none."""
    newest = 0
    for s in cell:
        stamp: Stamp = s[1]
        if stamp > newest:
            newest = stamp
    return newest


def only_tombstones(cell: Cell, floor: Stamp) -> bool:
    """Whether there is a cell, and it holds nothing but tombstones, all stamped at or below `floor`."""
    return bool(cell) and all(s.payload is None and s.stamp <= floor for s in cell)


def spent(value: bytes) -> bytes:
    """The payload of a cell that was deleted but must still say `value` (a counter's cancelled total)."""
    return _SPENT + value


def unspent(payload: bytes) -> bytes | None:
    """What `spent` was given, None if `payload` is of another kind."""
    return payload[2:] if payload[:2] == _SPENT else None


def expiry(date: Stamp | None, rule: str) -> bytes:
    """The payload of an expiry cell: from `date` on the key is not shown (None: it stays); `rule` is max or min."""
    return _EXPIRY + _pack([date, rule])


def expiry_of(cell: Cell) -> Stamp | None:
    """The date that concurrent expiries agree on; None if the key does not expire.

    `max`: the latest, and none at all wins. If any sibling says `min`: the earliest date there is.
    """
    said = [msgpack.unpackb(s.payload[2:]) for s in cell if s.payload and s.payload[:2] == _EXPIRY]
    # A tombstone says what a put without ttl says: the key stays.
    dates = [date for date, _ in said] + [None for s in cell if s.payload is None]
    given: list[int] = [date for date in dates if date is not None]
    if any(rule == "min" for _, rule in said):
        return min(given, default=None)
    return max(given, default=None) if len(given) == len(dates) else None


def due(path: bytes, cell: Cell) -> Stamp | None:
    """From which purge floor on this cell may be dropped; None if nothing in it was ever deleted or dated.

    Order cells always may: they go with an element that may have gone before them.
    """
    for s in cell:
        payload = s[2]
        if payload is None or (payload[:1] == b"\xc1" and len(payload) != 2):
            break  # not is_live
    else:
        # (To ask whether bytes are `in` others takes twice as long: it tries first whether they are a number.)
        if not cell or path.find(_AN_ORDER) < 0 or last_tag(path) != ORDER:
            return None
    return max(newest_stamp(cell), expiry_of(cell) or 0)
