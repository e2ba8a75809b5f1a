"""A run from its beginning to its end: what was written, how long it took to be everywhere, and the faults."""

import math

from crdtkv.sim.outcome import Outcome, Span
from crdtkv.sim.report.charts import shades
from crdtkv.sim.report.svg import Frame, Scale, note, picture, points, tag, words
from crdtkv.sim.words import amount, took

__all__ = ["timeline"]

_WIDTH = 1140.0
_LEFT, _RIGHT = 110.0, _WIDTH - 24
_UPPER, _LOWER, _LANE = 130.0, 150.0, 24.0
_TITLED, _LETTER = 340.0, 6.6
"""How far the upper title goes; the width of a letter beside it, at most."""
_COLUMNS = 160
_MOST_LANES = 4
"""Of one kind of fault."""


def timeline(outcome: Outcome) -> str:
    """Two curves over the same time, faults shaded through both, and below them lanes for each kind of fault."""
    last = max([outcome.duration_s, *(w.at for w in outcome.writes), *(s.end for s in outcome.faults)])
    lanes = _lanes(outcome)
    x = Scale(0, last or 1.0, _LEFT, _RIGHT)
    middle, bottom = 30 + _UPPER, 30 + _UPPER + 34 + _LOWER
    parts = [
        *shades(outcome, Frame(x, Scale(0, 1, bottom, 30))),
        *_rate(outcome, x, 30, middle), *_delay(outcome, x, middle + 34, bottom),
        *_healed(outcome, x, 30, bottom + 10 + _LANE * len(lanes)),
    ]  # fmt: skip
    for turn, (kind, spans) in enumerate(lanes):
        parts += _lane(spans, kind, x, bottom + 10 + turn * _LANE)
    foot = bottom + 14 + _LANE * len(lanes)
    for value in x.ticks(10):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=foot, y2=foot + 5, class_="axis"))
        parts.append(words(x(value), foot + 19, took(value) if value else "0", "tick", "middle"))
    parts.append(tag("line", x1=_LEFT, x2=_RIGHT, y1=foot, y2=foot, class_="axis"))
    parts.append(words((_LEFT + _RIGHT) / 2, foot + 38, "virtual time", "title", "middle"))
    return picture("timeline", _WIDTH, foot + 48, "writes, their delay, and faults over time", *parts)


def _columns(outcome: Outcome, x: Scale) -> tuple[float, list[list[float]]]:
    """Seconds a column, and for each the delays of what was written in it."""
    width = x.high / _COLUMNS
    found: list[list[float]] = [[] for _ in range(_COLUMNS)]
    for write in outcome.writes:
        found[min(_COLUMNS - 1, int(write.at / width))].append(math.inf if write.all_s is None else write.all_s)
    return width, found


def _rate(outcome: Outcome, x: Scale, top: float, bottom: float) -> list[str]:
    width, columns = _columns(outcome, x)
    rates = [len(column) / width for column in columns]
    y = Scale(0, max([*rates, 1e-9]) * 1.1, bottom, top)
    drawn = [(x.begin, bottom)]
    for turn, rate in enumerate(rates):
        drawn += [(x(turn * width), y(rate)), (x((turn + 1) * width), y(rate))]
    return [
        words(_LEFT, top - 10, "acknowledged writes a second", "strong"),
        _grid(y, x, [(v, amount(v) if v >= 1 or not v else f"{v:g}") for v in y.ticks(3)]),
        tag("path", d=points([*drawn, (x.end, bottom)]), class_="band series-0"),
    ]


def _delay(outcome: Outcome, x: Scale, top: float, bottom: float) -> list[str]:
    """Of each write a dot, at how long it took to be at all colos; the same heights for all that never were."""
    finite = [w.all_s for w in outcome.writes if w.all_s]
    low = max(0.001, min(finite, default=0.01) * 0.8)
    y = Scale(low, max(low * 10, max(finite, default=1.0) * 1.3), bottom, top + 14, log=True)
    every = max(1, len(outcome.writes) // 4000)
    dots, never = [], []
    for write in outcome.writes[::every]:
        if write.all_s is None:
            never.append(tag("circle", cx=x(write.at), cy=top + 4, r=2.5, class_="never"))
        else:
            dots.append(f"M{x(write.at):.1f} {y(max(low, write.all_s)):.1f}h0")
    said = "seconds until a write was at all colos, a dot each" + (f" {every} writes" if every > 1 else "")
    return [
        words(_LEFT, top - 10, said + ("; above: never" if never else ""), "strong"),
        _grid(y, x, [(v, took(v)) for v in y.ticks(4)]),
        tag("path", d="".join(dots), class_="dots series-1"), *never,
    ]  # fmt: skip


def _grid(y: Scale, x: Scale, said: list[tuple[float, str]]) -> str:
    lines = [tag("line", x1=x.begin, x2=x.end, y1=y(v), y2=y(v), class_="grid") for v, _ in said]
    return tag("g", *lines, *(words(x.begin - 8, y(v) + 4, text, "tick", "end") for v, text in said))


def _healed(outcome: Outcome, x: Scale, top: float, bottom: float) -> list[str]:
    """Where the faults ended, and where all colos had the same: two lines, and beside the title, where nothing else
    is drawn, what they are."""
    if not outcome.healed_s:
        return []
    said, at = "healed", [outcome.healed_s]
    if outcome.converged_s is not None:
        said += f"; all equal, {took(outcome.converged_s)} later"
        at.append(outcome.healed_s + outcome.converged_s)
    lines = [tag("line", x1=x(each), x2=x(each), y1=top - 4, y2=bottom, class_="mark") for each in at]
    left = x(at[0]) - 6 - _LETTER * len(said) > _TITLED
    begin = x(at[0]) - 6 if left else max(x(at[0]) + 6, _TITLED)
    return [*lines, words(begin, top - 10, said, "tick", "end" if left else "start")]


def _lanes(outcome: Outcome) -> list[tuple[str, list[Span]]]:
    """A kind of fault, or "" below its first lane, and what lies there: none over another, if there is room."""
    lanes: list[tuple[str, list[Span]]] = []
    for kind in dict.fromkeys(span.kind for span in outcome.faults):
        mine: list[list[Span]] = []
        for span in sorted((s for s in outcome.faults if s.kind == kind), key=lambda s: s.begin):
            free = next((lane for lane in mine if lane[-1].end <= span.begin), None)
            if free is None and len(mine) < _MOST_LANES:
                mine.append([span])
            else:
                (free or mine[-1]).append(span)
        lanes += [("" if turn else kind, spans) for turn, spans in enumerate(mine)]
    return lanes


def _lane(spans: list[Span], kind: str, x: Scale, top: float) -> list[str]:
    found = [words(_LEFT - 8, top + 15, kind, "tick", "end")]
    for span in spans:
        begin, end = x(span.begin), x(span.end)
        where = ", ".join(span.where)
        title = note(f"{span.kind}, {took(span.begin)} to {took(span.end)}: {span.words or where}")
        wide = max(3.0, end - begin)
        found.append(tag("rect", title, x=begin, y=top + 2, width=wide, height=18, rx=3, class_="span"))
        if where and len(where) * 6.2 < end - begin - 8:
            found.append(words(begin + 6, top + 15, where, "inside"))
    return found
