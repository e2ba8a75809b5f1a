"""A run: clients and faults, then healing, then rest; what is found in the end, and the figures."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from crdtkv.core.rules import choose
from crdtkv.sim.checkers import checker
from crdtkv.sim.checkers.base import MOST
from crdtkv.sim.checkers.no_duplicates import doubled
from crdtkv.sim.checkers.nothing_lost import lost
from crdtkv.sim.checkers.nothing_returns import returned
from crdtkv.sim.clients import Clients
from crdtkv.sim.clock import SECOND
from crdtkv.sim.evidence import Evidence
from crdtkv.sim.faulting import Faulting
from crdtkv.sim.outcome import Carried, Finding, Outcome, Verdict, Weight
from crdtkv.sim.scenario import Scenario
from crdtkv.sim.spread import Spread
from crdtkv.sim.tracing import Trace
from crdtkv.sim.workloads import Op, Workload, find_workload
from crdtkv.sim.world import World
from crdtkv.store import door
from crdtkv.store.ruling import known_rules

__all__ = ["Progress", "Run", "run"]

_NO_WORK = 'nobody writes or reads, so nothing is shown: give the scenario a [[workload]] (kind = "list-append", say)'
_LOOK_US = SECOND // 10
"""After healing it is looked this often whether all are equal."""
_QUIET_US = 12 * SECOND
"""Of rest once they are."""
_WEIGHTS = 20
_WEIGHED = 12
"""So often, so many colos are weighed."""

Progress = Callable[[float, float], None]


def run(
    scenario: Scenario, seed: int | None = None, *, progress: Progress | None = None, watch: Sequence[str] = ()
) -> Outcome:  # fmt: skip
    """Run a scenario under a seed (None: its own), and judge it. `progress` is told virtual seconds, and of how many.
    `watch`: keys of which each event is traced, besides those that the scenario names.

    The same scenario and seed come to the same outcome on any machine.
    """
    if watch:
        scenario = replace(scenario, check=replace(scenario.check, watch=(*scenario.check.watch, *watch)))
    with _seldom_collected():
        played = Run(scenario, scenario.seed if seed is None else seed, progress)
        try:
            return played.outcome()
        finally:
            played.world.close()


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Of the many objects of a world hardly any is garbage: to look through them all takes a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Run:
    """One world, what happens to it, and what is remembered of that."""

    def __init__(self, scenario: Scenario, seed: int, progress: Progress | None = None) -> None:
        self.scenario, self.seed, self._progress = scenario, seed, progress
        self.world = world = World(scenario, seed)
        self.ops: list[Op] = []
        self.memory: list[Weight] = []
        self.spread = Spread(world, scenario.check.watch)
        self.trace = Trace(world, scenario.check.watch)
        until_us = int(scenario.duration_s * SECOND)
        first = next(iter(world.colos.values()))

        rules = known_rules(door.replica(first.store))

        def family_of(key: str) -> str:
            return choose(rules, key).strategy.partition("?")[0]

        self.workloads: list[Workload] = [find_workload(s.kind)(s, family_of) for s in scenario.workloads]
        for workload in self.workloads:
            workload.setup(first.store)
        self.clients = [
            Clients(world, workload, number, self.ops, self.spread, self.trace, until_us)
            for number, workload in enumerate(self.workloads)
        ]
        self.faulting = Faulting(world, scenario)
        self._weigh_often()
        self._look_often(until_us)

    def _look_often(self, until_us: int) -> None:
        stated = [workload.conditions for workload in self.workloads if workload.conditions]
        for at_us in range(SECOND, until_us if stated else 0, SECOND):
            for conditions in stated:
                self.world.at(at_us, conditions.look, self.world)

    def _weigh_often(self) -> None:
        whole_s = self.scenario.duration_s + self.scenario.settle_s
        for turn in range(_WEIGHTS + 1):
            self.world.after(whole_s * turn / _WEIGHTS, self._weigh)

    def _weigh(self) -> None:
        for colo in list(self.world.colos.values())[:_WEIGHED]:
            self.memory.append(Weight(self.world.now_s, colo.name.upper(), *colo.disk.weight()))

    def play(self) -> Evidence:
        """All of it, to the end."""
        scenario, world = self.scenario, self.world
        for second in range(1, int(scenario.duration_s) + 1):
            world.run(second * SECOND)
            self._tell()
        world.run(int(scenario.duration_s * SECOND))
        self.faulting.heal()
        healed_us = world.now_us
        converged_us = self._settle(healed_us + int(scenario.settle_s * SECOND))
        evidence = Evidence(world, scenario, self.workloads, self.ops, self.faulting.spans, healed_us, converged_us)
        evidence.lost_disks = world.lost_disks
        evidence.gaps = self.spread.gaps
        evidence.quiet = self._rest(converged_us)
        self._weigh()
        return evidence

    def _settle(self, until_us: int) -> int | None:
        """When all were equal, and stayed so; None: they were not."""
        world = self.world
        while not world.one():
            if world.now_us >= until_us:
                return None
            world.run(min(until_us, world.now_us + _LOOK_US))
            self.faulting.decide()
            self._tell()
        return world.now_us

    def _rest(self, converged_us: int | None) -> dict[str, int]:
        """What kinds of messages were sent, and how often, while nothing was to be told."""
        world = self.world
        if converged_us is None:
            return {}
        until_us = int((self.scenario.duration_s + self.scenario.settle_s) * SECOND)
        world.run(max(world.now_us + _QUIET_US, until_us - _QUIET_US))
        before = self._counts()
        world.run(world.now_us + _QUIET_US)
        return {kind: n for kind, n in (self._counts() - before).items() if n}

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for colo in self.world.colos.values():
            total.update(colo.counts())
        return total

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.world.now_s, self.scenario.duration_s + self.scenario.settle_s)

    # the outcome

    def outcome(self) -> Outcome:
        """Play it, and judge it."""
        evidence = self.play()
        made = self._figures(evidence)
        for name in self.scenario.check.checkers:
            findings = list(checker(name)(evidence))
            made.checks[name] = _verdict(findings)
            made.findings += findings[:MOST]
            if len(findings) > MOST:
                more = f"and {len(findings) - MOST} more of that"
                made.findings.append(Finding(name, more, unknown=findings[0].unknown))
        if not self.workloads:
            made.checks["workload"] = "unknown"
            made.findings.append(Finding("workload", _NO_WORK, unknown=True))
        made.verdict = _worst(list(made.checks.values()))
        return made

    def _figures(self, evidence: Evidence) -> Outcome:
        world, ops = self.world, self.ops
        writes = [op for op in ops if op.writes]
        acknowledged = [op for op in writes if op.status == "ok" and op.dot is not None]
        counts = self._counts()
        links = world.network.links
        absorbed, known = counts["record absorbed"], counts["record known"]
        healed_us, converged_us = evidence.healed_us, evidence.converged_us
        return Outcome(
            self.scenario.name, self.seed, list(self.scenario.colos.set),
            {rule.match: rule.strategy for rule in self.scenario.keys}, self.scenario.duration_s,
            healed_s=healed_us / SECOND,
            converged_s=None if converged_us is None else (converged_us - healed_us) / SECOND,
            acknowledged=len(acknowledged), refused=sum(op.status == "no" for op in writes),
            unknown=sum(op.status == "unknown" for op in writes), reads=sum(not op.writes for op in ops),
            lost=sum(1 for _ in lost(evidence)), resurrected=sum(1 for _ in returned(evidence)),
            duplicated=sum(1 for _ in doubled(evidence)), conflicts=sum(map(len, evidence.told.values())),
            writes=self.spread.writes(), read_staleness=[s for c in self.clients for s in c.staleness],
            staleness=self.spread.lags(),
            links={
                (a.upper(), b.upper()): Carried(link.messages, link.bytes, link.lost)
                for (a, b), link in sorted(links.items()) if link.messages
            },
            bytes_by_kind=self.trace.bytes_by_kind(),
            write_bytes=sum(link.bytes for link in links.values()) / max(1, len(acknowledged)),
            copies=(absorbed + known) / max(1, absorbed),
            needs_bytes=world.needs_bytes / max(1, world.minted), memory=self.memory, faults=self.faulting.spans,
            trace=self.trace.events, trace_hash=self.trace.hash(), counts=dict(sorted(counts.items())),
            events=world.events, absorbed=self.spread.arrived,
        )  # fmt: skip


def _verdict(findings: list[Finding]) -> Verdict:
    if not findings:
        return "valid"
    return "unknown" if all(finding.unknown for finding in findings) else "invalid"


def _worst(verdicts: list[Verdict]) -> Verdict:
    for worst in ("invalid", "unknown"):
        if worst in verdicts:
            return worst
    return "valid"
