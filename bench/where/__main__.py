"""`python -m bench.where [NAME ...]`: prints where the time goes; of all paths, also into bench/WHERE.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench.harness.machine import machine
from bench.harness.processes import ROOT
from bench.limits.server import cpu_of
from bench.where.paths import PATHS
from bench.where.sampling import missing, sampled

_LEAST = 0.02
_MODULES = 8
_HEAD = """\
# Where the time goes

Written by `python -m bench.where`; edit nothing here.

{about}

Of each hot path the processor time of one, and whose it is: a sample of the process belongs to the innermost frame that
has an owner, a module of the compiled engine or one of the libraries; `other` is Python's own, with no frame of either
below. What is less than {least:.0%} is left out.
"""


def main(arguments: list[str]) -> int:
    """0: done; 2: asked wrongly, or nothing can be sampled here."""
    parser = argparse.ArgumentParser(prog="python -m bench.where", description="Paths: " + ", ".join(PATHS) + ".")
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to look at (all)")
    given = parser.parse_args(arguments)
    why = missing()
    if why:
        print(f"error: {why}", file=sys.stderr)
        return 2
    about = "\n".join(f"- {name}: {words}" for name, words in machine().items())
    parts = []
    for name in given.names or PATHS:
        parts.append(_part(name))
        print(parts[-1], flush=True)
    if not given.names:
        (ROOT / "bench" / "WHERE.md").write_text("\n".join([_HEAD.format(about=about, least=_LEAST), *parts]))
    return 0


def _part(name: str) -> str:
    what, prepared = PATHS[name]
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as (pid, work):
        done = took = 0.0

        def timed() -> None:
            nonlocal done, took
            before = cpu_of(pid)
            done = work()
            took = cpu_of(pid) - before

        rooms, modules = sampled(pid, timed)
    return (
        f"## {name}: {what}\n\n{took / done * 1e6:,.1f} us of processor time ({sum(rooms.values()):,} samples)\n\n"
        f"- {_shares(rooms, rooms.total(), len(rooms))}\n- of the engine: {_shares(modules, rooms.total(), _MODULES)}\n"
    )


def _shares(of: Counter[str], total: int, most: int) -> str:
    return ", ".join(f"{name} {n / total:.0%}" for name, n in of.most_common(most) if n >= _LEAST * total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
