"""Every test of the public API runs over both storages."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crdtkv


class Clock:
    """Seconds since 1970; each reading is a millisecond later."""

    def __init__(self) -> None:
        self.now = 1_767_261_600.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Any]:
    """Where the store of a colo lies."""
    return lambda colo: ":memory:" if request.param == "memory" else tmp_path / f"{colo}.db"


@pytest.fixture
def opened(place: Callable[[str], Any], clock: Clock) -> Iterator[Callable[..., crdtkv.Store]]:
    """Opens colos, and closes them after the test."""
    stores: list[crdtkv.Store] = []

    def open_one(colo: str, **options: Any) -> crdtkv.Store:
        options = {"clock": clock, "random": random.Random(f"{colo}/{len(stores)}"), "purge_step_ms": 1} | options
        stores.append(crdtkv.open(place(colo), colo=colo, **options))
        return stores[-1]

    yield open_one
    for store in stores:
        assert store._writer.closed or store.check() == []
        store.close()


@pytest.fixture
def kv(opened: Callable[..., crdtkv.Store]) -> crdtkv.Store:
    return opened("lhr")


@pytest.fixture
def pair(opened: Callable[..., crdtkv.Store]) -> tuple[crdtkv.Store, crdtkv.Store]:
    """Two colos of one namespace."""
    lhr, sin = opened("lhr"), opened("sin")
    lhr.sync(sin)
    return lhr, sin
