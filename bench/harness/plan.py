"""PURE: in which order processes run (A B C A B C: a slow moment of the machine weighs on all), and who is left out."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from bench.harness.shapes import OURS, Case, Outcome, Run, Workload

__all__ = ["ONCE", "OURS_TIMES", "SAID", "Progress", "limit", "planned", "shortened"]

ONCE = 4.0
"""Seconds: a run that took longer is not repeated."""

OURS_TIMES = 3
"""We are given so many times as long as a peer before a run is ended: what we take is what the table is for."""

SAID = Outcome(failure="said before")


def planned(cases: tuple[Case, ...], peers: Container[str] | None = None) -> Iterator[Run]:
    """Every run; of `peers` alone, where they are named."""
    for case in cases:
        chosen = [peer for peer in case.peers if peers is None or peer in peers]
        for repetition in range(case.repetitions):
            for peer in chosen:
                yield Run(case, peer, repetition)


def shortened(workload: Workload, quick: bool, repetitions: int | None, large: bool = False) -> tuple[Case, ...]:
    """Its cases; the quick ones, or the large ones too; or with another number of repetitions."""
    cases = workload.quick if quick else workload.cases + (workload.large if large else ())
    return cases if repetitions is None else tuple(case._replace(repetitions=repetitions) for case in cases)


def limit(run: Run) -> float:
    """Seconds after which it is ended."""
    return run.case.seconds * (OURS_TIMES if run.peer == OURS else 1)


class Progress(NamedTuple):
    """What has come of the runs so far: (case, peer) -> outcomes."""

    outcomes: dict[tuple[str, str], list[Outcome]]

    def add(self, run: Run, outcome: Outcome) -> None:
        self.outcomes.setdefault((run.case.name, run.peer), []).append(outcome)

    def left_out(self, run: Run, missing: Mapping[str, str]) -> Outcome | None:
        """What is said in place of a run: its peer is not there, could not do it before, or is too slow for it.

        Of who took long before nothing new is said: SAID.
        """
        before = self.outcomes.get((run.case.name, run.peer), [])
        if before and before[-1].failure:
            return SAID
        if before and before[-1].seconds > ONCE:
            return SAID
        if run.peer in missing:
            return Outcome(failure=f"not installed: {missing[run.peer]}")
        smaller = self.outcomes.get((run.case.after, run.peer), [])
        if smaller and smaller[-1].slow:
            return Outcome(failure=f"not tried: {smaller[-1].failure} at {run.case.after}", slow=True)
        return None
