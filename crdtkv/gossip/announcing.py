"""What others bring sooner is announced all the same: who was not brought it asks for it.

Along a tree each is brought a record by few, and any message may be lost. So who is spared a record is told its dot,
with others of the same moment; and what was told of, or what a record that came builds on, is asked for by its dot
where it has not come by itself some moments later: of who told of it, the nearest first (Plumtree's lazy push).

Law of this room: nothing is asked for that is here; of each dot one peer is asked at a time, and each once. What nobody
gives comes by a catch-up.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crdtkv.core.clocks import Dot, covers
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import ANNOUNCED, Have, Want

if TYPE_CHECKING:
    from crdtkv.core.wire import Record

__all__ = ["MOST", "Announcing"]

MOST = 1_024
"""So many dots are looked for at a time, and told of in one message."""
_FEW = 16
"""Who lacks more of one origin than so many is after a catch-up."""


@dataclass(slots=True)
class _Missing:
    """A record that is somewhere and not here. Nobody is asked for it until `until_ms`."""

    until_ms: int
    told: list[Peer] = field(default_factory=list)
    """Who has it."""
    asked: list[Peer] = field(default_factory=list)


class Announcing:
    """What is to be told, and what others told of."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._offers: defaultdict[Peer, list[Dot]] = defaultdict(list)
        self._missing: dict[Dot, _Missing] = {}

    def offer(self, peer: Peer, dot: Dot) -> None:
        """A peer is told of it at the next tick, if it understands that. O(1)."""
        if self._desk.speaks(peer) >= ANNOUNCED:
            self._offers[peer].append(dot)

    def on_tick(self) -> None:
        """Tell; ask for what has not come. O(what was told, and is missing)."""
        if self._offers:
            to = defaultdict[tuple[Dot, ...], list[Peer]](list)
            for peer, dots in self._offers.items():
                to[tuple(dots[-MOST:])].append(peer)
            self._offers.clear()
            for some, peers in to.items():
                self._desk.send_all(peers, Have(some))
        if self._missing:
            self._ask()

    def on_have(self, peer: Peer, have: Have) -> None:
        """What of it is not here is missing. O(what it tells of)."""
        for dot in have.dots[:MOST]:
            self._note(dot, peer)

    def waits(self, peer: Peer, record: Record) -> None:
        """A record that a peer brought waits: what it builds on is missing, and that peer has it, as a rule."""
        vector, (origin, n) = self._desk.replica.state.vector, record.dot
        for replica, last in {**record.needs, origin: n - 1}.items():
            first = vector.get(replica, 0) + 1
            for each in range(first, last + 1) if last - first < _FEW else ():
                self._note((replica, each), peer)

    def _note(self, dot: Dot, peer: Peer) -> None:
        if self._is_here(dot) or self._desk.speaks(peer) < ANNOUNCED:
            return
        desk, known = self._desk, self._missing.get(dot)
        if known is None:
            if len(self._missing) >= MOST:
                return
            known = self._missing[dot] = _Missing(desk.now_ms + desk.settings.gap_ms)
        if peer not in known.told and peer not in known.asked:
            known.told.append(peer)

    def _is_here(self, dot: Dot) -> bool:
        replica = self._desk.replica
        return covers(replica.state.vector, dot) or dot in replica.waiting

    def _ask(self) -> None:
        desk, wants = self._desk, defaultdict[Peer, list[Dot]](list)
        for dot, known in list(self._missing.items()):
            if self._is_here(dot):
                del self._missing[dot]
            elif desk.now_ms >= known.until_ms:
                peer = min(known.told, key=_distance, default=None)
                if peer is None:
                    del self._missing[dot]
                    continue
                known.told.remove(peer)
                known.asked.append(peer)
                # (It takes a quarter longer now and then.)
                known.until_ms = desk.now_ms + desk.settings.gap_ms + (peer.delay_ms or 0) * 5 // 4
                wants[peer].append(dot)
        for peer, dots in wants.items():
            desk.send(peer, Want(tuple(dots)))

    def found(self, want: Want) -> list[bytes]:
        """The records that a peer wants, of those at hand, the oldest first. O(records at hand)."""
        replica, wanted = self._desk.replica, set(want.dots[:MOST])
        found = [replica.waiting[dot][1] for dot in sorted(wanted) if dot in replica.waiting][::-1]
        for dot, data in reversed(replica.recent):
            if len(found) == len(wanted):
                break
            if dot in wanted:
                found.append(data)
        return found[::-1]


def _distance(peer: Peer) -> tuple[bool, int]:
    return peer.delay_ms is None, peer.delay_ms or 0
