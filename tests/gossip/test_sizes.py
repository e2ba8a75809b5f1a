"""What colos say to each other that have nothing to say; and how many of them there may be."""

from __future__ import annotations

from random import Random

import pytest

from crdtkv.core.envelope import VERSION
from crdtkv.core.wire import CatchUp
from crdtkv.core.wire import decode as decode_head
from crdtkv.gossip import Gossip, Settings
from crdtkv.gossip.messages import Ask, Heard, Page, Probe, Prune, Push, decode
from crdtkv.replica import members
from crdtkv.replica.purge import purge_to
from crdtkv.store.store import Store
from tests.gossip.net import Net

MANY = 300


def crowd(kv: Store, names: list[str]) -> None:
    """All of them are members here; nobody else has to be there for it."""
    from crdtkv.replica import life

    for name in names:
        life.admit(kv._replica, name, ())
    for n, name in enumerate(names):
        kv._replica.state.vector[name] = 100_000 + n


def test_three_hundred_that_agree() -> None:
    """A probe and its answer are less than 300 bytes; a round of `heard` is three bytes a member, and it holds."""
    net = Net("ab")
    net.until_one()
    crowd(net["a"], [f"colo{n:03}~aaaa" for n in range(MANY - 2)])
    net["b"].sync(net["a"])
    net["a"].sync(net["b"])
    net.committed("a")
    assert len(net["b"].members) == MANY and net["a"].vector == net["b"].vector
    state = net["a"]._replica.state
    facts, total = members.facts(net["a"]._replica), sum(state.vector.values())
    dice = Random(0)
    for member in net["a"].members:
        state.heard.setdefault(member, 0)
        if member not in (net["a"].id, net["b"].id):
            state.heard[member] = state.clock - (dice.randrange(20_000) << 16)
            state.announced[member] = (total, state.heard[member] - (5_000 << 16), facts)
    sent: dict[type, list[int]] = {}
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        sent.setdefault(type(decode(data).message), []).append(len(data))
        send(sender, to, data, late_ms)

    net.run(3_000)  # until nothing has changed of late
    net.send = spy  # type: ignore[method-assign]
    net.run(6_000)
    assert set(sent) == {Probe, Heard}
    assert 2 * max(sent[Probe]) <= 300
    assert max(sent[Heard]) <= 3 * MANY
    theirs = net["b"]._replica.state
    for member in net["a"].members:
        if member not in (net["a"].id, net["b"].id):
            assert 0 <= state.heard[member] - theirs.heard[member] < 1_000 << 16
            said = theirs.announced[member]
            assert said[0] == total and said[2] == facts and 0 <= state.announced[member][1] - said[1] < 1_000 << 16


@pytest.mark.parametrize("version", [1, VERSION])
def test_a_catch_up_says_of_three_hundred_what_differs(version: int) -> None:
    """One key that is new, not at hand as a record: of two vectors of 300 entries a few cross, the chains of a few."""
    net = Net("ab", settings=Settings(max_records=0))
    net.nodes["b"].gossip._desk.version = version
    net.until_one()
    crowd(net["a"], [f"colo{n:03}~aaaa" for n in range(MANY - 2)])
    net["b"].sync(net["a"])
    net["a"].sync(net["b"])
    net.committed("a")
    net.run(3_000)
    net.cut = {("a", "b")}
    net["a"].put("k", 1)
    net.committed("a")
    net.cut = set()
    heads: list[CatchUp] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        message = decode(data).message
        if sender == "a" and isinstance(message, Page):
            head = decode_head(message.head)
            assert isinstance(head, CatchUp) and not message.began
            heads.append(head)
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net.run(6_000)
    assert net["b"]["k"] == 1 and net["a"].vector == net["b"].vector
    for head in heads:
        assert (len(head.since), len(head.to)) == (MANY, MANY) if version == 1 else len(head.since) + len(head.to) < 5
        assert len(head.chains) < 5
    assert heads


