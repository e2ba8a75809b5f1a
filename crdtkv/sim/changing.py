"""A scenario with something about it changed: other colos, another strategy, fewer faults.

Rule: what comes out is a scenario as one could be written; what was said of a colo that is gone goes with it.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from crdtkv.sim.places import PRESETS, place, preset
from crdtkv.sim.scenario import FaultSpec, Scenario, WorkloadSpec
from crdtkv.strategies.registry import strategy

__all__ = ["at_colos", "colos_of", "under"]


def colos_of(words: str) -> tuple[str, ...]:
    """The colos that a person names: a preset, or codes with commas between. Raises BadRequest.

    >>> colos_of("lhr,SIN")
    ('LHR', 'SIN')
    """
    if words in PRESETS or "," not in words:
        return preset(words)
    found = tuple(dict.fromkeys(code.strip().upper() for code in words.split(",") if code.strip()))
    for colo in found:
        place(colo)
    return found


def under(scenario: Scenario, spec: str) -> Scenario:
    """The same, with all keys made under that strategy. Raises UnknownStrategy."""
    strategy(spec)
    return scenario.under(spec)


def at_colos(scenario: Scenario, colos: Collection[str]) -> Scenario:
    """The same at these colos. A fault or a workload that named others only is gone.

    >>> from crdtkv.sim.scenario import parse
    >>> s = parse('''[colos]
    ... set = ["LHR", "SIN", "SYD"]
    ... [[fault]]
    ... kind = "isolate"
    ... at = "1s"
    ... colos = ["SYD"]''')
    >>> at_colos(s, ("LHR", "SIN")).faults
    ()
    """
    kept = frozenset(colos)
    return replace(
        scenario, colos=replace(scenario.colos, set=tuple(colos)),
        faults=tuple(f for f in (_fault(fault, kept, scenario) for fault in scenario.faults) if f is not None),
        workloads=tuple(w for w in (_workload(w, kept) for w in scenario.workloads) if w is not None),
    )  # fmt: skip


def _fault(fault: FaultSpec, kept: frozenset[str], scenario: Scenario) -> FaultSpec | None:
    known = frozenset(scenario.colos.set)
    options = {name: _left(value, known - kept) for name, value in fault.options.items()}
    emptied = any(fault.options[name] and not value for name, value in options.items() if _is_many(value))
    return None if emptied else replace(fault, options=options)


def _left(value: Any, gone: frozenset[str]) -> Any:
    """Lists of colos without those that are gone, and without lists that nothing is left of."""
    if not _is_many(value):
        return value
    found = [_left(part, gone) for part in value if not (isinstance(part, str) and part in gone)]
    return tuple(part for part in found if part or not _is_many(part))


def _is_many(value: Any) -> bool:
    return isinstance(value, tuple | list)


def _workload(workload: WorkloadSpec, kept: frozenset[str]) -> WorkloadSpec | None:
    at = tuple(colo for colo in workload.at if colo in kept)
    return replace(workload, at=at) if at or not workload.at else None
