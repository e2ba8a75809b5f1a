"""Versions, bases, cursors: what a client holds is honoured exactly, or refused in words."""

from __future__ import annotations

from typing import Any

import pytest

import crdtkv
from crdtkv.core.versions import parse_version
from crdtkv.errors import BaseNotHere, BaseTooOld, PreconditionFailed, VersionInvalid
from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from crdtkv.server.limits import Limits
from tests.colos import Clock, Colos, arrive, cut
from tests.server.asgi import Client


def test_case_35_never_the_old_value() -> None:
    """A version is a token: who lacks it says so, with the colo that has it; a create is seen at once here."""
    colos = Colos("a", "b")
    version = colos["a"].put("k", 1).version
    with pytest.raises(BaseNotHere) as caught:
        colos["b"].get("k", at=version)
    assert colos["a"].id in str(caught.value) and caught.value.happened == "no"
    assert colos["b"].get("fresh") is None
    colos["b"].put("fresh", 1)
    found = colos["b"].get("fresh")
    assert found is not None and found.value == 1 and list(colos["b"].keys()) == ["fresh"]


def test_case_35_a_session_waits_or_is_told_that_it_cannot() -> None:
    """Its token, of a write at one colo, at another that lacks it: 503, then the value; never that there is none."""
    here, there = Node(None, colo="lhr"), Node(None, colo="sin")
    with here, there, Client(create_app(here)) as lhr, Client(create_app(there, Limits(session_wait=0.0))) as sin:
        seen = {"crdtkv-session": lhr.put("/v1/default/keys/a", content="1").headers["crdtkv-session"]}
        assert lhr.get("/v1/default/keys/a", headers=seen).text == "1"
        early = sin.get("/v1/default/keys/a", headers=seen)
        assert early.status_code == 503 and early.headers["retry-after"] and early.json()["happened"] == "no"
        here.store("default").sync(there.store("default"))
        assert sin.get("/v1/default/keys/a", headers=seen).text == "1"


def test_case_36_a_cursor_goes_on_over_deletes() -> None:
    kv = crdtkv.open(colo="a")
    for i in range(10):
        kv.put(f"k{i}", i)
    page = kv.scan(limit=3)
    assert [e.key for e in kv.scan(limit=2, cursor=page.cursor)] == ["k3", "k4"]
    for key in ("k1", "k2", "k3", "k4"):
        kv.delete(key)
    kv.put("k45", "new")
    rest = kv.scan(cursor=page.cursor)
    assert [e.key for e in rest] == ["k45", "k5", "k6", "k7", "k8", "k9"]
    assert all(kv.get(e.key) is not None for e in rest)
    back = kv.scan(limit=2, reverse=True)
    assert [e.key for e in back] == ["k9", "k8"]
    kv.delete("k8")
    kv.delete("k7")
    assert [e.key for e in kv.scan(limit=2, reverse=True, cursor=back.cursor)] == ["k6", "k5"]


def test_case_37_a_gap_is_never_silent() -> None:
    """A feed left in the middle of a batch, the rest of which is purged before it goes on: reset, and a snapshot."""
    clock = Clock()
    kv = crdtkv.open(colo="a", clock=clock.of("a"), purge_step_ms=1)
    feed = kv.watch(timeout=0)
    kv.put("b", 1)
    kv.put("z", 1)
    seen: dict[str, Any] = {}
    cursor = ""
    for change in feed:
        seen[change.key], cursor = change.entry and change.entry.value, change.cursor
    kv.put("b", 2)
    kv.delete("z")
    first = next(kv.watch(since=cursor, timeout=0))
    seen[first.key] = first.entry and first.entry.value
    clock.wait(60)
    kv.compact()
    for change in kv.watch(since=first.cursor, timeout=0):
        if change.reset:
            seen = {}
        else:
            seen[change.key] = change.entry and change.entry.value
    assert {k: v for k, v in seen.items() if v is not None} == dict(kv.items())


def test_case_37_each_change_once() -> None:
    """A cursor in the middle of a batch gives the rest of it, and what came since, once."""
    kv = crdtkv.open(colo="a")
    feed = kv.watch(timeout=0)
    for key in "abc":
        kv.put(key, 1)
    first = next(feed)
    kv.put("c", 2)
    kv.put("d", 1)
    told = [(c.key, c.entry and c.entry.value) for c in kv.watch(since=first.cursor, timeout=0)]
    assert sorted(told) == [("b", 1), ("c", 2), ("d", 1)]


