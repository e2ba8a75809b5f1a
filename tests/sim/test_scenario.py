"""Scenario files: what is wrong is told with its line and its value."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from crdtkv.errors import BadRequest
from crdtkv.sim import parse
from crdtkv.sim.checkers import CHECKERS
from crdtkv.sim.faults import FAULTS
from crdtkv.sim.scenario import (
    CheckSpec,
    ColosSpec,
    FaultSpec,
    GossipSpec,
    KeyRule,
    NetworkSpec,
    SwarmSpec,
    WorkloadSpec,
)
from crdtkv.sim.workloads import WORKLOADS
from tests.sim.small import SMALL, made, outcome


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("loss = 0.01", "loss = 1.5", 10, "loss is 1.5; a share from 0 to 1 is allowed in [network]"),
        ('"normal(0, 20)"', '"gauss(1)"', 7, "skew_ms is 'gauss(1)'"),
        ('"10s"', '"ten"', 3, "duration is 'ten'; a time as"),
        ('"list-append"', '"lists"', 15, "no workload 'lists'"),
        ("rate = 10", "speed = 10", 17, "'speed' is not known"),
        ('"list"', '"or-set"', 13, "no strategy 'or-set'"),
        ('"GRU"', '"LHR"', 6, "each colo once"),
        ("{uniform(5)}", "{zipf(5)}", 16, "keys is 'todo/{zipf(5)}'; {zipf(how many, exponent)} and"),
        ('"lognormal(0, 0.1)"', '"normal(0)"', 9, "exponential(mean) or lognormal(mean, deviation) is allowed"),
        ("[network]", '[network]\nmodel = "matrix:no.json"', 9, "no.json' cannot be read"),
        ("[network]", '[gossip]\ntick = "0s"\n[network]', 9, "tick is '0s'; a time of at least '1ms'"),
        ("[network]", '[swarm]\nkinds = ["ring"]\nmean_interval = 0\n[network]', 10, "mean_interval is 0; a time of"),
        ("[network]", '[[fault]]\nkind = "flapping"\nat = "1s"\nperiod = 0\n[network]', 11, "period is 0; a time of"),
        ("[network]", '[network]\nmodel = "tubes"', 9, "no latency model 'tubes'"),
        ('strategy = "list"', "", 11, "strategy is missing"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in SMALL
    with pytest.raises(BadRequest) as told:
        parse(SMALL.replace(old, new).lstrip("\n"), "small.toml")
    assert f"small.toml, line {line}: " in str(told.value) and words in str(told.value), str(told.value)


def test_the_second_table_of_a_name_is_told_from_the_first() -> None:
    with pytest.raises(BadRequest, match=r"line 25: at is 'soon'"):
        made('[[fault]]\nkind = "ring"\nat = "1s"\n[[fault]]\nat = "soon"\nkind = "ring"')
    with pytest.raises(BadRequest, match="groups has 'JFK'; LHR, SIN, GRU are allowed"):
        made('[[fault]]\nkind = "partition"\nat = "1s"\ngroups = [["JFK"]]')
    with pytest.raises(BadRequest, match="each colo in one group, and once, is allowed"):
        made('[[fault]]\nkind = "partition"\nat = "1s"\ngroups = [["LHR"], ["LHR", "SIN"]]')


def test_what_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(BadRequest, match=r"small.toml: .*line 2"):
        parse("[scenario]\nname = ]", "small.toml")


def test_all_keys_under_another_strategy() -> None:
    assert [rule.strategy for rule in made().under("lww").keys] == ["lww"]


def test_every_name_of_a_scenario_is_in_its_page() -> None:
    """Workloads, faults, checkers, and each of their options and fields."""
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
    names = {*WORKLOADS, *FAULTS, *CHECKERS}
    for kind in (*WORKLOADS.values(), *FAULTS.values()):
        names |= kind.OPTIONS.keys()
    for kind in WORKLOADS.values():
        assert all(word in page for word in kind.MIX), kind
    for spec in (ColosSpec, NetworkSpec, GossipSpec, KeyRule, SwarmSpec, CheckSpec, WorkloadSpec, FaultSpec):
        names |= {f.name.removesuffix("_s") for f in fields(spec)} - {"options"}
    missing = {name for name in names if f"`{name}`" not in page and f".{name}`" not in page}
    assert not missing


def test_a_workload_of_ones_own_is_found_and_its_conditions_judged() -> None:
    """The class that the page shows; and one whose condition does not hold."""
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
    words = page.split("## Your own clients")[1].split("```python\n")[1].split("```")[0]
    for bad, verdict in (("", "valid"), ("<= 1000", "invalid")):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "mine.py"
            path.write_text(words.replace(bad, "<= 0") if bad else words)
            found = outcome(kind=f'"{path}:Mine"', strategy='"set"', keys='"tickets"', match='"tickets"')
        assert found.checks["conditions"] == verdict, found.findings
    with pytest.raises(BadRequest, match="cannot be loaded"):
        made(kind='"/nowhere/mine.py:Mine"')
