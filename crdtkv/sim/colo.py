"""One colo of the simulated world: the real store and the real gossip machine, on a disk and a clock of the world's.

Law of this room: one thing at a time, as behind the store's lock. What is sent, and what a client
is told, goes out when the disk has it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import msgpack

from crdtkv.core.clocks import Dot
from crdtkv.core.envelope import VERSION
from crdtkv.core.wire import Record
from crdtkv.errors import CrdtkvError
from crdtkv.gossip.machine import Gossip
from crdtkv.gossip.settings import Send
from crdtkv.replica import life
from crdtkv.replica.core import Replica
from crdtkv.replica.recent import Recent
from crdtkv.sim.chance import Draw
from crdtkv.sim.clock import Clock
from crdtkv.sim.disk import Disk
from crdtkv.store import door, maintenance
from crdtkv.store.store import Store

if TYPE_CHECKING:
    from crdtkv.sim.files import FileDisk
    from crdtkv.sim.world import World

__all__ = ["Colo", "Watched", "Work"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"

Work = tuple[Callable[..., list[Send]], Callable[[bool], None] | None, tuple[Any, ...]]
"""What is to be done, who is told when its outcome is durable (False: it never was), and with which arguments."""
_PAGE = ord("g")
"""The byte that names a page of a catch-up."""


class Watched(Recent):
    """The records of a replica, each told of as it comes."""

    def __init__(self, given: Iterable[tuple[Dot, bytes]], tell: Callable[[Dot], None]) -> None:
        super().__init__()
        for made in given:
            super().append(made)
        self._tell = tell

    def append(self, made: tuple[Dot, bytes]) -> None:
        super().append(made)
        self._tell(made[0])


class Colo:
    """A colo by the name that its replica ids bear, in small letters."""

    def __init__(self, world: World, index: int, name: str, clock: Clock, dice: Random, fsync: Draw | None) -> None:
        self.world, self.index, self.name, self.clock, self.dice = world, index, name, clock, dice
        self._fsync = fsync
        self.slow = 1.0
        """How many times as long a sync takes, and how long at least."""
        self.least_ms = 0.0
        self.version = VERSION
        """Of the wire, that it speaks."""
        self.disk: Disk | FileDisk
        self.store: Store
        self.gossip: Gossip
        self.up = self.paused = False
        self.lives = 0
        """How often its process was begun."""
        self.known: dict[str, int] = {}
        """Its vector, as the world was told of it."""
        self.minted: Dot | None = None
        """The last transaction of its own."""
        self.active_us = 0
        self.free_us = 0
        self._waiting: deque[Work] = deque()
        self._fresh: list[Send] = []
        self._saw: dict[str, int] | None = None
        self._pages = self._joined = 0
        self._counted: Counter[str] = Counter()
        self._token = Random(f"{dice.random()}/token")

    # its process

    def begin(self, disk: Disk | FileDisk) -> Replica:
        """A replica on that disk."""
        self.disk = disk
        return life.begin(disk, self.name, self.wall_ms, self.token, steady_ms=self.steady_ms)

    def open(self, replica: Replica, peers: Iterable[str]) -> None:
        """The process runs."""
        world = self.world
        self.disk.begun()
        self.store = Store(replica, history=world.scenario.colos.history)
        self.gossip = Gossip(
            replica, partial(door.rule, self.store), settings=world.settings, peers=peers, version=self.version,
            read=world.frames.read,
        )  # fmt: skip
        replica.recent = Watched(replica.recent, self._came)
        self.store.on_commit.append(self._on_commit)
        self.lives += 1
        self.up, self.free_us = True, world.now_us
        self._pages = self._joined = 0
        self._waiting.clear()
        self._fresh.clear()
        self.known = {}
        self.look()
        self._settle_disk()

    def start(self) -> None:
        """Its process begins anew, on the disk as it is."""
        self.open(self.begin(self.disk.reopened()), self.world.others(self.name))
        self.world.begin_ticks(self)

    def stop(self) -> None:
        """The process is gone, and whatever waited for it."""
        if self.up:
            self._counted += self.gossip.counts
        self.up = self.paused = False
        waiting, self._waiting = self._waiting, deque()
        for _, done, _ in waiting:
            if done is not None:
                done(False)

    def crash(self) -> int:
        """The machine goes down where it stands; how many commits are lost with it."""
        self.stop()
        return self.disk.lose(self.dice)

    def wall_ms(self) -> int:
        """What its clock shows."""
        return self.clock.wall_ms(self.world.now_us)

    def steady_ms(self) -> int:
        """What a clock shows that nobody sets."""
        return self.world.now_us // 1_000

    def token(self) -> str:
        """Four letters for a new incarnation."""
        return "".join(self._token.choices(_LETTERS, k=4))

    # what happens

    def on_message(self, sender: str, data: bytes) -> None:
        """A message came."""
        if self.up:
            self.active_us = now_us = self.world.now_us
            if self.paused or self._waiting or now_us < self.free_us:
                self._waiting.append((self._on_message, None, (sender, data)))
            else:
                self._turn(self._on_message, None, (sender, data))

    def _on_message(self, sender: str, data: bytes) -> list[Send]:
        sends = self.gossip.on_message(sender, data, self.world.now_us // 1_000, self.dice)
        if data[1] == _PAGE:
            self._paged(sender)
        return sends

    def _paged(self, sender: str) -> None:
        counts = self.gossip.counts
        if counts["got page"] != self._pages:
            self._pages = counts["got page"]
            self.look(sender)
            if counts["joined"] != self._joined:
                self._joined = counts["joined"]
                self.world.joined.setdefault(self.name, []).append(self.world.now_us)

    def tick(self) -> None:
        """Time has passed."""
        if self.up and not self.paused and not self._waiting:
            self.take(self.gossip.on_tick, None, self.world.now_us // 1_000, self.dice)

    def forget(self) -> None:
        """What is known to be deleted everywhere is dropped."""

        def act() -> list[Send]:
            maintenance.forget(self.store)
            return []

        if self.up:
            self.take(act)

    def call(self, act: Callable[[Store], Any], done: Callable[[bool], None]) -> None:
        """A client asks something of the store."""
        if not self.up or door.replica(self.store).state.namespace != self.world.namespace:
            done(False)  # (a server waits until it has met one of those that it belongs to)
            return

        def ask() -> list[Send]:
            act(self.store)
            return []

        self.take(ask, done)

    def take(self, act: Callable[..., list[Send]], done: Callable[[bool], None] | None = None, *args: Any) -> None:
        """Do it now, with those arguments, or when it is its turn."""
        if self.paused or self._waiting or self.world.now_us < self.free_us:
            self._waiting.append((act, done, args))
            return
        self._turn(act, done, args)

    def resume(self) -> None:
        """What has waited is done, as long as the disk keeps up."""
        while self._waiting and self.up and not self.paused and self.world.now_us >= self.free_us:
            self._turn(*self._waiting.popleft())

    def _turn(
        self, act: Callable[..., list[Send]], done: Callable[[bool], None] | None, args: tuple[Any, ...] = ()
    ) -> None:  # fmt: skip
        try:
            sends = act(*args)
        except CrdtkvError as error:
            self.world.refused(self, error)
            sends = []
        finally:
            door.tell(self.store)  # also where it failed half-way: what was minted was
        if self._fresh:
            sends = [*sends, *self._fresh]
            self._fresh.clear()
        if self.disk.syncs:
            cost_us = self._cost_us()
            if cost_us:
                self.free_us = self.world.now_us + cost_us
                self.world.at(self.free_us, self._durable, self.lives, sends, done)
                return
            self._settle_disk()
        if sends or done is not None:
            self._out(sends, done)

    def _cost_us(self) -> int:
        draw = self._fsync
        if draw is None and not self.least_ms:
            return 0
        times = [draw(self.dice) * self.slow if draw is not None else 0.0 for _ in range(self.disk.syncs)]
        return sum(int(max(self.least_ms, ms) * 1_000) for ms in times)

    def _settle_disk(self) -> None:
        if self.disk.syncs:
            self.disk.syncs = 0
            self.disk.synced()

    def _durable(self, life: int, sends: list[Send], done: Callable[[bool], None] | None) -> None:
        if life != self.lives or not self.up:
            if done is not None:
                done(False)
            return
        self._settle_disk()
        if self.paused:
            self._waiting.appendleft((lambda: sends, done, ()))
            return
        self._out(sends, done)
        self.resume()

    def _out(self, sends: list[Send], done: Callable[[bool], None] | None) -> None:
        for peer, data in sends:
            self.world.send(self.name, peer, data)
        if done is not None:
            done(True)

    def _on_commit(self, record: Record, data: bytes) -> None:
        self.minted = record.dot
        self.world.minted += 1
        self.world.needs_bytes += len(msgpack.packb(record.needs))
        self.active_us = self.world.now_us
        self._fresh += self.gossip.on_commit(self.world.now_us // 1_000)

    # what it knows

    def _came(self, dot: Dot) -> None:
        origin, n = dot
        known = self.known.get(origin, 0)
        if n > known:
            self.known[origin] = n
            self._saw = None
            for each in range(known + 1, n + 1):  # (one that waited follows a catch-up at once)
                self.world.arrived(self, (origin, each), "")

    def look(self, sender: str = "") -> None:
        """All that is here and was not told of yet came just now, in a catch-up."""
        vector = door.replica(self.store).state.vector
        for origin, n in vector.items():
            for each in range(self.known.get(origin, 0) + 1, n + 1):
                self.world.arrived(self, (origin, each), sender)
        self.known = dict(vector)
        self._saw = None

    def counts(self) -> Counter[str]:
        """What its machines counted, in all its lives."""
        return self._counted + self.gossip.counts if self.up else self._counted.copy()

    @property
    def saw(self) -> dict[str, int]:
        """Its vector. Not to be mutated."""
        if self._saw is None:
            self._saw = dict(door.replica(self.store).state.vector)
        return self._saw
