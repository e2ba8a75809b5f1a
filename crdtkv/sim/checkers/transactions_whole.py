"""A transaction is seen whole or not at all: the keys of a group, read at one instant, all show one number."""

from __future__ import annotations

from collections.abc import Iterator

from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding

__all__ = ["transactions_whole"]

_NAME = "transactions-whole"


def transactions_whole(evidence: Evidence) -> Iterator[Finding]:
    """In every read, and at every colo in the end. (Each transaction writes all keys of its group.)"""
    groups: dict[str, tuple[str, ...]] = {}
    for op in evidence.ops:
        if op.kind == "read-group" and op.status == "ok":
            groups[op.key] = op.what
            if len(set(op.value)) > 1:
                words = f"{op.colo.upper()} showed {op.value!r} of {list(op.what)!r}"
                yield Finding(_NAME, words, op.key, op.ended_us / 1e6)
    for name, values in evidence.values.items():
        for group, keys in groups.items():
            if len({values.get(key) for key in keys}) > 1:
                yield Finding(_NAME, f"{name.upper()} shows {[values.get(key) for key in keys]!r}", group)
