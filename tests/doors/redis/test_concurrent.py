"""Two colos that write at one time: what each then reads, as docs/redis.md says it, table by table."""

from __future__ import annotations

from typing import Any

import pytest

from crdtkv.node.settings import Settings
from tests.doors.redis.conftest import left

Two = tuple[Any, Any, Any]


def both(two: Two, *words: Any) -> Any:
    """What both colos answer, which is the same."""
    lhr, sin, _ = two
    here, there = lhr.execute_command(*words), sin.execute_command(*words)
    assert here == there
    return here


def test_strings_the_later_write_wins(two: Two) -> None:
    lhr, sin, sync = two
    lhr.set("k", "a")
    sin.set("k", "b")
    sync()
    assert both(two, "GET", "k") in (b"a", b"b")
    lost = lhr.execute_command("CRDTKV.CONFLICTS") + sin.execute_command("CRDTKV.CONFLICTS")
    assert len(lost) == 1


def test_a_write_that_has_seen_the_other_replaces_it(two: Two) -> None:
    lhr, sin, sync = two
    lhr.set("k", "a")
    sync()
    sin.set("k", "b")
    sync()
    assert both(two, "GET", "k") == b"b"


def test_counters_add_up(two: Two) -> None:
    """Active-Active: INCRBY 7 and INCRBY 3, then INCRBY -3 and -2: 10, then 5."""
    lhr, sin, sync = two
    lhr.incrby("n", 7)
    sin.incrby("n", 3)
    sync()
    assert both(two, "GET", "n") == b"10"
    lhr.decrby("n", 3)
    sin.decrby("n", 2)
    sync()
    assert both(two, "GET", "n") == b"5"


def test_a_number_that_was_set_counts_once(two: Two) -> None:
    """SET 10 is known at both; both increment: 12, not 11 and not 22."""
    lhr, sin, sync = two
    lhr.set("n", 10)
    sync()
    assert lhr.incr("n") == 11 and sin.incr("n") == 11
    sync()
    assert both(two, "GET", "n") == b"12"
    lhr.incr("n")
    sync()
    assert both(two, "GET", "n") == b"13"


@pytest.mark.parametrize("seed", range(8))
def test_counters_sum_exactly_whatever_the_order(two: Two, seed: int) -> None:
    import random

    chance = random.Random(seed)
    lhr, sin, sync = two
    lhr.set("n", 100)
    sync()
    total = 100
    for _ in range(30):
        by = chance.randint(-9, 9)
        chance.choice((lhr, sin)).incrby("n", by)
        total += by
        if chance.random() < 0.3:
            sync()
    sync()
    assert both(two, "GET", "n") == str(total).encode()


def test_a_reset_leaves_what_it_has_not_seen(two: Two) -> None:
    """Active-Active: SET of a counter concurrent with an INCRBY: the increment stands beside it."""
    lhr, sin, sync = two
    lhr.incrby("n", 10)
    sync()
    lhr.set("n", 0)
    sin.incrby("n", 5)
    sync()
    assert both(two, "GET", "n") == b"5"


def test_two_resets_to_nothing_are_one(two: Two) -> None:
    lhr, sin, sync = two
    lhr.incrby("n", 10)
    sync()
    lhr.set("n", 0)
    sin.set("n", 0)
    sync()
    assert both(two, "GET", "n") == b"0"


def test_two_resets_to_a_number_add_up(two: Two) -> None:
    """The anomaly that survives."""
    lhr, sin, sync = two
    lhr.incrby("n", 10)
    sync()
    lhr.set("n", 5)
    sin.set("n", 5)
    sync()
    assert both(two, "GET", "n") == b"10"


def test_a_delete_leaves_what_it_has_not_seen(two: Two) -> None:
    """Active-Active: DEL concurrent with an INCRBY: only the increment is left."""
    lhr, sin, sync = two
    lhr.incrby("n", 10)
    lhr.set("s", "old")
    sync()
    lhr.delete("n", "s")
    sin.incrby("n", 4)
    sin.set("s", "new")
    sync()
    assert both(two, "GET", "n") == b"4" and both(two, "GET", "s") == b"new"


def test_a_delete_of_what_both_knew_is_a_delete(two: Two) -> None:
    lhr, _, sync = two
    lhr.set("s", "old")
    lhr.incr("n")
    sync()
    lhr.delete("s", "n")
    sync()
    assert both(two, "EXISTS", "s", "n") == 0 and both(two, "DBSIZE") == 0


def test_of_two_dates_the_later_holds(two: Two) -> None:
    lhr, sin, sync = two
    lhr.set("k", 1)
    sync()
    lhr.expire("k", 100)
    sin.expire("k", 500)
    sync()
    assert left(lhr.ttl("k"), 500) and left(sin.ttl("k"), 500)


def test_no_date_outlives_a_date(two: Two) -> None:
    """Active-Active: PERSIST wins over EXPIRE."""
    lhr, sin, sync = two
    lhr.set("k", 1, ex=100)
    sync()
    lhr.persist("k")
    sin.expire("k", 500)
    sync()
    assert both(two, "TTL", "k") == -1


def test_a_transaction_arrives_whole(two: Two) -> None:
    lhr, sin, sync = two
    with lhr.pipeline() as p:
        p.mset({"a": 1, "b": 1}).incr("n").execute()
    with sin.pipeline() as p:
        p.mset({"a": 2, "b": 2}).incr("n").execute()
    sync()
    assert both(two, "GET", "a") == both(two, "GET", "b") and both(two, "GET", "n") == b"2"


def test_documents_merge_by_what_each_had_read(make_colo: Any) -> None:
    """The thread's case: one appends, the other deletes, through two plain clients."""
    lhr, sin = make_colo("lhr"), make_colo("sin")
    lhr.store.rules.set("todo/*", "json")
    lhr.store.sync(sin.store)
    ann, bob = lhr.client(), sin.client()
    ann.set("todo/1", "[1,2,3,4,5,6,7]")
    lhr.store.sync(sin.store)
    assert ann.get("todo/1") == bob.get("todo/1")
    ann.set("todo/1", "[1,2,3,4,5,6,7,8]")
    bob.set("todo/1", "[1,2,3,4,6,7]")
    lhr.store.sync(sin.store)
    assert ann.get("todo/1") == bob.get("todo/1") == b"[1,2,3,4,6,7,8]"


def test_what_holds_at_one_colo_only_says_so(two: Two) -> None:
    """SETNX is granted at both: CRDTKV.SOUND says why, and after the exchange there is one value."""
    lhr, sin, sync = two
    assert lhr.setnx("lock", "ann") and sin.setnx("lock", "bob")
    sync()
    assert both(two, "GET", "lock") in (b"ann", b"bob")
    assert b"this colo" in lhr.execute_command("CRDTKV.SOUND", "setnx")
    assert lhr.execute_command("CRDTKV.SOUND", "incr") == b"sound"


def test_what_is_unsound_can_be_refused(make_colo: Any) -> None:
    r = make_colo(unsound="refuse").client()
    with pytest.raises(Exception, match="setnx is a question to this colo") as caught:
        r.setnx("a", 1)
    setting = str(caught.value).split("; ")[-1].split(" = ")[0]
    assert setting in Settings.model_fields, "the setting that it names is one"
    assert r.set("a", 1) and r.incr("a") == 2
