"""put, delete, patch, expire: receipts, bases, conditions, keys for exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import crdtkv
from crdtkv.core import values
from crdtkv.errors import (
    BaseNotHere,
    BaseRequired,
    BaseTooOld,
    CrdtkvError,
    PatchInvalid,
    PatchTestFailed,
    PreconditionFailed,
    StrategyMismatch,
    UnknownStrategy,
    ValueInvalid,
    VersionInvalid,
    WrongOperation,
    WrongType,
)
from crdtkv.store.patches import patched
from tests.colos import calls
from tests.compiled import interpreted

NORMAL: list[tuple[str, Any, Any]] = [
    ("lww", {"b": 1, "a": [1.0, None]}, {"b": 1, "a": [1.0, None]}),
    ("mv", [1, 2], [1, 2]),
    ("max", 7, 7),
    ("min", "x", "x"),
    ("latch?order=open,paid,sent", "paid", "paid"),
    ("flag", True, True),
    ("counter", -3, -3),
    ("set", ["b", "a", "b"], ["a", "b"]),
    ("list", [2, 1, 2], [2, 1, 2]),
    ("log", ["first", {"second": 2}], ["first", {"second": 2}]),
    ("json", {"b": 1, "a": {"d": [], "c": {}}}, {"a": {"c": {}, "d": []}, "b": 1}),
    ("json", 7, 7),
    ("json", None, None),
    ("json", [[1, [2]], {}], [[1, [2]], {}]),
]


@pytest.mark.parametrize(("strategy", "value", "shown"), NORMAL)
def test_a_receipt_says_what_a_read_says(kv: crdtkv.Store, strategy: str, value: Any, shown: Any) -> None:
    """Put-get: the receipt, get and the mapping show norm(value), under the strategy named, at one version."""
    receipt = kv.put("k", value, strategy=strategy)
    entry = kv.get("k")
    assert entry is not None
    assert repr(receipt.value) == repr(entry.value) == repr(kv["k"]) == repr(shown)
    assert receipt.version == entry.version and receipt.key == entry.key == "k"
    assert receipt.strategy == entry.strategy == strategy


@pytest.mark.parametrize(("strategy", "value", "shown"), NORMAL)
def test_put_get_again_and_on_a_base(kv: crdtkv.Store, strategy: str, value: Any, shown: Any) -> None:
    """Also over something else, and with the current version as the base."""
    other: dict[str, Any] = {"max": 1, "min": "y", "flag": False, "counter": 5, "set": ["c"], "list": [9], "log": []}
    first = kv.put("k", other.get(strategy, "open" if "latch" in strategy else {"x": 1}), strategy=strategy)
    assert repr(kv.put("k", value, base=first.version).value) == repr(shown)
    assert repr(kv["k"]) == repr(shown)


def test_versions_change_with_every_change(kv: crdtkv.Store) -> None:
    seen = {kv.put("k", i).version for i in range(20)}
    assert len(seen) == 20
    assert kv.put("other", 1).version not in seen


def test_what_changes_nothing_writes_nothing(kv: crdtkv.Store) -> None:
    kv.put("doc", {"a": [1, 2]}, strategy="json")
    kv.put("m", 5, strategy="max")
    before = kv.vector
    kv.put("doc", {"a": [1, 2]})
    kv.put("m", 4)
    kv.delete("nothing")
    kv.expire("nothing", 10)
    kv.set("s").remove("nothing")
    assert kv.vector == before


def test_a_base_is_merged_against(kv: crdtkv.Store) -> None:
    """Three-way: what the base's reader changed, on top of what came since."""
    version = kv.put("doc", {"a": 1, "b": 2, "l": [1, 2, 3]}, strategy="json").version
    kv.put("doc", {"a": 1, "b": 3, "l": [1, 2, 3, 4]})
    receipt = kv.put("doc", {"a": 9, "b": 2, "l": [1, 3]}, base=version)
    assert receipt.value == {"a": 9, "b": 3, "l": [1, 3, 4]}


def test_without_a_base_a_put_is_against_what_is_here(kv: crdtkv.Store) -> None:
    kv.put("doc", {"a": 1, "b": 2}, strategy="json")
    assert kv.put("doc", {"a": 1}).value == {"a": 1}


def test_a_delete_on_an_old_base_takes_what_it_showed(kv: crdtkv.Store) -> None:
    version = kv.put("s", ["a"], strategy="set").version
    kv.set("s").add("b")
    assert kv.delete("s", base=version).value == ["b"]
    assert kv.delete("s").value is None and "s" not in kv


