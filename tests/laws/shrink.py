"""The smallest list of actions of a seed that still fails, and its story.

python -m tests.laws.shrink SEED PROFILE [STEPS]
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from tests.laws.world import Action, Failure, plan, run

__all__ = ["failure_of", "shrink"]


def failure_of(seed: int, profile: str, actions: list[Action], folder: Path | None = None) -> Failure | None:
    """How these actions fail, if they do."""
    try:
        run(seed, profile, 0, folder, actions)
    except Failure as failure:
        return failure
    return None


def shrink(seed: int, profile: str, steps: int, key: str = "") -> list[Action]:
    """Delta debugging: chunks of actions are left out while the same kind of failure remains."""
    actions = plan(seed, profile, steps)
    failure = failure_of(seed, profile, actions)
    assert failure is not None, f"seed {seed} of {profile} with {steps} steps holds"

    def fails(left: list[Action]) -> bool:
        found = failure_of(seed, profile, left)
        return found is not None and found.kind == failure.kind and key in str(found)

    size = len(actions) // 2
    while size:
        at, changed = 0, False
        while at < len(actions):
            left = actions[:at] + actions[at + size :]
            if fails(left):
                actions, changed = left, True
            else:
                at += size
        size = size if changed and size == 1 else size // 2
    return actions


def told(seed: int, profile: str, steps: int) -> str:
    """What happens in the smallest failing part of a seed, and how it fails."""
    story: list[str] = []
    try:
        run(seed, profile, 0, None, shrink(seed, profile, steps), story)
    except Failure as failure:
        cause = traceback.format_exception(failure.__cause__) if failure.__cause__ else []
        return "\n".join([*story, str(failure), *cause])
    return "it holds now: it depends on what ran before it"


if __name__ == "__main__":
    print(told(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 400))