def test_a_floor_that_moves_at_one_of_three_hundred() -> None:
    """The others purge to it by what a probe says: no vector and no catch-up is sent."""
    net = Net("ab")
    net.until_one()
    net["a"].put("k", 1)
    net["a"].put("kept", 1)
    net["a"].delete("k")
    crowd(net["a"], [f"colo{n:03}~aaaa" for n in range(MANY - 2)])
    net["b"].sync(net["a"])
    net["a"].sync(net["b"])
    net.committed("a")
    net.run(3_000)
    sent: list[tuple[type, int]] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        sent.append((type(decode(data).message), len(data)))
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    one, other = net["a"]._replica, net["b"]._replica
    with one.transaction():
        assert purge_to(one, one.state.clock) > 0
    assert other.storage.cells("k")
    net.run(3_000)
    assert one.state.floor == other.state.floor and one.state.digest == other.state.digest
    assert not other.storage.cells("k") and net["b"]["kept"] == 1
    assert {kind for kind, _ in sent} <= {Probe, Heard}
    assert max(size for kind, size in sent if kind is Probe) <= 150


def test_a_floor_is_not_taken_from_who_has_something_else() -> None:
    """Its digest says so: it is asked what it has, and nothing is purged by its word."""
    net = Net("ab")
    net.until_one()
    net["a"].put("k", 1)
    net["a"].delete("k")
    net["b"].sync(net["a"])
    net.run(3_000)
    one, other = net["a"]._replica, net["b"]._replica
    with one.transaction():
        purge_to(one, one.state.clock)
        one.state.digest ^= 1
    before = other.state.floor
    machine = net.nodes["b"].gossip
    peer = machine._desk.peers["a"]
    told = Probe(machine._desk.vector_hash(), one.state.floor, one.state.digest, False, False, 0)
    machine._desk.begin(machine._desk.now_ms, Random(0))
    machine._probing._purge_along(peer, told)
    assert (other.state.floor, bool(other.storage.cells("k"))) == (before, True)
    assert [type(decode(data).message) for _, data in machine._desk.taken()] == [Ask]


def test_who_is_not_heard_of_is_suspect() -> None:
    """Until it is; it is evicted by nobody but an operator."""
    net = Net("abc")
    net.until_one()
    net.run(10_000)
    gossip = net.nodes["a"].gossip
    assert gossip.suspects() == []
    net.nodes["c"].stop()
    net.run(net.settings.suspect_ms + 15_000)
    assert gossip.suspects() == [net["c"].id] and net["c"].id in net["a"].members
    net.nodes["c"].start()
    net.run(15_000)
    assert gossip.suspects() == []


def test_of_many_peers_some_are_sent_what_is_fresh_and_pass_it_on() -> None:
    settings = Settings(all_peers=3, fan=4, sources=1, shuffle_ms=2_000)
    net = Net("abcdefgh", settings=settings)
    net.until_one()
    net.run(3_000)
    pushes: list[tuple[str, str]] = []
    prunes: list[str] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        message = decode(data).message
        if isinstance(message, Push):
            pushes.append((sender, to))
        if isinstance(message, Prune):
            prunes.append(sender)
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net["a"].put("k", 1)
    net.committed("a")
    assert 2 <= len([to for sender, to in pushes if sender == "a"]) < 7
    net.run(500)
    assert {to for _, to in pushes} >= set("bcdefgh"), "who got it has passed it on"
    for n in range(30):
        net["a"].put("k", n)
        net.committed("a")
        net.run(100)
    assert prunes
    net.until_one()
    net.check()


@pytest.mark.parametrize("count", [45])
def test_a_tick_of_many_costs_little(count: int) -> None:
    """What goes out in a second of idleness does not grow with the number of peers."""
    net = Net("ab")
    net.until_one()
    gossip = Gossip(net["a"]._replica, peers=[f"p{n}" for n in range(count)])
    first = gossip.on_tick(0, Random(0))
    assert len(first) <= 8


def test_what_came_just_now_came_since_the_look_but_one() -> None:
    """And lately, since the one before: who is told of it may have had the rest for longer than that."""
    net = Net("ab")
    desk, id = net.nodes["a"].gossip._desk, net["a"].id
    seen: list[tuple[int, list[tuple[str, int, int]]]] = []
    for n in range(1, 5):
        net["a"].put("k", n)
        desk.look()
        net["a"].put("k", -n)
        seen.append((desk.lately()[id], list(desk.just_now())))
    before = net["a"].vector[id] - 8
    assert [n - before for n, _ in seen] == [2, 4, 6, 8]
    assert [(n - before, old - before) for _, [(_, n, old)] in seen[2:]] == [(6, 3), (8, 5)]
