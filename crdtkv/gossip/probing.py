"""Whether a peer has what is here, asked now and then, in a few bytes; and what is done where it has not.

What is under way differs all the time while somebody writes: a record that one has and the other
has not yet. So a probe says what changed lately, and where that explains the difference, it is
waited for, as long as it may take, and then asked for. What is not explained is looked at
once more before all of it is asked for.

Law of this room: what is asked for was lacking for longer than it takes to come by itself.
"""

from __future__ import annotations

from crdtkv.core.clocks import covers_all
from crdtkv.errors import DigestMismatch
from crdtkv.gossip.desk import Desk, Peer, entry_hash
from crdtkv.gossip.messages import Frame, Probe
from crdtkv.gossip.pulling import Pulling, probe
from crdtkv.gossip.repair import Repairing
from crdtkv.replica.purge import purge_to

__all__ = ["Probing"]

_LOOKS = 2
"""So often in `probe_ms` it is noted what is here. What came since the look but one, half of that ago or more, is on
its way to others, as a rule; what came since the one before is told of."""


class Probing:
    """Probes, and the peers that are known to differ."""

    def __init__(self, desk: Desk, pulling: Pulling, repairing: Repairing) -> None:
        self._desk, self._pulling, self._repairing = desk, pulling, repairing
        self._probed_ms: int | None = None
        self._looked_ms: int | None = None
        self._lacking: dict[Peer, tuple[int, dict[str, int]]] = {}
        """What is under way, and since when it is waited for."""
        self._unlike: dict[Peer, tuple[int, bool]] = {}
        """Since when it is known that they differ, and whether they were asked again."""

    def on_tick(self) -> None:
        """Ask a peer at random, when it is time; ask for what did not come by itself."""
        desk = self._desk
        for peer, (since_ms, lacking) in list(self._lacking.items()):
            if desk.late(peer, since_ms):
                if covers_all(desk.replica.state.vector, lacking):
                    del self._lacking[peer]
                elif self._pulling.free(peer):
                    del self._lacking[peer]
                    self._pulling.pull(peer)
        for peer, (since_ms, again) in list(self._unlike.items()):
            if not again and desk.late(peer, since_ms):
                self._unlike[peer] = since_ms, True
                desk.send(peer, probe(desk, answer=True))
        if self._looked_ms is None or desk.now_ms - self._looked_ms >= desk.settings.probe_ms // _LOOKS:
            self._looked_ms = desk.now_ms
            desk.look()
        if self._probed_ms is not None and desk.now_ms - self._probed_ms < desk.settings.probe_ms:
            return
        self._probed_ms = desk.now_ms
        met = [peer for peer in desk.met() if not peer.leaving]
        if met:
            desk.send(desk.random.choice(met), probe(desk, answer=True))

    def on_probe(self, peer: Peer, frame: Frame, theirs: Probe) -> None:
        """Compare; answer it."""
        desk, state = self._desk, self._desk.replica.state
        if theirs.pull:
            self._pulling.pull(peer, head=True)
            return
        if not theirs.answer:
            peer.delay_ms = max(0, desk.now_ms - theirs.sent_ms)
        if theirs.vector != desk.vector_hash():
            self._differ(peer, theirs)
        else:
            self.drop(peer)
            if theirs.floor > state.floor:
                self._purge_along(peer, theirs)
            elif theirs.floor == state.floor:
                self._compare(peer, theirs.digest)
        if theirs.answer:
            desk.send(peer, probe(desk, answer=False, sent_ms=theirs.sent_ms))

    def _purge_along(self, peer: Peer, theirs: Probe) -> None:
        """All that is there is here, so what was stable there is stable here: it goes, if that leaves what is there."""
        replica = self._desk.replica
        try:
            with replica.transaction():
                purge_to(replica, theirs.floor)
                if replica.state.digest != theirs.digest:
                    raise DigestMismatch("it leaves something else")
        except DigestMismatch:
            self._pulling.pull(peer, head=True)
        else:
            peer.compared_ms = self._desk.now_ms
            self._desk.counts["purged along"] += 1

    def drop(self, peer: Peer) -> None:
        """Nothing is known to differ."""
        self._lacking.pop(peer, None)
        self._unlike.pop(peer, None)

    def _differ(self, peer: Peer, theirs: Probe) -> None:
        desk, vector = self._desk, self._desk.replica.state.vector
        if self._explains(theirs):
            self._unlike.pop(peer, None)
            lacking = {r: n for r, n in theirs.lately.items() if n > vector.get(r, 0)}
            if lacking:
                self._lacking.setdefault(peer, (desk.now_ms, lacking))
        elif peer not in self._unlike:
            self._unlike[peer] = desk.now_ms, False
        elif self._desk.late(peer, self._unlike[peer][0]):
            del self._unlike[peer]
            self._pulling.pull(peer)

    def _explains(self, theirs: Probe) -> bool:
        """Whether the vectors are equal but for what changed lately there, or just now here: what did so here alone is
        taken to be there as it was here before. (What changed here longer ago may have come there still earlier.)"""
        desk, vector = self._desk, self._desk.replica.state.vector
        there = sum(entry_hash(r, n) - entry_hash(r, vector.get(r, 0)) for r, n in theirs.lately.items())
        apart = desk.vector_hash() + there - theirs.vector
        if apart % (1 << 63) == 0:
            return True
        alone = ((r, n, before) for r, n, before in desk.just_now() if r not in theirs.lately)
        here = sum(entry_hash(r, before) - entry_hash(r, n) for r, n, before in alone)
        return (apart + here) % (1 << 63) == 0

    def _compare(self, peer: Peer, digest: int) -> None:
        desk = self._desk
        state = desk.replica.state
        if digest == state.digest:
            peer.compared_ms = desk.now_ms
            if state.quarantined.get(peer.id, "").startswith("digest"):
                state.quarantined = {id: why for id, why in state.quarantined.items() if id != peer.id}
        else:
            desk.counts["digests differ"] += 1
            self._repairing.begin(peer)
