"""Three colos as real processes, clients at work, and faults between and in them: nothing acknowledged is lost.

A short run; `make soak` is the long one, with ten colos, too.
"""

import asyncio
from pathlib import Path

from tests.cluster import faults
from tests.cluster.running import run

SEED = 1
SHORT = ["partition", "kill -9", "one-way partition", "wiped disk", "SIGSTOP", "broken connections"]
SECONDS = 0.7


def test_nothing_is_lost_and_nothing_comes_back(tmp_path: Path) -> None:
    """Acknowledged writes stand, what was removed stays away, counts are exact, transactions whole, sessions kept;
    after the healing all colos hold the same (how soon, `make soak` asks on a machine of its own)."""
    report = asyncio.run(run(3, tmp_path, SEED, SHORT, SECONDS, agree_s=60))
    assert report.wrong == [] and report.agreed_s is not None
    assert all(n for name, n in report.acknowledged.items() if name != "sessions"), "all had work"
    assert report.faults.keys() == set(SHORT) <= set(faults.ALL)
