"""An additive 128-bit digest of everything replicated.

A store's cells are a function of (vector, floor). Two stores that have the same of
both and not the same digest have a bug or bit rot between them. The sum of the
hashes of all siblings and of all key context entries, modulo 2^128: a change is
one addition and one subtraction, whatever the order. (Additive multiset hashing:
Clarke et al. 2003; here against accidents, not against forgers.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import xxhash

from crdtkv.core import said
from crdtkv.core.cells import Cell, Context, Fields, Sibling
from crdtkv.core.clocks import Dot, Stamp
from crdtkv.core.tree import Cells

__all__ = [
    "LATELY", "LATELY_BYTES", "MODULUS", "Lately", "Stood", "added_digest", "context_digest", "digest_change",
    "entry_change", "key_digest",
]  # fmt: skip

MODULUS: Final = 1 << 128

Stood = tuple[Sibling, bytes]
"""A sibling that stood, and what MessagePack makes of it: so the past keeps it."""

LATELY: Final = 4_096
LATELY_BYTES: Final = 1_024
"""Of so many keys the last sibling is kept as it was said, if MessagePack takes no more of it than that: beside
`cache_mb`, some 10 MB of a store at most."""

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


class Lately:
    """Siblings that were written lately: what was packed and hashed of one when it came is not made again when it goes.

    Of each key the last one, of so many keys and no more; nothing here is more than time saved.
    """

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}
        """Sibling, its path, what MessagePack makes of it, its hash, and that of its dot in the key's context."""

    def superseded(
        self, key: str, path: bytes, was: Sibling, own: Sibling, entry: int | None
    ) -> tuple[int, bytes, bytes]:  # fmt: skip
        """As `digest_change` and `entry_change`, where `own` comes in the place of `was`, and its dot in that of
        `entry`: what becomes of the digest, and what MessagePack makes of either."""
        above = said.text(key)
        place = said.place(above, path)
        dot: Fields = own.dot
        replica, n = dot
        packed = said.sibling(own)
        came, entered = _hash(place + packed), _hash(said.entry(above, replica, n))
        found: Any = self._said.get(key)
        if found is not None and found[0] is was and found[1] == path:
            _, _, before, went, left = found
            if entry != was[0][1] or replica != was[0][0]:
                left = None
        else:
            before, left = said.sibling(was), None
            went = _hash(place + before)
        change = came - went + entered
        if entry is not None:
            change -= _hash(said.entry(above, replica, entry)) if left is None else left
        if len(packed) <= LATELY_BYTES:
            if found is None and len(self._said) >= LATELY:
                self._said.clear()
            self._said[key] = own, path, packed, came, entered
        return change, before, packed


def entry_change(key: str, replica: str, old: int | None, n: int) -> int:
    """What becomes of the digest when the entry of `replica` in a key's context is n that was `old`."""
    above = said.text(key)
    new = _hash(said.entry(above, replica, n))
    return new if old is None else new - _hash(said.entry(above, replica, old))
