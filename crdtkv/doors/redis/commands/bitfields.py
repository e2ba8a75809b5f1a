"""Numbers of 1 to 64 bits inside a string: BITFIELD.

What is written is the whole string, made of what is here, as by SETBIT and SETRANGE: it holds at one colo.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from crdtkv.doors.redis.arguments import int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.strings import MAX_STRING, write
from crdtkv.doors.redis.kinds import string_of
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.table import command

__all__: list[str] = []

_NO_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
_NO_OFFSET = "ERR bit offset is not an integer or out of range"
_OVER = "writes what it makes of what is here: of two colos that do, one wins"
_WORDS = {b"get": 2, b"set": 3, b"incrby": 3, b"overflow": 1}


class _Step(NamedTuple):
    """One of what BITFIELD is asked for."""

    name: bytes
    signed: bool
    bits: int
    offset: int
    value: int
    overflow: bytes

    @property
    def least(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def most(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    def fits(self, value: int) -> int | None:
        """What is kept of a number: itself, or what OVERFLOW says; None: nothing is written."""
        if self.least <= value <= self.most:
            return value
        if self.overflow == b"wrap":
            return self.of_bits(value & ((1 << self.bits) - 1))
        if self.overflow == b"sat":
            return self.most if value > self.most else self.least
        return None

    def of_bits(self, found: int) -> int:
        """The number that these bits are."""
        return found - (1 << self.bits) if self.signed and found > self.most else found

    def read(self, data: bytearray) -> int:
        """The number that stands there; what is behind the end is 0."""
        first, last = self.offset // 8, (self.offset + self.bits + 7) // 8
        part = int.from_bytes(bytes(data[first:last]).ljust(last - first, b"\0"))
        return self.of_bits(part >> (last * 8 - self.offset - self.bits) & ((1 << self.bits) - 1))

    def put(self, data: bytearray, value: int) -> None:
        """The number stands there. The string is long enough."""
        first, last = self.offset // 8, (self.offset + self.bits + 7) // 8
        mask, shift = (1 << self.bits) - 1, last * 8 - self.offset - self.bits
        part = int.from_bytes(data[first:last]) & ~(mask << shift) | (value & mask) << shift
        data[first:last] = part.to_bytes(last - first)


def _steps(words: list[bytes]) -> list[_Step]:
    found: list[_Step] = []
    overflow, at = b"wrap", 0
    while at < len(words):
        name = words[at].lower()
        takes = _WORDS.get(name, len(words))
        if at + takes >= len(words):
            raise Refusal(SYNTAX)
        given = words[at + 1 : at + 1 + takes]
        at += 1 + takes
        if name == b"overflow":
            overflow = given[0].lower()
            if overflow not in (b"wrap", b"sat", b"fail"):
                raise Refusal("ERR Invalid OVERFLOW type specified")
            continue
        signed, bits = _type(given[0])
        offset = _offset(given[1], bits)
        value = int_of(given[2]) if takes == 3 else 0
        found.append(_Step(name, signed, bits, offset, value, overflow))
    return found


def _type(word: bytes) -> tuple[bool, int]:
    signed = word[:1] == b"i"
    bits = int_of(word[1:], _NO_TYPE)
    if word[:1] not in (b"i", b"u") or not 1 <= bits <= (64 if signed else 63):
        raise Refusal(_NO_TYPE)
    return signed, bits


def _offset(word: bytes, bits: int) -> int:
    found = int_of(word.removeprefix(b"#"), _NO_OFFSET) * (bits if word[:1] == b"#" else 1)
    if not 0 <= found < MAX_STRING * 8 - 64:
        raise Refusal(_NO_OFFSET)
    return found


def _done(step: _Step, data: bytearray) -> int | None:
    """What is told of it; `data` is as it leaves it."""
    before = step.read(data)
    if step.name == b"get":
        return before
    if step.name == b"set":
        new = step.fits(step.value if step.signed else step.value % (1 << 64))
        told: int | None = before
    else:
        told = new = step.fits(before + step.value)
    if new is None:
        return None
    step.put(data, new)
    return told


@command("bitfield", -2, "write denyoom", (1, 1, 1), group="bitmap", local=_OVER, maps="get, then put")
def _bitfield(at: At, args: list[bytes]) -> Any:
    """Reads, sets and adds to numbers of so many bits inside a string: GET, SET, INCRBY, OVERFLOW."""
    steps = _steps(args[2:])
    key = key_of(args[1])
    before = string_of(at.shown(key))
    data = bytearray(before or b"")
    ends = [step.offset + step.bits for step in steps if step.name != b"get"]
    data += bytes(max(0, (max(ends, default=0) + 7) // 8 - len(data)))
    told = [_done(step, data) for step in steps]
    if ends and bytes(data) != before:
        write(at, key, bytes(data), keep_date=True)
        at.note("setbit", key)
    return told


@command("bitfield_ro", -2, "readonly fast", (1, 1, 1), group="bitmap", maps="the value")
def _bitfield_ro(at: At, args: list[bytes]) -> Any:
    """Reads numbers of so many bits inside a string: GET."""
    steps = _steps(args[2:])
    if any(step.name != b"get" for step in steps):
        raise Refusal("ERR BITFIELD_RO only supports the GET subcommand")
    data = bytearray(string_of(at.shown(key_of(args[1]))) or b"")
    return [_done(step, data) for step in steps]
