"""What things weigh: values hide growth, so bytes, cells and positions are counted here.

CRDTKV_LAWS=long counts in full; `make test` counts a part of it where the full count takes long.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sortedcontainers import SortedDict

import crdtkv
from crdtkv.core import positions
from crdtkv.core.clocks import make_stamp
from crdtkv.core.paths import ELEMENT, first
from crdtkv.core.wire import Record, decode, encode
from crdtkv.store.ruling import Keeping
from tests.colos import Colos, arrive, calls, record

LONG = os.environ.get("CRDTKV_LAWS") == "long"
START = 1_767_261_600.0


class Clock:
    """Seconds since 1970, a millisecond later at each reading."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def five(names: str = "abcde", path: Path | None = None) -> tuple[Clock, dict[str, crdtkv.Store]]:
    """Colos that are members of one namespace, on one clock."""
    clock = Clock()
    stores = {
        n: crdtkv.open(
            path / f"{n}.db" if path else ":memory:", colo=n, clock=clock, random=random.Random(n), purge_step_ms=1
        )
        for n in names
    }
    meet(stores)
    return clock, stores


def meet(stores: dict[str, crdtkv.Store]) -> None:
    hub, *others = stores.values()
    for _ in range(3):
        for other in others:
            hub.sync(other)


def purge(clock: Clock, stores: dict[str, crdtkv.Store], hours: float = 0.01) -> None:
    for _ in range(4):
        clock.now += hours * 3600
        meet(stores)
        for kv in stores.values():
            kv.compact()


def weigh(kv: crdtkv.Store) -> dict[str, Any]:
    """What stands of the users' keys: cells, siblings and bytes of each, contexts, superseded values."""
    storage = kv._replica.storage
    out: dict[str, Any] = {}
    for key in storage.keys("\x01", None):
        cells = storage.cells(key)
        out[key] = (
            len(cells),
            sum(len(cell) for cell in cells.values()),
            sum(len(path) + sum(len(s.payload or b"") for s in cell) for path, cell in cells.items()),
            len(storage.context(key)),
        )
    out["past"] = sum(len(rows) for k in storage.past_keys() if k >= "\x01" for rows in storage.past(k).values())
    out["inbox"] = len(storage.inbox())
    return out


def bare(data: bytes) -> int:
    """The bytes of a record besides its dependencies."""
    record = decode(data)
    assert isinstance(record, Record)
    return len(encode(record._replace(needs={})))


# One write


@pytest.mark.parametrize("count", [2, 9])
def test_what_a_file_keeps_of_a_record_is_no_more_the_more_colos_there_are(tmp_path: Path, count: int) -> None:
    """Of the replica's state only where its origin is."""
    with Colos(*"abcdefpqx"[:count], folder=tmp_path, memory="bcdefpqx") as colos:
        a, b = colos["a"], colos["b"]
        arrive(a, record(b, lambda b: b.put("k", "value 0")))
        journal = a._replica.storage._journal  # type: ignore[attr-defined]
        before = journal.size
        assert arrive(a, record(b, lambda b: b.put("k", "value 1"))) == "absorbed"
        assert 100 < journal.size - before < 320


def test_a_record_names_what_nothing_it_names_implies() -> None:
    """Eight colos write in turn, each having heard of the last: each record names the one before it, and no more."""
    colos = Colos(*"abcdefpq")
    told: list[bytes] = []
    for turn in range(24):
        kv = list(colos.values())[turn % len(colos)]
        for data in told[-len(colos) :]:
            arrive(kv, data)
        told.append(record(kv, lambda kv, turn=turn: kv.put(f"k{turn}", turn)))
    first, *others = [decode(data) for data in told[len(colos) :]]
    for before, made in zip([first, *others], others, strict=False):
        assert isinstance(before, Record) and isinstance(made, Record)
        assert made.needs == dict([before.dot])


