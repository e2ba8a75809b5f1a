"""Who wrote what, and when: dots, version vectors, stamps.

Rule of this room: everything is plain data, handed in and handed out. Nothing
here reads a clock; `tick` is told the wall time.

A vector is a dict: replica -> the highest n absorbed of it. It has no gaps, so
it says exactly which transactions are known. (Version vectors: Parker et al.
1983. Dots: Preguica et al. 2012. Hybrid logical clocks: Kulkarni et al. 2014.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

__all__ = [
    "COUNTER_BITS",
    "Dot",
    "MAX_N",
    "Stamp",
    "Vector",
    "ahead",
    "apart",
    "beside",
    "covers",
    "covers_all",
    "make_stamp",
    "meet",
    "merge",
    "stamp_ms",
    "tick",
]

Dot = tuple[str, int]
"""`(replica, n)`: the n-th transaction of that replica; n counts from 1."""

Vector = Mapping[str, int]
"""replica -> highest n absorbed."""

Stamp = int
"""Hybrid logical time: milliseconds since 1970 (48 bits), then a counter (16 bits)."""

COUNTER_BITS: Final = 16

MAX_N = (1 << 63) - 1
"""No replica mints more transactions: what a file's integers hold."""


def covers(vector: Vector, dot: Dot) -> bool:
    """Whether `vector` has absorbed `dot`.

    >>> covers({"lhr": 3}, ("lhr", 3)), covers({"lhr": 3}, ("sin", 1))
    (True, False)
    """
    return dot[1] <= vector.get(dot[0], 0)


def covers_all(vector: Vector, other: Vector) -> bool:
    """Whether `vector` has absorbed all that `other` has."""
    if isinstance(vector, dict) and isinstance(other, dict):  # most: the same, which compiled takes a third of the time
        return all(n <= vector.get(replica, 0) for replica, n in other.items())
    return all(n <= vector.get(replica, 0) for replica, n in other.items())


def merge(vectors: Iterable[Vector]) -> dict[str, int]:
    """The least vector that covers each of `vectors`.

    >>> merge([{"a": 1, "b": 5}, {"a": 2}])
    {'a': 2, 'b': 5}
    """
    out: dict[str, int] = {}
    for vector in vectors:
        for replica, n in vector.items():
            if n > out.get(replica, 0):
                out[replica] = n
    return out


def meet(mine: Vector, other: Vector) -> dict[str, int]:
    """The greatest vector that both cover."""
    return {r: min(n, other[r]) for r, n in mine.items() if other.get(r, 0) > 0}


def ahead(vector: Vector, other: Vector) -> dict[str, int]:
    """The entries of `vector` that `other` does not cover."""
    return {r: n for r, n in vector.items() if n > other.get(r, 0)}


def apart(vector: Vector, other: Vector) -> dict[str, int]:
    """The entries of `vector` that are otherwise in `other`, 0 for those that are there alone.

    >>> apart({"a": 2, "b": 5}, {"a": 1, "b": 5, "c": 3})
    {'a': 2, 'c': 0}
    """
    return {r: n for r, n in {**dict.fromkeys(other, 0), **vector}.items() if n != other.get(r, 0)}


def beside(other: Vector, entries: Vector) -> dict[str, int]:
    """The vector that is `entries` apart from `other`.

    >>> beside({"a": 1, "b": 5, "c": 3}, {"a": 2, "c": 0})
    {'a': 2, 'b': 5}
    """
    return {r: n for r, n in {**other, **entries}.items() if n}


def make_stamp(ms: int) -> Stamp:
    """The first stamp of the millisecond `ms`."""
    return ms << COUNTER_BITS


def stamp_ms(stamp: Stamp) -> int:
    """The millisecond that `stamp` lies in."""
    return stamp >> COUNTER_BITS


def tick(last: Stamp, wall_ms: int) -> Stamp:
    """The next stamp of a clock that last said `last` when the wall says `wall_ms`.

    It is above `last` whatever the wall does, and as near the wall as that allows.

    >>> tick(make_stamp(100), 99) == make_stamp(100) + 1
    True
    """
    wall = wall_ms << COUNTER_BITS
    return wall if wall > last else last + 1
