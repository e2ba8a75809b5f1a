"""A transaction of a replica: kept whole, or undone whole if anything raises.

Law of this room: what ends one is `committed` or `undo`, whatever comes between, an interrupt too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crdtkv.replica.core import Replica

__all__ = ["Transaction", "Whole"]


class Transaction:
    """A transaction, in a `with` block."""

    # By hand: a generator takes several times as long, and each record that comes by itself is one.
    __slots__ = ("_before", "_replica")

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def __enter__(self) -> None:
        self._before = self._replica.begin()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        replica = self._replica
        if kind is not None:
            replica.undo(self._before)
            return
        try:
            kept = replica.commit()
        except BaseException:
            replica.undo(self._before)
            raise
        replica.committed(kept)


class Whole(Transaction):
    """One that may change any of the state."""

    __slots__ = ()

    def __enter__(self) -> None:
        super().__enter__()
        try:
            self._replica.reach()
        except BaseException:
            self._replica.undo(self._before)
            raise
