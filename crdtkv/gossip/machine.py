"""The protocol of one replica: what happens goes in, messages come out.

Law of this room: pure. It is handed time and randomness, it sends nothing itself, and what
came is in the replica before a message about it is given out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, get_args

from crdtkv.core.envelope import VERSION
from crdtkv.core.rules import DEFAULT, Rule
from crdtkv.errors import BadRequest, Corrupt, CrdtkvError, MessageInvalid, Refused
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.draining import Draining
from crdtkv.gossip.glancing import Glancing
from crdtkv.gossip.hearing import Hearing
from crdtkv.gossip.meeting import Meeting
from crdtkv.gossip.messages import (
    Ask,
    Even,
    Frame,
    Glance,
    Goodbye,
    Have,
    Heard,
    Hello,
    Join,
    Later,
    Message,
    Page,
    Probe,
    Prune,
    Push,
    Ranges,
    Repair,
    Want,
    Welcome,
    decode,
    together,
)
from crdtkv.gossip.probing import Probing
from crdtkv.gossip.pulling import Pulling
from crdtkv.gossip.pushing import Pushing
from crdtkv.gossip.repair import Repairing
from crdtkv.gossip.serving import Serving
from crdtkv.gossip.settings import Dice, Send, Settings
from crdtkv.replica import pending
from crdtkv.replica.core import Replica

__all__ = ["Gossip", "PeerStatus"]


class PeerStatus(NamedTuple):
    """How it stands between us and a peer. Times are of the clock handed in, in ms; None: not yet."""

    name: str
    id: str
    met: bool
    heard_ms: int | None
    compared_ms: int | None
    delay_ms: int | None
    refused: bool
    error: CrdtkvError | None


_GOT: dict[type[Message], str] = {kind: f"got {kind.__name__.lower()}" for kind in get_args(Message)}


class Gossip:
    """One replica's side of the protocol. Not thread-safe: whoever drives it holds the store's lock around each call.

    Each call gives what is to be sent; a `Send` may be lost, doubled or late. After each the store tells its
    listeners what was minted meanwhile. `read`: how a message becomes a frame; who runs many replicas of one process
    hands in a way that does not read the same bytes again for each.
    """

    def __init__(
        self, replica: Replica, rule_of: Callable[[str], Rule] = lambda key: DEFAULT, name: str = "default",
        settings: Settings | None = None, peers: Iterable[str] = (), version: int = VERSION,
        read: Callable[[bytes, int], Frame] = decode,
    ) -> None:  # fmt: skip
        self._read = read
        self._desk = Desk(replica, rule_of, name, settings or Settings(), version)
        self._pulling = Pulling(self._desk)
        self.draining = Draining(self._desk)
        """Of who is about to go."""
        self._meeting = Meeting(self._desk, self._pulling, self.draining)
        self._serving = Serving(self._desk, self._pulling, self.draining)
        self._pushing = Pushing(self._desk)
        self._glancing = Glancing(self._desk)
        self._hearing = Hearing(self._desk, self._pulling)
        self._repairing = Repairing(self._desk)
        self._probing = Probing(self._desk, self._pulling, self._repairing)
        self._id = replica.state.id
        self._takes: dict[type[Any], Callable[[Peer, Frame, Any], None]] = {
            Hello: self._meeting.on_hello, Join: self._meeting.on_join, Welcome: self._meeting.on_welcome,
            Later: self._meeting.on_later,
            Glance: self._glancing.on_glance,
            Page: self._pulling.on_page, Even: self._pulling.on_even, Ask: self._serving.on_ask,
            Push: self._between_met(self._pushing.on_push), Prune: self._between_met(self._pushing.on_prune),
            Have: self._between_met(self._pushing.on_have), Want: self._between_met(self._pushing.on_want),
            Heard: self._between_met(self._hearing.on_heard),
            Ranges: self._between_met(self._repairing.on_ranges),
            Repair: self._between_met(self._repairing.on_repair),
            Probe: self._between_met(self._probing.on_probe), Goodbye: self._on_goodbye,
        }  # fmt: skip
        for peer in peers:
            self.add_peer(peer)

    # peers

    def add_peer(self, name: str) -> None:
        """Exchange with a peer, under the name that `Send.peer` will have. Who sends a message is one, too."""
        self._desk.peer(name)

    def acquaint(self, name: str, id: str, delay_ms: int | None = None) -> None:
        """As if the two had met, and agreed who belongs: for a simulator that begins where all know each other."""
        peer = self._desk.peer(name)
        if peer is not None:
            peer.id, peer.met, peer.delay_ms = id, self._desk.replica.state.id, delay_ms

    def drop_peer(self, name: str) -> None:
        """Say nothing more to a peer, until it speaks."""
        peer = self._desk.peers.pop(name, None)
        if peer is not None:
            self._meeting.drop(peer)
            self._pulling.drop(peer)
            self._probing.drop(peer)

    @property
    def counts(self) -> Counter[str]:
        """What was sent, taken, refused and dropped since this began, by kind."""
        return self._desk.counts

    def status(self) -> list[PeerStatus]:
        """How it stands with each peer, by name."""
        id = self._desk.replica.state.id
        return [
            PeerStatus(p.name, p.id, p.met == id, p.heard_ms, p.compared_ms, p.delay_ms, p.refused, p.error)
            for _, p in sorted(self._desk.peers.items())
        ]

    def suspects(self) -> list[str]:
        """The members nobody has heard of for `suspect_ms`, by the last tick. (To evict them is an operator's act.)"""
        return self._hearing.suspects()

    @property
    def joining(self) -> str:
        """The id of the one through whom this store is about to join or to come back; empty if it is not."""
        return self._meeting.joining

    # what happens

    def on_commit(self, now_ms: int) -> list[Send]:
        """Something was minted here, and is committed. O(what was minted)."""
        self._desk.begin(now_ms)
        return self._end()

    def on_tick(self, now_ms: int, random: Dice) -> list[Send]:
        """Time has passed: some 50 ms, so that gaps are asked for soon. O(peers)."""
        self._desk.begin(now_ms, random)
        self._meeting.on_tick()
        self._pulling.on_tick()
        self._pushing.on_tick()
        self._hearing.on_tick()
        self._probing.on_tick()
        self.draining.on_tick()
        return self._end()

    def on_message(self, peer: str, data: bytes, now_ms: int, random: Dice) -> list[Send]:
        """A message came from a peer. What is wrong with it is counted, and changes nothing.

        Raises StorageFailed where it could not be kept: then it was not taken.
        """
        desk = self._desk
        desk.begin(now_ms, random)
        known = desk.peers.get(peer) or desk.peer(peer)
        frame = self._frame(known, data)
        if frame is not None:
            self._take(known, frame)
        return self._end()

    def on_messages(self, peer: str, came: Iterable[bytes], now_ms: int, random: Dice) -> list[Send]:
        """As `on_message` of each in turn; but records that follow on each other share a commit."""
        desk = self._desk
        desk.begin(now_ms, random)
        known = desk.peer(peer)
        for frame in together(self._frames(known, came)):
            self._take(known, frame)
            if known is None:
                break
        return self._end()

    def _frames(self, peer: Peer | None, came: Iterable[bytes]) -> Iterator[Frame]:
        for data in came:
            frame = self._frame(peer, data)
            if frame is not None:
                yield frame

    def _take(self, peer: Peer | None, frame: Frame) -> None:
        desk = self._desk
        if peer is None:
            desk.counts["too many peers"] += 1
            return
        peer.heard_ms = desk.now_ms
        try:
            self._takes[type(frame.message)](peer, frame, frame.message)
        except (BadRequest, Refused, Corrupt) as error:
            desk.refuse(peer, error)

    def _frame(self, peer: Peer | None, data: bytes) -> Frame | None:
        """The frame in it; None if it is not for us."""
        desk = self._desk
        try:
            frame = self._read(data, desk.settings.max_message)
            if frame.name != desk.name:
                raise MessageInvalid(f"a message of namespace {frame.name!r} came to {desk.name!r}")
        except (BadRequest, Refused) as error:
            desk.refuse(peer, error)
            return None
        kind = type(frame.message)
        desk.counts[_GOT[kind]] += 1
        if kind in (Hello, Glance) and peer is not None:
            peer.version = data[0]
        return frame

    def goodbye(self, now_ms: int) -> list[Send]:
        """Tell the peers that this stops: they need not wonder."""
        self._desk.begin(now_ms)
        for peer in self._desk.met():
            self._desk.send(peer, Goodbye())
        return self._desk.taken()

    def greet(self, peer: str, now_ms: int, random: Dice) -> list[Send]:
        """Meet a peer now."""
        self._desk.begin(now_ms, random)
        known = self._desk.peer(peer)
        if known is not None:
            self._meeting.greet(known)
        return self._desk.taken()

    def glance(self, peer: str, now_ms: int) -> list[Send]:
        """Ask a peer that need not be met whether it holds the same; if it answers that it does, the two have met."""
        self._desk.begin(now_ms)
        known = self._desk.peer(peer)
        if known is not None:
            self._glancing.glance(known)
        return self._desk.taken()

    def pull(self, peer: str, now_ms: int, random: Dice) -> list[Send]:
        """Ask a peer that was met for what is lacking here, and to ask us then."""
        self._desk.begin(now_ms, random)
        known = self._desk.peer(peer)
        if known is not None and known.met == self._desk.replica.state.id:
            self._pulling.pull(known, tell=True)
        return self._desk.taken()

    def _end(self) -> list[Send]:
        """What follows from any event."""
        desk, state = self._desk, self._desk.replica.state
        if state.pending:
            pending.remint(desk.replica, desk.rule_of)
        if self._id != state.id:
            self._id = state.id
            if any(peer.met not in ("", state.id) for peer in desk.peers.values()):
                self._meeting.renamed()
        self._pushing.fresh()
        return desk.taken()

    def _on_goodbye(self, peer: Peer, frame: Frame, goodbye: Goodbye) -> None:
        peer.leaving = frame.sender == peer.id

    def _between_met(self, take: Callable[[Peer, Frame, Any], None]) -> Callable[[Peer, Frame, Any], None]:
        """As `take`, but from one that was not met it is passed over, and it is greeted."""

        def guarded(peer: Peer, frame: Frame, message: Any) -> None:
            if self._desk.exchanges(peer, frame):
                take(peer, frame, message)
            else:
                self._desk.counts["from one not met"] += 1
                self._meeting.greet_again(peer)

        return guarded
