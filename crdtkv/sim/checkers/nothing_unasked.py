"""Nothing appears that nobody asked for: each entry that is read, at any time, was added by somebody before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding

__all__ = ["nothing_unasked"]

_NAME = "nothing-unasked"


def nothing_unasked(evidence: Evidence) -> Iterator[Finding]:
    """Reads of clients, and of every colo in the end."""
    asked: dict[str, dict[Any, int]] = defaultdict(dict)
    for key, entry, fate in evidence.fates():
        asked[key][entry] = min((op.began_us for op in fate.adds), default=1 << 62)
    for op in evidence.ops:
        if op.kind == "read" and op.status == "ok":
            for entry in evidence.shown(op):
                if asked[op.key].get(entry, 1 << 62) > op.ended_us:
                    words = f"{op.colo.upper()} showed {entry!r}, which nobody had added"
                    yield Finding(_NAME, words, op.key, op.ended_us / 1e6)
    for name, values in evidence.values.items():
        for key in asked:
            for entry in evidence.entries_at(key, values):
                if entry not in asked[key]:
                    yield Finding(_NAME, f"{name.upper()} shows {entry!r}, which nobody ever added", key)
