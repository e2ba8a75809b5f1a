"""A scenario as TOML: what `parse` reads back as the same scenario.

Rule: nothing is left out that is not its default; a number is written as it is, so that nothing is rounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from crdtkv.sim.scenario import (
    CheckSpec,
    FaultSpec,
    GossipSpec,
    NetworkSpec,
    Scenario,
    SwarmSpec,
    WorkloadSpec,
)

__all__ = ["to_toml"]


def to_toml(scenario: Scenario) -> str:
    """The text of a scenario file.

    >>> from crdtkv.sim.scenario import parse
    >>> small = parse('[colos]\\nset = ["LHR", "SIN"]', name="small")
    >>> print(to_toml(small))
    [scenario]
    name = "small"
    seed = 1
    duration = 60.0
    settle = 60.0
    <BLANKLINE>
    [colos]
    set = ["LHR", "SIN"]
    ...
    >>> parse(to_toml(small)) == small
    True
    """
    return "\n\n".join("\n".join([head, *lines]) for head, lines in _tables(scenario)) + "\n"


def _tables(scenario: Scenario) -> Iterator[tuple[str, list[str]]]:
    head = {"name": scenario.name, "words": scenario.words or None, "seed": scenario.seed}
    yield "[scenario]", _lines(head | {"duration": scenario.duration_s, "settle": scenario.settle_s})
    colos = scenario.colos
    yield "[colos]", _lines({
        "set": colos.set, "storage": colos.storage, "history": colos.history,
        "clock": {"skew_ms": colos.skew_ms, "drift_ppm": colos.drift_ppm},
        "disk": {"fsync_ms": colos.fsync_ms, "durability": colos.durability},
    })  # fmt: skip
    yield "[network]", _lines(_spec(scenario.network))
    yield "[gossip]", _lines(_spec(scenario.gossip))
    for rule in scenario.keys:
        yield "[[keys]]", _lines({"match": rule.match, "strategy": rule.strategy})
    for workload in scenario.workloads:
        yield "[[workload]]", _lines(_spec(workload))
    for fault in scenario.faults:
        yield "[[fault]]", _lines(_spec(fault))
    if scenario.swarm is not None:
        yield "[swarm]", _lines(_spec(scenario.swarm))
    yield "[check]", _lines(_spec(scenario.check))
    if scenario.report:
        yield "[report]", _lines(dict(scenario.report))


def _spec(spec: NetworkSpec | GossipSpec | WorkloadSpec | FaultSpec | SwarmSpec | CheckSpec) -> dict[str, Any]:
    """Its fields by the names they have in a file; options stand beside them."""
    found: dict[str, Any] = {}
    for each in fields(spec):
        value = getattr(spec, each.name)
        if each.name == "options":
            found |= value
        else:
            found[each.name.removesuffix("_s")] = value
    return found


def _lines(table: Mapping[str, Any]) -> list[str]:
    """`name = value` for each that has a value."""
    return [f"{name} = {_bits(value) if name == 'bandwidth' else _value(value)}" for name, value in table.items()
            if value is not None and value != {}]  # fmt: skip


def _bits(rate: float) -> str:
    """A rate is read in bits."""
    return f'"{rate * 8:.0f}bit"'


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(name)} = {_value(part)}" for name, part in value.items()) + " }"
    if isinstance(value, tuple | list | set | frozenset):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def _text(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
