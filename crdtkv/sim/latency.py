"""How far colos are from one another: round trips in milliseconds, without jitter.

Rule: a model is a pure function of two colos, the same both ways unless a matrix says otherwise; what varies from
message to message is drawn by the network. There are four:

    cables            along the cables of the world, by a graph of 92 hubs
    great-circle      4 ms + km / 75
    constant:50ms     the same everywhere
    matrix:FILE       as a file says, for those who have measured

`cables`: from each colo to its nearest hub, and the shortest path between these; a path of d km takes a + b d. The
hubs, the edges with what each is longer than the great circle, and a and b, are in `cable_graph.json`: fitted to
measured round trips between half the regions of a cloud, and good to 6.5 % (median) for the half that was left out.
"""

import csv
import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

from crdtkv.core.show import show
from crdtkv.errors import BadRequest
from crdtkv.sim.places import code_of, place

__all__ = ["MODELS", "NEAR_MS", "Latency", "great_circle_km", "model", "named", "rtt_ms"]

NEAR_MS = 0.5
"""A round trip between two colos at one place."""

MODELS = ("cables", "great-circle", "constant:50ms", "matrix:FILE")
_EARTH_KM = 6371.0
_LONGEST_MS = 60_000.0

_Point = tuple[float, float]


class Latency:
    """A model with its name: `rtt_ms(a, b)`, remembered for each pair.

    >>> named("cables").rtt_ms("LHR", "SIN") > named("great-circle").rtt_ms("LHR", "SIN") > 100
    True
    """

    def __init__(self, name: str, between: Callable[[str, str], float]) -> None:
        self.name = name
        self._between = between
        self._known: dict[tuple[str, str], float] = {}

    def rtt_ms(self, a: str, b: str) -> float:
        """The round trip from colo `a` to `b`. Raises BadRequest where one of them is not known. Cost: O(1) again."""
        found = self._known.get((a, b))
        if found is None:
            found = self._known[a, b] = self._between(a, b)
        return found


def rtt_ms(a: str, b: str, model: str = "cables") -> float:
    """The round trip between two colos by that model, in milliseconds. Raises BadRequest.

    >>> rtt_ms("LHR", "SIN", "constant:50ms")
    50.0
    """
    return named(model).rtt_ms(a, b)


def model(spec: str, colos: Sequence[str], folder: Path | None = None) -> Callable[[str, str], float]:
    """The round trips between these colos, as `named` says. Raises BadRequest where one of them is not known.

    >>> model("constant:50ms", ["LHR", "SIN"])("SIN", "LHR")
    50.0
    """
    between = named(spec, folder).rtt_ms
    for at, colo in enumerate(colos):
        for other in colos[at:] if spec.startswith("matrix:") else colos[:1]:
            between(colo, other)
    return between


def named(spec: str, folder: Path | None = None) -> Latency:
    """The model that a scenario names; `folder`: where the FILE of a matrix is looked for. Raises BadRequest."""
    kind, _, rest = spec.partition(":")
    if kind == "matrix" and rest:
        return Latency(spec, _matrix((folder or Path()) / rest))
    if kind == "constant" and rest:
        return Latency(spec, _constant(_milliseconds(rest)))
    if spec == "cables":
        return _cables()
    if spec == "great-circle":
        return Latency(spec, _great_circle)
    raise BadRequest(f"no latency model {show(spec)}; there are {', '.join(MODELS)}")


def great_circle_km(a: _Point, b: _Point) -> float:
    """The shortest way over the sphere between two (lat, lon) in degrees.

    >>> round(great_circle_km((51.5, -0.1), (1.4, 104.0)), -2)
    10900.0
    """
    south, west, north, east = map(math.radians, (*a, *b))
    rise, turn = math.sin((north - south) / 2), math.sin((east - west) / 2)
    return 2 * _EARTH_KM * math.asin(math.sqrt(rise**2 + math.cos(south) * math.cos(north) * turn**2))


def _constant(ms: float) -> Callable[[str, str], float]:
    return lambda a, b: ms


def _milliseconds(words: str) -> float:
    try:
        ms = float(words.removesuffix("ms"))
    except ValueError:
        ms = math.nan
    if not 0 <= ms <= _LONGEST_MS:
        raise BadRequest(f"{show(words)} is no latency; milliseconds, as in '50ms', at most {_LONGEST_MS:.0f}")
    return ms


def _great_circle(a: str, b: str) -> float:
    here, there = place(a), place(b)
    return NEAR_MS if here == there else 4 + great_circle_km(here[-2:], there[-2:]) / 75


@cache
def _cables() -> Latency:
    graph: dict[str, Any] = json.loads((files("crdtkv.sim") / "cable_graph.json").read_text("utf-8"))
    hubs: dict[str, _Point] = {name: (lat, lon) for name, (lat, lon) in graph["hubs"].items()}
    along = _shortest(hubs, graph["edges"])

    @cache
    def nearest(code: str) -> tuple[str, float]:
        here = place(code)[-2:]
        km, hub = min((great_circle_km(here, at), name) for name, at in hubs.items())
        return hub, km

    def between(a: str, b: str) -> float:
        if (here := code_of(a)) == (there := code_of(b)):
            place(here)  # or it is no colo
            return NEAR_MS
        (hub, km), (other, more) = nearest(here), nearest(there)
        path: float = km + along[hub][other] + more
        return float(graph["a_ms"] + graph["b_ms_per_km"] * path)

    return Latency("cables", between)


def _shortest(hubs: dict[str, _Point], edges: list[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    """Kilometres of cable between every two hubs (Floyd and Warshall)."""
    km = {a: {b: 0.0 if a == b else math.inf for b in hubs} for a in hubs}
    for a, b, detour in edges:
        km[a][b] = km[b][a] = min(km[a][b], great_circle_km(hubs[a], hubs[b]) * detour)
    for via, on in km.items():
        for row in km.values():
            if (first := row[via]) < math.inf:
                for there, rest in on.items():
                    if first + rest < row[there]:
                        row[there] = first + rest
    return km


def _matrix(path: Path) -> Callable[[str, str], float]:
    """Of JSON `{a: {b: ms}}`, or of CSV with a head `from,to,rtt_ms`; what is said one way holds both ways."""
    known = _read_matrix(path)

    def between(a: str, b: str) -> float:
        found = known.get((a, b), known.get((b, a)))
        if found is None and a == b:
            return NEAR_MS
        if found is None:
            raise BadRequest(f"{str(path)!r} has no round trip between {show(a)} and {show(b)}")
        return found

    return lambda a, b: between(a.upper(), b.upper())


def _read_matrix(path: Path) -> dict[tuple[str, str], float]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{str(path)!r} cannot be read: {error}") from None
    try:
        if path.suffix == ".csv":
            rows = [(r["from"], r["to"], r["rtt_ms"]) for r in csv.DictReader(StringIO(text))]
        else:
            rows = [(a, b, ms) for a, row in json.loads(text).items() for b, ms in row.items()]
        known = {(a.upper(), b.upper()): float(ms) for a, b, ms in rows}
    except (ValueError, KeyError, AttributeError, TypeError):
        known = {}
    if not known or not all(0 <= ms <= _LONGEST_MS for ms in known.values()):
        raise BadRequest(
            f"{str(path)!r} is no matrix of round trips; JSON {{a: {{b: ms}}}}, or CSV with a head from,to,rtt_ms, "
            f"at most {_LONGEST_MS:.0f} ms each"
        )
    return known
