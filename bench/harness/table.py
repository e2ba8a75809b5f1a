"""PURE: results as Markdown and as JSON: what is right or wrong and the ratios first, then the figures themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.harness.shapes import OURS, Case, Figure, Row, Table, Workload
from bench.harness.statistics import ratio
from bench.harness.words import number, times

__all__ = ["Measured", "markdown", "plain"]

PEAK = Figure("peak_mb", "peak memory", "MB")
_MET = {True: "met", False: "**not met**", None: "not told"}
_COUNTED = {True: "met", False: "not met", None: "not told"}
_LEGEND = (
    "Each figure is the median of processes of its own that took turns (A B C A B C), with the least and the "
    "greatest beside it where they are more than a twentieth apart; a run of more than 4 s (ours: 10 s) is not "
    "repeated. *Times crdtkv* is the peer's figure over ours: of a time, bytes or memory, less than 1 is a peer "
    "that does better; of a rate (`/s`), more than 1 is. Peak memory is the resident set of the process at its "
    "highest, the language's own share included; of a server, the server's."
)


class Measured(NamedTuple):
    """One workload, as it was run."""

    workload: Workload
    cases: tuple[Case, ...]
    table: Table
    seconds: float


def markdown(
    machine: Mapping[str, str], versions: Mapping[str, str], measured: Sequence[Measured], command: str
) -> str:
    """The whole page."""
    lines = ["# Side by side", "", f"Written by `{command}`; edit nothing here.", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += ["- peers: " + ", ".join(f"{name} {version}" for name, version in versions.items()), "", _LEGEND, ""]
    lines += _targets(measured)
    for m in measured:
        lines += _section(m)
    return "\n".join(lines).rstrip() + "\n"


def _targets(measured: Sequence[Measured]) -> list[str]:
    """What we want, and whether we have it."""
    told = [(m.workload.name, t.words, t.judge(m.table)) for m in measured for t in m.workload.targets]
    if not told:
        return []
    counts = {words: sum(j.met is met for *_, j in told) for met, words in _COUNTED.items()}
    summary = ", ".join(f"{n} {words}" for words, n in counts.items() if n)
    lines = ["## Targets", "", f"Of {len(told)}: {summary}.", "", "| | | wanted | found |", "|---|---|---|---|"]
    lines += [f"| {name} | {_MET[j.met]} | {_cell(words)} | {_cell(j.found)} |" for name, words, j in told]
    return [*lines, ""]


def plain(machine: Mapping[str, str], versions: Mapping[str, str], measured: Sequence[Measured], command: str) -> Any:
    """The same for a program: medians, least, greatest, verdicts, targets."""
    return {
        "command": command,
        "machine": dict(machine),
        "versions": dict(versions),
        "workloads": {m.workload.name: _plain(m) for m in measured},
    }


def _plain(m: Measured) -> Any:
    rows = {
        case: {
            peer: {**row._asdict(), "figures": {n: s._asdict() for n, s in row.figures.items()}}
            for peer, row in peers.items()
        }
        for case, peers in m.table.items()
    }
    targets = [{"wanted": t.words, **t.judge(m.table)._asdict()} for t in m.workload.targets]
    return {"title": m.workload.title, "seconds": round(m.seconds, 1), "cases": rows, "targets": targets}


def _section(m: Measured) -> list[str]:
    lines = [f"## {m.workload.name}: {m.workload.title}", ""]
    if m.workload.note:
        lines += [m.workload.note, ""]
    alike = all(c.figures == m.cases[0].figures and len(m.table.get(c.name, {})) == 1 for c in m.cases)
    if len(m.cases) > 1 and alike:
        return [*lines, *_alone(m), ""]
    for case in m.cases:
        rows = m.table.get(case.name, {})
        if rows:
            lines += [f"### {case.words}", "", *_case(case, rows), ""]
    return lines


def _alone(m: Measured) -> list[str]:
    """One of whom alone all is told: a row for each case, and how each figure grows with the size."""
    rows = [(case, next(iter(m.table[case.name].values()))) for case in m.cases]
    figures = [f for f in (*m.cases[0].figures, PEAK) if any(f.name in row.figures for _, row in rows)]
    lines = ["| | result | " + " | ".join(f.words for f in figures) + " |", "|" + "---|" * (len(figures) + 2)]
    for case, row in rows:
        cells = [_absolute(row, f) for f in figures]
        lines.append(f"| {case.words} | {_cell(row.failure or row.verdict) or '-'} | " + " | ".join(cells) + " |")
    (first, one), (last, other) = rows[0], rows[-1]
    if first.size and last.size > first.size:
        exponents = [_exponent(one, other, f, last.size / first.size) for f in figures]
        lines.append("| grows as size to the power of | | " + " | ".join(exponents) + " |")
    return lines


def _exponent(one: Row, other: Row, figure: Figure, times: float) -> str:
    """0: not at all; 1: as the size does."""
    a, b = (row.figures[figure.name].median if figure.name in row.figures else 0 for row in (one, other))
    return f"{math.log(b / a) / math.log(times):.2f}" if a > 0 and b > 0 else "-"


def _case(case: Case, rows: Mapping[str, Row]) -> list[str]:
    known = {name for row in rows.values() for name in row.figures}
    figures = [figure for figure in (*case.figures, PEAK) if figure.name in known and case.figures]
    beside = figures if len(rows) > 1 else []
    head = ["", "result", *(f"{f.words}, times crdtkv" for f in beside), *(f.words for f in figures)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for peer, row in rows.items():
        cells = [f"**{peer}**" if peer == OURS else peer, _cell(row.failure or row.verdict) or "-"]
        if row.failure:
            cells += [""] * (len(beside) + len(figures))
        else:
            cells += [_ratio(rows, peer, f) for f in beside] + [_absolute(row, f) for f in figures]
        lines.append("| " + " | ".join(cells) + " |")
    notes = [f"{peer}: {row.note}." for peer, row in rows.items() if row.note]
    return lines + (["", *notes] if notes else [])


def _ratio(rows: Mapping[str, Row], peer: str, figure: Figure) -> str:
    found = ratio(dict(rows), peer, figure.name)
    return "-" if found is None else times(found)


def _absolute(row: Row, figure: Figure) -> str:
    found = row.figures.get(figure.name)
    if found is None:
        return "-"
    told = number(found.median, figure.unit)
    if found.count > 1 and found.high - found.low > 0.05 * abs(found.median):
        told += f" ({number(found.low, figure.unit)} to {number(found.high, figure.unit)})"
    return told


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
