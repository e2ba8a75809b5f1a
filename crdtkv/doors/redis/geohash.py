"""Places on the earth as scores of a sorted set: 52 bits, 26 of the longitude and 26 of the latitude in turn.

As Redis has them, bit by bit, so that scores may be copied from one to the other.
"""

from __future__ import annotations

import math

from crdtkv.doors.redis.ranked import Place
from crdtkv.strategies.indexes import Ranking

__all__ = ["MAX_LATITUDE", "MAX_LONGITUDE", "decode", "distance", "encode", "named", "near"]

MAX_LONGITUDE = 180.0
MAX_LATITUDE = 85.05112878
_EARTH_M = 6372797.560856
_STEP = 26
_LETTERS = "0123456789bcdefghjkmnpqrstuvwxyz"


def encode(longitude: float, latitude: float, most: float = MAX_LATITUDE) -> int:
    """The score of a place.

    >>> encode(13.361389, 38.115556)
    3479099956230698
    """
    return _joined(_cell(longitude, MAX_LONGITUDE, _STEP), _cell(latitude, most, _STEP))


def decode(score: int) -> tuple[float, float]:
    """Longitude and latitude of the middle of what the score stands for: within 0.6 m."""
    bits = f"{score:052b}"
    return _middle(int(bits[0::2], 2), MAX_LONGITUDE), _middle(int(bits[1::2], 2), MAX_LATITUDE)


def named(score: int) -> bytes:
    """As geohash.org names the place, in 11 letters."""
    bits = encode(*decode(score), 90.0)
    return "".join([_LETTERS[bits >> (52 - 5 * i) & 31] for i in range(1, 11)]).encode() + b"0"


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres between two places, each longitude and latitude, on a sphere."""
    (a, b), (c, d) = (map(math.radians, one), map(math.radians, other))
    u, v = math.sin((d - b) / 2), math.sin((c - a) / 2)
    return 2.0 * _EARTH_M * math.asin(min(1.0, math.sqrt(u * u + math.cos(b) * math.cos(d) * v * v)))


def near(found: Ranking, at: tuple[float, float], metres: float) -> list[Place]:
    """The members no further than that, and some that are further. O(log n), and O(1) for each in nine cells."""
    order = found.order
    places: list[Place] = []
    for low, high in _ranges(*at, metres):
        places += order.islice(order.bisect_left((float(low),)), order.bisect_left((float(high),)))
    return places


def _ranges(longitude: float, latitude: float, metres: float) -> list[tuple[int, int]]:
    """Scores from and to before which all lie that are so near: of nine cells of a grid at least as wide as that."""
    tall = math.degrees(metres / _EARTH_M) * 1.01
    farthest = abs(latitude) + tall
    wide = tall / math.cos(math.radians(farthest)) if farthest < 89 else 360.0
    step = _STEP
    while step and (2 * MAX_LONGITUDE / (1 << step) < wide or 2 * MAX_LATITUDE / (1 << step) < tall):
        step -= 1
    x, y = _cell(longitude, MAX_LONGITUDE, step), _cell(latitude, MAX_LATITUDE, step)
    side, size = 1 << step, 52 - 2 * step
    cells = {_joined((x + i) % side, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if 0 <= y + j < side}
    return [(cell << size, (cell + 1) << size) for cell in sorted(cells)]


def _cell(value: float, most: float, step: int) -> int:
    return min(int((value + most) / (2 * most) * (1 << step)), (1 << step) - 1)


def _middle(cell: int, most: float) -> float:
    low, high = (-most + (each / (1 << _STEP)) * (2 * most) for each in (cell, cell + 1))
    return max(-most, min(most, (low + high) / 2))


def _joined(x: int, y: int) -> int:
    """The bits of both in turn, the first of `x` first."""
    return int(f"{x:b}", 4) << 1 | int(f"{y:b}", 4)
