"""Causal order: who knows a write knows all that its writer had seen, and shows just what it knows.

Of each read: every entry is shown whose addition was absorbed there, and no removal of it was;
and none whose addition was not absorbed yet. Of each colo: what it absorbed never lacked what the
writer of it had seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from crdtkv.core.clocks import covers
from crdtkv.sim.evidence import Evidence, Fate, dot_words
from crdtkv.sim.outcome import Finding
from crdtkv.sim.workloads.base import Op

__all__ = ["causal"]

_NAME = "causal"


def causal(evidence: Evidence) -> Iterator[Finding]:
    """Where colos were wiped, put back or evicted, what is written anew is known by another dot, and passed over."""
    fates: dict[str, dict[Any, Fate]] = defaultdict(dict)
    for key, entry, fate in evidence.fates():
        fates[key][entry] = fate
    for op in evidence.ops:
        if op.kind == "read" and op.status == "ok" and not evidence.expects(op.key, "may-lose"):
            yield from _read(op, set(evidence.shown(op)), fates[op.key], evidence.renewed)
    for words, key, at_us in evidence.gaps:
        yield Finding(_NAME, words, key, at_us / 1e6)


def _read(op: Op, shown: set[Any], fates: dict[Any, Fate], renewed: bool) -> Iterator[Finding]:
    for entry, fate in fates.items():
        known = [add for add in fate.adds if add.dot is not None and covers(op.saw, add.dot)]
        words = ""
        if known and entry not in shown:
            if not (renewed and fate.removes) and not any(r.dot is None or covers(op.saw, r.dot) for r in fate.removes):
                words = f"did not show {entry!r}, though {dot_words(known[0].dot)} was absorbed there"
        elif entry in shown and not known and not renewed and all(add.dot is not None for add in fate.adds):
            words = f"showed {entry!r}, though none that added it was absorbed there"
        if words:
            yield Finding(_NAME, f"{op.colo.upper()} {words}", op.key, op.ended_us / 1e6)