@pytest.mark.parametrize("size", [0, 100_000 if LONG else 20_000])
def test_a_set_add_is_one_small_record(size: int) -> None:
    """One record of at most 80 bytes besides its dependencies, in a set of 100,000 elements as in an empty one."""
    _, stores = five("ab")
    kv = stores["a"]
    kv.put("tags", [f"element-{i}" for i in range(size)], strategy="set")
    sent: list[bytes] = []
    kv.on_commit.append(lambda record, data: sent.append(data))
    kv.set("tags").add("an-element")
    assert len(sent) == 1
    assert bare(sent[0]) <= 80


@pytest.mark.parametrize(
    ("strategy", "write"),
    [
        ("counter", lambda kv: kv.counter("k").add(1)),
        ("lww", lambda kv: kv.put("k", "v")),
        ("list", lambda kv: kv.list("k").append("v")),
        ("log", lambda kv: kv.log("k").append("v")),
        ("json", lambda kv: kv.json("k").at("/a/b").put("v")),
    ],
)
def test_other_small_writes(strategy: str, write: Callable[[crdtkv.Store], Any]) -> None:
    """One record of at most 160 bytes each, the hundredth as the first."""
    _, stores = five("ab")
    sent: list[bytes] = []
    stores["a"].on_commit.append(lambda record, data: sent.append(data))
    for _ in range(100):
        write(stores["a"])
    assert 1 <= len(sent) <= 100
    assert max(map(bare, sent)) <= 160


def _operation(name: str, *args: Any) -> Any:
    from crdtkv.strategies.base import Operation

    return Operation(name, args)


class Counted(SortedDict):  # type: ignore[type-arg]
    """Cells that count how often one of them was looked at."""

    visits = 0

    def __getitem__(self, path: Any) -> Any:
        self.visits += 1
        return super().__getitem__(path)

    def get(self, path: Any, default: Any = None) -> Any:
        self.visits += 1
        return super().get(path, default)

    def irange(self, *args: Any, **more: Any) -> Any:
        for path in super().irange(*args, **more):
            self.visits += 1
            yield path

    def __iter__(self) -> Any:
        for path in super().__iter__():
            self.visits += 1
            yield path


SMALL_WRITES: dict[str, tuple[str, Callable[[crdtkv.Store, int], Any]]] = {
    "set.add": ("set", lambda kv, i: kv.set("k").add(f"new-{i}")),
    "set.remove": ("set", lambda kv, i: kv.set("k").remove(i)),
    "list.append": ("list", lambda kv, i: kv.list("k").append(i)),
    "list.prepend": ("list", lambda kv, i: kv.list("k").prepend(i)),
    "log.append": ("log", lambda kv, i: kv.log("k").append(i)),
    "json.put": ("json", lambda kv, i: kv.json("k").at(f"/m{i}").put("new")),
    "json.append": ("json", lambda kv, i: kv.json("k").list("/a").append(i)),
    "json.add": ("json", lambda kv, i: kv.json("k").counter("/hits").add(1)),
    "expire": ("set", lambda kv, i: kv.expire("k", 60 + i)),
    "in": ("set", lambda kv, i: i in kv.set("k")),
}


@pytest.mark.parametrize("name", SMALL_WRITES)
def test_a_small_write_looks_at_few_cells(name: str) -> None:
    """Case 19: as many cells of a key of 4,000 elements as of one of 40, receipt included; after a first write."""
    strategy, write = SMALL_WRITES[name]
    visits = {}
    for size in (40, 4_000):
        kv = crdtkv.open(colo="lhr", clock=Clock(), random=random.Random(1))
        values = list(range(size))
        whole = {"a": values, **{f"m{i}": i for i in values}} if strategy == "json" else values
        kv.put("k", whole, strategy=strategy)
        write(kv, 0)
        cells = kv._replica.storage._cells  # type: ignore[attr-defined]
        cells["k"] = counted = Counted(cells["k"])
        kv._replica.memos.of("k")._roots = None  # it holds what was there before
        for i in range(1, 4):
            write(kv, i)
        visits[size] = counted.visits
    assert visits[40] == visits[4_000] > 0


