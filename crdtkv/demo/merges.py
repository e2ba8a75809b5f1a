"""Real three-way merges, made again by two colos.

Each line of a corpus is `{repo, path, commit, base, ours, theirs, merged}`: a JSON file
as it stood, as two people changed it, and as it was committed after their merge. Here
the base is PUT at colo a and synced to b; ours is PUT at a and theirs at b, each on the
base's version; the colos sync; and what they read is held against `merged`.

So under each of STRATEGIES: documents as they are made by default, and with options.

Theirs is the earlier write: it stood when whoever merged put ours on top of it. Three
pairs of stores: a as it comes; the same with the exchange started from the other side,
which must change nothing; and, only where the result is not what was committed, one in
which ours is the earlier write, so that each clash of two scalars ends the other way. A
result is then *equal had the other scalar won* if `merged` can be had by choosing, at
each scalar in which the first and the third differ, one or the other.

Members are compared by name, not in order; numbers by their JSON text (1 is not 1.0).

A line that is no case is told by its number, and the others are run. What was not merged, or
not alike at both colos, makes the whole run a failure: `show` says so.
"""

import codecs
import difflib
import gzip
import json
import random
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import track
from rich.syntax import Syntax
from rich.table import Table

import crdtkv
from crdtkv.demo.colos import Wall
from crdtkv.demo.screen import console, print_plain
from crdtkv.errors import BadRequest, CrdtkvError

__all__ = ["STRATEGIES", "BadLine", "Case", "Outcome", "merge", "read", "show"]

STRATEGIES = ("json", "json?strings=words", "json?strings=words&wins=delete")

_VERDICTS = {
    "equal": "what people committed",
    "other scalar": "equal had the other of two clashing values won",
    "different": "something else",
    "error": "refused or failed",
    "divergence": "the two colos read differently",
    "order-dependent": "it matters who starts the exchange",
}
_FAILURES = ("error", "divergence", "order-dependent")
_DIFF_LINES = 60
_ABSENT = object()
_NEXT_STEP = "give a file of JSON lines, plain or .gz, each an object of repo, path, commit, base, ours, theirs, merged"


class Case(NamedTuple):
    """One merge of the corpus, named `repo path@commit`."""

    name: str
    base: Any
    ours: Any
    theirs: Any
    merged: Any


class BadLine(NamedTuple):
    """A line of the corpus that is no case, and why, in words."""

    number: int
    why: str


class Outcome(NamedTuple):
    """A key of _VERDICTS, and in `detail` the diff or the error's words."""

    verdict: str
    detail: str = ""


