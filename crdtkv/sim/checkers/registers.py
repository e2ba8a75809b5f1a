"""A register shows what somebody wrote and nobody wrote over: not what a later writer had seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from crdtkv.core.clocks import covers
from crdtkv.sim.evidence import Evidence, dot_words
from crdtkv.sim.outcome import Finding
from crdtkv.sim.workloads.base import Op

__all__ = ["registers"]

_NAME = "registers"


def registers(evidence: Evidence) -> Iterator[Finding]:
    """Causality, whatever the clocks say: reads of clients, and what is there in the end."""
    writes: dict[str, list[Op]] = defaultdict(list)
    for op in evidence.ops:
        if op.kind == "set" and op.status != "no":
            writes[op.key].append(op)
    for op in evidence.ops:
        if op.kind == "look" and op.status == "ok" and op.value is not None:
            known = [w for w in writes[op.key] if w.dot is not None and covers(op.saw, w.dot)]
            for words in _stale(op.value, writes[op.key], known):
                yield Finding(_NAME, f"{op.colo.upper()} {words}", op.key, op.ended_us / 1e6)
    for key, ops in writes.items():
        known = [w for w in ops if w.status == "ok" and not evidence.excused(w)]
        for words in _stale(evidence.there.get(key), ops, known):
            yield Finding(_NAME, words, key)


def _stale(value: object, writes: list[Op], known: list[Op]) -> Iterator[str]:
    """What is wrong with a value that was read where those writes were known."""
    source = next((w for w in writes if w.what == value), None)
    if source is None:
        if value is not None or known:
            yield f"shows {value!r}, which nobody wrote"
        return
    for over in known:
        if over is not source and source.dot is not None and covers(over.saw, source.dot):
            yield f"shows {value!r}, over which one who had seen it wrote {over.what!r} ({dot_words(over.dot)})"
            return