def test_if_version(kv: crdtkv.Store) -> None:
    """The version of now lets it through; any other refuses, names the right one and writes nothing."""
    first = kv.put("stock", 5, if_version=None)
    second = kv.put("stock", 4, if_version=first.version)
    before = kv.vector
    for wanted in (first.version, None):
        with pytest.raises(PreconditionFailed) as caught:
            kv.put("stock", 3, if_version=wanted)
        assert caught.value.version == second.version
        assert caught.value.happened == "no" and caught.value.status == 412
        assert second.version in str(caught.value)
        assert ("already" if wanted is None else repr(wanted)) in str(caught.value)
    with pytest.raises(PreconditionFailed):
        kv.delete("stock", if_version=first.version)
    with pytest.raises(PreconditionFailed) as caught:
        kv.put("absent", 1, if_version=second.version)
    assert caught.value.version == ""
    assert kv.vector == before and kv["stock"] == 4
    kv.delete("stock", if_version=second.version)
    kv.put("stock", 1, if_version=None)


def test_bases_that_are_none(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """Malformed, of another key, forged, not here yet: each its own error, nothing written."""
    lhr, sin = pair
    version = lhr.put("k", 1).version
    sin.sync(lhr)
    other = lhr.put("other", 1).version
    later = lhr.put("k", 2).version
    incarnation, n = version.split("_")[1].rsplit(".", 1)
    tries: list[tuple[Any, type[crdtkv.CrdtkvError]]] = [
        ("", VersionInvalid),
        ("x", VersionInvalid),
        (7, VersionInvalid),
        (version + "_", VersionInvalid),
        (version.upper(), VersionInvalid),
        (version + "_" + version.split("_")[1], VersionInvalid),
        (other, VersionInvalid),
        (version.replace(incarnation, "nowhere~aaaa"), VersionInvalid),
        (later, BaseNotHere),
        (version.replace(f".{n}", ".99999"), BaseNotHere),
    ]
    before = sin.vector
    for base, error in tries:
        for act in (
            lambda base=base: sin.put("k", 3, base=base),
            lambda base=base: sin.get("k", at=base),
            lambda base=base: sin.delete("k", base=base),
            lambda base=base: sin.patch("k", [], base=base),
        ):
            with pytest.raises(error) as caught:
                act()
            assert caught.value.happened == "no" and caught.value.next_step
    assert sin.vector == before and sin["k"] == 1


def test_require_base(kv: crdtkv.Store) -> None:
    kv.rules.set("doc", "json", require_base=True)
    version = kv.put("doc", {"a": 1}).version
    with pytest.raises(BaseRequired) as caught:
        kv.put("doc", {"a": 2})
    assert "'doc'" in str(caught.value) and caught.value.status == 428
    assert kv.put("doc", {"a": 2}, base=version).value == {"a": 2}


def test_a_strategy_is_for_creation(kv: crdtkv.Store) -> None:
    kv.put("k", ["a"], strategy="set")
    assert kv.put("k", ["b"], strategy="set").value == ["b"]
    with pytest.raises(StrategyMismatch, match="'k' is a set"):
        kv.put("k", ["b"], strategy="list")
    kv.delete("k")
    assert kv.put("k", ["b"], strategy="list").strategy == "list"
    with pytest.raises(UnknownStrategy, match=r"no strategy 'or-set'; there are counter, flag"):
        kv.put("new", 1, strategy="or-set")


def test_bytes_are_a_blob(kv: crdtkv.Store) -> None:
    for strategy in ("lww", "mv"):
        key = f"b/{strategy}"
        kv.put(key, b"\x00\xff", strategy=strategy)
        assert kv[key] == crdtkv.Blob(b"\x00\xff")
        kv.put(key, crdtkv.Blob(b"GIF89a", "image/gif"))
        assert kv[key].content_type == "image/gif"
    kv.log("l").append(crdtkv.Blob(b"x"))
    assert kv["l"] == [crdtkv.Blob(b"x")]


# exactly once


def test_an_idempotency_key_does_a_put_once(kv: crdtkv.Store) -> None:
    one = kv.put("k", 1, idempotency_key="try")
    kv.put("k", 2)
    again = kv.put("k", 1, idempotency_key="try")
    assert again.version == one.version and kv["k"] == 2
    with pytest.raises(ValueInvalid, match=r"'try' was used for .*'k'"):
        kv.put("other", 1, idempotency_key="try")
    assert "other" not in kv


def test_a_put_that_failed_may_be_tried_again_under_its_key(kv: crdtkv.Store) -> None:
    version = kv.put("k", 1).version
    kv.put("k", 2)
    with pytest.raises(PreconditionFailed):
        kv.put("k", 3, if_version=version, idempotency_key="try")
    assert kv.put("k", 3, idempotency_key="try").value == 3


@interpreted
def test_an_idempotent_put_is_remembered_with_the_write(kv: crdtkv.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remembering is part of the write's transaction: a crash in between must not let the write happen twice."""
    commits = []
    whole = type(kv._replica.storage).commit
    monkeypatch.setattr(type(kv._replica.storage), "commit", lambda self: (commits.append(1), whole(self))[1])
    kv.put("k", [1], strategy="list", idempotency_key="try")
    assert len(commits) == 1


def test_an_idempotent_put_in_a_transaction_that_is_given_up(kv: crdtkv.Store) -> None:
    with pytest.raises(RuntimeError), kv.transaction() as t:
        t.put("k", 1, idempotency_key="try")
        raise RuntimeError("given up")
    assert kv.put("k", 1, idempotency_key="try").value == 1
    assert kv["k"] == 1


def test_an_idempotency_key_for_an_add(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    for kv in (lhr, sin, lhr):
        kv.counter("n").add(3, idempotency_key="order-7")
    lhr.sync(sin)
    assert lhr["n"] == sin["n"] == 3
    with pytest.raises(ValueInvalid, match="'order-7' was used to add 3; not 4"):
        lhr.counter("n").add(4, idempotency_key="order-7")


# patches


def test_json_patch(kv: crdtkv.Store) -> None:
    version = kv.put("doc", {"a": 1, "l": [1, 2, 3]}, strategy="json").version
    kv.json("doc").list("/l").append(4)
    receipt = kv.patch(
        "doc",
        [
            {"op": "test", "path": "/a", "value": 1},
            {"op": "remove", "path": "/l/1"},
            {"op": "add", "path": "/b", "value": {"c": None}},
            {"op": "copy", "from": "/a", "path": "/d"},
            {"op": "move", "from": "/d", "path": "/e"},
            {"op": "replace", "path": "/a", "value": 2},
        ],
        base=version,
    )
    assert receipt.value == {"a": 2, "b": {"c": None}, "e": 1, "l": [1, 3, 4]}


def test_merge_patch(kv: crdtkv.Store) -> None:
    kv.put("doc", {"a": {"b": 1, "c": 2}, "d": [1]}, strategy="json")
    assert kv.patch("doc", {"a": {"b": None, "e": {"f": None}}, "d": [2]}).value == {"a": {"c": 2, "e": {}}, "d": [2]}


@pytest.mark.parametrize(
    "patch",
    [
        "text",
        7,
        None,
        [7],
        [{}],
        [{"op": "nothing", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "remove", "path": "/none"}],
        [{"op": "add", "path": "/l/9", "value": 1}],
        [{"op": "add", "path": "/x"}],
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "test", "path": "/a", "value": True}],
        [{"op": "test", "path": "/a", "value": 1.0}],
        [{"op": "replace", "path": "/none", "value": 1}],
        [{"op": "move", "from": "/l", "path": "/l/0"}],
        [{"op": "add", "path": "/l/-1", "value": 1}],
        [{"op": "add", "path": "/l/01", "value": 1}],
        [{"op": "add", "path": "/b", "value": 1}, {"op": "remove", "path": "/none"}],
    ],
)
def test_a_patch_that_does_not_apply(kv: crdtkv.Store, patch: Any) -> None:
    """PatchInvalid with the operation that failed, or that it tests what is not so; nothing of it is written."""
    kv.put("doc", {"a": 1, "l": [1]}, strategy="json")
    before = kv.vector
    tests = isinstance(patch, list) and "test" in [operation.get("op") for operation in patch if operation != 7]
    with pytest.raises(PatchTestFailed if tests else PatchInvalid) as caught:
        kv.patch("doc", patch)
    assert "'doc'" in str(caught.value) and caught.value.next_step
    assert kv.vector == before and kv["doc"] == {"a": 1, "l": [1]}


@pytest.mark.parametrize(
    "path, wanted, words",
    [
        ("/a", 2, "tests that '/a' is 2; it is 1"), ("/a", 1.0, "tests that '/a' is 1.0; it is 1"),
        ("/a", True, "tests that '/a' is True; it is 1"), ("/none", None, "is None; there is nothing"),
        ("/l/-", 1, "there is nothing"), ("/l/9", 1, "there is nothing"), ("/a/b", 1, "there is nothing"),
    ],
)  # fmt: skip
def test_what_a_patch_tests_is_told_beside_what_is_there(path: str, wanted: Any, words: str) -> None:
    with pytest.raises(PatchTestFailed, match=words):
        patched("k", {"a": 1, "l": [1]}, [{"op": "test", "path": path, "value": wanted}])


def test_a_patch_costs_the_document_once() -> None:
    """Not once for each operation: of a thousand the last costs what the first does."""
    value = {"list": [{"n": i} for i in range(1000)]}
    one, ten = (
        calls(lambda count=count: patched("k", value, [{"op": "replace", "path": "/list/7/n", "value": 0}] * count))
        for count in (1, 11)
    )
    assert ten - one < 10 * 200


def test_a_patch_changes_neither_its_document_nor_itself() -> None:
    value: Any = {"a": {"x": 1}, "b": [1]}
    patch: Any = [
        {"op": "add", "path": "/c", "value": {}}, {"op": "add", "path": "/c/y", "value": [1]},
        {"op": "copy", "from": "/c", "path": "/d"}, {"op": "add", "path": "/d/y/-", "value": 2},
        {"op": "remove", "path": "/a/x"}, {"op": "move", "from": "/b", "path": "/e"},
    ]  # fmt: skip
    before = values.copy([value, patch])
    assert patched("k", value, patch) == {"a": {}, "c": {"y": [1]}, "d": {"y": [1, 2]}, "e": [1]}
    assert [value, patch] == before


def test_a_patch_of_what_is_not_there(kv: crdtkv.Store) -> None:
    """Says so and writes nothing, unless it begins with the whole document. A merge patch makes an object."""
    for patch in ([{"op": "add", "path": "/x", "value": 1}], [{"op": "test", "path": "", "value": None}], []):
        with pytest.raises(PatchInvalid, match="no 'nothing' to patch") as caught:
            kv.patch("nothing", patch)
        assert caught.value.next_step == "put the document first" and "nothing" not in kv
    assert kv.patch("whole", [{"op": "add", "path": "", "value": {"a": 1}}]).value == {"a": 1}
    assert kv.patch("merged", {"a": 1, "b": None}).value == {"a": 1}


# expiry


def test_ttl(kv: crdtkv.Store, clock: Any) -> None:
    kv.put("k", 1, ttl=10)
    kv.put("doc", {"a": 1}, strategy="json", ttl=10.5)
    entry = kv.get("k")
    assert entry is not None and entry.expires is not None
    assert 9_000 < entry.expires - clock.now * 1000 < 11_000
    clock.now += 9
    assert kv["k"] == 1
    clock.now += 1.1
    assert "k" not in kv and kv.get("k") is None and list(kv) == ["doc"] and len(kv) == 1
    clock.now += 1
    assert list(kv) == []
    assert kv.put("k", 2).value == 2
    clock.now += 1000
    assert kv["k"] == 2


def test_expire_and_persist(kv: crdtkv.Store, clock: Any) -> None:
    kv.put("k", 1)
    kv.expire("k", 10)
    kv.expire("k", None)
    clock.now += 100
    assert kv["k"] == 1 and kv.get("k").expires is None  # type: ignore[union-attr]
    kv.expire("k", 10)
    kv.counter("n").add(1)
    kv.expire("n", 10)
    kv.counter("n").add(1)
    clock.now += 11
    assert list(kv) == []
    assert kv.counter("n").add(1).value == 1


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), "10", True, 10**12])
def test_a_ttl_that_is_none(kv: crdtkv.Store, ttl: Any) -> None:
    before = kv.vector
    for act in (lambda: kv.put("k", 1, ttl=ttl), lambda: kv.expire("k", ttl)):
        with pytest.raises(ValueInvalid) as caught:
            act()
        assert repr(ttl) in str(caught.value)
    assert kv.vector == before and "k" not in kv


