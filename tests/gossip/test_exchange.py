"""Members that push, pull and catch up; and how they become members."""

from __future__ import annotations

import msgpack
import pytest

from crdtkv.core.envelope import VERSION, seal
from crdtkv.gossip import Settings
from crdtkv.gossip.messages import Ask, Have, Hello, Push, Want, decode
from tests.gossip.net import Net


@pytest.mark.parametrize("seed", range(3))
def test_three_that_never_met_become_one(seed: int) -> None:
    """Each has written: nothing of it is lost."""
    net = Net("abc", seed, delay_ms=60)
    for name in "abc":
        net[name].put(name, 1)
        net[name].counter("n").add(1)
    net.until_one()
    net.check()
    assert dict(net["a"]) == {"a": 1, "b": 1, "c": 1, "n": 3}


def test_a_record_goes_out_at_once() -> None:
    net = Net("abc")
    net.until_one()
    net["b"].put("k", 7)
    net.committed("b")
    assert (net["a"]["k"], net["c"]["k"]) == (7, 7)


def test_a_colo_of_the_next_release_is_one_of_them() -> None:
    """It says that it is one version ahead, in every message, and says more in each than is known here."""
    net = Net("abc", 1)
    net.nodes["b"].gossip._desk.version = VERSION + 1
    send = net.send

    def later(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        if sender == "b":
            body = msgpack.unpackb(data[2:-4])
            data = seal(data[1:2], [*body, "what a later release has added"], VERSION + 1)
        send(sender, to, data, late_ms)

    net.send = later  # type: ignore[method-assign]
    net["b"].put("k", 1)
    net.until_one()
    net["a"].put("k", 2)
    net.committed("a")
    net.until_one()
    net.check()


def test_who_speaks_a_later_version_speaks_the_older_one_to_who_does() -> None:
    """And its own with those that speak it, too."""
    net = Net("abc", 1)
    for name in "bc":
        net.nodes[name].gossip._desk.version = VERSION + 1
    spoken: dict[tuple[str, str], int] = {}
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        if not isinstance(decode(data).message, Hello):
            spoken[sender, to] = data[0]
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net.until_one()
    net.run(5_000)
    for name in "abc":
        net[name].put(name, 1)
        net.committed(name)
    older = dict.fromkeys([("a", "b"), ("a", "c"), ("b", "a"), ("c", "a")], VERSION)
    assert spoken == {**older, ("b", "c"): VERSION + 1, ("c", "b"): VERSION + 1}
    net.check()


@pytest.mark.parametrize("version", [1, VERSION])
def test_what_is_spared_is_told_of_to_who_understands_that(version: int) -> None:
    """One who speaks version 1 is told nothing that it would refuse; what it misses comes by a catch-up."""
    net = Net("abcdefgh", settings=Settings(all_peers=2, fan=14, shuffle_ms=100_000))
    net.nodes["h"].gossip._desk.version = version
    net.until_one()
    net.run(3_000)
    told: list[str] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        if isinstance(decode(data).message, Have | Want):
            told.extend((sender, to))
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net.cut = {("a", "h")}
    for n in range(10):
        net["a"].put("k", n)
        net.committed("a")
        net.run(500)
    assert told and ("h" in told) == (version > 1)
    assert not any(kind.startswith("refused") for node in net.nodes.values() for kind in node.gossip.counts)
    net.until_one()
    net.check()


@pytest.mark.parametrize("version", [1, VERSION])
def test_records_side_by_side_go_in_bundles_to_who_understands_them(version: int) -> None:
    """One who speaks version 1 is sent each as it is."""
    net = Net("ab", 1)
    net.nodes["b"].gossip._desk.version = version
    net.until_one()
    sent: list[bytes] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        sent.append(data)
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    for n in range(50):
        net["a"].set("s").add(f"element-{n}")
    net.committed("a")
    assert len(net["b"].set("s")) == 50
    pushes = [(data, message) for data in sent if isinstance(message := decode(data).message, Push)]
    [(data, push)] = pushes
    assert data[0] == version and len(push.records) == 50
    body = msgpack.unpackb(data[2:-4])[3:]
    if version == 1:
        assert body == [list(push.records)] and len(data) > 50 * 55
    else:
        assert body[0] == [] and len(body[1]) == 1 and len(data) < 50 * 15
    net.check()


def test_what_was_lost_is_asked_for() -> None:
    """All that b pushes is lost but for its last, which waits; its sender is asked for what it builds on."""
    net = Net("abc")
    net.until_one()
    net.cut = {("b", "a"), ("b", "c")}
    for n in range(5):
        net["b"].put("k", n)
        net.committed("b")
    net.cut = set()
    net["b"].put("k", 5)
    net.committed("b")
    assert "k" not in net["a"]
    net.run(150)
    assert net["a"]["k"] == 5 and net["a"].vector == net["b"].vector


def test_what_is_under_way_is_not_asked_for() -> None:
    """All write all the time; nothing is lost: nobody asks for anything but what was announced, now and then."""
    net = Net("abc", 1, delay_ms=120)
    net.until_one()
    net.run(2_000)
    before = {name: node.gossip.counts["sent ask"] for name, node in net.nodes.items()}
    for n in range(400):
        for name in "abc":
            net[name].put(f"k{n % 7}", n)
            net.committed(name)
        net.run(50)
    asked = {name: node.gossip.counts["sent ask"] - before[name] for name, node in net.nodes.items()}
    assert max(asked.values()) <= 12
    assert sum(node.gossip.counts["record known"] for node in net.nodes.values()) < 120 < 2_400 / 10
    net.until_one()
    net.check()


def test_what_was_lost_is_asked_for_while_others_write_on() -> None:
    """The last record of one who then says nothing: the others' writes do not hide that it is lacking."""
    net = Net("abc", 2, settings=Settings(heard_ms=10**9))
    net.until_one()
    net.run(3_000)
    net.cut = {("a", "b")}
    net["a"].put("lost", 1)
    net.committed("a")
    net.cut = set()
    for n in range(60):
        net["c"].put("k", n)
        net.committed("c")
        net.run(50)
    assert net["b"]["lost"] == 1


def test_what_is_asked_again_is_what_lacks_by_then() -> None:
    """Else an answer that was lost is given again, half a minute later, with what has come meanwhile by itself."""
    net = Net("abc")
    net.until_one()
    net.run(3_000)
    asked: list[Ask] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        message = decode(data).message
        if isinstance(message, Ask) and (sender, to) == ("a", "b"):
            asked.append(message)
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net.cut = {("b", "a")}
    node = net.nodes["a"]
    net._post(node, node.gossip.pull("b", net.now_ms, net.dice))
    net["c"].put("k", 1)
    net.committed("c")
    net.run(net.settings.answer_ms + 100)
    first, again = asked[:2]
    assert again.since == net["a"].vector != first.since and again.number != first.number
