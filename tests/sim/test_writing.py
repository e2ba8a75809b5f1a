"""A scenario written and read again is the same; and with other colos it is one that could have been written."""

from dataclasses import replace

import pytest

from crdtkv.errors import BadRequest, UnknownStrategy
from crdtkv.sim.changing import at_colos, colos_of, under
from crdtkv.sim.scenario import Scenario, parse
from crdtkv.sim.writing import to_toml
from tests.sim.small import made

FULL = """
[[workload]]
kind = "list-append"
keys = "a\\"b\\\\/{uniform(3)}"
rate = 0.125
at = ["SIN"]
most = 7
[[fault]]
kind = "partition"
at = "1500ms"
for = "2s"
groups = [["LHR"], ["SIN", "GRU"]]
[[fault]]
kind = "isolate"
at = "3s"
for = "1s"
colos = ["GRU"]
[[fault]]
kind = "flapping"
at = "3s"
for = "1s"
period = "250ms"
[swarm]
kinds = ["ring", "one-way"]
mean_interval = "4s"
[check]
converge_within = "12s"
expect = { "plain/*" = "may-lose" }
watch = ["todo/1"]
[report]
html = "a.html"
"""


def full() -> Scenario:
    scenario = made(FULL)
    return replace(scenario, network=replace(scenario.network, bandwidth=37_500_000.0), words='a "word"\n\x7f')


def test_what_was_written_is_read_as_the_same() -> None:
    for scenario in (made(), full()):
        again = parse(to_toml(scenario), name="other")
        assert again == replace(scenario, folder=again.folder)


def test_what_was_said_of_a_colo_goes_with_it() -> None:
    """A group without anybody left is no group, a fault without a colo is none, nor is a workload."""
    small = at_colos(full(), ("LHR", "SIN"))
    assert [(f.kind, f.options.get("groups"), f.options.get("colos")) for f in small.faults] == [
        ("partition", (("LHR",), ("SIN",)), None), ("flapping", None, None),
    ]  # fmt: skip
    assert [w.at for w in small.workloads] == [(), ("SIN",)]
    smaller = at_colos(full(), ("LHR", "GRU"))
    assert [f.kind for f in smaller.faults] == ["partition", "isolate", "flapping"]
    assert [w.at for w in smaller.workloads] == [()]
    for scenario in (small, smaller):
        again = parse(to_toml(scenario))
        assert again == replace(scenario, folder=again.folder)


def test_colos_are_named_by_a_preset_or_by_codes() -> None:
    assert len(colos_of("world-12")) == 12
    assert colos_of("lhr, sin,LHR") == ("LHR", "SIN")
    for words, said in (("world-13", "no preset 'world-13'"), ("LHR,XQZ", "no airport 'XQZ'"), ("", "no preset ''")):
        with pytest.raises(BadRequest, match=said):
            colos_of(words)


def test_a_strategy_that_is_none_is_refused() -> None:
    assert [rule.strategy for rule in under(made(), "set").keys] == ["set"]
    with pytest.raises(UnknownStrategy, match="no strategy 'nope'"):
        under(made(), "nope")
