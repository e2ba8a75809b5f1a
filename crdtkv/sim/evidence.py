"""What checkers judge by: what clients did and were told, what stands in the end, and what the world did to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from crdtkv.core.clocks import Dot, covers
from crdtkv.core.keys import SYSTEM
from crdtkv.sim.outcome import Span
from crdtkv.sim.scenario import Scenario
from crdtkv.sim.workloads.base import PER_WORKLOAD, Op, Workload, entries_of
from crdtkv.sim.world import World

__all__ = ["Evidence", "Fate", "dot_words"]

_RENEW = ("wipe", "restore", "evict")


@dataclass
class Fate:
    """One entry of one key: who added it and who took it away, as far as anybody knows."""

    adds: list[Op] = field(default_factory=list)
    removes: list[Op] = field(default_factory=list)

    def stands(self, vector: Mapping[str, int]) -> bool | None:
        """Whether it has to be there: some add is acknowledged that no remover had seen. None: either is right.

        `vector`: what is absorbed in the end. An add that is not among it was minted anew, under another dot, or lost:
        whether a remover had seen it is not known.
        """
        anew = any(op.dot is not None and not covers(vector, op.dot) for op in (*self.adds, *self.removes))
        maybe = anew or any(op.status != "ok" for op in (*self.adds, *self.removes))
        left = [a for a in self.adds if a.status == "ok" and not any(_saw(r, a) for r in self.removes)]
        if anew and self.removes:
            return None
        if left:
            return True
        gone = self.removes and all(any(r.status == "ok" and _saw(r, a) for r in self.removes) for a in self.adds)
        return False if gone and not maybe else None


def _saw(remover: Op, add: Op) -> bool:
    return add.dot is not None and covers(remover.saw, add.dot)


class Evidence:
    """Of one run, after it has come to rest."""

    def __init__(
        self, world: World, scenario: Scenario, workloads: list[Workload], ops: list[Op], spans: list[Span],
        healed_us: int, converged_us: int | None,
    ) -> None:  # fmt: skip
        self.world, self.scenario, self.workloads, self.ops, self.spans = world, scenario, workloads, ops, spans
        self.healed_us, self.converged_us = healed_us, converged_us
        self.lost_disks: dict[str, list[int]] = {}
        """colo -> when its disk lost something that had been acknowledged."""
        self.gaps: list[tuple[str, str, int]] = []
        """Where a colo took in what it was not ready for: in words, the key, and when."""
        self.quiet: dict[str, int] = {}
        """What the machines counted while nothing was left to be told."""

    @cached_property
    def renewed(self) -> bool:
        """Whether a colo had to come back, and to mint anew, under another dot, what it had written."""
        return any(span.kind in _RENEW for span in self.spans)

    @cached_property
    def values(self) -> dict[str, dict[str, Any]]:
        """colo -> key -> what it reads."""
        return {name: dict(colo.store.items()) for name, colo in self.world.colos.items() if colo.up}

    @cached_property
    def there(self) -> dict[str, Any]:
        """key -> what the first colo reads."""
        return next(iter(self.values.values()))

    @cached_property
    def told(self) -> dict[str, list[Any]]:
        """key -> the values that conflict inboxes tell of: what lost, for all to see."""
        found: dict[str, list[Any]] = defaultdict(list)
        for colo in self.world.colos.values():
            for conflict in colo.store.conflicts() if colo.up else ():
                found[conflict.key].append(conflict.value)
        return found

    @cached_property
    def vector(self) -> dict[str, int]:
        """What the first colo has absorbed."""
        return next(colo for colo in self.world.colos.values() if colo.up).store.vector

    def expects(self, key: str, what: str) -> bool:
        """Whether the scenario expects that of the key."""
        return any(said == what and fnmatchcase(key, match) for match, said in self.scenario.check.expect.items())

    def excused(self, op: Op) -> bool:
        """Whether it may be gone since the only disk that had it lost it."""
        times = self.lost_disks.get(op.colo, ())
        return any(at >= op.ended_us for at in times) and (op.dot is None or not covers(self.vector, op.dot))

    def fates(self) -> Iterable[tuple[str, Any, Fate]]:
        """Of every entry that a client added to a key: (key, entry, who added and removed it)."""
        return ((key, entry, fate) for (key, entry), fate in self._fates.items())

    @cached_property
    def _fates(self) -> Mapping[tuple[str, Any], Fate]:
        found: dict[tuple[str, Any], Fate] = defaultdict(Fate)
        for op in self.ops:
            if op.kind == "add" and op.status != "no":
                found[op.key, op.what].adds.append(op)
            elif op.kind == "remove" and op.status != "no" and (op.status == "unknown" or op.dot is not None):
                found[op.key, op.what].removes.append(op)
            elif op.kind == "put" and op.status != "no":
                added, removed = op.what
                for entry in added:
                    found[op.key, entry].adds.append(op)
                for entry in removed:
                    found[op.key, entry].removes.append(op)
        return found

    def entries(self, key: str) -> list[Any]:
        """What stands in a key in the end."""
        return self.entries_at(key, self.there)

    def entries_at(self, key: str, values: Mapping[str, Any]) -> list[Any]:
        """What stands in a key, by the values that a colo shows."""
        workload = self._workload_of.get(key)
        return entries_of(values.get(key)) if workload is None else workload.entries(values.get(key))

    def shown(self, op: Op) -> list[Any]:
        """The entries that a read gave."""
        return self.workloads[op.client // PER_WORKLOAD].shown(op)

    @cached_property
    def _workload_of(self) -> dict[str, Workload]:
        return {op.key: self.workloads[op.client // PER_WORKLOAD] for op in self.ops}

    def removed(self, key: str, entry: Any) -> bool:
        """Whether anybody tried to take that entry away, or wrote the whole key over."""
        fate = self._fates.get((key, entry))
        return bool(fate and fate.removes)

    def keys(self) -> list[str]:
        """All keys of users that any colo shows."""
        return sorted({key for values in self.values.values() for key in values if key[:1] != SYSTEM})


def dot_words(dot: Dot | None) -> str:
    """As it is shown."""
    return "" if dot is None else f"{dot[0]}.{dot[1]}"
