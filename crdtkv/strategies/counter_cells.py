"""What the cells of a counter say, and how keyed adds are folded away.

A share is `[up, up gone]`, or `[up, up gone, down, down gone]` once something was
subtracted. All four only grow, and siblings read as the max of each.

A keyed add is `[amount, folded, gone]`; siblings read as the max of the flags.
folded: 0 no, 1 its amount is part of its folder's share, 2 it is and a reset has
cancelled it there. gone: a reset saw it before it was folded. So its amount
counts if neither; is in the share if folded; and must be taken off again if it
was folded by a colo that had not heard of the reset (1 and gone).

Without the 2, two resets around a folding would take the amount off twice: one
that saw the keyed add (gone), and one that saw the share it was folded into.

A deleted cell says the same under `spent`: it is dead, and dropped when stable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgpack

from crdtkv.core import paths, values
from crdtkv.core.cells import Cell, Fields, is_live, latest, spent, unspent
from crdtkv.core.clocks import Stamp, stamp_ms
from crdtkv.core.said import number
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import Env, Write
from crdtkv.strategies.cell_reading import value_of

__all__ = [
    "FOLD_AFTER_MS",
    "LIMIT",
    "Once",
    "Share",
    "adds",
    "counted_by",
    "dead_payload",
    "fold",
    "is_alive",
    "is_share",
    "joined_payload",
    "once",
    "once_path",
    "packed",
    "plus",
    "share",
    "share_path",
]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long

LIMIT: Final = 2**63
_unpackb: Final[Callable[[bytes], Any]] = msgpack.unpackb
_HEADS: Final = {2: b"\x92", 4: b"\x94"}
_TWO, _TWO_INTEGERS = b"\x92", 19
"""How a list of two begins, and how long it is at the most where both are integers of 64 bits."""

FOLD_AFTER_MS = 24 * 3600 * 1000
"""How long a once key is remembered at least, unless the counter is deleted."""


class Share(NamedTuple):
    """One replica's part. Invariant: 0 <= up_gone <= up, 0 <= down_gone <= down."""

    up: int = 0
    up_gone: int = 0
    down: int = 0
    down_gone: int = 0

    @property
    def value(self) -> int:
        up, up_gone, down, down_gone = self
        return up - up_gone - down + down_gone

    def plus(self, n: int) -> Share:
        return plus(self, n)

    def minus_folded(self, n: int) -> Share:
        """With `n`, once added by `plus`, cancelled."""
        return self._replace(up_gone=self.up_gone + n) if n >= 0 else self._replace(down_gone=self.down_gone - n)

    def cancelled_to(self, base: Share) -> Share:
        """With all cancelled that `base` had added."""
        return self._replace(up_gone=max(self.up_gone, base.up), down_gone=max(self.down_gone, base.down))

    def pack(self, dead: bool = False) -> bytes:
        return spent(packed(self)) if dead else packed(self)


# (Functions: a method of a named tuple takes several times as long to call, and each add comes here.)


def plus(share: Share, n: int) -> Share:
    """With `n` added, or taken off."""
    fields: Fields = share
    up, up_gone, down, down_gone = fields
    return _new(Share, (up + n, up_gone, down, down_gone) if n >= 0 else (up, up_gone, down - n, down_gone))


def packed(share: Share) -> bytes:
    """What a live share is written as."""
    fields: Fields = share
    up, up_gone, down, down_gone = fields
    parts = [up, up_gone, down, down_gone] if down else [up, up_gone]
    if max(up, down) >= LIMIT:
        return values.pack(parts)
    return _HEADS[len(parts)] + b"".join([number(part) for part in parts])


_NO_SHARE: Final = Share()


class Once(NamedTuple):
    """One keyed add."""

    amount: int
    folded: int = 0
    gone: int = 0
    owner: str = ""
    """Who folds it, or did: the lowest replica that first made it. Written down when the cell is rewritten."""

    @property
    def value(self) -> int:
        if self.folded == 1:
            return -self.amount if self.gone else 0
        return 0 if self.folded or self.gone else self.amount

    def cancelled(self) -> Once:
        """After a reset that saw it in this state, and the share that it may have been folded into."""
        return self._replace(folded=2) if self.folded else self._replace(gone=1)

    def pack(self, dead: bool = False) -> bytes:
        payload = values.pack(list(self if self.owner else self[:3]))
        return spent(payload) if dead else payload


@lru_cache(maxsize=1024)
def share_path(replica: str) -> bytes:
    return paths.component(paths.REPLICA, replica.encode())


def once_path(key: bytes) -> bytes:
    return paths.component(paths.ONCE, key)


def is_share(path: bytes) -> bool:
    """Whether the cell at `path` is a share; the others are keyed adds."""
    return path.startswith(paths.REPLICA)


def share(cell: Cell) -> Share:
    """The max of each part over the siblings, dead ones too."""
    if len(cell) == 1:
        return _share(cell[0].payload) or _NO_SHARE
    said = [found for s in cell if (found := _share(s.payload)) is not None]
    if len(said) == 1:
        return said[0]
    return Share(*map(max, zip(*said, strict=True))) if said else _NO_SHARE


