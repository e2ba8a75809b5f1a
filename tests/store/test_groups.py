"""Writes of many threads that share one commit."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from copy import copy
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.core.versions import parse_version
from crdtkv.errors import BadRequest, Overloaded, PreconditionFailed, StorageFailed, StoreClosed, WrongOperation
from crdtkv.storage import checkpoint
from crdtkv.storage.memory import MemoryStorage
from crdtkv.store.group import MAX_GROUP, Turn
from crdtkv.store.writer import Open
from crdtkv.strategies.base import Operation
from tests.compiled import interpreted, of_source
from tests.threads import at_once, puts_at_once


class Commits:
    """Counts the commits of a store; each after the first `good` ones raises `fault`."""

    def __init__(self, kv: crdtkv.Store, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.good = 1_000
        self.fault: BaseException = StorageFailed("the disk is full; nothing was written", happened="no")
        storage = kv._replica.storage
        real = storage._save  # type: ignore[attr-defined]

        def save(changed: Any) -> None:
            if self.count >= self.good:
                raise copy(self.fault)
            self.count += 1
            real(changed)

        if type(storage) is MemoryStorage:
            of_source()
        patch.setattr(storage, "_save", save)


@pytest.fixture
def commits(kv: crdtkv.Store, monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(kv, monkeypatch)


def test_they_share_one(kv: crdtkv.Store, commits: Commits) -> None:
    told: list[int] = []
    kv.on_commit.append(lambda record, data: told.append(record.dot[1]))
    receipts = at_once(kv, *[lambda i=i: kv.put(f"k{i}", [i]) for i in range(20)])
    assert commits.count == 3, "that of the transaction they waited for, of the first, and of the others"
    assert [(r.value, kv[f"k{i}"]) for i, r in enumerate(receipts)] == [([i], [i]) for i in range(20)]
    numbers = [parse_version(r.key, r.version)[kv.id] for r in receipts]
    assert numbers == told == list(range(numbers[0], numbers[0] + 20)), "each is a transaction of its own"


def test_each_sees_what_those_before_it_did(kv: crdtkv.Store) -> None:
    """Also of one key, and of one element: as if they had come one by one."""
    found = at_once(
        kv, lambda: kv.list("l").append("x").value, lambda: kv.list("l").append("y").value,
        lambda: kv.put("l", ["y"]).value, lambda: kv.counter("n").add(1).value,
        lambda: kv.counter("n").add(1).value, lambda: kv.pop("l"),
    )  # fmt: skip
    assert found == [["x"], ["x", "y"], ["y"], 1, 2, ["y"]]
    assert "l" not in kv and kv["n"] == 2


def test_the_records_are_those_of_writes_one_by_one(clock: Callable[[], float]) -> None:
    def written(together: bool) -> list[bytes]:
        kv = crdtkv.open(colo="lhr", clock=lambda: 1_767_261_600.0, random=random.Random(1))
        made: list[bytes] = []
        kv.put("a", [0])
        kv.on_commit.append(lambda record, data: made.append(data))
        acts = [lambda: kv.put("a", [1]), lambda: kv.set("s").add("x"), lambda: kv.put("b", 2), lambda: kv.delete("a")]
        if together:
            at_once(kv, *acts)
        else:
            with kv.transaction():
                pass
            for act in acts:
                act()
        return made

    assert written(together=True) == written(together=False) != []


def test_what_one_asks_for_wrongly_is_undone_alone(kv: crdtkv.Store, commits: Commits) -> None:
    kv.put("n", 1, strategy="counter")
    half = {"half": 1, "n": "no number"}
    a, b, c, d = at_once(
        kv, lambda: kv.put("a", 1), lambda: kv.update(half), lambda: kv.put("b", 2, if_version="x"),
        lambda: kv.counter("n").add(3),
    )  # fmt: skip
    assert isinstance(b, crdtkv.CrdtkvError) and isinstance(c, BadRequest | PreconditionFailed)
    assert (a.value, d.value, commits.count) == (1, 4, 4)
    assert dict(kv) == {"a": 1, "n": 4}
    n = kv.vector[kv.id]
    assert parse_version("n", d.version)[kv.id] == n and parse_version("a", a.version)[kv.id] == n - 1


def test_nothing_is_committed_where_all_are_wrong(kv: crdtkv.Store, commits: Commits) -> None:
    wrong = at_once(kv, lambda: kv.put("a", 1, if_version=None) and kv.put("a", 2, if_version=None), *[
        lambda: kv.operate("a", "set", "spin") for _ in range(3)
    ])  # fmt: skip
    assert isinstance(wrong[0], PreconditionFailed) and all(isinstance(w, WrongOperation) for w in wrong[1:])
    assert dict(kv) == {"a": 1}
    before = commits.count
    wrong = at_once(kv, *[lambda: kv.operate("a", "set", "spin") for _ in range(3)])
    assert all(isinstance(w, WrongOperation) for w in wrong) and commits.count == before + 1


def test_all_are_told_when_the_commit_fails(kv: crdtkv.Store, commits: Commits) -> None:
    kv.put("a", 1)
    vector, commits.good = kv.vector, commits.count + 1
    errors = at_once(kv, *[lambda i=i: kv.put(f"k{i}", i) for i in range(5)])
    assert all(isinstance(e, StorageFailed) and e.happened == "no" for e in errors)
    assert len({id(e) for e in errors}) == 5
    assert dict(kv) == {"a": 1} and kv.vector == vector
    commits.good = 1_000
    made: list[Any] = []
    kv.on_commit.append(lambda record, data: made.append(record))
    kv.put("b", 2)
    assert made[0].dot == (kv.id, vector[kv.id] + 1) and made[0].needs == {}, "what was undone was not said"


def test_who_leads_is_interrupted(kv: crdtkv.Store, commits: Commits) -> None:
    """The others are told what is known, and the next group is led."""
    commits.good, commits.fault = commits.count + 1, KeyboardInterrupt()
    alone, led, *others = at_once(kv, *[lambda i=i: kv.put(f"k{i}", i) for i in range(5)])
    assert isinstance(alone, KeyboardInterrupt) and isinstance(led, KeyboardInterrupt)
    assert all(isinstance(e, StorageFailed) and e.happened == "unknown" and "interrupted" in str(e) for e in others)
    commits.good = 1_000
    assert dict(kv) == {} and kv.put("a", 1).value == 1


def test_more_than_a_group_holds(kv: crdtkv.Store, commits: Commits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crdtkv.store.group.MAX_GROUP", 3)
    at_once(kv, *[lambda i=i: kv.put(f"k{i}", i) for i in range(8)])
    assert len(kv) == 8 and commits.count == 1 + 1 + 3 and MAX_GROUP > 8


def test_a_listener_writes(kv: crdtkv.Store) -> None:
    """In the thread that leads, after the commit: it waits for nobody."""
    kv.on_commit.append(lambda record, data: None if "seen" in kv else kv.__setitem__("seen", record.dot[1]))
    at_once(kv, lambda: kv.put("a", 1), lambda: kv.put("b", 2))
    assert sorted(kv) == ["a", "b", "seen"]


@interpreted
def test_who_waits_is_interrupted(kv: crdtkv.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for nothing more, and hands on what it was to lead."""
    wait = Turn.wait

    def interrupted(turn: Turn[Any]) -> None:
        wait(turn)
        if turn.act is second.act:
            raise KeyboardInterrupt

    monkeypatch.setattr("crdtkv.store.group.MAX_GROUP", 1)
    monkeypatch.setattr(Turn, "wait", interrupted)
    second = Turn(lambda draft: draft.operate("second", Operation("put", (1,))))
    puts = [lambda i=i: kv.put(f"k{i}", i) for i in range(3)]
    found = at_once(kv, puts[0], lambda: kv._writer.group.run(second.act), *puts[1:])
    assert isinstance(found[1], KeyboardInterrupt)
    assert sorted(kv) == ["k0", "k1", "k2"]
    assert not kv._writer.group._led and not kv._writer.group._waiting


