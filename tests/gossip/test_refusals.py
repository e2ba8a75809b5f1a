"""What is wrong with a message is counted, and changes nothing."""

from __future__ import annotations

from random import Random

import pytest

from crdtkv.core.envelope import VERSION
from crdtkv.gossip.messages import Frame, Goodbye, Prune, Push, decode, encode
from tests.gossip.net import Net


def said(net: Net, name: str = "a") -> list[bytes]:
    """What a node sends in a while, of all kinds."""
    sent: list[bytes] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        if sender == name:
            sent.append(data)
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net.until_one()
    net["b"].put("b", 1)
    net[name].put("k", [1, 2])
    net.committed(name)
    net.nodes["b"].stop()
    net[name].put("k", [1, 2, 3])
    net.run(1_000)
    net.nodes["b"].start()
    net.run(12_000)
    net.send = send  # type: ignore[method-assign]
    return sent


def state(net: Net, name: str) -> object:
    plain = net[name]._replica.state.to_plain()
    return {k: plain[k] for k in ("id", "vector", "digest", "heard", "announced", "floor", "forks", "quarantined")}


@pytest.fixture
def net() -> Net:
    return Net("ab")


def arrives(net: Net, data: bytes, peer: str = "a") -> int:
    """It comes to b: how many refusals were counted."""
    gossip = net.nodes["b"].gossip
    before = sum(n for kind, n in gossip.counts.items() if kind.startswith("refused"))
    gossip.on_message(peer, data, net.now_ms, Random(0))
    return sum(n for kind, n in gossip.counts.items() if kind.startswith("refused")) - before


def test_any_altered_byte(net: Net) -> None:
    messages = {decode(data).message.__class__: data for data in said(net)}
    assert len(messages) >= 6
    before = state(net, "b")
    for data in messages.values():
        for at in range(0, len(data), max(1, len(data) // 40)):
            altered = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
            assert arrives(net, altered) == 1
            assert arrives(net, data[:at]) == 1
    assert state(net, "b") == before


def test_another_namespace_a_later_version_too_long(net: Net) -> None:
    said(net)
    before = state(net, "b")
    frame = Frame("default", net["a"]._replica.state.namespace, net["a"].id, Prune(5))
    assert arrives(net, encode(frame)) == 0
    assert arrives(net, encode(frame, VERSION + 1)) == 0
    assert arrives(net, encode(frame._replace(name="other"))) == 1
    assert arrives(net, encode(frame, VERSION + 2)) == 1
    net.nodes["b"].gossip._desk.settings = type(net.settings)(max_message=40)
    assert arrives(net, encode(frame._replace(message=Push((b"x" * 100,))))) == 1
    assert state(net, "b") == before


def test_what_comes_again_changes_nothing(net: Net) -> None:
    """Every message of a life, once more, in any order."""
    sent = said(net)
    before = state(net, "b")
    Random(1).shuffle(sent)
    for data in sent:
        net.nodes["b"].gossip.on_message("a", data, net.now_ms, Random(0))
    after = state(net, "b")
    assert {**after, "heard": 0, "announced": 0} == {**before, "heard": 0, "announced": 0}  # type: ignore[dict-item]
    net.until_one()
    net.check()


def test_who_was_not_met_brings_nothing(net: Net) -> None:
    sent = said(net)
    before = state(net, "b")
    pushes = [data for data in sent if isinstance(decode(data).message, Push)]
    assert pushes and arrives(net, pushes[0], "stranger") == 0
    assert state(net, "b") == before and net.nodes["b"].gossip.counts["from one not met"] > 0


def test_there_are_not_too_many_peers(net: Net) -> None:
    frame = encode(Frame("default", "x", "x~1", Goodbye()))
    gossip = net.nodes["b"].gossip
    for n in range(net.settings.max_peers + 5):
        gossip.on_message(f"p{n}", frame, 0, Random(0))
    assert len(gossip.status()) == net.settings.max_peers and gossip.counts["too many peers"] > 0
