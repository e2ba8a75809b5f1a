"""Records, eagerly: what is minted here goes to the peers at once, and what comes is taken in.

Up to `all_peers` peers each is sent all; beyond, some are, half of them the nearest, and who
gets a record that is new passes it on. A tree grows out of who says that he is not needed
(Plumtree, Leitao et al. 2007): nobody says so to the few that bring him most, and what one
minted himself he sends also to who said so. What is lost comes by a catch-up.
"""

from __future__ import annotations

from functools import lru_cache

from crdtkv.core.wire import Record, decode
from crdtkv.errors import MessageInvalid
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Frame, Prune, Push
from crdtkv.replica.exchange import Outcome, receive_all

__all__ = ["Pushing"]

_NEWS = 0.15
"""A peer of whose records a smaller part is new, of late, is not needed."""
_CAME, _SMALL = 4_096, 4_096
"""Records remembered, and their bytes at the most."""


class Pushing:
    """What was minted and is not sent yet; whom it goes to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        state = desk.replica.state
        self._id, self._told = state.id, state.vector.get(state.id, 0)
        self._chosen: list[str] = []
        self._chosen_ms: int | None = None
        self._sources: dict[str, Peer] = {}
        """Who passes records on to us, and was not asked to spare us."""
        self._came: dict[bytes, str] = {}
        """Records that were absorbed of late, as they came, and who minted them: whoever brings them again need not be
        understood."""

    def fresh(self) -> None:
        """Send what was minted here since this was last asked. O(1) if nothing was."""
        replica, state = self._desk.replica, self._desk.replica.state
        if self._id != state.id:
            self._id, self._told = state.id, 0
            self._came.clear()
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
        self._push(found[::-1], self.targets(spared=True))

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

    def targets(self, spared: bool = False) -> list[Peer]:
        """The peers that what is fresh is sent to; `spared`: also those that asked to be. O(few), where there are
        many."""
        desk = self._desk
        id, now_ms = desk.replica.state.id, desk.now_ms
        if self._many():
            named = (desk.peers.get(name) for name in self._chosen)
            found = [p for p in named if p is not None and p.met == id and not p.leaving]
            if found:
                return [p for p in found if spared or p.spared_ms <= now_ms]
        met = [p for p in desk.met() if not p.leaving and (spared or p.spared_ms <= now_ms)]
        return met if len(met) <= desk.settings.all_peers else met[: desk.settings.fan]

    def _many(self) -> bool:
        return len(self._desk.peers) > self._desk.settings.all_peers

    def on_tick(self) -> None:
        """Choose anew whom, where there are many: half of them the nearest, the others at random."""
        desk, given = self._desk, self._desk.settings
        if not self._many():
            return
        if self._chosen_ms is not None and desk.now_ms - self._chosen_ms < given.shuffle_ms:
            return
        met = desk.met()
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
        desk, came = self._desk, self._came
        again = [came[data] for data in push.records if data in came]
        found = [_decoded(data) for data in push.records if data not in came]
        outcomes = receive_all(desk.replica, found)
        desk.counts["record known"] += len(again)
        for outcome in outcomes:
            desk.counts[f"record {outcome.value}"] += 1
        new = [each for each, outcome in zip(found, outcomes, strict=True) if outcome is Outcome.absorbed]
        if Outcome.waiting in outcomes and peer.waits is None:
            peer.waits = desk.now_ms, found[outcomes.index(Outcome.waiting)][0].dot
        if not self._many():
            return
        self._remember(new)
        passed_on = [(origin, False) for origin in again]
        passed_on += [(r.dot[0], o is not Outcome.known) for (r, _), o in zip(found, outcomes, strict=True)]
        self._judge(peer, [is_new for origin, is_new in passed_on if origin != peer.id])
        if new:
            self._push([data for _, data in new], [other for other in self.targets() if other is not peer])

    def _remember(self, new: list[tuple[Record, bytes]]) -> None:
        came = self._came
        came.update((data, record.dot[0]) for record, data in new if len(data) <= _SMALL)
        while len(came) > _CAME:
            del came[next(iter(came))]

    def _judge(self, peer: Peer, news: list[bool]) -> None:
        """Of what a peer passed on, what is new here. Where many push to each, one that brings little of that is asked
        to spare it; the last few are not."""
        desk, given = self._desk, self._desk.settings
        if not news or peer.asked_ms > desk.now_ms:
            return
        for is_new in news:
            peer.news += (is_new - peer.news) / given.prune_after
        peer.pushed_ms = desk.now_ms
        self._sources[peer.name] = peer
        if peer.news >= _NEWS:
            return
        late = [p.name for p in self._sources.values() if desk.now_ms - p.pushed_ms > given.heard_ms]
        for name in late:
            del self._sources[name]
        if len(self._sources) > given.sources:
            del self._sources[peer.name]
            peer.news, peer.asked_ms = 1.0, desk.now_ms + given.prune_ms
            desk.send(peer, Prune(given.prune_ms))

    def on_prune(self, peer: Peer, frame: Frame, prune: Prune) -> None:
        """Others bring it what others minted."""
        peer.spared_ms = self._desk.now_ms + min(prune.for_ms, self._desk.settings.prune_ms)


def _decoded(data: bytes) -> tuple[Record, bytes]:
    """A record, and its bytes. (Many replicas of one process, as a simulator has them, keep one of each.)"""
    return _record(data) if len(data) <= _SMALL else _record.__wrapped__(data)


@lru_cache(maxsize=1_024)
def _record(data: bytes) -> tuple[Record, bytes]:
    message = decode(data)
    if not isinstance(message, Record):
        raise MessageInvalid("a catch-up was pushed where records belong")
    return message, data
