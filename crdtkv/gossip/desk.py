"""What all parts of the protocol share: the replica, the peers, what is to be sent, what was counted.

Law of this room: time and randomness are those of the event that is being worked on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from operator import ne
from typing import get_args

import xxhash

from crdtkv.core.clocks import Dot
from crdtkv.core.rules import Rule
from crdtkv.errors import CrdtkvError
from crdtkv.gossip.messages import Frame, Hello, Message, encode
from crdtkv.gossip.settings import Dice, Send, Settings
from crdtkv.replica.core import Replica

__all__ = ["Desk", "Peer", "entry_hash"]


@dataclass(eq=False, slots=True)
class Peer:
    """One that messages are exchanged with, by the name that the transport knows it by: its colo's, as a rule."""

    name: str
    id: str = ""
    """Who it last said it was."""
    version: int = 0
    """Of the protocol, that its last hello was in; 0: not known."""
    met: str = ""
    """Our own id when we two agreed to exchange; else nothing is."""
    nonce: int = 0
    """Of our hello that is not answered; 0: none."""
    settled: int = 0
    """Of our last one that was."""
    theirs: int = 0
    """Of its last hello."""
    answered: int = 0
    """Of its last hello that we answered."""
    greeted_ms: int | None = None
    greets: int = 0
    """How often it was greeted since we last met."""
    heard_ms: int | None = None
    compared_ms: int | None = None
    """When our digests were last found equal."""
    delay_ms: int | None = None
    """How long it took to answer last."""
    waits: tuple[int, Dot] | None = None
    """Since when a record that it sent waits for what it builds on, and which."""
    welcomed: int = 0
    """The number of its catch-up that goes with its joining through us."""
    differs_ms: int | None = None
    """Since when what it sends is not what it says that it has."""
    doubted: str = ""
    """The id under which it said that we are in conflict, though another of its colo is counted here."""
    refused: bool = False
    """Whether one of us does not accept the other."""
    leaving: bool = False
    """It said goodbye, and no hello since: what else comes was overtaken by that."""
    error: CrdtkvError | None = None
    """What was wrong with its last message, or with the two of us."""


@lru_cache(1 << 16)
def entry_hash(replica: str, n: int) -> int:
    """63 bits of one entry of a vector; of none, if n is 0."""
    return int(xxhash.xxh3_64_intdigest(f"{replica} {n}".encode())) >> 1 if n else 0


_new = tuple.__new__  # of a NamedTuple: its own takes four times as long
_SENT: dict[type[Message], str] = {kind: f"sent {kind.__name__.lower()}" for kind in get_args(Message)}
_LATELY = 1_024
"""Of more entries that changed lately nothing is said."""


def _unlike(vector: dict[str, int], before: dict[str, int]) -> Iterable[str]:
    """The replicas whose entries differ from those before, or are new. O(replicas), little of each: what is of the
    same replicas in the same order, as a copy of it is for long, is compared by its numbers."""
    if len(vector) == len(before) and list(vector) == list(before):
        return list(compress(vector, map(ne, vector.values(), before.values())))
    return [replica for replica, n in vector.items() if n != before.get(replica)]


