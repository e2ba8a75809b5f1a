"""An additive 128-bit digest of everything replicated.

A store's cells are a function of (vector, floor). Two stores that have the same of
both and not the same digest have a bug or bit rot between them. The sum of the
hashes of all siblings and of all key context entries, modulo 2^128: a change is
one addition and one subtraction, whatever the order. (Additive multiset hashing:
Clarke et al. 2003; here against accidents, not against forgers.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import xxhash

from crdtkv.core import said
from crdtkv.core.cells import Cell, Context, Sibling
from crdtkv.core.clocks import Dot, Stamp
from crdtkv.core.tree import Cells

__all__ = ["MODULUS", "Stood", "added_digest", "context_digest", "digest_change", "entry_change", "key_digest"]

MODULUS: Final = 1 << 128

Stood = tuple[Sibling, bytes]
"""A sibling that stood, and what MessagePack makes of it: so the past keeps it."""

_hash: Final[Callable[[bytes], int]] = xxhash.xxh3_128_intdigest


def digest_change(key: str, path: bytes, old: Cell, new: Cell) -> tuple[int, list[Stood]]:
    """What becomes of the digest when a cell is `new` that was `old`; to be added modulo 2^128. And what stood there.

    O(siblings).
    """
    place = said.place(said.text(key), path)
    change = 0
    stood: list[Stood] = []
    for sibling in new:
        change += _hash(place + said.sibling(sibling))
    for sibling in old:
        packed = said.sibling(sibling)
        stood.append((sibling, packed))
        change -= _hash(place + packed)
    return change, stood


def added_digest(key: str, dot: Dot, stamp: Stamp, payloads: Mapping[bytes, bytes | None]) -> int:
    """As `digest_change`, of cells where nothing stood: at each path one sibling that replaced nothing. O(cells)."""
    above, by, found = said.text(key), said.sibling_by(dot, stamp), 0
    for path, payload in payloads.items():
        found += _hash(said.place(above, path) + said.alone(by, payload))
    return found


def key_digest(key: str, cells: Cells, context: Context) -> int:
    """What a whole key adds to the digest. O(siblings), some 1 µs each."""
    above, found = said.text(key), context_digest(key, context)
    for path, cell in cells.items():
        place = said.place(above, path)
        for sibling in cell:
            found += _hash(place + said.sibling(sibling))
    return found


def context_digest(key: str, context: Context) -> int:
    """What a key's context adds to the digest."""
    above, found = said.text(key), 0
    for replica, n in context.items():
        found += _hash(said.entry(above, replica, n))
    return found


def entry_change(key: str, replica: str, old: int | None, n: int) -> int:
    """What becomes of the digest when the entry of `replica` in a key's context is n that was `old`."""
    above = said.text(key)
    new = _hash(said.entry(above, replica, n))
    return new if old is None else new - _hash(said.entry(above, replica, old))
