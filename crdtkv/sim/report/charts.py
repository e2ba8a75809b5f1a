"""Figures of numbers: how long a write took to be everywhere, what lies between every two colos, what is kept."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from crdtkv.sim.outcome import Outcome, percentile
from crdtkv.sim.report.svg import Frame, Scale, heat, note, picture, points, tag, words
from crdtkv.sim.words import amount, kilo, share, took

__all__ = ["Series", "by_kind", "cdf", "heat_map", "memory", "shades"]

_WIDTH, _HEIGHT = 560.0, 330.0
_MOST = 300
"""Points of a curve: more than a screen shows."""


class Series(NamedTuple):
    """A curve with its name."""

    name: str
    seconds: list[float]
    """inf: never."""


def cdf(name: str, title: str, along: str, found: Sequence[Series]) -> str:
    """The share that had come to pass after so long; one curve a strategy. What took no time stands at the left."""
    finite = [v for series in found for v in series.seconds if v < math.inf]
    low = max(0.001, min((v for v in finite if v > 0), default=0.01) * 0.8)
    high = max(low * 10, max(finite, default=1.0) * 1.15)
    legend = 22.0 * len(found)
    frame = Frame(Scale(low, high, 58, _WIDTH - 18, log=True), Scale(0, 1, _HEIGHT + legend - 50, 16 + legend))
    parts = [frame.axes(
        [(v, took(v)) for v in frame.x.ticks()], [(v / 4, f"{v * 25} %") for v in range(5)],
        f"{along}, on a scale of powers of ten",
    )]  # fmt: skip
    for turn, series in enumerate(found):
        hue = f"series-{turn % 6}"
        parts.append(tag("path", d=points(_steps(series.seconds, frame)), class_=f"curve {hue}"))
        parts += _key(turn, series, hue)
    return picture(name, _WIDTH, _HEIGHT + legend, title, *parts)


def _steps(seconds: list[float], frame: Frame) -> list[tuple[float, float]]:
    """The corners of the curve, thinned."""
    ordered = sorted(seconds)
    every = max(1, len(ordered) // _MOST)
    drawn = [(frame.x.low, 0.0)]
    for turn in [*range(0, len(ordered), every), len(ordered) - 1] if ordered else []:
        if ordered[turn] < math.inf:
            drawn += [(ordered[turn], drawn[-1][1]), (ordered[turn], (turn + 1) / len(ordered))]
    drawn.append((frame.x.high, drawn[-1][1]))
    return [(frame.x(x), frame.y(y)) for x, y in drawn]


def _key(turn: int, series: Series, hue: str) -> list[str]:
    y = 20 + 22.0 * turn
    never = sum(v == math.inf for v in series.seconds)
    said = ", ".join(f"{label} {took(percentile(series.seconds, p))}" for label, p in (("p50", 0.5), ("p99", 0.99)))
    said += f", max {took(max(series.seconds, default=math.inf))}" + (f"; {amount(never)} never" if never else "")
    return [
        tag("line", x1=58, x2=82, y1=y - 4, y2=y - 4, class_=f"curve {hue}"),
        tag("text", tag("tspan", f"{series.name}  ", class_="strong"), said, x=90, y=y, class_="tick"),
    ]


def heat_map(
    name: str, title: str, labels: Sequence[str], found: Mapping[tuple[str, str], float],
    tell: Callable[[float], str], details: Mapping[tuple[str, str], str], log: bool = False,
) -> str:  # fmt: skip
    """A square for each two colos: from the row's to the column's. What is not known is left open."""
    size = max(11.0, min(34.0, 440.0 / max(1, len(labels))))
    longest = max(map(len, labels), default=3)
    left, top = 36.0 + 7.5 * longest, 62.0 + 7.0 * longest
    side = size * len(labels)
    known = [v for v in found.values() if v > 0]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    scale = Scale(low if log else 0.0, max(high, low * 1.001), 0, 1, log)
    parts = [words(left, 16, title, "tick"), *_bar(left, 24, low if log else 0.0, high, tell)]
    font = f"font-size:{min(12.0, size * 0.82):.1f}px"
    for i, a in enumerate(labels):
        at = i * size + size / 2
        parts.append(words(left - 6, top + at + 4, a, "tick", "end", style=font))
        turned = f"rotate(-60 {left + at + 3:.1f} {top - 5:.1f})"
        parts.append(words(left + at + 3, top - 5, a, "tick", "start", transform=turned, style=font))
        for j, b in enumerate(labels):
            value = found.get((a, b))
            hue = {"class_": "none"} if value is None else {"style": heat(scale(value))}
            square = note(details.get((a, b), f"{a} to {b}: nothing"))
            side_ = size - 1
            parts.append(tag("rect", square, x=left + j * size, y=top + i * size, width=side_, height=side_, **hue))
    return picture(name, max(_WIDTH, left + side + 60), top + side + 12, title, *parts)


def _bar(x: float, y: float, low: float, high: float, tell: Callable[[float], str]) -> list[str]:
    """What the colours mean."""
    steps = [tag("rect", x=x + i * 9, y=y, width=9, height=9, style=heat(i / 15)) for i in range(16)]
    return [*steps, words(x, y + 22, tell(low), "tick"), words(x + 144, y + 22, tell(high), "tick", "end")]


def memory(outcome: Outcome) -> str:
    """What colos keep, over time: the middle one, and from the least to the most; faults behind."""
    at: dict[float, list[int]] = {}
    for weight in outcome.memory:
        at.setdefault(weight.at, []).append(weight.bytes)
    times = sorted(at)
    most = max((max(sizes) for sizes in at.values()), default=1) or 1
    frame = Frame(
        Scale(0, max([outcome.duration_s, *times]), 70, _WIDTH - 18), Scale(0, most * 1.08, _HEIGHT - 50, 40)
    )
    band = [(frame.x(t), frame.y(max(at[t]))) for t in times] + [(frame.x(t), frame.y(min(at[t]))) for t in times[::-1]]
    line = [(frame.x(t), frame.y(sorted(at[t])[len(at[t]) // 2])) for t in times]
    return picture(
        "memory", _WIDTH, _HEIGHT, "bytes that a colo keeps, over time",
        *shades(outcome, frame), frame.axes(*_time_and(frame, kilo), "virtual time"),
        tag("path", d=points(band) + "Z" if band else "", class_="band series-0"),
        tag("path", d=points(line), class_="curve series-0"),
        words(70, 20, "the median colo; the band: from the least to the most", "tick"),
    )


def shades(outcome: Outcome, frame: Frame) -> list[str]:
    """The faults, as bands over the whole height."""
    found = []
    for span in outcome.faults:
        x, end = frame.x(span.begin), frame.x(span.end)
        title = note(f"{span.kind}, {took(span.begin)} to {took(span.end)}: {span.words}")
        found.append(tag(
            "rect", title, x=x, y=frame.y.end, width=max(1.5, end - x), height=frame.y.begin - frame.y.end,
            class_="fault",
        ))  # fmt: skip
    return found


def _time_and(
    frame: Frame, tell: Callable[[float], str]
) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    return [(v, took(v) if v else "0") for v in frame.x.ticks()], [(v, tell(v)) for v in frame.y.ticks(4)]


def by_kind(outcome: Outcome) -> str:
    """What was sent, by kind of message."""
    rows = sorted(outcome.bytes_by_kind.items(), key=lambda row: -row[1])
    total = sum(outcome.bytes_by_kind.values()) or 1
    longest = rows[0][1] if rows else 1
    parts = []
    for turn, (kind, size) in enumerate(rows):
        y = 14 + turn * 26.0
        parts.append(words(96, y + 13, kind, "tick", "end"))
        parts.append(tag("rect", x=104, y=y, width=max(1.0, 270.0 * size / longest), height=17, class_="bar series-0"))
        parts.append(words(110 + 270.0 * size / longest, y + 13, f"{kilo(size)}, {share(size / total)}", "tick"))
    return picture("kinds", _WIDTH, 24 + 26 * max(1, len(rows)), "bytes sent, by kind of message", *parts)