def read(path: Path) -> list[Case | BadLine]:
    """The lines of a corpus, plain or gzipped, empty ones left out. BadRequest if the file cannot be read.

    UTF-8, with or without a byte order mark.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            lines = file.read().removeprefix(codecs.BOM_UTF8).split(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise BadRequest(f"{str(path)!r} can't be read: {error}", next_step=_NEXT_STEP) from error
    return [_case(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def merge(case: Case, strategy: str = "json") -> Outcome:
    """Merges one case in three pairs of stores and judges it. Never raises for what a store refuses."""
    try:
        at_a, at_b = _run(case, strategy)
        if at_a != at_b:
            return Outcome("divergence", _diff("at a", at_a, "at b", at_b))
        again = _run(case, strategy, from_b=True)
        if again != (at_a, at_b):
            return Outcome("order-dependent", _diff("a asks b", at_a, "b asks a", again[0]))
        if at_a == _plain(case.merged):
            return Outcome("equal")
        other, _ = _run(case, strategy, ours_first=True)
    except CrdtkvError as error:
        return Outcome("error", str(error))
    except Exception as error:  # a bug, not a refusal; the other cases are still worth running
        return Outcome("error", f"{type(error).__name__}: {error}")
    difference = _diff("committed", _plain(case.merged), "merged here", at_a)
    between = _between(json.loads(at_a), json.loads(other), case.merged)
    return Outcome("other scalar" if between else "different", difference)


def show(path: Path, *, verbose: bool = False) -> bool:
    """Runs the corpus and prints counts; with `verbose` also a diff of each that differs.

    Whether every line was merged, and every merge read the same at both colos.
    """
    out = console()
    lines = read(path)
    cases = [line for line in lines if isinstance(line, Case)]
    bad = [line for line in lines if isinstance(line, BadLine)]
    counts: dict[str, Counter[str]] = {strategy: Counter() for strategy in STRATEGIES}
    for case in track(cases, "merging", console=out, transient=True, disable=not out.is_terminal):
        outcomes = {strategy: merge(case, strategy) for strategy in STRATEGIES}
        for strategy, outcome in outcomes.items():
            counts[strategy][outcome.verdict] += 1
        if verbose:
            _tell(out, case, outcomes)
    out.print(f"\n[bold]{len(cases)} merges[/bold] of {path.name}, each PUT at two colos against its base\n")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("", *(strategy.replace("?", "\n?").replace("&", "\n&") for strategy in STRATEGIES), ""):
        table.add_column(name, justify="left")
    for verdict, words in _VERDICTS.items():
        shares = [f"{n:>4} {100 * n / max(1, len(cases)):5.1f} %" for n in (c[verdict] for c in counts.values())]
        table.add_row(verdict, *shares, words)
    print_plain(out, table)
    if not verbose and any(c["equal"] < len(cases) for c in counts.values()):
        out.print("\n-v shows a diff of each that differs.")
    for number, why in bad:
        print(f"error: {path}:{number} {why}; it was left out (next: {_NEXT_STEP})", file=sys.stderr)
    return not bad and not any(c[verdict] for c in counts.values() for verdict in _FAILURES)


def _tell(out: Console, case: Case, outcomes: dict[str, Outcome]) -> None:
    """What differs, under which strategies: what is the same under several is printed once."""
    for outcome in dict.fromkeys(outcomes.values()):
        if outcome.verdict != "equal":
            under = ", ".join(strategy for strategy, other in outcomes.items() if other == outcome)
            out.print(f"\n[bold]{outcome.verdict}[/bold] under {under}: {case.name}", soft_wrap=True)
            if out.is_terminal:
                out.print(Syntax(outcome.detail, "diff", background_color="default", word_wrap=True))
            else:
                print(outcome.detail, file=out.file)


def _case(number: int, line: bytes) -> Case | BadLine:
    try:
        row = json.loads(line.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return BadLine(number, f"is not JSON: {error}")
    wanted = ("base", "ours", "theirs", "merged")
    missing = [name for name in wanted if not isinstance(row, dict) or name not in row]
    if missing:
        return BadLine(number, f"lacks {', '.join(map(repr, missing))}")
    name = f"{row.get('repo', '')} {row.get('path', f'line {number}')}@{str(row.get('commit', ''))[:10]}".strip()
    return Case(name, *(row[part] for part in wanted))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python would keep the last of two members; which of them whoever merged had meant nobody knows."""
    members = dict(pairs)
    if len(members) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"member {twice!r} occurs twice in one object")
    return members


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _run(case: Case, strategy: str, *, from_b: bool = False, ours_first: bool = False) -> tuple[str, str]:
    """What a and b read in the end, as JSON text with members sorted."""
    wall = Wall()
    key = "file"
    with (
        crdtkv.open(":memory:", colo="a", clock=wall, random=random.Random(1)) as a,
        crdtkv.open(":memory:", colo="b", clock=wall, random=random.Random(2)) as b,
    ):
        base = a.put(key, case.base, strategy=strategy).version
        a.sync(b)
        writes = [(b, case.theirs), (a, case.ours)]
        for store, document in reversed(writes) if ours_first else writes:
            wall.wait(1)
            store.put(key, document, base=base)
        if from_b:
            b.sync(a)
        else:
            a.sync(b)
        return _plain(a[key]), _plain(b[key])


def _plain(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)


def _between(one: Any, other: Any, wanted: Any) -> bool:
    """Whether `wanted` is had by choosing, wherever scalars of the two differ, what one or the other has there."""
    if _same(one, other):
        return _same(wanted, one)
    if isinstance(one, dict) and isinstance(other, dict) and isinstance(wanted, dict):
        names = one.keys() | other.keys() | wanted.keys()
        return all(_between(*(d.get(name, _ABSENT) for d in (one, other, wanted))) for name in names)
    if isinstance(one, list) and isinstance(other, list) and isinstance(wanted, list):
        return len(one) == len(other) == len(wanted) and all(map(_between, one, other, wanted))
    if any(isinstance(v, dict | list) or v is _ABSENT for v in (one, other)):
        return False
    return _same(wanted, one) or _same(wanted, other)


def _same(value: Any, other: Any) -> bool:
    if value is _ABSENT or other is _ABSENT:
        return value is other
    return _plain(value) == _plain(other)


def _diff(name: str, old: str, new_name: str, new: str) -> str:
    """A unified diff with one line of context, cut at _DIFF_LINES."""
    lines = list(_changed(old, new, name, new_name))
    if len(lines) > _DIFF_LINES:
        lines = [*lines[:_DIFF_LINES], f"... {len(lines) - _DIFF_LINES} more lines"]
    return "\n".join(lines)


def _changed(old: str, new: str, name: str, new_name: str) -> Iterator[str]:
    return difflib.unified_diff(old.splitlines(), new.splitlines(), name, new_name, n=1, lineterm="")
