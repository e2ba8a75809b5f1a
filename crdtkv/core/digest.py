"""An additive 128-bit digest of everything replicated.

A store's cells are a function of (vector, floor). Two stores that have the same of
both and not the same digest have a bug or bit rot between them. The sum of the
hashes of all siblings and of all key context entries, modulo 2^128: a change is
one addition and one subtraction, whatever the order. (Additive multiset hashing:
Clarke et al. 2003; here against accidents, not against forgers.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import xxhash

from crdtkv.core.cells import Cell, Context

__all__ = ["MODULUS", "cell_digest", "context_digest", "key_digest"]

MODULUS = 1 << 128

_pack: Callable[[Any], bytes] = msgpack.Packer().pack  # kept: `packb` makes one for each call
_hash = xxhash.xxh3_128_intdigest


def cell_digest(key: str, path: bytes, cell: Cell) -> int:
    """What a cell adds to the digest. O(siblings)."""
    if not cell:
        return 0
    place = _pack((key, path))
    if len(cell) == 1:
        return _hash(place + _pack(cell[0]))
    return sum(_hash(place + _pack(sibling)) for sibling in cell)


def key_digest(key: str, cells: Mapping[bytes, Cell], context: Context) -> int:
    """What a whole key adds to the digest. O(siblings), some 3 µs each."""
    return context_digest(key, context) + sum(cell_digest(key, path, cell) for path, cell in cells.items())


def context_digest(key: str, context: Context) -> int:
    """What a key's context adds to the digest."""
    total = 0
    for r, n in context.items():
        total += _hash(_pack((key, r, n)))
    return total
