"""Shopping carts: a customer looks, puts a few things in, takes one out again, and comes back later, maybe elsewhere.

Things come from a small shelf, so that one that was taken out is put in again, at another colo too.
"""

from __future__ import annotations

from random import Random

from crdtkv.sim.chance import distribution
from crdtkv.sim.reading import draw, whole
from crdtkv.sim.workloads import entries
from crdtkv.sim.workloads.base import Ask, Steps, Wait, Workload

__all__ = ["Cart"]


class Cart(Workload):
    """add, remove, read."""

    KEYS = "cart/{zipf(1000, 0.99)}"
    MIX = {"add": 0.6, "remove": 0.2, "read": 0.2}
    OPTIONS = {"shelf": (whole, 50), "think_s": (draw, "lognormal(-1, 0.5)")}
    CHECKS = ("nothing-lost", "nothing-returns", "nothing-unasked", "causal", "sessions")

    def steps(self, client: int, dice: Random) -> Steps:
        key = self.key_of(dice)
        family = self.family_of(key)
        for _ in range(dice.randint(1, 3)):
            there = yield Ask("read", key, lambda store: entries.shown(store, key), writes=False)
            yield Wait(max(0.0, distribution(self.spec.options["think_s"])(dice)))
            match self.kind(dice):
                case "add":
                    thing = f"thing-{dice.randrange(self.spec.options['shelf'])}"
                    if thing not in (there.value or ()):
                        yield self._add(key, thing, family)
                case "remove" if there.value:
                    yield self._remove(key, dice.choice(there.value), family)

    def _add(self, key: str, thing: str, family: str) -> Ask:
        return Ask("add", key, lambda store: entries.append(store, key, thing, family), thing)

    def _remove(self, key: str, thing: str, family: str) -> Ask:
        return Ask("remove", key, lambda store: entries.remove(store, key, thing, family), thing)
