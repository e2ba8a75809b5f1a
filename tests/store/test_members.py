"""Who belongs: evictions that cross, disks that were wiped, sides that are picked; in the end all are one again."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest

import crdtkv
from crdtkv.core.wire import decode, encode
from crdtkv.errors import MembershipConflict, Refused
from crdtkv.replica import cutting, exchange, pending
from tests.compiled import interpreted


class Colos(dict[str, crdtkv.Store]):
    """Colos in memory, each with its clock: `ms[colo]` is how far it is off."""

    def __init__(self, names: str) -> None:
        self.now, self.ms, self.opened = 1_767_261_600_000, dict.fromkeys(names, 0), 0
        for name in names:
            self.open(name)
        self.meet(1)

    def open(self, name: str) -> crdtkv.Store:
        """An empty disk."""
        self.opened += 1

        def clock() -> float:
            self.now += 1
            return (self.now + self.ms[name]) / 1000

        dice = random.Random(f"{name}/{self.opened}")
        self[name] = crdtkv.open(colo=name, clock=clock, random=dice, purge_step_ms=1)
        return self[name]

    def meet(self, rounds: int = 4, among: str = "") -> None:
        """All with all."""
        for _ in range(rounds):
            for a, b in itertools.combinations(among or self, 2):
                self[a].sync(self[b])

    def purge(self) -> None:
        for _ in range(4):
            self.now += 1_000
            self.meet(1)
            for kv in self.values():
                kv.compact()

    def are_one(self) -> None:
        """One membership of one of each colo, equal vectors, nothing waits, and the same is read everywhere."""
        stores = list(self.values())
        assert {tuple(kv.members) for kv in stores} == {tuple(sorted(kv.id for kv in stores))}
        assert all(kv.vector == stores[0].vector for kv in stores)
        assert all(kv.forks == [] and not kv._replica.state.pending and kv.check() == [] for kv in stores)
        assert all(dict(kv.items()) == dict(stores[0].items()) for kv in stores)
        self.purge()
        assert len({kv.digest() for kv in stores}) == 1


@pytest.fixture
def abcd() -> Iterator[Colos]:
    colos = Colos("abcd")
    yield colos
    for kv in colos.values():
        kv.close()


def pick(kv: crdtkv.Store) -> None:
    """The operator at `kv` picks its side, of every conflict that is open there."""
    known = {link["id"] for link in kv._replica.read("\x00chain") or ()}
    while kv.forks:
        kv.resolve(next(link for link in kv.forks[0] if link in known))


def test_two_evict_each_other_and_others_remain(abcd: Colos) -> None:
    """Those who have heard of both count neither: both return, and nobody has to decide."""
    a, b, c, d = abcd.values()
    a.evict("c")
    c.evict("a")
    a.put("a", 1)
    c.put("c", 1)
    a.sync(b)
    c.sync(d)
    abcd.meet(3, "bd")
    assert [m[0] for m in b.members] == ["b", "d"] and b.forks == []
    abcd.meet()
    abcd.are_one()
    assert (b["a"], b["c"]) == (1, 1)


def test_evictions_in_a_circle(abcd: Colos) -> None:
    a, b, c, d = abcd.values()
    a.evict("b")
    b.evict("c")
    c.evict("a")
    for kv in abcd.values():
        kv.put(kv.colo, 1)
    abcd.meet()
    abcd.are_one()
    assert dict(d.items()) == dict.fromkeys("abcd", 1)


def test_two_operators_of_one_side_evict_the_same(abcd: Colos) -> None:
    """They agree: no conflict, and nobody has to return but the one that was evicted."""
    a, b, c, _d = abcd.values()
    before = {kv.id for kv in (a, b, c)}
    a.evict("d")
    b.evict("d")
    abcd.meet(2, "abc")
    assert set(c.members) == before and not a.forks
    abcd.meet()
    assert {kv.id for kv in (a, b, c)} == before
    abcd.are_one()


def halves(colos: Colos) -> tuple[crdtkv.Store, ...]:
    """a and b, c and d: each half has evicted the other."""
    a, b, c, d = colos.values()
    a.evict("c")
    a.evict("d")
    c.evict("a")
    c.evict("b")
    for kv in (a, b, c, d):
        kv.put(kv.colo, 1)
    colos.meet(1, "ab")
    colos.meet(1, "cd")
    return a, b, c, d


def test_the_side_that_was_picked_keeps_its_names(abcd: Colos) -> None:
    """Who is on the other side returns, also one that never met the conflict itself."""
    a, b, c, d = halves(abcd)
    names = a.id, b.id
    a.sync(c)
    assert a.forks == c.forks and len(a.forks) == 1 and not b.forks
    with pytest.raises(MembershipConflict, match="resolve it by picking"):
        a.evict("b")
    theirs = next(link for link in a.forks[0] if link.startswith("c~"))
    with pytest.raises(MembershipConflict, match="other side"):
        a.resolve(theirs)
    pick(a)
    assert a.forks == []
    abcd.meet()
    assert (a.id, b.id) == names
    abcd.are_one()
    assert dict(d.items()) == dict.fromkeys("abcd", 1)


def test_nothing_is_forgotten_while_a_conflict_stands(abcd: Colos) -> None:
    a, _b, c, _d = halves(abcd)
    a.delete("b")
    a.sync(c)
    abcd.now += 10_000
    abcd.meet(3, "ab")
    assert a.compact() == 0
    pick(a)
    assert a.compact() > 0
    abcd.meet()
    abcd.are_one()


def test_both_sides_are_picked(abcd: Colos) -> None:
    """Two operators give opposite answers: that is a conflict again, until one of them has seen the other's answer."""
    a, _b, c, d = halves(abcd)
    a.sync(c)
    pick(a)
    pick(c)
    assert a.forks == c.forks == []
    a.sync(c)
    assert a.forks == c.forks and len(a.forks) == 1
    pick(c)
    names = c.id, d.id
    abcd.meet()
    assert (c.id, d.id) == names
    abcd.are_one()