def test_a_put_without_ttl_stays(kv: crdtkv.Store, clock: Any) -> None:
    kv.put("k", 1, ttl=10)
    kv.put("k", 2)
    clock.now += 100
    assert kv["k"] == 2


# operations by name


@pytest.mark.parametrize(
    ("strategy", "value", "operation"),
    [
        ("set", ["a"], "append"),
        ("list", ["a"], "add"),
        ("counter", 1, "add_all"),
        ("lww", 1, "add"),
        ("json", {}, "add"),
    ],
)
def test_a_wrong_operation(kv: crdtkv.Store, strategy: str, value: Any, operation: str) -> None:
    """The error names the key, what it is, what that takes, and what was asked."""
    kv.put("k", value, strategy=strategy)
    before = kv.vector
    with pytest.raises(WrongOperation) as caught:
        kv.operate("k", None, operation, 1)
    words = str(caught.value)
    assert "'k'" in words and strategy in words and "put" in words and operation in words
    assert kv.vector == before


@pytest.mark.parametrize(
    ("strategy", "value"),
    [
        ("counter", "x"),
        ("counter", 1.5),
        ("counter", True),
        ("flag", 1),
        ("set", {"a": 1}),
        ("list", "abc"),
        ("log", 1),
    ],
)
def test_a_wrong_type(kv: crdtkv.Store, strategy: str, value: Any) -> None:
    before = kv.vector
    with pytest.raises(WrongType) as caught:
        kv.put("k", value, strategy=strategy)
    assert repr(value) in str(caught.value)
    assert kv.vector == before and "k" not in kv


