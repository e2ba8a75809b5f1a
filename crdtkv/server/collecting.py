"""Python's collector in a process that serves: it rests where somebody waits for it.

What is kept here has no cycles, so nearly all ends by itself; but the collector goes through all that
was made lately, and stops every thread meanwhile: 50,000 objects hold up whoever asks by 25 ms. So it
looks at few at a time, those that stay are not looked at again, and all there is only when nobody
asks for anything, or, where somebody always does, once in a long while.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

__all__ = ["LONGEST_S", "QUIET", "SHORTEST_S", "YOUNG", "Collector"]

YOUNG = 2_000
"""Objects made since the last look: a millisecond."""

QUIET = 5
"""So few requests and transactions between two rests are nobody's."""

SHORTEST_S, LONGEST_S = 30.0, 1_800.0
"""All is looked at no sooner, and no later."""

_NEVER = 1 << 30
_ENOUGH = 20
"""Looks at what is young, before it is worth the while to look at all."""


class Collector:
    """Of this process. `asked`: how much was done for others, ever. `now`: seconds."""

    def __init__(self, asked: Callable[[], int], now: Callable[[], float] = time.monotonic) -> None:
        self._asked, self._now = asked, now
        self._seen, self._at, self._looks = asked(), now(), 0

    def begin(self) -> None:
        """What there is now stays, and is looked at no more."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, _NEVER, _NEVER)
        self._looks = _young_looks()

    def rest(self) -> bool:
        """Every few seconds: all is looked at, if it is time; whether it was. O(objects) then, else O(1)."""
        asked = self._asked()
        quiet, self._seen = asked - self._seen <= QUIET, asked
        since = self._now() - self._at
        if _young_looks() - self._looks < _ENOUGH or since < (SHORTEST_S if quiet else LONGEST_S):
            return False
        gc.collect()
        self._looks, self._at = _young_looks(), self._now()
        return True


def _young_looks() -> int:
    return int(gc.get_stats()[0]["collections"])
