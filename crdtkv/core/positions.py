"""Where an element of a list stands: bytes that sort like the list.

"Two colos insert at one place at the same time: do their elements interleave?"
No: what a replica inserts next to its own elements continues their *run*, and a
run stands together wherever others insert.

A position is a chain of nodes; the nodes below a position sort after it and
before whatever follows it, and the root of all is the empty position:

    root +- PRE      runs, the later stamp first      what is prepended
         +- INITIAL  (index, hash of the value)       what was there from the start
         +- POST     runs, the later stamp last       what is appended
    each node +- PRE, POST          likewise: what stands right of it
              +- BEFORE_PRE, _POST  likewise: what stands left of the next of its run

A run is (stamp, replica) and its nodes are counted, forward and backward without
bound, so an append to one's own run costs no new run and a list that is only
appended or prepended to stays flat. Between two neighbours that belong to others
a new run opens at the shallowest place that lies between them.

This is Fugue (Weidner, Gentle, Kleppmann, The Art of the Fugue, 2023) written as
position strings, with one change: rather than the right neighbour's left child or
the left neighbour's right child, it takes a run *beside* the neighbour's, ordered
by stamp, where one fits. So inserts taking turns between replicas at one place
stay flat instead of growing by one node each.

The anomaly that survives: elements that *several* replicas put side by side, one
after the other, are several runs; what a further replica inserts there at the
same time may come to stand between two of these runs, never inside one.

Never change this format: positions are on disk and on the wire. They hold no
0x00, which a path would have to escape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import xxhash

from crdtkv.core.clocks import Stamp
from crdtkv.errors import MessageInvalid, TooLarge

__all__ = ["MAX_POSITION", "Run", "between", "check", "ending", "initial"]

MAX_POSITION = 2048
_STAMP_END = 1 << 64
_COUNTER_END = 1 << 62

_PRE, _INITIAL, _POST, _BEFORE_PRE, _BEFORE_POST = 1, 2, 3, 4, 5
_LATER_LAST = (_POST, _BEFORE_POST)
_HASH_BYTES = 8
_REPLICA_END: Final = 0x01
_FIRST_REF = 0x02  # 0x02..0x1f: the n-th replica named on the way down to this node
_REFS = 30
_MIN_CHAR = 0x21

_MAX_SKIP = 1 << 20


class _Node(NamedTuple):
    """One node of a position: `position[:start]` is the node above it, `position[:head]` its run."""

    region: int
    stamp: Stamp
    replica: bytes  # b"" for an initial element
    counter: int
    start: int
    head: int


def initial(index: int, packed: bytes) -> bytes:
    """The position of the element `packed` at `index` of a list created where there was none. O(packed).

    It names no replica, so that two colos creating the same list create it once.

    >>> initial(0, b"a") < initial(1, b"a"), initial(0, b"a") == initial(0, b"a")
    (True, True)
    """
    return bytes((_INITIAL,)) + _varint(index) + xxhash.xxh3_64_digest(packed).replace(b"\0", b"\1")


def between(
    left: bytes | None,
    right: bytes | None,
    *,
    stamp: Stamp,
    replica: str,
    taken: Callable[[bytes], bool],
    count: int = 1,
) -> list[bytes]:
    """`count` new positions in order, in one run, strictly between `left` and `right` (None: the list's ends).

    `taken(position)` says whether a cell stands there, those that this transaction
    is about to write included: a position once taken is never given again.

    Cost: O(len(left) + len(right) + count), some 10 us for one at the end of a list, 40 us
    in the midst of one of 10,000. Raises TooLarge beyond MAX_POSITION, which takes
    hundreds of inserts that each go between the last two.

    >>> a, b = between(None, None, stamp=7, replica="lhr~1", taken=lambda p: False, count=2)
    >>> [c] = between(a, b, stamp=8, replica="sin~1", taken=lambda p: False)
    >>> a < c < b, len(a), len(c)
    (True, 9, 18)
    """
    assert left is None or right is None or left < right, f"{left!r} does not lie before {right!r}"
    assert 0 <= stamp < _STAMP_END, f"stamp {stamp} is not of 64 bits"
    gap = _Gap(left, right, _encode_replica(replica), count)
    for new in gap.candidates(stamp):
        if not any(map(taken, new)):
            if new and len(new[-1]) > MAX_POSITION:
                raise TooLarge(
                    f"position is {len(new[-1])} bytes; at most {MAX_POSITION}: too many inserts, each between "
                    "the last two; put the list anew"
                )
            return new
    raise TooLarge(f"no position is left between {left!r} and {right!r}; put the list anew")


class Run:
    """The run that an element belongs to: its bytes, and which of it the element is."""

    __slots__ = ("counter", "head")

    def __init__(self, head: bytes, counter: int) -> None:
        self.head = head
        self.counter = counter

    def behind(self, count: int) -> list[bytes]:
        """The `count` positions next behind it, as `between` gives them where nothing is taken; none: ask it. O(count).

        >>> [a] = between(None, None, stamp=7, replica="lhr~1", taken=lambda p: False)
        >>> ending(a, "lhr~1").behind(2) == between(a, None, stamp=8, replica="lhr~1", taken=lambda p: False, count=2)
        True
        """
        return _run(self.head, self.counter + 1, count) if self._counts(count) else []

    def going_on(self, count: int) -> Run:
        """As of the element that many behind. O(1)."""
        return Run(self.head, self.counter + count)

    def before(self, count: int) -> list[bytes]:
        """As `behind`, of those next before it."""
        return _run(self.head, self.counter - count, count) if self._counts(count) else []

    def _counts(self, count: int) -> bool:
        return abs(self.counter) + 1 + count < _COUNTER_END


def ending(position: bytes, replica: str) -> Run | None:
    """The run that the element at `position` belongs to; None if it is none that `replica` goes on with. O(len)."""
    last = _parse(position)[-1]
    mine = last.replica == _encode_replica(replica) and last.head + _MAX_DIGITS < MAX_POSITION
    return Run(position[: last.head], last.counter) if mine else None


def check(position: bytes) -> None:
    """Raise MessageInvalid unless `position` is one that `initial` or `between` could have made. O(len).

    >>> check(b"\\x03\\x85")
    Traceback (most recent call last):
    crdtkv.errors.MessageInvalid: b'\\x03\\x85' is not a list position: cut short
    """
    if not position or len(position) > MAX_POSITION:
        raise MessageInvalid(f"{position[:40]!r} of {len(position)} bytes is not a list position: 1 to {MAX_POSITION}")
    _parse(position)


# Making positions


class _Gap:
    """The room between two neighbours, and the ways to fill it."""

    def __init__(self, left: bytes | None, right: bytes | None, me: bytes, count: int) -> None:
        self.left = left
        self.right = right
        self.lefts = _parsed(left or b"")
        self.rights = _parsed(right or b"")
        self.me = me
        self.count = count

    def candidates(self, stamp: Stamp) -> Iterator[list[bytes]]:
        """Runs of new positions that fit, best first; whether they are free is for the caller to see."""
        lefts, rights = self.lefts, self.rights
        for skip in self._skips(lefts, rights):
            yield _run((self.left or b"")[: lefts[-1].head], lefts[-1].counter + skip, self.count)
        for skip in self._skips(rights, lefts):
            yield _run((self.right or b"")[: rights[-1].head], rights[-1].counter - skip - self.count + 1, self.count)
        depth = 0  # where the two part
        while depth < min(len(lefts), len(rights)) and lefts[depth] == rights[depth]:
            depth += 1
        # A run beside a neighbour's: it may not fit where they part, and always does one node further down.
        for d in (depth, depth + 1):
            yield from self._beside(self.left, lefts, d, True, stamp)
            yield from self._beside(self.right, rights, d, False, stamp)
        if self.right and _same_run(lefts, rights):
            # Left of the right one: it may be what its writer has just added to an old run, and
            # right of the left one others may be writing at this moment.
            last = rights[-1]._replace(counter=rights[-1].counter - 1)
            place = self.right[: last.head] + _varint(last.counter)
            yield from self._open(place, [*rights[:-1], last], _BEFORE_POST, stamp)
        else:
            yield from self._open(self.left or b"", lefts, _POST, stamp)

    def _skips(self, mine: list[_Node], other: list[_Node]) -> Iterator[int]:
        """How far on to count in one's own run: past elements that were deleted, in ever longer steps."""
        if not mine or mine[-1].replica != self.me or _same_run(mine, other[: len(mine)]):
            return
        skip = 1
        while abs(mine[-1].counter) + skip + self.count < _COUNTER_END and skip <= _MAX_SKIP:
            yield skip
            skip *= 2

    def _beside(
        self, neighbour: bytes | None, nodes: list[_Node], d: int, after: bool, stamp: Stamp
    ) -> Iterator[list[bytes]]:
        """New runs in the place where the neighbour's d-th node stands, after it or before it."""
        if neighbour is not None and d < len(nodes):
            before, behind = (_PRE, _POST) if nodes[d].region <= _POST else (_BEFORE_PRE, _BEFORE_POST)
            region = behind if after else before
            beyond = nodes[d].stamp + 1 if nodes[d].region == region else 0
            yield from self._open(neighbour[: nodes[d].start], nodes[:d], region, max(stamp, beyond))

    def _open(self, place: bytes, above: list[_Node], region: int, stamp: Stamp) -> Iterator[list[bytes]]:
        """New runs below `place` as long as they fit, with ever later stamps should one be taken."""
        base = above[-1].stamp if above else 0
        named = _named(above)
        who = bytes((_FIRST_REF + named.index(self.me),)) if self.me in named else self.me + bytes((_REPLICA_END,))
        step = 1
        while stamp < _STAMP_END:
            head = place + bytes((region,)) + _varint(stamp - base if region in _LATER_LAST else base - stamp) + who
            new = _run(head, 0, self.count)
            if not self._fits(new):
                return
            yield new
            stamp, step = stamp + step, step * 2

    def _fits(self, new: list[bytes]) -> bool:
        after = self.left is None or not new or self.left < new[0]
        return after and (self.right is None or not new or new[-1] < self.right)


def _run(head: bytes, start: int, count: int) -> list[bytes]:
    """The positions of a run from `start` on. Neighbours differ in their last byte only, until that is 0xff."""
    if count == 1:
        return [head + _varint(start)]
    made: list[bytes] = []
    at, end = start, start + count
    while at < end:
        found = _varint(at)
        last = found[-1]
        # (A single byte counts up to 0xef; below 0x80 it is negative.)
        room = min(end - at, (256 if len(found) > 1 else 0x80 if at < 0 else 0xF0) - last)
        above = head + found[:-1]
        made += [above + one for one in _BYTES[last : last + room]]
        at += room
    return made


def _same_run(one: list[_Node], other: list[_Node]) -> bool:
    """Whether both end in one run (an initial element is a run of its own)."""
    if not one or len(one) != len(other) or one[:-1] != other[:-1]:
        return False
    return one[-1] == other[-1]._replace(counter=one[-1].counter) and one[-1].region != _INITIAL


def _named(nodes: list[_Node]) -> list[bytes]:
    """The replicas named by `nodes`, each once, as far as a reference reaches."""
    return list(dict.fromkeys(node.replica for node in nodes if node.replica))[:_REFS]


@lru_cache(maxsize=1024)
def _encode_replica(replica: str) -> bytes:
    name = replica.encode("utf-8")
    assert name and min(name) >= _MIN_CHAR, f"replica {replica!r} is empty or has a space or a control character"
    return name


# Reading positions


@lru_cache(maxsize=64)
def _parsed(position: bytes) -> list[_Node]:
    """As `_parse`, not to be mutated: who types goes on beside what he has just put in."""
    return _parse(position)


def _parse(position: bytes) -> list[_Node]:
    """The nodes of a position from the root down. Raises MessageInvalid."""
    nodes: list[_Node] = []
    named: list[bytes] = []
    at = 0
    base = 0
    try:
        while at < len(position):
            start, region = at, position[at]
            if region == _INITIAL and at == 0:
                counter, at = _read_varint(position, 1)
                digest = position[at : at + _HASH_BYTES]
                at += _HASH_BYTES
                if counter < 0 or at > len(position) or 0 in digest:
                    raise _malformed(position, "no initial element")
                nodes.append(_Node(region, 0, b"", counter, start, at))
                continue
            if region not in (_PRE, _POST) and (region not in (_BEFORE_PRE, _BEFORE_POST) or not nodes):
                raise _malformed(position, f"no region {region:#04x}")
            distance, at = _read_varint(position, at + 1)
            base += distance if region in _LATER_LAST else -distance
            replica, at = _read_replica(position, at, named)
            head = at
            counter, at = _read_varint(position, at)
            if not 0 <= base < _STAMP_END or abs(counter) >= _COUNTER_END:
                raise _malformed(position, "a stamp or a counter out of range")
            nodes.append(_Node(region, base, replica, counter, start, head))
    except IndexError:
        raise _malformed(position, "cut short") from None
    return nodes


def _read_replica(position: bytes, at: int, named: list[bytes]) -> tuple[bytes, int]:
    """The replica at `at` and where it ends; `named` are those met so far."""
    byte = position[at]
    if byte < _MIN_CHAR:
        if not 0 <= byte - _FIRST_REF < len(named):
            raise _malformed(position, f"no replica {byte:#04x}")
        return named[byte - _FIRST_REF], at + 1
    end = position.find(_REPLICA_END, at)
    if end < 0:
        raise _malformed(position, "cut short")
    replica = position[at:end]
    if min(replica) < _MIN_CHAR or replica in named or not _is_utf8(replica):
        raise _malformed(position, f"no replica {replica!r}")
    if len(named) < _REFS:
        named.append(replica)
    return replica, end + 1


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _malformed(position: bytes, why: str) -> MessageInvalid:
    return MessageInvalid(f"{position!r} is not a list position: {why}")


# Signed integers of any size, as bytes without 0x00 that sort like them, one form each.
# 0..111 are 0x80..0xef; 0xf0 and up say how many digits of base 255 follow (each plus
# one), counted on from where the shorter ones end. A negative n is -n - 1, complemented.

_SMALL: Final = 112
_SHORT: Final = [bytes((0x80 + n,)) for n in range(_SMALL)]
_COMPLEMENT: Final = bytes((256 - digit) % 256 for digit in range(256))
_MAX_DIGITS: Final = 15
_BYTES: Final = [bytes((n,)) for n in range(256)]


def _varint(n: int) -> bytes:
    if 0 <= n < _SMALL:
        return _SHORT[n]
    if n < 0:
        up = _varint(-n - 1)
        return bytes((0xFF - up[0],)) + up[1:].translate(_COMPLEMENT)
    n -= _SMALL
    if n < 255:
        return bytes((0xF0, n + 1))
    if n < 255 + 65_025:
        high, low = divmod(n - 255, 255)
        return bytes((0xF1, high + 1, low + 1))
    size, span = 1, 255
    while n >= span:
        n -= span
        size, span = size + 1, span * 255
    assert size <= _MAX_DIGITS, "a number that no stamp and no counter reaches"
    digits = bytearray()
    for _ in range(size):
        n, digit = divmod(n, 255)
        digits.append(digit + 1)
    digits.append(0xF0 + size - 1)
    return bytes(reversed(digits))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """`(n, end)`. Raises IndexError where the data is cut short, MessageInvalid for a zero."""
    byte = data[at]
    if 0x80 <= byte < 0x80 + _SMALL:
        return byte - 0x80, at + 1
    negative = byte < 0x80
    size = (0xFF - byte if negative else byte) - 0xF0 + 1
    if size <= 0:
        return byte - 0x80, at + 1
    end = at + 1 + size
    digits = data[at + 1 : end]
    if len(digits) < size:
        raise IndexError
    if size > _MAX_DIGITS or 0 in digits:
        raise _malformed(data, "no such number")
    n = 0
    for digit in digits.translate(_COMPLEMENT) if negative else digits:
        n = n * 255 + digit - 1
    n += _SMALL + sum(255**k for k in range(1, size))
    return (-n - 1 if negative else n), end
