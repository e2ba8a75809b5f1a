"""Entries appended to shared lists and taken out of them, each by an operation of its own.

The thread's lists, as a client uses them who knows what the store offers. Under a strategy that
has no such operation (lww, mv) the client PUTs all that it sees there at that moment, and one more.
"""

from __future__ import annotations

from random import Random

from crdtkv.sim.workloads import entries
from crdtkv.sim.workloads.base import Ask, Steps, Workload

__all__ = ["ListAppend"]


class ListAppend(Workload):
    """append, remove, read."""

    KEYS = "todo/{zipf(100, 0.99)}"
    MIX = {"append": 0.5, "remove": 0.1, "read": 0.4}
    CHECKS = ("nothing-lost", "nothing-returns", "nothing-unasked", "no-duplicates", "causal", "sessions")

    def steps(self, client: int, dice: Random) -> Steps:
        key, kind = self.key_of(dice), self.kind(dice)
        family = self.family_of(key)
        if kind == "append":
            entry = self.new()
            yield Ask("add", key, lambda store: entries.append(store, key, entry, family), entry)
            return
        there = yield Ask("read", key, lambda store: entries.shown(store, key), writes=False)
        if kind == "remove" and there.value:
            gone = dice.choice(there.value)
            yield Ask("remove", key, lambda store: entries.remove(store, key, gone, family), gone)
