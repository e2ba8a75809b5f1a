"""Records, eagerly: what is minted here goes to the peers at once, and what comes is taken in.

Up to `all_peers` peers each is sent all; beyond, some are, half of them the nearest, and who
gets a record that is new passes it on. For each origin a tree grows out of who says that
others bring him its records sooner (Plumtree, Leitao et al. 2007): two go on to, the others only
tell of them. So a record is everywhere as soon as if all were sent to all. What is lost is asked
for of who told of it, or comes by a catch-up, and who has missed something takes back what he said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from crdtkv.core.wire import Record, decode
from crdtkv.errors import MessageInvalid
from crdtkv.gossip.announcing import Announcing
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Frame, Have, Prune, Push, Want
from crdtkv.replica.exchange import Outcome, receive_all

__all__ = ["Pushing"]

_AT_FIRST = 5
"""Times `gap_ms` that what is missing is asked for by its dot, before a catch-up is."""
_ASKS = 4
"""So often in `probe_ms` others are asked to spare us, or not to any more."""
_MOST = 4
"""Times `fan` that are pushed to because they have chosen us, at the most."""
_NEW = (Outcome.absorbed, Outcome.waiting)
_COUNTED = {outcome: f"record {outcome.value}" for outcome in Outcome}
_CAME, _SMALL = 4_096, 4_096
"""Records remembered, and their bytes at the most."""


@dataclass(slots=True)
class _Tree:
    """Of what one origin minted: who brings it first."""

    keepers: list[str] = field(default_factory=list)
    """Who go on to bring it, the one that was first of late at the front."""
    spared: dict[str, int] = field(default_factory=dict)
    """Who were asked not to, and until when."""
    n: int = 0
    """The last that was brought."""


class Pushing:
    """What was minted and is not sent yet; whom it goes to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        state = desk.replica.state
        self._id, self._told = state.id, state.vector.get(state.id, 0)
        self._chosen: tuple[str, ...] = ()
        """Those that were chosen here."""
        self._chosen_ms: int | None = None
        self._by: dict[str, int] = {}
        """Those who have chosen us, until when that holds."""
        self._announcing = Announcing(desk)
        self._came: dict[bytes, str] = {}
        """Records that were absorbed of late, as they came, and who minted them: whoever brings them again need not be
        understood."""
        self._trees: defaultdict[str, _Tree] = defaultdict(_Tree)
        self._spared: dict[tuple[str, str], int] = {}
        """An origin, and who wants its records from others: until when."""
        self._looked_ms = 0
        self._asked_ms = 0
        self._asked: dict[str, dict[str, bool]] = {}
        """What is to be said soon: to whom, of which origins, whether they are wanted no more."""

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
        for dot, data in reversed(replica.recent):
            if dot[0] == state.id:
                if dot[1] <= self._told:
                    break
                found.append(data)
                if dot[1] == self._told + 1:
                    break  # (what is before it may be long: all that others minted meanwhile)
        self._told = n
        self._push(found[::-1], self.targets())

    def _push(self, records: list[bytes], peers: list[Peer]) -> None:
        if not records:
            return
        batch: list[bytes] = []
        size = 0
        for data in [*records, None]:
            if data is None or size + len(data) > self._desk.settings.page_bytes:
                if batch:
                    self._desk.send_all(peers, Push(tuple(batch)))
                batch, size = [], 0
            if data is not None:
                batch.append(data)
                size += len(data)

    # whom

    def targets(self) -> list[Peer]:
        """The peers that what is fresh is sent to: where there are many, those chosen here, and those who have chosen
        us. O(few) there."""
        desk = self._desk
        if self._many() and (found := self._there({**dict.fromkeys(self._chosen), **self._by})):
            return found
        met = [p for p in desk.met() if not p.leaving]
        return met if len(met) <= desk.settings.all_peers else met[: desk.settings.fan]

    def _relayed(self) -> list[Peer]:
        """The peers that what others minted is passed on to: those who have chosen us, and no more. Each chooses a few,
        so each is brought everything by a few."""
        return self._there(self._by) or self.targets()

    def _there(self, names: Iterable[str]) -> list[Peer]:
        id, named = self._desk.replica.state.id, map(self._desk.peers.get, names)
        return [p for p in named if p is not None and p.met == id and not p.leaving]

    def _many(self) -> bool:
        return len(self._desk.peers) > self._desk.settings.all_peers

    def on_tick(self) -> None:
        """Say who need not bring what. Choose anew whom to send to, where there are many: half of them the nearest, the
        others at random."""
        desk, given = self._desk, self._desk.settings
        if not self._many():
            return
        self._announcing.on_tick()
        if desk.now_ms - self._looked_ms >= given.probe_ms:
            self._looked_ms = desk.now_ms
            self._by = {name: until for name, until in self._by.items() if until > desk.now_ms}
            self._look()
        if self._asked and desk.now_ms - self._asked_ms >= given.probe_ms // _ASKS:
            self._asked_ms = desk.now_ms
            self._ask()
        if self._chosen_ms is not None and desk.now_ms - self._chosen_ms < given.shuffle_ms:
            return
        met = desk.met()
        if len(met) <= given.all_peers:
            return
        self._chosen_ms = desk.now_ms
        fan = given.fan // 2  # (as many choose us)
        near = sorted(met, key=lambda p: (p.delay_ms is None, p.delay_ms or 0, p.name))[: fan // 2]
        others = [peer for peer in met if peer not in near]
        far = desk.random.sample(others, min(fan - len(near), len(others)))
        self._chosen = tuple(peer.name for peer in (*near, *far))
        self._trees.clear()
        self._spared = {whose: until for whose, until in self._spared.items() if until > desk.now_ms}
        desk.send_all((*near, *far), Prune(0))  # they know by that that they are chosen

    # in

    def on_push(self, peer: Peer, frame: Frame, push: Push) -> None:
        """Take records in; pass on what is new, where not all are sent to all. Raises MessageInvalid."""
        desk, came = self._desk, self._came
        again = [came[data] for data in push.records if data in came]
        fresh = [data for data in push.records if data not in came] if len(again) < len(push.records) else []
        if again:
            desk.counts["record known"] += len(again)
        new = self._take(peer, fresh) if fresh else []
        if not self._many():
            return
        self._remember(new)
        for record, _ in new:
            self._was_first(peer, record)
        for origin in again:
            if origin != peer.id:
                self._was_late(peer, origin)
        if new:
            self._pass_on(peer, new)

    def _take(self, peer: Peer, records: list[bytes]) -> list[tuple[Record, bytes]]:
        """Take them in; those that are new."""
        desk = self._desk
        found = [_decoded(data) for data in records]
        outcomes = receive_all(desk.replica, found)
        for outcome in outcomes:
            desk.counts[_COUNTED[outcome]] += 1
        if Outcome.waiting in outcomes:
            self._wait(peer, found[outcomes.index(Outcome.waiting)][0])
        # What waits here for what it builds on is passed on at once: others may have that already.
        return [each for each, outcome in zip(found, outcomes, strict=True) if outcome in _NEW]

    def _wait(self, peer: Peer, record: Record) -> None:
        """What it builds on comes, is asked for by its dot, or comes by a catch-up from who brought it."""
        desk, first_ms = self._desk, 0
        if self._many():
            self._announcing.waits(peer, record)
            first_ms = _AT_FIRST * desk.settings.gap_ms
        if peer.waits is None:
            peer.waits = desk.now_ms + first_ms, record.dot

    def _link(self, peer: Peer) -> None:
        """Who has chosen to push here is pushed to: so nobody is left out."""
        given = self._desk.settings
        if peer.name in self._by or len(self._by) < _MOST * given.fan:
            self._by[peer.name] = self._desk.now_ms + given.shuffle_ms * 5 // 4

    def _remember(self, new: list[tuple[Record, bytes]]) -> None:
        came = self._came
        if not new:
            return
        came.update((data, record.dot[0]) for record, data in new if len(data) <= _SMALL)
        while len(came) > _CAME:
            del came[next(iter(came))]

    # trees

    def _was_first(self, peer: Peer, record: Record) -> None:
        """It has brought what is new: it goes on to, whatever it was asked."""
        origin, n = record.dot
        tree = self._trees[origin]
        tree.n = max(n, tree.n)
        if not self._brings(peer, origin):
            self._miss(origin, tree)
            return
        if tree.spared.pop(peer.name, 0):
            self._asked.setdefault(peer.name, {})[origin] = False
        if tree.keepers[:1] != [peer.name]:
            others = [name for name in tree.keepers if name != peer.name]
            tree.keepers = [peer.name, *others][: self._desk.settings.sources]

    def _brings(self, peer: Peer, origin: str) -> bool:
        """Whether it pushes here: it was chosen, or has minted it. Who was asked for what lacks does so but once."""
        return peer.name in self._chosen or peer.id == origin

    def _was_late(self, peer: Peer, origin: str) -> None:
        """It has brought what is known. Where enough others bring that origin's, it is asked not to."""
        tree, now_ms, given = self._trees[origin], self._desk.now_ms, self._desk.settings
        if peer.name in tree.keepers or not self._brings(peer, origin):
            return
        if len(tree.keepers) < given.sources:
            tree.keepers.append(peer.name)
        elif tree.spared.get(peer.name, 0) <= now_ms:
            tree.spared[peer.name] = now_ms + given.prune_ms
            self._asked.setdefault(peer.name, {})[origin] = True

    def _look(self) -> None:
        """What has come by a catch-up was not brought."""
        vector = self._desk.replica.state.vector
        for origin, tree in list(self._trees.items()):
            n = vector.get(origin, 0)
            if n > tree.n:
                tree.n = n
                self._miss(origin, tree)
            elif origin not in vector:
                del self._trees[origin]

    def _miss(self, origin: str, tree: _Tree) -> None:
        """Those who go on to bring what it mints have not: all are wanted again."""
        for name in tree.spared:
            self._asked.setdefault(name, {})[origin] = False
        tree.keepers, tree.spared = [], {}

    def _ask(self) -> None:
        desk, asked = self._desk, self._asked
        self._asked = {}
        for name, origins in asked.items():
            peer = desk.peers.get(name)
            for spared, for_ms in ((True, desk.settings.prune_ms), (False, 0)):
                some = tuple(origin for origin, said in origins.items() if said is spared)
                if some and peer is not None:
                    desk.send(peer, Prune(for_ms, some))

    def _pass_on(self, source: Peer, records: list[tuple[Record, bytes]]) -> None:
        """To all that are sent to, but for who has brought it, and who has others bring that origin's."""
        now_ms, spared, to = self._desk.now_ms, self._spared, defaultdict[tuple[int, ...], list[Peer]](list)
        for peer in self._relayed():
            if peer is not source:
                lacking = []
                for i, (record, _) in enumerate(records):
                    if spared.get((record.dot[0], peer.name), 0) <= now_ms:
                        lacking.append(i)
                    else:
                        self._announcing.offer(peer, record.dot)
                to[tuple(lacking)].append(peer)
        for some, peers in to.items():
            self._desk.counts["record spared"] += (len(records) - len(some)) * len(peers)
            self._push([records[i][1] for i in some], peers)

    def on_have(self, peer: Peer, frame: Frame, have: Have) -> None:
        """What does not come by itself is asked for, soon."""
        self._announcing.on_have(peer, have)

    def on_want(self, peer: Peer, frame: Frame, want: Want) -> None:
        """Give what is at hand. O(records at hand)."""
        self._push(self._announcing.found(want), [peer])

    def on_prune(self, peer: Peer, frame: Frame, prune: Prune) -> None:
        """Others bring it what these minted; or nobody does any more, if that is for no time at all. Of none: it has
        chosen us."""
        desk, spared = self._desk, self._spared
        if not prune.for_ms and not prune.origins:
            self._link(peer)
        until_ms = desk.now_ms + min(prune.for_ms, desk.settings.prune_ms)
        for origin in prune.origins:
            if origin not in desk.replica.state.vector:
                continue  # (so there are no more than it knows)
            if prune.for_ms:
                spared[origin, peer.name] = until_ms
            else:
                spared.pop((origin, peer.name), None)


def _decoded(data: bytes) -> tuple[Record, bytes]:
    """A record, and its bytes. (Many replicas of one process, as a simulator has them, keep one of each.)"""
    return _record(data) if len(data) <= _SMALL else _record.__wrapped__(data)


@lru_cache(maxsize=1_024)
def _record(data: bytes) -> tuple[Record, bytes]:
    message = decode(data)
    if not isinstance(message, Record):
        raise MessageInvalid("a catch-up was pushed where records belong")
    return message, data
