"""Values: what goes in comes out exactly, or an error says where it went wrong."""

import json
import math
from contextlib import suppress
from enum import IntEnum
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core import values
from crdtkv.core.keys import Pattern, check_key, glob, regex
from crdtkv.core.show import MAX_SHOWN, show
from crdtkv.core.values import (
    MAX_INT_DIGITS,
    Blob,
    copy,
    equal,
    pack,
    pack_canonical,
    parse_json,
    sort_key,
    to_json,
    unpack,
)
from crdtkv.core.versions import parse_version
from crdtkv.errors import CrdtkvError, MessageInvalid, TooLarge, ValueInvalid

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.integers(-2, 2), floats, texts)
json_values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(texts, v, max_size=4))
blobs = st.builds(Blob, st.binary(max_size=9), st.sampled_from(["text/plain", "a", "x" * 255]))
any_values = st.recursive(scalars | blobs, lambda v: st.lists(v, max_size=4) | st.dictionaries(texts, v, max_size=4))


def exact(value: Any) -> Any:
    """A spec of identity: `value` with each type written out, members sorted."""
    if isinstance(value, dict):
        return ("object", sorted((name, exact(v)) for name, v in value.items()))
    if isinstance(value, (list, tuple)):
        return ("array", [exact(v) for v in value])
    return (type(value).__name__, repr(value))


def shuffled(value: Any) -> Any:
    """`value` with the members of every object in reverse order."""
    if isinstance(value, dict):
        return {name: shuffled(v) for name, v in reversed(value.items())}
    return [shuffled(v) for v in value] if isinstance(value, list) else value


def nested(depth: int) -> Any:
    """That many lists in one another."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(any_values)
def test_values_come_out_as_they_went_in(value: Any) -> None:
    """pack and unpack keep types, signs of zero and the order of members, and share nothing."""
    for out in (unpack(pack(value)), copy(value)):
        assert exact(out) == exact(value) and repr(out) == repr(value)


@given(any_values, any_values)
def test_canonical_bytes_are_identity(a: Any, b: Any) -> None:
    """Equal values and only equal values have equal canonical bytes, equal sort keys, and are `equal`."""
    same = exact(a) == exact(b)
    assert (pack_canonical(a) == pack_canonical(b)) is same
    assert equal(a, b) is same
    assert (sort_key(a) == sort_key(b)) is same
    assert pack_canonical(a) == pack_canonical(shuffled(a)) and equal(a, shuffled(a))


@given(st.lists(any_values, max_size=6))
def test_sort_key_is_a_total_order(items: list[Any]) -> None:
    """Any values can be sorted, and the order does not depend on where they stood."""
    backwards = items[::-1]
    assert list(map(exact, sorted(items, key=sort_key))) == list(map(exact, sorted(backwards, key=sort_key)))


def test_sort_key_orders_types_and_numbers_exactly() -> None:
    """The documented order; 2**53 + 1 lies above its nearest float."""
    line: list[Any] = [None, False, True, -(10**400), -1.5, 0, -0.0, 0.0, 1, 1.0, 2.0**53, 2**53 + 1, 10**400]
    line += ["", "B", "a", "\uffff", "\U0001f600", [], [None], [1], [1, 0], [2], {}, {"a": 1}, {"b": 0}, Blob(b"")]
    backwards = line[::-1]
    assert list(map(exact, sorted(backwards, key=sort_key))) == list(map(exact, line))


@given(json_values)
def test_json_text_comes_out_as_it_went_in(value: Any) -> None:
    """parse_json reads what to_json and Python's json write, from text and from UTF-8."""
    for text in (values.to_json(value), json.dumps(value), json.dumps(value).encode()):
        assert exact(parse_json(text)) == exact(value)


