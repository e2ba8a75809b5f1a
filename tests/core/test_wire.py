"""Messages: what comes in is a message of the right parts, or an error of the tree. Whatever it was."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgpack
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

import crdtkv
from crdtkv.core import envelope
from crdtkv.core.cells import Sibling
from crdtkv.core.wire import CatchUp, Floor, KeyCells, Message, Record, RecordWrite, decode, encode
from crdtkv.errors import CrdtkvError, FormatTooNew, MessageInvalid
from crdtkv.replica import cutting, exchange
from tests.colos import Colos, record


def _messages() -> list[bytes]:
    """Of all kinds of cells: records of one colo, and its whole as a catch-up."""
    colos = Colos("a", "b")
    a = colos["a"]
    made = [
        record(a, act)
        for act in (
            lambda kv: kv.put("doc", {"x": [1, 2]}),
            lambda kv: kv.put("doc", {"x": [2]}),
            lambda kv: kv.counter("n").add(1, idempotency_key="once"),
            lambda kv: kv.put("ttl", "é", ttl=60),
            lambda kv: kv.list("row").append("a", "b"),
            lambda kv: kv.list("row").move(0, 1),
            lambda kv: kv.log("log").append(None),
            lambda kv: kv.put("words", "one two", strategy="words"),
            lambda kv: kv.delete("doc"),
            lambda kv: kv.put("doc", 1),
        )
    ]
    return [*made, encode(cutting.catch_up(a._replica, {})), encode(cutting.catch_up(a._replica, colos["b"].vector))]


MESSAGES = _messages()
DOT = ("lhr~k3f7", 2)
SIBLING = Sibling(DOT, 7, b"\x01")
RECORD = Record(DOT, 7, 0, {}, 0, (RecordWrite("k", b"slww\0", b"\x01"),))
CATCH_UP = CatchUp(
    {}, {"lhr~k3f7": 2}, True, (KeyCells("k", {"lhr~k3f7": 2}, ((b"slww\0", (SIBLING,)),)),), Floor(0, {}), {}, {}, {},
    ("lhr~k3f7",), 0,
)  # fmt: skip

odd = st.sampled_from(
    [
        None, True, -1, 0, 1, 2**64 - 1, -(2**63), 1.5, "", "k", "\0", "²", "x" * 600, "lhr~k3f7", b"", b"\xc1",
        b"\xc1h", b"\xc1w\x90", b"slww\0", b"\0", [], [[]], [[[]]], ["k"], ["k", 1], ["k", 0], [1, 2, 3], {},
        {"k": 1}, {"k": -1}, {1: 1}, msgpack.ExtType(1, b""), msgpack.ExtType(5, b"x"), msgpack.Timestamp(1),
    ]
)  # fmt: skip


def sealed(data: bytes) -> bytes:
    return data + xxhash.xxh32_digest(data)


def understood(data: bytes) -> Message | None:
    """The message in `data`, None if it is refused by an error of the tree; it encodes again."""
    try:
        message = decode(data)
    except (MessageInvalid, FormatTooNew):
        return None
    assert decode(encode(message)) == message
    return message


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a tree of lists and dicts."""
    inside = enumerate(tree) if isinstance(tree, list) else tree.items() if isinstance(tree, dict) else ()
    return [place for name, item in inside for place in (path + (name,), *places(item, path + (name,)))]


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def meddled_with(tree: Any, draw: st.DataObject) -> Any:
    """Parts of it exchanged for others of it or for odd ones, left out, doubled."""
    for _ in range(draw.draw(st.integers(1, 3))):
        found = places(tree)
        if not found:
            break
        path = draw.draw(st.sampled_from(found))
        holder, name = at(tree, path[:-1]), path[-1]
        act = draw.draw(st.sampled_from(["odd", "other", "without", "twice"]))
        if act == "without":
            del holder[name]
        elif act == "twice" and isinstance(holder, list):
            holder.insert(name, holder[name])
        else:
            other = at(tree, draw.draw(st.sampled_from(found))) if act == "other" else draw.draw(odd)
            holder[name] = msgpack.unpackb(msgpack.packb(other), strict_map_key=False)
        tree = msgpack.unpackb(msgpack.packb(tree), strict_map_key=False)
    return tree


