"""Random worlds over the network: clients write while it loses, cuts and delays, and colos crash, leave and come back.

python -m tests.gossip.world SEED PROFILE [STEPS]: one again, told

What is checked: no dot is minted twice; after healing all are one within a minute, with equal
digests and values; where no disk was lost: each element that was added and acknowledged is there
or was removed, or told of in an inbox; none that was removed is there again, unless members were
evicted; and the counter is exact.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random

from crdtkv.core.clocks import stamp_ms
from crdtkv.core.views import colo_of
from crdtkv.errors import BadRequest, Corrupt, CrdtkvError
from crdtkv.gossip import Settings
from crdtkv.replica import members
from tests.gossip.net import Net, Node

__all__ = ["PROFILES", "World", "run"]

PROFILES: dict[str, dict[str, int]] = {
    "lossy": {"write": 60, "pass": 30, "crash": 1, "compact": 6, "cut": 3, "join": 3},
    "crashes": {"write": 50, "pass": 30, "crash": 8, "down": 4, "compact": 8, "cut": 3, "join": 3},
    "members": {"write": 50, "pass": 40, "crash": 2, "compact": 8, "cut": 4, "join": 4, "evict": 2, "leave": 1},
    "splits": {"write": 50, "pass": 40, "compact": 6, "cut": 8, "join": 4, "evict": 5, "resolve": 2},
    "disks": {"write": 50, "pass": 40, "crash": 2, "compact": 8, "cut": 3, "join": 3, "wipe": 2, "copy": 3,
              "restore": 3, "skew": 1, "evict": 1, "leave": 1},
}  # fmt: skip
_SAFE = ("lossy", "crashes", "members", "splits")
"""Profiles in which no disk is lost, so that nothing is."""


class World:
    """A net of four, and what its clients were told."""

    def __init__(self, seed: int, profile: str, say: Callable[[str], None] = lambda words: None) -> None:
        self.dice = Random(f"world/{seed}/{profile}")
        self.say = say
        dice = self.dice
        self.net = Net(
            "abcd", seed, step_ms=dice.choice((1, 10, 1000)),
            settings=Settings(page_bytes=dice.choice((60, 400, 1 << 20)), max_records=dice.choice((0, 5, 256))),
            loss=dice.choice((0, 0.05, 0.3)), double=dice.choice((0, 0.2)), delay_ms=dice.choice((0, 40, 400)),
        )  # fmt: skip
        self.safe = profile in _SAFE
        self.profile = profile
        self.added: set[str] = set()
        self.removed: set[str] = set()
        self.sum = 0
        self.elements = 0
        if self.safe or dice.random() < 0.5:
            self.net.until_one(180_000)

    def steps(self, count: int) -> None:
        kinds, weights = zip(*PROFILES[self.profile].items(), strict=True)
        for kind in self.dice.choices(kinds, weights, k=count):
            node = self.net.nodes[self.dice.choice("abcd")]
            if not node.up and kind not in ("pass", "cut", "join", "crash"):
                node.start()
            self.say(f"{self.net.now_ms} {kind} {node.name} {node.store.id}")
            try:
                getattr(self, f"do_{kind}")(node)
            except (BadRequest, Corrupt):
                raise
            except CrdtkvError as error:
                self.say(f"   {error}")

    def do_pass(self, node: Node) -> None:
        self.net.run(self.dice.choice((50, 200, 1_000, 4_000)))

    def do_write(self, node: Node) -> None:
        kv, dice = node.store, self.dice
        for _ in range(dice.choice((1, 1, 3, 8))):
            what = dice.random()
            if what < 0.3:
                self.elements += 1
                name = f"e{self.elements}"
                kv.set("set").add(name)
                self.added.add(name)
                self.say(f"   added {name}")
            elif what < 0.45:
                there = sorted(kv.get("set").value) if kv.get("set") else []
                if there:
                    name = dice.choice(there)
                    kv.set("set").remove(name)
                    self.removed.add(name)
                    self.say(f"   removed {name}")
            elif what < 0.7:
                n = dice.randrange(1, 9)
                kv.counter("n").add(n)
                self.sum += n
            elif what < 0.85:
                kv.put(f"k{dice.randrange(6)}", {dice.choice("xyz"): dice.randrange(9)})
            elif what < 0.93:
                kv.delete(f"k{dice.randrange(6)}")
            else:
                kv.put(f"t{dice.randrange(2)}", dice.randrange(99), ttl=dice.choice((1, 5)))
            if dice.random() < 0.9:
                self.net.committed(node.name)

    def do_compact(self, node: Node) -> None:
        node.store.compact()

    def do_crash(self, node: Node) -> None:
        node.stop()
        node.start()

    def do_down(self, node: Node) -> None:
        node.stop()

    def do_cut(self, node: Node) -> None:
        others = [name for name in "abcd" if name != node.name]
        for name in self.dice.sample(others, self.dice.choice((1, 2, 3))):
            self.net.cut.add((node.name, name))
            if self.dice.random() < 0.6:
                self.net.cut.add((name, node.name))

    def do_join(self, node: Node) -> None:
        self.net.cut.clear()

    def do_evict(self, node: Node) -> None:
        if len(node.store.members) > 2:
            node.store.evict(self.dice.choice([name for name in "abcd" if name != node.name]))

    def do_resolve(self, node: Node) -> None:
        for fork in node.store.forks:
            node.store.resolve(self.dice.choice(fork))

    def do_leave(self, node: Node) -> None:
        if len(node.store.members) > 2 and not self.safe:
            node.store.leave()

    def do_wipe(self, node: Node) -> None:
        node.wipe()

    def do_copy(self, node: Node) -> None:
        node.copy()

    def do_restore(self, node: Node) -> None:
        node.restore(elsewhere=self.dice.random() < 0.4, noted=self.dice.random() < 0.7)

    def do_skew(self, node: Node) -> None:
        node.skew_ms = self.dice.choice((0, -200, 5_000, 59_000, -70_000, 3_600_000))

    # the end

    def heal(self) -> None:
        """The network is whole, clocks are right; operators decide what is theirs to decide; all become one."""
        net = self.net
        net.cut.clear()
        net.loss, net.double = 0.0, 0.0
        for node in net.nodes.values():
            if not node.up:
                node.start()
            if node.store._replica.state.left:
                node.wipe()
            node.skew_ms = 0
        latest = max(stamp_ms(node.store._replica.state.clock) for node in net.nodes.values())
        net.now_ms = max(net.now_ms, latest - net.nodes["a"]._wall() + net.now_ms + 2_000)
        for _ in range(12):
            net.run(20_000)
            if net.one():
                return
            self._decide()
        raise AssertionError(f"not one after healing: {net.words()}")

    def _decide(self) -> None:
        nodes = list(self.net.nodes.values())
        for node in nodes:
            known = {link.id for link in members.chain_links(node.store._replica)}
            for fork in node.store.forks:
                if fork[0] in known and node.store.id in node.store.members:
                    self.say(f"resolve {fork} at {node.name}")
                    node.store.resolve(fork[0])
                    return
        alive = {n.store._replica.state.namespace for n in nodes if not n.store._replica.state.copied}
        for node in nodes:
            state = node.store._replica.state
            if state.copied and state.namespace not in alive:
                for id in node.store.members:
                    if colo_of(id) != node.name and colo_of(id) in map(colo_of, node.store.members):
                        node.store.evict(colo_of(id))
                return

    def check(self) -> None:
        """What has to hold once all are one."""
        self.net.check()
        for node in self.net.nodes.values():
            node.store.compact()
        self.net.run(15_000)
        assert self.net.one(), self.net.words()
        self.net.check()
        if self.safe:
            kv = self.net["a"]
            lost = [c for node in self.net.nodes.values() for c in node.store.conflicts()]
            there = set(kv.get("set").value) if "set" in kv else set()
            told = {c.value for c in lost if c.key == "set"}
            gone = self.added - self.removed - told - there
            assert not gone, (gone, lost)
            # (A remove and what it removed may both have to be minted anew, where their writers were evicted.)
            assert self.profile in ("members", "splits") or not there & self.removed, there & self.removed
            n = dict(kv).get("n", 0) + sum(c.value for c in lost if c.key == "n")
            assert n == self.sum, (n, self.sum, lost)


def run(seed: int, profile: str, steps: int = 60, say: Callable[[str], None] = lambda words: None) -> World:
    """A whole world: what happens, healing, what holds then. Raises AssertionError."""
    world = World(seed, profile, say)
    world.steps(steps)
    world.heal()
    world.check()
    return world


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 60, print)
