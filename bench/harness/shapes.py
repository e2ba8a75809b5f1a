"""What a workload says of itself, and what comes of it. Data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "OURS",
    "RIGHT",
    "Case",
    "Figure",
    "Judged",
    "Outcome",
    "Row",
    "Run",
    "Spread",
    "Table",
    "Target",
    "Workload",
]

OURS = "crdtkv"
RIGHT = "right"


class Figure(NamedTuple):
    """A number that is measured. `more`: more is better."""

    name: str
    words: str
    unit: str
    more: bool = False


class Case(NamedTuple):
    """One order that each of `peers` is given, in `repetitions` processes each.

    `seconds`: who takes longer is ended, and that is the result. `after`: a smaller case; who took too long there is
    not tried here. `size`: by which figures of several cases may grow.
    """

    name: str
    words: str
    order: Mapping[str, Any]
    figures: tuple[Figure, ...]
    peers: tuple[str, ...]
    seconds: float = 20.0
    repetitions: int = 3
    after: str = ""
    size: float = 0


class Run(NamedTuple):
    """One process."""

    case: Case
    peer: str
    repetition: int


class Outcome(NamedTuple):
    """What came of a run: its figures, and whether the work was done right, in words ("" where nothing is judged).

    `failure`: why there are none. `slow`: it is that the time was over. `seconds`: of the process, in all. `found`:
    what the workload's `verdict` is to judge.
    """

    figures: Mapping[str, float] = {}
    verdict: str = ""
    failure: str = ""
    slow: bool = False
    seconds: float = 0.0
    note: str = ""
    found: Any = None


class Spread(NamedTuple):
    """Of the repetitions of one figure: the median, the least, the greatest, how many."""

    median: float
    low: float
    high: float
    count: int


class Row(NamedTuple):
    """All repetitions of one peer in one case."""

    figures: Mapping[str, Spread] = {}
    verdict: str = ""
    failure: str = ""
    note: str = ""


Table = Mapping[str, Mapping[str, Row]]
"""case -> peer -> row."""


class Judged(NamedTuple):
    """`met`: None if it could not be told. `found`: in words."""

    met: bool | None
    found: str


class Target(NamedTuple):
    """What we want, in words, and how it is told from a table whether we have it."""

    words: str
    judge: Callable[[Table], Judged]


class Workload(NamedTuple):
    """`quick`: the same at sizes for who changes the benchmark itself. `note`: what a reader of the table must know.
    `verdict`: what a worker found, and its order, to words; of workers in any language. `large`: cases that are run
    where they are asked for, beside the others.
    """

    name: str
    title: str
    cases: tuple[Case, ...]
    quick: tuple[Case, ...]
    targets: tuple[Target, ...] = ()
    note: str = ""
    verdict: Callable[[Any, Mapping[str, Any]], str] | None = None
    large: tuple[Case, ...] = ()
