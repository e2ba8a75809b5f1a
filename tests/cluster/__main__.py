"""`python -m tests.cluster`: clusters of three and ten colos under all faults, for so long, and a table of it.

    python -m tests.cluster --minutes 30             what `make soak` runs
    python -m tests.cluster --colos 3 --seed 7 --faults "kill -9,partition"     one run again

Each run draws its faults from its seed, and prints a line; the first that goes wrong ends it, and exits with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

from tests.cluster import faults
from tests.cluster.running import Report, run

_COLUMNS = (6, 5, 6, 7, 7, 8, 6, 7)
_HEAD = ("seed", "colos", "faults", "acked", "unknown", "agreed", "purged", "lasted")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--colos", type=int, action="append", help="3 and 10, by turns")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4, help="about how long a fault lasts")
    parser.add_argument("--faults", help="these, in this order, in one run; else eight a run, drawn")
    parser.add_argument("--at-once", type=int, default=2, help="so many faults at a time")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all runs")
    given = parser.parse_args(words)
    end = time.monotonic() + given.minutes * 60
    numbers, seed, reports = given.colos or [3, 10], given.seed, []
    _line(_HEAD, "wrong")
    while not reports or (time.monotonic() < end and not given.faults and not reports[-1].wrong):
        names = given.faults.split(",") if given.faults else Random(seed).choices(list(faults.ALL), k=8)
        reports.append(_once(numbers[len(reports) % len(numbers)], seed, names, given))
        seed += 1
    _table(reports)
    return 1 if reports[-1].wrong else 0


def _once(number: int, seed: int, names: list[str], given: argparse.Namespace) -> Report:
    folder = Path(tempfile.mkdtemp(prefix=f"crdtkv-cluster-{seed}-"))
    pause = 0.02 * number / 3  # ten colos have three times the clients, and the same two cores
    report = asyncio.run(run(number, folder, seed, names, given.seconds, pause, at_once=given.at_once))
    acked, unknown = sum(report.acknowledged.values()), sum(report.unknown.values())
    agreed = "never" if report.agreed_s is None else f"{report.agreed_s:.2f} s"
    told = (seed, number, len(names), f"{acked:,}", unknown, agreed, report.purged, f"{report.seconds:.0f} s")
    _line(told, len(report.wrong) or "-")
    if report.wrong:
        print(*report.wrong[:30], sep="\n")
        words = f"--colos {number} --seed {seed} --at-once {given.at_once} --faults {','.join(names)!r}"
        print(f"again: python -m tests.cluster {words}\nits files: {folder}")
    elif not given.keep:
        shutil.rmtree(folder)
    return report


def _line(told: Iterable[object], wrong: object) -> None:
    print(" ".join(f"{each!s:>{width}}" for each, width in zip(told, _COLUMNS, strict=True)), "", wrong, flush=True)


def _table(reports: list[Report]) -> None:
    times: Counter[str] = sum((r.faults for r in reports), Counter())
    print("\nfault                 times")
    for name in faults.ALL:
        print(f"{name:<22}{times[name]:>5}")
    acked: Counter[str] = sum((Counter(r.acknowledged) for r in reports), Counter())
    print("\nacknowledged:", ", ".join(f"{name} {n:,}" for name, n in acked.items()))
    answers: Counter[str] = sum((r.answers for r in reports), Counter())
    print("answers:", ", ".join(f"{status} {n:,}" for status, n in sorted(answers.items())))
    agreed = sorted(r.agreed_s for r in reports if r.agreed_s is not None)
    if agreed:
        print(f"agreed after the healing: at the latest {agreed[-1]:.2f} s, median {agreed[len(agreed) // 2]:.2f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