def once(cell: Cell) -> Once | None:
    """The keyed add that the siblings agree on; None if it is gone for good or cannot be read.

    Its amount is that of the lowest dot (a client that used one key for two amounts).
    """
    said = [(o.owner or s.dot[0], o) for s in cell if (o := _once(s.payload)) is not None]
    if not said:
        return None
    flags = [o for _, o in said]
    # Only its folder writes folded=1: a reset writes 2, or leaves it at 0.
    owners = [r for r, o in said if o.folded == 1] or [r for r, _ in said]
    return Once(flags[0].amount, max(o.folded for o in flags), max(o.gone for o in flags), min(owners))


def is_alive(path: bytes, cell: Cell) -> bool:
    """Whether the cell makes the counter present. One that was reset does; one that was deleted does not."""
    shares = is_share(path)
    for s in cell:
        payload = s.payload
        if is_live(payload) and (_share(payload) is not None if shares else _once(payload) is not None):
            return True
    return False


def adds(path: bytes, cell: Cell) -> tuple[int, bool]:
    """What a cell adds to the sum, and whether it makes the counter present. O(siblings)."""
    if len(cell) == 1 and path.startswith(paths.REPLICA):  # most
        payload = cell[0][2]
        found = _share(payload)
        return (0, False) if found is None else (found.value, is_live(payload))
    if is_share(path):
        return share(cell).value, is_alive(path, cell)
    keyed = once(cell)
    return 0 if keyed is None else keyed.value, is_alive(path, cell)


def joined_payload(path: bytes, cell: Cell) -> bytes | None:
    """One payload that says what all siblings of a counter's cell say together."""
    dead = not any(is_live(s.payload) for s in cell)
    if paths.split(path)[-1][0] == paths.REPLICA:
        return share(cell).pack(dead)
    keyed = once(cell)
    return None if keyed is None else keyed.pack(dead)


def counted_by(payload: bytes | None) -> bytes | None:
    """What a payload counts, dead or not."""
    return payload if is_live(payload) else unspent(payload or b"")


def dead_payload(path: bytes, cell: Cell) -> bytes | None:
    """What cancels a counter's cell for good, wherever the counter stands; None if it is dead already."""
    if not any(is_live(s.payload) for s in cell):
        return None
    if paths.split(path)[-1][0] == paths.REPLICA:
        said = share(cell)
        return said.cancelled_to(said).pack(dead=True)
    keyed = once(cell)
    return None if keyed is None else keyed.cancelled().pack(dead=True)


def _parts(payload: bytes | None) -> list[Any]:
    inner = None if payload is None else unspent(payload)
    said = value_of(payload if inner is None else inner)
    return said if isinstance(said, list) else []


def _all_integers(said: list[Any]) -> bool:
    return {*map(type, said)} == {int}


def _share(payload: bytes | None) -> Share | None:
    if payload is not None and payload[:1] == _TWO and len(payload) <= _TWO_INTEGERS:
        up, up_gone = _plain(payload)
        if type(up) is type(up_gone) is int and 0 <= up_gone <= up:
            return _new(Share, (up, up_gone, 0, 0))
    said = _parts(payload)
    if len(said) not in (2, 4) or not _all_integers(said):
        return None
    up, up_gone, down, down_gone = said if len(said) == 4 else (*said, 0, 0)
    return Share(up, up_gone, down, down_gone) if 0 <= up_gone <= up and 0 <= down_gone <= down else None


def _plain(payload: bytes) -> tuple[Any, Any]:
    """The two integers of a share, at a glance; what is none of it is for `_parts`."""
    try:
        up, up_gone = _unpackb(payload)
    except Exception:
        return None, None
    return up, up_gone


def _once(payload: bytes | None) -> Once | None:
    said = _parts(payload)
    owner = said.pop() if len(said) == 4 and isinstance(said[3], str) else ""
    if len(said) != 3 or not _all_integers(said) or said[1] not in (0, 1, 2) or said[2] not in (0, 1):
        return None
    return Once(said[0], said[1], said[2], owner)


def fold(tree: Tree, floor: Stamp, now_ms: int, owner_is: Callable[[str], bool], env: Env) -> list[Write]:
    """Maintenance: the writes that move old keyed adds into their owner's share, or forget them.

    For keyed adds all of whose siblings are at or below `floor` and a day old, and
    whose owner `owner_is` us.
    No reading changes. Cost: O(cells).
    """
    writes: dict[bytes, Write] = {}
    shares: dict[bytes, Share] = {}
    for path, cell in tree.below():
        if is_share(path) or not is_alive(path, cell) or latest(cell).stamp > floor:
            continue
        keyed = once(cell)
        if keyed is None or stamp_ms(latest(cell).stamp) + FOLD_AFTER_MS > now_ms or not owner_is(keyed.owner):
            continue
        at = share_path(env.replica if not keyed.folded else keyed.owner)
        least = env.share_floor
        begin = share(tree.cell(at)) if tree.cell(at) else Share(least, least, least, least)
        mine = shares.get(at, begin)
        if keyed.folded or keyed.gone:
            writes[path] = Write(path, None, all=True)
            if keyed.folded == 1 and keyed.gone:
                shares[at] = mine.minus_folded(keyed.amount)
        elif max(mine.plus(keyed.amount)) < LIMIT:
            writes[path] = Write(path, keyed._replace(folded=1, owner=env.replica).pack(), all=True)
            shares[at] = mine.plus(keyed.amount)
    own = share_path(env.replica)
    if writes and not shares and not any(is_share(p) and is_alive(p, c) for p, c in tree.below()):
        shares[own] = share(tree.cell(own))  # else the counter would turn from 0 to absent
    return [*writes.values(), *(Write(at, said.pack(), all=True) for at, said in shares.items())]
