"""Strings as bits, the most significant of each byte first."""

from __future__ import annotations

from functools import reduce
from typing import Any

from crdtkv.doors.redis.arguments import int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.strings import MAX_STRING, bounds, write
from crdtkv.doors.redis.kinds import string_of
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.table import command

__all__: list[str] = []

_OVER = "writes what it makes of what is here: of two colos that do, one wins"
_NO_OFFSET = "ERR bit offset is not an integer or out of range"
_NO_BIT = "ERR bit is not an integer or out of range"


def _bits(at: At, name: bytes) -> bytes:
    return string_of(at.shown(key_of(name))) or b""


def _offset(word: bytes) -> int:
    found = int_of(word, _NO_OFFSET)
    if not 0 <= found < MAX_STRING * 8:
        raise Refusal(_NO_OFFSET)
    return found


@command("getbit", 3, "readonly fast", (1, 1, 1), group="bitmap", maps="the value")
def _getbit(at: At, args: list[bytes]) -> Any:
    """Returns a bit value by offset."""
    offset, data = _offset(args[2]), _bits(at, args[1])
    byte, bit = divmod(offset, 8)
    return data[byte] >> (7 - bit) & 1 if byte < len(data) else 0


@command("setbit", 4, "write denyoom", (1, 1, 1), group="bitmap", local=_OVER, maps="get, then put")
def _setbit(at: At, args: list[bytes]) -> Any:
    """Sets or clears the bit at an offset of the string value; what it was."""
    offset = _offset(args[2])
    if args[3] not in (b"0", b"1"):
        raise Refusal(_NO_BIT)
    byte, bit = divmod(offset, 8)
    there = _bits(at, args[1])
    data = bytearray(there.ljust(byte + 1, b"\0"))
    before = data[byte] >> (7 - bit) & 1
    mask = 1 << (7 - bit)
    data[byte] = data[byte] | mask if args[3] == b"1" else data[byte] & ~mask
    if data != there:
        key = key_of(args[1])
        write(at, key, bytes(data), keep_date=True)
        at.note("setbit", key)
    return before


def _range(data: bytes, words: list[bytes]) -> tuple[int, int]:
    """The first bit and the one behind the last of a range of bytes, or of bits where BIT is said."""
    if not words:
        return 0, len(data) * 8
    unit = words[2].lower() if len(words) > 2 else b"byte"
    if unit not in (b"byte", b"bit") or len(words) > 3:
        raise Refusal(SYNTAX)
    size = len(data) * 8 if unit == b"bit" else len(data)
    start, end = bounds(int_of(words[0]), int_of(words[1]) if len(words) > 1 else -1, size)
    start, end = min(start, size), min(end, size)
    return (start, end) if unit == b"bit" else (start * 8, end * 8)


def _part(data: bytes, start: int, end: int) -> int:
    """The bits from `start` to before `end`, as a number. O(data)."""
    if end <= start:
        return 0
    return int.from_bytes(data) >> (len(data) * 8 - end) & ((1 << (end - start)) - 1)


@command("bitcount", -2, "readonly", (1, 1, 1), group="bitmap", maps="the value")
def _bitcount(at: At, args: list[bytes]) -> Any:
    """Counts the set bits of a string."""
    data = _bits(at, args[1])
    if not data:
        return 0
    if len(args) == 3:
        raise Refusal(SYNTAX)
    return _part(data, *_range(data, args[2:])).bit_count()


@command("bitpos", -3, "readonly", (1, 1, 1), group="bitmap", maps="the value")
def _bitpos(at: At, args: list[bytes]) -> Any:
    """Finds the first set or clear bit of a string."""
    if args[2] not in (b"0", b"1"):
        raise Refusal("ERR The bit argument must be 1 or 0.")
    wanted, data = int(args[2]), _bits(at, args[1])
    if not data:
        return -1 if wanted else 0
    start, end = _range(data, args[3:])
    if end <= start:
        return -1
    part, size = _part(data, start, end), end - start
    if not wanted:
        part ^= (1 << size) - 1
    if not part:
        return len(data) * 8 if not wanted and len(args) < 5 else -1
    return start + size - part.bit_length()


@command("bitop", -4, "write denyoom", (2, -1, 1), group="bitmap", local=_OVER, maps="gets, then put")
def _bitop(at: At, args: list[bytes]) -> Any:
    """Performs bitwise operations on several strings, and stores the result; how long it is."""
    operation, names = args[1].lower(), args[3:]
    if operation not in (b"and", b"or", b"xor", b"not"):
        raise Refusal(SYNTAX)
    if operation == b"not" and len(names) != 1:
        raise Refusal("ERR BITOP NOT must be called with a single source key.")
    given = [_bits(at, name) for name in names]
    size = max(map(len, given))
    numbers = [int.from_bytes(each.ljust(size, b"\0")) for each in given]
    match operation:
        case b"and":
            made = reduce(int.__and__, numbers)
        case b"or":
            made = reduce(int.__or__, numbers)
        case b"xor":
            made = reduce(int.__xor__, numbers)
        case _:
            made = numbers[0] ^ ((1 << size * 8) - 1)
    key = key_of(args[2])
    if size:
        write(at, key, made.to_bytes(size))
        at.note("set", key)
    elif at.delete(key):
        at.note("del", key)
    return size
