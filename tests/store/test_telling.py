"""What a reader is told is his own, and is what stands now, however often it was told before."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import crdtkv
from crdtkv.replica import memos
from crdtkv.store import telling
from crdtkv.strategies import merge

VALUES: dict[str, Any] = {
    "json": {"a": {"b": [1, {"c": []}]}, "text": "x" * 100, "blob": crdtkv.Blob(b"x")},
    "json?strings=words": {"a": "some words", "b": [1]},
    "list": [[1], {"a": []}],
    "set": [[1], [2]],
    "log": [[1], {"a": 1}],
    "lww": {"b": [1], "a": {"c": []}},
    "mv": [[1], {"a": []}],
    "max": [[3]],
    "min": [[3]],
    "merge:told": {"a": [1]},
    "words": "some words",
    "counter": 3,
    "flag": True,
    "latch?order=open,shut": "open",
}
READS: dict[str, Callable[[crdtkv.Store, str], Any]] = {
    "get": lambda kv, key: entry_of(kv, key).value,
    "item": lambda kv, key: kv[key],
    "get_many": lambda kv, key: kv.get_many([key])[key].value,  # type: ignore[union-attr]
    "scan": lambda kv, key: kv.scan()[0].value,
    "items": lambda kv, key: next(iter(kv.items()))[1],
    "at": lambda kv, key: entry_of(kv, key, at=entry_of(kv, key).version).value,
    "history": lambda kv, key: kv.history(key)[-1].value,
    "watch": lambda kv, key: next(kv.watch(since=START[kv.id], timeout=0)).entry.value,  # type: ignore[union-attr]
    "receipt": lambda kv, key: kv.expire(key, 3600).value,
    "transaction": lambda kv, key: inside(kv, key),
    "blame": lambda kv, key: [part.value for part in kv.blame(key)],
    "setdefault": lambda kv, key: kv.setdefault(key, "other"),
}
START: dict[str, str] = {}


def entry_of(kv: crdtkv.Store, key: str, at: str | None = None) -> crdtkv.Entry:
    entry = kv.get(key, at=at)
    assert entry is not None
    return entry


def inside(kv: crdtkv.Store, key: str) -> Any:
    with kv.transaction() as t:
        return t[key]


def spoil(value: Any) -> None:
    """Change all that can be changed in a value."""
    for inner in list(value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()):
        spoil(inner)
    if isinstance(value, dict):
        value["spoilt"] = True
    elif isinstance(value, list):
        value.append("spoilt")


@pytest.fixture(autouse=True)
def function() -> None:
    merge.install("told", lambda base, mine, theirs: mine)


@pytest.mark.parametrize("spec", VALUES)
@pytest.mark.parametrize("read", READS)
def test_who_changes_what_he_read_changes_nothing_else(opened: Any, spec: str, read: str) -> None:
    """Nested parts too, read in whatever way, before and after: the store and every other reader keep theirs."""
    kv = opened("lhr")
    START[kv.id] = kv.watch(timeout=0).cursor
    kv.put("k", copy.deepcopy(VALUES[spec]), strategy=spec)
    wanted = {name: copy.deepcopy(again(kv, "k")) for name, again in READS.items()}
    for _ in range(3):  # made, told again, told once more
        found = READS[read](kv, "k")
        assert found == wanted[read]
        spoil(found)
        assert {name: again(kv, "k") for name, again in READS.items()} == wanted


def test_who_changes_what_he_put_changes_nothing(kv: crdtkv.Store) -> None:
    value = {"a": [1, {"b": []}]}
    receipt = kv.put("k", value)
    spoil(value)
    assert receipt.value == kv["k"] == {"a": [1, {"b": []}]}


@pytest.mark.parametrize("spec", ["json", "mv", "lww"])
def test_siblings_and_conflicts_are_the_reader_s_own(pair: tuple[crdtkv.Store, crdtkv.Store], spec: str) -> None:
    lhr, sin = pair
    for kv in pair:
        kv.put("k", [kv.colo, [kv.colo]], strategy=spec)
        kv.put("clash", [kv.colo], strategy={"lhr": "mv", "sin": "set"}[kv.colo])
    lhr.sync(sin)
    for key in ("k", "clash"):
        wanted = copy.deepcopy((entry_of(lhr, key).siblings, entry_of(lhr, key).conflicts))
        assert any(wanted) or spec == "json"
        for _ in range(3):
            entry = entry_of(lhr, key)
            assert (entry.siblings, entry.conflicts) == wanted
            spoil([entry.siblings, entry.conflicts])


@pytest.mark.parametrize("value", ["x", [1], {"a": 1}])
def test_an_entry_stays_what_it_was(kv: crdtkv.Store, value: Any) -> None:
    """Also what is first asked of it after the key has changed, was deleted, or the store was closed."""
    kv.put("k", value, ttl=3600)
    kv.put("plain", value)
    wanted = copy.deepcopy([entry_of(kv, key) for key in ("k", "plain")])
    entries = [[entry_of(kv, key) for key in ("k", "plain")] for _ in range(2)]
    entries.append(list(kv.scan()))
    for key in ("k", "plain"):
        kv.put(key, "other")
        kv.delete(key)
    kv.compact()
    kv.close()
    assert entries == [wanted] * 3


def test_an_entry_is_plain_data(kv: crdtkv.Store) -> None:
    """Frozen, equal by what it says, copied, pickled, taken apart and replaced as any dataclass."""
    kv.put("k", 1)
    kv.put("doc", [1])
    for key in ("k", "doc"):
        entry, same = entry_of(kv, key), entry_of(kv, key)
        for act in (lambda e: setattr(e, "value", 2), lambda e: setattr(e, "more", 2), lambda e: delattr(e, "key")):
            with pytest.raises((AttributeError, TypeError)):  # which of the two is up to Python
                act(entry)
        assert pickle.loads(pickle.dumps(entry)) == copy.copy(entry) == copy.deepcopy(entry) == entry == same
        assert dataclasses.asdict(entry)["value"] == kv[key]
        assert dataclasses.replace(same, value=2).value == 2 and same == entry
        assert repr(entry) == repr(same) and repr(entry).startswith(f"Entry(key={key!r}, value={kv[key]!r}, version='")
        with pytest.raises(AttributeError, match="no 'valeu'; it has key, value, version"):
            entry.valeu  # type: ignore[attr-defined]  # noqa: B018
    assert hash(entry_of(kv, "k")) == hash(entry_of(kv, "k"))


def test_what_is_told_again_is_what_stands(pair: tuple[crdtkv.Store, crdtkv.Store], clock: Any) -> None:
    """After a write, one that changes the version alone, an exchange, an undone transaction, a date that passes."""
    lhr, sin = pair

    def reads() -> Any:
        entry = lhr.get("k")
        assert entry is None or entry == entry_of(lhr, "k") == lhr.scan()[0]
        return entry and (entry.value, entry.version, entry.expires is not None)

    version = lhr.put("k", "one").version
    assert reads() == ("one", version, False)
    version = sin_version = lhr.put("k", ["two"]).version
    assert reads() == (["two"], version, False)
    with pytest.raises(InterruptedError), lhr.transaction() as t:
        t.put("k", "three")
        assert t["k"] == "three"
        raise InterruptedError
    assert reads() == (["two"], version, False)
    lhr.sync(sin)
    sin_version = sin.put("k", "four").version
    lhr.sync(sin)
    assert reads() == ("four", sin_version, False)
    version = lhr.expire("k", 60).version
    assert version != sin_version and reads() == ("four", version, True)
    clock.now += 61
    assert reads() is None
    lhr.put("k", {"a": 5}, ttl=60)
    assert reads()[0] == {"a": 5}
    clock.now += 61
    assert reads() is None and "k" not in lhr


def test_what_is_kept_to_be_told_again_is_bounded(kv: crdtkv.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In keys and in bytes; what is beyond it reads the same."""
    monkeypatch.setattr(memos, "TOLD", 3)
    monkeypatch.setattr(telling, "MAX_TOLD", 50)
    large = {"text": "x" * 60, "list": ["x" * 60], "blob": crdtkv.Blob(b"x" * 60)}
    kv.update({f"k{i}": [i] for i in range(6)}, **large)
    assert [kv[f"k{i}"] for i in range(6)] == [[i] for i in range(6)]
    assert list(kv._replica.memos._told) == ["k3", "k4", "k5"]
    assert {key: kv[key] for key in large} == large
    assert list(kv._replica.memos._told) == ["k3", "k4", "k5"]
    assert kv["k3"] == [3] and kv["k0"] == [0]
    assert list(kv._replica.memos._told) == ["k5", "k3", "k0"]


def test_what_is_made_at_a_glance_is_kept_for_who_reads_it_again(kv: crdtkv.Store) -> None:
    kv.update(one=1, two=2)
    told = kv._replica.memos._told
    assert (kv["one"], list(told)) == (1, [])
    assert (kv["one"], kv["two"], list(told)) == (1, 2, ["one"])
    assert (kv["one"], kv["two"], list(told)) == (1, 2, ["one", "two"])