bad_values: list[tuple[Any, str]] = [
    ({"a": [1, math.nan]}, "at '/a/1': number nan is not finite"),
    ({"a/b": {"~": -math.inf}}, "at '/a~1b/~0': number -inf is not finite"),
    (["x", {"k": "\ud800"}], "at '/1/k': string '\\ud800' has a lone surrogate"),
    ({"a": {"\udfff": 1}}, "at '/a': member name '\\udfff' has a lone surrogate"),
    ([{1: 2}], "at '/0': member name 1 is int, not a string"),
    ([b"x"], "at '/0': b'x' is no value: bytes are stored as a Blob"),
    ({"s": {1}}, "at '/s': {1} is no value: a value is None, bool, int, float, str, list, dict or Blob"),
    ([0, 10**4300], "at '/1': integer of 14285 bits is beyond 4300 digits"),
    (1j, "1j is no value: a value is None, bool, int, float, str, list, dict or Blob"),
    ([[1.5, "a", [math.inf]]], "at '/0/2/0': number inf is not finite"),
]


@pytest.mark.parametrize(("value", "words"), bad_values, ids=[words[:40] for _, words in bad_values])
def test_what_is_no_value_is_refused_with_its_place(value: Any, words: str) -> None:
    """pack and pack_canonical name the JSON pointer and show the value."""
    for packer in (pack, pack_canonical):
        with pytest.raises(ValueInvalid) as caught:
            packer(value)
        assert str(caught.value) == words


bad_texts = [
    ('{"a": {"b": 1, "b": 2}}', "at '/a': member 'b' occurs twice"),
    ('[1, NaN]', "at '/1': NaN is no JSON number"),
    ('{"a": -Infinity}', "at '/a': -Infinity is no JSON number"),
    ('[1e999]', "at '/0': number inf is not finite"),
    (r'["\ud83d\ude00", "\ud83d"]', "at '/1': string '\\ud83d' has a lone surrogate"),
    (r'{"\uDC00": 1}', "member name '\\udc00' has a lone surrogate"),
    ('["\ud800"]', "at '/0': string '\\ud800' has a lone surrogate"),
    (f'{{"n": {"7" * 4301}}}', f"at '/n': integer {'7' * 20}... has 4301 digits; at most 4300"),
    (b'["\xff"]', "not UTF-8 at byte 2: b'[\"\\xff\"]'"),
    ('{"a": }', "not JSON at character 6: '{\"a\": }': expecting value"),
    ("[" * 101 + "]" * 101, f"at '{'/0' * 100}': deeper than 100 levels: []"),
]


@pytest.mark.parametrize(("text", "words"), bad_texts, ids=[words[:40] for _, words in bad_texts])
def test_json_is_strict(text: str | bytes, words: str) -> None:
    """What JSON parsers commonly let through is refused, with path and value."""
    with pytest.raises(ValueInvalid) as caught:
        parse_json(text)
    assert str(caught.value) == words


def test_bottomless_text_is_refused() -> None:
    """A million brackets are an answer, not a crash."""
    with pytest.raises(ValueInvalid, match="deeper than 100 levels"):
        parse_json("[" * 1_000_000)


def test_depth_is_bounded() -> None:
    """100 levels pass both ways; 101 and a list inside itself do not."""
    assert unpack(pack(nested(100))) == nested(100) == parse_json(json.dumps(nested(100)))
    with pytest.raises(ValueInvalid, match="deeper than 100 levels"):
        pack(nested(101))
    loop: list[Any] = []
    loop.append({"again": loop})
    with pytest.raises(ValueInvalid, match="deeper than 100 levels"):
        pack(loop)


def test_size_is_bounded() -> None:
    """25 MiB and a little packed, and a few lists that stand for 2**60 items are refused at once."""
    assert len(pack("x" * (values.MAX_PACKED - 5))) == values.MAX_PACKED
    with pytest.raises(TooLarge, match="value is 26215425 bytes packed; at most 26215424"):
        pack("x" * (values.MAX_PACKED - 4))
    shared: Any = [0] * 1000
    for _ in range(60):
        shared = [shared] * 1000
    with pytest.raises(TooLarge):
        pack(shared)


@pytest.mark.parametrize("bad", [None, object(), float("nan")])
def test_lists_that_hold_one_another_are_looked_at_once(bad: object) -> None:
    """Sixty lists, each holding the next one twice, stand for 2**60 items: refused without walking them."""
    shared: Any = [bad]
    for _ in range(60):
        shared = [shared, shared]
    for act in (pack, pack_canonical):
        with pytest.raises(TooLarge if bad is None else ValueInvalid):
            act(shared)
    loop: list[Any] = []
    loop += [loop, loop]
    with pytest.raises(ValueInvalid, match="deeper than 100 levels"):
        pack(loop)