def test_returned_values_are_the_callers_own(kv: crdtkv.Store) -> None:
    """Neither what goes in nor what comes out is shared with the store."""
    given: dict[str, Any] = {"l": [1, {"m": 2}]}
    for strategy in ("lww", "mv", "json"):
        key = f"k/{strategy}"
        receipt = kv.put(key, given, strategy=strategy)
        given["l"].append("mine")
        receipt.value["l"][1]["m"] = "mutated"
        for read in (lambda key=key: kv[key], lambda key=key: kv.get(key).value, lambda key=key: kv.scan(key)[0].value):  # type: ignore[union-attr]
            found = read()
            assert found == {"l": [1, {"m": 2}]}, strategy
            found["l"].clear()
        for revision in kv.history(key):
            revision.value["l"].clear()
        entry = kv.get(key, at=receipt.version)
        assert entry is not None
        entry.value["l"].clear()
        for sibling in entry.siblings:
            sibling["l"].append(1)
        assert kv[key] == {"l": [1, {"m": 2}]}
        given = {"l": [1, {"m": 2}]}


def test_base_too_old_brings_what_is_current(kv: crdtkv.Store) -> None:
    """Both a read and a write tell the current version and value, so that a client can go on at once."""
    kv.rules.set("k", "json", keep_cells=1)
    old = kv.put("k", {"a": 1}).version
    for i in range(2, 6):
        now = kv.put("k", {"a": i})
    before = kv.vector
    for act in (
        lambda: kv.get("k", at=old),
        lambda: kv.put("k", {"a": 0}, base=old),
        lambda: kv.diff("k", old),
        lambda: kv.revert("k", old),
        lambda: kv.patch("k", {"a": 0}, base=old),
        lambda: kv.delete("k", base=old),
    ):
        with pytest.raises(BaseTooOld) as caught:
            act()
        assert (caught.value.version, caught.value.value) == (now.version, {"a": 5})
        assert "read it again" in str(caught.value) and old in str(caught.value)
    assert kv.vector == before


