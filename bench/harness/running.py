"""Workloads from plan to table, with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.harness import environments, processes
from bench.harness.plan import SAID, limit, planned
from bench.harness.plan import Progress as Plan
from bench.harness.shapes import Case, Outcome, Run, Workload
from bench.harness.statistics import tabled
from bench.harness.table import Measured

__all__ = ["run"]


def run(
    workloads: Sequence[tuple[Workload, tuple[Case, ...]]],
    peers: Container[str] | None,
    missing: Mapping[str, str],
    extra: Mapping[str, object],
) -> list[Measured]:
    """Each workload with the cases that were chosen. `extra` goes into every order: paths of data."""
    console = Console(stderr=True)
    total = sum(1 for _, cases in workloads for _ in planned(cases, peers))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        for workload, cases in workloads:
            began = time.monotonic()
            plan = Plan({})
            for one in planned(cases, peers):
                bar.update(task, description=f"{workload.name}: {one.case.name}: {one.peer}")
                outcome = plan.left_out(one, missing) or _one(workload, one, extra)
                bar.advance(task)
                if outcome is SAID:
                    continue
                plan.add(one, outcome)
                if not console.is_terminal:
                    _tell(console, workload, one, outcome)
            found.append(Measured(workload, cases, tabled(cases, plan.outcomes), time.monotonic() - began))
    return found


def _one(workload: Workload, run: Run, extra: Mapping[str, object]) -> Outcome:
    order = {"workload": workload.name, "peer": run.peer, **extra, **run.case.order}
    folder = {"CRDTKV_BENCH_NPM": str(environments.FOLDER / "npm")}
    outcome = processes.run(environments.command(run.peer), order, limit(run), folder)
    if workload.verdict is None or outcome.failure or outcome.found is None:
        return outcome
    try:
        return outcome._replace(verdict=workload.verdict(outcome.found, order), found=None)
    except Exception as error:  # what a worker found is not what was asked of it: its row says so, the others go on
        return Outcome(failure=f"not to be judged: {error!r}", seconds=outcome.seconds)


def _tell(console: Console, workload: Workload, run: Run, outcome: Outcome) -> None:
    """Where there is no terminal for a bar: a line for each run."""
    told = outcome.failure or outcome.verdict or "done"
    line = f"{workload.name}: {run.case.name}: {run.peer} {run.repetition + 1}: {told} ({outcome.seconds:.1f} s)"
    console.print(line, highlight=False, markup=False, soft_wrap=True)
