"""Causal order: who knows a write knows all that its writer had seen, and shows just what it knows.

Of each read: every entry is shown whose addition was absorbed there, and no removal of it was;
and none whose addition was not absorbed yet. Of each colo: what it absorbed never lacked what the
writer of it had seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from crdtkv.core.clocks import Vector, covers
from crdtkv.sim.evidence import Evidence, Fate, dot_words
from crdtkv.sim.outcome import Finding
from crdtkv.sim.workloads.base import Op

__all__ = ["causal"]

_NAME = "causal"


def causal(evidence: Evidence) -> Iterator[Finding]:
    """Where colos were wiped, put back or evicted, what is written anew is known by another dot, and passed over."""
    stories: dict[str, _Story] = defaultdict(_Story)
    for key, entry, fate in evidence.fates():
        stories[key].add(entry, fate)
    for op in evidence.ops:
        if op.kind == "read" and op.status == "ok" and not evidence.expects(op.key, "may-lose"):
            shown, story = set(evidence.shown(op)), stories[op.key]
            if shown != story.usual(op.saw):
                yield from _read(op, shown, story.fates, evidence.renewed)
    for words, key, at_us in evidence.gaps:
        yield Finding(_NAME, words, key, at_us / 1e6)


class _Story:
    """What became of the entries of one key."""

    def __init__(self) -> None:
        self.fates: dict[Any, Fate] = {}
        self._adds: list[tuple[Any, str, int]] = []
        self._removes: list[tuple[Any, str, int]] = []

    def add(self, entry: Any, fate: Fate) -> None:
        """An entry, and what became of it."""
        self.fates[entry] = fate
        self._adds += [(entry, *add.dot) for add in fate.adds if add.dot is not None]
        self._removes += [(entry, *(remove.dot or ("", 0))) for remove in fate.removes]

    def usual(self, saw: Vector) -> set[Any]:
        """What is added, and not removed, by all that is known there: a read that shows just this is right.
        (Most do; to go through the fates of all entries for each read takes ten times as long.)"""
        known = saw.get
        there = {entry for entry, origin, n in self._adds if n <= known(origin, 0)}
        there.difference_update([entry for entry, origin, n in self._removes if n <= known(origin, 0)])
        return there


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
