"""PURE: targets, each a sentence and a test of it against a table.

A target is *met*, *not met*, or *not told* where what it needs was not measured.
"""

from __future__ import annotations

from bench.harness.shapes import OURS, RIGHT, Figure, Judged, Row, Table, Target
from bench.harness.words import number

__all__ = ["at_least", "at_most", "both", "faster", "grows", "right"]


def at_most(words: str, case: str, figure: Figure, limit: float) -> Target:
    """Ours is `limit` or less."""
    return Target(words, lambda table: _against(table, case, figure, lambda found: found <= limit))


def at_least(words: str, case: str, figure: Figure, limit: float) -> Target:
    """Ours is `limit` or more."""
    return Target(words, lambda table: _against(table, case, figure, lambda found: found >= limit))


def right(words: str, case: str) -> Target:
    """What we did there was right."""

    def judge(table: Table) -> Judged:
        row = table.get(case, {}).get(OURS, Row())
        if row.failure:
            return Judged(False, row.failure)
        return Judged(row.verdict == RIGHT if row.verdict else None, row.verdict or "not measured")

    return Target(words, judge)


def faster(words: str, case: str, figure: Figure, peers: tuple[str, ...], factor: float = 1.0) -> Target:
    """Ours is at least `factor` times as good as each of `peers` that was measured, and one was."""

    def judge(table: Table) -> Judged:
        ours = _median(table, case, OURS, figure)
        theirs = {peer: m for peer in peers if (m := _median(table, case, peer, figure)) is not None}
        if ours is None or not theirs:
            return Judged(None, "not measured")
        best = max(theirs, key=lambda peer: theirs[peer] if figure.more else -theirs[peer])
        times = ours / theirs[best] if figure.more else theirs[best] / ours
        told = f"{times:.2f} times {best} ({number(ours, figure.unit)} beside {number(theirs[best], figure.unit)})"
        missing = [peer for peer in peers if peer not in theirs]
        if missing:
            told += f"; without {', '.join(missing)}"
        return Judged(times >= factor, told)

    return Target(words, judge)


def grows(words: str, small: str, large: str, figure: Figure, times: float) -> Target:
    """Ours in the large case is at most so many times what it is in the small one."""

    def judge(table: Table) -> Judged:
        one, other = _median(table, small, OURS, figure), _median(table, large, OURS, figure)
        if not one or other is None:
            return Judged(None, "not measured")
        found = f"{other / one:.2f} times ({number(one, figure.unit)}, {number(other, figure.unit)})"
        return Judged(other <= times * one, found)

    return Target(words, judge)


def both(words: str, *targets: Target) -> Target:
    """All of them: not met if one is not, not told if one is not told."""

    def judge(table: Table) -> Judged:
        judged = [target.judge(table) for target in targets]
        met = False if any(j.met is False for j in judged) else None if any(j.met is None for j in judged) else True
        return Judged(met, "; ".join(j.found for j in judged))

    return Target(words, judge)


def _median(table: Table, case: str, peer: str, figure: Figure) -> float | None:
    found = table.get(case, {}).get(peer, Row()).figures.get(figure.name)
    return None if found is None else found.median


def _against(table: Table, case: str, figure: Figure, holds: object) -> Judged:
    found = _median(table, case, OURS, figure)
    if found is None:
        failure = table.get(case, {}).get(OURS, Row()).failure
        return Judged(False if failure else None, failure or "not measured")
    return Judged(holds(found), number(found, figure.unit))  # type: ignore[operator]