def test_the_other_side_goes_on_deciding(abcd: Colos) -> None:
    """What was decided on top of what was overruled falls with it."""
    a, _b, c, d = halves(abcd)
    a.sync(c)
    pick(a)
    d.sync(c)
    d.evict("c")  # it has not heard of the conflict
    abcd.meet()
    abcd.are_one()


def test_three_sides(abcd: Colos) -> None:
    a, b, c, d = abcd.values()
    for kv, others in ((a, "bcd"), (b, "acd"), (c, "ab")):
        for other in others:
            kv.evict(other)
    c.sync(d)
    for kv in abcd.values():
        kv.put(kv.colo, 1)
    for _ in range(4):
        abcd.meet(1)
        pick(next((kv for kv in abcd.values() if kv.forks), a))
    abcd.meet()
    abcd.are_one()
    assert dict(d.items()) == dict.fromkeys("abcd", 1)


def test_one_goes_over_to_the_other_side(abcd: Colos) -> None:
    """Its old side counts it still: the conflict stands there until it comes back, or an operator has picked."""
    a, b, c, _d = abcd.values()
    a.evict("c")
    a.evict("d")
    c.evict("a")
    c.evict("b")
    b.sync(c)  # it has not heard of its own side's eviction
    assert b.colo in {m[0] for m in c.members}
    a.sync(b)
    assert len(a.forks) == len(b.forks) == 1
    pick(a)
    abcd.meet()
    abcd.are_one()


def test_a_conflict_is_over_once_its_acts_have_come_by_another_road(abcd: Colos) -> None:
    """a and c evict each other, and remember it; b takes in both acts. An operator has nothing to decide any more."""
    a, b, c, d = abcd.values()
    a.evict("c")
    c.evict("a")
    a.sync(c)
    assert len(a.forks) == len(c.forks) == 1
    a.sync(b)
    c.sync(d)
    b.sync(d)
    abcd.meet()
    abcd.are_one()


def test_what_was_overruled_does_not_come_by_another_road(abcd: Colos) -> None:
    """As before, but the operator has picked a's side before b and d have met it: they have to return."""
    a, b, c, d = abcd.values()
    a.evict("c")
    c.evict("a")
    a.sync(c)
    pick(a)
    name = a.id
    c.sync(d)
    b.sync(d)
    abcd.meet()
    assert a.id == name
    abcd.are_one()


def test_a_disk_that_is_wiped_again_and_again(abcd: Colos) -> None:
    """It comes back through sponsors that have not heard of each other. Of one colo one is a member."""
    a, b, c, d = abcd.values()
    d.put("first", 1)
    for sponsor in (a, b, c):
        abcd.open("d").sync(sponsor)
        abcd["d"].put(sponsor.colo, 1)
    abcd.meet(1, "abc")
    assert [m[0] for m in a.members] == list("abcd")
    abcd.meet()
    abcd.are_one()
    assert len(a._replica.storage.cells("\x00members")) == 4


