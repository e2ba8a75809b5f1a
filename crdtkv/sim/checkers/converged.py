"""All colos have the same, soon enough: equal vectors, equal digests where floors are equal, equal values."""

from __future__ import annotations

from collections.abc import Iterator

from crdtkv.sim.evidence import Evidence
from crdtkv.sim.outcome import Finding

__all__ = ["converged"]

_NAME = "converged"


def converged(evidence: Evidence) -> Iterator[Finding]:
    """After healing, within the time that the scenario gives."""
    world, within_s = evidence.world, evidence.scenario.check.converge_within_s
    took_s = None if evidence.converged_us is None else (evidence.converged_us - evidence.healed_us) / 1e6
    if took_s is None or took_s > within_s:
        behind = [c.name.upper() for c in world.colos.values() if c.up and c.store.vector != evidence.vector]
        words = "not at all" if took_s is None else f"after {took_s:.1f} s"
        yield Finding(_NAME, f"colos were equal {words}; within {within_s:g} s is wanted; others have: {behind}")
    stores = [(name, colo.store) for name, colo in world.colos.items() if colo.up]
    digests: dict[object, tuple[str, str]] = {}
    for name, store in stores:
        for words in store.check():
            yield Finding(_NAME, f"{name.upper()}: {words}")
        at = (store.floor, frozenset(store.vector.items()))
        first, digest = digests.setdefault(at, (name, store.digest()))
        if digest != store.digest():
            yield Finding(_NAME, f"{first.upper()} and {name.upper()} differ in digest at an equal vector and floor")
    yield from _values(evidence)


def _values(evidence: Evidence) -> Iterator[Finding]:
    if evidence.converged_us is None:
        return
    (first, there), *others = evidence.values.items()
    for name, values in others:
        for key in sorted(there.keys() | values.keys()) if values != there else ():
            if there.get(key) != values.get(key):
                words = f"{first.upper()} reads {there.get(key)!r:.120}, {name.upper()} {values.get(key)!r:.120}"
                yield Finding(_NAME, words, key)
