"""Three colos and a network, under whatever Hypothesis thinks of: digests agree at every step, and all in the end."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crdtkv.errors import CrdtkvError
from crdtkv.gossip import Settings
from tests.gossip.net import Net

COLO = st.sampled_from("abc")
VALUE = st.none() | st.dictionaries(st.sampled_from("pq"), st.integers(0, 3))


class Colos(RuleBasedStateMachine):
    net: Net
    added: set[str]

    @initialize(page=st.sampled_from([60, 1 << 20]), records=st.sampled_from([0, 256]), seed=st.integers(0, 99))
    def begin(self, page: int, records: int, seed: int) -> None:
        self.net = Net("abc", seed, settings=Settings(page_bytes=page, max_records=records))
        self.net.until_one()
        self.added = set()

    @rule(at=COLO, told=st.booleans())
    def add(self, at: str, told: bool) -> None:
        node = self.net.nodes[at]
        if node.up:
            self.added.add(f"e{len(self.added)}")
            node.store.set("s").add(f"e{len(self.added) - 1}")
            if told:
                self.net.committed(at)

    @rule(at=COLO, key=st.sampled_from("xy"), value=VALUE)
    def put(self, at: str, key: str, value: dict[str, int] | None) -> None:
        node = self.net.nodes[at]
        if node.up:
            node.store.delete(key) if value is None else node.store.put(key, value)
            self.net.committed(at)

    @rule(ms=st.sampled_from([50, 200, 3_000]), loss=st.sampled_from([0.0, 0.3]), delay=st.sampled_from([0, 300]))
    def time(self, ms: int, loss: float, delay: int) -> None:
        self.net.loss, self.net.delay_ms = loss, delay
        self.net.run(ms)

    @rule(one=COLO, other=COLO)
    def part(self, one: str, other: str) -> None:
        self.net.cut.add((one, other))

    @rule()
    def mend(self) -> None:
        self.net.cut.clear()

    @rule(at=COLO, back=st.booleans())
    def die(self, at: str, back: bool) -> None:
        node = self.net.nodes[at]
        node.stop()
        if back:
            node.start()

    @rule(at=COLO)
    def forget(self, at: str) -> None:
        node = self.net.nodes[at]
        if node.up:
            node.store.compact()

    @rule(at=COLO, other=COLO)
    def evict(self, at: str, other: str) -> None:
        node = self.net.nodes[at]
        if node.up and at == "a" and other != "a" and len(node.store.members) == 3:
            try:
                node.store.evict(other)
            except CrdtkvError as error:
                assert error.happened == "no"

    @invariant()
    def sound(self) -> None:
        if hasattr(self, "net"):
            for node in self.net.nodes.values():
                self.net.look(node)

    def teardown(self) -> None:
        if not hasattr(self, "net"):
            return
        net = self.net
        net.cut.clear()
        net.loss = net.delay_ms = 0
        for node in net.nodes.values():
            if not node.up:
                node.start()
        net.until_one()
        net.check()
        there = net["a"].get("s")
        assert set(there.value if there else ()) == self.added


TestColos = Colos.TestCase
TestColos.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