@pytest.mark.parametrize("n", [2**63, 2**64 - 1, 2**64, -(2**63) - 1, -(2**64), 10**4299, -(10**4300) + 1, 255, -129])
def test_integers_of_any_size_are_exact(n: int) -> None:
    """Up to 4,300 digits, packed and as text."""
    assert unpack(pack([n])) == [n] == parse_json(f"[{n}]")


def test_python_relatives_become_plain() -> None:
    """Tuples and subclasses of the JSON types are stored as what they are a kind of."""

    class Level(IntEnum):
        HIGH = 3

    out = unpack(pack({"t": (1, (2,)), "e": Level.HIGH}))
    assert out == {"t": [1, [2]], "e": 3} and type(out["e"]) is int


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_message_invalid(data: bytes) -> None:
    """Bytes from elsewhere never raise anything else."""
    with suppress(MessageInvalid):
        unpack(data)


@pytest.mark.parametrize(
    "kind", ["", " a", "a\r\nSet-Cookie: x", "é", "x" * 256, "a ", "a\n", 5], ids=lambda k: repr(k)[:9]
)
def test_a_content_type_cannot_smuggle_a_header(kind: Any) -> None:
    """A content type is printable ASCII on one line."""
    with pytest.raises(ValueInvalid):
        Blob(b"", kind)


@pytest.mark.parametrize("kind", [b"", b" a", b"a\r\nSet-Cookie: x", "é".encode(), b"a "])
def test_nor_does_one_that_comes_packed(kind: bytes) -> None:
    """What is packed is trusted to be a value, not to be a header."""
    with pytest.raises(MessageInvalid):
        values.unpack(msgpack.packb(msgpack.ExtType(2, bytes((len(kind),)) + kind + b"x")))


def test_json_has_no_blob() -> None:
    """to_json refuses what JSON has no words for instead of inventing some."""
    with pytest.raises(ValueInvalid, match="read it as a blob"):
        values.to_json([Blob(b"x")])
    with pytest.raises(CrdtkvError):
        values.to_json([math.nan])


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


ODD: list[Any] = [None, 5, 10**5000, [], [10**5000], {}, object(), Unprintable(), [Unprintable()], 1j, memoryview(b"1")]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_whatever_comes_is_a_value_or_an_error_of_the_tree(odd: Any) -> None:
    """Also where its own repr fails, or has more digits than Python prints."""
    for read in (parse_json, pack, to_json, lambda v: Blob(v), lambda v: parse_version("k", v), check_key, glob, regex):
        with suppress(CrdtkvError):
            read(odd)
    with pytest.raises(ValueInvalid, match="digits"):
        to_json([10**MAX_INT_DIGITS])


@given(st.text(max_size=12) | st.binary(max_size=12) | st.text("[]!^*?\\ab()|{}0,9²٣.+$-_~", max_size=12))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    """As JSON, as a version, as a key, as patterns over keys."""
    for read in (parse_json, lambda t: parse_version("k", t), check_key, glob, regex):
        with suppress(CrdtkvError):
            found = read(text)
            if isinstance(found, Pattern):
                assert found.matches("k") in (True, False)
    assert len(show(text)) <= MAX_SHOWN + 3


@pytest.mark.parametrize(
    "items",
    [
        [], ["a", "b"], ["a", "é"], [0, -1, 2**63], [-(2**63), 2**64 - 1], [2**64], [-(2**63) - 1], [1, True], [True],
        [1, "a"], [1.0, 1], [None], [[1], {"b": 1, "a": 2}], ["a", {"b": [1], "a": 2}], ("a", "b"),
    ],
    ids=repr,
)  # fmt: skip
def test_many_are_packed_as_each_is(items: list[Any]) -> None:
    """Whichever way is the faster for their kinds."""
    assert values.pack_each(items) == [values.pack_canonical(v) for v in items]
    assert values.pack_list(items) == [values.pack(v) for v in items]


def test_of_many_one_that_is_no_value_is_found() -> None:
    for items in (["a", "\ud800"], ["\ud800"], [1.0, float("nan")], [1, b"x"]):
        with pytest.raises(ValueInvalid):
            values.pack_each(items)
