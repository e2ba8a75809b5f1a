"""Feeds: what changed, resumable at any colo, and a reset where history was forgotten."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, BaseNotHere, CursorInvalid


def told(feed: Any) -> list[tuple[str, Any]]:
    return [("reset", None) if c.reset else (c.key, c.entry.value if c.entry else None) for c in feed]


def test_from_now_on(kv: crdtkv.Store) -> None:
    """What was before the call is not told; each key once, with how it reads now; a delete as None."""
    kv.put("before", 1)
    feed = kv.watch(timeout=0)
    kv.put("a", 1)
    kv.put("a", 2)
    kv.put("b", 1)
    kv.delete("before")
    assert told(feed) == [("a", 2), ("b", 1), ("before", None)]


def test_a_prefix(kv: crdtkv.Store) -> None:
    feed = kv.watch("a/", timeout=0)
    for key in ("a", "a/1", "b", "a/2"):
        kv.put(key, 1)
    assert told(feed) == [("a/1", 1), ("a/2", 1)]


def test_rules_and_members_are_not_told(kv: crdtkv.Store) -> None:
    feed = kv.watch(timeout=0)
    kv.rules.set("a", "set")
    kv.sync(crdtkv.open(colo="zrh"))
    assert told(feed) == []


def test_resumed(kv: crdtkv.Store) -> None:
    """From any change's cursor on: the rest of its batch, and all that came since."""
    feed = kv.watch(timeout=0)
    for key in "abcd":
        kv.put(key, 1)
    changes = list(feed)
    assert told(kv.watch(since=changes[-1].cursor, timeout=0)) == []
    assert told(kv.watch(since=changes[1].cursor, timeout=0)) == [("c", 1), ("d", 1)]
    kv.put("a", 2)
    assert told(kv.watch(since=changes[1].cursor, timeout=0)) == [("c", 1), ("d", 1), ("a", 2)]
    assert told(kv.watch("a", since=changes[1].cursor, timeout=0)) == [("a", 2)]


def test_resumed_elsewhere(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """At another colo without a gap; one that lacks what the cursor has seen says so."""
    lhr, sin = pair
    feed = lhr.watch(timeout=0)
    lhr.put("a", 1)
    [change] = feed
    with pytest.raises(BaseNotHere) as caught:
        sin.watch(since=change.cursor, timeout=0)
    assert "sync" in str(caught.value) and caught.value.happened == "no"
    sin.put("b", 1)
    lhr.sync(sin)
    assert told(sin.watch(since=change.cursor, timeout=0)) == [("b", 1)]
    assert told(lhr.watch(since=change.cursor, timeout=0)) == [("b", 1)]


def test_what_is_absorbed_is_told(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    feed = sin.watch(timeout=0)
    lhr.put("a", 1)
    lhr.sync(sin)
    assert told(feed) == [("a", 1)]
    feed = sin.watch(timeout=0)
    lhr.sync(sin)
    lhr.sync(sin)
    assert told(feed) == []


def test_reset(kv: crdtkv.Store, clock: Any) -> None:
    """A cursor older than what was purged: one reset, then every key; its cursors go on."""
    feed = kv.watch(timeout=0)
    kv.put("a", 1)
    [old] = feed
    kv.put("b", 1)
    kv.delete("a")
    clock.now += 100
    kv.compact()
    changes = list(kv.watch(since=old.cursor, timeout=0))
    assert told(changes) == [("reset", None), ("b", 1)]
    assert told(kv.watch(since=changes[-1].cursor, timeout=0)) == []
    kv.put("c", 1)
    assert told(kv.watch(since=changes[-1].cursor, timeout=0)) == [("c", 1)]
    assert [k for k, _ in told(kv.watch(since=changes[0].cursor, timeout=0))][-2:] == ["b", "c"]


def test_a_snapshot_left_in_the_middle(kv: crdtkv.Store, clock: Any) -> None:
    """It goes on from there, or begins again with a reset: never a gap."""
    feed = kv.watch(timeout=0)
    kv.put("0", 1)
    [old] = feed
    for key in "abcd":
        kv.put(key, 1)
    kv.delete("0")
    clock.now += 100
    kv.compact()
    snapshot = kv.watch(since=old.cursor, timeout=0)
    seen: dict[str, Any] = {}
    for _ in range(3):
        change = next(snapshot)
        if not change.reset:
            seen[change.key] = change.entry
    kv.delete("a")
    kv.put("d", 2)
    for later in kv.watch(since=change.cursor, timeout=0):
        if later.reset:
            seen = {}
        else:
            seen[later.key] = later.entry
    assert {k: e.value for k, e in seen.items() if e} == {"b": 1, "c": 1, "d": 2}


def test_it_waits_for_more_and_ends_when_the_store_closes(kv: crdtkv.Store, opened: Any) -> None:
    """Without a timeout: a thread that waits is woken by a write, a sync and the close."""
    feed = kv.watch()
    seen: list[Any] = []
    arrived = threading.Semaphore(0)

    def follow() -> None:
        for change in feed:
            seen.append(change.key)
            arrived.release()

    thread = threading.Thread(target=follow)
    thread.start()
    kv.put("a", 1)
    assert arrived.acquire(timeout=60)
    other = opened("zrh")
    kv.sync(other)
    other.put("b", 1)
    kv.sync(other)
    assert arrived.acquire(timeout=60)
    kv.close()
    thread.join(timeout=60)
    assert not thread.is_alive() and seen == ["a", "b"]


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "gKCA", 7, "k4Ch", "\U0001f600"])
def test_a_cursor_that_is_none(kv: crdtkv.Store, cursor: Any) -> None:
    with pytest.raises(CursorInvalid) as caught:
        kv.watch(since=cursor, timeout=0)
    assert repr(cursor) in str(caught.value) and caught.value.next_step


