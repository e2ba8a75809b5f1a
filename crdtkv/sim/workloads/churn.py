"""Keys put and deleted again, so that only what is forgotten everywhere keeps a store small."""

from __future__ import annotations

from random import Random

from crdtkv.sim.workloads.base import Ask, Steps, Workload

__all__ = ["Churn"]


class Churn(Workload):
    """put: a key; delete: one that somebody sees; read."""

    KEYS = "churn/{uniform(200)}"
    MIX = {"put": 0.5, "delete": 0.5}
    CHECKS = ("metadata-bounded",)

    def steps(self, client: int, dice: Random) -> Steps:
        key = self.key_of(dice)
        if self.kind(dice) == "put":
            n = self.new()
            yield Ask("put-key", key, lambda store: store.put(key, n), n)
        else:
            yield Ask("delete-key", key, lambda store: store.delete(key))
