"""sync, members, evict, leave, close: stores that meet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, ClockAhead, MembershipConflict, NotAMember, StoreClosed

Opened = Callable[..., crdtkv.Store]


def test_an_empty_one_joins(opened: Opened) -> None:
    lhr, sin = opened("lhr"), opened("sin")
    lhr.put("a", 1)
    report = sin.sync(lhr)
    assert report.equal and report.refused == () and report.bytes > 0 and report.rounds >= 1
    assert lhr.members == sin.members and len(lhr.members) == 2
    assert sin["a"] == 1 and lhr.vector == sin.vector and lhr.digest() == sin.digest()


def test_both_hold_data(opened: Opened) -> None:
    """The one with fewer writes joins; what it wrote is minted anew, and nothing is lost."""
    lhr, sin = opened("lhr"), opened("sin")
    for i in range(5):
        lhr.put(f"l/{i}", i)
    sin.put("s", {"x": 1}, strategy="json")
    sin.counter("n").add(3)
    lhr.counter("n").add(4)
    sin.set("tags").add("s")
    lhr.set("tags").add("l")
    keeps, renamed = lhr.id, sin.id
    lhr.sync(sin)
    lhr.sync(sin)
    assert lhr.id == keeps and sin.id != renamed
    for kv in (lhr, sin):
        assert kv["n"] == 7 and kv["tags"] == ["l", "s"] and kv["s"] == {"x": 1} and len(kv) == 8


def test_who_is_in_quarantine_is_told(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """A bit of a digest rots at one: both say so in the report, look through what they hold, and are right again."""
    lhr, sin = pair
    held = dict(sin.items())
    sin._replica.state.digest ^= 1
    report = lhr.sync(sin)
    assert report.repairs and len(report.quarantined) == 2
    assert f"{sin.id} is in quarantine at {lhr.id}: digest" in report.quarantined[0]
    report = lhr.sync(sin)
    assert report.equal and report.quarantined == () and not report.repairs
    assert lhr.check() == sin.check() == [] and dict(sin.items()) == held


def test_nothing_to_do(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    lhr.sync(sin)
    vector = lhr.vector
    report = lhr.sync(sin)
    assert (report.records, report.cells, report.equal) == (0, 0, True) and lhr.vector == vector


def test_few_writes_go_as_records_many_as_a_catch_up(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    lhr.sync(sin)
    for i in range(10):
        lhr.put("a", i)
    assert lhr.sync(sin).records == 10
    for _ in range(300):
        lhr.counter("n").add(1)
    report = lhr.sync(sin)
    assert report.records == 0 and 1 <= report.cells <= 5
    assert sin["n"] == 300


def test_sync_with_oneself_or_what_is_no_store(kv: crdtkv.Store) -> None:
    with pytest.raises(BadRequest, match="cannot sync with itself"):
        kv.sync(kv)


def test_sync_of_different_namespaces_by_name(opened: Opened) -> None:
    """Stores opened for different namespaces do not become one by a slip."""
    shop, blog = opened("lhr", namespace="shop"), opened("sin", namespace="blog")
    shop.put("a", 1)
    with pytest.raises(crdtkv.CrdtkvError) as caught:
        shop.sync(blog)
    assert "shop" in str(caught.value) and "blog" in str(caught.value)


def test_vector_and_members_are_copies(kv: crdtkv.Store) -> None:
    kv.put("a", 1)
    kv.vector.clear()
    kv.members.clear()
    assert kv.vector == {kv.id: 2} and kv.members == [kv.id]


def test_leave(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """It stays readable, takes no more writes, and the others need not wait for it."""
    lhr, sin = pair
    sin.put("a", 1)
    sin.leave()
    assert sin["a"] == 1
    with pytest.raises(NotAMember) as caught:
        sin.put("b", 1)
    assert sin.id in str(caught.value) and caught.value.happened == "no"
    lhr.sync(sin)
    assert lhr["a"] == 1


def test_evict(opened: Opened) -> None:
    lhr, sin, gru = opened("lhr"), opened("sin"), opened("gru")
    lhr.sync(sin)
    lhr.sync(gru)
    out = lhr.evict("gru")
    assert out == [gru.id] and gru.id not in lhr.members
    with pytest.raises(NotAMember, match="'gru'; members are at lhr, sin"):
        lhr.evict("gru")
    with pytest.raises(NotAMember):
        lhr.evict("lhr")
    with pytest.raises(MembershipConflict, match="'x'; open are none"):
        lhr.resolve("x")
    gru.put("mine", 1)
    for _ in range(3):
        lhr.sync(sin)
        sin.sync(gru)
        lhr.sync(gru)
    assert lhr["mine"] == 1 and len(lhr.members) == 3 and out[0] not in lhr.members


def test_an_evicted_one_may_be_evicted_by_its_id(opened: Opened) -> None:
    lhr, sin = opened("lhr"), opened("sin")
    lhr.sync(sin)
    assert lhr.evict(sin.id) == [sin.id]


@pytest.mark.parametrize("seed", range(3))
def test_who_starts_makes_no_difference(opened: Opened, seed: int) -> None:
    results = []
    for turn in (False, True):
        a, b = opened(f"a{seed}{int(turn)}"), opened(f"b{seed}{int(turn)}")
        a.sync(b)
        version = a.put("l", [1, 2, 3], strategy="json").version
        a.sync(b)
        a.put("l", [1, 3], base=version)
        b.put("l", [1, 2, 3, 4], base=version)
        (b.sync(a) if turn else a.sync(b))
        results.append((a["l"], b["l"]))
    assert results == [([1, 3, 4], [1, 3, 4])] * 2


def test_close(opened: Opened) -> None:
    kv = opened("lhr")
    other = opened("sin")
    kv.put("a", 1)
    kv.close()
    kv.close()
    acts: list[Callable[[], Any]] = [
        lambda: kv.put("a", 2),
        lambda: kv.get("a"),
        lambda: kv["a"],
        lambda: list(kv),
        lambda: kv.scan(),
        lambda: len(kv),
        lambda: kv.delete("a"),
        lambda: kv.history("a"),
        lambda: kv.blame("a"),
        lambda: kv.watch(),
        lambda: kv.sync(other),
        lambda: other.sync(kv),
        lambda: kv.compact(),
        lambda: kv.counter("n").add(1),
        lambda: kv.counter("n").value,
        lambda: kv.rules.set("a", "set"),
        lambda: kv.transaction().__enter__(),
        lambda: kv.leave(),
        lambda: kv.evict("sin"),
        lambda: "a" in kv,
        lambda: kv.diff("a", None),
        lambda: kv.expire("a", 1),
        lambda: kv.patch("a", {}),
        lambda: kv.set("s").remove("x"),
        lambda: kv.get_many(["a"]),
        lambda: kv.conflicts(),
        lambda: kv.check(),
        lambda: kv.vector,
        lambda: kv.members,
        lambda: kv.digest(),
        lambda: kv.floor,
        lambda: kv.forks,
        lambda: kv.rules.all(),
        lambda: kv.rules.of("a"),
        lambda: kv.rules.remove("a"),
        lambda: kv.rules.migrate(),
        lambda: list(kv.keys()),
        lambda: list(kv.items()),
        lambda: kv.pop("a", None),
        lambda: kv.clear(),
        lambda: next(iter(kv.set("s"))),
    ]
    assert repr([kv, kv.keys(), kv.items(), kv.values(), kv.set("s")])
    for act in acts:
        with pytest.raises(StoreClosed) as caught:
            act()
        assert caught.value.happened == "no" and "'lhr'" in str(caught.value)


def test_with_closes(opened: Opened) -> None:
    with opened("lhr") as kv:
        kv.put("a", 1)
    with pytest.raises(StoreClosed):
        kv.get("a")
    assert "lhr~" in repr(kv)


@pytest.mark.parametrize("colo", ["", "LHR", "l r", "a" * 33, "-a", "a-", "a~b", 7, None, "é"])
def test_a_colo_that_is_none(colo: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        crdtkv.open(colo=colo)
    assert repr(colo) in str(caught.value)


def test_listeners_are_told_of_all_that_is_minted_here(opened: Opened, clock: Any) -> None:
    """Each transaction once and in order: also what an exchange, an operator and a compaction mint."""
    told: dict[str, list[Any]] = {}
    stores = [opened(colo) for colo in ("lhr", "sin", "gru")]
    for kv in stores:
        kv.on_commit.append(lambda record, data, colo=kv.colo: told.setdefault(colo, []).append(record.dot))
    lhr, sin, gru = stores
    lhr.sync(sin)
    lhr.sync(gru)
    sin.sync(gru)
    lhr.counter("n").add(1, idempotency_key="x")
    lhr.evict("gru")
    gru.put("mine", 1)
    for _ in range(4):
        for a, b in ((lhr, sin), (sin, gru), (gru, lhr)):
            a.sync(b)
        clock.now += 25 * 3600
        for kv in stores:
            kv.compact()
    assert "mine" in lhr
    for kv in stores:
        numbers = [n for id, n in told[kv.colo] if id == kv.id]
        assert numbers == list(range(numbers[0], kv.vector[kv.id] + 1)) and numbers
    assert len(told["lhr"]) > 3


def test_a_listener_may_write(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """After a commit, and after an exchange: what it writes is the next transaction."""
    lhr, sin = pair
    told: list[Any] = []

    def listen(record: Any, data: bytes) -> None:
        told.append(record.dot[1])
        if len(told) < 3:
            lhr.put(f"told/{len(told)}", 1)

    lhr.on_commit.append(listen)
    lhr.put("a", 1)
    assert told == list(range(told[0], told[0] + 3)) and list(lhr.keys("told/")) == ["told/1", "told/2"]
    told.clear()
    gru = crdtkv.open(colo="gru")
    assert lhr.sync(gru).equal
    assert lhr.sync(sin).equal and dict(lhr) == dict(sin)


def test_a_clock_that_is_set_forward_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own clock: the steady one beside it is not set."""
    with crdtkv.open(colo="lhr") as lhr, crdtkv.open(colo="sin") as sin:
        lhr.sync(sin)
        lhr.put("k", 1)
        monkeypatch.setattr(time, "time", lambda real=time.time: real() + 300)
        with pytest.raises(ClockAhead, match=r"30\d{4} ms ahead|29\d{4} ms ahead"):
            lhr.put("k", 2)
        monkeypatch.undo()
        lhr.put("k", 3)
        assert lhr["k"] == 3
