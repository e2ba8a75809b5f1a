"""Finds the seeds that notice each broken guard, for test_mutations.py.

python -m tests.laws.mutations [NAMES] [SEEDS] [PROFILES]      parts of names, and profiles, with commas between them
"""

from __future__ import annotations

import sys
import time

from tests.guards.test_guards import GUARDS
from tests.laws.test_mutations import caught, failing
from tests.laws.world import PROFILES

__all__ = ["main"]

MOST = 60
"""Runs that are tried of each."""


def main() -> None:
    wanted = sys.argv[1].split(",") if len(sys.argv) > 1 else [""]
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    profiles = sys.argv[3].split(",") if len(sys.argv) > 3 else list(PROFILES)
    sound = [(p, s) for s in range(1, seeds + 1) for p in profiles if not failing(p, s)]
    print(f"{len(sound)} seeds hold", flush=True)
    for guard in GUARDS:
        if not any(name in guard.name for name in wanted):
            continue
        tried, found = 0, []
        began = time.monotonic()
        for profile, seed in sound[:MOST]:
            tried += 1
            if kind := caught(guard, profile, seed):
                found.append((profile, seed, kind))
                if len(found) == 3:
                    break
        print(f"{guard.name} {tried} tried in {time.monotonic() - began:.1f} s: {found}", flush=True)


if __name__ == "__main__":
    main()
