"""The clients of a run: each does one thing after the other, at its own colo or, less sticky, at another.

What they asked, were told and went by is the history that checkers judge by.
"""

from __future__ import annotations

from functools import partial
from random import Random

from crdtkv.errors import CrdtkvError
from crdtkv.sim.chance import stream
from crdtkv.sim.colo import Colo
from crdtkv.sim.scenario import WorkloadSpec
from crdtkv.sim.spread import Spread
from crdtkv.sim.tracing import Trace
from crdtkv.sim.workloads.base import PER_WORKLOAD, Ask, Done, Op, Steps, Wait, Workload
from crdtkv.sim.world import World
from crdtkv.store.store import Store

__all__ = ["Clients"]

_RETRY_S = 0.1
"""Who finds a colo down tries again so soon."""


class Clients:
    """All clients of one workload."""

    def __init__(
        self, world: World, workload: Workload, number: int, ops: list[Op], spread: Spread, trace: Trace,
        until_us: int,
    ) -> None:  # fmt: skip
        self.world, self.workload, self.ops, self.spread, self.trace = world, workload, ops, spread, trace
        self._until_us = until_us
        self.staleness: list[float] = []
        self._spec: WorkloadSpec = workload.spec
        self._left = self._spec.most
        homes = [colo for colo in world.colos.values() if not self._spec.at or colo.name.upper() in self._spec.at]
        self._colos = homes
        count = len(homes) * self._spec.clients_per_colo
        self._pace_s = count / self._spec.rate
        for each in range(count):
            client = number * PER_WORKLOAD + each
            dice = stream(world.seed, "client", number, each)
            world.after(dice.expovariate(1 / self._pace_s), self._next, client, homes[each % len(homes)], dice)

    def _next(self, client: int, home: Colo, dice: Random) -> None:
        if self.world.now_us >= self._until_us or self._left == 0:
            return
        if self._left is not None:
            self._left -= 1
        at = home
        if self._spec.sticky < 1 and dice.random() >= self._spec.sticky:
            at = dice.choice(self._colos)
        self._go_on(_Turn(self, client, home, at, dice), None)

    def _go_on(self, turn: _Turn, told: Done | None) -> None:
        """The client does its next step, or its next turn begins some time later."""
        if self.world.now_us >= self._until_us:
            return
        try:
            step = turn.steps.send(told) if told is not None else next(turn.steps)
        except StopIteration:
            self.world.after(turn.dice.expovariate(1 / self._pace_s), self._next, turn.client, turn.home, turn.dice)
            return
        if isinstance(step, Wait):
            self.world.after(step.seconds, self._go_on, turn, None)
        else:
            self._ask(turn, step)

    def _ask(self, turn: _Turn, ask: Ask) -> None:
        colo, base = turn.at, ask.base
        op = Op(
            len(self.ops), turn.client, colo.name, ask.kind, ask.key, ask.what, ask.writes, self.world.now_us,
            saw=base.op.saw if base is not None else {},
        )  # fmt: skip
        self.ops.append(op)
        carried = _Carried(self, colo, op, ask)
        colo.call(carried.act, partial(self._told, turn, carried))

    def _told(self, turn: _Turn, carried: _Carried, durable: bool) -> None:
        op, now = carried.op, self.world.now_us
        op.ended_us = now
        if not carried.ran:
            op.status, op.error = "no", "down"
        elif not op.error:
            op.status = "ok" if durable else "unknown"
        ok = op.status == "ok"
        if not ok:
            op.dot = None  # what a crash took back may be another's by now
        if ok and op.dot is not None:
            self.spread.written(op)
        value = op.value if not op.writes or ok else None
        self.world.hash.update(f"{op.n} {op.kind} {op.key} {op.status} {now}".encode())
        # (Not from within the colo's turn: what a client does next is an event of its own.)
        self.world.after(0 if carried.ran else _RETRY_S, self._go_on, turn, Done(ok, value, op))


class _Turn:
    """What a client is about: some steps at one colo."""

    __slots__ = ("at", "client", "dice", "home", "steps")

    def __init__(self, clients: Clients, client: int, home: Colo, at: Colo, dice: Random) -> None:
        self.client, self.home, self.at, self.dice = client, home, at, dice
        self.steps: Steps = clients.workload.steps(client, dice)


class _Carried:
    """An operation at its colo."""

    __slots__ = ("ask", "clients", "colo", "op", "ran")

    def __init__(self, clients: Clients, colo: Colo, op: Op, ask: Ask) -> None:
        self.clients, self.colo, self.op, self.ask, self.ran = clients, colo, op, ask, False

    def act(self, store: Store) -> None:
        """It is done. What the store raises is what the client is told."""
        colo, op = self.colo, self.op
        self.ran, colo.minted = True, None
        op.here = colo.saw
        op.saw = op.saw or op.here
        try:
            op.value = self.ask.act(store)
        except CrdtkvError as error:
            op.error, op.status = error.code, "no" if error.happened == "no" else "unknown"
            return
        if op.writes:
            op.dot = colo.minted
            if op.dot is not None:
                self.clients.spread.minted(op.dot)
        else:
            self.clients.staleness.append(self.clients.spread.behind_s(colo, op.key))
        self.clients.trace.did(op)
