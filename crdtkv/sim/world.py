"""The world: a heap of events in virtual time, colos, and a network between them.

Law of this room: no wall clock, no randomness but streams of the seed, no threads; nothing of
the replication is modelled. Two events of one instant happen in the order in which they were
asked for, so that one seed is one run, bit for bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import xxhash

from crdtkv.core.clocks import Dot
from crdtkv.core.wire import CatchUp, decode, encode
from crdtkv.errors import CrdtkvError
from crdtkv.gossip.settings import Settings
from crdtkv.replica import life
from crdtkv.replica.cutting import catch_up
from crdtkv.sim import latency
from crdtkv.sim.chance import distribution, stream
from crdtkv.sim.clock import SECOND, Clock
from crdtkv.sim.colo import Colo
from crdtkv.sim.disk import Disk
from crdtkv.sim.frames import Frames
from crdtkv.sim.network import Network, Trouble
from crdtkv.sim.scenario import Scenario
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.sim.files import FileDisk

__all__ = ["Arrived", "FORGET_US", "World"]

_IDLE_US = 2 * SECOND
_IDLE_TICKS = 10
"""Where nothing happens for so long, only each tenth tick is one, as the transport has it."""
FORGET_US = 10 * SECOND

Arrived = Callable[[Colo, Dot, str], None]


class World:
    """Colos that are members of one namespace, each knowing all others, and nothing happening yet."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario, self.seed = scenario, seed
        self.now_us = 0
        self.events = 0
        self.messages = 0
        self.refusals: Counter[str] = Counter()
        self.notes: dict[str, str] = {}
        """What is noted beside each store."""
        self.lost_disks: dict[str, list[int]] = {}
        """colo -> when its disk lost what had been acknowledged."""
        self.joined: dict[str, list[int]] = {}
        """colo -> when it took all that there is from another, under a new name."""
        self.frames = Frames()
        self._disks = 0
        self._folder: TemporaryDirectory[str] | None = None
        self.on_arrival: list[Arrived] = []
        """Told of each transaction that a colo has from now on: of its own, by a record, or by a catch-up (of whom)."""
        self.on_message: list[Callable[[str, str, bytes, str], None]] = []
        """Told of each message: from, to, bytes, and "send", "lost" or "arrive"."""
        self.minted = self.needs_bytes = 0
        """Records, and the bytes of them that say what they build on."""
        self.bytes_by_kind = [0] * 256
        """By the byte that names a kind of message."""
        self.hash = xxhash.xxh3_128()
        self._heap: list[tuple[int, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._asked = 0
        given = scenario.gossip
        self.settings = Settings(probe_ms=int(given.interval_s * 1_000), fan=given.fanout, all_peers=given.all_peers)
        self.tick_us = int(given.tick_s * SECOND)
        net = scenario.network
        rtt_ms = latency.model(net.model, scenario.colos.set, Path(scenario.folder))
        self.network = Network(
            seed, lambda a, b: rtt_ms(a.upper(), b.upper()),
            None if net.jitter is None else distribution(net.jitter),
            Trouble(net.loss, net.duplicate, net.reorder), net.bandwidth,
        )  # fmt: skip
        names = [name.lower() for name in scenario.colos.set]
        self.colos: dict[str, Colo] = {name: self._colo(at, name) for at, name in enumerate(names)}
        self._found()

    def _colo(self, index: int, name: str) -> Colo:
        given, dice = self.scenario.colos, stream(self.seed, "colo", name)
        clock = Clock(distribution(given.skew_ms)(dice), distribution(given.drift_ppm)(dice))
        fsync = distribution(given.fsync_ms) if given.fsync_ms else None
        return Colo(self, index, name, clock, dice, fsync)

    def new_disk(self, name: str) -> Disk | FileDisk:
        """An empty disk for that colo."""
        self._disks += 1
        given = self.scenario.colos
        if given.storage == "memory":
            return Disk(f"{name}/{self._disks}", self.notes, given.durability)
        from crdtkv.sim.files import FileDisk

        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="crdtkv-sim-")
        return FileDisk(Path(self._folder.name) / f"{name}-{self._disks}.db", given.durability)

    def close(self) -> None:
        """Let go of files."""
        if self._folder is not None:
            for colo in self.colos.values():
                colo.disk.close()
            self._folder.cleanup()

    def disk_lost(self, colo: Colo) -> None:
        """Some of what was acknowledged there may be gone with its disk."""
        self.lost_disks.setdefault(colo.name, []).append(self.now_us)

    def _found(self) -> None:
        """The namespace: the first colo begins it, and is the sponsor of all others, as it is when they join."""
        replicas = [colo.begin(self.new_disk(colo.name)) for colo in self.colos.values()]
        first, others = replicas[0], replicas[1:]
        self.namespace = first.state.namespace
        colos = list(self.colos.values())
        colos[0].open(first, self.others(colos[0].name))
        for rule in self.scenario.keys:
            colos[0].store.rules.set(rule.match, rule.strategy)
        ancestry = [
            life.admit(first, f"{colo.name}~{colo.token()}", [replica.state.id])
            for colo, replica in zip(colos[1:], others, strict=True)
        ]
        snapshot = decode(encode(catch_up(first, {}, full=True)))
        assert isinstance(snapshot, CatchUp)
        for colo, replica, sponsors in zip(colos[1:], others, ancestry, strict=True):
            life.return_to(replica, sponsors, first.state.namespace, snapshot)
            colo.open(replica, self.others(colo.name))
        for one in colos:
            for other in colos:
                if one is not other:
                    one.gossip.acquaint(other.name, other.store.id, int(self.network.rtt_ms(one.name, other.name)))
            self.begin_ticks(one)

    # time

    def at(self, when_us: int, act: Callable[..., Any], *args: Any) -> None:
        """`act` happens then."""
        self._asked += 1
        heappush(self._heap, (when_us, self._asked, act, args))

    def after(self, seconds: float, act: Callable[..., Any], *args: Any) -> None:
        """`act` happens so many seconds from now."""
        self.at(self.now_us + int(seconds * SECOND), act, *args)

    def run(self, until_us: int) -> None:
        """All that happens up to then."""
        heap, pop = self._heap, heappop
        asked, ahead = self._asked, len(heap)
        while heap and heap[0][0] <= until_us:
            self.now_us, _, act, args = pop(heap)
            act(*args)
        self.events += self._asked - asked + ahead - len(heap)
        self.now_us = max(self.now_us, until_us)

    @property
    def now_s(self) -> float:
        """Virtual time in seconds."""
        return self.now_us / SECOND

    # colos

    def others(self, name: str) -> list[str]:
        """The names of all colos but that one."""
        return [each for each in self.colos if each != name]

    def begin_ticks(self, colo: Colo) -> None:
        """Its clock ticks, as long as its process lives."""
        self.at(self.now_us + colo.dice.randrange(self.tick_us), self._tick, colo, colo.lives, 0)
        self.at(self.now_us + colo.dice.randrange(FORGET_US), self._forget, colo, colo.lives)

    def _tick(self, colo: Colo, life: int, turn: int) -> None:
        if colo.lives == life and colo.up:
            if turn % _IDLE_TICKS == 0 or self.now_us - colo.active_us < _IDLE_US:
                colo.tick()
            self.at(self.now_us + self.tick_us, self._tick, colo, life, turn + 1)

    def _forget(self, colo: Colo, life: int) -> None:
        if colo.lives == life and colo.up:
            colo.forget()
            self.at(self.now_us + FORGET_US, self._forget, colo, life)

    # messages

    def send(self, sender: str, to: str, data: bytes) -> None:
        """A message goes from one colo to another, or nowhere."""
        network, now_us = self.network, self.now_us
        link = network.links.get((sender, to)) or network.link(sender, to)
        fates = network.fates(link, data, now_us)
        self.hash.update(b"%d %b %d" % (now_us, link.name, len(data)))
        self.hash.update(data)
        self.bytes_by_kind[data[1]] += len(data)
        if self.on_message:
            for told in self.on_message:
                told(sender, to, data, "send" if fates else "lost")
        for at, came in fates:
            self._asked += 1
            heappush(self._heap, (at, self._asked, self._deliver, (sender, self.colos[to], came)))

    def _deliver(self, sender: str, to: Colo, data: bytes) -> None:
        self.messages += 1
        if self.on_message:
            for told in self.on_message:
                told(sender, to.name, data, "arrive")
        to.on_message(sender, data)

    # what is told

    def arrived(self, colo: Colo, dot: Dot, sender: str) -> None:
        """A colo has that transaction."""
        for told in self.on_arrival:
            told(colo, dot, sender)

    def refused(self, colo: Colo, error: CrdtkvError) -> None:
        """A machine could not do what it was asked."""
        self.refusals[error.code] += 1

    def one(self, colos: Iterable[Colo] | None = None) -> bool:
        """Whether all that run count each other and have the same vector, and nothing waits to be minted anew."""
        stores = [colo.store for colo in colos or self.colos.values() if colo.up]
        states = [door.replica(store).state for store in stores]
        return all(s.vector == states[0].vector and not s.pending for s in states) and all(
            len(s.members) == len(self.colos) for s in stores
        )

