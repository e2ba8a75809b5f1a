"""A process that is killed at any moment has lost nothing that it acknowledged, whatever the durability."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import crdtkv
from tests.power.wishes import Twin, draw

ROOT = Path(__file__).parents[2]
KILLS = 500 if os.environ.get("CRDTKV_LAWS") == "long" else 5


def killed(path: Path, durability: str, seed: str, first: int, acknowledgements: int) -> int:
    """A child writes until so many calls are acknowledged, and is killed; how many it acknowledged in the end."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.power.child", str(path), durability, seed, str(first)],
        cwd=ROOT, stdout=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert child.stdout is not None
    read = 0
    while read <= acknowledgements:  # the first byte says that it is about to open the store
        said = child.stdout.read(1)
        assert said, f"the child ended by itself, with {child.wait()}"
        read += 1
    child.send_signal(signal.SIGKILL)
    read += len(child.stdout.read())
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return read - 1


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_killed_again_and_again(tmp_path: Path, durability: str) -> None:
    """All that was acknowledged is there, and of what was in flight all or nothing; a peer is content with it."""
    dice, path, twin, first = Random(durability), tmp_path / "lhr.db", Twin(), 1
    peer, minted = crdtkv.open(colo="sin"), {}
    for life in range(KILLS):
        acknowledged = killed(path, durability, str(life), first, int(2 ** dice.uniform(0, 6)) - 1)
        wishes = Random(str(life))
        for n in range(first, first + acknowledged):
            draw(wishes, n).expect(twin)
        in_flight = dict(twin)
        draw(wishes, first + acknowledged).expect(in_flight)
        with crdtkv.open(path, colo="lhr", durability=durability) as kv:
            shown = dict(kv.items())
            assert shown in (twin, in_flight) and kv.check() == []
            report = kv.sync(peer)
            assert report.equal and not report.refused and not report.quarantined
            assert dict(kv.items()) == dict(peer.items()) == shown
            minted[life] = dict(kv.vector)
        twin, first = shown, first + acknowledged + 1
    assert all(minted[n][id] <= minted[n + 1].get(id, 0) for n in range(KILLS - 1) for id in minted[n])
