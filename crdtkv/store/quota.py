"""How large a store may grow by what is written here.

Law of this room: a write that adds something is refused whole before it is committed, with
the figures; reads, deletes and what other colos wrote go on. (A colo that took nothing
more from others would not be equal to them any longer.)
"""

from __future__ import annotations

from collections.abc import Iterable

from crdtkv.core.cells import is_live
from crdtkv.core.keys import METADATA, SYSTEM
from crdtkv.core.wire import Record
from crdtkv.errors import QuotaExceeded
from crdtkv.storage.base import Storage

__all__ = ["Minted", "Quota"]

Minted = tuple[Record, bytes]

_MB = 1_000_000


class Quota:
    """`limit_mb` megabytes (10^6 bytes) of the storage's own size; None: as much as there is room for."""

    def __init__(self, storage: Storage, limit_mb: float | None) -> None:
        self._storage = storage
        self._limit = None if limit_mb is None else int(limit_mb * _MB)

    def check(self, made: Minted | None, before: Iterable[Minted | None] = ()) -> None:
        """Raise QuotaExceeded if this transaction adds to what is full. O(its writes).

        `before`: what shares its commit and the storage's size does not have yet.
        """
        if self._limit is None or made is None or not _adds(made[0]):
            return
        size = self._storage.size() + sum(len(other[1]) for other in before if other is not None)
        if size + len(made[1]) > self._limit:
            journal = self._storage.journal_size()
            beside = f", {journal:,} of them in its journal," if journal else ""
            raise QuotaExceeded(
                f"the store has {size:,} bytes{beside} and this write {len(made[1]):,}; its quota is {self._limit:,}"
            )


def _adds(record: Record) -> bool:
    return any(is_live(write.payload) and _is_a_users(write.key) for write in record.writes)


def _is_a_users(key: str) -> bool:
    return key[0] != SYSTEM or key.startswith(METADATA)
