"""What was acknowledged is there: every entry that somebody added and nobody who had seen that took away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crdtkv.sim.evidence import Evidence, Fate, dot_words
from crdtkv.sim.outcome import Finding

__all__ = ["lost", "nothing_lost"]

_NAME = "nothing-lost"


def lost(evidence: Evidence) -> Iterator[tuple[str, Any, Fate]]:
    """The entries that should be there and are not, told of or not: (key, entry, whose)."""
    for key, entry, fate in evidence.fates():
        gone = fate.stands(evidence.vector) and entry not in evidence.entries(key)
        if gone and not all(evidence.excused(op) for op in fate.adds):
            yield key, entry, fate


def nothing_lost(evidence: Evidence) -> Iterator[Finding]:
    """What an inbox tells of is not lost without a trace; what a scenario expects to be lost is counted only."""
    for key, entry, fate in lost(evidence):
        if evidence.expects(key, "may-lose") or _is_told(evidence, key, entry):
            continue
        op = next(op for op in fate.adds if op.status == "ok")
        words = f"{entry!r} was added at {op.colo.upper()} ({dot_words(op.dot)}), and is nowhere"
        yield Finding(_NAME, words, key, op.ended_us / 1e6)


def _is_told(evidence: Evidence, key: str, entry: Any) -> bool:
    return any(entry == value or (isinstance(value, list) and entry in value) for value in evidence.told.get(key, ()))
