"""PURE: in which order processes run (A B C A B C: a slow moment of the machine weighs on all), and who is left out."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from bench.harness.shapes import OURS, Case, Outcome, Run, Workload

__all__ = ["ONCE", "OURS_LEAST", "OURS_ONCE", "SAID", "Progress", "limit", "planned", "shortened"]

ONCE, OURS_ONCE = 4.0, 10.0
"""Seconds: a run that took longer, of a peer or of ours, is not repeated."""

OURS_LEAST = 90.0
"""Seconds that we are given at least before a run is ended: what we take is what the table is for."""

_NOT_TRIED = "not tried: "

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
    return max(OURS_LEAST, run.case.seconds) if run.peer == OURS else run.case.seconds


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
        if before and before[-1].seconds > (OURS_ONCE if run.peer == OURS else ONCE):
            return SAID
        if run.peer in missing:
            return Outcome(failure=f"not installed: {missing[run.peer]}")
        smaller = self.outcomes.get((run.case.after, run.peer), [])
        if smaller and smaller[-1].slow:
            said = smaller[-1].failure
            words = said if said.startswith(_NOT_TRIED) else f"{_NOT_TRIED}{said} at {run.case.after}"
            return Outcome(failure=words, slow=True)
        return None
