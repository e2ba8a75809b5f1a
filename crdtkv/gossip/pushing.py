"""Records, eagerly: what is minted here goes to the peers at once, and what comes is taken in.

Up to `all_peers` peers each is sent all; beyond, some are, half of them the nearest, and who
gets a record that is new passes it on. Trees grow out of who says what he had twice before it
came (Plumtree, Leitao et al. 2007): what comes by one peer is not passed to another that has
mostly had what came that way. So each way in has a tree of its own, about as fast as if all
were sent to all, and two copies come to each. What is lost comes by a catch-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import xxhash

from crdtkv.core.wire import Record, decode
from crdtkv.errors import MessageInvalid
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Frame, Prune, Push
from crdtkv.replica.exchange import Outcome, receive_all

__all__ = ["Pushing"]

_CAME, _SMALL = 4_096, 4_096
"""Records remembered, and their bytes at the most."""
_PASSED = 16_384
"""Of so many copies that were passed on it is remembered by whom they had come."""
_TOLD_AT = 8
"""So many records that were known are told of at once; fewer, at the next tick."""
_STILL = 1 << 6
"""One record in so many is passed on all the same: what has changed is noticed."""


_KNOWN = 3, 4
"""Of what came by one peer and was passed to another so much was known there: then it is passed no more of that."""
_APART = 6
"""That is judged after `prune_after` records, or up to so many times as many, as the dice say: if all who bring a
record to one gave up at once, nobody would be left."""


@dataclass(slots=True)
class _Way:
    """From a peer to another, through us: what was passed on since, and how much of that was known."""

    since_ms: int
    after: int
    """How much has to be passed on before it is judged."""
    passed: int = 0
    known: int = 0

    def is_known(self) -> bool:
        """Whether what is passed on is known, mostly."""
        part, whole = _KNOWN
        return self.passed >= self.after and whole * self.known >= part * self.passed

    def pass_on(self) -> None:
        """One more; what was long ago counts less."""
        if self.passed >= 4 * self.after:
            self.passed, self.known = self.passed // 2, self.known // 2
        self.passed += 1


class Pushing:
    """What was minted and is not sent yet; whom it goes to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        state = desk.replica.state
        self._id, self._told = state.id, state.vector.get(state.id, 0)
        self._chosen: list[str] = []
        self._chosen_ms: int | None = None
        self._came: dict[bytes, int] = {}
        """Records that were absorbed of late, as they came, and how often: whoever brings them again need not be
        understood."""
        self._ways: dict[tuple[str, str], _Way] = {}
        self._passed: dict[tuple[str, int], str] = {}
        """To whom a record was passed, and its mark -> who had brought it."""
        self._known: dict[str, list[int]] = {}
        """Who brought what others had brought before -> the marks of that, to be told."""

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
        """The peers that what is fresh is sent to. O(few), where there are many."""
        desk = self._desk
        id = desk.replica.state.id
        if self._many():
            named = (desk.peers.get(name) for name in self._chosen)
            found = [p for p in named if p is not None and p.met == id and not p.leaving]
            if found:
                return found
        met = [p for p in desk.met() if not p.leaving]
        return met if len(met) <= desk.settings.all_peers else met[: desk.settings.fan]

    def _many(self) -> bool:
        return len(self._desk.peers) > self._desk.settings.all_peers

    def on_tick(self) -> None:
        """Tell what was known. Choose anew whom to send to, where there are many: half of them the nearest, the others
        at random."""
        desk, given = self._desk, self._desk.settings
        for name in list(self._known):
            self._tell(name)
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
        self._ways.clear()

    # in

    def on_push(self, peer: Peer, frame: Frame, push: Push) -> None:
        """Take records in; pass on what is new, where not all are sent to all. Raises MessageInvalid."""
        desk, came = self._desk, self._came
        again = [data for data in push.records if data in came]
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
        for data in again:
            self._count(peer, data)
        if new:
            self._pass_on(peer, [data for _, data in new])

    def _remember(self, new: list[tuple[Record, bytes]]) -> None:
        came = self._came
        came.update((data, 1) for _, data in new if len(data) <= _SMALL)
        while len(came) > _CAME:
            del came[next(iter(came))]

    # what is not passed on

    def _count(self, peer: Peer, data: bytes) -> None:
        """It has come once more. Who brings what enough others had brought is told so: not those, or nobody would."""
        self._came[data] += 1
        if self._came[data] > self._desk.settings.sources:
            known = self._known.setdefault(peer.name, [])
            known.append(_mark(data))
            if len(known) >= _TOLD_AT:
                self._tell(peer.name)

    def _tell(self, name: str) -> None:
        known, peer = self._known.pop(name), self._desk.peers.get(name)
        if peer is not None:
            self._desk.send(peer, Prune(0, tuple(known)))

    def _pass_on(self, source: Peer, records: list[bytes]) -> None:
        """To all that are sent to, but for who mostly has what comes from there."""
        others = [peer for peer in self.targets() if peer is not source]
        lacking: list[list[bytes]] = [[] for _ in others]
        for data in records:
            mark = _mark(data)
            for peer, batch in zip(others, lacking, strict=True):
                if self._may_lack(source.name, peer.name, mark):
                    batch.append(data)
        for peer, batch in zip(others, lacking, strict=True):
            self._push(batch, [peer])
        while len(self._passed) > _PASSED:
            del self._passed[next(iter(self._passed))]

    def _may_lack(self, source: str, to: str, mark: int) -> bool:
        """Whether a record that `source` brought is news to a peer, as far as can be told; then it is passed on."""
        desk, given = self._desk, self._desk.settings
        way = self._ways.get((source, to))
        if way is None or desk.now_ms - way.since_ms > given.prune_ms:
            after = given.prune_after * (1 + int(_APART * desk.random.random()))
            way = self._ways[source, to] = _Way(desk.now_ms, after)
        if way.is_known() and mark % _STILL:
            desk.counts["record spared"] += 1
            return False
        way.pass_on()
        self._passed[to, mark] = source
        return True

    def on_prune(self, peer: Peer, frame: Frame, prune: Prune) -> None:
        """It had had these before they came from here."""
        for mark in prune.known:
            source = self._passed.pop((peer.name, mark), None)
            way = None if source is None else self._ways.get((source, peer.name))
            if way is not None:
                way.known += 1


@lru_cache(maxsize=1_024)
def _mark(data: bytes) -> int:
    """32 bits that a record is known by between two peers."""
    return int(xxhash.xxh32_intdigest(data))


def _decoded(data: bytes) -> tuple[Record, bytes]:
    """A record, and its bytes. (Many replicas of one process, as a simulator has them, keep one of each.)"""
    return _record(data) if len(data) <= _SMALL else _record.__wrapped__(data)


@lru_cache(maxsize=1_024)
def _record(data: bytes) -> tuple[Record, bytes]:
    message = decode(data)
    if not isinstance(message, Record):
        raise MessageInvalid("a catch-up was pushed where records belong")
    return message, data
