"""Whether two processes speak for one colo: of one that was started anew the old one is silent for ever.

Law of this room: pure; time is handed in. Two that live at once would make each other leave
every namespace by turns. The one that was heard first is believed.
"""

from __future__ import annotations

__all__ = ["LATE_S", "SILENT_S", "Lives"]

LATE_S = 10.0
"""What an old life said may be so long under way."""

SILENT_S = 60.0
"""Whoever has been silent for so long is not alive; all colos speak each second."""


class Lives:
    """Who speaks for each colo.

    >>> lives = Lives()
    >>> lives.speaks("lhr", b"first", 0), lives.speaks("lhr", b"anew", 100), lives.speaks("lhr", b"first", 105)
    (True, True, True)
    >>> lives.speaks("lhr", b"first", 120), lives.speaks("lhr", b"anew", 121)
    (True, False)
    """

    def __init__(self) -> None:
        self._now: dict[str, tuple[bytes, float, float]] = {}  # colo -> its life, since when, last heard
        self._before: dict[str, tuple[bytes, float]] = {}  # the one before, when it was last heard

    def speaks(self, colo: str, life: bytes, now_s: float) -> bool:
        """Whether what that life says for the colo is to be believed. O(1)."""
        known = self._now.get(colo)
        if known is None or known[0] == life:
            return self._goes_on(colo, life, known[1] if known else now_s, now_s)
        before = self._before.get(colo)
        if before is None or before[0] != life:  # begun anew, as far as we know
            self._before[colo] = known[0], known[2]
            self._now[colo] = life, now_s, now_s
        else:
            self._before[colo] = life, now_s
        return True

    def _goes_on(self, colo: str, life: bytes, since: float, now_s: float) -> bool:
        self._now[colo] = life, since, now_s
        _, heard = self._before.get(colo, (b"", since))
        return heard <= since + LATE_S or now_s - heard > SILENT_S

    def doubled(self, now_s: float) -> list[str]:
        """The colos that two speak for. O(colos)."""
        return sorted(
            colo for colo, (_, heard) in self._before.items()
            if heard > self._now[colo][1] + LATE_S and now_s - min(heard, self._now[colo][2]) <= SILENT_S
        )  # fmt: skip