@given(st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    assert understood(data) is None


@given(st.sampled_from([b"r", b"c", b"x"]), st.binary(max_size=64))
def test_any_body(kind: bytes, body: bytes) -> None:
    """With a version, a kind and a checksum that fit."""
    understood(sealed(bytes([envelope.VERSION]) + kind + body))


@given(st.sampled_from(MESSAGES), st.data())
def test_a_message_with_other_things_in_it(data: bytes, draw: st.DataObject) -> None:
    """Parts exchanged for others of the same message or for odd ones, left out, doubled; sealed again."""
    body = meddled_with(msgpack.unpackb(data[2:-4]), draw)
    understood(sealed(data[:2] + msgpack.packb(body)))


@pytest.mark.parametrize(
    "message",
    [
        RECORD._replace(dot=("lhr~k3f7", 0)),
        RECORD._replace(writes=(RecordWrite("", b"slww\0", None),)),
        RECORD._replace(writes=(RecordWrite("x" * 513, b"slww\0", None),)),
        RECORD._replace(writes=(RecordWrite("k", b"slww", None),)),
        RECORD._replace(writes=(RecordWrite("k", b"slww\0", None, (("lhr~k3f7", 0),)),)),
        RECORD._replace(lives=(("", {}),)),
        RECORD._replace(dot=("lhr~k3f7", 1 << 63)),
        RECORD._replace(needs={"lhr~k3f7": 1 << 63}),
        RECORD._replace(writes=(RecordWrite("k", b"slww\0", None, (("lhr~k3f7", 1 << 63),)),)),
        CATCH_UP._replace(to={"lhr~k3f7": 1 << 63}),
        CATCH_UP._replace(keys=(KeyCells("k", {"lhr~k3f7": 1 << 63}, ((b"slww\0", (SIBLING,)),)),)),
        CATCH_UP._replace(keys=(KeyCells("k", {}, ((b"slww\0", (SIBLING._replace(dot=("a", 1 << 63)),)),)),)),
        *(
            RECORD._replace(writes=(RecordWrite("k", b"slww\0", payload),))
            for payload in (
                b"",
                b"\xc1",
                b"\xc1h",
                b"\xc1h\x90",
                b"\xc1h\x92\x91\x01\xc4\x02\xc1{",
                b"\xc1t\x90",
                b"\xc1t\x92\x01\xa3all",
                b"\xc1t\x92\xff\xa3max",
                b"\xc1w\x93\x91\x92\xa1a\x00\xc4\x02\xc1*\xc0",
                b"\xc1w\x93\x90\xc4\x02\xc1*\xa1x",
            )
        ),
        RECORD._replace(writes=(RecordWrite("k", b"s\xff\0", None),)),
        RECORD._replace(writes=(RecordWrite("k", b"sjson\0m\xff\0", None),)),
        CATCH_UP._replace(lineage=()),
        CATCH_UP._replace(keys=CATCH_UP.keys * 2),
        CATCH_UP._replace(keys=(KeyCells("k", {}, ((b"slww\0", ()),)),)),
        CATCH_UP._replace(keys=(KeyCells("k", {}, ((b"slww\0", (SIBLING, SIBLING)),)),)),
        CATCH_UP._replace(keys=(KeyCells("k", {}, ((b"slww\0", (SIBLING,)),) * 2),)),
    ],
)
def test_parts_that_no_colo_sends(message: Message) -> None:
    """No transaction 0, no key beyond its limits, nothing twice and nothing out of order: joins count on it."""
    with pytest.raises(MessageInvalid):
        decode(encode(message))
    assert decode(encode(RECORD)) == RECORD and decode(encode(CATCH_UP)) == CATCH_UP


def test_a_payload_of_a_later_release_is_kept() -> None:
    """A letter that is not known here, and a client's value that cannot be read: whoever reads it says so."""
    for payload in (b"\xc1z\x01", b"\xc1z", b"\xff\xff"):
        message = RECORD._replace(writes=(RecordWrite("k", b"slww\0", payload),))
        assert decode(encode(message)) == message


def test_a_digest_is_of_16_bytes() -> None:
    data = encode(CATCH_UP)
    body = msgpack.unpackb(data[2:-4])
    body[9] = body[9][1:]
    with pytest.raises(MessageInvalid, match="digest of 15 bytes"):
        decode(sealed(data[:2] + msgpack.packb(body)))


def test_a_later_version() -> None:
    """Told by its version, if its checksum fits; an earlier one never was."""
    data = encode(RECORD)[1:-4]
    with pytest.raises(FormatTooNew, match="wire version 4"):
        decode(sealed(b"\x04" + data))
    with pytest.raises(MessageInvalid, match="never was"):
        decode(sealed(b"\x00" + data))
    with pytest.raises(MessageInvalid, match="bytes are wanted"):
        decode("text")  # type: ignore[arg-type]


@given(st.sampled_from(MESSAGES), st.data())
def test_bytes_altered_below_the_packing(data: bytes, draw: st.DataObject) -> None:
    """A byte of the body is another: refused, or a message whose values read, or are refused by the tree."""
    body = bytearray(data[:-4])
    body[draw.draw(st.integers(2, len(body) - 1))] = draw.draw(st.integers(0, 255))
    message = understood(sealed(bytes(body)))
    if isinstance(message, Record):
        kv = crdtkv.open(colo="c")
        with suppress(CrdtkvError):
            exchange.receive(kv._replica, message, encode(message))
