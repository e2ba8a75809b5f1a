"""How writes spread: from the acknowledgement of each until every colo has it; and what readers did not see yet."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from crdtkv.core.clocks import Dot, covers_all
from crdtkv.sim.clock import SECOND
from crdtkv.sim.colo import Colo
from crdtkv.sim.outcome import Lag, Written
from crdtkv.sim.workloads.base import Op
from crdtkv.sim.world import World
from crdtkv.store import door

__all__ = ["FOLLOWED", "LOOKED_AT", "Spread"]

FOLLOWED = 200
"""Of so many writes it is remembered when they came to each colo."""


LOOKED_AT = 64
"""Among so many colos each arrival is looked at for what it lacks; among more, some are."""


@dataclass(slots=True)
class _Way:
    """A write on its way. `at`: the colos that have it, a bit each."""

    op: Op
    at: int
    all_us: int | None = None
    arrivals: dict[str, float] = field(default_factory=dict)


class Spread:
    """Listens to a world."""

    def __init__(self, world: World, watch: tuple[str, ...] = ()) -> None:
        self._world = world
        self._watch = frozenset(watch)
        self._all = (1 << len(world.colos)) - 1
        self._ways: dict[Dot, _Way] = {}
        self._early: dict[Dot, int] = {}
        self._lags: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        self._open: dict[str, dict[Dot, _Way]] = defaultdict(dict)
        """key -> its writes that are not at all colos yet."""
        self.arrived = 0
        self.gaps: list[tuple[str, str, int]] = []
        """Where a colo took in a write, and lacked what its writer had seen: in words, the key, and when."""
        world.on_arrival.append(self._on_arrival)

    def written(self, op: Op, dots: tuple[Dot, ...] = ()) -> None:
        """A write was acknowledged. (Colos near by may have it already, where the disk was slow.)"""
        assert op.dot is not None
        way = _Way(op, self._early.pop(op.dot, 0) | 1 << self._world.colos[op.colo].index)
        self._ways[op.dot] = self._open[op.key][op.dot] = way
        if way.at == self._all:
            self._done(op.dot, way)

    def minted(self, dot: Dot) -> None:
        """A client's write was minted; it is not acknowledged yet."""
        self._early[dot] = 0

    def _on_arrival(self, colo: Colo, dot: Dot, sender: str) -> None:
        self.arrived += 1
        way = self._ways.get(dot)
        if way is None:
            if dot in self._early:
                self._early[dot] |= 1 << colo.index
            return
        bit = 1 << colo.index
        if way.at & bit:
            return
        way.at |= bit
        self._look_back(colo, dot, way.op)
        lag = (self._world.now_us - way.op.ended_us) / SECOND
        if len(self._ways) <= FOLLOWED or way.op.key in self._watch:
            way.arrivals[colo.name.upper()] = lag
        row = self._lags[way.op.colo, colo.name]
        row[0] += 1
        row[1] += lag
        row[2] = max(row[2], lag)
        if way.at == self._all:
            self._done(dot, way)

    def _look_back(self, colo: Colo, dot: Dot, op: Op) -> None:
        """(O(colos): of many, each time at another few.)"""
        if len(op.here) <= LOOKED_AT or self.arrived % len(op.here) == 0:
            known = door.replica(colo.store).state.vector
            if not covers_all(known, op.here):
                gap = next(f"{r}.{n}" for r, n in op.here.items() if n > known.get(r, 0))
                words = f"{colo.name.upper()} took in {dot[0]}.{dot[1]}, and lacks {gap}, which its writer had seen"
                self.gaps.append((words, op.key, self._world.now_us))

    def _done(self, dot: Dot, way: _Way) -> None:
        way.all_us = self._world.now_us
        self._open[way.op.key].pop(dot, None)

    def behind_s(self, colo: Colo, key: str) -> float:
        """For how long something of that key has been acknowledged that this colo does not have."""
        bit, oldest = 1 << colo.index, self._world.now_us
        for way in self._open[key].values() if key in self._open else ():
            if not way.at & bit:
                oldest = min(oldest, way.op.ended_us)
        return (self._world.now_us - oldest) / SECOND

    def writes(self) -> list[Written]:
        """Every write, in the order in which they were acknowledged."""
        return [
            Written(
                way.op.ended_us / SECOND, way.op.colo.upper(), way.op.key, f"{dot[0]}.{dot[1]}",
                None if way.all_us is None else (way.all_us - way.op.ended_us) / SECOND, way.arrivals,
            )
            for dot, way in self._ways.items()
        ]  # fmt: skip

    def lags(self) -> dict[tuple[str, str], Lag]:
        """By pair of colos."""
        return {
            (a.upper(), b.upper()): Lag(int(row[0]), row[1] / row[0], row[2])
            for (a, b), row in sorted(self._lags.items())
        }
