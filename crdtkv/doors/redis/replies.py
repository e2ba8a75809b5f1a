"""Replies to bytes, in RESP2 or RESP3.

A reply is plain: bytes (a bulk string), int, None, bool, float, list, dict (a map), set, and the kinds below.
In RESP2 a map is its names and values in turn, a set a list, a float a bulk string, a bool 1 or 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = [
    "EMPTY", "NIL_ARRAY", "OK", "PONG", "QUEUED", "SILENT", "Failed", "Numeral", "Pairs", "Push", "Raw", "Simple",
    "Text", "Verbatim", "encode", "number",
]  # fmt: skip


class Raw(bytes):
    """Sent as it is, in either protocol."""


class Simple(str):
    """A status, as OK."""


class Failed(str):
    """An error, its code first: a reply like any other where it stands in an array."""


class Verbatim(bytes):
    """Text for people (INFO): verbatim in RESP3, a bulk string in RESP2."""


class Push(list[Any]):
    """What was not asked for, as a message of pub/sub: an array in RESP2."""


class Pairs(list[tuple[Any, Any]]):
    """Pairs in order: in RESP3 an array of arrays of two, in RESP2 one flat array."""


class Numeral(bytes):
    """A number, written already: a double in RESP3, a bulk string in RESP2."""


class Text(float):
    """A number that is a bulk string in RESP3, too (INCRBYFLOAT)."""


OK = Raw(b"+OK\r\n")
PONG = Raw(b"+PONG\r\n")
QUEUED = Raw(b"+QUEUED\r\n")
EMPTY = Raw(b"*0\r\n")


class _NilArray:
    pass


class _Silent:
    pass


SILENT = _Silent()
"""Of a command of the connection: nothing is said, or it was said already."""

NIL_ARRAY = _NilArray()
"""In RESP2 `*-1`, in RESP3 null as any."""


def encode(reply: Any, protocol: int) -> bytes:
    """The reply's bytes. O(reply).

    >>> encode({b"a": 1.5}, 3), encode({b"a": 1.5}, 2)
    (b'%1\\r\\n$1\\r\\na\\r\\n,1.5\\r\\n', b'*2\\r\\n$1\\r\\na\\r\\n$3\\r\\n1.5\\r\\n')
    """
    kind = type(reply)
    if kind is Raw:
        return reply  # type: ignore[no-any-return]
    if kind is bytes:
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if kind is int:
        return b":%d\r\n" % reply
    if reply is None:
        return b"_\r\n" if protocol == 3 else b"$-1\r\n"
    return _ENCODERS[kind](reply, protocol)


def number(value: float) -> bytes:
    """A number as Redis writes it: whole ones without a point, others as short as they read back the same.

    >>> number(3.0), number(0.1), number(1e20), number(float("-inf"))
    (b'3', b'0.1', b'100000000000000000000', b'-inf')
    """
    if math.isinf(value):
        return b"inf" if value > 0 else b"-inf"
    if value != value:
        return b"nan"
    if value == int(value) and abs(value) < 1e21:
        return b"%d" % int(value)
    return repr(float(value)).encode()


def _array(reply: Any, protocol: int) -> bytes:
    return b"".join([b"*%d\r\n" % len(reply), *[encode(each, protocol) for each in reply]])


def _map(reply: dict[Any, Any], protocol: int) -> bytes:
    head = b"%%%d\r\n" % len(reply) if protocol == 3 else b"*%d\r\n" % (2 * len(reply))
    return b"".join([head, *[encode(each, protocol) for pair in reply.items() for each in pair]])


def _set(reply: Any, protocol: int) -> bytes:
    head = b"~%d\r\n" if protocol == 3 else b"*%d\r\n"
    return b"".join([head % len(reply), *[encode(each, protocol) for each in reply]])


def _push(reply: Push, protocol: int) -> bytes:
    return (b">" if protocol == 3 else b"*") + _array(reply, protocol)[1:]


def _pairs(reply: Pairs, protocol: int) -> bytes:
    if protocol == 3:
        return _array([list(pair) for pair in reply], 3)
    return _array([each for pair in reply for each in pair], 2)


def _float(reply: float, protocol: int) -> bytes:
    said = number(reply)
    return b",%b\r\n" % said if protocol == 3 else b"$%d\r\n%b\r\n" % (len(said), said)


def _bool(reply: bool, protocol: int) -> bytes:
    return (b"#t\r\n" if reply else b"#f\r\n") if protocol == 3 else (b":1\r\n" if reply else b":0\r\n")


def _verbatim(reply: Verbatim, protocol: int) -> bytes:
    if protocol == 3:
        return b"=%d\r\ntxt:%b\r\n" % (len(reply) + 4, reply)
    return b"$%d\r\n%b\r\n" % (len(reply), reply)


def _numeral(reply: Numeral, protocol: int) -> bytes:
    return b",%b\r\n" % reply if protocol == 3 else b"$%d\r\n%b\r\n" % (len(reply), reply)


def _text(reply: str) -> bytes:
    return reply.encode("utf-8", "backslashreplace").replace(b"\r", b" ").replace(b"\n", b" ")


def _bulk(reply: Any, protocol: int) -> bytes:
    said = reply.encode() if isinstance(reply, str) else number(reply)
    return b"$%d\r\n%b\r\n" % (len(said), said)


_ENCODERS: dict[type, Callable[[Any, int], bytes]] = {
    list: _array, tuple: _array, dict: _map, set: _set, frozenset: _set, Push: _push, Pairs: _pairs, float: _float,
    bool: _bool, Verbatim: _verbatim, Numeral: _numeral, str: _bulk, Text: _bulk,
    Simple: lambda reply, _: b"+%b\r\n" % _text(reply),
    Failed: lambda reply, _: b"-%b\r\n" % _text(reply),
    _NilArray: lambda _, protocol: b"_\r\n" if protocol == 3 else b"*-1\r\n",
}  # fmt: skip
