"""Bytes of HTTP in any pieces, right or wrong: whole requests, or one refusal and the end; never more than allowed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.doors.workers.wire import MAX_REASON, Asked, Broken, Reply, Sizes, Wire, phrase

SIZES = Sizes(headers=2_000, kept=64, counted=256)
PUT = (
    b"PUT /a?urlencoded=true HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    b'CF-KV-Metadata: {"u":"\xc3\xa9"}\r\n\r\nhello'
)
GET = b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"


def asked_of(pieces: list[bytes], sizes: Sizes = SIZES) -> list[Asked | int]:
    """What a connection that gets these pieces is asked, each answered at once; the status it is refused with last."""
    wire, found = Wire(sizes), list[Asked | int]()
    for piece in pieces:
        if wire.closing:
            break
        wire.receive(piece)
        try:
            while not wire.closing and (asked := wire.next()) is not None:
                found.append(asked)
                assert wire.say(Reply(200)).endswith(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                assert wire.come in (None, 0)
        except Broken as broken:
            found.append(broken.reply.status)
            assert b"HTTP/1.1 %d " % broken.reply.status in wire.say(broken.reply, last=True)
            assert wire.closing
        assert wire.held <= sizes.kept
    return found


def test_a_request_whole() -> None:
    wire = Wire(SIZES)
    wire.receive(PUT)
    asked = wire.next()
    assert asked is not None and wire.come is None
    assert (asked.method, asked.target, asked.body, asked.length) == ("PUT", b"/a?urlencoded=true", b"hello", 5)
    assert asked.headers[b"cf-kv-metadata"].decode() == '{"u":"é"}'
    assert wire.say(Reply(200)) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@given(st.lists(st.integers(0, len(PUT + GET + PUT)), max_size=12))
def test_any_pieces_are_the_same_requests(cuts: list[int]) -> None:
    whole = PUT + GET + PUT
    ends = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(ends) if a < b]
    assert asked_of(pieces) == asked_of([whole])
    assert [each.target for each in asked_of(pieces) if isinstance(each, Asked)] == [
        b"/a?urlencoded=true", b"/b", b"/a?urlencoded=true",
    ]  # fmt: skip


def test_a_body_in_chunks() -> None:
    chunked = b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
    found = asked_of([chunked[i : i + 1] for i in range(len(chunked))])
    assert [(each.body, each.length) for each in found if isinstance(each, Asked)] == [(b"hello", 5)]


def test_of_a_long_body_the_length_is_known_and_the_rest_forgotten() -> None:
    chunks = b"".join(b"40\r\n" + b"x" * 64 + b"\r\n" for _ in range(3))
    for head, body in (
        (b"Content-Length: 192", b"x" * 192), (b"Transfer-Encoding: chunked", chunks + b"0\r\n\r\n"),
    ):  # fmt: skip
        (asked,) = asked_of([b"PUT /a HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n", body])
        assert isinstance(asked, Asked)
        assert (asked.length, len(asked.body)) == (192, SIZES.kept)


def test_a_body_beyond_all_limits_ends_the_connection() -> None:
    head = b"PUT /a HTTP/1.1\r\nHost: x\r\n"
    assert asked_of([head + b"Content-Length: 257\r\n\r\n"]) == [413], "before any of it is sent"
    assert asked_of([head + b"Transfer-Encoding: chunked\r\n\r\n101\r\n" + b"x" * 257]) == [413]


def test_leave_to_send_is_given_once() -> None:
    wire = Wire(SIZES)
    wire.receive(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert wire.next() is None and wire.out == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.out = b""
    wire.receive(b"ok")
    asked = wire.next()
    assert asked is not None and asked.body == b"ok" and wire.out == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),  # TLS
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n no: fold\r\n: y\r\n\r\n", 400),
        (b"GET /" + b"a" * 3000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 3000, 431),
    ],
)
def test_what_is_no_request_is_refused_once(sent: bytes, status: int) -> None:
    assert asked_of([sent]) == [status]
    assert asked_of([sent[i : i + 1] for i in range(len(sent))]) == [status]


def test_half_a_request_is_refused_at_its_end() -> None:
    assert asked_of([PUT[:-1], b""]) == [400]
    assert asked_of([b""]) == []
    assert [type(each) for each in asked_of([PUT, b""])] == [Asked]


@given(st.lists(st.binary(max_size=300) | st.sampled_from([PUT, GET, PUT[:60], b"\r\n\r\n", b"0\r\n\r\n"]), max_size=8))
def test_whatever_comes(pieces: list[bytes]) -> None:
    """Requests, then at most one refusal, and nothing behind it; and no more is kept than the limits say."""
    found = asked_of([piece for piece in pieces if piece] + [b""])
    assert not any(isinstance(each, int) for each in found[:-1])


def test_a_reply_to_head_has_no_body() -> None:
    wire = Wire(SIZES)
    wire.receive(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    assert wire.next() is not None
    assert wire.say(Reply(405, body=b"no")) == b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 2\r\n\r\n"
    assert wire.next() is not None


def test_an_upgrade_is_not_taken() -> None:
    wire = Wire(SIZES)
    wire.receive(b"GET /x?MF-Binding=KV HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + GET)
    assert wire.next() is not None
    assert b" 426 " in wire.say(Reply(426))
    asked = wire.next()
    assert asked is not None and asked.target == b"/b"


def test_the_connection_ends_when_either_says_so() -> None:
    for sent, last in ((GET.replace(b"Host", b"Connection: close\r\nHost"), False), (GET, True)):
        wire = Wire(SIZES)
        wire.receive(sent)
        assert wire.next() is not None
        assert b"Connection: close" in wire.say(Reply(200), last=last) and wire.closing


@given(st.text(max_size=700))
def test_any_text_is_a_reason(text: str) -> None:
    """One line of bounded length, which h11 takes and a client reads as UTF-8."""
    told = phrase(text)
    assert len(told) <= MAX_REASON and b"\n" not in told and b"\r" not in told and told.decode() is not None
    wire = Wire(SIZES)
    wire.receive(GET)
    assert wire.next() is not None
    line, _, rest = wire.say(Reply(400, text)).partition(b"\r\n")
    assert line.startswith(b"HTTP/1.1 400 ") and rest == b"Content-Length: 0\r\n\r\n"
    assert line.removeprefix(b"HTTP/1.1 400 ") == (told or b"Bad Request")
