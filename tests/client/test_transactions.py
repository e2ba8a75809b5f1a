"""A transaction of a client reads what it has written: the colo tries it, and undoes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import crdtkv
from crdtkv.core.blob import Blob
from crdtkv.errors import PreconditionFailed, WrongOperation
from crdtkv.node.node import Node

Connect = Callable[..., crdtkv.Client]


def test_it_reads_what_it_wrote(kv: crdtkv.Client, node: Node) -> None:
    """As in a store, of whatever strategy; what is outside sees nothing of it, and there is nothing of it."""
    kv.put("list", ["a"])
    kv.put("gone", 1)
    before = node.store("default").vector, node.store("default").digest()
    with kv.transaction() as t:
        t["plain"] = {"x": [1]}
        t.patch("plain", {"y": 2})
        t.counter("hits").add(2)
        t.counter("hits").add(3)
        t.list("list").append("b")
        t.put("blob", b"GIF")
        del t["gone"]
        assert t["plain"] == {"x": [1], "y": 2} and t["hits"] == 5 and t.counter("hits").value == 5
        assert t["list"] == ["a", "b"] == t.list("list").value and t["blob"] == Blob(b"GIF")
        assert "gone" not in t and t.get("gone") is None and "plain" in t
        entry = t.get("list")
        assert entry is not None and entry.version == "" and entry.strategy == "json"
        found = t.get_many(["hits", "list", "nowhere"])
        assert [each and each.value for each in found.values()] == [5, ["a", "b"], None]
        assert (node.store("default").vector, node.store("default").digest()) == before
        assert kv["list"] == ["a"] and "hits" not in kv
    assert dict(kv) == {"blob": Blob(b"GIF"), "hits": 5, "list": ["a", "b"], "plain": {"x": [1], "y": 2}}


def test_what_handles_of_it_show(kv: crdtkv.Client) -> None:
    with kv.transaction() as t:
        t.set("tags").add("a", "b")
        t.log("log").append("first")
        t.json("doc").put({"n": {"m": 1}})
        assert "a" in t.set("tags") and "c" not in t.set("tags")
        assert [entry for _, entry in t.log("log").range()] == ["first"]
        assert t.json("doc").at("/n/m").value == 1


def test_what_was_written_under_what_it_read_is_a_condition(kv: crdtkv.Client, connected: Connect) -> None:
    """What the key was before: another's write of it is found at the end, and at the next read."""
    kv.put("n", 1)
    with pytest.raises(PreconditionFailed), kv.transaction() as t:
        t.put("n", 2)
        assert t["n"] == 2
        connected()["n"] = 7
    assert kv["n"] == 7
    with pytest.raises(PreconditionFailed), kv.transaction() as t:
        t.put("n", 8)
        assert t["n"] == 8
        connected()["n"] = 9
        t["n"]
    assert kv["n"] == 9


def test_a_write_that_cannot_be_is_known_when_it_is_read(kv: crdtkv.Client) -> None:
    kv.put("k", [1])
    with pytest.raises(WrongOperation), kv.transaction() as t:
        t.counter("k").add(1)
        t["k"]
    assert kv["k"] == [1]