@pytest.mark.parametrize(
    ("strategy", "write"),
    [
        ("set", lambda kv: kv.set("k").add("new")),
        ("list", lambda kv: kv.list("k").append("new")),
        ("json", lambda kv: kv.json("k").at("/new").put(1)),
    ],
)
def test_to_absorb_one_write_costs_the_same_beside_many(strategy: str, write: Callable[[crdtkv.Store], Any]) -> None:
    """As many calls in a key of two thousand parts as in one of ten."""
    work = []
    for size in (10, 2000):
        colos = Colos("a", "b")
        parts = [f"m{i}" for i in range(size)]
        colos["a"].put("k", dict.fromkeys(parts) if strategy == "json" else parts, strategy=strategy)
        colos.meet()
        said = record(colos["a"], write)
        work.append(calls(lambda b=colos["b"], said=said: arrive(b, said)))
    assert work[1] < work[0] + 200


# Positions


def test_appends_taking_turns() -> None:
    """Positions of at most 40 bytes on average when five colos append in turn (naively: one component per append)."""
    count = 100_000 if LONG else 20_000
    replicas = [f"colo{i}~{'k3f' + str(i)}" for i in range(5)]
    left: bytes | None = None
    total = 0
    for i in range(count):
        stamp = make_stamp(int(START * 1000) + i * 7)
        (left,) = positions.between(left, None, stamp=stamp, replica=replicas[i % 5], count=1, taken=lambda p: False)
        total += len(left)
    assert total / count <= 40
    assert len(left or b"") <= 40


@pytest.mark.parametrize("how", ["append", "prepend"])
def test_appends_taking_turns_at_real_colos(how: str) -> None:
    """The same through five stores, each pushing its record to the others before the next one writes."""
    from crdtkv.replica import exchange

    _, stores = five()
    sent: list[tuple[Record, bytes]] = []
    for kv in stores.values():
        kv.on_commit.append(lambda record, data: sent.append((record, data)))
    count = 1000 if LONG else 300
    for i in range(count):
        kv = list(stores.values())[i % 5]
        kv._run(lambda draft, i=i: draft.operate("l", _operation(how, i), spec="list"))
        record, data = sent.pop()
        for other in stores.values():
            exchange.receive(other._replica, record, data)
    read = [kv["l"] for kv in stores.values()]
    assert read == [list(range(count)) if how == "append" else list(range(count - 1, -1, -1))] * 5
    cells = stores["a"]._replica.storage.cells("l")
    at = [
        len(first(path.removeprefix(b"slist\x00"))[1])
        for path in cells
        if path.removeprefix(b"slist\x00")[:1] == ELEMENT
    ]
    assert len(at) == count and sum(at) / count <= 40


def test_random_edits_stay_short() -> None:
    """Inserts at random places, three colos in turn: positions of at most 100 bytes on average."""
    _clock, stores = five("abc")
    dice = random.Random(7)
    count = 150 if LONG else 60
    for i in range(count):
        kv = stores[dice.choice("abc")]
        kv.list("l").insert(dice.randrange(len(kv.list("l")) + 1), i)
        meet(stores)
    cells = stores["a"]._replica.storage.cells("l")
    assert len(cells) == count and sum(map(len, cells)) / count <= 100


# Nothing is left


