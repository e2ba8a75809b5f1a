"""What a run came to: a verdict, what was found, and the figures. Plain data, all times in seconds of virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

__all__ = [
    "Carried",
    "Event",
    "Finding",
    "Lag",
    "Outcome",
    "Span",
    "Verdict",
    "Weight",
    "Written",
    "percentile",
]

Verdict = Literal["valid", "invalid", "unknown"]


class Finding(NamedTuple):
    """What a checker found to be wrong; `unknown` where it could not tell."""

    checker: str
    words: str
    key: str = ""
    at: float | None = None
    unknown: bool = False


class Written(NamedTuple):
    """A write that was acknowledged, and how long from then on until it was at all colos; None: it never was."""

    at: float
    colo: str
    key: str
    dot: str
    all_s: float | None
    arrivals: dict[str, float]
    """colo -> seconds after the acknowledgement; of some writes only."""


class Lag(NamedTuple):
    """How long what was written at one colo took to another: of so many writes."""

    writes: int
    mean_s: float
    max_s: float


class Carried(NamedTuple):
    """What one colo sent to another."""

    messages: int
    bytes: int
    lost: int


class Weight(NamedTuple):
    """What a colo keeps at one time; bytes: of keys, paths, payloads, dots and contexts, history left out;
    values: of the payloads alone."""

    at: float
    colo: str
    keys: int
    cells: int
    siblings: int
    bytes: int
    values: int


class Span(NamedTuple):
    """A fault, from when to when, and where."""

    kind: str
    begin: float
    end: float
    where: tuple[str, ...]
    words: str


class Event(NamedTuple):
    """Something that happened to a watched key: write, send, arrive, absorb, catch-up."""

    at: float
    colo: str
    kind: str
    key: str
    dot: str
    peer: str
    words: str


@dataclass
class Outcome:
    """All that is told of a run."""

    scenario: str
    seed: int
    colos: list[str]
    strategies: dict[str, str]
    duration_s: float
    verdict: Verdict = "unknown"
    findings: list[Finding] = field(default_factory=list)
    checks: dict[str, Verdict] = field(default_factory=dict)
    healed_s: float = 0.0
    converged_s: float | None = None
    """From healing until all colos had the same; None: they never had."""
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    """Writes of which the client does not know whether they happened."""
    reads: int = 0
    lost: int = 0
    resurrected: int = 0
    duplicated: int = 0
    conflicts: int = 0
    """Entries of the conflict inboxes at the end."""
    writes: list[Written] = field(default_factory=list)
    read_staleness: list[float] = field(default_factory=list)
    """Of each read: for how long something had been acknowledged elsewhere that it did not see; 0: nothing."""
    staleness: dict[tuple[str, str], Lag] = field(default_factory=dict)
    """(from, to): how long what was written there took to here."""
    links: dict[tuple[str, str], Carried] = field(default_factory=dict)
    bytes_by_kind: dict[str, int] = field(default_factory=dict)
    write_bytes: float = 0.0
    """All bytes that were sent, by acknowledged writes."""
    copies: float = 0.0
    """Records that came, by records that were new."""
    needs_bytes: float = 0.0
    """Of each record that was minted: how many bytes say what it builds on."""
    memory: list[Weight] = field(default_factory=list)
    faults: list[Span] = field(default_factory=list)
    trace: list[Event] = field(default_factory=list)
    trace_hash: str = ""
    """Of all that happened: equal where two runs were the same."""
    counts: dict[str, int] = field(default_factory=dict)
    """What the machines of all colos sent, took, refused and dropped, by kind."""
    events: int = 0
    absorbed: int = 0

    def spread(self, p: float) -> float | None:
        """Seconds until a write was at all colos: of the fastest share `p` of them; None: it never was.

        >>> Outcome("x", 1, [], {}, 1.0, writes=[Written(0.0, "LHR", "a", "lhr~a.2", 0.25, {})]).spread(0.5)
        0.25
        """
        return percentile([float("inf") if w.all_s is None else w.all_s for w in self.writes], p)

    def stale(self, p: float) -> float | None:
        """Seconds by which the share `p` of reads was at most behind."""
        return percentile(self.read_staleness, p)

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in _BY_PAIR}
        for name in ("findings", "writes", "memory", "faults", "trace"):
            plain[name] = [row._asdict() for row in plain[name]]
        for name in _BY_PAIR:
            rows = sorted(getattr(self, name).items())
            plain[name] = [{"from": a, "to": b, **row._asdict()} for (a, b), row in rows]
        return plain


_BY_PAIR = ("staleness", "links")


def percentile(found: Sequence[float], p: float) -> float | None:
    """The least of `found` that the share `p` of them does not exceed; None where that is not finite, or none is.

    >>> percentile([3.0, 1.0, 2.0], 0.5), percentile([], 0.5)
    (2.0, None)
    """
    ordered = sorted(found)
    if not ordered:
        return None
    at = ordered[min(len(ordered) - 1, max(0, -int(-p * len(ordered) // 1) - 1))]
    return at if at != float("inf") else None
