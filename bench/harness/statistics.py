"""PURE: what the repetitions of a run say together."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from bench.harness.shapes import OURS, Case, Outcome, Row, Spread, Table

__all__ = ["ratio", "row", "spread", "tabled"]


def spread(values: Iterable[float]) -> Spread:
    """Their median, least and greatest."""
    found = sorted(values)
    return Spread(statistics.median(found), found[0], found[-1], len(found))


def row(outcomes: Sequence[Outcome]) -> Row:
    """One row for all repetitions. Any failure is told, whatever the others say; so is each verdict that was given."""
    failed = [outcome.failure for outcome in outcomes if outcome.failure]
    fine = [outcome for outcome in outcomes if not outcome.failure]
    names = dict.fromkeys(name for outcome in fine for name in outcome.figures)
    figures = {name: spread(o.figures[name] for o in fine if name in o.figures) for name in names}
    verdict = "; ".join(dict.fromkeys(outcome.verdict for outcome in fine if outcome.verdict))
    notes = "; ".join(dict.fromkeys(outcome.note for outcome in fine if outcome.note))
    return Row(figures, verdict, failed[0] if failed else "", notes)


def tabled(cases: Sequence[Case], outcomes: dict[tuple[str, str], list[Outcome]]) -> Table:
    """case -> peer -> row, in the order of the cases and of their peers."""
    return {
        case.name: {peer: row(outcomes[case.name, peer]) for peer in case.peers if (case.name, peer) in outcomes}
        for case in cases
    }


def ratio(rows: dict[str, Row] | Table, peer: str, figure: str) -> float | None:
    """How many times ours a peer's figure is; None where either is missing or ours is 0."""
    ours, theirs = rows.get(OURS), rows.get(peer)
    if not isinstance(ours, Row) or not isinstance(theirs, Row):
        return None
    if figure not in ours.figures or figure not in theirs.figures or not ours.figures[figure].median:
        return None
    return theirs.figures[figure].median / ours.figures[figure].median
