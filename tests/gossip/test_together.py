"""Messages of a peer that are taken in together are taken as each in turn is."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

import crdtkv
from crdtkv.gossip import Gossip
from crdtkv.gossip.messages import Frame, Prune, Push, together
from tests.compiled import interpreted


def frame(sender: str, *records: bytes) -> Frame:
    return Frame("default", "n1", sender, Push(records))


def test_records_side_by_side_go_together_and_nothing_else_does() -> None:
    other = Frame("default", "n1", "a~1", Prune(7))
    came = [frame("a~1", b"1", b"2"), frame("a~1", b"3"), other, frame("a~1", b"4"), frame("b~1", b"5"), other, other]
    assert list(together(came)) == [
        frame("a~1", b"1", b"2", b"3"), other, frame("a~1", b"4"), frame("b~1", b"5"), other, other,
    ]  # fmt: skip
    assert list(together([])) == []


def two() -> tuple[crdtkv.Store, Gossip, list[bytes]]:
    """A store that has met another, its machine, and what the other sent of ten puts: with nonsense, and a goodbye."""
    a, b = crdtkv.open(colo="a"), crdtkv.open(colo="b")
    ga, gb = (Gossip(s._replica, s._rule_of, "default", peers=["b" if s is a else "a"]) for s in (a, b))
    dice = random.Random(1)
    for now in range(0, 10_000, 50):
        ways = [(gb, "a", send.data) for send in ga.on_tick(now, dice)]
        ways += [(ga, "b", send.data) for send in gb.on_tick(now, dice)]
        while ways:
            to, sender, data = ways.pop(0)
            back, name = (ga, "b") if to is gb else (gb, "a")
            ways += [(back, name, send.data) for send in to.on_message(sender, data, now, dice)]
    assert a.vector == b.vector
    sent = []
    for i in range(10):
        b.put(f"k{i}", i)
        sent += [send.data for send in gb.on_commit(10_000)]
    return a, ga, [*sent[:4], b"nonsense", *sent[4:], *(send.data for send in gb.goodbye(10_000))]


def test_what_comes_together_is_taken_as_one_by_one() -> None:
    dice = random.Random(2)
    a, machine, came = two()
    for data in came:
        machine.on_message("b", data, 10_001, dice)
    other, at_once, same = two()
    at_once.on_messages("b", same, 10_001, dice)
    for store, gossip in ((a, machine), (other, at_once)):
        assert [store[f"k{i}"] for i in range(10)] == list(range(10))
        assert gossip.counts["refused message-invalid"] == 1
        assert gossip._desk.peers["b"].leaving
    assert at_once.counts["record absorbed"] == machine.counts["record absorbed"]


def test_who_said_goodbye_is_back_with_a_hello_and_not_with_what_that_overtook() -> None:
    dice = random.Random(3)
    a, machine, came = two()
    *pushed, goodbye = came
    hello = crdtkv.open(colo="b")
    greeting = Gossip(hello._replica, hello._rule_of, "default", peers=["a"]).greet("a", 10_002, dice)
    machine.on_messages("b", [*pushed[1:], goodbye, pushed[0]], 10_001, dice)
    assert a["k0"] == 0 and machine._desk.peers["b"].leaving
    machine.on_messages("b", [send.data for send in greeting], 10_003, dice)
    assert not machine._desk.peers["b"].leaving


@interpreted
def test_what_comes_together_shares_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(2)

    def commits(take: Callable[[Gossip, list[bytes]], object]) -> int:
        a, machine, came = two()
        made, commit = [], a._replica.storage.commit
        monkeypatch.setattr(a._replica.storage, "commit", lambda: made.append(commit()))
        take(machine, came)
        return len(made)

    one_by_one = commits(lambda machine, came: [machine.on_message("b", data, 10_001, dice) for data in came])
    at_once = commits(lambda machine, came: machine.on_messages("b", came, 10_001, dice))
    assert at_once < one_by_one / 4, (at_once, one_by_one)


@interpreted
def test_what_overtook_another_shares_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two letters that came in the wrong order: the second's records wait for the first's, all in one transaction."""
    a, machine, came = two()
    pushed = [came[i] for i in range(10) if came[i] != b"nonsense"]
    dice = random.Random(2)
    machine.on_messages("b", pushed[5:], 10_001, dice)
    assert len(a._replica.waiting) == len(pushed) - 5
    commits, commit = [], a._replica.storage.commit
    monkeypatch.setattr(a._replica.storage, "commit", lambda: commits.append(commit()))
    machine.on_messages("b", pushed[:5], 10_001, dice)
    assert len(commits) == 1 and not a._replica.waiting and not a._replica.waiting.wanted
    assert [a[f"k{i}"] for i in range(9)] == list(range(9))
