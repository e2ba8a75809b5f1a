"""Counters are exact: in the end each shows the sum of what was acknowledged, and of what may have happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding
from crdtkv.sim.workloads.base import Op

__all__ = ["counters"]

_NAME = "counters"


def counters(evidence: Evidence) -> Iterator[Finding]:
    """Each by itself."""
    by_key: dict[str, list[Op]] = defaultdict(list)
    for op in evidence.ops:
        if op.kind == "increment" and op.status != "no":
            by_key[op.key].append(op)
    for key, ops in sorted(by_key.items()):
        if evidence.expects(key, "may-lose"):
            continue
        sure = sum(op.what for op in ops if op.status == "ok" and not evidence.excused(op))
        maybe = [op.what for op in ops if op.status != "ok" or evidence.excused(op)]
        if evidence.renewed:  # what a colo that came back gave up of its share is told of
            maybe += [-value for value in evidence.told.get(key, ()) if isinstance(value, int)]
        low = sure + sum(min(0, n) for n in maybe)
        high = sure + sum(max(0, n) for n in maybe)
        found = evidence.there.get(key, 0)
        if not (isinstance(found, int) and low <= found <= high):
            wanted = str(sure) if low == high else f"{low} to {high}"
            yield Finding(_NAME, f"it shows {found!r}; what was acknowledged adds up to {wanted}", key)
