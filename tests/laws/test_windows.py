"""Who builds on what another has forgotten without having heard of it; who are all out at once: equal all the same."""

from __future__ import annotations

import os

import pytest

from tests.laws import outs, windows

_SEEDS = range(4_000 if os.environ.get("CRDTKV_LAWS") == "long" else 60)


@pytest.mark.parametrize("seed", _SEEDS)
def test_all_end_equal(seed: int) -> None:
    windows.story(seed)


@pytest.mark.parametrize("seed", _SEEDS[::4])
def test_all_end_equal_who_were_all_out(seed: int) -> None:
    outs.story(seed)
