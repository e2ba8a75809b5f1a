"""Places: who is near is found in nine cells of a grid; what two colos say of a member merges as its score."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import redis
from sortedcontainers import SortedList

from crdtkv.doors.redis import geohash
from tests.doors.redis.conftest import Sync


class Ranked:
    """Members in the order of their scores."""

    def __init__(self, spots: list[tuple[float, float]]) -> None:
        self.order = SortedList((float(geohash.encode(*spot)), b"%d" % i, b"") for i, spot in enumerate(spots))


@pytest.mark.parametrize("seed", range(8))
def test_nobody_near_is_overlooked(seed: int) -> None:
    """Also across the date line and beside the poles, at any radius."""
    dice = Random(seed)
    edge = dice.choice([180.0, 60.0])
    spots = [(dice.uniform(-edge, edge), dice.uniform(-85, 85)) for _ in range(300)]
    spots += [(dice.choice((-1, 1)) * dice.uniform(179.9, 180), dice.uniform(-85, 85)) for _ in range(50)]
    found: Any = Ranked(spots)
    for _ in range(60):
        middle, metres = dice.choice(spots), 10 ** dice.uniform(0, 7.3)
        near = {member for _, member, _ in geohash.near(found, middle, metres)}
        for score, member, _ in found.order:
            if geohash.distance(middle, geohash.decode(int(score))) <= metres:
                assert member in near


def test_few_are_looked_at_where_few_are_near() -> None:
    dice = Random(1)
    found: Any = Ranked([(dice.uniform(-180, 180), dice.uniform(-80, 80)) for _ in range(5000)])
    assert len(geohash.near(found, (10.0, 50.0), 100_000)) < 50


def test_where_is_what_was_said_within_a_metre() -> None:
    dice = Random(2)
    for _ in range(500):
        spot = dice.uniform(-180, 180), dice.uniform(-85, 85)
        assert geohash.distance(spot, geohash.decode(geohash.encode(*spot))) < 1


def test_two_colos_say_where_members_are(two: tuple[Any, Any, Sync]) -> None:
    a, b, sync = two
    a.geoadd("k", (13.361389, 38.115556, "palermo"))
    sync()
    a.geoadd("k", (15.087269, 37.502669, "catania"))
    b.geoadd("k", (2.349014, 48.864716, "paris"))
    a.zrem("k", "palermo")
    b.geoadd("k", (13.361389, 38.115556, "palermo"))
    sync()
    for r in (a, b):
        found = r.geosearch("k", longitude=15, latitude=37, radius=200, unit="km", sort="ASC")
        assert found == [b"catania", b"palermo"]
        assert r.geodist("k", "palermo", "catania", "km") == 166.2742
        assert r.geohash("k", "palermo") == ["sqc8b49rny0"] and r.zcard("k") == 3
        assert r.type("k") == b"zset" and r.georadius("k", 2, 48, 100, "km") == [b"paris"]


def test_a_bit_field_holds_at_one_colo_and_says_so(two: tuple[Any, Any, Sync]) -> None:
    a, b, sync = two
    assert a.bitfield("k").incrby("u8", 0, 5).incrby("u8", 8, 250, "SAT").execute() == [5, 250]
    sync()
    assert b.execute_command("BITFIELD_RO", "k", "GET", "u8", 0, "GET", "u16", 0) == [5, 5 * 256 + 250]
    assert "one wins" in a.execute_command("CRDTKV.SOUND", "bitfield").decode()
    with pytest.raises(redis.ResponseError):
        b.execute_command("BITFIELD", "k", "GET", "u64", 0)
