"""Bad input: an error of the tree that shows the value and the next step; nothing written, nothing lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.core import values
from crdtkv.core.values import parse_json
from crdtkv.core.wire import decode, encode
from crdtkv.errors import KeyInvalid, MessageInvalid, TooLarge, ValueInvalid
from crdtkv.replica import cutting, exchange

BAD_KEYS: list[Any] = ["", "x" * 513, "é" * 257, "a\0b", "\0", "\ud800", 7, None, b"a", ["a"], True]


@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda k: repr(k)[:20])
def test_keys(kv: crdtkv.Store, key: Any) -> None:
    """1 to 512 bytes of UTF-8, no NUL; by whatever method."""
    before = kv.vector
    acts: list[Callable[[], Any]] = [
        lambda: kv.put(key, 1),
        lambda: kv.get(key),
        lambda: kv.delete(key),
        lambda: kv.patch(key, {}),
        lambda: kv.get_many([key]),
        lambda: kv.counter(key).add(1),
        lambda: kv.set(key).add(1),
        lambda: kv.list(key).append(1),
        lambda: kv.log(key).append(1),
        lambda: kv.flag(key).enable(),
        lambda: kv.json(key).at("/a").put(1),
        lambda: kv.expire(key, 1),
        lambda: kv.__setitem__(key, 1),
        lambda: kv.put(key, 1, if_version=None),
        lambda: kv.put(key, 1, idempotency_key="x"),
    ]
    for number, act in enumerate(acts):
        with pytest.raises(KeyInvalid) as caught:
            act()
        assert "key " in str(caught.value) and caught.value.next_step, number
        assert caught.value.happened == "no" and caught.value.status == 400
        if isinstance(key, str) and len(key) > 100:
            assert "512" in str(caught.value) and len(str(caught.value)) < 300
    assert kv.vector == before and len(kv) == 0


@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda k: repr(k)[:20])
def test_keys_of_readings(kv: crdtkv.Store, key: Any) -> None:
    """Also where there would be nothing to say anyway."""
    for act in (kv.history, kv.blame, lambda k: kv.diff(k, None)):
        with pytest.raises(KeyInvalid):
            act(key)


@pytest.mark.parametrize(
    "key", ["x" * 512, "é" * 256, " ", "/", "a b", "\n", "\x01", "\U0010ffff", "*", "re:x", "\x7f"]
)
def test_keys_that_are_fine(kv: crdtkv.Store, key: str) -> None:
    kv.put(key, 1)
    assert kv[key] == 1 and list(kv) == [key] and key in kv
    assert [e.key for e in kv.scan(prefix=key)] == [key]
    kv.delete(key)
    assert len(kv) == 0


def deep(levels: int, leaf: Any = 1) -> Any:
    for _ in range(levels):
        leaf = [leaf]
    return leaf


def cyclic() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


class Foreign:
    def __repr__(self) -> str:
        raise RuntimeError("a repr that raises")


BAD_VALUES: dict[str, Any] = {
    "nan": float("nan"),
    "infinity": [float("-inf")],
    "surrogate": {"a": "\udc00"},
    "name": {"\ud800": 1},
    "number name": {1: 1},
    "object": object(),
    "foreign": [Foreign()],
    "set": {1},
    "bytes inside": [b"x"],
    "cyclic": cyclic(),
    "deep": deep(101),
    "very deep": deep(100_000),
    "huge integer": 10**5000,
    "complex": 1j,
    "bytearray": bytearray(b"x"),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_values(kv: crdtkv.Store, name: str) -> None:
    """Whatever the method and the strategy: ValueInvalid, nothing written."""
    value = BAD_VALUES[name]
    before = kv.vector
    acts: list[Callable[[], Any]] = [
        *(lambda s=s: kv.put("k", value, strategy=s) for s in ("lww", "mv", "json", "max", "min")),
        lambda: kv.put("k", [value], strategy="list"),
        lambda: kv.put("k", ["fine", value], strategy="set"),
        lambda: kv.put("k", [value], strategy="log"),
        lambda: kv.list("k").append("fine", value),
        lambda: kv.set("k").add("fine", value),
        lambda: kv.log("k").append(value),
        lambda: kv.patch("k", {"a": value}),
        lambda: kv.patch("k", [{"op": "add", "path": "", "value": value}]),
        lambda: kv.json("k").list("/l").append(value),
    ]
    for number, act in enumerate(acts):
        with pytest.raises(crdtkv.BadRequest) as caught:
            act()
        assert caught.value.happened == "no" and caught.value.next_step, number
        assert len(str(caught.value)) < 600
    assert kv.vector == before and "k" not in kv


@pytest.mark.parametrize("name", BAD_VALUES)
def test_values_at_a_path(kv: crdtkv.Store, name: str) -> None:
    """The same where a part of a document is put."""
    before = kv.vector
    for pointer in ("", "/a"):
        with pytest.raises(crdtkv.BadRequest):
            kv.json("k").at(pointer).put(BAD_VALUES[name])
    assert kv.vector == before and "k" not in kv


def test_depth_by_paths(kv: crdtkv.Store) -> None:
    """A document does not grow deeper than 100 levels by paths either."""
    with pytest.raises(crdtkv.BadRequest):
        kv.json("k").at("/a" * 101).put(1)
    kv.put("l", deep(100), strategy="json")
    with pytest.raises(crdtkv.BadRequest):
        kv.json("l").at("/0" * 100).put([1])
    assert "k" not in kv and kv["l"] == deep(100)


def test_depth(kv: crdtkv.Store) -> None:
    """100 levels are fine, 101 are refused, in a value as in a document that grows."""
    for strategy in ("lww", "mv", "json", "list"):
        kv.put(f"k/{strategy}", deep(100), strategy=strategy)
        assert kv[f"k/{strategy}"] == deep(100)
        with pytest.raises(ValueInvalid, match="100"):
            kv.put(f"k/{strategy}", deep(101))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a":1,"a":2}', "'a' occurs twice"),
        ('{"x":{"b":[{"c":1,"c":1}]}}', "/x/b/0"),
        ("[NaN]", "NaN"),
        ("[1e999]", "inf"),
        ('["\\ud800"]', "surrogate"),
        ("{", "character"),
        ("", "character"),
        (b"\xff", "UTF-8"),
        ("[" * 100_000, "levels"),
        ("9" * 5000, "digits"),
    ],
)
def test_json_text(text: Any, words: str) -> None:
    """What a door parses before it reaches the store."""
    with pytest.raises(ValueInvalid) as caught:
        parse_json(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[]", '"\\ud83d\\ude00"', "1e-400", "-0", "0.1e1", '{"":{"":[]}}', "12345678901234567890123"]
)
def test_json_text_that_is_fine(text: str) -> None:
    assert parse_json(text) == json.loads(text)


def test_25_mib(kv: crdtkv.Store) -> None:
    """Up to 25 MiB, and what says how long that is; beyond it TooLarge with both numbers."""
    limit = values.MAX_PACKED
    assert limit == 25 * 1024 * 1024 + 1024
    for strategy in ("lww",):
        kv.put(f"k/{strategy}", b"x" * (limit - 100), strategy=strategy)
        assert len(kv[f"k/{strategy}"].data) == limit - 100
        before = kv.vector
        for value in (b"x" * limit, "x" * limit, ["x" * (limit // 2)] * 2):
            with pytest.raises(TooLarge, match=str(limit)) as caught:
                kv.put(f"k/{strategy}", value)
            assert caught.value.status == 413 and len(str(caught.value)) < 400
        assert kv.vector == before
    with pytest.raises(TooLarge):
        kv.put("doc", {"a": "x" * limit}, strategy="json")
    with pytest.raises(TooLarge, match="3072"):
        kv.set("s").add("x" * 4000)
    with pytest.raises(crdtkv.BadRequest):
        kv.put("doc", {"x" * 5000: 1}, strategy="json")
    assert "doc" not in kv and "s" not in kv


@pytest.mark.skipif(os.environ.get("CRDTKV_LAWS") != "long", reason="half a minute")
def test_a_value_that_doubles_as_it_is_walked(kv: crdtkv.Store) -> None:
    """A small object graph that stands for 2**60 items is refused, not walked."""
    value: list[Any] = [1]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(TooLarge):
        kv.put("k", value)


# messages


@pytest.fixture
def messages(pair: tuple[crdtkv.Store, crdtkv.Store]) -> list[bytes]:
    """A record and a catch-up that sin lacks."""
    lhr, sin = pair
    sent: list[bytes] = []
    lhr.on_commit.append(lambda record, data: sent.append(data))
    with lhr.transaction() as t:
        t.put("a", {"x": [1, 2.5, "é"]}, strategy="json")
        t.counter("n").add(1)
        t.delete("nothing")
    return [sent[0], encode(cutting.catch_up(lhr._replica, sin.vector))]


def arrive(kv: crdtkv.Store, data: bytes) -> Any:
    message = decode(data)
    with kv._lock:
        take: Any = exchange.receive if hasattr(message, "dot") else None
        return take(kv._replica, message, data) if take else exchange.absorb(kv._replica, message)  # type: ignore[arg-type]


def test_truncated_messages(pair: tuple[crdtkv.Store, crdtkv.Store], messages: list[bytes]) -> None:
    """Cut anywhere: MessageInvalid, nothing absorbed; the whole one is then absorbed."""
    _, sin = pair
    before = (sin.vector, sin.digest())
    for data in messages:
        for cut in range(len(data)):
            with pytest.raises(MessageInvalid) as caught:
                arrive(sin, data[:cut])
            assert caught.value.next_step and caught.value.happened == "no"
    assert (sin.vector, sin.digest()) == before
    assert arrive(sin, messages[0]).value == "absorbed" and sin["n"] == 1


def test_altered_messages(pair: tuple[crdtkv.Store, crdtkv.Store], messages: list[bytes]) -> None:
    """A bit flipped anywhere, bytes added, another version: refused in words."""
    _, sin = pair
    before = (sin.vector, sin.digest())
    for data in messages:
        altered = [data + b"\0", data[1:], b"\xff" + data[1:], b""]
        altered += [data[:i] + bytes([data[i] ^ (1 << i % 8)]) + data[i + 1 :] for i in range(len(data))]
        for bad in altered:
            with pytest.raises(crdtkv.CrdtkvError) as caught:
                arrive(sin, bad)
            assert caught.value.code in ("message-invalid", "format-too-new")
    assert (sin.vector, sin.digest()) == before


def test_messages_in_any_order_and_often(pair: tuple[crdtkv.Store, crdtkv.Store], messages: list[bytes]) -> None:
    lhr, sin = pair
    for data in (messages[1], messages[0], messages[0], messages[1]):
        assert arrive(sin, data).value in ("absorbed", "known")
    assert sin["a"] == lhr["a"] and sin.check() == []


def test_a_message_of_a_stranger(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """Who is not a member is refused: records and catch-ups."""
    _, sin = pair
    stranger = crdtkv.open(colo="zrh")
    sent: list[bytes] = []
    stranger.on_commit.append(lambda record, data: sent.append(data))
    stranger.put("a", "stranger")
    before = (sin.vector, sin.digest())
    outcomes = [arrive(sin, sent[0]).value, arrive(sin, encode(cutting.catch_up(stranger._replica, {}))).value]
    assert outcomes[1] == "refused" and outcomes[0] in ("refused", "waiting")
    assert (sin.vector, sin.digest()) == before and "a" not in sin


# everything else that takes a word


@pytest.mark.parametrize("key", ["", "x" * 257, 7, b"x", ["x"], "\ud800"])
def test_idempotency_keys(kv: crdtkv.Store, key: Any) -> None:
    """1 to 256 bytes of text, for an add as for a put."""
    before = kv.vector
    for act in (lambda: kv.counter("n").add(1, idempotency_key=key), lambda: kv.put("k", 1, idempotency_key=key)):
        with pytest.raises(crdtkv.BadRequest) as caught:
            act()
        assert caught.value.happened == "no"
    assert kv.vector == before and len(kv) == 0


@pytest.mark.parametrize(
    "strategy",
    [
        "",
        "nothing",
        "set?",
        "set?wins",
        "set?wins=add&wins=add",
        "set?x=1",
        "merge:",
        "merge:none",
        7,
        "lww?x=1",
        "SET",
        "set?wins=",
        "a:b",
    ],
)
def test_strategies(kv: crdtkv.Store, strategy: Any) -> None:
    before = kv.vector
    with pytest.raises(crdtkv.BadRequest) as caught:
        kv.put("k", ["a"], strategy=strategy)
    assert caught.value.next_step and caught.value.happened == "no"
    assert kv.vector == before and "k" not in kv


def test_words_that_are_none(kv: crdtkv.Store) -> None:
    """Wrong types where text is wanted: an error of the tree, not Python's own."""
    kv.put("k", 1)
    acts: list[Callable[[], Any]] = [
        lambda: kv.scan(prefix=7),
        lambda: kv.scan(glob=7),
        lambda: kv.scan(regex=7),
        lambda: kv.scan(start=7),
        lambda: kv.scan(end=7),  # type: ignore[arg-type]
        lambda: kv.get("k", at=7),
        lambda: kv.put("k", 1, base=7),
        lambda: kv.diff("k", 7),
        lambda: kv.revert("k", 7),  # type: ignore[arg-type]
        lambda: kv.evict(7),
        lambda: kv.resolve(7),
        lambda: kv.operate("k", None, 7),
        lambda: kv.keys(7),
        lambda: kv.conflicts(7),  # type: ignore[arg-type]
    ]
    wrong = []
    for number, act in enumerate(acts):
        try:
            act()
            wrong.append(f"{number} was taken")
        except crdtkv.CrdtkvError:
            pass
        except Exception as error:
            wrong.append(f"{number}: {error!r}")
    assert wrong == []


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "", 5, None])
def test_what_names_no_file(path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the tree, not one of the system's."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(crdtkv.BadRequest, match="the name of a file"):
        crdtkv.open(path, colo="lhr")
    assert not list(tmp_path.iterdir())
