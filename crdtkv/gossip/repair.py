"""Digests that differ where vectors and floors are equal: a bug, or bit rot. The keys that do are found and mended.

The keys are cut into ranges, ranges that differ are cut again, until what is left is few keys, which
both send. Whoever's cells do not add up to his own digest takes the other's; where both add up, both
keep of a cell all that either has and neither says was replaced. So both end alike, and nothing is lost.

Law of this room: what was found under a vector and a floor is used under no other. It costs O(cells):
at most once in `repair_ms` with a peer.
"""

from __future__ import annotations

from crdtkv.core.cells import Cell, Context, make_cell
from crdtkv.core.digest import MODULUS, key_digest
from crdtkv.core.wire import KeyCells, pack_key, unpack_key
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Frame, Ranges, Repair
from crdtkv.replica import past

__all__ = ["Repairing", "joined"]

_PARTS = 16
_FEW = 64
"""A range of so many keys is sent as it is."""


class Repairing:
    """The descent to the keys that differ, and their repair."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._begun_ms: dict[Peer, int] = {}

    def begin(self, peer: Peer) -> None:
        """Its digest is another: look where."""
        desk = self._desk
        began = self._begun_ms.get(peer)
        if began is None or desk.now_ms - began >= desk.settings.repair_ms:
            self._begun_ms[peer] = desk.now_ms
            desk.counts["repairs begun"] += 1
            desk.send(peer, self._ranges("", None))

    def _here(self) -> tuple[int, int]:
        return self._desk.vector_hash(), self._desk.replica.state.floor

    def _keys(self, low: str, high: str | None) -> list[str]:
        return list(self._desk.replica.storage.keys(low, high))

    def _digest(self, keys: list[str]) -> int:
        storage = self._desk.replica.storage
        return sum(key_digest(key, *storage.standing(key)) for key in keys) % MODULUS

    def _sound(self) -> bool:
        """Whether what is here adds up to its digest. O(cells)."""
        return self._digest(self._keys("", None)) == self._desk.replica.state.digest

    def _ranges(self, low: str, high: str | None) -> Ranges:
        """The keys from `low` up to `high`, cut into parts."""
        keys = self._keys(low, high)
        size = max(1, -(-len(keys) // _PARTS))
        cuts = [keys[at : at + size] for at in range(0, len(keys), size)] or [[]]
        lows = (low, *(part[0] for part in cuts[1:]))
        return Ranges(*self._here(), high, lows, tuple(map(self._digest, cuts)))

    def on_ranges(self, peer: Peer, frame: Frame, theirs: Ranges) -> None:
        """Cut what differs again, or send it, if it is few keys."""
        desk = self._desk
        if (theirs.vector, theirs.floor) != self._here():
            desk.counts["repair of another state"] += 1
            return
        highs = (*theirs.lows[1:], theirs.high)
        found = False
        for low, high, digest in zip(theirs.lows, highs, theirs.digests, strict=True):
            keys = self._keys(low, high)
            if self._digest(keys) == digest:
                continue
            found = True
            if len(keys) <= _FEW:
                desk.send(peer, self._repair(low, high, answer=True))
            else:
                desk.send(peer, self._ranges(low, high))
        if not found:  # the cells are alike: it is a sum that is wrong
            self._add_up()

    def _repair(self, low: str, high: str | None, answer: bool) -> Repair:
        storage = self._desk.replica.storage
        keys = self._keys(low, high)
        found = (KeyCells(k, dict(storage.context(k)), tuple(sorted(storage.cells(k).items()))) for k in keys)
        return Repair(*self._here(), low, high, self._sound(), answer, tuple(map(pack_key, found)))

    def on_repair(self, peer: Peer, frame: Frame, theirs: Repair) -> None:
        """Mend these keys, and send what was here for the other to do so. Raises MessageInvalid."""
        desk, replica = self._desk, self._desk.replica
        if (theirs.vector, theirs.floor) != self._here():
            desk.counts["repair of another state"] += 1
            return
        sent = {found.key: found for found in map(unpack_key, theirs.keys)}
        mine = self._repair(theirs.low, theirs.high, answer=False)
        if theirs.answer:
            desk.send(peer, mine)
        if mine.sound and not theirs.sound:
            return
        with replica.transaction():
            for key in sorted({*sent, *self._keys(theirs.low, theirs.high)}):
                self._mend(key, sent.get(key) or KeyCells(key, {}, ()), theirs.sound and not mine.sound)
            if not mine.sound:
                replica.state.digest = self._digest(self._keys("", None))

    def _mend(self, key: str, theirs: KeyCells, take: bool) -> None:
        replica = self._desk.replica
        storage = replica.storage
        cells, context = dict(storage.cells(key)), storage.context(key)
        sent = dict(theirs.cells)
        wanted = sent if take else {p: joined(cells.get(p, ()), sent.get(p, ())) for p in {*cells, *sent}}
        known: Context = theirs.context if take else _later(context, theirs.context)
        if (wanted, known) == (cells, context):
            return
        self._desk.counts["keys mended"] += 1
        for path in sorted({*cells, *wanted}):
            old, new = cells.get(path, ()), wanted.get(path, ())
            if old != new:
                replica.change_cell(key, path, old, new)
        replica.set_context(key, dict(known))
        past.begin_again(storage, key, dict(known))

    def _add_up(self) -> None:
        replica = self._desk.replica
        digest = self._digest(self._keys("", None))
        if digest != replica.state.digest:
            self._desk.counts["digests mended"] += 1
            with replica.transaction():
                replica.state.digest = digest


def joined(one: Cell, other: Cell) -> Cell:
    """All siblings that either has, but for those that one of them replaced."""
    found = {s.dot: s for s in (*one, *other)}
    gone = {dot for s in found.values() for dot in s.parents}
    return make_cell([s for dot, s in sorted(found.items()) if dot not in gone])


def _later(one: Context, other: Context) -> dict[str, int]:
    return {r: max(one.get(r, 0), other.get(r, 0)) for r in {*one, *other}}
