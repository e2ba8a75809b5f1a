"""Finds the seeds that notice each broken guard, for test_mutations.py.

python -m tests.laws.mutations [NAMES] [SEEDS] [PROFILES]      names and profiles with commas between them
"""

from __future__ import annotations

import sys
import time

from tests.laws.test_mutations import MUTATIONS, STEPS, caught
from tests.laws.world import PROFILES, Failure, run

__all__ = ["main"]


def main() -> None:
    wanted = sys.argv[1].split(",") if len(sys.argv) > 1 else [""]
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    profiles = sys.argv[3].split(",") if len(sys.argv) > 3 else list(PROFILES)
    sound = [(p, s) for s in range(1, seeds + 1) for p in profiles if _holds(p, s)]
    print(f"{len(sound)} seeds hold", flush=True)
    for mutation in MUTATIONS:
        if not any(name in mutation.name for name in wanted):
            continue
        tried, found = 0, []
        began = time.monotonic()
        for profile, seed in sound:
            tried += 1
            if kind := caught(mutation, profile, seed):
                found.append((profile, seed, kind))
                if len(found) == 3 or tried > 60:
                    break
        print(f"SEEDS {mutation.name} {[f[:2] for f in found]}")
        print(f"{mutation.name:50} {tried:4} tried {time.monotonic() - began:5.1f} s  {found}", flush=True)


def _holds(profile: str, seed: int) -> bool:
    try:
        run(seed, profile, STEPS)
        return True
    except Failure:
        return False


if __name__ == "__main__":
    main()
