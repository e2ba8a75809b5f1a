"""Who builds on what another has forgotten without having heard of it: equal all the same."""

from __future__ import annotations

import os

import pytest

from tests.laws.windows import story

_SEEDS = range(4_000 if os.environ.get("CRDTKV_LAWS") == "long" else 60)


@pytest.mark.parametrize("seed", _SEEDS)
def test_all_end_equal(seed: int) -> None:
    story(seed)
