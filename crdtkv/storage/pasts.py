"""The past of a cell: what stood in it before, numbered as it came; in pieces of bytes, as the tables have them.

Law of this room: a past is never changed: what grows of it, or is left of it, shares its pieces. A piece is some
rows that came one after the other, under the number of the first, and takes no more than PIECE_BYTES, unless that is
one row. What the tables have need not be in memory, but for the last piece: it is read when somebody passes through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgpack

from crdtkv.core import said
from crdtkv.core.cells import Context, Sibling
from crdtkv.core.clocks import Dot
from crdtkv.core.digest import Stood

__all__ = [
    "End", "NO_PAST", "PIECE_BYTES", "Past", "Superseded", "begun", "changes", "growth_of", "grown", "past_as",
    "past_in", "past_in_bytes", "plain_rows", "row_of", "rows_of", "sibling_in", "whole",
]  # fmt: skip

PIECE_BYTES = 800
"""SQLite keeps so much beside the key; what is more would take a page of its own."""

_MOST = 15
"""Rows of a piece: so many are said by its first byte."""

_HEADS: Final = [bytes([0x90 | count]) for count in range(_MOST + 1)]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long
_pack: Final = msgpack.Packer().pack

_Piece = tuple[int, int, bytes | None, Dot | None]
"""The number of its first row, how many there are, and they; None: as the tables have them. And the last dot that
replaced one of them, if all were replaced by dots of one replica; None: that is not known."""

_Read = Callable[[int], bytes]
"""A piece as the tables have it, by its number."""


class Superseded(NamedTuple):
    """A sibling that no longer stands: replaced by these dots, or by what a catch-up with this context brought."""

    sibling: Sibling
    by: tuple[Dot, ...]
    until: dict[str, int] | None
    wall_ms: int


End = tuple[Any, Context | None]
"""By which dots a row was replaced, and up to which context it stood."""


class Past:
    """What stood in a cell before, the oldest first."""

    def __init__(
        self, shut: tuple[_Piece, ...], last: _Piece | None, line: object, loose: bool, read: _Read | None = None,
        before: tuple[object, int] | None = None,
    ) -> None:  # fmt: skip
        self.shut, self.last = shut, last
        """The last piece by itself: the next row goes into that, and the others, often many, are left as they are."""
        self.line = line
        """Of two with the same one, rows of the same number are the same."""
        self.before = before
        """Likewise of one with this line, up to this number."""
        self.loose = loose
        """Some of it may be neither replaced nor until a catch-up: what was purged."""
        self.read = read

    @staticmethod
    def of(rows: Iterable[Superseded], first: int = 0) -> Past:
        """These rows, numbered from `first` on. O(rows)."""
        rows = list(rows)
        return Past(*_joined((), None, first, list(map(_pack, rows))), object(), _loose(rows))

    @staticmethod
    def found(pieces: Sequence[tuple[int, Any]], read: _Read | None) -> Past | None:
        """What the tables have, in order; None where something is missing. Of the last piece the bytes are kept."""
        made: list[_Piece] = []
        for n, blob in pieces:
            count = _count(blob)
            if not count or (made and n != made[-1][0] + made[-1][1]):
                return None
            made.append((n, count, None, None))
        n, count, _, _ = made.pop()
        loose = any(_LOOSE in blob for _, blob in pieces)
        return Past(tuple(made), (n, count, pieces[-1][1], None), object(), loose, read)

    @property
    def pieces(self) -> tuple[_Piece, ...]:
        """All of them, in order. O(pieces)."""
        return self.shut if self.last is None else (*self.shut, self.last)

    @property
    def first(self) -> int:
        """The number of the first row."""
        first = self.shut[0] if self.shut else self.last
        return 0 if first is None else first[0]

    @property
    def end(self) -> int:
        """The number of the next row."""
        last = self.last
        return 0 if last is None else last[0] + last[1]

    def __len__(self) -> int:
        return self.end - self.first

    def __eq__(self, other: object) -> bool:
        """Whether the rows are the same, whatever their numbers. O(1) where there are more of one."""
        if not isinstance(other, Past) or len(self) != len(other):
            return False
        return _same(self.pieces, other.pieces) or list(self) == list(other)

    def __iter__(self) -> Iterator[Superseded]:
        for piece in self.pieces:
            yield from past_in_bytes(self._bytes(piece))

    def __repr__(self) -> str:
        return f"Past({list(self)!r})"

    def _bytes(self, piece: _Piece) -> bytes:
        n, _, blob, _ = piece
        if blob is None:
            assert self.read is not None
            return self.read(n)
        return blob

    def grown(self, rows: Sequence[Superseded]) -> Past:
        """And behind it these. O(rows), some 2 us."""
        return self.behind(list(map(_pack, rows)), _loose(rows))

    def behind(self, rows: Sequence[bytes], loose: bool, end: Dot | None = None) -> Past:
        """As `grown`, of rows as `row_of` gives them; `end`: the dot by which each of them was replaced."""
        if self.last is None:
            return Past(*_joined((), None, 0, rows, end), object(), loose)
        shut, last = _joined(self.shut, self.last, self.end, rows, end)
        return Past(shut, last, self.line, self.loose or loose, self.read, self.before)

    def oldest(self, count: int) -> list[Superseded]:
        """The first rows. O(count)."""
        found: list[Superseded] = []
        for piece in self.pieces:
            if len(found) >= count:
                break
            found += past_in_bytes(self._bytes(piece))
        return found[:count]

    def ends(self, count: int) -> list[End]:
        """By what the first rows were replaced, but for dots that later ones of the same replica stand for.

        O(pieces), of those whose last dot is not known O(rows).
        """
        found: list[End] = []
        for piece in self.pieces:
            if count <= 0:
                break
            _, some, _, end = piece
            if end is not None and some <= count:
                found.append(((end,), None))
            else:
                rows = msgpack.unpackb(self._bytes(piece), strict_map_key=False)[:count]
                found += [(row[1], row[2]) for row in rows]
            count -= some
        return found

    def whole(self, count: int) -> int:
        """How many of the first rows fill whole pieces; all of them, where they fill none. O(pieces)."""
        found = 0
        for _, some, _, _ in self.pieces:
            if found + some > count:
                break
            found += some
        return found or count

    def without(self, count: int) -> Past:
        """Without the first rows. O(pieces)."""
        first = self.first + count
        if first >= self.end:
            return NO_PAST
        left = [piece for piece in self.pieces if piece[0] + piece[1] > first]
        n, some, _, end = left[0]
        if n < first:
            rows = past_in_bytes(self._bytes(left[0]))[first - n :]
            left[0] = first, n + some - first, _HEADS[len(rows)] + b"".join(map(_pack, rows)), end
        last = left.pop()
        return Past(tuple(left), last, self.line, self.loose, self.read, self.before)

    def until(self, number: int) -> Past:
        """The rows before that number, which is not the first. O(pieces)."""
        left = [piece for piece in self.pieces if piece[0] < number]
        last = left.pop()
        n, count, _, end = last
        blob = self._bytes(last)
        if n + count > number:
            count, end = number - n, None
            blob = _HEADS[count] + b"".join(map(_pack, past_in_bytes(blob)[:count]))
        return Past(tuple(left), (n, count, blob, end), self.line, self.loose, self.read, self.before)

    def altered(self, dots: Collection[Dot], change: Callable[[Superseded], Superseded]) -> Past:
        """With `change` made of those rows whose siblings these dots wrote. O(pieces), a glance at each; what the
        tables alone have is read where one of them was not found in what is later."""
        pieces, left, number = list(self.pieces), set(dots), self.end
        marks = [_pack(dot) for dot in dots]
        for at in range(len(pieces) - 1, -1, -1):
            n, _, blob, _ = pieces[at]
            if blob is None and not left:
                break
            blob = self._bytes(pieces[at])
            if any(mark in blob for mark in marks):
                rows = past_in_bytes(blob)
                left -= {row.sibling.dot for row in rows}
                made = [change(row) if row.sibling.dot in dots else row for row in rows]
                if made != list(rows):
                    shut, last = _joined((), None, n, list(map(_pack, made)))
                    pieces[at : at + 1] = shut if last is None else [*shut, last]
                    number = n
        if number == self.end:
            return self
        last = pieces.pop()
        return Past(tuple(pieces), last, object(), self.loose, self.read, (self.line, number))

    def remade(self, rows: Sequence[Superseded]) -> Past:
        """These instead: those that are there already have the number that they had, if they are the first. O(all)."""
        if not rows:
            return NO_PAST
        had = list(self)
        return Past.of(rows, self.first + had.index(rows[0]) if rows[0] in had else self.end)

    def since(self, other: Past) -> bytes | None:
        """The rows that came behind those of `other`, one of before, as bytes; None where that cannot be told."""
        assert other.last is not None
        n, count, blob, _ = other.last
        came = [piece for piece in self.pieces if piece[0] >= n]
        if blob is None or not came or came[0][0] != n or came[0][1] < count:
            return None
        found = [self._bytes(came[0])[len(blob) :]]
        found += [self._bytes(piece)[1:] for piece in came[1:]]
        return b"".join(found)

    def tail(self, number: int) -> bytes:
        """The rows from that number on, as bytes. O(they)."""
        found = []
        for piece in self.pieces:
            n, count, _, _ = piece
            if n + count > number:
                blob = self._bytes(piece)
                found.append(blob[1:] if n >= number else b"".join(map(_pack, past_in_bytes(blob)[number - n :])))
        return b"".join(found)

    def weight(self) -> int:
        """Some bytes."""
        return 200 + sum([120 + len(blob) for _, _, blob, _ in self.pieces if blob is not None])


NO_PAST: Final = Past((), None, object(), False)

_LOOSE: Final = b"\x90\xc0"
"""Is in the bytes of a row that nothing replaced, and that is until nothing."""


def row_of(stood: bytes, by: Dot, wall_ms: int) -> bytes:
    """As `rows_of`, of one sibling, as MessagePack has it, that one dot replaced."""
    return b"%b%b%b%b%b" % (b"\x94", stood, said.dots((by,)), b"\xc0", said.number(wall_ms))


def rows_of(stood: list[Stood], by: tuple[Dot, ...], until: Context | None, wall_ms: int) -> list[bytes]:
    """What MessagePack makes of `Superseded` rows."""
    ended: bytes = b"\xc0" if until is None else _pack(until)
    rest = b"%b%b%b" % (said.dots(by), ended, said.number(wall_ms))
    return [b"\x94" + packed + rest for _, packed in stood]


def _loose(rows: Sequence[Superseded]) -> bool:
    return any(not by and until is None for _, by, until, _ in rows)


def _joined(
    shut: tuple[_Piece, ...], last: _Piece | None, number: int, rows: Sequence[bytes], end: Dot | None = None
) -> tuple[tuple[_Piece, ...], _Piece | None]:
    """These pieces and the last one, and behind them rows from `number` on, each replaced by `end`, if that is one."""
    n, count, blob, ended = (number, 0, _HEADS[0], end) if last is None else last
    assert blob is not None
    made: list[_Piece] = []
    for data in rows:
        if count and (count == _MOST or len(blob) + len(data) > PIECE_BYTES):
            made.append((n, count, blob, ended))
            n, count, blob, ended = n + count, 0, _HEADS[0], end
        count += 1
        blob = b"%b%b%b" % (_HEADS[count], blob[1:], data)
        ended = _later(ended, end)
    return (*shut, *made) if made else shut, (n, count, blob, ended) if count else None


def _later(one: Dot | None, other: Dot | None) -> Dot | None:
    """Which stands for both; None: neither does."""
    if one is None or other is None or one[0] != other[0]:
        return None
    return one if one[1] > other[1] else other


def _same(pieces: tuple[_Piece, ...], others: tuple[_Piece, ...]) -> bool:
    """Whether these are the same rows for certain, whatever is known of their ends."""
    return [piece[:3] for piece in pieces] == [piece[:3] for piece in others]


def _count(blob: Any) -> int:
    """How many rows a piece says that it has; 0: it is none."""
    return blob[0] & 15 if type(blob) is bytes and blob and blob[0] & 0xF0 == 0x90 else 0


# what the tables and the journal say


def changes(had: Past, now: Past) -> list[tuple[int, bytes | None]]:
    """The pieces that are to be written where the tables have `had`, by number; None: there is none any more.
    O(pieces)."""
    before, made = {n: blob for n, _, blob, _ in had.pieces}, {n: blob for n, _, blob, _ in now.pieces}
    written = [(n, blob) for n, blob in made.items() if blob is not None and before.get(n) != blob]
    return written + [(n, None) for n in before if n not in made]


def begun(had: Past, n: int, blob: bytes) -> bytes | None:
    """What the tables have of piece `n`, where that is how `blob` begins; None where they have none, or another."""
    if had.last is None or had.last[0] != n:
        return None
    found = had.last[2]
    return found if found is not None and blob[1 : len(found)] == found[1:] else None


_Growth = tuple[int, bytes, int]
"""A number, the rows from it on, and the number of the first that is left."""


def growth_of(old: Past, new: Past) -> _Growth | None:
    """How a past became another; None where it was made anew. O(what came).

    Each write of a cell adds a row: whole, a past would be written as often as it is long.
    """
    if old.last is None or new.last is None or not old.first <= new.first < old.end <= new.end:
        return None
    if new.line is old.line:
        came = new.since(old)
        return None if came is None else (old.end, came, new.first)
    if new.before is None or new.before[0] is not old.line or new.before[1] <= new.first:
        return None
    number = min(new.before[1], old.end)
    return number, new.tail(number), new.first


def grown(past: Past, growth: Any) -> Past:
    """The past after that, also where it had grown so already."""
    if type(growth[0]) is list:
        return _grown_5(past, growth)
    number, came, first = growth
    rows = _stream(came)
    if past.first < number <= past.end:
        past = past.until(number).grown(rows)
    else:
        past = Past.of(rows, number)  # where rows are missing, what is to come sets that right
    return past.without(first - past.first) if past.first < first else past


def whole(past: Past) -> tuple[int, bytes] | None:
    """All of a past, for the journal. O(rows)."""
    return (past.first, b"".join(map(_pack, past))) if past.last is not None else None


def past_as(past: Past, row: Any) -> Past:
    """What `whole` gave, where `past` stood."""
    if not row:
        return NO_PAST
    if type(row[0]) is list:
        return past.remade(past_in(row))  # as formats before 6 have it
    return Past.of(_stream(row[1]), row[0])


def _grown_5(past: Past, growth: Any) -> Past:
    """As `grown`, of what formats before 6 say: the rows that came, and of which write those were that went."""
    came, went = growth
    gone, had = {(replica, n, ms) for replica, n, ms in went}, list(past)
    all = (*had, *(row for row in past_in(came) if row not in had))
    return past.remade([row for row in all if (*row.sibling.dot, row.wall_ms) not in gone])


def _stream(data: bytes) -> list[Superseded]:
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=len(data) or 1)
    unpacker.feed(data)
    return [_superseded_in(parts) for parts in unpacker]


@lru_cache(maxsize=1_024)
def past_in_bytes(blob: bytes) -> tuple[Superseded, ...]:
    """The rows of a piece. (Who reads a key with its past reads it often.)"""
    return past_in(msgpack.unpackb(blob, strict_map_key=False))


def plain_rows(blob: bytes, begun: bytes = _HEADS[0]) -> Any:
    """The rows of a piece as plain data, but for those of `begun`, with which it begins."""
    count = _count(blob) - _count(begun)
    return msgpack.unpackb(_HEADS[count] + blob[len(begun) :], strict_map_key=False)


def past_in(parts: Any) -> tuple[Superseded, ...]:
    """The rows of a piece, of what MessagePack makes of it."""
    return tuple(map(_superseded_in, parts))


def _superseded_in(parts: Any) -> Superseded:
    sibling, by, until, wall_ms = parts
    return _new(Superseded, (sibling_in(sibling), _dots_in(by), until, wall_ms))


def sibling_in(parts: Any) -> Sibling:
    """A sibling, of what MessagePack makes of it."""
    dot, stamp, payload, parents, lost = parts
    return _new(Sibling, (tuple(dot), stamp, payload, _dots_in(parents), _dots_in(lost)))


def _dots_in(parts: Any) -> tuple[Dot, ...]:
    return tuple([tuple(dot) for dot in parts]) if parts else ()
