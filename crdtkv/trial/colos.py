"""Three colos in a thimble: enough of a replica to try a strategy, and nothing else.

Built from `Strategy.edit`, `join_cells` and the rule by which a write replaces
what stands; no storage, no wire. It keeps the history beside the cells, so that a
reading can be compared with a spec at every step. Stamps are drawn at random: a
clock may run behind everything that it has heard of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, Sibling, is_sweep, join_cells, make_cell, unhide
from crdtkv.core.clocks import covers, merge, tick
from crdtkv.core.paths import is_counted
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import Env, Operation, Strategy, Write
from crdtkv.trial.history import Event, seen_by

__all__ = ["Replica", "Snapshot", "World"]

Snapshot = tuple[dict[str, int], SortedDict]


@dataclass
class Replica:
    """Invariant: `past[-1]` is (vector, cells) as they stand."""

    id: str
    strategy: Strategy
    cells: SortedDict = field(default_factory=SortedDict)
    vector: dict[str, int] = field(default_factory=dict)
    stamp: int = 0
    past: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._remember()

    def _remember(self) -> None:
        self.past.append((dict(self.vector), self.cells.copy()))

    @property
    def tree(self) -> Tree:
        return Tree(self.cells)

    def read(self) -> Any:
        return self.strategy.read(self.tree)

    def weight(self) -> int:
        """How many siblings are kept: what values hide."""
        return sum(map(len, self.cells.values()))

    def clone(self) -> Replica:
        past = [(dict(v), c.copy()) for v, c in self.past]
        return Replica(self.id, self.strategy, self.cells.copy(), dict(self.vector), self.stamp, past)

    def env(self, base: Snapshot | None = None) -> Env:
        vector, cells = base or (self.vector, self.cells)
        dot = (self.id, self.vector.get(self.id, 0) + 1)
        seen = {**vector, dot[0]: dot[1]}
        return Env(*dot, self.stamp, seen, lambda d: covers(vector, d), Tree(cells))

    def edit(self, operation: Operation, ms: int = 0, back: int = 0) -> Event:
        """Carry `operation` out on the base that stood `back` steps ago. What it raises, it raises."""
        base = self.past[max(0, len(self.past) - 1 - back)]
        stamp, before = tick(self.stamp, ms), self.stamp
        self.stamp = stamp
        try:
            env = self.env(base)
            writes = self.strategy.edit(self.tree, operation, env)
        except BaseException:
            self.stamp = before
            raise
        event = Event(env.dot, stamp, operation, dict(self.vector), dict(base[0]))
        self.write(writes, env)
        return event

    def write(self, writes: Iterable[Write], env: Env) -> None:
        """One transaction: the sweeps first, then each cell."""
        writes = list(writes)
        assert len({w.path for w in writes}) == len(writes), "a cell is written once"
        for write in writes:
            if is_sweep(write.payload):
                self._sweep(write)
        for write in writes:
            old: Cell = self.cells.get(write.path, ())
            replaced = [s for s in old if write.all or env.covers(s.dot)]
            own = Sibling(env.dot, env.stamp, write.payload, tuple(s.dot for s in replaced))
            self.cells[write.path] = make_cell([own, *(s for s in old if s not in replaced)])
        self.vector[self.id] = env.n
        self._remember()

    def _sweep(self, write: Write) -> None:
        hider = unhide(write.payload or b"")
        for path in [p for p, _ in self.tree.below(write.path)]:
            if not is_counted(path) and (hider.below is None or path < write.path + hider.below):
                self._set(path, [s for s in self.cells[path] if not covers(hider.seen, s.dot)])

    def _set(self, path: bytes, siblings: Iterable[Sibling]) -> None:
        cell = make_cell(siblings)
        if cell:
            self.cells[path] = cell
        else:
            self.cells.pop(path, None)

    def absorb(self, other: Replica) -> None:
        """All that the other has, in one catch-up."""
        for path in {*self.cells, *other.cells}:
            joined = join_cells(self.cells.get(path, ()), self.vector, other.cells.get(path, ()), other.vector)
            self._set(path, joined)
        self.vector = merge([self.vector, other.vector])
        self._remember()

    def purge(self, floor: int) -> None:
        """Drop what the strategy calls dead, until nothing more is."""
        while dead := set(self.strategy.dead(self.tree, list(self.cells), floor)) & self.cells.keys():
            for path in dead:
                del self.cells[path]


class World:
    """Some colos of one key, and its history in the order in which it happened."""

    def __init__(self, strategy: Strategy, names: str = "abc") -> None:
        self.replicas = [Replica(name, strategy) for name in names]
        self.events: list[Event] = []

    def edit(self, at: int, operation: Operation, ms: int = 0, back: int = 0) -> None:
        self.events.append(self.replicas[at].edit(operation, ms, back))

    def sync(self, to: int, source: int) -> None:
        self.replicas[to].absorb(self.replicas[source])

    def settle(self, order: Iterable[int] = (0, 1, 2)) -> None:
        """Until all have all: each absorbs each, in the order given, twice."""
        order = list(order)
        for _ in range(2):
            for to in order:
                for source in order:
                    if to != source:
                        self.sync(to, source)

    def expected(self, at: int, spec: Callable[[list[Event]], Any]) -> Any:
        """What the spec says of the part of the history that this colo has absorbed."""
        return spec(seen_by(self.replicas[at].vector, self.events))
