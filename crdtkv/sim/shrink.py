"""The small scenario in a large one that fails: what is left when nothing more can go without the failure going too.

Delta debugging (Zeller and Hildebrandt, 2002): halves are left out, then quarters, and so on down to single ones, as
long as the same checker still finds something. In this order: the end of the run, faults, workloads, colos, clients,
operations, the length of each fault; and again from the front until a round takes nothing away. Where other colos or
clients make all of the run another one, a few seeds are tried, and the small scenario has the one that fails.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from crdtkv.sim.changing import at_colos
from crdtkv.sim.faulting import drawn
from crdtkv.sim.outcome import Outcome
from crdtkv.sim.running import run
from crdtkv.sim.scenario import Scenario

__all__ = ["Fails", "Shrinking", "failing", "fewer"]

_T = TypeVar("_T")
Fails = Callable[[Scenario], bool]
_LEAST_S = 1.0
"""No run is made shorter."""
_SEEDS = 5


def failing(outcome: Outcome) -> str:
    """The first checker that found something to be wrong; "" where none did."""
    return next((finding.checker for finding in outcome.findings if not finding.unknown), "")


def fewer(all_of: Sequence[_T], fails: Callable[[tuple[_T, ...]], bool], least: int = 0) -> tuple[_T, ...]:
    """As few of them, in their order, as still fail: none of what is left can go by itself.

    >>> fewer(range(100), lambda some: 7 in some and 42 in some)
    (7, 42)
    """
    kept = tuple(all_of)
    if kept and not least and fails(()):
        return ()
    size = max(1, len(kept) // 2)
    while True:
        before = len(kept)
        at = 0
        while at < len(kept):
            rest = kept[:at] + kept[at + size :]
            if least <= len(rest) < len(kept) and rest and fails(rest):
                kept = rest
            else:
                at += size
        if size == 1 and len(kept) == before:
            return kept
        size = max(1, size // 2)


class Shrinking:
    """The search. `tries`: runs that it may take; `tell`: hears of each scenario that is smaller and still fails;
    `tick`: of each try."""

    def __init__(
        self, scenario: Scenario, seed: int, tries: int = 300, tell: Callable[[Scenario], None] = lambda smaller: None,
        tick: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self.left, self._tell, self._tick = tries, tell, tick
        self.checker = failing(run(scenario, seed))
        """What has to find something; "" where nothing failed: then there is nothing to shrink."""
        self.small = scenario if scenario.seed == seed else replace(scenario, seed=seed)

    def shrunk(self) -> Scenario:
        """The smallest that was found."""
        while self.checker and self.left > 0:
            before = self.small
            for step in (self._swarm, self._end, self._faults, self._workloads, self._colos, self._work, self._lengths):
                step()
            if self.small == before:
                break
        return self.small

    def _try(self, scenario: Scenario, seeds: int = 1) -> bool:
        """Whether that fails in the same way under one of so many seeds; it is the smallest, then."""
        if scenario == self.small:
            return True
        for seed in range(scenario.seed, scenario.seed + seeds):
            if self.left <= 0:
                return False
            self.left -= 1
            self._tick()
            if failing(run(_only(scenario, self.checker), seed)) == self.checker:
                self.small = replace(scenario, seed=seed)
                self._tell(self.small)
                return True
        return False

    def _swarm(self) -> None:
        """Faults that were drawn become faults that are written, which can be left out one by one."""
        if self.small.swarm is not None:
            self._try(replace(self.small, swarm=None)) or self._try(
                replace(self.small, swarm=None, faults=(*self.small.faults, *drawn(self.small, self.small.seed)))
            )

    def _end(self) -> None:
        """Half as long, or three quarters."""
        for part in (0.5, 0.75):
            while self._try(_ending(self.small, max(_LEAST_S, round(self.small.duration_s * part, 1)))):
                if self.small.duration_s <= _LEAST_S:
                    return

    def _faults(self) -> None:
        fewer(self.small.faults, lambda some: self._try(replace(self.small, faults=some)))

    def _workloads(self) -> None:
        fewer(self.small.workloads, lambda some: self._try(replace(self.small, workloads=some), _SEEDS), least=1)

    def _colos(self) -> None:
        whole = self.small

        def fails(some: tuple[str, ...]) -> bool:
            return self._try(replace(at_colos(whole, some), seed=self.small.seed), _SEEDS)

        fewer(whole.colos.set, fails, least=2)

    def _work(self) -> None:
        """One client a colo, then half the rate, again and again."""
        for turn in range(len(self.small.workloads)):
            for smaller in self._slower(turn):
                if not self._try(smaller, _SEEDS):
                    break

    def _slower(self, turn: int) -> Iterator[Scenario]:
        workload = self.small.workloads[turn]
        if workload.clients_per_colo > 1:
            yield self._with(turn, clients_per_colo=1)
        while self.small.workloads[turn].rate > 0.5:
            yield self._with(turn, rate=self.small.workloads[turn].rate / 2)

    def _with(self, turn: int, **changed: float) -> Scenario:
        workloads = list(self.small.workloads)
        workloads[turn] = replace(workloads[turn], **changed)  # type: ignore[arg-type]
        return replace(self.small, workloads=tuple(workloads))

    def _lengths(self) -> None:
        """Each fault half as long, again and again."""
        for turn in range(len(self.small.faults)):
            while (fault := self.small.faults[turn]).for_s > 0.2:
                faults = list(self.small.faults)
                faults[turn] = replace(fault, for_s=round(fault.for_s / 2, 3))
                if not self._try(replace(self.small, faults=tuple(faults))):
                    break


def _only(scenario: Scenario, checker: str) -> Scenario:
    """The same with that checker alone: the others cost time, and what they say is not asked."""
    return replace(scenario, check=replace(scenario.check, checkers=(checker,)))


def _ending(scenario: Scenario, duration_s: float) -> Scenario:
    """The same, ending earlier; faults that would begin later are gone."""
    faults = tuple(
        replace(f, for_s=round(min(f.for_s, duration_s - f.at_s), 3)) for f in scenario.faults if f.at_s < duration_s
    )
    return replace(scenario, duration_s=duration_s, faults=faults)