def test_a_scan_cursor_is_no_feed_cursor(kv: crdtkv.Store) -> None:
    kv.put("a", 1)
    kv.put("b", 1)
    with pytest.raises(CursorInvalid):
        kv.watch(since=kv.scan(limit=1).cursor, timeout=0)


def test_expiry_and_feeds_agree(kv: crdtkv.Store, clock: Any) -> None:
    """A feed read after the date says absent, as get does."""
    feed = kv.watch(timeout=0)
    kv.put("a", 1, ttl=10)
    clock.now += 11
    assert told(feed) == [("a", None)] and kv.get("a") is None


def test_a_quiet_prefix_has_a_cursor_that_moves(pair: tuple[crdtkv.Store, crdtkv.Store], clock: Any) -> None:
    """Past what others wrote: so it is no reset when that was deleted and purged."""
    lhr, sin = pair
    feed = lhr.watch("quiet/", timeout=0)
    first = feed.cursor
    lhr.put("other", 1)
    lhr.delete("other")
    assert told(feed) == []
    for _ in range(4):
        clock.now += 60
        lhr.sync(sin)
        lhr.compact()
        sin.compact()
    assert lhr.floor > 0 and list(lhr.keys()) == []
    assert told(lhr.watch("quiet/", since=feed.cursor, timeout=0)) == []
    assert told(lhr.watch("quiet/", since=first, timeout=0)) == [("reset", None)]


def test_the_feed_goes_on_where_it_stood(kv: crdtkv.Store) -> None:
    """Its cursor in the middle of a batch is that of its last change."""
    feed = kv.watch(timeout=0)
    kv.update(a=1, b=2)
    assert next(feed).cursor == feed.cursor
    assert told(kv.watch(since=feed.cursor, timeout=0)) == [("b", 2)]


def test_others_that_write_do_not_make_it_wait_longer(kv: crdtkv.Store) -> None:
    """The timeout is for a key of the prefix: it ends while others are written on and on."""
    feed = kv.watch("quiet/", timeout=0.05)
    ended = threading.Event()

    def write() -> None:
        n = 0
        while not ended.is_set():
            n += 1
            kv.put("other", n)

    thread = threading.Thread(target=write)
    thread.start()
    assert told(feed) == []
    ended.set()
    thread.join()


def test_it_ends_when_the_store_is_closed(kv: crdtkv.Store) -> None:
    """Also in the middle of a batch, and while it waits."""
    feed, waiting = kv.watch(), kv.watch()
    kv.update(a=1, b=2)
    assert next(feed).key == "a" and [next(waiting).key for _ in "ab"] == ["a", "b"]
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(list(waiting)))
    thread.start()
    kv.close()
    thread.join()
    assert list(feed) == [] and found == [[]]


@pytest.mark.parametrize("wrong", [{"prefix": 5}, {"timeout": "x"}, {"timeout": -1}, {"timeout": True}, {"since": 5}])
def test_what_cannot_be_watched(kv: crdtkv.Store, wrong: Any) -> None:
    with pytest.raises(BadRequest):
        kv.watch(**wrong)


def test_an_expiry_is_not_told(kv: crdtkv.Store, clock: Any) -> None:
    """It is no transaction; the entry says when."""
    feed = kv.watch(timeout=0)
    kv.put("a", 1, ttl=5)
    [change] = list(feed)
    assert change.entry is not None and change.entry.expires is not None
    clock.now += 10
    assert "a" not in kv and told(feed) == []


def test_not_inside_a_transaction(kv: crdtkv.Store) -> None:
    """There it would have to wait for itself."""
    feed = kv.watch()
    with kv.transaction() as t, pytest.raises(BadRequest):
        t.put("a", 1)
        next(feed)
    assert next(feed).key == "a"
