"""Sets of few members, added and removed again and again at all colos at once."""

from __future__ import annotations

from random import Random

from crdtkv.sim.reading import whole
from crdtkv.sim.workloads import entries
from crdtkv.sim.workloads.base import Ask, Steps, Workload

__all__ = ["Members"]


class Members(Workload):
    """add, remove, read."""

    KEYS = "tags/{uniform(20)}"
    MIX = {"add": 0.4, "remove": 0.3, "read": 0.3}
    OPTIONS = {"members": (whole, 10)}
    CHECKS = ("nothing-lost", "nothing-returns", "nothing-unasked", "no-duplicates", "causal", "sessions")

    def steps(self, client: int, dice: Random) -> Steps:
        key, kind = self.key_of(dice), self.kind(dice)
        family = self.family_of(key)
        if kind == "read":
            yield Ask("read", key, lambda store: entries.shown(store, key), writes=False)
            return
        member = f"m{dice.randrange(self.spec.options['members'])}"
        if kind == "add":
            yield Ask("add", key, lambda store: entries.append(store, key, member, family), member)
        else:
            yield Ask("remove", key, lambda store: entries.remove(store, key, member, family), member)
