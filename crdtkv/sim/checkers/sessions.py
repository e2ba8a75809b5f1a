"""Sessions: a client that stays at a colo reads what it wrote there, and never less than it read before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crdtkv.core.clocks import covers
from crdtkv.sim.evidence import Evidence, dot_words
from crdtkv.sim.outcome import Finding
from crdtkv.sim.workloads.base import Op

__all__ = ["sessions"]

_NAME = "sessions"


def sessions(evidence: Evidence) -> Iterator[Finding]:
    """By client and colo. One that goes elsewhere begins anew there, as at a colo that lost something, or joined."""
    seen: dict[tuple[int, str], Mapping[str, int]] = {}
    wrote: dict[tuple[int, str], list[Op]] = {}
    when: dict[tuple[int, str], int] = {}
    for op in sorted(evidence.ops, key=lambda op: (op.ended_us, op.n)):
        at = op.client, op.colo
        if op.status != "ok" or op.kind == "put":
            continue  # (a PUT goes by what was read some time before)
        anew = (*evidence.lost_disks.get(op.colo, ()), *evidence.world.joined.get(op.colo, ()))
        if any(when.get(at, 0) <= t for t in anew if t <= op.ended_us) or at not in seen:
            seen[at], wrote[at] = {}, []
        when[at] = op.ended_us
        behind = [(r, n) for r, n in seen[at].items() if not covers(op.saw, (r, n))]
        if behind:
            words = f"client {op.client} at {op.colo.upper()} read less than before: not {dot_words(behind[0])}"
            yield Finding(_NAME, words, op.key, op.ended_us / 1e6)
        seen[at] = op.saw
        if op.kind == "read":
            yield from _own(evidence, op, wrote[at])
        elif op.kind == "add" and op.dot is not None:
            wrote[at].append(op)


def _own(evidence: Evidence, op: Op, wrote: list[Op]) -> Iterator[Finding]:
    shown: frozenset[Any] | None = None
    for add in wrote:
        if add.key == op.key and not evidence.expects(op.key, "may-lose"):
            shown = frozenset(evidence.shown(op)) if shown is None else shown
            if add.what not in shown and not evidence.removed(add.key, add.what):
                words = f"client {op.client} does not read its own {add.what!r} at {op.colo.upper()}"
                yield Finding(_NAME, words, op.key, op.ended_us / 1e6)
