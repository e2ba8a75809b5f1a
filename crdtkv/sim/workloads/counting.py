"""Counters: each adds a little, and what is read in the end is the sum, to the last one."""

from __future__ import annotations

from random import Random
from typing import Any

from crdtkv.sim.workloads.base import Ask, Steps, Workload
from crdtkv.store.store import Store

__all__ = ["Counting"]


class Counting(Workload):
    """add, subtract, read. Under a strategy that does not count: what is read, and a PUT of the sum."""

    KEYS = "hits/{zipf(20, 0.99)}"
    MIX = {"add": 0.6, "subtract": 0.1, "read": 0.3}
    CHECKS = ("counters",)

    def steps(self, client: int, dice: Random) -> Steps:
        key, kind = self.key_of(dice), self.kind(dice)
        if kind == "read":
            yield Ask("count", key, lambda store: _count(store, key), writes=False)
            return
        n = dice.randint(1, 5) * (1 if kind == "add" else -1)
        counts = self.family_of(key) == "counter"
        yield Ask("increment", key, lambda store: _add(store, key, n, counts), n)


def _count(store: Store, key: str) -> Any:
    entry = store.get(key)
    return 0 if entry is None else entry.value


def _add(store: Store, key: str, n: int, counts: bool) -> Any:
    return store.counter(key).add(n) if counts else store.put(key, _count(store, key) + n)
