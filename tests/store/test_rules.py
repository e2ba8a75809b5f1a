"""Rules: which strategy new keys get, in what order they hold, and what migrating does."""

from __future__ import annotations

from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BaseRequired, BaseTooOld, MergeFunctionInvalid, PatternInvalid, RuleInvalid, UnknownStrategy


def test_the_default_is_json(kv: crdtkv.Store) -> None:
    """A client that just puts its list gets it merged; the thread's case needs no setting."""
    assert kv.put("a", [1]).strategy == kv.put("b", 1).strategy == kv.put("c", b"bytes").strategy == "json"
    assert kv.rules.all() == [] and kv.rules.of("a").strategy == "json"
    kv.rules.set("*", "lww")
    assert kv.put("d", [1]).strategy == "lww"


def test_which_rule_holds(kv: crdtkv.Store) -> None:
    """Exact key, then the longest prefix or glob, then a regex, then the default."""
    kv.rules.set("*", "mv")
    kv.rules.set("a/*", "set")
    kv.rules.set("a/b/*", "list")
    kv.rules.set("a/b/exact", "counter")
    kv.rules.set("re:^x[0-9]+$", "max")
    for key, strategy in [("q", "mv"), ("a/1", "set"), ("a/b/1", "list"), ("a/b/exact", "counter"), ("x7", "max")]:
        assert kv.rules.of(key).strategy == strategy, key
    assert [r.pattern for r in kv.rules.all()] == sorted(r.pattern for r in kv.rules.all())


