"""A network that loses, doubles, delays and misleads."""

from __future__ import annotations

from random import Random
from typing import Any

from crdtkv.core.wire import Record, decode, encode
from crdtkv.replica import cutting, exchange
from tests.laws.actions import MAX_BOX, Failure
from tests.laws.disks import Colo
from tests.laws.ground import Ground, synced

__all__ = ["Network"]


class Network(Ground):
    """Records are pushed, catch-ups cut for whoever may have moved on."""

    def _send(self, colo: Colo, data: bytes) -> None:
        """Eager push: to each peer with a chance, once or twice."""
        dice = Random(len(data) * 7919 + len(self.records) + self.seed)
        for at, other in enumerate(self.colos):
            if other is not colo and dice.random() < 0.6:
                self.box.append((at, data))
        while len(self.box) > MAX_BOX:
            self.box.pop(dice.randrange(len(self.box)))

    def do_deliver(self, colo: Colo, dice: Random) -> None:
        for _ in range(dice.choice((1, 1, 2, 5))):
            if not self.box:
                return
            at = dice.randrange(len(self.box))
            target, data = self.box[at]
            fate = dice.random()
            if fate < 0.8:
                self.box.pop(at)
            if fate < 0.92:
                self._receive(self.colos[target], data, dice)

    def _receive(self, colo: Colo, data: bytes, dice: Random) -> None:
        message = decode(data)
        replica = colo.replica
        before = self._state_of(colo)
        words = (
            message.dot
            if isinstance(message, Record)
            else f"catch-up {message.lineage[-1]} {message.since} -> {message.to}"
        )
        self.say(f"{colo.name} <- {words}")
        if isinstance(message, Record):
            outcome = exchange.receive(replica, message, data)
            if outcome is exchange.Outcome.absorbed and dice.random() < 0.3:
                self._send(colo, data)
        else:
            outcome = exchange.absorb(replica, message)
        self.counts[f"message {outcome.value}"] += 1
        if outcome is not exchange.Outcome.absorbed and self._state_of(colo) != before:
            raise Failure("refusal", f"{colo.name}: a message was {outcome.value} and changed something")
        if outcome is exchange.Outcome.absorbed:
            self._repeat(colo, message, data, dice)

    def _repeat(self, colo: Colo, message: Any, data: bytes, dice: Random) -> None:
        """What was absorbed changes nothing a second time (weight)."""
        if dice.random() < 0.1:
            before = self._state_of(colo)
            if isinstance(message, Record):
                exchange.receive(colo.replica, message, data)
            else:
                exchange.absorb(colo.replica, message)
            if self._state_of(colo) != before:
                raise Failure("refusal", f"{colo.name}: the same message twice changed something")

    def do_cut(self, colo: Colo, dice: Random) -> None:
        """A catch-up for a peer, under the vector that it has now or less; it is on its way."""
        at = dice.randrange(len(self.colos))
        peer = self.colos[at]
        if peer is colo:
            return
        vector = peer.store.vector
        if dice.random() < 0.15 and peer.seen is not None:
            vector = {r: max(0, n - dice.randrange(3)) for r, n in vector.items()}
            vector = {r: n for r, n in vector.items() if n}
        data = encode(cutting.catch_up(colo.replica, vector))
        if dice.random() < 0.12:
            at = dice.randrange(len(self.colos))  # it reaches somebody else, who may lack what it starts from
            peer = self.colos[at]
        if dice.random() < 0.5:
            self._receive(peer, data, dice)
        else:
            self.box.append((at, data))

    def do_sync(self, colo: Colo, dice: Random) -> None:
        synced(colo.store, self._peer(colo, dice).store)

    def do_compact(self, colo: Colo, dice: Random) -> None:
        colo.store.compact()