class Desk:
    """The state that is no part's own."""

    def __init__(
        self, replica: Replica, rule_of: Callable[[str], Rule], name: str, settings: Settings, version: int
    ) -> None:  # fmt: skip
        self.replica = replica
        self.rule_of = rule_of
        self.name = name
        self.settings = settings
        self.version = version
        self.peers: dict[str, Peer] = {}
        self.counts: Counter[str] = Counter()
        self.now_ms = 0
        self._random: Dice | None = None
        self._outbox: list[Send] = []
        self._hash, self._hashed = 0, dict[str, int]()
        self._hashed_of = dict[str, int](), 0
        self._looks = dict[str, int](), dict[str, int](), dict[str, int]()

    def peer(self, name: str) -> Peer | None:
        """The peer with that name, new if it is; None if there are too many."""
        known = self.peers.get(name)
        if known is None and len(self.peers) < self.settings.max_peers:
            known = self.peers[name] = Peer(name)
        return known

    def begin(self, now_ms: int, random: Dice | None = None) -> None:
        """An event begins."""
        self.now_ms = max(self.now_ms, now_ms)
        if random is not None:
            self._random = random

    @property
    def random(self) -> Dice:
        """The randomness of the event."""
        assert self._random is not None, "no randomness was handed in"
        return self._random

    def send(self, peer: Peer, message: Message) -> None:
        """It goes out when the event is over."""
        self.send_all((peer,), message)

    def send_all(self, peers: Iterable[Peer], message: Message) -> None:
        """The same to each of them when the event is over, in the older of the versions that the two of us speak.
        Encoded once for each version."""
        state, counts, encoded = self.replica.state, self.counts, dict[int, bytes]()
        greets = isinstance(message, Hello)
        sent = size = 0
        for peer in peers:
            # (A hello is in our own: who has it knows what we speak; else two that came to a later one would not.)
            version = self.version if greets else self.speaks(peer)
            data = encoded.get(version)
            if data is None:
                data = encoded[version] = encode(Frame(self.name, state.namespace, state.id, message), version)
            self._outbox.append(_new(Send, (peer.name, data)))
            size += len(data)
            sent += 1
        if sent:
            counts["sent bytes"] += size
            counts[_SENT[type(message)]] += sent

    def speaks(self, peer: Peer) -> int:
        """The version of the wire that the two of us speak."""
        return min(self.version, peer.version) if peer.version else self.version

    def vector_hash(self) -> int:
        """63 bits that are equal where vectors are: the sum of those of its entries. O(replicas), little of each."""
        vector, hashed = self.replica.state.vector, self._hashed
        # Its entries only grow; and where another was put back in its place, that is another object.
        of = vector, sum(vector.values())
        if of[0] is self._hashed_of[0] and of[1] == self._hashed_of[1]:
            return self._hash
        self._hashed_of = of
        if not hashed.keys() <= vector.keys():
            self._hash, hashed = 0, {}
        for replica in _unlike(vector, hashed):
            self._hash += entry_hash(replica, vector[replica]) - entry_hash(replica, hashed.get(replica, 0))
        self._hash %= 1 << 63
        self._hashed = vector.copy()
        return self._hash

    def look(self) -> None:
        """From now on what changes has changed lately, for as long as until the third look from now, and just now, for
        as long as until the second."""
        self._looks = *self._looks[1:], dict(self.replica.state.vector)

    def lately(self) -> dict[str, int]:
        """The entries of the vector that have changed lately. O(replicas)."""
        vector = self.replica.state.vector
        found = {replica: vector[replica] for replica in _unlike(vector, self._looks[0])}
        return found if len(found) <= _LATELY else {}

    def just_now(self) -> Iterator[tuple[str, int, int]]:
        """The entries of the vector that have changed just now, and what each was before. O(replicas)."""
        vector, before = self.replica.state.vector, self._looks[1]
        for replica in _unlike(vector, before):
            yield replica, vector[replica], before.get(replica, 0)

    def taken(self) -> list[Send]:
        """What is to be sent; the event is over."""
        out, self._outbox = self._outbox, []
        return out

    def refuse(self, peer: Peer | None, error: CrdtkvError) -> None:
        """A message was refused; it has changed nothing."""
        self.counts[f"refused {error.code}"] += 1
        if peer is not None:
            peer.error = error

    def met(self) -> list[Peer]:
        """The peers that exchange with us. O(peers)."""
        id = self.replica.state.id
        return [peer for peer in self.peers.values() if peer.met == id]

    def late(self, peer: Peer, since_ms: int) -> bool:
        """Whether what was under way from a peer then would be here by now, and some time ago."""
        return self.now_ms - since_ms >= self.settings.gap_ms + (peer.delay_ms or 0)

    def exchanges(self, peer: Peer, frame: Frame) -> bool:
        """Whether what a frame brings may be taken: of one that we met as who we both are now."""
        state = self.replica.state
        return (
            peer.met == state.id and peer.id == frame.sender and frame.namespace == state.namespace and not state.copied
        )

