"""The colos on a map of the world, and how one write came to all of them.

The land is Natural Earth's at 1:110 million (public domain), rounded to tenths of a degree; a degree is as long
everywhere (plate carrée), and what is south of Tierra del Fuego is left out.
"""

import json
from functools import cache
from importlib.resources import files

from crdtkv.errors import BadRequest
from crdtkv.sim.outcome import Event, Outcome, Written
from crdtkv.sim.places import place
from crdtkv.sim.report.spacetime import arrows
from crdtkv.sim.report.svg import Scale, heat, note, picture, points, tag, words
from crdtkv.sim.words import took

__all__ = ["atlas", "regions", "told"]

_WIDTH, _HEIGHT = 1140.0, 470.0
_X, _Y = Scale(-180, 180, 0, _WIDTH), Scale(-57, 79, _HEIGHT - 40, 0)
_NAMED, _CROWDED = 40, 12
"""So many colos have their names on the map; of more than that, those that had it last."""


def told(outcome: Outcome) -> Written | None:
    """The write that is shown: the slowest of those that came to all colos, of those whose arrivals are known."""
    known = [w for w in outcome.writes if w.arrivals]
    whole = [w for w in known if w.all_s is not None]
    return max(whole or known, key=lambda w: (len(w.arrivals), w.all_s or 0.0), default=None)


def regions(colos: list[str]) -> dict[str, str]:
    """colo -> the part of the world it is in, by its time zone; "elsewhere" where it is no airport.

    >>> regions(["LHR", "GRU", "IAD", "nowhere"])
    {'LHR': 'Europe', 'GRU': 'S America', 'IAD': 'N America', 'nowhere': 'elsewhere'}
    """
    found = {}
    for colo in colos:
        try:
            here = place(colo)
        except BadRequest:
            found[colo] = "elsewhere"
            continue
        name = here.zone.partition("/")[0]
        found[colo] = f"{'N' if here.lat > 12 else 'S'} America" if name == "America" else name
    return found


def atlas(outcome: Outcome, write: Written | None) -> str:
    """Land, colos, and for one write: where it was made, when it was where, and the way it took if that is known."""
    at = _placed(outcome.colos)
    parts = [tag("path", d=_land(), class_="land")]
    if not at:
        parts.append(words(_WIDTH / 2, _HEIGHT / 2, "the colos of this scenario are on no map", "strong", "middle"))
    longest = max(write.arrivals.values(), default=0.0) if write else 0.0
    if write is not None:
        ways = [(at[a], at[b]) for a, b in _ways(outcome, write) if a in at and b in at]
        faint = f"stroke-opacity:{max(0.1, min(0.5, 12 / (len(ways) or 1))):.2f}"
        parts += [tag("path", d=_arc(a, b), class_="way", style=faint) for a, b in ways]
    parts += [_colo(colo, spot, write, longest) for colo, spot in at.items()]
    parts += _labels(at, write)
    return picture("map", _WIDTH, _HEIGHT, "the colos, and the spread of one write", *parts, *_said(write, longest))


def _placed(colos: list[str]) -> dict[str, tuple[float, float]]:
    """Where each colo is drawn; a second one at a place a little beside the first."""
    found: dict[str, tuple[float, float]] = {}
    seen: dict[str, int] = {}
    for colo in colos:
        try:
            here = place(colo)
        except BadRequest:
            continue
        turn = seen[here.code] = seen.get(here.code, -1) + 1
        found[colo] = (_X(here.lon) + 4.0 * turn, _Y(here.lat))
    return found


@cache
def _land() -> str:
    rings: list[list[int]] = json.loads((files("crdtkv.sim.report") / "land.json").read_text("utf-8"))
    return "".join(_ring(ring) for ring in rings)


