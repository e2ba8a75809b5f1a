"""The same world, led by Hypothesis: it chooses what happens next, and shrinks what fails."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.laws.actions import COLOS
from tests.laws.world import PROFILES, Action, World

AT = st.integers(0, len(COLOS) - 1)
DICE = st.integers(0, 2**32 - 1)
CLIENT = st.sampled_from(["op", "op", "op", "tx", "delete", "rewrite", "expire", "clash", "read"])
NETWORK = st.sampled_from(["deliver", "deliver", "cut", "cut", "sync"])
CARE = st.sampled_from(["compact", "compact", "restart", "crash", "fault", "rule", "day", "skew", "migrate"])
MEMBERS = st.sampled_from(["wipe", "copy", "restore", "leave", "evict", "resolve"])


class Colos(RuleBasedStateMachine):
    """Four colos. Every step is checked by the world; the end heals, compares and forgets."""

    world: World | None = None

    @initialize(seed=st.integers(0, 1 << 16), profile=st.sampled_from(sorted(PROFILES)))
    def begin(self, seed: int, profile: str) -> None:
        self.world = World(seed, profile)

    def _step(self, kind: str, at: int, dice: int) -> None:
        assert self.world is not None
        self.world.step(Action(kind, at, dice))

    @rule(kind=CLIENT, at=AT, dice=DICE)
    def a_client_writes_or_reads(self, kind: str, at: int, dice: int) -> None:
        self._step(kind, at, dice)

    @rule(kind=NETWORK, at=AT, dice=DICE)
    def a_message_goes(self, kind: str, at: int, dice: int) -> None:
        self._step(kind, at, dice)

    @rule(kind=CARE, at=AT, dice=DICE)
    def a_store_is_cared_for(self, kind: str, at: int, dice: int) -> None:
        self._step(kind, at, dice)

    @rule(kind=MEMBERS, at=AT, dice=DICE)
    def a_colo_comes_or_goes(self, kind: str, at: int, dice: int) -> None:
        self._step(kind, at, dice)

    def teardown(self) -> None:
        if self.world is not None:
            try:
                self.world.finish()
            finally:
                self.world.close()


Colos.TestCase.settings = settings(max_examples=25 if settings().max_examples <= 100 else 500, stateful_step_count=40)
TestColos = Colos.TestCase
