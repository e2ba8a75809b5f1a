"""How far the wall clock here is ahead of those of peers, as far as what they said tells.

Law of this room: a delay only makes a clock look slower, so of the last minutes the fastest look holds. Looks are kept
beside a clock that nobody sets: where the wall clock is set, the next write knows, and not when the looks are old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["LOOK_MS", "Offsets"]

LOOK_MS: Final = 600_000
"""How long the fastest look at a clock holds."""


class Offsets:
    """Of one replica, whose wall clock is `wall_ms`; `steady_ms` runs as fast and is never set; None: there is none."""

    def __init__(self, wall_ms: Callable[[], int], steady_ms: Callable[[], int] | None = None) -> None:
        self._wall_ms = wall_ms
        self._steady_ms = wall_ms if steady_ms is None else steady_ms
        self._seen: dict[str, tuple[int, int]] = {}
        """By peer: how far its clock is ahead of the steady one, and when that was seen, by this; milliseconds."""
        self._most: int | None = None
        """How far most are ahead of the steady one; None: not known."""

    def compare(self, peer: str, heard_ms: int, later: bool) -> None:
        """A peer said its clock; `later`: than all that was heard of it. O(1)."""
        now = self._steady_ms()
        offset, known = heard_ms - now, self._seen.get(peer)
        if known is None or offset > known[0] or (later and now - known[1] > LOOK_MS):
            self._seen[peer] = offset, now
            self._most = None

    def ahead_ms(self) -> int:
        """How far the clock here is ahead of most peers'; 0 where none has said its own. O(1), or O(peers) after a
        look."""
        if not self._seen:
            return 0
        if self._most is None:
            seen = sorted([offset for offset, _ in self._seen.values()])
            # (Their median. The module that has it brings decimals and fractions, too.)
            self._most = int((seen[len(seen) // 2] + seen[~(len(seen) // 2)]) / 2)
        return self._wall_ms() - self._steady_ms() - self._most

    def clear(self) -> None:
        """Nothing is known of others."""
        self._seen.clear()
