"""python -m tests.model [SEEDS] [--from N] [--break NAME ...] [--seconds S] [--world data|members|power|purge]"""

import argparse
import sys
import time

from tests.model.running import WORLDS, run
from tests.model.stats import Stats

__all__ = ["main"]


def main(argv=None):
    """Run many seeds, and say what they did; 1 if any failed."""
    a = _arguments(argv)
    began, total, failed = time.time(), Stats(), []
    for seed in range(a.start, a.start + a.seeds):
        if time.time() - began > a.seconds or (failed and a.first):
            break
        try:
            total += run(seed, a.steps, a.broken, a.world)
        except AssertionError as e:
            total += Stats(1)
            failed.append((seed, str(e)[:1500]))
    print(f"world {a.world}, broken {a.broken}: {total}, {len(failed)} failures, {time.time() - began:.0f} s")
    for seed, words in failed[:3]:
        print(f"  seed {seed}: {words}")
    if failed:
        print("  failing seeds", [s for s, _ in failed[:20]])
    return 1 if failed else 0


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="The model on random seeds.")
    parser.add_argument("seeds", nargs="?", type=int, default=100)
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--break", dest="broken", nargs="*", default=[], metavar="GUARD")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--world", choices=sorted(WORLDS), default="data")
    parser.add_argument("--steps", type=int, default=220)
    parser.add_argument("--first", action="store_true", help="stop at the first failure")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
