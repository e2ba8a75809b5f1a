"""One seed is one run, on any machine; and the figures of a run are what happened in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.sim.small import outcome

ROOT = Path(__file__).parents[2]
PARTITION = '[[fault]]\nkind = "partition"\nat = "2s"\nfor = "5s"\ngroups = [["LHR"], ["SIN", "GRU"]]'


def _hash(hash_seed: str, seed: int) -> str:
    code = f"from tests.sim.small import outcome\nprint(outcome({PARTITION!r}, {seed}).trace_hash)"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_seed_is_one_run_in_any_process() -> None:
    """Two processes that order their sets otherwise do the same, to the last byte of each message."""
    assert _hash("1", 7) == _hash("2", 7) == outcome(PARTITION, 7).trace_hash
    assert outcome(PARTITION, 8).trace_hash != outcome(PARTITION, 7).trace_hash


def test_a_calm_run_is_valid() -> None:
    found = outcome()
    assert found.verdict == "valid", found.findings
    assert found.acknowledged > 20 and found.lost == 0 and found.reads > 10
    assert found.converged_s is not None and found.converged_s < 5
    assert len(found.writes) == found.acknowledged
    fastest, slowest = found.spread(0.01), found.spread(1.0)
    assert fastest is not None and slowest is not None
    assert 0.015 < fastest <= slowest < 5, "half a round trip of 50 ms is the least that a write takes"
    assert set(found.staleness) == set(found.links)
    assert 1 < found.needs_bytes < 30, "a record names what has changed at two others at most"
    assert found.write_bytes * found.acknowledged == sum(link.bytes for link in found.links.values())


def test_a_partition_holds_up_what_crosses_it() -> None:
    """Writes within a group go on; those across it wait until it heals."""
    found = outcome(PARTITION, loss="0.0")
    assert found.verdict == "valid", found.findings
    assert found.faults[0][:4] == ("partition", 2.0, 7.0, ("GRU", "LHR", "SIN"))
    during = [w for w in found.writes if 2.5 < w.at < 6 and w.all_s is not None]
    assert during
    for written in during:
        assert written.at + written.all_s > 7.0
        if written.colo == "SIN":
            assert written.arrivals["GRU"] < 0.1
    assert found.stale(1.0) > 2
