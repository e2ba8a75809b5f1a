"""A scenario: what runs, for how long, under which faults, and what has to hold. Read from TOML, written back to it.

Law of this room: all that a run does follows from its scenario and one seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crdtkv.core.rules import parse_pattern
from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.sim import latency, places
from crdtkv.sim.checkers import CHECKERS, USUAL
from crdtkv.sim.faults import FAULTS
from crdtkv.sim.reading import (
    Table,
    bandwidth,
    colos,
    draw,
    flag,
    key,
    mapping,
    names,
    number,
    one_of,
    seconds,
    share,
    text,
    turns,
    whole,
)
from crdtkv.sim.workloads import find_workload
from crdtkv.strategies.registry import strategy

__all__ = [
    "CheckSpec",
    "ColosSpec",
    "FaultSpec",
    "GossipSpec",
    "KeyRule",
    "NetworkSpec",
    "Scenario",
    "SwarmSpec",
    "WorkloadSpec",
    "load",
    "parse",
]


@dataclass(frozen=True)
class ColosSpec:
    """Which colos there are, and what their clocks and disks are like."""

    set: tuple[str, ...]
    skew_ms: str | float = 0.0
    drift_ppm: str | float = 0.0
    fsync_ms: str | float = 0.0
    storage: str = "memory"
    durability: str = "full"
    history: bool = True


@dataclass(frozen=True)
class NetworkSpec:
    """What links between colos are like."""

    model: str = "constant:50ms"
    jitter: str | float | None = None
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    bandwidth: float | None = None
    """Bytes a second, of each link."""


@dataclass(frozen=True)
class GossipSpec:
    """The settings of the protocol that a scenario may change."""

    interval_s: float = 1.0
    fanout: int = 8
    all_peers: int = 40
    tick_s: float = 0.05
    """A machine is told so often that time has passed."""


@dataclass(frozen=True)
class KeyRule:
    """Keys that match are made under that strategy."""

    match: str
    strategy: str


@dataclass(frozen=True)
class WorkloadSpec:
    """Clients, and what they do. `rate`: operations a second, of all of them together. `options`: of the kind."""

    kind: str
    keys: str
    rate: float = 10.0
    clients_per_colo: int = 1
    mix: Mapping[str, float] = field(default_factory=dict)
    sticky: float = 1.0
    at: tuple[str, ...] = ()
    """The colos where there are clients; all, if none are named."""
    most: int | None = None
    """So many operations, and no more."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FaultSpec:
    """A fault, from `at_s` on for `for_s`."""

    kind: str
    at_s: float
    for_s: float
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SwarmSpec:
    """Faults that are drawn from the seed."""

    kinds: tuple[str, ...]
    mean_interval_s: float = 15.0
    mean_length_s: float = 10.0


@dataclass(frozen=True)
class CheckSpec:
    """What has to hold. `expect`: of keys that match, what is expected to go wrong."""

    checkers: tuple[str, ...] = ()
    converge_within_s: float = 30.0
    expect: Mapping[str, str] = field(default_factory=dict)
    watch: tuple[str, ...] = ()
    """Keys of which each event is traced."""


