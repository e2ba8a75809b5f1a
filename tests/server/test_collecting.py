"""Python's collector in a process that serves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

import crdtkv
from crdtkv.core import values
from crdtkv.errors import PreconditionFailed
from crdtkv.server.collecting import LONGEST_S, QUIET, SHORTEST_S, YOUNG, Collector


@pytest.fixture
def before() -> Iterator[None]:
    """As it was, afterwards."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    gc.enable()


def churn() -> None:
    """So much is made that the young are looked at twenty times and more."""
    kept = [[i] for i in range(YOUNG * 30)]
    kept.clear()


def old_looks() -> int:
    return sum(each["collections"] for each in gc.get_stats()[1:])


def test_all_is_looked_at_when_nobody_asks(before: None) -> None:
    asked, now = [0], [0.0]
    collector = Collector(lambda: asked[0], lambda: now[0])
    collector.begin()
    assert not collector.rest(), "little was made"
    looks = old_looks()
    churn()
    asked[0] += QUIET + 1
    assert old_looks() == looks
    now[0] = SHORTEST_S
    assert not collector.rest(), "somebody asks"
    assert collector.rest() and old_looks() == looks + 1
    churn()
    assert not collector.rest(), "that was just now"
    now[0] = 2 * SHORTEST_S
    assert collector.rest() and not collector.rest()


def test_where_somebody_always_asks_it_is_looked_at_once_in_a_while(before: None) -> None:
    asked, now = [0], [0.0]
    collector = Collector(lambda: asked[0], lambda: now[0])
    collector.begin()
    churn()
    asked[0] += 1_000
    now[0] = LONGEST_S - 1
    assert not collector.rest()
    asked[0] += 1_000
    now[0] = LONGEST_S
    assert collector.rest()


def test_a_value_that_is_checked_leaves_nothing_for_the_collector() -> None:
    """A function that calls itself and was made in another leaves a cycle for each call."""
    document = {"a": [1, {"b": 2.5}], "c": ["d"]}
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            values.pack(document)
            values.parse_json(b'{"a": [1, {"b": 2.5}]}')
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_write_that_is_refused_leaves_nothing_for_the_collector() -> None:
    """What was raised knows the frames that it came through, and they what was asked for: that forgets the error."""

    async def story() -> int:
        with crdtkv.open(colo="lhr") as kv:
            kv.put("a", 1)

            async def refused() -> None:
                with pytest.raises(PreconditionFailed):
                    await kv.asubmit(lambda t: t.put("a", 2, if_version=None))

            await refused()
            gc.collect()
            gc.disable()
            try:
                for _ in range(20):
                    with suppress(PreconditionFailed):
                        await kv.asubmit(lambda t: t.put("a", 2, if_version=None))
                await asyncio.sleep(0)
                return gc.collect()
            finally:
                gc.enable()

    assert asyncio.run(story()) < 20
