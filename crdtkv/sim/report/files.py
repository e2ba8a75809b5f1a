"""Outcomes as files: which form goes where, and the forms that programs read."""

import csv
import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from crdtkv.sim.compare import figures
from crdtkv.sim.outcome import Event, Outcome
from crdtkv.sim.report.spacetime import arrows, busiest

__all__ = ["FORMS", "as_csv", "as_json", "as_shiviz", "write"]


def as_json(outcomes: Sequence[Outcome], again: str = "") -> str:
    """All that is told of each run, an array; times in seconds of virtual time, sizes in bytes."""
    return json.dumps([_plain(outcome.to_plain()) for outcome in outcomes], ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if value in (float("inf"), float("-inf")) else value


def as_csv(outcomes: Sequence[Outcome], again: str = "") -> str:
    """A line a run: scenario, seed, strategy and the figures of the table, without units."""
    out = StringIO()
    lines = csv.DictWriter(out, fieldnames=list(figures(outcomes[0])), lineterminator="\n")
    lines.writeheader()
    lines.writerows(map(figures, outcomes))
    return out.getvalue()


def as_shiviz(outcomes: Sequence[Outcome], again: str = "") -> str:
    """The busiest watched key of the first run as a log for ShiViz: two lines an event, each under a vector clock.

    Read there with the expression `(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)`. A write, a message that was sent and
    one that was heard are events; who hears takes in the clock that went along.
    """
    trace = outcomes[0].trace
    key = busiest(trace)
    events = sorted((e for e in trace if e.key == key), key=lambda e: e.at)
    cause = {id(heard): sent for sent, heard in arrows(events)}
    clocks: dict[str, dict[str, int]] = {}
    sent_under: dict[int, dict[str, int]] = {}
    lines = []
    for event in events:
        clock = clocks.setdefault(event.colo, {})
        before = cause.get(id(event))
        for colo, n in sent_under[id(before)].items() if before is not None else ():
            clock[colo] = max(clock.get(colo, 0), n)
        clock[event.colo] = clock.get(event.colo, 0) + 1
        if event.kind == "send":
            sent_under[id(event)] = dict(clock)
        lines += [f"{event.colo} {json.dumps(clock, sort_keys=True)}", _told(event)]
    return "\n".join([*lines, ""])


def _told(event: Event) -> str:
    peer = f" {'to' if event.kind == 'send' else 'from'} {event.peer}" if event.peer else ""
    words = " ".join(event.words.split())
    return f"{event.at:.3f} s: {event.kind} {event.key} {event.dot}{peer}" + (f" ({words})" if words else "")


def _as_html(outcomes: Sequence[Outcome], again: str = "") -> str:
    from crdtkv.sim.report.page import page

    return page(outcomes, again)


FORMS: dict[str, Callable[[Sequence[Outcome], str], str]] = {
    "html": _as_html, "json": as_json, "csv": as_csv, "trace": as_shiviz,
}  # fmt: skip
"""Name -> outcomes, and the command that makes them again, to text."""


def write(outcomes: Sequence[Outcome], form: str, path: Path, again: str = "") -> int:
    """Writes a report of these runs; its bytes. `again`: the command that makes them again. Raises OSError."""
    data = FORMS[form](outcomes, again).encode("utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return len(data)