def test_the_last_to_join_had_a_sponsor_whose_clock_was_behind(abcd: Colos) -> None:
    """The ghost stands before it: it learns so, and comes back once more."""
    a, b, _c, _d = abcd.values()
    abcd.ms["b"] = -30_000
    abcd.open("d").sync(a)
    abcd.open("d").sync(b)
    abcd["d"].put("mine", 1)
    abcd.meet(2, "abc")
    assert abcd["d"].id not in a.members
    abcd.meet()
    abcd.are_one()
    assert a["mine"] == 1


def test_who_returns_does_not_wait_for_a_ghost(abcd: Colos) -> None:
    """What it wrote is minted anew though a disk of another colo, wiped twice, has left a member behind."""
    a, b, _c, d = abcd.values()
    abcd.open("c").sync(a)
    abcd.open("c").sync(b)
    d.put("mine", 1)
    a.evict("d")
    abcd.meet()
    abcd.are_one()
    assert abcd["c"]["mine"] == 1


def test_a_record_that_evicts_us_is_not_taken(abcd: Colos) -> None:
    """Nobody is told by a message that he is out: he would be one whom nobody has to take back."""
    a, b, _c, _d = abcd.values()
    seen: list[bytes] = []
    a.on_commit.append(lambda record, data: seen.append(data))
    a.evict("b")
    a.put("after", 1)
    said = [exchange.receive(b._replica, decode(data), data).value for data in seen]  # type: ignore[arg-type]
    assert said == ["refused", "waiting"] and b.id in b.members and "after" not in b
    b.put("mine", 1)
    abcd.meet()
    abcd.are_one()
    assert a["mine"] == 1


def test_a_catch_up_from_who_counts_us_no_more_is_not_taken(abcd: Colos) -> None:
    """a has evicted b and forgotten a delete that b's write had not seen: b must not learn of the rest without it."""
    a, b, c, d = abcd.values()
    a.put("s", ["x"], strategy="set?wins=remove")
    abcd.meet(1)
    a.set("s").remove("x")
    abcd.meet(1, "acd")
    b.set("s").add("x")
    a.evict("b")
    for _ in range(3):
        abcd.now += 1_000
        abcd.meet(1, "acd")
        assert [kv.compact() >= 0 for kv in (a, c, d)]
    assert a._replica.storage.cells("s") == {}
    made = encode(cutting.catch_up(a._replica, b.vector))
    assert exchange.absorb(b._replica, decode(made)).value == "refused"  # type: ignore[arg-type]
    abcd.meet()
    abcd.are_one()


def test_the_floor_waits_for_who_has_not_heard_of_an_eviction(abcd: Colos) -> None:
    """a forgets a delete only when nobody takes anything from b any more, which has not seen it."""
    a, b, c, d = abcd.values()
    a.put("s", ["x", "y"], strategy="set?wins=remove")
    abcd.meet(1)
    a.set("s").remove("x")
    for _ in range(2):
        abcd.now += 1_000
        abcd.meet(1, "acd")
        for kv in (c, d):
            arrive(b, kv)
        abcd.meet(1, "acd")
    b.set("s").add("x")
    a.evict("b")
    assert a.compact() == 0
    arrive(b, c)
    a.sync(c)
    assert a["s"] == c["s"] == ["y"]
    abcd.meet()
    abcd.are_one()


def arrive(source: crdtkv.Store, target: crdtkv.Store) -> None:
    """A catch-up, one way."""
    made = cutting.catch_up(source._replica, target.vector)
    assert exchange.absorb(target._replica, made).value in ("absorbed", "known")


@pytest.mark.parametrize("kind", ["set", "list"])
def test_what_was_deleted_before_it_could_be_minted_anew(abcd: Colos, kind: str) -> None:
    """c has what d added, and takes it away; d, evicted by a, returns to a: it does not bring it back."""
    a, b, c, d = abcd.values()
    a.put("k", ["s"], strategy=kind)
    abcd.meet(1)
    (d.set("k").add("x") if kind == "set" else d.list("k").append("x"))
    d.sync(c)
    (c.set("k").remove("x") if kind == "set" else c.list("k").remove(1))
    a.evict("d")
    a.sync(d)
    a.sync(b)
    b.sync(d)
    assert d._replica.state.pending
    abcd.meet()
    abcd.are_one()
    assert b["k"] == ["s"]


