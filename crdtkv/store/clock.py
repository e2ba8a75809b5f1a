"""The system's clock, as a store asks it: once or twice for each write, so this is compiled."""

from __future__ import annotations

import time

__all__ = ["wall_ms"]


def wall_ms() -> int:
    """Milliseconds since 1970. The system is believed."""
    return int(time.time() * 1000)
