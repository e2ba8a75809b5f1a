"""Where the siblings of one replica stand, by the number of the transaction that wrote them.

Numbers come in order as a rule and are gone when what they wrote was replaced, so the order
is a list that is appended to, and what is gone leaves it later, all at once.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

__all__ = ["Numbers"]

_SLACK = 64


class Numbers:
    """n -> the places where a sibling of transaction n stands.

    >>> places = Numbers()
    >>> places.add(1, ("a", b"")); places.add(2, ("a", b"")); places.add(2, ("b", b""))
    >>> places.discard(2, ("a", b""))
    >>> places.at(2), places.beyond(1), places.beyond(2)
    ((('b', b''),), [('b', b'')], [])
    """

    __slots__ = ("_at", "_order", "_sorted")

    def __init__(self) -> None:
        self._at: dict[int, Any] = {}
        """A place, or a set of several: most transactions write one, and a set of one is some 200 bytes."""
        self._order: list[int] = []
        self._sorted = True

    def add(self, n: int, place: tuple[str, bytes]) -> None:
        """A sibling of n stands at `place`. O(1)."""
        found = self._at.get(n)
        if found is None:
            order = self._order
            if order and n <= order[-1]:
                self._sorted = False
            order.append(n)
            self._at[n] = place
        elif type(found) is set:
            found.add(place)
        elif found != place:
            self._at[n] = {found, place}

    def discard(self, n: int, place: tuple[str, bytes]) -> None:
        """None of n stands at `place` any more. O(1) on average."""
        at = self._at
        found = at.get(n)
        if type(found) is set:
            found.discard(place)
            if not found:
                del at[n]
        elif found == place:
            del at[n]
        if len(self._order) > 2 * len(at) + _SLACK:
            self._tidy()

    def at(self, n: int) -> tuple[tuple[str, bytes], ...]:
        """The places of n. O(answer)."""
        found = self._at.get(n)
        return () if found is None else tuple(found) if type(found) is set else (found,)

    def beyond(self, n: int) -> list[tuple[str, bytes]]:
        """The places of all numbers above n, lower numbers first. O(log n + answer), and what has gone since."""
        if not self._sorted:
            self._tidy()
        at, places = self._at, list[tuple[str, bytes]]()
        for number in self._order[bisect_right(self._order, n) :]:
            found = at.get(number)
            if type(found) is set:
                places += found
            elif found is not None:
                places.append(found)
        return places

    def _tidy(self) -> None:
        self._order = sorted(self._at)
        self._sorted = True
