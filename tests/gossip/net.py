"""A network of replicas in memory, under one virtual time: what is sent is lost, doubled, late, by dice."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from random import Random

import crdtkv
from crdtkv.gossip import Gossip, Settings
from crdtkv.replica import life
from crdtkv.store.store import Store
from tests.laws.disks import MemoryDisk

__all__ = ["START_MS", "TICK_MS", "Net", "Node"]

START_MS = 1_767_261_600_000
TICK_MS = 50
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class Node:
    """A colo: its disk, its clock, and, while it runs, its store and its side of the protocol."""

    def __init__(self, net: Net, name: str) -> None:
        self.net = net
        self.name = name
        self.disk = MemoryDisk(f"{name}/0", net.witness)
        self.places = 0
        self.skew_ms = 0
        self.token = Random(f"token/{net.seed}/{name}")
        self.backup: MemoryDisk | None = None
        self.store: Store
        self.gossip: Gossip
        self.up = False
        self.start()

    def start(self) -> None:
        """The process begins, on the disk as it is."""
        self.disk.rollback()  # what was not committed when the process died
        replica = life.begin(self.disk, self.name, self._wall, self._token, steady_ms=lambda: self.net.now_ms)
        self.store = Store(replica, purge_step_ms=self.net.step_ms)
        peers = [name for name in self.net.names if name != self.name]
        self.gossip = Gossip(replica, self.store._rule_of, settings=self.net.settings, peers=peers)
        self.store.on_commit.append(lambda record, data: self.net.told(self, record.dot, data))
        self.up = True

    def stop(self) -> None:
        """The process ends where it stands."""
        self.up = False

    def wipe(self) -> None:
        """The disk is lost; another one is empty."""
        self.stop()
        self.places += 1
        self.disk = MemoryDisk(f"{self.name}/{self.places}", self.net.witness)
        self.start()

    def copy(self) -> None:
        """A backup of what is committed, for `restore`."""
        self.backup = self.disk.copy()

    def restore(self, elsewhere: bool, noted: bool = True) -> None:
        """The backup takes the place of the store: over its file or elsewhere, with what was noted beside it or not."""
        if self.backup is None:
            return
        self.stop()
        if not noted:
            self.net.witness.pop(self.disk.place, None)
        self.places += elsewhere
        self.disk = self.backup.copy(f"{self.name}/{self.places}" if elsewhere else self.disk.place)
        self.backup = None
        self.start()

    def _wall(self) -> int:
        return START_MS + self.net.now_ms + self.skew_ms

    def _token(self) -> str:
        return "".join(self.token.choices(_LETTERS, k=4))


class Net:
    """Nodes and what is on its way between them.

    `loss`, `double`: how often; `delay_ms`: the most a message takes. `cut`: the pairs (from, to) that nothing passes.
    """

    def __init__(
        self, names: Iterable[str], seed: int = 0, *, settings: Settings | None = None, step_ms: int = 10,
        loss: float = 0.0, double: float = 0.0, delay_ms: int = 0,
    ) -> None:  # fmt: skip
        self.names = list(names)
        self.seed = seed
        self.dice = Random(f"net/{seed}")
        self.settings = settings or Settings()
        self.step_ms = step_ms
        self.loss, self.double, self.delay_ms = loss, double, delay_ms
        self.cut: set[tuple[str, str]] = set()
        self.now_ms = 0
        self.witness: dict[str, str] = {}
        self.minted: dict[tuple[str, int], bytes] = {}
        self.sent = 0
        self.bytes = 0
        self._queue: list[tuple[int, int, str, str, bytes]] = []
        self.digests: dict[object, tuple[int, str]] = {}
        self.nodes = {name: Node(self, name) for name in self.names}

    def __getitem__(self, name: str) -> Store:
        return self.nodes[name].store

    def told(self, node: Node, dot: tuple[str, int], data: bytes) -> None:
        """A transaction was committed and told: never two under one dot."""
        assert self.minted.setdefault(dot, data) == data, f"{dot} was minted twice"

    def look(self, node: Node) -> None:
        """Equal (vector, floor) means equal digests, now and at any time."""
        state = node.store._replica.state
        at = (state.namespace, state.floor, frozenset(state.vector.items()))
        digest, where = self.digests.setdefault(at, (state.digest, f"{node.name} at {self.now_ms} ms"))
        assert digest == state.digest, f"{node.name} differs at {self.now_ms} ms from {where}: {state.vector}"

    # what happens

    def run(self, ms: int) -> None:
        """Time passes: every node ticks, what arrives is taken in."""
        end = self.now_ms + ms
        while self.now_ms < end:
            self.now_ms += TICK_MS
            for name in self.names:
                node = self.nodes[name]
                if node.up:
                    self._post(node, node.gossip.on_tick(self.now_ms, self.dice))
            self.settle()

    def settle(self) -> None:
        """What is due now arrives."""
        began = self.sent
        while self._queue and self._queue[0][0] <= self.now_ms:
            _, _, sender, to, data = heapq.heappop(self._queue)
            assert self.sent - began < 20_000, f"a storm of messages: {self.words()}"
            node = self.nodes[to]
            if node.up:
                self._post(node, node.gossip.on_message(sender, data, self.now_ms, self.dice))

    def committed(self, name: str) -> None:
        """Somebody wrote at a node: its records go out."""
        node = self.nodes[name]
        self._post(node, node.gossip.on_commit(self.now_ms))
        self.settle()

    def send(self, sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        """A message is on its way."""
        self.sent += 1
        self.bytes += len(data)
        heapq.heappush(self._queue, (self.now_ms + late_ms, self.sent, sender, to, data))

    def _post(self, node: Node, sends: list[crdtkv.gossip.Send]) -> None:
        node.store._writer.tell()
        self.look(node)
        for to, data in sends:
            if (node.name, to) in self.cut or to not in self.nodes or self.dice.random() < self.loss:
                continue
            for _ in range(2 if self.dice.random() < self.double else 1):
                self.send(node.name, to, data, self.dice.randrange(self.delay_ms + 1))

    # what is so in the end

    def until_one(self, most_ms: int = 60_000) -> int:
        """Time passes until all are one; how long that took."""
        began = self.now_ms
        while not self.one():
            assert self.now_ms - began < most_ms, f"not one after {most_ms} ms: {self.words()}"
            self.run(500)
        return self.now_ms - began

    def one(self) -> bool:
        """Whether all that run count each other, have the same vector, and nothing waits."""
        stores = [node.store for node in self.nodes.values() if node.up]
        ids = sorted(kv.id for kv in stores)
        return all(
            kv.members == ids and kv.vector == stores[0].vector and not kv._replica.state.pending and not kv.forks
            for kv in stores
        )

    def words(self) -> dict[str, object]:
        """How it stands, for who looks at a failure."""
        return {
            name: (
                node.store.id, node.store.vector, node.store.members, node.store.forks,
                len(node.store._replica.state.pending), node.store._replica.state.copied,
                [(p.name, p.met, p.refused, str(p.error)[:90]) for p in node.gossip.status()],
            )
            for name, node in self.nodes.items()
            if node.up
        }  # fmt: skip

    def check(self) -> None:
        """All read the same, and each is sound."""
        stores = [node.store for node in self.nodes.values() if node.up]
        for kv in stores:
            assert kv.check() == []
            assert dict(kv.items()) == dict(stores[0].items())
        assert len({kv.digest() for kv in stores if kv.floor == stores[0].floor}) == 1
