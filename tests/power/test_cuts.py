"""Power cuts at random steps of the disk: `full` loses nothing that was acknowledged, `normal` only what came last.

CRDTKV_LAWS=long cuts a thousand times each; `make test` some dozens.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crdtkv.errors import ChecksumFailed
from crdtkv.replica import life
from crdtkv.replica.core import Replica
from crdtkv.storage.checkpoint import Checkpoint
from crdtkv.storage.sqlite import SqliteStorage
from tests.compiled import interpreted
from tests.guards.mutation import Line
from tests.power.world import run

WORLDS = range(50 if os.environ.get("CRDTKV_LAWS") == "long" else 2)
CUTS = 20


@pytest.mark.parametrize("seed", WORLDS)
def test_full(tmp_path: Path, seed: int) -> None:
    """What `tests.power.world` says must hold after a cut; and nothing that was acknowledged is lost."""
    figures = run(seed, CUTS, "full", tmp_path)
    assert figures["cuts"] == CUTS and figures["acknowledged"] and not figures["lost"]


@pytest.mark.parametrize("seed", WORLDS)
def test_normal(tmp_path: Path, seed: int) -> None:
    """The same, but that the last writes may be gone: each with all that came after it."""
    figures = run(seed, CUTS, "normal", tmp_path)
    assert figures["cuts"] == CUTS and figures["acknowledged"]


BROKEN = {  # what: (durability, seed, the line)
    "a commit that is not synced": ("full", 0, SqliteStorage._save, "self._journal.sync()", "pass"),
    "a journal that is not synced before its tables": ("normal", 7, Checkpoint._write, "self._journal.sync()", "pass"),
    "a journal trimmed too early": ("full", 0, Checkpoint.step, "(units, not at)", "(units, True)"),
    "a word that is not synced": ("normal", 7, Replica._keep_word, "self.storage.sync()", "pass"),
    "the same name after a loss": ("normal", 7, life.begin, "elif storage.uncertain()", "elif False"),
}


@interpreted
@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_noticed(tmp_path: Path, what: str) -> None:
    """Cuts that nothing could fail by would prove nothing."""
    durability, seed, where, old, new = BROKEN[what]
    with pytest.MonkeyPatch.context() as patch:
        Line(where, old, new).broken(patch)
        with pytest.raises((AssertionError, ChecksumFailed)):
            for world in (seed, seed + 1, seed + 2):
                (tmp_path / str(world)).mkdir()
                run(world, CUTS, durability, tmp_path / str(world))
