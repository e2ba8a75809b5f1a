"""Transactions over several keys: one number, written to all keys of a group at once, and all of them read at once."""

from __future__ import annotations

from random import Random
from typing import Any

from crdtkv.sim.reading import whole
from crdtkv.sim.workloads.base import Ask, Steps, Workload
from crdtkv.store.store import Store

__all__ = ["Transactions"]


class Transactions(Workload):
    """write, read. `keys`: of groups; a group is that many keys, `keys` followed by a letter."""

    KEYS = "group/{uniform(5)}"
    MIX = {"write": 0.5, "read": 0.5}
    OPTIONS = {"width": (whole, 3)}
    CHECKS = ("transactions-whole",)

    def steps(self, client: int, dice: Random) -> Steps:
        group = self.key_of(dice)
        keys = [f"{group}/{n}" for n in range(self.spec.options["width"])]
        if self.kind(dice) == "read":
            yield Ask("read-group", group, lambda store: _read(store, keys), tuple(keys), writes=False)
        else:
            n = self.new()
            yield Ask("write-group", group, lambda store: _write(store, keys, n), n)


def _read(store: Store, keys: list[str]) -> list[Any]:
    return [None if entry is None else entry.value for entry in store.get_many(keys).values()]


def _write(store: Store, keys: list[str], n: int) -> None:
    with store.transaction() as t:
        for key in keys:
            t.put(key, n)