def _ring(flat: list[int]) -> str:
    """Closed, to whole tenths of a point. What reaches over the date line is there twice, and cut by the picture."""
    across = _WIDTH / 360
    places = zip(flat[::2], flat[1::2], strict=True)
    drawn = [(round((lon / 10 + 180) * across, 1), round(_Y(lat / 10), 1)) for lat, lon in places]
    return points([p for i, p in enumerate(drawn) if not i or p != drawn[i - 1]]) + "Z"


def _ways(outcome: Outcome, write: Written) -> list[tuple[str, str]]:
    """From whom each colo had it, where the key was watched; else straight from where it was written."""
    mine: list[Event] = [e for e in outcome.trace if e.key == write.key and e.dot == write.dot]
    first: dict[str, str] = {}
    for sent, heard in arrows(mine):
        first.setdefault(heard.colo, sent.colo)
    return [(first.get(colo, write.colo), colo) for colo in write.arrivals if colo != write.colo]


def _arc(a: tuple[float, float], b: tuple[float, float]) -> str:
    """Bent upwards, the more the farther."""
    (x, y), (u, v) = a, b
    lift = 0.18 * ((x - u) ** 2 + (y - v) ** 2) ** 0.5
    return f"M{x:.1f} {y:.1f}Q{(x + u) / 2:.1f} {max(4.0, (y + v) / 2 - lift):.1f} {u:.1f} {v:.1f}"


def _colo(colo: str, spot: tuple[float, float], write: Written | None, longest: float) -> str:
    x, y = spot
    if write is None:
        return tag("circle", note(colo), cx=x, cy=y, r=4.5, class_="colo series-0")
    if colo == write.colo:
        star = [(x, y - 9), (x + 9, y), (x, y + 9), (x - 9, y)]
        return tag("path", note(f"{colo}: written here"), d=points(star) + "Z", class_="origin")
    after = write.arrivals.get(colo)
    title = note(f"{colo}: {'not here' if after is None else 'after ' + took(after)}")
    if after is None:
        return tag("circle", title, cx=x, cy=y, r=4.5, class_="colo none")
    return tag("circle", title, cx=x, cy=y, r=5.0, class_="colo", style=heat(after / (longest or 1.0)))


def _labels(at: dict[str, tuple[float, float]], write: Written | None) -> list[str]:
    """Names with the time, where they do not lie upon one another; first where it was written, and who had it last."""
    times = write.arrivals if write else {}
    order = sorted(at, key=lambda colo: (write is not None and colo != write.colo, -times.get(colo, 0.0)))
    most = _NAMED if len(at) <= _NAMED else _CROWDED
    boxes = [(x - 6, x + 6, y + 4) for x, y in at.values()]
    found: list[str] = []
    for colo in order:
        x, y = at[colo]
        said = f"{colo} {took(times[colo])}" if colo in times and write and colo != write.colo else colo
        wide = 6.4 * len(said)
        for left, up in ((x + 8, y + 4), (x - 8 - wide, y + 4), (x - wide / 2, y - 9), (x - wide / 2, y + 18)):
            taken = any(abs(up - v) < 13 and left < end and begin < left + wide for begin, end, v in boxes)
            if 2 < left < _WIDTH - wide and not taken:
                boxes.append((left, left + wide, up))
                found.append(words(left, up, said, "small halo"))
                break
        if len(found) >= most:
            break
    return found


def _said(write: Written | None, longest: float) -> list[str]:
    if write is None:
        return []
    steps = [tag("rect", x=12 + i * 12, y=_HEIGHT - 20, width=12, height=10, style=heat(i / 15)) for i in range(16)]
    made = f"{write.key}, written at {write.colo} at {write.at:.3f} s ({write.dot})"
    return [
        *steps, words(12, _HEIGHT - 26, "0", "tick"), words(204, _HEIGHT - 26, took(longest), "tick", "end"),
        words(220, _HEIGHT - 11, f"{made}: at all colos after {took(write.all_s)}", "tick"),
    ]  # fmt: skip
