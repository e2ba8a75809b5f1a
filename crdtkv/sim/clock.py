"""A colo's clock: off by a skew, running at a rate of its own, and jumping when told to."""

from __future__ import annotations

__all__ = ["EPOCH_MS", "SECOND", "Clock"]

SECOND = 1_000_000
"""Virtual time is in microseconds."""

EPOCH_MS = 1_767_261_600_000
"""When virtual time begins."""


class Clock:
    """The wall clock of one colo. `now_us`: virtual time; `drift_ppm`: microseconds that it gains each second."""

    def __init__(self, skew_ms: float = 0.0, drift_ppm: float = 0.0) -> None:
        self.skew_ms, self.drift_ppm = skew_ms, drift_ppm

    def wall_ms(self, now_us: int) -> int:
        """What it shows, in milliseconds since 1970.

        >>> Clock(skew_ms=-20.0).wall_ms(1_000_000) - EPOCH_MS
        980
        """
        return EPOCH_MS + int(now_us / 1_000 * (1 + self.drift_ppm / 1e6) + self.skew_ms)

    def jump(self, ms: float) -> None:
        """From now on it shows so much more, or less."""
        self.skew_ms += ms