def churn(kv: crdtkv.Store, i: int) -> None:
    kv.set("tags").add(i)
    kv.set("tags").remove(i)
    kv.put(f"k{i}", i)
    kv.delete(f"k{i}")
    kv.json("doc").at(f"/m{i}").put({"a": {"b": i}})
    kv.json("doc").at(f"/m{i}").delete()
    kv.list("row").append(i)
    kv.list("row").remove(-1)


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_what_came_and_went_leaves_nothing(where: str, tmp_path: Path) -> None:
    """add+remove, put+delete, a member, an element: after the purge the stores are as small as before."""
    clock, stores = five("ab", tmp_path if where == "sqlite" else None)
    kv = stores["a"]
    kv.set("tags").add("stays")
    kv.put("doc", {"stays": 1}, strategy="json")
    kv.list("row").append("stays")
    purge(clock, stores, hours=25)
    before = [weigh(s) for s in stores.values()]
    for i in range(1000 if LONG else 200 if where == "memory" else 30):
        churn(stores["ab"[i % 2]], i)
    meet(stores)
    purge(clock, stores, hours=25)
    after = [weigh(s) for s in stores.values()]
    # A key that two colos have written has an entry for each in its context, whatever stands.
    assert [[v[:3] if isinstance(v, tuple) else v for v in w.values()] for w in after] == [
        [v[:3] if isinstance(v, tuple) else v for v in w.values()] for w in before
    ]
    assert all(v[3] <= 2 for w in after for v in w.values() if isinstance(v, tuple))
    if where == "sqlite":
        rows = {
            table: stores["a"]._replica.storage._db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # type: ignore[attr-defined]
            for table in ("cell", "part", "context", "past", "inbox")
        }
        assert rows["cell"] == len(list(stores["a"]._replica.storage.keys("", None)))
        assert rows["part"] == rows["context"] == 0
        assert rows["past"] == 0
    for store in stores.values():
        store.close()


def test_what_expired_leaves_nothing() -> None:
    clock, stores = five("ab")
    kv = stores["a"]
    for i in range(50):
        kv.put(f"k{i}", i, ttl=10)
        kv.put(f"d{i}", {"a": {"b": i}}, strategy="json", ttl=10)
        kv.set(f"s{i}").add("x", "y")
        kv.expire(f"s{i}", 10)
    purge(clock, stores, hours=25)
    assert all(weigh(s) == {"past": 0, "inbox": 0} for s in stores.values())


def test_keyed_adds_are_folded() -> None:
    """A keyed add is a cell for a day; then it is part of its owner's share."""
    clock, stores = five("ab")
    for i in range(200):
        stores["ab"[i % 2]].counter("hits").add(1, idempotency_key=f"order-{i}")
    meet(stores)
    assert len(stores["a"]._replica.storage.cells("hits")) >= 200
    purge(clock, stores, hours=25)
    purge(clock, stores, hours=25)
    assert [kv["hits"] for kv in stores.values()] == [200, 200]
    assert [len(kv._replica.storage.cells("hits")) for kv in stores.values()] == [2, 2]


def test_keyed_adds_in_a_document_are_folded() -> None:
    """A thousand at a path, at two colos: after their day a cell a colo, as at a key of its own."""
    clock, stores = five("ab")
    stores["a"].rules.set("doc", "json", paths={"/hits": "counter", "/pages/*/hits": "counter"})
    stores["a"].put("doc", {"hits": 0, "pages": [{"hits": 0}], "title": "t"})
    meet(stores)
    for i in range(1000):
        at = _operation("at", ("hits",), "counter", _operation("add", 1, f"order-{i}"))
        stores["ab"[i % 2]]._run(lambda draft, at=at: draft.operate("doc", at, family="json"))
    for i in range(100):
        stores["ab"[i % 2]].json("doc").counter("/pages/0/hits").add(2, idempotency_key=f"order-{i}")
    meet(stores)
    assert len(stores["a"]._replica.storage.cells("doc")) >= 1100
    purge(clock, stores, hours=25)
    purge(clock, stores, hours=25)
    assert [kv["doc"] for kv in stores.values()] == [{"hits": 1000, "pages": [{"hits": 200}], "title": "t"}] * 2
    assert [len(kv._replica.storage.cells("doc")) for kv in stores.values()] == [8, 8]


# Said twice


