"""When faults begin and end: those that the scenario names, and those that a swarm draws."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from crdtkv.errors import CrdtkvError
from crdtkv.replica import members
from crdtkv.sim.chance import stream
from crdtkv.sim.clock import SECOND
from crdtkv.sim.faults import FAULTS, Fault
from crdtkv.sim.outcome import Span
from crdtkv.sim.scenario import FaultSpec, Scenario
from crdtkv.sim.world import World
from crdtkv.store import door
from crdtkv.store.store import Store

__all__ = ["Faulting", "drawn"]


def drawn(scenario: Scenario, seed: int) -> list[FaultSpec]:
    """The faults of a swarm, from the seed. They end before the clients do."""
    swarm = scenario.swarm
    if swarm is None:
        return []
    dice, at_s, found = stream(seed, "swarm"), 0.0, []
    while (at_s := at_s + dice.expovariate(1 / swarm.mean_interval_s)) < scenario.duration_s:
        kind = dice.choice(swarm.kinds)
        for_s = min(dice.expovariate(1 / swarm.mean_length_s), scenario.duration_s - at_s)
        given = FAULTS[kind].OPTIONS.items()
        options = {name: parse(default) for name, (parse, default) in given if default is not None}
        found.append(FaultSpec(kind, round(at_s, 3), round(for_s, 3), options))
    return found


class Faulting:
    """The faults of a run."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        self.world = world
        self.spans: list[Span] = []
        self._open: dict[int, tuple[Fault, int]] = {}
        for number, spec in enumerate([*scenario.faults, *drawn(scenario, world.seed)]):
            world.after(spec.at_s, self._begin, number, spec)

    def _begin(self, number: int, spec: FaultSpec) -> None:
        world = self.world
        fault = FAULTS[spec.kind](world, spec.options, stream(world.seed, "fault", spec.kind, spec.at_s))
        until_us = world.now_us + int(spec.for_s * SECOND)
        fault.begin(until_us)
        self._open[number] = fault, len(self.spans)
        begin = world.now_s
        self.spans.append(Span(spec.kind, begin, begin + spec.for_s, fault.where, fault.words))
        world.hash.update(f"{spec.kind} {fault.where} {fault.words}".encode())
        world.at(until_us, self._end, number)

    def _end(self, number: int) -> None:
        fault, at = self._open.pop(number, (None, 0))
        if fault is not None:
            fault.end()
            self.spans[at] = self.spans[at]._replace(end=self.world.now_s, words=fault.words)

    def heal(self) -> None:
        """All faults are over."""
        for number in sorted(self._open):
            self._end(number)

    def decide(self) -> None:
        """What is an operator's to decide: of two sides that evicted each other, the one that is asked first holds; and
        where all that is left is a copy that was restored, it goes on without those whose disks are gone."""
        for colo in self.world.colos.values():
            if colo.up and colo.store.forks:
                known = {link.id for link in members.chain_links(door.replica(colo.store))}
                for fork in colo.store.forks:
                    if fork[0] in known and colo.store.id in colo.store.members:
                        colo.call(partial(_resolve, fork[0]), lambda durable: None)
                        return
        self._go_on_alone()

    def _go_on_alone(self) -> None:
        up = [colo for colo in self.world.colos.values() if colo.up]
        ours = [colo for colo in up if door.replica(colo.store).state.namespace == self.world.namespace]
        if len(up) == len(self.world.colos) and not any(members.is_live_member(door.replica(c.store)) for c in ours):
            for colo in ours[:1]:
                colo.call(_evict_others, lambda durable: None)


def _evict_others(store: Store) -> None:
    with suppress(CrdtkvError):
        for id in store.members:
            if id != store.id:
                store.evict(id)


def _resolve(link: str, store: Store) -> None:
    with suppress(CrdtkvError):  # it was resolved meanwhile
        store.resolve(link)
