"""What a version read anywhere shows, whatever has happened since: exactly that, or an error that says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BaseTooOld
from crdtkv.replica import exchange, past
from tests.compiled import interpreted
from tests.store.conftest import Clock

Opened = Callable[..., crdtkv.Store]
Trio = tuple[crdtkv.Store, crdtkv.Store, crdtkv.Store]


@pytest.fixture
def trio(opened: Opened) -> Iterator[Trio]:
    """Three colos of one namespace."""
    lhr, sin, gru = opened("lhr"), opened("sin"), opened("gru")
    lhr.sync(sin)
    lhr.sync(gru)
    lhr.sync(sin)
    yield lhr, sin, gru


def caught_up(one: crdtkv.Store, other: crdtkv.Store) -> None:
    """Sync as after a restart: no records are at hand, so all goes as catch-ups."""
    for kv in (one, other):
        kv._replica.recent.clear()
    one.sync(other)


def forgotten(*stores: crdtkv.Store) -> None:
    """All is heard by all, and what was deleted is dropped."""
    for _ in range(3):
        for one in stores:
            for other in stores:
                if one is not other:
                    one.sync(other)
        for kv in stores:
            kv.compact()


def then(kv: crdtkv.Store, version: str, key: str = "k") -> Any:
    entry = kv.get(key, at=version)
    return None if entry is None else entry.value


def test_a_version_of_an_earlier_life_and_of_a_later_one(trio: Trio) -> None:
    """Put, deleted, put anew: each version reads as it did, everywhere."""
    lhr, sin, gru = trio
    versions = [(lhr.put("k", {"a": 1}, strategy="json").version, {"a": 1})]
    lhr.sync(sin)
    sin.delete("k")
    versions.append((sin.put("k", {"b": 1}, strategy="json").version, {"b": 1}))
    versions.append((sin.put("k", {"b": 2}).version, {"b": 2}))
    sin.put("k", {"b": 3})
    sin.sync(lhr)
    lhr.sync(gru)
    for kv in trio:
        assert [then(kv, version) for version, _ in versions] == [value for _, value in versions]


def test_the_versions_of_a_counter(trio: Trio) -> None:
    """A counter's old values can be read too, keyed adds and resets among them."""
    lhr, sin, _ = trio
    versions = [(lhr.counter("k").add(5).version, 5)]
    versions.append((lhr.counter("k").add(7, idempotency_key="once").version, 12))
    lhr.sync(sin)
    versions.append((sin.counter("k").reset().version, 0))
    lhr.counter("k").add(1)
    lhr.sync(sin)
    versions.append((sin.counter("k").add(2).version, 3))
    sin.delete("k")
    for version, value in versions:
        assert then(sin, version) == value


def test_a_cancelled_share_is_part_of_later_versions(trio: Trio) -> None:
    """A keyed add, deleted here and tried again elsewhere, stays cancelled in all that knows of the delete."""
    lhr, sin, gru = trio
    sin.counter("k").add(-5, idempotency_key="once")
    gru.counter("k").add(-5, idempotency_key="once")
    gru.delete("k")
    gru.sync(lhr)
    lhr.counter("k").add(7, idempotency_key="other")
    lhr.sync(sin)
    version = lhr.counter("k").add(1).version
    lhr.counter("k").add(1)
    lhr.sync(sin)
    assert then(lhr, version) == then(sin, version) == 8


def test_what_was_purged_before_a_write_is_not_part_of_its_version(trio: Trio) -> None:
    """Who adds again what was removed and forgotten names no tombstone; nor does the version, where one was kept."""
    lhr, sin, gru = trio
    lhr.put("k", ["x", "y"], strategy="set?wins=remove")
    lhr.set("k").remove("x")
    forgotten(lhr, sin, gru)
    concurrent = sin.set("k").add("z").version
    version = lhr.set("k").add("x").version
    lhr.sync(sin)
    lhr.set("k").remove("x")
    lhr.sync(sin)
    assert then(sin, version) == then(lhr, version) == ["x", "y"]
    assert then(sin, concurrent) == ["y", "z"]


