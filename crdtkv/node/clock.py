"""A clock that stands still until it is set: for test suites, which then say what time it is."""

from __future__ import annotations

from crdtkv.errors import ValueInvalid

__all__ = ["MAX_SECONDS", "SetClock"]

MAX_SECONDS = 1 << 38
"""A stamp has 48 bits of milliseconds."""


class SetClock:
    """Seconds since 1970, as they were set. A store's own clock never goes back: set it before anything is written.

    >>> clock = SetClock(1000.0)
    >>> clock.set(clock() + 60); clock()
    1060.0
    """

    def __init__(self, seconds: float) -> None:
        self.set(seconds)

    def __call__(self) -> float:
        return self._seconds

    def set(self, seconds: float) -> None:
        """It is that time. Raises ValueInvalid."""
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < MAX_SECONDS:
            raise ValueInvalid(f"the time is {seconds!r:.80}; seconds since 1970 are wanted")
        self._seconds = float(seconds)
