"""Rows by key in memory: those that the tables lack, and of the others those that were asked for last.

Law of this room: what is dirty is never let go of; what is clean may be, and is then read
again. So what a key holds is what it was told last, or what the tables have.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["CHANCES", "Layer"]

CHANCES = 16
"""Of what was used since it was last looked at, how much is passed over before one that was used goes."""


class _Kept(Protocol):
    used: bool
    weight: int


_T = TypeVar("_T", bound=_Kept)


class Layer(Generic[_T]):
    """`read` gives what the tables have of a key, `weigh` its bytes; what is clean takes up to `limit`.

    `lacks` may know that they have nothing, and `nothing` makes that: one for all who only ask.
    """

    def __init__(
        self, read: Callable[[str], _T], weigh: Callable[[_T], int], limit: int, lacks: Callable[[str], bool],
        nothing: Callable[[], _T],
    ) -> None:  # fmt: skip
        self._read, self._weigh, self._limit, self._lacks, self._nothing = read, weigh, limit, lacks, nothing
        self.none = nothing()
        """What `of` gives where the tables are known to have nothing."""
        self.dirty: dict[str, _T] = {}
        self._clean: OrderedDict[str, _T] = OrderedDict()
        self.weight = 0
        """Bytes that the clean ones take, as far as can be told."""
        self._lender: Layer[Any] | None = None
        self._borrower: Layer[Any] | None = None

    def lend(self, other: Layer[Any]) -> None:
        """What this one leaves of its limit the other may take meanwhile."""
        self._borrower, other._lender = other, self

    def of(self, key: str) -> _T:
        """What is held of `key`. O(1), and a read of the tables if it is not at hand."""
        found = self.dirty.get(key)
        if found is None:
            found = self._clean.get(key)
            if found is None:
                if self._lacks(key):
                    return self.none
                found = self._read(key)
                self._keep(key, found)
            else:
                found.used = True
        return found

    def at_hand(self, key: str) -> bool:
        """Whether it takes no read of the tables. O(1)."""
        return key in self.dirty or key in self._clean

    def peek(self, key: str) -> _T | None:
        """What is held of `key`, if it is at hand. O(1)."""
        return self.dirty.get(key) or self._clean.get(key)

    def change(self, key: str) -> _T:
        """What is held of `key`, to be changed: it stays at hand until `wrote`. O(1)."""
        found = self.dirty.get(key)
        if found is None:
            found = self._clean.pop(key, None)
            if found is None:
                found = self._nothing() if self._lacks(key) else self._read(key)
            else:
                self.weight -= found.weight
            self.dirty[key] = found
        return found

    def begin(self, key: str) -> _T:
        """As `change`, of a key of which the tables have nothing: that is known, and not asked once more. O(1)."""
        if key in self.dirty or key in self._clean:
            return self.change(key)
        found = self.dirty[key] = self._nothing()
        return found

    def let_go(self, key: str) -> None:
        """What is clean is read again, should it be asked for. O(1)."""
        if (found := self._clean.pop(key, None)) is not None:
            self.weight -= found.weight

    def wrote(self, key: str) -> None:
        """The tables have it."""
        self._keep(key, self.dirty[key])
        del self.dirty[key]

    def _keep(self, key: str, found: _T) -> None:
        found.used, found.weight = False, self._weigh(found)
        self._clean[key] = found
        self.weight += found.weight
        self._shrink(found)
        if self._borrower is not None:
            self._borrower._shrink(None)

    def _shrink(self, found: _T | None) -> None:
        """What is clean takes no more than its limit, `found` at least."""
        limit, lender = self._limit, self._lender
        if lender is not None:
            limit += max(0, lender._limit - lender.weight)
        chances = CHANCES
        while self.weight > limit and len(self._clean) > 1:
            least, oldest = self._clean.popitem(last=False)
            if oldest is found or (oldest.used and chances):
                oldest.used = False
                self._clean[least] = oldest
                chances -= 1
            else:
                self.weight -= oldest.weight

    def __len__(self) -> int:
        return len(self.dirty) + len(self._clean)