TWICE: dict[str, Callable[[crdtkv.Store], Any]] = {
    "put": lambda kv: kv.put("k", {"v": [1]}),
    "put json": lambda kv: kv.put("k", {"v": [1, {"w": 2}]}, strategy="json"),
    "put mv": lambda kv: kv.put("k", 1, strategy="mv"),
    "put max": lambda kv: kv.put("k", 1, strategy="max"),
    "put list": lambda kv: kv.put("k", ["a", "b"], strategy="list"),
    "put set": lambda kv: kv.put("k", ["a", "b"], strategy="set"),
    "put set empty": lambda kv: kv.put("k", [], strategy="set"),
    "put counter": lambda kv: kv.put("k", 7, strategy="counter"),
    "put flag": lambda kv: kv.put("k", True, strategy="flag"),
    "put log": lambda kv: kv.put("k", ["a"], strategy="log"),
    "put ttl": lambda kv: kv.put("k", 1, ttl=3600),
    "add": lambda kv: kv.set("k").add("a", "b"),
    "remove": lambda kv: (kv.set("k").add("a", "b"), kv.set("k").remove("a")),
    "clear": lambda kv: (kv.set("k").add("a", "b"), kv.set("k").clear()),
    "enable": lambda kv: kv.flag("k").enable(),
    "disable": lambda kv: kv.flag("k").disable(),
    "reset": lambda kv: kv.counter("k").reset(),
    "once": lambda kv: kv.counter("k").add(1, idempotency_key="x"),
    "delete": lambda kv: (kv.put("k", 1), kv.delete("k")),
    "delete json": lambda kv: (kv.put("k", {"a": 1}, strategy="json"), kv.delete("k")),
    "delete nothing": lambda kv: kv.delete("k"),
    "member": lambda kv: kv.json("k").at("/a/b").put(1),
    "member gone": lambda kv: (kv.json("k").at("/a/b").put(1), kv.json("k").at("/a").delete()),
    "patch": lambda kv: kv.patch("k", {"a": {"b": 1}, "c": None}),
    "rule": lambda kv: kv.rules.set("k", "set"),
    "expire": lambda kv: (kv.put("k", 1), kv.expire("k", 3600)),
    "move": lambda kv: (
        kv.put("k", ["a", "b", "c"], strategy="list"),
        kv.list("k").move(0, 2),
        kv.list("k").move(2, 0),
    ),
}


@pytest.mark.parametrize("name", TWICE)
def test_said_twice_weighs_as_once(name: str) -> None:
    """Twice, or twenty times, leaves as many cells, siblings and bytes as once, at both colos."""
    weights = []
    for times in (1, 2, 20):
        clock, stores = five("ab")
        stores["a"]._replica.keep_of = Keeping(stores["a"]._replica, history=False).of
        stores["b"]._replica.keep_of = Keeping(stores["b"]._replica, history=False).of
        for _ in range(times):
            TWICE[name](stores["a"])
            stores["a"].sync(stores["b"])
        meet(stores)
        purge(clock, stores)
        weights.append([{k: v for k, v in weigh(kv).items() if k != "past"} for kv in stores.values()])
    assert weights[1] == weights[2]
    if name != "move":  # the position of what was moved may be longer than before
        assert weights[0] == weights[1]


@pytest.mark.parametrize("strategy", ["lww", "mv", "set", "list", "json", "counter", "flag", "log"])
def test_the_same_put_at_every_colo_weighs_as_at_one(strategy: str) -> None:
    """Nothing piles up when five colos put the same value after one another has been seen."""
    value: Any = {"counter": 3, "flag": True, "lww": 1, "mv": 1}.get(strategy, ["a", "b"])
    _clock, stores = five()
    stores["a"].put("k", value, strategy=strategy)
    meet(stores)
    before = weigh(stores["a"])["k"][:2]
    for kv in stores.values():
        kv.put("k", value)
        meet(stores)
    assert {weigh(kv)["k"][:2] for kv in stores.values()} == {before}
    assert [kv["k"] for kv in stores.values()] == [value] * 5
