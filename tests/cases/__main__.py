"""The table of cases: what is wanted, where it is shown, and what would be noticed.

python -m tests.cases [NUMBER ...]
"""

from __future__ import annotations

import re
import sys

from tests.cases.index import CASES
from tests.guards.mutation import Guard
from tests.guards.test_guards import GUARDS

__all__ = ["main", "named"]


def named(guard: Guard) -> set[int]:
    """The cases that a guard's proof says it tells."""
    found = re.findall(r"\b[Cc]ases? ([0-9]+(?:(?:, | and )[0-9]+)*)", guard.proof.__doc__ or "")
    return {int(number) for words in found for number in re.findall("[0-9]+", words)}


def main() -> None:
    words = {guard.name: guard.mutation.words for guard in GUARDS}
    for number in map(int, sys.argv[1:]) if sys.argv[1:] else sorted(CASES):
        if (case := CASES.get(number)) is None:
            print(f"{number}. there is no such case; there are 1 to {max(CASES)}")
            continue
        print(f"{number}. {case.words}\n    shown by: {', '.join(case.shown)}")
        for name in case.guards:
            print(f"    noticed: {name}\n        {words[name]}")
        told = sorted({guard.name for guard in GUARDS if number in named(guard)} - set(case.guards))
        if told:
            print(f"    told in short, each under its own guard: {', '.join(told)}")
        if case.unguarded:
            print(f"    no guard: {case.unguarded}")


if __name__ == "__main__":
    main()
