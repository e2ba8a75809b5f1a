"""The table of guards: the rule, the line written wrong, and what notices.

python -m tests.guards [WORDS]      those whose name or rule has the words; --fail: and how the proof then fails
"""

from __future__ import annotations

import sys

from tests.guards.mutation import GUARDS, Guard
from tests.guards.test_guards import LAWS

__all__ = ["main"]


def main() -> None:
    words = [w for w in sys.argv[1:] if w != "--fail"]
    found = [g for g in GUARDS if all(w in f"{g.name} {g.rule}" for w in words)]
    for guard in found:
        print(f"{guard.rule}\n    {guard.mutation.words}\n    {guard.name}")
        if "--fail" in sys.argv:
            print(f"    {_failure(guard)}")
    print(f"{len(found)} guards, {len({g.proof for g in found})} proofs")


def _failure(guard: Guard) -> str:
    try:
        guard.proof()
    except Exception as error:
        return f"DOES NOT HOLD: {error!r}"
    with guard.broken():
        try:
            guard.proof()
        except LAWS as error:
            return f"fails: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        except Exception as error:
            return f"CRASHES: {error!r}"
    return "GOES UNNOTICED"


if __name__ == "__main__":
    main()