def test_each_knows_a_ghost_of_the_other_that_stands_before_it(abcd: Colos) -> None:
    """Neither could take in the other as it is; the two alone find together."""
    a, b, c, d = abcd.values()
    abcd.ms["a"] = 20_000
    abcd.open("c").sync(a)
    abcd.open("c").sync(b)
    abcd.ms["b"] = 40_000
    abcd.open("d").sync(b)
    abcd["c"].sync(b)
    abcd.open("d").sync(a)
    c, d = abcd["c"], abcd["d"]
    c.put("c", 1)
    d.put("d", 1)
    for kv in (c, d):
        kv._replica.recent.clear()  # as after a restart: no single record tells the one of the other
    for _ in range(3):
        c.sync(d)
    assert c.vector == d.vector and {c.id, d.id} <= set(c.members) and c.members == d.members
    abcd.ms.update(a=0, b=0)
    abcd.now += 60_000
    abcd.meet()
    abcd.are_one()
    assert (a["c"], a["d"]) == (1, 1)


@pytest.mark.parametrize("purged", [False, True])
@pytest.mark.parametrize("kind", ["set?wins=remove", "set", "list", "json", "json?wins=delete", "counter", "lww"])
def test_what_is_minted_anew_shows_the_same_where_the_delete_is_forgotten(
    abcd: Colos, kind: str, purged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """d edits what the others delete, is evicted, and returns: to all it is the same, whoever has purged before."""
    a, _b, c, d = abcd.values()
    values: dict[str, Any] = {"counter": 3, "lww": 1, "list": ["x", "y"], "set": ["x", "y"]}
    whole = {"in": {"x": 1, "y": [1, 2]}, "out": 1}
    a.put("k", values.get(kind.split("?")[0], whole), strategy=kind)
    abcd.meet(1)
    acts: dict[str, tuple[Callable[[crdtkv.Store], Any], Callable[[crdtkv.Store], Any]]] = {
        "set": (lambda kv: kv.set("k").remove("x"), lambda kv: kv.set("k").add("x")),
        "list": (lambda kv: kv.list("k").remove(0), lambda kv: (kv.list("k").set(0, "z"), kv.list("k").move(0, 1))),
        "json": (lambda kv: kv.json("k").at("/in").delete(), lambda kv: kv.json("k").at("/in/x").put(2)),
        "counter": (lambda kv: kv.delete("k"), lambda kv: kv.counter("k").add(1)),
        "lww": (lambda kv: kv.delete("k"), lambda kv: kv.put("k", 2)),
    }
    delete, edit = acts[kind.split("?")[0]]
    delete(a)
    edit(d)
    d.set("other").add(1)
    a.evict("d")
    abcd.meet(2, "abc")
    with monkeypatch.context() as patch:
        patch.setattr(pending, "remint", lambda *args: 0)
        d.sync(c)
        for _ in range(2):
            abcd.now += 1_000
            abcd.meet(1)
    d.sync(c)
    assert not d._replica.state.pending
    if purged:
        assert a.compact() > 0  # before it hears of what was minted anew
    abcd.meet()
    abcd.are_one()
    assert a["other"] == [1]


def test_the_last_member_cannot_leave(opened: Any) -> None:
    """Nobody would be left who can write, or let it in again."""
    lhr, sin = opened("lhr"), opened("sin")
    lhr.sync(sin)
    with pytest.raises(Refused, match="is the only member") as caught:
        opened("gru").leave()
    assert caught.value.happened == "no" and caught.value.next_step
    sin.leave()
    lhr.sync(sin)
    with pytest.raises(Refused, match="is the only member"):
        lhr.leave()
    assert lhr.put("k", 1).value == 1 and lhr.members == [lhr.id]


@interpreted
def test_what_waits_is_minted_anew_in_one_commit() -> None:
    """Two stores become one in as many commits, whether one brings three transactions or forty."""
    commits = []
    for count in (3, 40):
        lhr, sin = (crdtkv.open(":memory:", colo=colo) for colo in ("lhr", "sin"))
        for i in range(50):
            lhr.put(f"old/{i}", i)
        for i in range(count):
            sin.put(f"new/{i}", i)
        with patch.object(sin._replica.storage, "commit", side_effect=sin._replica.storage.commit) as commit:
            assert lhr.sync(sin).equal
        assert [lhr[f"new/{i}"] for i in range(count)] == list(range(count))
        assert len(sin._replica.recent) >= count  # each is a record of its own
        commits.append(commit.call_count)
    assert commits[0] == commits[1]
