"""HyperLogLog: about how many different elements there were, of 16,384 registers that only grow.

A register holds the greatest rank of all elements that fell to it, so what colos saw joins by the greater: it is as if
one had seen all. Hash, registers and estimate are Redis', bit by bit: the same elements give the same number. (Flajolet
et al. 2007; the estimate is Ertl's, 2017.)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

__all__ = ["RANKS", "REGISTERS", "estimate", "place_of"]

REGISTERS = 16_384
RANKS = 51
_BITS = 14
_MIX = 0xC6A4A7935BD1E995
_WORD = (1 << 64) - 1
_ALPHA = 0.721347520444481703680


def place_of(element: bytes) -> tuple[int, int]:
    """The register that an element falls to, and its rank, 1 to 51. O(element).

    >>> place_of(b"a")
    (12711, 2)
    """
    found = _hash(element)
    rest = found >> _BITS | 1 << (RANKS - 1)
    return found & (REGISTERS - 1), (rest & -rest).bit_length()


def estimate(ranks: Iterable[int]) -> int:
    """About how many elements have left these ranks, one of each register that has one.

    >>> estimate([]), estimate([1, 2, 1])
    (0, 3)
    """
    many = Counter(ranks)
    empty = REGISTERS - many.total()
    z = REGISTERS * _tau((REGISTERS - many[RANKS]) / REGISTERS)
    for rank in range(RANKS - 1, 0, -1):
        z = 0.5 * (z + many[rank])
    z += REGISTERS * _sigma(empty / REGISTERS)
    return math.floor(_ALPHA * REGISTERS * REGISTERS / z + 0.5)


def _hash(data: bytes) -> int:
    """MurmurHash64A, with Redis' seed."""
    found = 0xADC83B19 ^ (len(data) * _MIX & _WORD)
    whole = len(data) & ~7
    for at in range(0, whole, 8):
        part = int.from_bytes(data[at : at + 8], "little") * _MIX & _WORD
        found = (found ^ ((part ^ part >> 47) * _MIX & _WORD)) * _MIX & _WORD
    if whole < len(data):
        found = (found ^ int.from_bytes(data[whole:], "little")) * _MIX & _WORD
    found = (found ^ found >> 47) * _MIX & _WORD
    return found ^ found >> 47


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, y * 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z
