"""What a server says in JSON is, read by a client, what the store said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crdtkv
from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.errors import BadRequest, CrdtkvError, RuleInvalid, ValueInvalid, all_errors
from crdtkv.http import bodies, names
from crdtkv.http.bodies import UNSET, Write

GIF = Blob(b"GIF89a\x00\xff", "image/gif")

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.builds(Blob, st.binary(max_size=8), st.sampled_from(["image/gif", "text/plain"])),
)  # fmt: skip
_values = st.recursive(
    _scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3), max_leaves=8
)


def again(plain: dict[str, Any]) -> Any:
    return bodies.load(bodies.dump(plain))


@given(_values)
def test_any_value_comes_back(value: Any) -> None:
    """Exactly: integers of any size, 1 and 1.0, -0.0, blobs at any depth and in members of any name."""
    assert values.equal(again({"value": value})["value"], value)


def test_a_value_as_deep_as_may_be_stored_comes_back_in_an_entry() -> None:
    kv = crdtkv.open(colo="lhr")
    deep: Any = []
    for _ in range(99):
        deep = [deep]
    kv.put("deep", deep)
    entries = again({"entries": [bodies.plain_entry(e) for e in kv.scan()]})
    assert bodies.entry_of(entries["entries"][0]).value == deep


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}', b'{"value":NaN}', b"{", b"\xff", b'{"a":"R0lG","binary":{"/b":"image/gif"}}',
        b'{"a":"R0lG","binary":["/a"]}', b'{"a":"no base64","binary":{"/a":"image/gif"}}', b"[" * 100_000,
        b'{"a":["R0lG"],"binary":{"/a/7":"image/gif"}}', b'{"a":1,"binary":{"":"image/gif"}}',
        b'{"a":"R0lG","binary":{"/a":"line\\nbreak"}}',
    ],
)  # fmt: skip
def test_unsound_text_is_refused(text: bytes) -> None:
    with pytest.raises(ValueInvalid):
        bodies.load(text)


def test_entries() -> None:
    """Of several concurrent values, with an expiry, with blobs."""
    lhr, sin = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
    lhr.sync(sin)
    for kv, value in ((lhr, GIF), (sin, "b")):
        kv.put("room", value, strategy="mv")
    lhr.put("session", {"logo": GIF}, ttl=60)
    lhr.sync(sin)
    for key in ("room", "session"):
        entry = lhr.get(key)
        assert entry is not None
        assert bodies.entry_of(again(bodies.plain_entry(entry))) == entry


def test_receipts() -> None:
    kv = crdtkv.open(colo="lhr")
    receipt = kv.put("logo", GIF)
    told = bodies.receipt_of(again(bodies.plain_receipt(receipt, value=True)), lambda: 1 / 0)
    assert (told.key, told.version, told.strategy, told.value) == ("logo", receipt.version, "json", GIF)
    asked = bodies.receipt_of(again(bodies.plain_receipt(receipt)), lambda: "read when it is asked for")
    assert asked.value == "read when it is asked for"


def test_history_blame_migrations_rules() -> None:
    kv = crdtkv.open(colo="lhr")
    kv.put("doc", {"a": GIF})
    kv.delete("doc")
    kv.put("doc", {"a": ["b", "a"]})
    assert [bodies.revision_of(again(bodies.plain_revision(r))) for r in kv.history("doc")] == kv.history("doc")
    assert [bodies.blame_of(again(bodies.plain_blame(b))) for b in kv.blame("doc")] == kv.blame("doc")
    rule = kv.rules.set("do*", "json", paths={"/a": "set"}, require_base=True)
    assert bodies.rule_of(again(bodies.plain_rule(rule))) == rule
    moved = kv.rules.migrate(dry_run=True)
    assert moved and [bodies.migration_of(again(bodies.plain_migration(m))) for m in moved] == moved


def test_changes() -> None:
    kv = crdtkv.open(colo="lhr")
    feed = kv.watch(timeout=0)
    kv.put("a", GIF)
    kv.put("b", 1)
    kv.delete("b")
    changes = [*feed, crdtkv.Change("", None, feed.cursor, reset=True)]
    assert [bodies.change_of(again(bodies.plain_change(c))) for c in changes] == changes


def test_conflicts_keep_what_can_be_done_with_them() -> None:
    lhr, sin = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
    lhr.sync(sin)
    lhr.put("owner", GIF)
    sin.put("owner", "bob")
    lhr.sync(sin)
    [lost] = lhr.conflicts()
    dismissed: list[str] = []
    told = bodies.conflict_of(again(bodies.plain_conflict(lost)), lambda id: lost.restore(), dismissed.append)
    assert told == lost
    told.dismiss()
    assert dismissed == [lost.id]
    assert told.restore().value == GIF


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.code)
def test_errors(kind: type[CrdtkvError]) -> None:
    """The class, its words, whether the write happened, and what to do next."""
    for happened in ("no", "yes", "unknown"):
        error = kind("it is 'so'")
        error.happened, error.next_step = happened, "look"
        told = bodies.error_of(again(bodies.plain_error(error)), kind.status)
        assert type(told) is kind
        assert (told.message, told.happened, told.next_step) == ("it is 'so'", happened, "look")


def test_errors_tell_the_version_and_the_value_that_they_know() -> None:
    kv = crdtkv.open(colo="lhr", history=False)
    old = kv.put("l", ["a"]).version
    kv.put("l", [GIF])
    with pytest.raises(crdtkv.BaseTooOld) as caught:
        kv.put("l", ["a", "c"], base=old)
    told = bodies.error_of(again(bodies.plain_error(caught.value)))
    assert isinstance(told, crdtkv.BaseTooOld)
    assert (told.version, told.value) == (caught.value.version, [GIF])


def test_an_error_of_another_release_or_of_a_proxy_is_of_the_branch_of_its_status() -> None:
    """What is said of whether it happened is kept; of one that says nothing it is not known."""
    told = bodies.error_of({"code": "too-purple", "message": "no", "happened": "no", "next_step": "wash"}, 409)
    assert isinstance(told, BadRequest) and (told.happened, told.next_step) == ("no", "wash")
    for plain in ("<html>", None, [], {}):
        told = bodies.error_of(plain, 502)
        assert isinstance(told, crdtkv.Unavailable) and told.happened == "unknown" and "502" in told.message
    assert isinstance(bodies.error_of("", 412), crdtkv.PreconditionFailed)


@pytest.mark.parametrize(
    ("plain", "write"),
    [
        ({"op": "put", "value": None}, Write("k", "put", value=None)),
        (
            {"op": "put", "value": 1, "base": "v", "strategy": "lww", "ttl": 60, "if_version": None},
            Write("k", "put", value=1, base="v", strategy="lww", ttl=60, if_version=None),
        ),
        ({"op": "patch", "patch": {"a": None}}, Write("k", "patch", value={"a": None})),
        ({"op": "delete", "key": "k"}, Write("k", "delete")),
        ({"op": "expire", "ttl": None}, Write("k", "expire", ttl=None)),
        ({"op": "revert", "version": "v"}, Write("k", "revert", version="v")),
        ({"op": "increment"}, Write("k", "add", (1,), family="counter")),
        ({"op": "decrement", "by": 2}, Write("k", "add", (-2,), family="counter")),
        ({"op": "add", "by": 2}, Write("k", "add", (2,), family="counter")),
        ({"op": "increment", "by": 3, "idempotency_key": "x"}, Write("k", "add", (3, "x"), family="counter")),
        ({"op": "add", "value": "a"}, Write("k", "add", ("a",))),
        ({"op": "append", "values": [1, 2], "family": "log"}, Write("k", "append", (1, 2), family="log")),
        ({"op": "insert", "index": 0, "value": 1}, Write("k", "insert", (0, 1))),
        ({"op": "set", "index": 0, "value": 1}, Write("k", "set", (0, 1))),
        ({"op": "remove", "index": 0}, Write("k", "remove", (0,), family="list")),
        ({"op": "remove", "value": 0}, Write("k", "remove", (0,))),
        ({"op": "move", "index": 0, "to": 2}, Write("k", "move", (0, 2))),
        ({"op": "enable"}, Write("k", "enable")),
        ({"op": "put", "value": 1, "path": "/a"}, Write("k", "put", (1,), path="/a")),
        ({"op": "spin", "args": [1, "x"], "family": "mine"}, Write("k", "spin", (1, "x"), family="mine")),
    ],
)
def test_writes(plain: dict[str, Any], write: Write) -> None:
    """As people write them; and what `plain_write` makes of one means the same."""
    assert bodies.write_of(plain, "k") == write
    assert bodies.write_of(again(bodies.plain_write(write))) == write


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ([], "no write"), ({"op": 1}, "op is 1"), ({"op": "put"}, "lacks 'value'"), ({"op": "patch"}, "lacks 'patch'"),
        ({"op": "expire"}, "lacks 'ttl'"), ({"op": "revert"}, "lacks 'version'"), ({"op": "insert"}, "lacks 'index'"),
        ({"op": "put", "value": 1, "vlaue": 2}, "no 'vlaue'"), ({"op": "put", "value": 1, "by": 2}, "not 'by'"),
        ({"op": "delete", "key": "other"}, "in a write of 'k'"), ({"op": "add", "values": 1}, "a list is wanted"),
        ({"op": "add", "args": {}}, "a list"), ({"op": "add", "args": [1], "value": 1}, "no other arguments"),
        ({"op": "add", "value": 1, "base": 7}, "base is 7"), ({"op": "enable", "to": 1}, "takes no 'to'"),
        ({}, "op is None"),
    ],
)  # fmt: skip
def test_wrong_writes_are_named(plain: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        bodies.write_of(plain, "k")


@pytest.mark.parametrize(
    ("read", "plain"),
    [
        (bodies.entry_of, []), (bodies.entry_of, {"key": "a"}), (bodies.change_of, None), (bodies.blame_of, {}),
        (bodies.revision_of, 7), (bodies.migration_of, "x"), (lambda p: bodies.receipt_of(p, lambda: None), {}),
    ],
)  # fmt: skip
def test_what_is_none_of_them_is_refused(read: Any, plain: Any) -> None:
    with pytest.raises(ValueInvalid):
        read(plain)


def test_a_rule_that_cannot_stand_is_refused() -> None:
    with pytest.raises(RuleInvalid):
        bodies.rule_of({"pattern": "a", "ttl": "mid"})


def test_what_is_not_said_differs_from_none() -> None:
    assert bodies.plain_write(Write("k", "put", value=None, if_version=None)) == {
        "key": "k", "op": "put", "value": None, "if_version": None,
    }  # fmt: skip
    assert Write("k", "delete").if_version is UNSET


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20))
def test_any_key_stands_in_a_path(key: str) -> None:
    segment = names.path_of(key)
    assert "/" not in segment and "?" not in segment and names.key_of(segment.encode()) == key


@pytest.mark.parametrize("tag", ["", '"', '"a", "b"', "*", 'W/"a"'])
def test_what_is_no_version_is_refused(tag: str) -> None:
    with pytest.raises(crdtkv.BadRequest):
        names.version_of(tag)


def test_every_word_behind_a_key_is_in_the_page() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "http.md").read_text()
    assert [word for word in names.RESERVED if f"/{word}`" not in page] == []