@dataclass(frozen=True)
class Scenario:
    """All of it."""

    name: str
    colos: ColosSpec
    seed: int = 1
    duration_s: float = 60.0
    settle_s: float = 60.0
    network: NetworkSpec = NetworkSpec()
    gossip: GossipSpec = GossipSpec()
    keys: tuple[KeyRule, ...] = ()
    workloads: tuple[WorkloadSpec, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    swarm: SwarmSpec | None = None
    check: CheckSpec = CheckSpec()
    report: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""
    """What it shows."""
    folder: str = ""
    """Where files that it names are looked for."""

    def under(self, spec: str) -> Scenario:
        """The same with all keys made under that strategy."""
        rules = tuple(KeyRule(rule.match, spec) for rule in self.keys) or (KeyRule("*", spec),)
        return replace(self, keys=rules)


def load(path: str | Path) -> Scenario:
    """The scenario in a file. Raises BadRequest with file, line and value."""
    try:
        words = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{str(path)!r} cannot be read: {error}") from None
    return parse(words, str(path), Path(path).stem, str(Path(path).parent))


def parse(words: str, file: str = "scenario", name: str = "", folder: str = "") -> Scenario:
    """The scenario that TOML tells of. Raises BadRequest with line and value.

    >>> parse('[colos]\\nset = ["LHR", "SIN"]').colos.set
    ('LHR', 'SIN')
    """
    top = Table.parsed(words, file)
    head = top.table("scenario")
    workloads = tuple(map(_workload, top.tables("workload")))
    made = Scenario(
        name=head.take("name", text, name or Path(file).stem),
        words=head.take("words", text),
        seed=head.take("seed", whole, 1),
        duration_s=head.take("duration", seconds, "60s"),
        settle_s=head.take("settle", seconds, "60s"),
        colos=_colos(top.table("colos")),
        network=_network(top.table("network")),
        gossip=_gossip(top.table("gossip")),
        keys=tuple(map(_key_rule, top.tables("keys"))),
        workloads=workloads,
        swarm=_swarm(top.table("swarm")) if "swarm" in top else None,
        check=_check(top.table("check"), workloads),
        report=_report(top.table("report")),
        folder=folder,
    )
    head.end()
    made = replace(made, faults=tuple(_fault(table, made) for table in top.tables("fault")))
    top.table("swarm")
    top.end()
    _check_latency(top.table("network"), made)
    return made


def _colos(table: Table) -> ColosSpec:
    clock, disk = table.table("clock"), table.table("disk")
    found = table.take("set", colos, [])
    preset = table.take("preset", text)
    if bool(found) == bool(preset):
        raise table.wrong("colos are named either by set or by preset", "set" if found else "")
    if preset:
        found = _named(table, "preset", places.preset, preset)
    if len(set(found)) != len(found):
        raise table.wrong(f"set is {list(found)!r}; each colo once is allowed", "set")
    for name in found:
        if not name.replace("-", "").isalnum() or not name.isascii() or len(name) > 32:
            raise table.wrong(f"set has {name!r}; letters and digits are allowed", "set")
    made = ColosSpec(
        found, clock.take("skew_ms", draw, 0), clock.take("drift_ppm", draw, 0), disk.take("fsync_ms", draw, 0),
        table.take("storage", one_of("memory", "sqlite"), "memory"),
        disk.take("durability", one_of("full", "normal"), "full"), table.take("history", flag, True),
    )  # fmt: skip
    for each in (table, clock, disk):
        each.end()
    return made


def _named(table: Table, name: str, find: Any, value: str) -> Any:
    try:
        return find(value)
    except CrdtkvError as error:
        raise table.wrong(str(error), name) from None


def _network(table: Table) -> NetworkSpec:
    made = NetworkSpec(
        table.take("model", text, "constant:50ms"), table.take("jitter", draw), table.take("loss", share, 0),
        table.take("duplicate", share, 0), table.take("reorder", share, 0), table.take("bandwidth", bandwidth),
    )  # fmt: skip
    table.end()
    return made


def _check_latency(table: Table, made: Scenario) -> None:
    _named(table, "model", lambda spec: latency.model(spec, made.colos.set, Path(made.folder)), made.network.model)


def _gossip(table: Table) -> GossipSpec:
    made = GossipSpec(
        table.take("interval", turns, "1s"), table.take("fanout", whole, 8), table.take("all_peers", whole, 40),
        table.take("tick", turns, "50ms"),
    )  # fmt: skip
    table.end()
    return made


def _key_rule(table: Table) -> KeyRule:
    made = KeyRule(table.take("match", text, needed=True), table.take("strategy", text, needed=True))
    _named(table, "match", parse_pattern, made.match)
    _named(table, "strategy", strategy, made.strategy)
    table.end()
    return made


def _workload(table: Table) -> WorkloadSpec:
    kind = table.take("kind", text, needed=True)
    found = _named(table, "kind", find_workload, kind)
    made = WorkloadSpec(
        kind, table.take("keys", key, found.KEYS), table.take("rate", number, 10.0),
        table.take("clients_per_colo", whole, 1), table.take("mix", mapping(number), found.MIX),
        table.take("sticky", share, 1.0), table.take("at", colos, []), table.take("most", whole),
        table.options(found.OPTIONS),
    )  # fmt: skip
    for name in made.mix:
        if name not in found.MIX:
            raise table.wrong(f"mix has {name!r}; {', '.join(found.MIX)} are allowed", "mix")
    if not made.rate or not sum(made.mix.values()):
        raise table.wrong("rate and the sum of mix are 0; above 0 is allowed", "mix" if made.rate else "rate")
    table.end()
    return made


def _fault(table: Table, made: Scenario) -> FaultSpec:
    kind = table.take("kind", one_of(*sorted(FAULTS)), needed=True)
    spec = FaultSpec(
        kind, table.take("at", seconds, needed=True), table.take("for", seconds, "0s"),
        table.options(FAULTS[kind].OPTIONS),
    )  # fmt: skip
    for name, value in spec.options.items():
        for colo in _colos_in(value) if name in ("colos", "groups", "from", "to") else ():
            if colo not in made.colos.set:
                raise table.wrong(f"{name} has {colo!r}; {', '.join(made.colos.set)} are allowed", name)
    if spec.at_s > made.duration_s:
        raise table.wrong(f"at is {spec.at_s:g} s; up to the duration of {made.duration_s:g} s is allowed", "at")
    table.end()
    return spec


def _colos_in(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [name for each in value or () for name in _colos_in(each)]


def _swarm(table: Table) -> SwarmSpec:
    made = SwarmSpec(
        table.take("kinds", names, needed=True), table.take("mean_interval", turns, "15s"),
        table.take("mean_length", turns, "10s"),
    )  # fmt: skip
    for kind in made.kinds:
        if kind not in FAULTS:
            raise table.wrong(f"kinds has {kind!r}; {', '.join(sorted(FAULTS))} are allowed", "kinds")
    table.end()
    return made


def _check(table: Table, workloads: Sequence[WorkloadSpec]) -> CheckSpec:
    asked = {name for spec in workloads for name in find_workload(spec.kind).CHECKS}
    usual = [name for name in CHECKERS if name in USUAL or name in asked]
    made = CheckSpec(
        table.take("checkers", names, usual), table.take("converge_within", seconds, "30s"),
        table.take("expect", mapping(one_of("may-lose", "may-return", "may-double")), {}),
        table.take("watch", names, []),
    )  # fmt: skip
    for name in made.checkers:
        if name not in CHECKERS:
            raise table.wrong(f"checkers has {name!r}; {', '.join(CHECKERS)} are allowed", "checkers")
    table.end()
    return made


def _report(table: Table) -> dict[str, Any]:
    made = table.options({"html": (text, None), "json": (text, None), "csv": (text, None), "trace": (text, None)})
    table.end()
    return {name: value for name, value in made.items() if value is not None}
