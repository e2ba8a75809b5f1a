"""Random worlds: whatever was lost, doubled, late, cut off, crashed, evicted or put back, all become one in the end."""

from __future__ import annotations

import pytest

from tests.gossip.world import PROFILES, run


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", [2, 30, 113])
def test_all_become_one(profile: str, seed: int) -> None:
    run(seed, profile, 40)


@pytest.mark.parametrize(("profile", "seed"), [("crashes", 1), ("lossy", 7), ("splits", 13), ("members", 225)])
def test_worlds_that_once_failed(profile: str, seed: int) -> None:
    """A key's own sweep lost between passes; a conflict with who was about to come back; a plan of the other kind."""
    run(seed, profile)
