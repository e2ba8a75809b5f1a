"""How long a newcomer waits: `import crdtkv` and `crdtkv --help`, in processes of their own.

A figure is the median of eleven runs; the bare `python -c pass` of the same moment
stands beside it. The limit for the import counts what it adds to that; the limit for
`--help` counts all, as a person does.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["Timing", "measure", "report"]

RUNS = 11
IMPORT_MS = 60
HELP_MS = 200
_ROOT = Path(__file__).parent.parent.parent


class Timing(NamedTuple):
    """Milliseconds, medians, of a whole process each; `limit` for what `counted` gives."""

    what: str
    total: float
    bare: float
    limit: float
    counted: float

    @property
    def kept(self) -> bool:
        return self.counted <= self.limit


def measure() -> list[Timing]:
    """The two figures; a run of each in turn, so that a slow moment is shared. Takes some 5 s."""
    commands = {
        "bare": ["-c", "pass"],
        "import": ["-c", "import crdtkv"],
        "help": ["-m", "crdtkv.cli", "--help"],
    }
    runs: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, arguments in commands.items():
            runs[name].append(_once(arguments))
    bare, imported, helped = (statistics.median(runs[name]) for name in ("bare", "import", "help"))
    return [
        Timing("import crdtkv", imported, bare, IMPORT_MS, imported - bare),
        Timing("crdtkv --help", helped, bare, HELP_MS, helped),
    ]


def report() -> bool:
    """Prints the figures; whether the limits are kept."""
    timings = measure()
    print(f"start-up, ms (median of {RUNS} processes)")
    print(f"  {'':<16}{'process':>9}{'bare':>7}{'counted':>9}{'limit':>7}")
    for t in timings:
        print(
            f"  {t.what:<16}{t.total:>9.0f}{t.bare:>7.0f}{t.counted:>9.0f}{t.limit:>7.0f}  {'ok' if t.kept else 'OVER'}"
        )
    return all(t.kept for t in timings)


def _once(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=_ROOT, capture_output=True, check=True)
    return (time.perf_counter() - start) * 1000