@interpreted
@pytest.mark.parametrize("how", ["put", "transaction"])
def test_an_interrupt_as_a_write_ends_holds_up_nobody(
    kv: crdtkv.Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It comes before the first line of what ends a `with` block: nothing is written, and others go on."""

    def act() -> None:
        if how == "put":
            kv.put("a", 1)
        else:
            with kv.transaction() as t:
                t.put("a", 1)

    def interrupt(opened: Any, *given: Any) -> None:
        monkeypatch.setattr(Open, "__exit__", whole)
        raise KeyboardInterrupt

    whole = Open.__exit__
    monkeypatch.setattr(Open, "__exit__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        act()
    other = threading.Thread(target=lambda: kv.put("b", 2), daemon=True)
    other.start()
    other.join(10)
    assert dict(kv) == {"b": 2} and kv.put("c", 3)


# what no thread waits for


def test_what_is_submitted_shares_a_commit(kv: crdtkv.Store, commits: Commits) -> None:
    with kv.transaction():
        futures = [kv.submit(lambda t, i=i: t.put(f"k{i}", i).version) for i in range(50)]
        wrong = kv.submit(lambda t: t.put("a", 1, if_version="x"))
        assert not any(f.done() for f in futures)
    assert len({f.result() for f in futures}) == len(kv) == 50
    assert isinstance(wrong.exception(), crdtkv.CrdtkvError)
    assert commits.count == 2


def test_a_turn_of_an_event_loop_is_one_commit(kv: crdtkv.Store, commits: Commits) -> None:
    """Done in the order they were asked for, and each is told of its own."""
    told: list[int] = []

    async def add() -> int:
        receipt = await kv.asubmit(lambda t: t.counter("n").add(1))
        told.append(receipt.value)
        return told[-1]

    async def main(count: int) -> list[int | BaseException]:
        wrong = kv.asubmit(lambda t: t.put("wrong", object()))
        return await asyncio.gather(*(add() for _ in range(count)), wrong, return_exceptions=True)

    *added, wrong = asyncio.run(main(50))
    assert added == sorted(told) == list(range(1, 51)) and isinstance(wrong, BadRequest)
    assert kv["n"] == 50 and commits.count == 1
    *added, _ = asyncio.run(main(1))  # another event loop
    assert added == [51] and commits.count == 2


def test_small_puts_of_a_server_share_a_transaction(kv: crdtkv.Store, commits: Commits) -> None:
    """As long as their keys differ; what reads and is replicated is as if they had come one by one."""
    told: list[Any] = []
    kv.on_commit.append(lambda record, data: told.append(record))
    puts = [(f"k{i % 5}", i, None) for i in range(12)]
    made = puts_at_once(kv, puts)
    assert commits.count == 1 and [len(record.writes) for record in told] == [5, 5, 2]
    assert dict(kv) == {"k0": 10, "k1": 11, "k2": 7, "k3": 8, "k4": 9}
    assert [r.value for r in made] == list(range(12)) and len({r.version for r in made}) == 12
    assert [e.version for e in kv.history("k0")] == [made[i].version for i in (0, 5, 10)]
    other = crdtkv.open(colo="sin")
    other.sync(kv)
    assert dict(other) == dict(kv) and other.get("k0").version == made[10].version


def test_what_is_large_or_names_no_key_shares_none(kv: crdtkv.Store) -> None:
    told: list[Any] = []
    kv.on_commit.append(lambda record, data: told.append(record))
    puts_at_once(kv, [(f"k{i}", i, None) for i in range(3)], small=False)
    assert [len(record.writes) for record in told] == [1, 1, 1]


def test_of_puts_that_share_a_transaction_each_is_refused_alone(kv: crdtkv.Store, commits: Commits) -> None:
    """What is wrong with it, and where there is no room for all."""
    kv["there"] = 0
    wrong = puts_at_once(kv, [("a", 1, None), ("b", object(), None), ("there", 1, "set"), ("c", 1, "no-strategy")])
    assert wrong[0].value == 1 and [type(e).__name__ for e in wrong[1:]] == [
        "ValueInvalid", "StrategyMismatch", "UnknownStrategy",
    ]  # fmt: skip
    assert dict(kv) == {"a": 1, "there": 0} and commits.count == 2 and kv.get("a").version == wrong[0].version
    commits.good = commits.count
    assert all(isinstance(e, StorageFailed) for e in puts_at_once(kv, [("a", 2, None), ("d", 2, None)]))
    assert dict(kv) == {"a": 1, "there": 0}


def test_who_stops_waiting_in_an_event_loop_does_not_stop_what_is_done(kv: crdtkv.Store) -> None:
    async def main() -> int:
        given_up = kv.asubmit(lambda t: t.put("a", 1))
        given_up.cancel()
        receipt = await kv.asubmit(lambda t: t.put("b", 2))
        assert given_up.cancelled()
        return int(receipt.value)

    assert asyncio.run(main()) == 2 and dict(kv) == {"a": 1, "b": 2}


def test_an_event_loop_that_asks_for_too_much_is_told_of_what_is_refused(
    kv: crdtkv.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crdtkv.store.group.MAX_WAITING", 3)

    async def main() -> list[Any]:
        writes = (kv.asubmit(lambda t, i=i: t.put(f"k{i}", i).value) for i in range(5))
        return await asyncio.gather(*writes, return_exceptions=True)

    *done, fourth, fifth = asyncio.run(main())
    assert done == [0, 1, 2] and sorted(kv) == ["k0", "k1", "k2"]
    assert all(isinstance(e, Overloaded) and e.happened == "no" for e in (fourth, fifth)) and fourth is not fifth


def test_what_an_event_loop_asked_for_before_the_store_was_closed_is_told(kv: crdtkv.Store) -> None:
    others = set(threading.enumerate())

    async def main() -> None:
        written = kv.asubmit(lambda t: t.put("a", 1))
        kv.close()
        with pytest.raises(StoreClosed):
            await written
        with pytest.raises(StoreClosed):
            kv.asubmit(lambda t: t.put("a", 1))

    asyncio.run(main())
    for thread in [each for each in set(threading.enumerate()) - others if each.name == "crdtkv-commits"]:
        thread.join(10)
        assert not thread.is_alive()


def test_what_is_cancelled_in_time_is_not_done(kv: crdtkv.Store) -> None:
    with kv.transaction():
        futures = [kv.submit(lambda t, i=i: t.put(f"k{i}", i)) for i in range(4)]
        assert futures[0].cancel() and futures[2].cancel()
    assert [f.result().value for f in (futures[1], futures[3])] == [1, 3]
    assert sorted(kv) == ["k1", "k3"]


def test_what_fails_is_told_although_the_one_who_was_to_lead_is_cancelled(kv: crdtkv.Store) -> None:
    with kv.transaction():
        lead, wrong = kv.submit(lambda t: t.put("a", 1)), kv.submit(lambda t: t.counter("b").add(0.5))
        assert lead.cancel()
    with pytest.raises(crdtkv.CrdtkvError):
        wrong.result()
    assert list(kv) == []


def test_more_than_may_wait_is_refused(kv: crdtkv.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crdtkv.store.group.MAX_WAITING", 3)
    with kv.transaction():
        futures = [kv.submit(lambda t: t.counter("n").add(1)) for _ in range(3)]
        with pytest.raises(Overloaded, match="3 writes wait for a commit already; at most 3") as told:
            kv.submit(lambda t: t.counter("n").add(1))
        assert told.value.happened == "no"
    assert futures[-1].result().value == 3


def test_what_cannot_be_called_is_refused_at_once(kv: crdtkv.Store) -> None:
    with pytest.raises(BadRequest, match="'hello' cannot be called"):
        kv.submit("hello")  # type: ignore[arg-type]


def test_what_waits_when_the_store_is_closed_is_told(kv: crdtkv.Store) -> None:
    """From a listener, since nobody else may close it while a write waits: what had no turn yet has none."""
    submitted: list[Any] = []

    def close(record: Any, data: bytes) -> None:
        submitted.extend(kv.submit(lambda t, i=i: t.put(f"k{i}", i)) for i in range(3))
        kv.close()

    kv.on_commit.append(close)
    kv.put("a", 1)
    assert [type(f.exception()) for f in submitted] == [StoreClosed] * 3
    with pytest.raises(StoreClosed):
        kv.submit(lambda t: None)


def test_what_fails_in_the_commit_is_told(kv: crdtkv.Store, commits: Commits) -> None:
    commits.good = commits.count + 1
    with kv.transaction():
        futures = [kv.submit(lambda t, i=i: t.put(f"k{i}", i)) for i in range(3)]
    assert all(isinstance(f.exception(), StorageFailed) for f in futures) and dict(kv) == {}
    alone = kv.submit(lambda t: t.put("a", 1))
    assert isinstance(alone.exception(), StorageFailed)
    commits.good = 1_000
    assert kv.submit(lambda t: t.put("a", 1)).result().value == 1


@interpreted
def test_who_waits_is_told_before_the_tables_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of a checkpoint takes as long as a commit, or longer."""
    monkeypatch.setattr(checkpoint, "JOURNAL_BYTES", 1)
    with crdtkv.open(tmp_path / "a.db", colo="lhr") as kv:
        storage, followed = kv._replica.storage, threading.Event()
        kv.put("first", 1)
        told: list[bool] = []
        real = storage.keep_up

        def keep_up() -> None:
            told.append(all(future.done() for future in futures))
            real()
            followed.set()

        monkeypatch.setattr(storage, "keep_up", keep_up)
        with kv._writer.lock:
            futures = [kv.submit(lambda t, i=i: t.put(f"k{i}", i)) for i in range(3)]
        assert followed.wait(60) and told == [True] and not storage.owing
        with closing(sqlite3.connect(tmp_path / "a.db")) as db:
            assert db.execute("SELECT count(*) FROM kv").fetchone() == (4,)


def test_what_a_commit_left_is_done_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it tells nobody, and so does not do it itself."""
    monkeypatch.setattr(checkpoint, "JOURNAL_BYTES", 1)
    with crdtkv.open(tmp_path / "a.db", colo="lhr") as kv, closing(sqlite3.connect(tmp_path / "a.db")) as db:
        storage, found = kv._replica.storage, []
        kv.put("first", 1)
        for key in ("a", "b"):
            with kv.transaction() as t:
                t.put(key, 1)
            found.append((storage.owing, [key for (key,) in db.execute("SELECT key FROM kv")]))
    assert found == [(True, ["first"]), (False, ["a", "b", "first"])]
