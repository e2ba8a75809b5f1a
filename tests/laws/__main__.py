"""The long run: many seeds of every profile on all cores, until a million operations are done.

python -m tests.laws                                            all of it (make laws)
python -m tests.laws --operations 20000                         less of it
python -m tests.laws --seed 7 --profile calm --steps 400        one seed again; --files: with files as disks
python -m tests.laws --seed 7 --profile calm --steps 400 --shrink    its smallest failing part, told
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from tests.laws.shrink import told
from tests.laws.world import KINDS, PROFILES, Failure, run

__all__ = ["main"]

STEPS = 400
FILES_EVERY = 20
"""One task in so many has files as disks (a commit costs a millisecond there)."""


class Task(NamedTuple):
    seed: int
    profile: str
    steps: int
    files: bool

    @property
    def replay(self) -> str:
        files = " --files" if self.files else ""
        return f"python -m tests.laws --seed {self.seed} --profile {self.profile} --steps {self.steps}{files}"


def carry_out(task: Task) -> tuple[Counter[str], Failure | None]:
    """What was counted, and how it failed if it did."""
    try:
        if not task.files:
            return run(task.seed, task.profile, task.steps).counts, None
        with tempfile.TemporaryDirectory(prefix="crdtkv-laws-") as folder:
            return run(task.seed, task.profile, task.steps, Path(folder)).counts, None
    except Failure as failure:
        return failure.counts, failure


def safely(task: Task) -> tuple[Task, Counter[str], str, str]:
    """For another process: plain data."""
    counts, failure = carry_out(task)
    return task, counts, failure.kind if failure else "", str(failure)[:2000] if failure else ""


def tasks(first: int, steps: int) -> Iterator[Task]:
    """Every profile in turn, without end."""
    number = 0
    seed = first
    while True:
        for profile in PROFILES:
            number += 1
            yield Task(seed, profile, steps, number % FILES_EVERY == 0)
        seed += 1


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.laws", description=__doc__.split("\n")[0])
    arguments.add_argument("--operations", type=int, default=1_000_000)
    arguments.add_argument("--steps", type=int, default=STEPS)
    arguments.add_argument("--seed", type=int, default=None, help="one seed; else the seeds from --from on")
    arguments.add_argument("--from", type=int, default=1, dest="first")
    arguments.add_argument("--profile", choices=sorted(PROFILES), default="everything")
    arguments.add_argument("--files", action="store_true")
    arguments.add_argument("--shrink", action="store_true")
    arguments.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = arguments.parse_args()
    if given.seed is not None:
        return one(Task(given.seed, given.profile, given.steps, given.files), given.shrink)
    return many(given.operations, given.first, given.steps, given.processes)


def one(task: Task, shrunk: bool) -> int:
    if shrunk:
        print(told(task.seed, task.profile, task.steps))
        return 1
    counts, failure = carry_out(task)
    print(f"{task.replay}: {failure or 'holds'}; {dict(counts)}")
    return 1 if failure else 0


def many(operations: int, first: int, steps: int, processes: int) -> int:
    total: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    done = 0
    began = last = time.monotonic()
    queue = tasks(first, steps)
    with ProcessPoolExecutor(processes) as pool:
        running: set[Future[tuple[Task, Counter[str], str, str]]] = set()
        while total["operations"] < operations or running:
            while total["operations"] < operations and len(running) < 2 * processes:
                running.add(pool.submit(safely, next(queue)))
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                task, counts, kind, words = future.result()
                total += counts
                done += 1
                if kind:
                    failed[kind] += 1
                    print(f"\rFAILED {task.replay}\n       {words[:400]}", flush=True)
            now = time.monotonic()
            if now - last > (1 if sys.stdout.isatty() else 30) or not running:
                last = now
                start, end = ("\r", "") if sys.stdout.isatty() else ("", "\n")
                print(start + _line(total, failed, done, now - began), end=end, flush=True)
    print()
    print(f"operations        {total['operations']:>12,}   ({total['operations'] / (time.monotonic() - began):,.0f}/s)")
    print(f"comparisons       {_comparisons(total):>12,}   (equal vectors {total['comparisons']:,}, histories "
          f"{total['oracle']:,}, specs {total['spec']:,}, versions {total['history']:,}, digests {total['digests']:,}, "
          f"puts {total['put-get']:,})")  # fmt: skip
    print(f"divergences       {failed['visible'] + failed['oracle'] + failed['spec'] + failed['converge']:>12,}")
    print(f"put-get broken    {failed['put-get']:>12,}")
    print(f"digest mismatches {failed['digest']:>12,}")
    print(f"other failures    {sum(failed[k] for k in KINDS[5:] if k != 'converge'):>12,}   {dict(failed) or ''}")
    print(f"runs              {done:>12,}   in {time.monotonic() - began:,.0f} s; {sum(failed.values())} failed")
    return 1 if failed else 0


def _comparisons(total: Counter[str]) -> int:
    return sum(total[k] for k in ("comparisons", "oracle", "spec", "history", "digests", "put-get"))


def _line(total: Counter[str], failed: Counter[str], done: int, seconds: float) -> str:
    return (
        f"{seconds:6.0f} s  {total['operations']:>9,} operations ({total['operations'] / max(seconds, 0.01):,.0f}/s)  "
        f"{_comparisons(total):>10,} comparisons  {done} runs, {sum(failed.values())} failed"
    )


if __name__ == "__main__":
    sys.exit(main())
