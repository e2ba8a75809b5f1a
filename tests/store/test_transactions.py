"""Transactions: all or nothing, here and elsewhere; and several threads on one store."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, PreconditionFailed, StorageFailed, StoreClosed, ValueInvalid, WrongType
from tests.compiled import interpreted


class GivenUp(Exception):
    pass


def test_one_transaction_one_dot(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """All of it is one record, absorbed at once elsewhere."""
    lhr, sin = pair
    records: list[Any] = []
    lhr.on_commit.append(lambda record, data: records.append(record))
    n = lhr.vector.get(lhr.id, 0)
    with lhr.transaction() as t:
        t.put("a", 1)
        t["b"] = 2
        t.counter("n").add(3)
        t.json("doc").at("/x").put(1)
        t.delete("a")
    assert lhr.vector[lhr.id] == n + 1 and len(records) == 1
    lhr.sync(sin)
    assert dict(sin.items()) == {"b": 2, "n": 3, "doc": {"x": 1}}


def test_a_delete_on_a_base_from_before_it(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """A delete takes what its base showed; what the transaction itself added since then counts on, everywhere."""
    lhr, sin = pair
    base = lhr.counter("n").add(-1).version
    with lhr.transaction() as t:
        t.counter("n").add(-2)
        t.delete("n", base=base)
        assert t["n"] == -2
    lhr.sync(sin)
    sin.delete("n")
    assert sin.put("n", 8, strategy="counter").value == 8


def test_it_reads_what_it_wrote(kv: crdtkv.Store) -> None:
    """In the transaction everything is there; outside nothing until it ends."""
    kv.put("a", 1)
    with kv.transaction() as t:
        t.put("a", 2)
        t.put("b", 3)
        assert t["a"] == 2 and t.get("b").value == 3 and len(t) == 2 and list(t) == ["a", "b"]  # type: ignore[union-attr]
        assert [e.key for e in t.scan(prefix="b")] == ["b"]
        assert t.get_many(["a"])["a"].value == 2  # type: ignore[union-attr]
        del t["a"]
        assert "a" not in t and t.keys("a") is not None and list(t.keys("a")) == []
    assert dict(kv.items()) == {"b": 3}


def test_the_receipts_in_it_are_right(kv: crdtkv.Store) -> None:
    with kv.transaction() as t:
        first = t.put("doc", {"a": 1}, strategy="json")
        second = t.put("doc", {"a": 1, "b": 2})
        other = t.put("other", 1)
    assert kv.get("doc").version == second.version  # type: ignore[union-attr]
    assert kv.get("other").version == other.version  # type: ignore[union-attr]
    assert first.value == {"a": 1} and second.value == kv["doc"] == {"a": 1, "b": 2}


def test_its_own_receipts_are_versions_in_it(kv: crdtkv.Store) -> None:
    """What it wrote can be read at, patched against and put against the version that it got."""
    with kv.transaction() as t:
        version = t.put("doc", {"a": 1}, strategy="json").version
        assert t.get("doc", at=version).value == {"a": 1}  # type: ignore[union-attr]
        assert t.patch("doc", {"b": 2}, base=version).value == {"a": 1, "b": 2}
        assert t.json("doc").at("/b").put(3, base=version).value == {"a": 1, "b": 3}
        assert t.get("doc").version == version  # type: ignore[union-attr]
    assert kv["doc"] == {"a": 1, "b": 3} and kv.get("doc", at=version).value == kv["doc"]  # type: ignore[union-attr]


def test_what_other_threads_read_meanwhile(kv: crdtkv.Store) -> None:
    """They wait, and then read what was committed; what was given up they never see."""
    kv.put("a", 1)
    seen: list[Any] = []
    for give_up in (False, True):
        inside = threading.Event()
        thread = threading.Thread(target=lambda inside=inside: (inside.wait(), seen.append(kv["a"])))
        thread.start()
        try:
            with kv.transaction() as t:
                t.put("a", 3 if give_up else 2)
                inside.set()
                if give_up:
                    raise GivenUp
        except GivenUp:
            pass
        thread.join()
    assert seen == [2, 2]


def test_the_store_shows_only_what_is_committed(kv: crdtkv.Store) -> None:
    """In the thread of the transaction the store itself is refused, handles and views too."""
    kv.put("a", 1)
    with kv.transaction() as t:
        t.put("a", 2)
        for read in (
            lambda: kv["a"],
            lambda: kv.counter("n").value,
            lambda: list(kv.keys()),
            lambda: kv.digest(),
            lambda: kv.history("a"),
            lambda: "a" in kv,
            lambda: kv.conflicts(),
        ):
            with pytest.raises(BadRequest, match="use its own methods"):
                read()
        assert kv.vector and kv.members and repr(kv)
    assert kv["a"] == 2


@pytest.mark.parametrize("error", [GivenUp, KeyboardInterrupt, ValueInvalid])
def test_given_up(kv: crdtkv.Store, error: type[BaseException]) -> None:
    """Whatever is raised in the block: nothing of it is left, not a dot, not a cell, and the next write is fine."""
    kv.put("a", {"x": 1}, strategy="json")
    before = (kv.vector, kv.digest(), kv.get("a"), kv.history("a"))
    with pytest.raises(error), kv.transaction() as t:
        t.put("a", {"x": 2})
        t.put("b", 1)
        t.counter("n").add(1)
        t.delete("a")
        raise error("stop")
    assert (kv.vector, kv.digest(), kv.get("a"), kv.history("a")) == before
    assert kv.check() == [] and list(kv) == ["a"]
    assert kv.put("b", 2).value == 2


def test_an_error_of_one_operation_leaves_the_others(kv: crdtkv.Store) -> None:
    """Caught inside, an operation that failed has written nothing, and the rest commits."""
    with kv.transaction() as t:
        t.put("a", 1)
        with pytest.raises(ValueInvalid):
            t.put("b", float("nan"))
        with pytest.raises(WrongType):
            t.put("c", "x", strategy="counter")
        with pytest.raises(PreconditionFailed):
            t.put("a", 2, if_version=None)
        t.put("d", 4)
    assert dict(kv.items()) == {"a": 1, "d": 4}
    assert kv.check() == []


def test_an_operation_that_fails_half_way_writes_nothing(kv: crdtkv.Store) -> None:
    """Also where its ttl is wrong, which is found after the value was written."""
    with kv.transaction() as t:
        t.put("a", 1)
        with pytest.raises(crdtkv.BadRequest):
            t.put("b", 2, ttl=-1)
        with pytest.raises(crdtkv.BadRequest):
            t.patch("a", [{"op": "add", "path": "/x", "value": 1}])
    assert dict(kv.items()) == {"a": 1}


def test_nothing_written_nothing_minted(kv: crdtkv.Store) -> None:
    before = kv.vector
    with kv.transaction():
        pass
    with kv.transaction() as t:
        t.get("a")
        t.delete("a")
    assert kv.vector == before


def test_transactions_do_not_nest(kv: crdtkv.Store) -> None:
    with kv.transaction() as t:
        t.put("a", 1)
        for act in (lambda: kv.put("b", 1), lambda: kv.transaction().__enter__(), kv.leave):
            with pytest.raises(BadRequest, match="a transaction is open"):
                act()
        t.put("c", 1)
    assert list(kv) == ["a", "c"]


def test_what_reads_outside_see_in_the_same_thread(kv: crdtkv.Store) -> None:
    """The store reads its own open transaction in the thread that holds it; no other thread can look in."""
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(kv.get("a")))
    with kv.transaction() as t:
        t.put("a", 1)
        thread.start()
        t.put("a", 2)
    thread.join()
    assert seen[0].value == 2


@pytest.mark.parametrize("act", ["sync", "compact", "rules", "close", "check"])
def test_what_cannot_be_done_in_a_transaction(kv: crdtkv.Store, act: str) -> None:
    """Refused or harmless; in any case the transaction commits whole, or is given up whole."""
    other = crdtkv.open(colo="zrh")
    acts: dict[str, Any] = {
        "sync": lambda: kv.sync(other),
        "compact": kv.compact,
        "rules": lambda: kv.rules.set("x", "set"),
        "close": kv.close,
        "check": kv.check,
    }
    committed = False
    try:
        with kv.transaction() as t:
            t.put("a", 1)
            try:
                acts[act]()
            except crdtkv.CrdtkvError as error:
                assert error.happened == "no"
            t.put("b", 2)
        committed = True
    except crdtkv.CrdtkvError as error:
        assert isinstance(error, StoreClosed)
    if act != "close":
        assert committed and kv["a"] == 1 and kv["b"] == 2
        assert kv.check() == []


def test_a_transaction_that_has_ended(kv: crdtkv.Store) -> None:
    with kv.transaction() as t:
        t.put("a", 1)
    with pytest.raises(BadRequest, match="has ended"):
        t.put("a", 2)
    with kv.transaction() as u:
        with pytest.raises(BadRequest, match="has ended"):
            t.put("a", 2)
        u.put("b", 1)
    assert dict(kv.items()) == {"a": 1, "b": 1}


def test_conditions_in_a_transaction(kv: crdtkv.Store) -> None:
    """A condition that fails gives the whole of it up, if it is not caught."""
    version = kv.put("stock", 5).version
    with kv.transaction() as t:
        t.put("stock", 4, if_version=version)
        t.put("order", 1)
    with pytest.raises(PreconditionFailed), kv.transaction() as t:
        t.put("order", 2)
        t.put("stock", 3, if_version=version)
    assert dict(kv.items()) == {"stock": 4, "order": 1}


# threads


def run(*targets: Any) -> list[BaseException]:
    """All at once; what they raised."""
    raised: list[BaseException] = []
    gate = threading.Barrier(len(targets))

    def go(target: Any) -> None:
        try:
            gate.wait()
            target()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=go, args=(t,)) for t in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_threads_that_count(kv: crdtkv.Store) -> None:
    """No add is lost, whether by the handle, in a transaction, or by a condition that is tried again."""

    def by_handle() -> None:
        for _ in range(25):
            kv.counter("n").add(1)

    def by_transaction() -> None:
        for _ in range(25):
            with kv.transaction() as t:
                t.put("plain", t.get("plain").value + 1)  # type: ignore[union-attr]

    def by_condition() -> None:
        done = 0
        while done < 10:
            entry = kv.get("cas")
            assert entry is not None
            try:
                kv.put("cas", entry.value + 1, if_version=entry.version)
                done += 1
            except PreconditionFailed:
                pass

    kv.put("plain", 0)
    kv.put("cas", 0)
    assert run(*[by_handle] * 3, *[by_transaction] * 3, *[by_condition] * 3) == []
    assert (kv["n"], kv["plain"], kv["cas"]) == (75, 75, 30)


def test_threads_that_read_and_write_and_sync(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """Readers see whole transactions, two syncs from both ends at once do not lock each other out."""
    lhr, sin = pair
    with lhr.transaction() as t:
        t.put("x", 0)
        t.put("y", 0)
    lhr.sync(sin)
    stop = threading.Event()

    def write() -> None:
        for i in range(1, 40):
            with lhr.transaction() as t:
                t.put("x", i)
                t.put("y", i)
        stop.set()

    def read(kv: crdtkv.Store) -> None:
        while not stop.is_set():
            assert len({e.value for e in kv.scan()}) == 1

    def sync(a: crdtkv.Store, b: crdtkv.Store) -> None:
        while not stop.is_set():
            a.sync(b)

    assert run(write, lambda: read(lhr), lambda: read(sin), lambda: sync(lhr, sin), lambda: sync(sin, lhr)) == []
    lhr.sync(sin)
    assert sin["x"] == 39


class Counting:
    """A lock that counts how often it was taken from outside."""

    def __init__(self, lock: Any) -> None:
        self.lock, self.depth, self.taken = lock, 0, 0

    def __enter__(self) -> None:
        self.lock.__enter__()
        self.taken += not self.depth
        self.depth += 1

    def __exit__(self, *exc: object) -> None:
        self.depth -= 1
        self.lock.__exit__()


@pytest.mark.parametrize("read", ["get_many", "scan", "keys", "get", "history", "diff"])
def test_each_reading_is_of_one_instant(kv: crdtkv.Store, read: str) -> None:
    """It takes the lock once, so nobody writes in between."""
    version = kv.put("x", 1).version
    kv.put("x", 2)
    kv.put("y", 2)
    kv._lock = kv._reading().lock = lock = Counting(kv._lock)  # type: ignore[assignment]
    acts: dict[str, Any] = {
        "get_many": lambda: kv.get_many(["x", "y"]),
        "scan": lambda: kv.scan(regex="."),
        "keys": lambda: next(iter(kv.keys())),
        "get": lambda: kv.get("x", at=version),
        "history": lambda: kv.history("x"),
        "diff": lambda: kv.diff("x", version),
    }
    acts[read]()
    kv._lock = kv._reading().lock = lock.lock
    assert lock.taken == 1


def test_syncs_in_a_ring_do_not_deadlock(opened: Any) -> None:
    stores = [opened(c) for c in ("lhr", "sin", "gru")]
    stores[0].sync(stores[1])
    stores[0].sync(stores[2])

    def ring(start: int) -> None:
        for i in range(5):
            stores[start].put(f"k{start}", i)
            stores[start].sync(stores[(start + 1) % 3])

    assert run(*[lambda s=s: ring(s) for s in range(3)]) == []


@interpreted
def test_the_collector_rests_while_much_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And runs again after it, also where that fails; of a few writes it takes no notice."""
    with crdtkv.open(colo="lhr") as kv:
        found: list[bool] = []

        def commit() -> None:
            found.append(gc.isenabled())
            if len(found) == 2:
                raise StorageFailed("no room", happened="no", next_step="make room")
            whole()

        whole = kv._replica.storage.commit
        monkeypatch.setattr(kv._replica.storage, "commit", commit)
        with kv.transaction() as t:
            t.update({str(n): n for n in range(1_000)})
        with pytest.raises(StorageFailed), kv.transaction() as t:
            t.update({str(n): -n for n in range(1_000)})
        assert gc.isenabled()
        kv["a"] = 1
        assert found == [False, False, True] and gc.isenabled() and kv["7"] == 7
