"""What happened in a world: operations, and what their writers knew."""

from __future__ import annotations

from dataclasses import dataclass

from crdtkv.core.clocks import Dot, Vector, covers
from crdtkv.strategies.base import Operation

__all__ = ["Event", "seen_by"]


@dataclass(frozen=True)
class Event:
    """One operation. `seen`: what its replica had absorbed; `base`: what its client had, not more than that."""

    dot: Dot
    stamp: int
    operation: Operation
    seen: Vector
    base: Vector

    @property
    def rank(self) -> tuple[int, Dot]:
        """Which of two is later."""
        return (self.stamp, self.dot)


def seen_by(vector: Vector, events: list[Event]) -> list[Event]:
    """The events that a replica at this vector has absorbed."""
    return [e for e in events if covers(vector, e.dot)]