@pytest.mark.parametrize("strategy", ["json", "list", "set", "lww"])
def test_case_45_a_version_never_comes_again(strategy: str) -> None:
    """After an element (or the key) was removed and purged: no version that ever was is given again, If-Match fails."""
    colos = Colos("a", "b")
    a = colos["a"]
    seen = {a.put("k", ["x", "y"], strategy=strategy).version}
    old = a.put("k", ["x", "y", "z"]).version
    assert old not in seen
    seen.add(old)
    colos.meet()
    for value in (["x", "y"], None, ["x"]):
        version = (a.delete("k") if value is None else a.put("k", value)).version
        assert version not in seen or (value is None and version == a.put("k", ["x"]).version)
        seen.add(version)
        colos.purge()
        entry = a.get("k")
        if entry is not None:
            assert entry.version == version
        with pytest.raises(PreconditionFailed):
            a.put("k", "never", if_version=old)
    with pytest.raises((BaseTooOld, VersionInvalid)):
        # json, list: what it takes out of the base cannot be told any more; never a guess
        if strategy == "lww":
            raise BaseTooOld("lww replaces whatever stands, whatever the base")
        colos.clock.wait(30 * 3600)
        colos.purge()
        a.put("k", ["x", "y", "z", "n"], base=old)
    assert "z" not in (a.get("k").value)


def test_case_47_two_clients_of_one_token() -> None:
    """X reads v1, Y reads v2 with 8, X puts v1 without 5: 8 stands, and it is told that the base was guessed."""
    from crdtkv.doors.items import guessing, holding

    kv = crdtkv.open(colo="a")
    readers = guessing.Readers(kv._replica.wall_ms)

    def put(body: bytes) -> list[str]:
        writer = readers.writer(kv, "token", None)
        with kv.transaction() as t:
            holding.put(t, holding.Put("todo", body), writer)
        writer.done()
        return writer.guessed

    for body in (b"[1,2,3,4,5,6,7]", b"[1,2,3,4,5,6,7,8]"):
        put(body)
        entry = kv.get("todo")
        assert entry is not None
        readers.note("token", None, kv.namespace, "todo", parse_version("todo", entry.version))
    assert put(b"[1,2,3,4,6,7]") == ["todo"] and kv["todo"] == [1, 2, 3, 4, 6, 7, 8]


def test_case_46_a_base_older_than_the_history() -> None:
    """Trimmed, squashed or purged: base-too-old with what is current; what can be rebuilt is rebuilt exactly."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    versions, values = [], []
    for i in range(6):
        values.append([i, *range(10 + i // 2, 13)])
        versions.append(a.put("l", values[-1], strategy="list").version)
    b.sync(a)
    fresh = Colos("z")["z"]
    fresh.sync(a)
    rebuilt = {}
    for kv in (a, b, fresh):
        for version, value in zip(versions, values, strict=True):
            try:
                found = kv.get("l", at=version)
            except BaseTooOld as error:
                assert (error.version, error.value) == (versions[-1], values[-1])
                with pytest.raises(BaseTooOld):
                    kv.put("l", [*value, "n"], base=version)
            else:
                assert found is not None and found.value == value
                rebuilt[kv.colo] = rebuilt.get(kv.colo, 0) + 1
    assert rebuilt["a"] == 6 and rebuilt["z"] >= 1
    colos.clock.wait(25 * 3600)
    a.compact()
    with pytest.raises(BaseTooOld) as caught:
        a.put("l", [0, 1, 9], base=versions[1])
    assert caught.value.happened == "no" and a["l"] == values[-1]
    assert (caught.value.version, caught.value.value) == (versions[-1], values[-1])


def test_case_46_between_two_catch_ups() -> None:
    """A version that was squashed on its way is told to be too old, or rebuilt exactly; never something else."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    versions, values = [], []
    for i in range(6):
        values.append({"n": i, f"m{i}": i, "l": list(range(i, 6))})
        versions.append(a.put("doc", values[-1], strategy="json").version)
        if i in (0, 5):
            assert arrive(b, cut(a, b)) == "absorbed"
    refused = 0
    for version, value in zip(versions, values, strict=True):
        try:
            found = b.get("doc", at=version)
            assert found is not None and found.value == value
        except BaseTooOld:
            refused += 1
    assert refused == 4
    assert b.get("doc", at=versions[0]).value == values[0] and b.get("doc", at=versions[5]).value == values[5]
