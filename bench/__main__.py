"""`python -m bench [NAME ...]`: workloads against peers, and limits of our own. See README.md beside this file."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

from bench.harness import environments
from bench.harness.machine import machine
from bench.harness.plan import shortened
from bench.harness.processes import ROOT
from bench.harness.registry import PEERS
from bench.harness.running import run
from bench.harness.shapes import Workload
from bench.harness.table import markdown, plain

WORKLOADS = (
    "thread", "lists", "sets", "counters", "reconcile", "documents", "keyvalue", "text", "wire", "propagation",
    "simulator", "growth",
)  # fmt: skip
LIMITS = ("startup", "edits", "reads", "writes", "storage", "cluster", "server", "doors", "redis", "feeds")


def main(arguments: list[str]) -> int:
    """0: done, and every limit of our own kept; 1: one is not; 2: asked wrongly. Targets are told in the table."""
    given = _parser().parse_args(arguments)
    unknown = [name for name in given.names if name not in (*WORKLOADS, *LIMITS, "all", "limits", "setup")]
    unknown += [peer for peer in given.peers or () if peer not in PEERS]
    if unknown:
        print(f"error: no {unknown[0]!r}; see python -m bench --help", file=sys.stderr)
        return 2
    if {"setup", "all"} & set(given.names):
        environments.install(lambda line: print(line, file=sys.stderr, flush=True))
    names = set(given.names) or {"all"}
    workloads = [_workload(n) for n in WORKLOADS if {n, "all"} & names]
    if workloads:
        _beside(workloads, given)
    limits = [name for name in LIMITS if {name, "limits"} & names]
    kept = [importlib.import_module(f"bench.limits.{name}").report() for name in limits]
    return 0 if all(kept) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Workloads against peers: " + ", ".join(WORKLOADS) + ".\n"
        "Limits of our own: " + ", ".join(LIMITS) + ".\n"
        "all: every workload, after installing the peers; limits: all of these; setup: install the peers.\n"
        "Peers: " + ", ".join(PEERS) + ".",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (all)")
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="these alone, and crdtkv")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether everything runs, not how fast")
    parser.add_argument("--large", action="store_true", help="the largest sizes too: minutes more")
    parser.add_argument("--repetitions", type=int, help="processes for each figure (3, as a rule)")
    parser.add_argument(
        "--out", type=Path, help="folder for RESULTS.md and .json (bench/, of all in full; else .bench/)"
    )
    parser.add_argument(
        "--corpus", type=Path, help="JSON lines of real merges (.gz): {base, ours, theirs, merged} each"
    )
    parser.add_argument("--trace", type=Path, help="JSON of edits of a text: [[position, deleted, inserted], ...]")
    return parser


def _beside(workloads: list[Workload], given: argparse.Namespace) -> None:
    """Run, write, print."""
    peers = None if given.peers is None else {"crdtkv", *given.peers}
    if given.quick:  # what we want is wanted at full size
        workloads = [w._replace(targets=()) for w in workloads]
    chosen = [(w, shortened(w, given.quick, given.repetitions, given.large)) for w in workloads]
    wanted = dict.fromkeys(
        p for _, cases in chosen for case in cases for p in case.peers if peers is None or p in peers
    )
    about, versions = machine(), environments.versions(list(wanted))
    extra = {name: _path(getattr(given, name), f"CRDTKV_BENCH_{name.upper()}") for name in ("corpus", "trace")}
    measured = run(chosen, peers, environments.missing(), extra)
    command = "python -m bench " + " ".join(w.name for w in workloads) + (" --quick" if given.quick else "")
    if len(workloads) == len(WORKLOADS):
        command = "python -m bench all" + (" --quick" if given.quick else "")
    whole = len(workloads) == len(WORKLOADS) and not given.quick and peers is None
    out = given.out or (ROOT / "bench" if whole else environments.FOLDER)
    out.mkdir(parents=True, exist_ok=True)
    page = markdown(about, versions, measured, command)
    (out / "RESULTS.md").write_text(page)
    (out / "RESULTS.json").write_text(json.dumps(plain(about, versions, measured, command), indent=1) + "\n")
    print(page)
    print(f"written: {out / 'RESULTS.md'}, {out / 'RESULTS.json'}", file=sys.stderr)


def _path(given: Path | None, variable: str) -> str:
    path = given or (Path(os.environ[variable]) if variable in os.environ else None)
    return str(path.resolve()) if path else ""


def _workload(name: str) -> Workload:
    return importlib.import_module(f"bench.workloads.{name}").WORKLOAD  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
