"""A short stay in the world of world.py: every profile, in memory and on files. `make laws` stays longer."""

from pathlib import Path

import pytest

from crdtkv.strategies.registry import names, strategy
from tests.laws.operations import SPECS
from tests.laws.world import PROFILES, run

STEPS = 150


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(1, 4))
def test_every_law_holds(seed: int, profile: str) -> None:
    """Replay a failure: python -m tests.laws --seed SEED --profile PROFILE --steps 150 --shrink."""
    world = run(seed, profile, STEPS)
    assert world.counts["operations"] > STEPS // 5
    assert world.counts["oracle"] > 0


@pytest.mark.parametrize("profile", ["restarts", "members", "everything"])
def test_every_law_holds_on_files(profile: str, tmp_path: Path) -> None:
    """The same with SQLite files as disks; add --files to replay."""
    run(1, profile, STEPS, tmp_path)


def test_a_run_is_a_function_of_its_seed() -> None:
    once, again = run(5, "everything", 60), run(5, "everything", 60)
    assert once.counts == again.counts
    assert [c.store._replica.state.digest for c in once.colos] == [c.store._replica.state.digest for c in again.colos]


def test_every_registered_strategy_is_drawn() -> None:
    """A strategy that is registered takes part: add it to operations.SPECS and _DRAW."""
    assert {strategy(spec).name for spec in SPECS} == set(names())