def test_rules_are_replicated(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    lhr.rules.set("a", "set", wins="remove")
    sin.rules.set("b", "json", paths={"/t": "set"})
    lhr.rules.set("c", "set")
    sin.rules.set("c", "list")
    lhr.sync(sin)
    assert lhr.rules.all() == sin.rules.all() and len(lhr.rules.all()) == 3
    assert sin.put("a", ["x"]).strategy == "set?wins=remove"
    assert lhr.rules.of("c") == sin.rules.of("c")


def test_remove(kv: crdtkv.Store) -> None:
    kv.rules.set("a", "set")
    kv.put("a", ["x"])
    kv.rules.remove("a")
    assert kv.rules.all() == [] and kv.get("a").strategy == "set"  # type: ignore[union-attr]
    with pytest.raises(RuleInvalid, match="no rule for 'a'; there are none"):
        kv.rules.remove("a")
    kv.rules.set("b", "set")
    with pytest.raises(RuleInvalid, match="there are 'b'"):
        kv.rules.remove("a")


@pytest.mark.parametrize(
    ("pattern", "strategy", "options", "error", "words"),
    [
        ("a", "or-set", {}, UnknownStrategy, "'or-set'"),
        ("a", "set", {"wins": "both"}, RuleInvalid, "'both'"),
        ("a", "set", {"loses": "add"}, RuleInvalid, "'loses'"),
        ("a", "set", {"ttl": "never"}, RuleInvalid, "'never'"),
        ("a", "set", {"paths": {"/a": "set"}}, RuleInvalid, "json"),
        ("a", "json", {"paths": {"a": "set"}}, RuleInvalid, "'a'"),
        ("a", "json", {"paths": {"/a": "nothing"}}, UnknownStrategy, "'nothing'"),
        ("a", "json", {"paths": {"/a": {"set": {}, "list": {}}}}, RuleInvalid, "set"),
        ("a", "json", {"paths": {"/a": {"list": {"by": ["x"]}}}}, RuleInvalid, "key"),
        ("a", "json", {"paths": {"/a": {"list": {"key": []}}}}, RuleInvalid, "'list?key='"),
        ("a", "json", {"paths": {"/a": {"list": {"key": ""}}}}, RuleInvalid, "'list?key='"),
        ("a", "json", {"paths": {"/a": {"list": {"key": ["a,b"]}}}}, RuleInvalid, "'a,b'"),
        ("a", "json", {"paths": {"/a": {"list": {"key": [7]}}}}, RuleInvalid, "7"),
        ("a", "json", {"paths": {"/a": {"list": {"key": ["a", "a"]}}}}, RuleInvalid, "'list?key=a,a'"),
        ("a", "json", {"paths": {"/a": {"list": "sku"}}}, RuleInvalid, "'sku'"),
        ("a", "json", {"paths": {"/a": "list?key=a,,b"}}, RuleInvalid, "'list?key=a,,b'"),
        ("a", "json", {"paths": {"/a": "list?by=x"}}, RuleInvalid, "'list?by=x'"),
        ("a", "json", {"paths": {"/a": "json?wins=delete"}}, RuleInvalid, "'json?wins=delete'"),
        ("a", "json", {"paths": {"": "set"}}, RuleInvalid, "'set'"),
        ("a", "json", {"paths": {"": "lww"}}, RuleInvalid, "'lww'"),
        ("a", "json", {"paths": {"": "counter"}}, RuleInvalid, "'counter'"),
        ("a", "json", {"paths": {"/a": "merge:nobody-knows"}}, MergeFunctionInvalid, "'nobody-knows'"),
        ("a", "merge:nobody-knows", {}, MergeFunctionInvalid, "'nobody-knows'"),
        ("a", "latch", {}, RuleInvalid, "order"),
        ("a", "set", {"keep_cells": -1}, RuleInvalid, "-1"),
        ("a", "set", {"keep_cells": True}, RuleInvalid, "True"),
        ("a", "set", {"keep_hours": float("nan")}, RuleInvalid, "nan"),
        ("a", "set", {"keep_hours": "1"}, RuleInvalid, "'1'"),
        ("a", "set", {"require_base": "yes"}, RuleInvalid, "'yes'"),
        ("[", "set", {}, PatternInvalid, "["),
        ("re:(", "set", {}, PatternInvalid, "("),
        ("", "set", {}, PatternInvalid, ""),
        (7, "set", {}, (PatternInvalid, RuleInvalid), "7"),
        ("a", 7, {}, (UnknownStrategy, RuleInvalid), "7"),
        ("a", "json", {"paths": [1]}, RuleInvalid, "[1]"),
        ("a" * 2000, "set", {}, PatternInvalid, "2000"),
        ("a", "merge:", {}, RuleInvalid, "merge"),
    ],
)
def test_a_rule_that_cannot_stand(
    kv: crdtkv.Store, pattern: Any, strategy: Any, options: dict[str, Any], error: Any, words: str
) -> None:
    """An error that names what does not fit; no rule is changed."""
    before = kv.vector
    with pytest.raises(error) as caught:
        kv.rules.set(pattern, strategy, **options)
    assert words in str(caught.value) and caught.value.next_step and caught.value.happened == "no"
    assert kv.vector == before and kv.rules.all() == []


def test_the_root_of_a_document_may_be_a_list(kv: crdtkv.Store) -> None:
    """Whose elements have keys; what a document is at its root is nothing else."""
    kv.rules.set("a", "json", paths={"": {"list": {"key": ["id"]}}})
    kv.put("a", [{"id": 1}, {"id": 2}])
    assert kv["a"] == [{"id": 1}, {"id": 2}]
    kv.rules.set("b", "json", paths={"": "json", "/t": "list"})
    assert kv.put("b", {"t": [1]}).value == {"t": [1]}


def test_a_set_rule_can_be_set_again(kv: crdtkv.Store) -> None:
    kv.rules.set("a", "set")
    kv.rules.set("a", "list")
    assert [r.strategy for r in kv.rules.all()] == ["list"]
    kv.rules.set("a", "list")
    assert [r.strategy for r in kv.rules.all()] == ["list"]


def test_migrate(kv: crdtkv.Store) -> None:
    """The dry run says what migrating then does, and changes nothing; a value that does not fit is left, with why."""
    kv.put("t/1", ["b", "a", "b"], strategy="list")
    kv.put("t/2", {"no": "list"}, strategy="json")
    kv.put("t/3", ["x"], strategy="set")
    kv.put("u/1", ["b"], strategy="list")
    kv.rules.set("t/*", "set")
    before = (kv.vector, kv.digest())
    dry = kv.rules.migrate("t/*", dry_run=True)
    assert (kv.vector, kv.digest()) == before
    assert [(m.key, m.old, m.new, m.before, m.after, m.problem is None) for m in dry] == [
        ("t/1", "list", "set", ["b", "a", "b"], ["a", "b"], True),
        ("t/2", "json", "set", {"no": "list"}, None, False),
    ]
    assert "{'no': 'list'}" in str(dry[1].problem)
    assert kv.rules.migrate("t/*") == dry
    assert kv.get("t/1").strategy == "set" and kv["t/1"] == ["a", "b"]  # type: ignore[union-attr]
    assert kv.get("t/2").strategy == "json" and kv["u/1"] == ["b"]  # type: ignore[union-attr]
    assert [m.key for m in kv.rules.migrate("t/*")] == ["t/2"]


def test_migrate_keeps_the_date(kv: crdtkv.Store, clock: Any) -> None:
    """What was to expire still does."""
    kv.put("k", ["a"], strategy="list", ttl=100)
    kv.rules.set("k", "set")
    kv.rules.migrate("k")
    assert kv.get("k").strategy == "set"  # type: ignore[union-attr]
    clock.now += 101
    assert kv.get("k") is None


def test_paths_change_what_a_migration_makes(kv: crdtkv.Store) -> None:
    """Also within json: a rule that gives a path another strategy."""
    kv.put("doc", {"tags": ["b", "a", "b"]}, strategy="json")
    kv.rules.set("doc", "json", paths={"/tags": "set"})
    [migration] = kv.rules.migrate("doc", dry_run=True)
    assert migration.after == {"tags": ["a", "b"]}
    kv.rules.migrate("doc")
    assert kv["doc"] == {"tags": ["a", "b"]}


def test_history_per_rule(kv: crdtkv.Store) -> None:
    kv.rules.set("short", "lww", keep_cells=2)
    kv.rules.set("none", "lww", keep_cells=0)
    for i in range(6):
        kv.put("short", i)
        kv.put("none", i)
        kv.put("long", i)
    assert [r.value for r in kv.history("short") if r.known] == [3, 4, 5]
    assert [r.value for r in kv.history("none") if r.known] == [5]
    assert [r.value for r in kv.history("long")] == list(range(6))


@pytest.mark.parametrize(
    ("value", "strategy", "edit"),
    [
        (3, "counter", lambda kv, base: kv.put("k", 3, base=base)),
        (["a", "b"], "set", lambda kv, base: kv.put("k", ["a"], base=base)),
        (["a", "b"], "list", lambda kv, base: kv.put("k", ["a"], base=base)),
        ({"a": 1}, "lww", lambda kv, base: kv.patch("k", {"b": 2}, base=base)),
        ({"a": 1}, "json?wins=delete", lambda kv, base: kv.json("k").at("/a").put(2, base=base)),
        ({"a": 1}, "lww", lambda kv, base: kv.delete("k", base=base)),
    ],
)
def test_a_base_of_before_a_migration(kv: crdtkv.Store, value: Any, strategy: str, edit: Any) -> None:
    """Is too old: what is there now is told, and nothing is written."""
    base = kv.put("k", value).version
    kv.rules.set("k", strategy)
    kv.rules.migrate("k")
    before = kv.digest()
    with pytest.raises(BaseTooOld, match="shows a json, and the key is a") as caught:
        edit(kv, base)
    assert caught.value.value == value and caught.value.version == kv.get("k").version  # type: ignore[union-attr]
    assert kv.digest() == before


def test_a_base_of_before_the_migration_of_a_path(kv: crdtkv.Store) -> None:
    """Only where the client changed what was migrated; both ways."""
    base = kv.put("k", {"n": 3, "tags": ["a", "b"], "x": 0}).version
    kv.rules.set("k", "json", paths={"/n": "counter", "/tags": "set"})
    kv.rules.migrate("k")
    for value in ({"n": 4, "tags": ["a", "b"]}, {"n": 3, "tags": ["a"]}):
        with pytest.raises(BaseTooOld, match=r"a plain value at '/(n|tags)', where a (counter|set) is now") as caught:
            kv.put("k", value, base=base)
        assert caught.value.value == kv["k"]
    new = kv.put("k", {"n": 3, "tags": ["a", "b"], "x": 1}, base=base)
    assert new.value == {"n": 3, "tags": ["a", "b"], "x": 1}
    kv.rules.set("k", "json")
    kv.rules.migrate("k")
    with pytest.raises(BaseTooOld, match="a set at '/tags', where a plain value is now"):
        kv.put("k", {"n": 3, "tags": ["a"], "x": 1}, base=new.version)
    kv.put("k", {"n": 5, "tags": ["a", "b"], "x": 1})
    assert kv.put("k", {"n": 3, "tags": ["a", "b"], "x": 2}, base=new.version).value["n"] == 5


def test_a_required_base_is_required_of_every_whole_write(kv: crdtkv.Store) -> None:
    """Of a put by a handle, at the root of a document, and of a patch; what says a part only needs none."""
    kv.rules.set("*", "json", require_base=True)
    version = kv.put("k", {"a": 1}).version
    kv.put("l", [1])
    whole = [
        lambda base: kv.put("k", {"a": 2}, base=base),
        lambda base: kv.json("k").put({"a": 2}, base=base),
        lambda base: kv.json("k").at("").put({"a": 2}, base=base),
        lambda base: kv.json("k").set_at("", {"a": 2}, base=base),
        lambda base: kv.patch("k", {"a": 2}, base=base),
    ]
    for write in whole:
        with pytest.raises(BaseRequired):
            write(None)
        assert write(version).value == {"a": 2}
    with pytest.raises(BaseRequired):
        kv.json("l").list("").put([2])
    assert kv.json("k").at("/b").put(1).value == {"a": 2, "b": 1}
    assert kv.json("l").list("").append(2).value == [1, 2]
