"""What was deleted is forgotten: at rest, no colo keeps anything of a key that reads as absent, and floors move on."""

from __future__ import annotations

from collections.abc import Iterator

from crdtkv.core.clocks import stamp_ms
from crdtkv.core.keys import SYSTEM
from crdtkv.sim.clock import EPOCH_MS
from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding

__all__ = ["REST_S", "metadata_bounded"]

_NAME = "metadata-bounded"

REST_S = 45.0
"""So long after all are equal every floor is above all that was written: rounds of heard, and steps of the floor."""


def metadata_bounded(evidence: Evidence) -> Iterator[Finding]:
    """Where the run rested long enough; else it cannot be told."""
    world = evidence.world
    if evidence.converged_us is None:
        return
    if (world.now_us - evidence.converged_us) / 1e6 < REST_S:
        yield Finding(_NAME, f"a rest of {REST_S:g} s is needed; settle is too short", unknown=True)
        return
    last_ms = max((op.ended_us for op in evidence.ops if op.writes), default=0) / 1_000
    for name, colo in world.colos.items():
        if not colo.up:
            continue
        at_ms = stamp_ms(colo.store.floor) - EPOCH_MS if colo.store.floor else 0
        shown = evidence.values[name]
        kept = [key for key in colo.disk.keys("", None) if key[:1] != SYSTEM and key not in shown]
        if kept:
            words = f"{name.upper()} keeps {len(kept)} keys that are absent; its floor is at {at_ms / 1e3:.1f} s"
            yield Finding(_NAME, f"{words}, the last write was at {last_ms / 1e3:.1f} s", kept[0])
