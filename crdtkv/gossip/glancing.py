"""At a glance: two that hold the same know it by three short messages, and need not meet first.

What a meeting would find between two members that have absorbed the same, under one floor, to one
digest, follows from that: who belongs is cells. What does not follow goes along: each one's clock,
and how far it has heard all; what they know of the others is compared. Whatever differs, or is out
of the ordinary at one of them, is left to a meeting: nothing is answered, or nothing is taken. Who
asks announces nothing before it has its answer: what it had announced gives it away if it is a copy.

Law of this room: who is found to be the same, and what is taken from him, are what a meeting
and a catch-up without keys would have come to.
"""

from __future__ import annotations

import msgpack
import xxhash

from crdtkv.core.views import colo_of
from crdtkv.errors import MessageInvalid
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Frame, Glance
from crdtkv.replica import members

__all__ = ["Glancing"]

_ASK, _LAST = 0, 2


class Glancing:
    """Glances, and answers to them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def glance(self, peer: Peer) -> None:
        """Ask whether all is the same there, if there is nothing here that a meeting has to settle."""
        if self._is_ordinary():
            self._desk.replica.say_clock()
            self._send(peer, _ASK, 0)

    def on_glance(self, peer: Peer, frame: Frame, glance: Glance) -> None:
        """Answer one that holds the same, and take its word; or take the answer. Else nothing: it will want to meet."""
        desk = self._desk
        if not self._is_ordinary() or not self._is_same(frame, glance):
            desk.counts["glanced in vain"] += 1
            return
        others = self._others(frame.sender)
        if glance.turn != _ASK and glance.others != others:
            desk.counts["glanced in vain"] += 1
            return
        self._take(frame.sender, glance)
        peer.id, peer.met = frame.sender, desk.replica.state.id
        peer.refused, peer.error, peer.compared_ms = False, None, desk.now_ms
        if glance.turn != _LAST:
            desk.replica.speak()
            self._send(peer, glance.turn + 1, others)

    def _send(self, peer: Peer, turn: int, others: int) -> None:
        state = self._desk.replica.state
        known = max((said[0] for member, said in state.announced.items() if member != state.id), default=0)
        low = state.announced[state.id][1] if turn != _ASK else 0
        self._desk.send(peer, Glance(turn, self._all_here(), state.heard[state.id], low, known, others))

    def _is_ordinary(self) -> bool:
        """Whether there is nothing here but cells, and clocks."""
        replica = self._desk.replica
        state = replica.state
        settled = not (state.left or state.quarantined or state.pending or state.forks)
        return settled and members.is_live_member(replica)

    def _is_same(self, frame: Frame, glance: Glance) -> bool:
        """Whether a member that holds the same says so, and nothing gives us away as a copy that knows less than it
        once announced."""
        replica = self._desk.replica
        state, sender = replica.state, frame.sender
        one_of_us = members.is_member(replica, sender) and colo_of(sender) != colo_of(state.id)
        unsurprising = glance.known <= replica.announced
        return one_of_us and unsurprising and frame.namespace == state.namespace and glance.all == self._all_here()

    def _all_here(self) -> bytes:
        """A hash of what follows from what was absorbed, and of the floor."""
        state = self._desk.replica.state
        entries = [sorted(of.items()) for of in (state.vector, state.chains)]
        return xxhash.xxh3_128_digest(msgpack.packb([entries, state.floor, state.digest.to_bytes(16, "big")]))

    def _others(self, sender: str) -> int:
        """A hash of how far all but the two of us were heard, and what they said."""
        state = self._desk.replica.state
        us = (sender, state.id)
        known = [sorted((r, said) for r, said in of.items() if r not in us) for of in (state.heard, state.announced)]
        return int(xxhash.xxh3_64_intdigest(msgpack.packb(known))) >> 1

    def _take(self, sender: str, glance: Glance) -> None:
        """What a catch-up under the same vector would bring. Raises MessageInvalid."""
        replica = self._desk.replica
        state = replica.state
        if glance.low > glance.heard:
            raise MessageInvalid(f"{sender} has heard all up to {glance.low}, itself up to {glance.heard}")
        replica.told[sender] += 1
        replica.compare_clock(sender, glance.heard)
        if glance.heard > state.heard.get(sender, 0):
            state.heard = {**state.heard, sender: glance.heard}
            replica.observe(glance.heard)
        said = (sum(state.vector.values()), glance.low, members.facts(replica))
        if glance.turn != _ASK and said[:2] >= state.announced.get(sender, (0, 0, 0))[:2]:
            state.announced = {**state.announced, sender: said}
