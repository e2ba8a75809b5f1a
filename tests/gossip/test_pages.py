"""Catch-ups in pages: of one snapshot, whatever is written meanwhile; begun anew where they cannot go on."""

from __future__ import annotations

from typing import Any

import pytest

from crdtkv.core.wire import KeyCells, pack_key
from crdtkv.errors import MessageInvalid
from crdtkv.gossip import Settings
from crdtkv.gossip.messages import Page, encode
from crdtkv.gossip.messages import decode as unframe
from crdtkv.gossip.staging import Staged
from tests.gossip.net import Net

SMALL = Settings(page_bytes=100, max_records=0, pages_ahead=0)
AHEAD = Settings(page_bytes=100, max_records=0)


def pages(net: Net) -> list[Page]:
    """Each page as it is sent, from now on."""
    sent: list[Page] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        message = unframe(data).message
        if isinstance(message, Page) and message.keys:
            sent.append(message)
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    return sent


def apart(settings: Settings = SMALL, delay_ms: int = 100) -> Net:
    """a has written much that b lacks; a message takes a while."""
    net = Net("ab", settings=settings, delay_ms=delay_ms)
    net.until_one()
    net.cut = {("a", "b"), ("b", "a")}
    for n in range(40):
        net["a"].put(f"k{n:02}", {"n": n, "text": "x" * 20})
    net["a"].set("s").add("one", "two")
    net.committed("a")
    return net


@pytest.mark.parametrize("settings", [SMALL, AHEAD])
def test_pages_are_small_and_many(settings: Settings) -> None:
    net = apart(settings)
    sent = pages(net)
    net.cut = set()
    net.until_one()
    net.check()
    assert len(sent) > 20 and all(sum(map(len, page.keys)) < 100 + 200 for page in sent)
    assert len({page.number for page in sent}) == 1


@pytest.mark.parametrize("settings", [SMALL, AHEAD])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_written_meanwhile_is_in_it_whole(seed: int, settings: Settings) -> None:
    """Transactions over keys at both ends of the order: at b either all of one or nothing."""
    net = apart(settings)
    net.dice.seed(seed)
    net.double = 0.2 * (seed % 2)
    with net["a"].transaction() as t:
        t.put("k00", -1)
        t.put("z", -1)
    net.cut = set()
    seen: list[Any] = []
    for n in range(30):
        net.run(50)
        if n % 5 == 0:
            with net["a"].transaction() as t:
                t.put("k00", n)
                t.put("z", n)
            net["a"].delete(f"k{n + 1:02}")
            net["a"].set("s").remove("one")
            net["a"].set("s").add("one")
        seen.append((dict(net["b"]).get("k00"), dict(net["b"]).get("z")))
    net.until_one()
    net.check()
    assert all(one == other or (other is None and isinstance(one, dict)) for one, other in seen)
    assert net["b"]["z"] == 25


def test_several_pages_are_under_way_at_a_time() -> None:
    """A question and its answer take 200 ms: the second of two colos that ask is there in half the time."""

    def took(settings: Settings) -> int:
        net = apart(settings, delay_ms=0)
        send = net.send
        net.send = lambda sender, to, data, late_ms=0: send(sender, to, data, 100)  # type: ignore[method-assign]
        net.cut = set()
        return net.until_one(20_000)

    assert took(AHEAD) < took(SMALL) / 2


@pytest.mark.parametrize("seed", range(6))
def test_pages_that_are_lost_doubled_or_overtake_each_other(seed: int) -> None:
    net = apart(AHEAD, delay_ms=300)
    net.dice.seed(seed)
    net.cut, net.loss, net.double = set(), 0.1, 0.2
    for n in range(200):
        net.run(50)
        net["a"].put(f"k{n % 40:02}", n)
    net.loss = net.double = 0
    net.until_one()
    net.check()


def test_the_sender_dies_half_way() -> None:
    net = apart()
    net.cut = set()
    net.run(1_000)
    net.nodes["a"].stop()
    net.run(3_000)
    assert "k00" not in net["b"]
    net.nodes["a"].start()
    net.until_one()
    net.check()


def test_the_receiver_dies_half_way() -> None:
    net = apart()
    net.cut = set()
    net.run(1_000)
    net.nodes["b"].stop()
    net.nodes["b"].start()
    assert "k00" not in net["b"]
    net.until_one()
    net.check()


def test_more_is_never_staged_than_may_be() -> None:
    net = apart(Settings(page_bytes=100, max_records=0, max_staged=500))
    net.cut = set()
    net.run(20_000)
    assert "k00" not in net["b"] and net.nodes["b"].gossip.counts["refused too-large"] > 0


