"""HyperLogLogs: what several colos have seen counts as if one had."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import redis

from crdtkv.doors.redis.hyperloglog import REGISTERS, estimate, place_of
from tests.doors.redis.conftest import Sync


@pytest.mark.parametrize("many", [0, 1, 10, 1000, 20_000, 200_000])
def test_the_estimate_is_near(many: int) -> None:
    ranks: dict[int, int] = {}
    for i in range(many):
        register, rank = place_of(b"%d" % i)
        ranks[register] = max(rank, ranks.get(register, 0))
    assert abs(estimate(ranks.values()) - many) <= 0.03 * many and len(ranks) <= REGISTERS


@pytest.mark.parametrize("seed", range(3))
def test_two_colos_count_what_one_would(two: tuple[Any, Any, Sync], seed: int) -> None:
    a, b, sync = two
    dice = Random(seed)
    for _ in range(4):
        for r in (a, b):
            words = [f"{dice.randrange(3000)}" for _ in range(200)]
            r.pfadd("k", *words)
            a.pfadd("all", *words)
        if dice.random() < 0.5:
            sync()
    sync()
    assert a.pfcount("k") == b.pfcount("k") == a.pfcount("all") > 100
    a.execute_command("PFMERGE", "to", "k", "all")
    assert a.pfcount("to") == a.pfcount("k", "all") == a.pfcount("all") and a.pfadd("k", *words) == 0
    registers = {int(number) // 64 for number in a.smembers("k")}
    assert a.scard("all") == len({int(number) // 64 for number in a.smembers("all")}), "of each register one, and -1"
    assert len(registers) > 100


def test_what_is_added_as_another_deletes_it_stands(two: tuple[Any, Any, Sync]) -> None:
    a, b, sync = two
    a.pfadd("k", "x", "y")
    sync()
    a.delete("k")
    b.pfadd("k", "z")
    sync()
    assert a.pfcount("k") == b.pfcount("k") == 1
    assert a.pfadd("k", "z") == 0 and b.pfadd("k", "x") == 1


def test_what_is_none_is_refused(r: Any) -> None:
    r.sadd("s", "x")
    r.set("str", "x")
    for words in ("PFADD s x", "PFCOUNT s", "PFMERGE s x", "PFADD str x", "PFCOUNT x str"):
        with pytest.raises(redis.ResponseError, match=r"WRONGTYPE|not a valid HyperLogLog|wrong kind"):
            r.execute_command(*words.split())
    assert r.pfadd("k") == 1 and r.pfadd("k") == 0 and r.pfcount("k") == 0 and r.exists("k") == 1
