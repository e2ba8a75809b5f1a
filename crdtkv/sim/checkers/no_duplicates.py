"""Nothing is there twice: an entry that was added once stands once, in every read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding

__all__ = ["doubled", "no_duplicates"]

_NAME = "no-duplicates"


def doubled(evidence: Evidence) -> Iterator[tuple[str, Any]]:
    """The entries that stand more than once in the end."""
    added = _added(evidence)
    for key in sorted({key for key, _ in added}):
        yield from ((key, entry) for entry in _twice(evidence.entries(key), key, added))


def no_duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Of what was added once. (What two clients added by themselves may stand twice.)"""
    added = _added(evidence)
    for op in evidence.ops:
        if op.kind == "read" and op.status == "ok" and not evidence.expects(op.key, "may-double"):
            for entry in _twice(evidence.shown(op), op.key, added):
                yield Finding(_NAME, f"{op.colo.upper()} showed {entry!r} twice", op.key, op.ended_us / 1e6)
    for key, entry in doubled(evidence):
        if not evidence.expects(key, "may-double"):
            yield Finding(_NAME, f"{entry!r} stands there twice", key)


def _added(evidence: Evidence) -> Counter[tuple[str, Any]]:
    return Counter({(key, entry): len(fate.adds) for key, entry, fate in evidence.fates()})


def _twice(shown: Iterable[Any], key: str, added: Counter[tuple[str, Any]]) -> list[Any]:
    return [entry for entry, times in Counter(shown).items() if times > 1 and added[key, entry] == 1]
