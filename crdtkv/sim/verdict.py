"""A run in one line, and which key of it is worth being watched."""

from collections import Counter

from crdtkv.sim.chance import key_of, stream
from crdtkv.sim.compare import named
from crdtkv.sim.outcome import Outcome
from crdtkv.sim.scenario import Scenario
from crdtkv.sim.words import amount, share, took

__all__ = ["likely_key", "line"]

_DRAWN = 500


def line(outcome: Outcome) -> str:
    """The verdict, what was run, and why it is so or what it took.

    >>> print(line(Outcome("try", 7, ["LHR", "SIN"], {"*": "set"}, 20.0, verdict="valid", converged_s=0.3)))
    valid: try under set, seed 7, 2 colos, 20 s: 0 writes acknowledged, lost 0, resurrected 0; all equal after 300 ms
    """
    run = f"{outcome.scenario} under {named(outcome)}, seed {outcome.seed}, {amount(len(outcome.colos))} colos"
    return f"{outcome.verdict}: {run}, {took(outcome.duration_s)}: {_told(outcome)}"


def _told(outcome: Outcome) -> str:
    part = f" ({share(outcome.lost / outcome.acknowledged)})" if outcome.lost and outcome.acknowledged else ""
    refused = f", {amount(outcome.refused)} refused" if outcome.refused else ""
    said = [
        f"{amount(outcome.acknowledged)} writes acknowledged{refused}, lost {amount(outcome.lost)}{part}, "
        f"resurrected {amount(outcome.resurrected)}"
    ]
    if outcome.writes:
        said.append(f"at all colos in p50 {took(outcome.spread(0.5))}, max {took(outcome.spread(1.0))}")
    equal = outcome.converged_s
    said.append("never all equal" if equal is None else f"all equal after {took(equal)}")
    if outcome.findings:
        first, more = outcome.findings[0], len(outcome.findings) - 1
        said.append(f"{first.checker}: {first.words}" + (f" (and {amount(more)} more)" if more else ""))
    return "; ".join(said)


def likely_key(scenario: Scenario) -> str:
    """The key that its workloads draw most often, of the first few hundred; "" where there are none.

    >>> from crdtkv.sim.scenario import parse
    >>> text = '[colos]\\nset = ["LHR"]\\n[[workload]]\\nkind = "list-append"\\nkeys = "todo/{zipf(50, 2)}"'
    >>> likely_key(parse(text))
    'todo/0'
    """
    dice = stream(scenario.seed, "likely")
    drawn: Counter[str] = Counter()
    for workload in scenario.workloads:
        draw = key_of(workload.keys)
        drawn.update(draw(dice) for _ in range(_DRAWN))
    return max(drawn, key=lambda key: drawn[key], default="")
