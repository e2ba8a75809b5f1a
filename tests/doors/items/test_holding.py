"""Items: bodies, metadata and dates over real stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import crdtkv
from crdtkv.core.blob import Blob
from crdtkv.core.keys import METADATA
from crdtkv.doors.items import holding
from crdtkv.doors.items.bodies import body_of, value_of
from crdtkv.doors.items.holding import Put
from crdtkv.errors import BadRequest, StrategyMismatch
from crdtkv.store.store import Store


@pytest.fixture
def kv() -> Iterator[Store]:
    with crdtkv.open(colo="lhr") as kv:
        yield kv


def put(kv: Store, key: str, body: bytes, **more: Any) -> None:
    with kv.transaction() as t:
        holding.put(t, Put(key, body, **more))


def delete(kv: Store, key: str) -> None:
    with kv.transaction() as t:
        holding.delete(t, key)


def shown(kv: Store, key: str) -> Any:
    found = holding.get(kv, key)
    return None if found is None else (found.body, found.metadata, found.expires)


def beside(kv: Store, key: str) -> bool:
    """Whether there is anything of its metadata that is not a tombstone."""
    return kv._replica.shown(METADATA + key) is not None


@pytest.mark.parametrize("body", [
    b"", b"hello", b"\x00\xff\xfe", b"5", b"-0", b"1.50", b"1e3", b"007", b'"quoted"', b"true", b"True", b"null", b" 5",
    "é\n".encode(), b"{not json", b"[1,", b'{"a":1,"a":2}', b"[NaN]", b"\xef\xbb\xbf[1]", b"9" * 5000, b"\x00",
])  # fmt: skip
@pytest.mark.parametrize("rule", ["json", "lww", "mv"])
def test_what_is_no_document_comes_back_byte_for_byte(kv: Store, body: bytes, rule: str) -> None:
    kv.rules.set("*", rule)
    put(kv, "a", body)
    assert shown(kv, "a") == (body, None, None)


@pytest.mark.parametrize("body", [b'{"b": 1, "a": [1, 2.50]}', b"[ ]", b' [1]\n'])
def test_a_document_is_bytes_under_lww_and_json_else(kv: Store, body: bytes) -> None:
    kv.rules.set("bytes/*", "lww")
    put(kv, "bytes/a", body, kind="application/json")
    put(kv, "a", body)
    assert holding.get(kv, "bytes/a").body == body  # type: ignore[union-attr]
    assert kv["bytes/a"] == Blob(body, "application/json")
    assert kv["a"] == crdtkv.core.values.parse_json(body)
    assert value_of("json", body_of(kv["a"])) == kv["a"]


def test_a_body_that_does_not_fit_is_refused(kv: Store) -> None:
    for rule, body in (("counter", b"many"), ("set", b"{}"), ("list", b"5"), ("flag", b"\xff")):
        kv.rules.set(f"{rule}/*", rule)
        with pytest.raises((BadRequest, StrategyMismatch)):
            put(kv, f"{rule}/a", body, metadata={"a": 1})
        assert holding.get(kv, f"{rule}/a") is None and not beside(kv, f"{rule}/a")


def test_the_strategy_a_key_has_says_what_a_body_is(kv: Store) -> None:
    kv.put("n", 5, strategy="counter")
    put(kv, "n", b"7")
    assert (kv["n"], kv.get("n").strategy) == (7, "counter")  # type: ignore[union-attr]


def test_metadata_is_that_of_the_last_write(kv: Store) -> None:
    put(kv, "a", b"1", metadata={"by": "ann"})
    assert shown(kv, "a") == (b"1", {"by": "ann"}, None)
    put(kv, "a", b"1", metadata=[2])  # the same value: nothing of the key is written
    assert shown(kv, "a") == (b"1", [2], None)
    put(kv, "a", b"2")
    assert shown(kv, "a") == (b"2", None, None) and not beside(kv, "a")


def test_who_knows_nothing_of_metadata_leaves_none(kv: Store) -> None:
    put(kv, "a", b"1", metadata="old")
    kv["a"] = 2
    assert shown(kv, "a") == (b"2", None, None)
    put(kv, "b", b"[1]", metadata="old")
    del kv["b"]
    assert shown(kv, "b") is None
    kv["b"] = [1]
    assert shown(kv, "b") == (b"[1]", None, None)
    put(kv, "c", b"[1]", metadata="old")
    kv.list("c").append(2)
    assert shown(kv, "c") == (b"[1,2]", None, None)
    assert [named.metadata for named in holding.listing(kv).keys] == [None] * 3


def test_a_delete_takes_metadata_with_it(kv: Store) -> None:
    put(kv, "a", b"1", metadata="old")
    delete(kv, "a")
    assert not beside(kv, "a") and shown(kv, "a") is None
    put(kv, "a", b"1")
    assert shown(kv, "a") == (b"1", None, None)


def test_a_date_hides_both_and_a_put_without_one_takes_it_away(kv: Store) -> None:
    date = int(kv._replica.wall_ms() / 1000) + 100
    put(kv, "a", b"[1]", metadata="m", expires=date)
    assert shown(kv, "a") == (b"[1]", "m", date) and kv._replica.roots(METADATA + "a")
    put(kv, "a", b"[1]", metadata="m")
    assert shown(kv, "a") == (b"[1]", "m", None)
    put(kv, "a", b"[1,2]", metadata="m", expires=date)
    put(kv, "a", b"[1,2]", metadata="n", expires=date + 50)
    assert shown(kv, "a") == (b"[1,2]", "n", date + 50)


def test_what_has_expired_leaves_nothing_for_the_next_life() -> None:
    wall = [1_000_000]
    with crdtkv.open(colo="lhr", clock=lambda: wall[0] / 1000) as kv:
        put(kv, "a", b"[1]", metadata="m", expires=1_060)
        wall[0] = 1_060_000
        assert shown(kv, "a") is None
        kv["a"] = [2]
        assert shown(kv, "a") == (b"[2]", None, None)
        put(kv, "a", b"[3]")
        assert shown(kv, "a") == (b"[3]", None, None)


def test_two_colos_end_with_one_metadata() -> None:
    with crdtkv.open(colo="lhr") as lhr, crdtkv.open(colo="sin") as sin:
        lhr.sync(sin)
        put(lhr, "todo", b"[1]", metadata="first")
        lhr.sync(sin)
        put(lhr, "todo", b"[1,2]", metadata="lhr")
        put(sin, "todo", b"[0,1]", metadata="sin")
        lhr.sync(sin)
        assert shown(lhr, "todo") == shown(sin, "todo") == (b"[0,1,2]", "sin", None)
        put(lhr, "x", b"a" * 512, metadata="m")
        lhr.sync(sin)
        assert shown(sin, "x") == (b"a" * 512, "m", None)


def test_the_longest_key_has_metadata_at_every_colo() -> None:
    with crdtkv.open(colo="lhr") as lhr, crdtkv.open(colo="sin") as sin:
        lhr.sync(sin)
        for key in ("k" * 512, "é" * 256):
            put(lhr, key, b"1", metadata="m")
        assert lhr.sync(sin).equal
        assert [named.metadata for named in holding.listing(sin).keys] == ["m", "m"]


def test_lists_go_on_over_deletes(kv: Store) -> None:
    for i in range(5):
        put(kv, f"a/{i}", b"x", metadata={"i": i} if i % 2 else None)
    page = holding.listing(kv, "a/", limit=2)
    assert [(n.name, n.metadata) for n in page.keys] == [("a/0", None), ("a/1", {"i": 1})]
    delete(kv, "a/2")
    rest = holding.listing(kv, "a/", cursor=page.cursor)
    assert [(n.name, n.metadata) for n in rest.keys] == [("a/3", {"i": 3}), ("a/4", None)] and rest.cursor is None


def test_many_are_read_at_one_instant(kv: Store) -> None:
    put(kv, "a", b"1", metadata="m")
    found = holding.get_many(kv, ["a", "b"])
    assert found["b"] is None and found["a"] is not None and found["a"].metadata == "m"


def test_metadata_is_no_key_of_anybody(kv: Store) -> None:
    start = kv.watch(timeout=0).cursor
    put(kv, "a", b"1", metadata="m")
    assert list(kv) == ["a"] and [change.key for change in kv.watch(since=start, timeout=0)] == ["a"]
    assert kv.check() == []


def test_of_a_key_that_is_gone_no_metadata_is_kept() -> None:
    """Whoever deletes it natively knows nothing of metadata: its writer's colo takes it away, and no other's."""
    wall = [1_000.0]
    with (
        crdtkv.open(colo="lhr", clock=lambda: wall[0]) as lhr, crdtkv.open(colo="sin", clock=lambda: wall[0]) as sin
    ):  # fmt: skip
        lhr.sync(sin)
        for key in ("deleted", "expired", "stays"):
            put(lhr, key, b"1", metadata="m", expires=1_100 if key == "expired" else None)
        lhr.sync(sin)
        del sin["deleted"]
        lhr.sync(sin)
        wall[0] += 200
        sin.compact()
        assert beside(sin, "deleted") and beside(sin, "expired")
        lhr.compact()
        assert not beside(lhr, "deleted") and not beside(lhr, "expired") and shown(lhr, "stays") == (b"1", "m", None)
        lhr.sync(sin)
        assert not beside(sin, "deleted") and shown(sin, "stays") == (b"1", "m", None)


def test_who_deletes_takes_no_metadata_that_he_had_not_seen() -> None:
    wall = [1_000.0]
    with (
        crdtkv.open(colo="lhr", clock=lambda: wall[0]) as lhr, crdtkv.open(colo="sin", clock=lambda: wall[0]) as sin
    ):  # fmt: skip
        put(lhr, "a", b"[1]", metadata="old")
        lhr.sync(sin)
        put(lhr, "a", b"[1,2]", metadata="new")
        wall[0] += 1
        delete(sin, "a")
        lhr.sync(sin)
        assert shown(lhr, "a") == shown(sin, "a") and shown(lhr, "a")[1] == "new"


def test_a_date_that_is_moved_by_others_leaves_metadata(kv: Store) -> None:
    date = int(kv._replica.wall_ms() / 1000) + 100
    put(kv, "a", b"[1]", metadata="m", expires=date)
    kv.expire("a", None)
    assert shown(kv, "a") == (b"[1]", "m", None)


def test_no_metadata_is_in_the_inbox() -> None:
    with crdtkv.open(colo="lhr") as lhr, crdtkv.open(colo="sin") as sin:
        lhr.sync(sin)
        put(lhr, "a", b"[1]", metadata="lhr")
        put(sin, "a", b"[2]", metadata="sin")
        lhr.sync(sin)
        assert lhr.conflicts() == sin.conflicts() == []
        assert shown(lhr, "a") == shown(sin, "a") and shown(lhr, "a")[1:] == ("sin", None)


def test_a_large_body_is_read_before_the_transaction(kv: Store) -> None:
    wish = holding.prepared(kv, Put("a", b"[1, 2]"))
    kv.put("a", 1, strategy="lww")  # it has become another's meanwhile: read again
    with kv.transaction() as t:
        holding.put(t, wish)
    assert kv["a"] == Blob(b"[1, 2]")
    with kv.transaction() as t:
        holding.put(t, holding.prepared(kv, Put("b", b"[1, 2]"))._replace(body=b"never read"))
    assert kv["b"] == [1, 2]
