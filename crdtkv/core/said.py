"""What MessagePack makes of keys, dots and siblings: each write is said so several times, for the digest and the past.

Law of this room: it is what MessagePack makes, byte for byte; a test holds the two against each other. Compiled, this
takes two thirds of the time of asking that, and of what is short a third.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgpack

from crdtkv.core.cells import Context, Fields, Sibling

__all__ = ["alone", "context", "data", "dots", "entry", "number", "place", "sibling", "sibling_by", "text"]

_pack: Final[Callable[[Any], bytes]] = msgpack.Packer().pack

_SHORT: Final = 256
_NUMBERS: Final = [_pack(n) for n in range(_SHORT)]
_BEFORE_BYTES: Final = [_pack(bytes(n))[:2] for n in range(_SHORT)]
_BEFORE_TEXT: Final = [_pack("x" * n)[: 1 if n < 32 else 2] for n in range(_SHORT)]

_names: Final[dict[str, bytes]] = {}
"""Ids of replicas: few, and each is said often."""

_NAMES: Final = 4_096


def text(words: str) -> bytes:
    """A text."""
    data = words.encode()
    return _BEFORE_TEXT[len(data)] + data if len(data) < _SHORT else _pack(words)


def _name(replica: str) -> bytes:
    found = _names.get(replica)
    if found is None:
        if len(_names) >= _NAMES:
            _names.clear()
        found = _names[replica] = text(replica)
    return found


def data(given: bytes) -> bytes:
    """Bytes. (By hand also where there are many: a packer keeps as much room as it once needed.)"""
    size = len(given)
    if size < _SHORT:
        return _BEFORE_BYTES[size] + given
    return (b"\xc5" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xc6" + size.to_bytes(4, "big")) + given


def number(n: int) -> bytes:
    """An integer of 0 or more."""
    if n < _SHORT:
        return _NUMBERS[n]
    if n < 1 << 16:
        return b"\xcd" + n.to_bytes(2, "big")
    if n < 1 << 32:
        return b"\xce" + n.to_bytes(4, "big")
    return b"\xcf" + n.to_bytes(8, "big")


def _dot(dot: Fields) -> bytes:
    return b"%b%b%b" % (b"\x92", _name(dot[0]), number(dot[1]))


def dots(given: Fields) -> bytes:
    """A tuple of dots."""
    if not given:
        return b"\x90"
    return b"\x91" + _dot(given[0]) if len(given) == 1 else _pack(given)


def sibling(of: Sibling) -> bytes:
    """A sibling, as the tuple that it is."""
    fields: Fields = of
    stamp, payload, parents, lost = fields[1], fields[2], fields[3], fields[4]
    dot: Fields = fields[0]
    # (`sibling_by` and what follows, in one piece: each piece by itself is made and thrown away.)
    return b"%b%b%b%b%b%b%b" % (
        b"\x95\x92", _name(dot[0]), number(dot[1]), number(stamp), _payload(payload), dots(parents), dots(lost)
    )  # fmt: skip


def sibling_by(dot: Fields, stamp: int) -> bytes:
    """What a sibling of that dot begins with: its payload, parents and lost follow."""
    return b"%b%b%b%b" % (b"\x95\x92", _name(dot[0]), number(dot[1]), number(stamp))


def alone(by: bytes, payload: bytes | None) -> bytes:
    """A sibling that begins with `by` and replaced nothing."""
    return b"%b%b%b" % (by, _payload(payload), b"\x90\x90")


def _payload(payload: bytes | None) -> bytes:
    return b"\xc0" if payload is None else data(payload)


def place(key: bytes, path: bytes) -> bytes:
    """The pair of a key, as `text` gives it, and a path."""
    return b"%b%b%b" % (b"\x92", key, data(path))


def context(entries: Context) -> bytes:
    """A key's context, by replica."""
    if len(entries) == 1:
        for replica, n in entries.items():
            return b"%b%b%b" % (b"\x81", _name(replica), number(n))
    return _pack(entries)


def entry(key: bytes, replica: str, n: int) -> bytes:
    """A key, as `text` gives it, and an entry of its context, in one tuple."""
    return b"%b%b%b%b" % (b"\x93", key, _name(replica), number(n))
