"""LCS: the longest common subsequence of two strings, and where it stands.

A row of the table of lengths is one whole number, a bit for each byte of the other string: a row of 10,000 is made in
a microsecond or two (Hyyrö, Bit-parallel LCS-length computation revisited, 2004). The way back through the table is
that of redis-server, so of several subsequences the same one is told.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from crdtkv.doors.redis.arguments import int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.kinds import is_string, string_of
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.table import command

__all__ = ["MOST", "rows_of"]

MOST = 100_000_000
"""Of both lengths multiplied: 12 MB of rows, up to 0.2 s in which nobody writes."""

_Range = tuple[int, int]


class _Asked(NamedTuple):
    idx: bool
    length: bool
    least: int
    with_length: bool


@command("lcs", -3, "readonly slow", (1, 2, 1), group="string", maps="the values")
def _lcs(at: At, args: list[bytes]) -> Any:
    """Finds the longest common subsequence of two strings; LEN: how long it is, IDX: where it stands."""
    one, other = (_text(at, name) for name in args[1:3])
    asked = _asked(args[3:])
    if len(one) * len(other) > MOST:
        raise Refusal(f"ERR String too long for LCS: lengths multiplied are {MOST:,} at the most")
    rows = rows_of(one, other)
    length = len(other) - rows[-1].bit_count()
    if asked.length:
        return length
    found, ranges = _way_back(one, other, rows)
    if not asked.idx:
        return found
    matches: list[list[Any]] = []
    for a, b in ranges:
        size = a[1] - a[0] + 1
        if size >= asked.least:
            matches.append([list(a), list(b), *([size] if asked.with_length else [])])
    return {b"matches": matches, b"len": length}


def _text(at: At, name: bytes) -> bytes:
    root = at.shown(key_of(name))
    if root is not None and not is_string(root):
        raise Refusal("ERR The specified keys must contain string values")
    return string_of(root) or b""


def _asked(words: list[bytes]) -> _Asked:
    flags: set[bytes] = set()
    least, rest = 0, iter(words)
    for word in rest:
        option = word.lower()
        if option == b"minmatchlen":
            given = next(rest, None)
            if given is None:
                raise Refusal(SYNTAX)
            least = int_of(given)
        elif option in (b"idx", b"len", b"withmatchlen"):
            flags.add(option)
        else:
            raise Refusal(SYNTAX)
    if {b"idx", b"len"} <= flags:
        raise Refusal("ERR If you want both the length and indexes, please just use IDX.")
    return _Asked(b"idx" in flags, b"len" in flags, least, b"withmatchlen" in flags)


def rows_of(one: bytes, other: bytes) -> list[int]:
    """For each begin of `one`, by its length: bit j is 0 where a byte more of `other`, its j-th, makes what both have
    in common longer. O(len(one) * len(other) / 64).

    >>> [len("bac") - row.bit_count() for row in rows_of(b"abc", b"bac")]
    [0, 1, 1, 2]
    """
    full = (1 << len(other)) - 1
    where = {byte: _where(byte, other) for byte in set(one)}
    rows = [full]
    row = full
    for byte in one:
        meets = row & where[byte]
        row = ((row + meets) | (row - meets)) & full
        rows.append(row)
    return rows


def _where(byte: int, text: bytes) -> int:
    """A bit for each place where the byte stands. O(text)."""
    ones = bytearray(b"0" * 256)
    ones[byte] = ord("1")
    return int(text[::-1].translate(ones) or b"0", 2)


def _way_back(one: bytes, other: bytes, rows: list[int]) -> tuple[bytes, list[tuple[_Range, _Range]]]:
    """The subsequence, and where runs of it stand in both, the last first."""
    found = bytearray()
    ranges: list[tuple[_Range, _Range]] = []
    i, j = len(one), len(other)
    length = 0  # of the run that begins at i and j
    while i and j:
        meets = one[i - 1] == other[j - 1]
        if meets:
            found.append(one[i - 1])
            i, j, length = i - 1, j - 1, length + 1
        if length and not (meets and i and j):
            ranges.append(((i, i + length - 1), (j, j + length - 1)))
            length = 0
        if not meets:
            if rows[i] >> (j - 1) & 1:
                j -= 1  # without that byte of the other it is as long
            else:
                i -= 1
    return bytes(reversed(found)), ranges
