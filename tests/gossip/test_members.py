"""Who belongs, over messages: joining, leaving, evicted and back, copies, wiped disks, two under one name."""

from __future__ import annotations

from random import Random

import pytest

import crdtkv
from crdtkv.errors import BadRequest, ChainBroken, NotBackYet
from crdtkv.gossip import Settings
from crdtkv.gossip.meeting import Step, step
from crdtkv.gossip.messages import Page, Welcome, decode
from crdtkv.replica import members
from tests.gossip.net import Net


@pytest.fixture
def net() -> Net:
    net = Net("abc")
    net.until_one()
    return net


def lose(net: Net, kind: type, times: int) -> None:
    """The next messages of that kind are lost."""
    send, left = net.send, [times]

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        if left[0] and isinstance(decode(data).message, kind):
            left[0] -= 1
            return
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", [Welcome, Page])
def test_replies_to_who_joins_are_lost(kind: type) -> None:
    """It asks again; it is admitted once."""
    net = Net("ab")
    lose(net, kind, 3)
    net["a"].put("k", 1)
    net.until_one()
    net.check()
    assert sum(net["a"].vector.values()) == 3, "two of a's, and the admission"


def test_who_joins_dies_half_way() -> None:
    net = Net("ab", settings=Settings(page_bytes=50, pages_ahead=0), delay_ms=100)
    for n in range(20):
        net["a"].put(f"k{n}", n)
    net.run(1_500)
    assert net.nodes["b"].gossip.joining
    net.nodes["b"].stop()
    net.nodes["b"].start()
    net.until_one()
    net.check()
    assert len(net["b"]) == 20


def test_any_member_is_a_sponsor(net: Net) -> None:
    """b is wiped, and a is down: it comes back through c; a learns of it from either."""
    old = net["b"].id
    net.nodes["a"].stop()
    net.nodes["b"].wipe()
    net["b"].put("new", 1)
    net.run(8_000)
    assert net["b"].members == net["c"].members and old not in net["b"].members
    net.nodes["a"].start()
    net.until_one()
    net.check()
    assert net["a"]["new"] == 1


def test_who_is_evicted_comes_back_with_what_it_wrote(net: Net) -> None:
    net.cut = {("c", "a"), ("a", "c"), ("c", "b"), ("b", "c")}
    net["c"].put("mine", 1)
    net["c"].counter("n").add(2)
    old = net["c"].id
    net["a"].evict("c")
    net.run(3_000)
    net.cut = set()
    net.until_one()
    net.check()
    assert net["c"].id != old and dict(net["a"]) == {"mine": 1, "n": 2}


def test_who_has_left_is_heard_out_and_does_not_return(net: Net) -> None:
    net["c"].put("last", 1)
    net["c"].leave()
    net.run(5_000)
    assert net["a"]["last"] == 1 and net["a"].members == sorted([net["a"].id, net["b"].id])
    net["a"].put("k", 2)
    net.run(20_000)
    assert "k" not in net["c"] and net["a"].vector == net["b"].vector


@pytest.mark.parametrize("noted", [False, True])
def test_an_old_copy_takes_a_new_name(net: Net, noted: bool) -> None:
    node = net.nodes["b"]
    net["b"].counter("n").add(1)
    net.run(2_000)
    node.copy()
    net["b"].counter("n").add(10)
    net.run(2_000)
    old = net["b"].id
    node.restore(elsewhere=False, noted=noted)
    with pytest.raises(NotBackYet):
        net["b"].counter("n").add(100)
    net.until_one()
    net["b"].counter("n").add(100)
    net.until_one()
    net.check()
    assert net["b"].id != old and net["a"]["n"] == 111


@pytest.mark.parametrize("twin", [False, True])
def test_two_of_one_colo_are_told(net: Net, twin: bool) -> None:
    """Another store of a is open, or a copy of a's own: the two say so, and exchange nothing."""
    other = Net("a", seed=1)
    if twin:
        node = other.nodes["a"]
        node.disk = net.nodes["a"].disk.copy()
        node.start()
    sides = [net.nodes["a"].gossip, other.nodes["a"].gossip]
    net["a"].put("k", 1)
    queue = [(1, data) for _, data in sides[0].greet("elsewhere", 0, net.dice)]
    while queue:
        at, data = queue.pop(0)
        queue += [(1 - at, sent) for _, sent in sides[at].on_message("elsewhere", data, 0, net.dice)]
    for side in sides:
        told = next(peer for peer in side.status() if peer.name == "elsewhere")
        assert not told.met and isinstance(told.error, ChainBroken if twin else BadRequest)
    assert "k" not in other["a"]


