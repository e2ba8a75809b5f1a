"""Runs the scenarios of this folder.

    python -m simulations results [NAME...]   measure them, and write these sections of RESULTS.md
    python -m simulations sim [NAME...]       a few seeds of each: does all hold? (make sim)
    python -m simulations swarm               swarm.toml under one seed after the other, until Ctrl-C (make swarm)

A scenario says in comments how it is run: `# $ crdtkv simulate ...`, a line for each command whose output stands in
RESULTS.md; `# seeds: 1..3`, those of `sim`, or `none`.
"""

import os
import platform
import re
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from typer.testing import CliRunner

from crdtkv.cli import app
from crdtkv.sim import load
from crdtkv.sim.sweep import Judged, seeds_of, sweep

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
_SEEDS = "1..3"
_SECTION = re.compile(r"^## (\S+)\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_HEAD = """\
# What the scenarios of this folder come to

Written by `python -m simulations results`; each block is what the command in it printed. The same seed comes to the
same figures on any machine, but for the processor time.

"""


def scenarios(names: Sequence[str] = ()) -> Iterator[Path]:
    """The files, by name; all if none is named."""
    for name in names or sorted(path.stem for path in HERE.glob("*.toml")):
        path = HERE / f"{Path(name).stem}.toml"
        if not path.exists():
            raise SystemExit(f"error: no scenario {name!r}; there are {', '.join(p.stem for p in HERE.glob('*.toml'))}")
        yield path


def commands(path: Path) -> list[str]:
    """The commands that measure it, as the file says; else the plain one."""
    return re.findall(r"^# \$ (crdtkv simulate .*)$", path.read_text(), re.MULTILINE) or [
        f"crdtkv simulate {path.relative_to(HERE.parent)}"
    ]


def seeds(path: Path) -> str:
    """Those that `sim` runs."""
    found = re.search(r"^# seeds: (\S+)$", path.read_text(), re.MULTILINE)
    return found[1] if found else _SEEDS


def results(names: Sequence[str]) -> int:
    """Measure, and write a section for each."""
    for path in scenarios(names):
        print(f"{path.stem} ...", file=sys.stderr, flush=True)
        made = section(path)
        told = {m[1]: m[0] for m in _SECTION.finditer(RESULTS.read_text())} if RESULTS.exists() else {}
        told = {name: text for name, text in told.items() if (HERE / f"{name}.toml").exists()} | {path.stem: made}
        RESULTS.write_text(_HEAD + "\n".join(told[name].rstrip("\n") + "\n" for name in sorted(told)))
    return 0


def section(path: Path) -> str:
    """What a scenario shows, and what its commands print, with the processor time they took."""
    scenario = load(path)
    blocks = []
    began = sum(os.times()[:4])  # of its children, too
    for command in commands(path):
        said = CliRunner().invoke(app, shlex.split(command)[1:], prog_name="crdtkv").output.rstrip()
        blocks.append(f"$ {command}\n{said}\n")
    took = sum(os.times()[:4]) - began
    text = "\n".join(blocks)
    where = f"{took:.0f} s of a core (Python {platform.python_version()}, {platform.machine()})"
    return f"## {path.stem}\n\n{scenario.words}\n\n```text\n{text}```\n\n[{path.name}]({path.name}): {where}.\n"


def sim(names: Sequence[str]) -> int:
    """A few seeds of each; 1 if one is not valid."""
    wrong = 0
    for path in scenarios(names):
        if seeds(path) == "none":
            continue
        began, chosen = time.monotonic(), seeds_of(seeds(path))
        for judged in sweep(load(path), chosen, jobs=min(2, len(chosen))):
            if judged.verdict != "valid":
                wrong += 1
                print(_failed(judged, path))
        print(f"{path.stem}: seeds {seeds(path)}, {time.monotonic() - began:.1f} s", flush=True)
    print(f"{wrong} failed" if wrong else "all valid")
    return int(wrong > 0)


def swarm(names: Sequence[str]) -> int:
    """Seed after seed, from the wall clock on; tells how many a minute, and which faults there were."""
    path = next(scenarios(names or ["swarm"]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the processes that it began would stay
    first = int(time.time()) * 1000
    began, faults, wrong = time.monotonic(), Counter[str](), 0
    try:
        for done, judged in enumerate(sweep(load(path), count(first), jobs=2), 1):
            faults.update(judged.faults)
            wrong += judged.verdict != "valid"
            if judged.verdict != "valid":
                print(f"\n{_failed(judged, path)}")
            rate = 60 * done / max(1e-9, time.monotonic() - began)
            said = ", ".join(f"{kind} {n:,}" for kind, n in faults.most_common())
            print(f"\r{done:,} seeds, {rate:.0f} a minute, {wrong} not valid; faults: {said}", end="", flush=True)
    except KeyboardInterrupt:
        print()
    return int(wrong > 0)


def _failed(judged: Judged, path: Path) -> str:
    found = "; ".join(f"{checker}: {words}" for checker, words in judged.found.items())
    return f"{judged.verdict}: {found}; again: crdtkv simulate replay {judged.seed} simulations/{path.name}"


if __name__ == "__main__":
    ways = {"results": results, "sim": sim, "swarm": swarm}
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        raise SystemExit(0)
    if len(sys.argv) < 2 or sys.argv[1] not in ways:
        raise SystemExit(__doc__)
    raise SystemExit(ways[sys.argv[1]](sys.argv[2:]))
