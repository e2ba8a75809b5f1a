"""Digests that differ at equal vectors: the keys are found and mended, by whoever's cells still add up."""

from __future__ import annotations

import pytest

from crdtkv.gossip import Settings
from crdtkv.gossip.messages import Repair, decode
from crdtkv.gossip.repair import joined
from tests.gossip.net import Net


def filled(keys: int) -> Net:
    """Two that are alike."""
    net = Net("ab")
    net.until_one()
    for n in range(keys):
        net["a"].put(f"k{n:04}", n, strategy="lww")
    net.until_one()
    net.digests.clear()
    net.look = lambda node: None  # type: ignore[method-assign]
    return net


def lose(net: Net, name: str, key: str, told: bool) -> None:
    """A key's cells are gone at a node; `told`: its digest adds up all the same."""
    replica = net[name]._replica
    with replica.transaction():
        for path, cell in dict(replica.storage.cells(key)).items():
            digest = replica.state.digest
            replica.change_cell(key, path, cell, ())
            replica.state.digest = replica.state.digest if told else digest ^ 1
    assert net[name].get(key) is None


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("at", ["a", "b"])
def test_a_key_that_is_lost_at_one_comes_back(told: bool, at: str) -> None:
    net = filled(500)
    lose(net, at, "k0123", told)
    sent = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        sent.append(decode(data).message)
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net.run(10_000)
    assert net[at]["k0123"] == 123 and net["a"].digest() == net["b"].digest()
    net.check()
    assert max(len(m.keys) for m in sent if isinstance(m, Repair)) <= 64, "only few keys are sent"


def test_a_sum_that_is_wrong_is_put_right() -> None:
    net = filled(20)
    net["b"]._replica.state.digest ^= 1
    net.run(70_000)
    net.check()
    assert net["b"]._replica.state.quarantined == {}


def test_what_was_written_meanwhile_is_not_mended_by_what_was_before() -> None:
    net = filled(20)
    lose(net, "b", "k0003", told=True)
    net.delay_ms = 3_000
    for n in range(40):
        net["a"].put("k0004", n, strategy="lww")
        net.committed("a")
        net.run(500)
    net.delay_ms = 0
    net.run(130_000)
    net.check()
    assert net["b"]["k0003"] == 3 and net["b"]["k0004"] == 39


def test_of_two_that_add_up_both_keep_what_neither_replaced() -> None:
    net = filled(1)
    cell = net["a"]._replica.storage.cells("k0000")[b"slww\0"]
    net["a"].put("k0000", "later", strategy="lww")
    later = net["a"]._replica.storage.cells("k0000")[b"slww\0"]
    assert joined(cell, ()) == joined((), cell) == cell and joined(cell, later) == joined(later, cell) == later


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("at", ["a", "b"])
def test_a_catch_up_that_does_not_add_up_is_taken_in_the_end_and_mended(told: bool, at: str) -> None:
    """b lacks much of a, and one of them has lost an old key, with nobody else to ask."""
    net = filled(20)
    net.settings = Settings(max_records=0)
    for name in "ab":
        net.nodes[name].stop()
        net.nodes[name].start()
    net.until_one()
    net.cut = {("a", "b"), ("b", "a")}
    lose(net, at, "k0003", told)
    net["a"].put("new", 1)
    net.committed("a")
    net.cut = set()
    net.run(10_000)
    refused = net.nodes["b"].gossip.counts["refused digest-mismatch"]
    assert ("new" in net["b"]) == (not refused)
    net.run(200_000)
    net.check()
    assert net["b"]["new"] == 1 and net["a"]["k0003"] == net["b"]["k0003"] == 3


def test_a_catch_up_that_does_not_add_up_comes_from_another() -> None:
    net = Net("abc", settings=Settings(max_records=0))
    net.until_one()
    net["a"].put("old", 1)
    net.until_one()
    net.cut = {(x, "b") for x in "ac"} | {("b", x) for x in "ac"}
    net["a"].put("new", 1)
    net.run(5_000)
    net.look = lambda node: None  # type: ignore[method-assign]
    lose(net, "a", "old", told=False)
    net.cut = {("c", "b"), ("b", "c"), ("a", "c"), ("c", "a")}
    net.run(4_000)
    assert "new" not in net["b"] and net.nodes["b"].gossip.counts["refused digest-mismatch"]
    net.cut = set()
    net.run(6_000)
    assert (net["b"]["old"], net["b"]["new"]) == (1, 1)


def test_who_can_join_through_nobody_else_joins_through_one_that_is_mistaken() -> None:
    """The second time; then the two find what differs: here it is a sum."""
    net = Net("ab")
    net.look = lambda node: None  # type: ignore[method-assign]
    net.nodes["b"].stop()
    for n in range(20):
        net["a"].put(f"k{n}", n)
    net["a"]._replica.state.digest ^= 1
    net.nodes["b"].start()
    net.until_one(120_000)
    assert net.nodes["b"].gossip.counts["refused digest-mismatch"] == 1
    net.run(70_000)
    net.check()
    assert net["a"].digest() == net["b"].digest() and net["b"]["k7"] == 7
