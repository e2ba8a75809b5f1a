"""The conditions of users' own workloads: always, sometimes, eventually, finally."""

from __future__ import annotations

from collections.abc import Iterator

from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding

__all__ = ["conditions"]

_NAME = "conditions"


def conditions(evidence: Evidence) -> Iterator[Finding]:
    """Each as it was stated; and what a workload's own `check` says."""
    for workload in evidence.workloads:
        for words in workload.conditions.broken(evidence.world):
            yield Finding(_NAME, words)
        for words in workload.check(evidence.there):
            yield Finding(_NAME, words)