def test_history_off(opened: Callable[..., crdtkv.Store]) -> None:
    kv = opened("gru", history=False)
    old = kv.put("k", {"a": 1}, strategy="json").version
    kv.put("k", {"a": 2})
    with pytest.raises(BaseTooOld):
        kv.get("k", at=old)
    assert kv.conflicts() == []


@pytest.mark.parametrize(
    "odd, words",
    [
        (object(), "is no value: a value is None"), ([{"a": object()}], "at '/0/a': <object"),
        ({1: 2}, "member name 1 is int"), ("\ud800", "lone surrogate"), ({"\ud800": 1}, "lone surrogate"),
        ([math.inf], "at '/0': number inf"), ([b"x"], "at '/0': b'x' is no value: bytes are stored as a Blob"),
    ],
)  # fmt: skip
def test_what_is_no_value_is_told_in_the_same_words_everywhere(kv: crdtkv.Store, odd: Any, words: str) -> None:
    """Also where it would be sent as JSON, which takes some of it for something else."""
    writes: list[Callable[[Any], Any]] = [
        lambda to: to.put("k", odd), lambda to: to.set("s").add(odd), lambda to: to.patch("k", {"a": odd}),
    ]  # fmt: skip
    for write in writes:
        with pytest.raises(ValueInvalid, match=words.replace("at '/", "at '.*/")) as caught:
            write(kv)
        assert caught.value.happened == "no"
        with pytest.raises(ValueInvalid), kv.transaction() as t:
            write(t)
    with pytest.raises(CrdtkvError):
        kv.json("k").at("/\ud800").put(1)
    assert list(kv) == []
