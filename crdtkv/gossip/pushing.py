"""Records, eagerly: what is minted here goes to the peers at once, and what comes is taken in.

Up to `all_peers` peers each is sent all; beyond, some are, half of them the nearest, and who
gets a record that is new passes it on (a tree grows out of who says that he is not needed:
Plumtree, Leitao et al. 2007). What is lost comes by a catch-up.
"""

from __future__ import annotations

from crdtkv.core.wire import Record, decode
from crdtkv.errors import MessageInvalid
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Frame, Prune, Push
from crdtkv.replica.exchange import Outcome, receive_all

__all__ = ["Pushing"]


class Pushing:
    """What was minted and is not sent yet; whom it goes to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        state = desk.replica.state
        self._id, self._told = state.id, state.vector.get(state.id, 0)
        self._chosen: list[str] = []
        self._chosen_ms: int | None = None

    def fresh(self) -> None:
        """Send what was minted here since this was last asked. O(1) if nothing was."""
        replica, state = self._desk.replica, self._desk.replica.state
        if self._id != state.id:
            self._id, self._told = state.id, 0
        n = state.vector.get(state.id, 0)
        if n <= self._told:
            return
        found: list[bytes] = []
        for record, data in reversed(replica.recent):
            if record.dot[0] == state.id:
                if record.dot[1] <= self._told:
                    break
                found.append(data)
        self._told = n
        self._push(found[::-1], self.targets())

    def _push(self, records: list[bytes], peers: list[Peer]) -> None:
        if not records:
            return
        batch: list[bytes] = []
        size = 0
        for data in [*records, None]:
            if data is None or size + len(data) > self._desk.settings.page_bytes:
                for peer in peers if batch else ():
                    self._desk.send(peer, Push(tuple(batch)))
                batch, size = [], 0
            if data is not None:
                batch.append(data)
                size += len(data)

    # whom

    def targets(self) -> list[Peer]:
        """The peers that what is fresh is sent to."""
        desk = self._desk
        met = [peer for peer in desk.met() if not peer.leaving and peer.spared_ms <= desk.now_ms]
        if len(met) <= desk.settings.all_peers:
            return met
        chosen = [peer for peer in met if peer.name in self._chosen]
        return chosen or met[: desk.settings.fan]

    def on_tick(self) -> None:
        """Choose anew whom, where there are many: half of them the nearest, the others at random."""
        desk, given = self._desk, self._desk.settings
        if len(desk.peers) <= given.all_peers:
            return
        if self._chosen_ms is not None and desk.now_ms - self._chosen_ms < given.shuffle_ms:
            return
        met = [peer for peer in desk.met() if peer.spared_ms <= desk.now_ms]
        if len(met) <= given.all_peers:
            return
        self._chosen_ms = desk.now_ms
        near = sorted(met, key=lambda p: (p.delay_ms is None, p.delay_ms or 0, p.name))[: given.fan // 2]
        others = [peer for peer in met if peer not in near]
        far = desk.random.sample(others, min(given.fan - len(near), len(others)))
        self._chosen = [peer.name for peer in (*near, *far)]

    # in

    def on_push(self, peer: Peer, frame: Frame, push: Push) -> None:
        """Take records in; pass on what is new, where not all are sent to all. Raises MessageInvalid."""
        desk = self._desk
        found = [(_record(data), data) for data in push.records]
        outcomes = receive_all(desk.replica, found)
        for outcome in outcomes:
            desk.counts[f"record {outcome.value}"] += 1
        new = [data for (_, data), outcome in zip(found, outcomes, strict=True) if outcome is Outcome.absorbed]
        if Outcome.waiting in outcomes and peer.waits is None:
            peer.waits = desk.now_ms, found[outcomes.index(Outcome.waiting)][0].dot
        self._judge(peer, outcomes)
        if new and len(desk.met()) > desk.settings.all_peers:
            self._push(new, [other for other in self.targets() if other is not peer])

    def _judge(self, peer: Peer, outcomes: list[Outcome]) -> None:
        """Where many push to each, a peer that brings nothing new is asked to spare it."""
        desk, given = self._desk, self._desk.settings
        if any(outcome is not Outcome.known for outcome in outcomes):
            peer.known = 0
            return
        peer.known += len(outcomes)
        if peer.known >= given.prune_after and len(desk.met()) > given.all_peers:
            peer.known = 0
            desk.send(peer, Prune(given.prune_ms))

    def on_prune(self, peer: Peer, frame: Frame, prune: Prune) -> None:
        """Others bring it what is fresh."""
        desk = self._desk
        peer.spared_ms = desk.now_ms + min(prune.for_ms, desk.settings.prune_ms)
        self._chosen_ms = None if peer.name in self._chosen else self._chosen_ms


def _record(data: bytes) -> Record:
    message = decode(data)
    if not isinstance(message, Record):
        raise MessageInvalid("a catch-up was pushed where records belong")
    return message