def test_a_version_reads_the_same_after_its_date(trio: Trio, clock: Clock) -> None:
    """Read before the date or after, kept or purged: the version shows what it showed when it was made."""
    lhr, sin, gru = trio
    lhr.put("k", ["x"], strategy="list", ttl=10)
    before = lhr.list("k").append("y").version
    clock.now += 11
    assert lhr.get("k") is None and then(lhr, before) == ["x", "y"]
    forgotten(lhr, sin, gru)
    assert then(lhr, before) == ["x", "y"]
    again = lhr.put("k", ["z"], strategy="list").version
    assert then(lhr, before) == ["x", "y"] and then(lhr, again) == ["z"]


def test_a_base_from_elsewhere_after_a_catch_up(trio: Trio) -> None:
    """Where a catch-up told all that happened to a key, any version of it can be read and edited on."""
    lhr, sin, gru = trio
    lhr.put("k", {"a": 1}, strategy="json")
    lhr.sync(sin)
    lhr.sync(gru)
    at_sin = sin.put("k", {"a": 1, "s": 1}).version
    gru.put("k", {"a": 1, "g": 1})
    caught_up(sin, gru)
    assert then(gru, at_sin) == {"a": 1, "s": 1}
    assert gru.put("k", {"a": 1, "s": 2}, base=at_sin).value == {"a": 1, "g": 1, "s": 2}


def test_a_version_that_a_catch_up_squashed_is_refused(trio: Trio) -> None:
    """What came and went in between is not known here: an error with what is current, never a guess."""
    lhr, sin, gru = trio
    first = lhr.put("k", {"a": 1}, strategy="json").version
    lhr.sync(sin)
    lhr.sync(gru)
    squashed = sin.put("k", {"a": 2}).version
    last = sin.put("k", {"a": 3}).version
    gru.put("k", {"a": 1, "g": 1})
    caught_up(sin, gru)
    assert then(gru, first) == {"a": 1}
    for version in (squashed, last):  # of the last it is not known whether it had seen what gru has replaced
        with pytest.raises(BaseTooOld) as told:
            gru.get("k", at=version)
        assert told.value.value == {"a": 3, "g": 1}
    with pytest.raises(BaseTooOld):
        gru.put("k", {"a": 9}, base=squashed)
    assert gru["k"] == {"a": 3, "g": 1}


def test_a_life_that_a_catch_up_squashed(trio: Trio) -> None:
    """The key was deleted and made anew elsewhere: versions from before are refused here, later ones are not."""
    lhr, sin, gru = trio
    before = lhr.put("k", {"a": 1}, strategy="json").version
    lhr.sync(sin)
    lhr.sync(gru)
    sin.delete("k")
    after = sin.put("k", {"b": 1}, strategy="json").version
    caught_up(sin, gru)
    gru.put("k", {"b": 2})
    assert then(gru, after) == {"b": 1}
    with pytest.raises(BaseTooOld):
        gru.get("k", at=before)
    assert then(sin, before) == {"a": 1}


def test_trimmed_history_is_refused_also_when_the_key_is_made_anew(trio: Trio, clock: Clock) -> None:
    lhr, sin, gru = trio
    before = lhr.put("k", 1).version
    lhr.sync(gru)
    lhr.delete("k")
    forgotten(lhr, sin, gru)
    clock.now += 25 * 3600
    forgotten(lhr, sin, gru)
    lhr.put("k", 2)
    lhr.sync(sin)
    for kv in (lhr, sin):
        with pytest.raises(BaseTooOld):
            kv.get("k", at=before)


MUTATIONS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Callable[..., None]]] = {
    "no lives": (
        lambda p: p.setattr(past, "begin_life", lambda *a: None), test_a_cancelled_share_is_part_of_later_versions
    ),
    "no floors": (
        lambda p: p.setattr(past, "note_floor", lambda *a: None),
        test_what_was_purged_before_a_write_is_not_part_of_its_version,
    ),
    "a catch-up tells all": (
        lambda p: p.setattr(exchange, "_told", lambda *a: True), test_a_version_that_a_catch_up_squashed_is_refused
    ),
    "a catch-up tells nothing": (
        lambda p: p.setattr(exchange, "_told", lambda *a: False), test_a_base_from_elsewhere_after_a_catch_up
    ),
}  # fmt: skip


@interpreted
@pytest.mark.parametrize("broken", MUTATIONS)
def test_the_guard_is_proven(broken: str, trio: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule broken, the test that stands for it fails."""
    apply, law = MUTATIONS[broken]
    apply(monkeypatch)
    with pytest.raises((AssertionError, BaseTooOld, pytest.fail.Exception)):
        law(trio)