def test_halves_that_evict_each_other_wait_for_an_operator() -> None:
    net = Net("abcd")
    net.until_one()
    net.cut = {(x, y) for x in "ab" for y in "cd"} | {(y, x) for x in "ab" for y in "cd"}
    for one, others in (("a", "cd"), ("c", "ab")):
        for other in others:
            net[one].evict(other)
    for name in "abcd":
        net[name].put(name, 1)
        net.committed(name)
    net.run(3_000)
    net.cut = set()
    net.run(10_000)
    assert all(len(net[name].forks) == 1 for name in "abcd") and net["a"].forks == net["d"].forks
    link = next(link for link in net["a"].forks[0] if link.startswith("a~"))
    net["a"].resolve(link)
    net.until_one()
    net.check()
    assert dict(net["d"]) == dict.fromkeys("abcd", 1)


def test_who_said_goodbye_is_left_alone_at_first_and_then_looked_for(net: Net) -> None:
    """It may be back, and not reach us."""
    a, b = net.nodes["a"].gossip, net.nodes["b"]
    net.run(3_000)
    for to, data in b.gossip.goodbye(net.now_ms):
        net.send("b", to, data)
    b.stop()
    greeted = a.counts["sent hello"]
    net.run(1_000)
    assert a.counts["sent hello"] == greeted
    net.run(30_000)
    assert greeted < a.counts["sent hello"] < greeted + 8
    pushed = a.counts["sent push"]
    net["a"].put("k", 1)
    net.committed("a")
    assert a.counts["sent push"] == pushed + 1  # to c


def test_what_all_know_to_be_deleted_is_forgotten(net: Net) -> None:
    """By the announcements that travel in rounds of `heard`, and the floors in probes: nobody writes meanwhile."""
    net["a"].put("k", 1)
    net.run(2_000)
    net["b"].delete("k")
    net.run(20_000)
    for name in "abc":
        net[name].compact()
    assert all(not net[name]._replica.storage.cells("k") for name in "abc")
    net.run(5_000)
    net.check()


def test_who_is_behind_the_floor_takes_a_full_join() -> None:
    """c is down while a writes, deletes, and, c being evicted, forgets; c still thinks that it belongs."""
    net = Net("abc")
    net.until_one()
    net["a"].put("k", 1)
    net.run(3_000)
    net.nodes["c"].stop()
    net["a"].delete("k")
    net["a"].evict("c")
    net.run(20_000)
    assert net["a"].compact() > 0
    net.nodes["c"].start()
    net.until_one()
    net.check()
    assert "k" not in net["c"]


def test_nobody_comes_in_through_one_that_has_left() -> None:
    """Nor does one that has left come in anywhere: of two namespaces of one id it is the other that goes on."""
    a, b, fresh = (crdtkv.open(colo=colo) for colo in "abc")
    a.sync(b)
    assert step(fresh._replica, members.portrait(b._replica)) is Step.join
    b.leave()
    assert step(fresh._replica, members.portrait(b._replica)) is Step.wait
    assert step(b._replica, members.portrait(fresh._replica)) is Step.wait
    assert step(fresh._replica, members.portrait(a._replica)) is Step.join


def test_who_was_about_to_join_through_one_that_is_gone_does_so_through_another() -> None:
    net = Net("abc")
    net.cut = {("c", "a"), ("c", "b"), ("a", "c"), ("b", "c")}
    net.run(5_000)
    net.cut = {("a", "c"), ("b", "c"), ("c", "b")}  # c is heard, and hears nothing
    gossip = net.nodes["c"].gossip
    peer = gossip._desk.peers["a"]
    gossip._desk.begin(gossip._desk.now_ms, Random(0))
    gossip._meeting._join(peer, members.portrait(net["a"]._replica))
    assert gossip.joining == net["a"].id
    gossip.drop_peer("a")
    assert gossip.joining == ""
