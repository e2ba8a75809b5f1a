"""Which version a whole-value put was made from: by connection, by token, across a restart (cases 46 and 47)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import crdtkv
from crdtkv.core import values
from crdtkv.core.versions import parse_version
from crdtkv.doors.items import guessing, holding
from crdtkv.doors.items.guessing import Readers, Seen, edits, who_asks
from crdtkv.doors.items.holding import Put
from crdtkv.errors import BaseRequired
from crdtkv.store.store import Store

V1 = b"[1,2,3,4,5,6,7]"


class Door:
    """A door of a store."""

    def __init__(self, kv: Store) -> None:
        self.kv = kv
        self.readers = Readers(kv._replica.wall_ms)

    def read(self, token: str = "t", seen: Seen | None = None, key: str = "todo") -> bytes | None:
        item = holding.get(self.kv, key)
        if item is None:
            self.readers.note(token, seen, self.kv.namespace, key, {})
            return None
        self.readers.told(token, seen, self.kv.namespace, item.entry)
        return item.body

    def put(self, body: bytes, token: str = "t", seen: Seen | None = None, key: str = "todo", **more: Any) -> list[str]:
        """The keys of which the base was guessed."""
        writer = self.readers.writer(self.kv, token, seen)
        with self.kv.transaction() as t:
            holding.put(t, Put(key, body, **more), writer)
        writer.done()
        return writer.guessed


@pytest.fixture
def kv() -> Iterator[Store]:
    with crdtkv.open(colo="lhr") as kv:
        yield kv


@pytest.fixture
def door(kv: Store) -> Door:
    return Door(kv)


def test_two_clients_of_one_token(door: Door) -> None:
    """Case 47: X reads v1, Y reads v2, with 8; X puts v1 without 5, and 8 stands."""
    door.put(V1)
    assert door.read() == V1  # X
    door.put(b"[1,2,3,4,5,6,7,8]")
    assert door.read() == b"[1,2,3,4,5,6,7,8]"  # Y
    assert door.put(b"[1,2,3,4,6,7]") == ["todo"]
    assert door.read() == b"[1,2,3,4,6,7,8]"


def test_the_same_after_a_restart(tmp_path: Path) -> None:
    wall = [1_000.0]
    with crdtkv.open(tmp_path / "a.db", colo="lhr", clock=lambda: wall[0]) as kv:
        door = Door(kv)
        door.put(V1)
        door.read()
        wall[0] += 1
        door.put(b"[1,2,3,4,5,6,7,8]")
        door.read()
    wall[0] += 1
    with crdtkv.open(tmp_path / "a.db", colo="lhr", clock=lambda: wall[0]) as kv:
        door = Door(kv)
        assert door.put(b"[1,2,3,4,6,7]") == ["todo"]
        assert door.read() == b"[1,2,3,4,6,7,8]"


@pytest.mark.parametrize("known", [True, False])
def test_the_thread(door: Door, known: bool) -> None:
    """Whoever comes first: 8 and 9 are added, 5 is gone."""
    for bodies in ((b"[1,2,3,4,6,7]", b"[1,2,3,4,5,6,7,8,9]"), (b"[1,2,3,4,5,6,7,8,9]", b"[1,2,3,4,6,7]")):
        door.kv.clear()
        door.put(V1)
        one: Seen | None = {} if known else None
        two: Seen | None = {} if known else None
        door.read("x", one), door.read("y" if known else "x", two)
        assert door.put(bodies[0], "x", one) == []
        assert door.put(bodies[1], "y" if known else "x", two) == ([] if known else ["todo"])
        assert door.read() == b"[1,2,3,4,6,7,8,9]"


def test_one_client_over_one_connection_gets_what_it_puts(door: Door) -> None:
    seen: Seen = {}
    for body in (b"[1,2]", b"[1,2,3]", b"[1,2,4]", b"[1,2]", b'{"on":true,"n":1}', b'{"n":2,"on":false}',
                 b'{"n":3,"on":true}', b"[]", b"[1]"):  # fmt: skip
        assert door.put(body, seen=seen) == []
        assert sorted(door.read(seen=seen) or b"") == sorted(body)


def test_who_goes_back_to_what_he_read_once_gets_it(door: Door) -> None:
    for body in (b'{"on":true}', b'{"on":false}', b'{"on":true}', b'{"on":false}'):
        door.put(body)
        assert door.read() == body


def test_who_never_reads_replaces(door: Door) -> None:
    door.put(b'{"a":1,"b":2}', "deploy")
    door.put(b'{"a":1,"b":3}', "deploy")
    door.read("other")
    assert door.put(b'{"a":1,"b":2,"c":1}', "deploy") == []
    assert door.read("other") == b'{"a":1,"b":2,"c":1}'


def test_one_client_gets_what_it_puts_whatever_it_is() -> None:
    """Over one connection, of random documents: as if there were no merging."""
    rng = Random(7)

    def value(depth: int = 0) -> Any:
        kind = rng.randrange(4 if depth < 2 else 2)
        if kind == 2:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        return {c: value(depth + 1) for c in "abc" if rng.random() < 0.5} if kind == 3 else rng.randrange(3)

    with crdtkv.open(colo="lhr") as kv:
        door, seen = Door(kv), Seen()
        for step in range(400):
            new = value()
            door.put(values.to_json(new).encode(), seen=seen, metadata=step % 3 or None)
            assert values.equal(kv["todo"], new), (step, new, kv["todo"])
            if rng.random() < 0.3:
                kv["todo"] = value()  # by somebody else
                door.read(seen=seen)
            elif rng.random() < 0.1:
                writer = door.readers.writer(kv, "t", seen)
                with kv.transaction() as t:
                    holding.delete(t, "todo")
                writer.deleted("todo"), writer.done()
        assert kv.check() == []


def test_put_again_it_changes_nothing(door: Door) -> None:
    """The reply was lost: the client sends it again, over another connection."""
    seen: Seen = {}
    door.put(V1)
    door.read(seen=seen)
    for again in (seen, {}, None):
        door.put(b"[1,2,3,4,5,6,7,8]", seen=again)
        assert door.read("other") == b"[1,2,3,4,5,6,7,8]"


def test_a_client_goes_on_from_what_it_put_beside_what_it_does_not_know() -> None:
    with crdtkv.open(colo="lhr") as lhr, crdtkv.open(colo="sin") as sin:
        lhr.sync(sin)
        door, seen = Door(lhr), Seen()
        door.put(b"[1]", seen=seen)
        lhr.sync(sin)
        sin.list("todo").append(8)
        lhr.sync(sin)
        door.put(b"[1,2]", seen=seen)
        door.put(b"[1,2,3]", seen=seen)
        found = door.read("other")
        assert found in (b"[1,2,3,8]", b"[1,8,2,3]"), found


def test_a_client_goes_on_from_what_it_put_beside_what_was_written_here(door: Door) -> None:
    """It never reads again: no version says what it knows, so what it put is remembered."""
    x, y = Seen(), Seen()
    door.put(b"[1]")
    door.read(seen=x), door.read(seen=y)
    door.put(b"[1,8]", seen=y)
    for body, shown in ((b'[1,"a"]', [1, 8, "a"]), (b'[1,"a","b"]', [1, 8, "a", "b"]), (b'[1,"b"]', [1, 8, "b"]),
                        (b'["b"]', [8, "b"]), (b"[]", [8])):  # fmt: skip
        assert door.put(body, seen=x) == [] and door.kv["todo"] == shown
    assert door.read(seen=x) == b"[8]"
    assert door.put(b"[9]", seen=x) == [] and door.kv["todo"] == [9]
    door.put(b'{"a":1,"b":{"c":1}}', seen=x)
    door.read(seen=y)
    door.put(b'{"a":1,"b":{"c":1},"y":1}', seen=y)
    door.put(b'{"a":2,"b":{"c":1}}', seen=x)
    door.put(b'{"a":2,"b":{"c":2}}', seen=x)
    door.put(b'{"b":{"c":2}}', seen=x)
    assert door.kv["todo"] == {"b": {"c": 2}, "y": 1}


def test_two_that_found_nothing_both_make_it(door: Door) -> None:
    one, two = Seen(), Seen()
    assert door.read("x", one) is None and door.read("y", two) is None
    door.put(b'{"a":1}', "x", one)
    door.put(b'{"b":2}', "y", two)
    assert door.read() == b'{"a":1,"b":2}'


def test_what_was_deleted_is_made_anew(door: Door) -> None:
    seen: Seen = {}
    door.put(b"[1,2]", seen=seen)
    door.read(seen=seen)
    del door.kv["todo"]
    door.put(b"[1,2]", seen=seen)
    assert door.read(seen=seen) == b"[1,2]"


def test_a_session_says_what_was_seen(door: Door) -> None:
    """X reads v1, Y puts 8; X puts without 5 from another connection, with its session: 8 stands, and nothing is
    guessed."""
    kv = door.kv

    def session() -> Any:
        return parse_version("todo", kv.get("todo").version)  # type: ignore[union-attr]

    def put(body: bytes, session: Any) -> Any:
        writer = door.readers.writer(kv, "t", None, session)
        with kv.transaction() as t:
            holding.put(t, Put("todo", body), writer)
        writer.done()
        assert writer.guessed == []
        return kv["todo"]

    door.put(V1)
    x = session()
    kv.list("todo").append(8)
    assert put(b"[1,2,3,4,6,7]", x) == [1, 2, 3, 4, 6, 7, 8]
    assert put(b"[1]", session()) == [1]
    assert sorted(put(b"[2]", {})) == [1, 2]  # it had seen nothing: both made it
    del kv["todo"]
    assert put(b"[3]", x) == [3]


def test_counters_add_the_difference(kv: Store, door: Door) -> None:
    kv.rules.set("todo", "counter")
    one, two = Seen(), Seen()
    door.put(b"5")
    door.read(seen=one), door.read(seen=two)
    door.put(b"6", seen=one)
    door.put(b"7", seen=two)
    assert door.read() == b"8"


def test_what_takes_no_base_is_left_alone(kv: Store, door: Door) -> None:
    for rule in ("lww", "max", "latch?order=a,b", "log", "flag"):
        assert not guessing._matters(rule, [1])
    kv.rules.set("*", "lww")
    door.put(b"[1]"), door.read(), door.put(b"[2]"), door.read()
    assert door.put(b"[1,3]") == [] and door.read() == b"[1,3]"


def test_a_rule_that_wants_a_base_is_not_met_by_a_guess(kv: Store, door: Door) -> None:
    kv.rules.set("todo", "json", require_base=True)
    seen: Seen = {}
    door.put(b"[1]")
    door.read(seen=seen), door.read()
    door.put(b"[1,2]", seen=seen)
    door.put(b"[1,2,3]", seen=seen)
    with pytest.raises(BaseRequired):
        door.put(b"[1]")
    assert door.read() == b"[1,2,3]"


def test_a_version_that_is_not_kept_is_no_base(door: Door) -> None:
    door.kv.rules.set("todo", "json", keep_cells=0)
    seen: Seen = {}
    door.put(V1)
    door.read(seen=seen)
    door.kv["todo"] = [1]
    assert door.put(b"[1,2]", seen=seen) == [] and door.read() == b"[1,2]"


def test_memory_is_bounded_and_what_is_forgotten_counts_as_read(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "_OF_ALL", 3)
    monkeypatch.setattr(guessing, "_OF_A_CONNECTION", 2)
    seen: Seen = {}
    for key in "abcde":
        door.put(V1, key=key), door.read(key=key, seen=seen)
    assert len(door.readers._read) == 3 and [key for _, key in seen] == ["d", "e"]
    assert door.readers.since > 0
    door.put(b"[1,2,3,4,5,6,7,8]", "other", key="a")
    assert door.put(b"[1,2,3,4,6,7]", key="a") == ["a"]
    assert door.read(key="a") == b"[1,2,3,4,6,7,8]"


def test_of_a_connection_one_value_is_remembered_and_no_large_one(door: Door) -> None:
    x, y = Seen(), Seen()
    for key, more in (("a", b""), ("b", b""), ("c", b'"%s",' % (b"x" * 20_000))):
        door.put(b"[1]", key=key)
        door.read(key=key, seen=x), door.read(key=key, seen=y)
        door.put(b"[1,8]", key=key, seen=y)
        door.put(b"[1,%s2]" % more, key=key, seen=x)
        assert len(door.kv[key]) == 3 + bool(more)
    assert [key for (_, key), known in x.items() if isinstance(known, bytes)] == ["b"] and len(x) == 1


def test_who_asks() -> None:
    assert who_asks([(b"authorization", b"Bearer x"), (b"accept", b"*/*")]) == ("Bearer x", True)
    for behind in (b"via", b"forwarded", b"x-forwarded-for"):
        assert who_asks([(behind, b"1.1 proxy")]) == ("", False)


def test_edits() -> None:
    for old, new, count in (
        ([1, 2, 3], [1, 3], 1), ([1, 2], [1, 2, 8], 1), ([1], [2], 2), ({"a": 1}, {"a": 1}, 0), ({}, {"a": [1, 2]}, 1),
        ({"a": [1, 2], "b": 0}, {"a": [2], "c": 0}, 3), (1, 1.0, 1), ("x", "x", 0), ([[1]], [[1, 2]], 2), (None, [], 1),
    ):  # fmt: skip
        assert edits(old, new) == count, (old, new)