def test_few_transactions_come_as_records() -> None:
    """So that every version in between is kept."""
    net = apart(Settings(), delay_ms=0)
    sent = pages(net)
    net.cut = set()
    net.until_one()
    assert not any(page.keys for page in sent)
    assert len(net["b"].history("s")) == 1


def test_a_page_whose_keys_are_none() -> None:
    """It is found when all of it is here, and nothing of it is taken."""
    net = apart()
    sent = pages(net)
    send = net.send

    def spoil(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        frame = unframe(data)
        if isinstance(frame.message, Page) and len(sent) == 5:
            data = encode(frame._replace(message=frame.message._replace(keys=(b"\x93no key",))))
        send(sender, to, data, late_ms)

    net.send = spoil  # type: ignore[method-assign]
    net.cut = set()
    before = net["b"].vector
    while not net.nodes["b"].gossip.counts["refused message-invalid"]:
        assert net["b"].vector == before
        net.run(50)
    net.until_one()
    net.check()


def test_keys_out_of_order_are_refused() -> None:

    packed = [pack_key(KeyCells(key, {}, ())) for key in "ba"]
    with pytest.raises(MessageInvalid):
        list(Staged([packed], 0, False))


def half_joined(names: str = "ab", page_bytes: int = 100) -> tuple[Net, list[Page]]:
    """b is about to join through a, has half of what is there, and dies; the pages sent from then on."""
    net = Net(names, settings=Settings(page_bytes=page_bytes, max_records=0, pages_ahead=0))
    send = net.send
    net.send = lambda sender, to, data, late_ms=0: send(sender, to, data, 20)  # type: ignore[method-assign]
    net.nodes["b"].stop()
    for n in range(40):
        net["a"].put(f"k{n:02}", {"n": n, "text": "x" * 20})
    net.until_one()
    net.nodes["b"].start()
    sent = pages(net)
    while len(sent) < 2_000 / page_bytes:
        net.run(50)
    assert net.nodes["b"].gossip.joining
    net.nodes["b"].stop()
    net.run(1_000)
    sent.clear()
    return net, sent


def test_who_joins_and_dies_half_way_goes_on_where_it_was() -> None:
    """What was written and deleted meanwhile comes in a pass of its own."""
    net, sent = half_joined()
    net["a"].put("k01", "changed")
    net["a"].delete("k02")
    net.committed("a")
    net.nodes["b"].start()
    net.until_one()
    net.check()
    b = net.nodes["b"]
    assert b.gossip.counts["joins gone on with"] == 1 and list(b.store._replica.storage.pile.read()) == []
    first, *_ = sent
    assert first.turn == 0 and first.after is not None and first.after >= "k10"
    assert net["b"]["k01"] == "changed" and "k02" not in net["b"] and net["b"]["k00"] == {"n": 0, "text": "x" * 20}


def test_who_joins_through_another_begins_anew() -> None:
    net, sent = half_joined("abc")
    net.nodes["a"].stop()
    net.nodes["b"].start()
    net.run(10_000)
    net.nodes["a"].start()
    net.until_one()
    net.check()
    assert net.nodes["b"].gossip.counts["joins gone on with"] == 0 and sent[0].after is None


@pytest.mark.parametrize("page_bytes", [100, 600])
def test_what_cannot_be_taken_does_not_come_back(page_bytes: int) -> None:
    """Pages that lie there were altered: that is found out now or in the end, and it is asked for again."""
    net, _ = half_joined(page_bytes=page_bytes)
    pile = net.nodes["b"].disk.pile
    first, *others = pile.read()
    pile.begin(first)
    for piece in others:
        pile.put(piece.replace(b"text", b"\xc1\xc1\xc1\xc1", 1))
    net.nodes["b"].start()
    net.until_one()
    net.check()
    counts = net.nodes["b"].gossip.counts
    assert counts["refused message-invalid"] == (page_bytes > 100)


def test_who_has_half_of_it_waits_a_moment_for_who_sent_that() -> None:
    """c answers sooner."""
    net, sent = half_joined("abc")
    send = net.send

    def slow(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        send(sender, to, data, 500 if "a" in (sender, to) else 0)

    net.send = slow  # type: ignore[method-assign]
    net.nodes["b"].start()
    net.until_one()
    net.check()
    assert net.nodes["b"].gossip.counts["joins gone on with"] == 1 and sent[0].after is not None
