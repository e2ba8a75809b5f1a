"""Lists PUT as a whole against what was read last: the thread's real way.

A client reads, thinks, and PUTs its own new document: with an entry more, or with one less. It
names the version that it had read. It knows no strategy and merges nothing. Where it is shown
siblings, it edits the first, and settles the others.
"""

from __future__ import annotations

from random import Random
from typing import Any

from crdtkv.sim.chance import distribution
from crdtkv.sim.reading import draw
from crdtkv.sim.workloads.base import Ask, Steps, Wait, Workload, entries_of
from crdtkv.store.store import Store

__all__ = ["PutList"]


class PutList(Workload):
    """append, remove, read; each PUT is one operation that may both add and take away."""

    KEYS = "todo/{zipf(100, 0.99)}"
    MIX = {"append": 0.5, "remove": 0.1, "read": 0.4}
    OPTIONS = {"think_s": (draw, "lognormal(0, 0.5)")}
    CHECKS = ("nothing-lost", "nothing-returns", "nothing-unasked", "no-duplicates")

    def steps(self, client: int, dice: Random) -> Steps:
        key, kind = self.key_of(dice), self.kind(dice)
        read = yield Ask("read", key, lambda store: _read(store, key), writes=False)
        if kind == "read" or not read.ok:
            return
        there, version = read.value
        yield Wait(max(0.0, distribution(self.spec.options["think_s"])(dice)))
        added: list[Any] = []
        removed: list[Any] = []
        if kind == "append":
            added = [self.new()]
        elif there:
            removed = [dice.choice(there)]
        else:
            return
        document = [entry for entry in there if entry not in removed] + added
        yield Ask("put", key, lambda store: _put(store, key, document, version), (added, removed), base=read)

    def shown(self, op: Any) -> list[Any]:
        return list(op.value[0]) if op.value else []


def _put(store: Store, key: str, document: list[Any], version: str | None) -> Any:
    """Where nothing was read, nothing may be there by now: the client would not have seen it."""
    return store.put(key, document, base=version) if version else store.put(key, document, if_version=None)


def _read(store: Store, key: str) -> tuple[list[Any], str | None]:
    entry = store.get(key)
    if entry is None:
        return [], None
    return entries_of(entry.siblings[0] if len(entry.siblings) > 1 else entry.value), entry.version
