"""One workload under several strategies: what each lost, brought back, and cost.

Rule: the scenario is the same but for the strategy of its keys, and so is the seed; what differs is the strategy's.
"""

from collections.abc import Sequence
from typing import Any

from crdtkv.sim.outcome import Outcome
from crdtkv.sim.scenario import Scenario
from crdtkv.sim.words import amount, kilo, share, took

__all__ = ["COLUMNS", "figures", "metadata", "named", "rule_words", "table"]

COLUMNS = (
    "strategy", "verdict", "acknowledged", "lost", "resurrected", "p50", "p99", "max", "stale p50", "stale p99",
    "bytes/write", "metadata/value",
)  # fmt: skip
"""p50, p99, max: seconds from the acknowledgement of a write until it was at all colos; stale: by how much a read was
behind; bytes/write: all that was sent; metadata/value: bytes kept at a colo beside the values, for each of them."""


def named(outcome: Outcome) -> str:
    """The strategies of a run, in words.

    >>> named(Outcome("x", 1, [], {"cart/*": "set", "hits/*": "counter"}, 1.0))
    'counter, set'
    """
    return ", ".join(sorted(set(outcome.strategies.values()))) or "json"


def rule_words(scenario: Scenario) -> str:
    """The strategies of a scenario, in words; json is what a key without a rule has."""
    return ", ".join(sorted({rule.strategy for rule in scenario.keys})) or "json"


def metadata(outcome: Outcome) -> float | None:
    """Bytes beside the values that a colo kept in the end, for each sibling; None where it kept nothing."""
    if not outcome.memory:
        return None
    last = max(weight.at for weight in outcome.memory)
    kept = [weight for weight in outcome.memory if weight.at == last]
    siblings = sum(weight.siblings for weight in kept)
    return sum(weight.bytes - weight.values for weight in kept) / siblings if siblings else None


def figures(outcome: Outcome) -> dict[str, Any]:
    """A row of plain data, for JSON and CSV; times in seconds, None: never."""
    return {
        "scenario": outcome.scenario, "seed": outcome.seed, "strategy": named(outcome), "verdict": outcome.verdict,
        "acknowledged": outcome.acknowledged, "lost": outcome.lost, "resurrected": outcome.resurrected,
        "p50": outcome.spread(0.5), "p99": outcome.spread(0.99), "max": outcome.spread(1.0),
        "stale p50": outcome.stale(0.5), "stale p99": outcome.stale(0.99),
        "bytes/write": outcome.write_bytes, "metadata/value": metadata(outcome),
    }  # fmt: skip


def table(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """The same rows in words, for people."""
    return [_in_words(figures(outcome), outcome) for outcome in outcomes]


def _in_words(row: dict[str, Any], outcome: Outcome) -> dict[str, str]:
    said = {name: str(row[name]) for name in ("strategy", "verdict")}
    said["acknowledged"] = amount(row["acknowledged"])
    for name in ("lost", "resurrected"):
        said[name] = amount(row[name])
    if row["lost"] and row["acknowledged"]:
        said["lost"] += f" ({share(row['lost'] / row['acknowledged'])})"
    for name in ("p50", "p99", "max"):
        said[name] = took(row[name]) if outcome.writes else "-"
    for name in ("stale p50", "stale p99"):
        said[name] = took(row[name]) if outcome.read_staleness else "-"
    said["bytes/write"] = kilo(row["bytes/write"])
    said["metadata/value"] = "-" if row["metadata/value"] is None else kilo(row["metadata/value"])
    return said
