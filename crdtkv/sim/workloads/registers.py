"""Registers: one value a key, read and written over, by clients who had seen what they write over."""

from __future__ import annotations

from random import Random
from typing import Any

from crdtkv.sim.workloads.base import Ask, Steps, Workload
from crdtkv.store.store import Store

__all__ = ["Registers"]


class Registers(Workload):
    """write, read."""

    KEYS = "register/{uniform(20)}"
    MIX = {"write": 0.5, "read": 0.5}
    CHECKS = ("registers",)

    def steps(self, client: int, dice: Random) -> Steps:
        key = self.key_of(dice)
        if self.kind(dice) == "read":
            yield Ask("look", key, lambda store: _look(store, key), writes=False)
        else:
            n = self.new()
            yield Ask("set", key, lambda store: store.put(key, n), n)


def _look(store: Store, key: str) -> Any:
    entry = store.get(key)
    return None if entry is None else entry.value
