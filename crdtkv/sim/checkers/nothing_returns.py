"""What was deleted stays deleted: no entry is there whose every addition was seen by somebody who took it away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crdtkv.sim.evidence import Evidence, Fate, dot_words
from crdtkv.sim.outcome import Finding

__all__ = ["nothing_returns", "returned"]

_NAME = "nothing-returns"


def returned(evidence: Evidence) -> Iterator[tuple[str, Any, Fate]]:
    """The entries that are there and should not be: (key, entry, whose)."""
    for key, entry, fate in evidence.fates():
        there = fate.stands(evidence.vector) is False and entry in evidence.entries(key)
        if there and not all(evidence.excused(op) for op in fate.removes):
            yield key, entry, fate


def nothing_returns(evidence: Evidence) -> Iterator[Finding]:
    """What a scenario expects to return is counted only."""
    for key, entry, fate in returned(evidence):
        if not evidence.expects(key, "may-return"):
            op = next(op for op in fate.removes if op.status == "ok")
            words = f"{entry!r} was removed at {op.colo.upper()} ({dot_words(op.dot)}), and is there again"
            yield Finding(_NAME, words, key, op.ended_us / 1e6)
