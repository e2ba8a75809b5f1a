"""Quiet means quiet: where all are equal, nothing goes from colo to colo but small talk."""

from __future__ import annotations

from collections.abc import Iterator

from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding

__all__ = ["quiet"]

_NAME = "quiet"

_LOUD = ("push", "hello", "join", "welcome", "ranges", "repair")
_FLOORS = ("ask", "page")
"""A floor that moved is asked for: so often, by each colo, in the time that is looked at."""
_EACH = 3


def quiet(evidence: Evidence) -> Iterator[Finding]:
    """No records or greetings, and few pages, in the last seconds of a run that is at rest."""
    for kind in _LOUD:
        count = evidence.quiet.get(f"sent {kind}", 0)
        if count:
            yield Finding(_NAME, f"{count} messages {kind!r} were sent while there was nothing to tell")
    colos = len(evidence.world.colos)
    for kind in _FLOORS:
        count = evidence.quiet.get(f"sent {kind}", 0)
        if count > _EACH * colos:
            words = f"{count} messages {kind!r} were sent by {colos} colos while there was nothing to tell but floors"
            yield Finding(_NAME, words)
