"""Three colos as real processes, clients at work, and faults between and in them: nothing acknowledged is lost.

A short run; `make soak` is the long one, with ten colos, too.
"""

import asyncio
from pathlib import Path

import pytest

from tests.cluster import faults
from tests.cluster.running import AGREE_S, run

SHORT = {
    1: ["partition", "kill -9", "one-way partition", "broken connections", "SIGSTOP"],
    2: ["wiped disk", "clock 30 s ahead", "old backup"],
}


@pytest.mark.parametrize("seed", SHORT)
def test_nothing_is_lost_and_nothing_comes_back(seed: int, tmp_path: Path) -> None:
    """Acknowledged writes stand, what was removed stays away, counts are exact, transactions whole, sessions kept;
    after the healing all colos hold the same within AGREE_S seconds."""
    report = asyncio.run(run(3, tmp_path, seed, SHORT[seed], 1.0))
    assert report.wrong == []
    assert report.agreed_s is not None and report.agreed_s <= AGREE_S
    assert all(report.acknowledged[name] for name in report.acknowledged if name != "sessions"), "all had work"


def test_every_fault_of_the_short_runs_is_one() -> None:
    assert {name for names in SHORT.values() for name in names} <= set(faults.ALL)
