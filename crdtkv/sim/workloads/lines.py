"""Lines of logs, time series: each colo appends its own to series that all share; a line is never changed."""

from __future__ import annotations

from random import Random

from crdtkv.sim.workloads import entries
from crdtkv.sim.workloads.base import Ask, Steps, Workload

__all__ = ["Lines"]


class Lines(Workload):
    """append, read. A batch of lines is one operation."""

    KEYS = "series/{uniform(20)}"
    MIX = {"append": 0.9, "read": 0.1}
    CHECKS = ("nothing-lost", "nothing-unasked", "no-duplicates", "causal", "sessions")

    def steps(self, client: int, dice: Random) -> Steps:
        key = self.key_of(dice)
        family = self.family_of(key)
        if self.kind(dice) == "read":
            yield Ask("read", key, lambda store: entries.shown(store, key), writes=False)
        else:
            line = f"line {self.new()}"
            yield Ask("add", key, lambda store: entries.append(store, key, line, family), line)
