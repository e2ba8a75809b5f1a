"""RESP: bytes in, commands out. No sockets here, no clock.

hiredis reads what most clients send; what it would misread is read here, slower: inline commands, counts and
lengths so large that they are to be refused before room is made for them, and whatever is wrong, to say so.

Law of this room: memory is bounded by `Limits`, whatever comes; after an error nothing is read any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import hiredis

__all__ = ["LIMITS", "STRANGER", "Limits", "Parser", "ProtocolError", "split_inline"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and counts. Redis has 512 MB, 1,048,576, 64 KB."""

    bulk: int = 25 * 1024 * 1024
    """Bytes of one argument: no value is larger."""
    command: int = 64 * 1024 * 1024
    """Bytes of one command."""
    arguments: int = 1024 * 1024
    inline: int = 64 * 1024


LIMITS = Limits()
STRANGER = Limits(bulk=16 * 1024, command=64 * 1024, arguments=10, inline=1024)
"""What holds for who has not said who he is, where that is asked (as in Redis)."""

_HEADS = bytes.maketrans(b"*123456789", b"$000000000")
_LARGE = b"$0000000"
"""So `_HEADS` shows a count or a length of seven digits: a twelfth of the time of a regular expression."""
_TAIL = 16
_SMALL = 16_384


class ProtocolError(Exception):
    """What came is no command; in Redis' words."""


class Parser:
    """Of one connection: `feed` takes what came, and gives the commands that are complete.

    >>> parser = Parser()
    >>> parser.feed(b"*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk"), parser.feed(b"\\r\\nPING now\\r\\n")
    ([], [[b'GET', b'k'], [b'PING', b'now']])
    >>> parser.feed(b"*1\\r\\n:5\\r\\n"), parser.wrong
    ([], "expected '$', got ':'")
    """

    __slots__ = ("_before", "_came", "_reader", "_size", "_slow", "limits")

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._reader = _reader()
        self._came: list[bytes] = []
        """All of the command that is not complete, as it came."""
        self._size = 0
        self._before: tuple[list[bytes], list[list[bytes]]] | None = None
        """What came last and what was given of it, where hiredis has read all of that: mostly whole commands."""
        self._slow: _Slow | None = None

    @property
    def wrong(self) -> str | None:
        """Why nothing is read any more, in Redis' words; None: it is. What came before that was given."""
        return self._slow.wrong if self._slow is not None else None

    def feed(self, data: bytes) -> list[list[bytes]]:
        """The commands that are complete now. O(data)."""
        if self._slow is not None:
            return self._slowly(data)
        came = self._came
        if self._before is not None:
            self._resolve(data)
        before = b"".join(came[-_TAIL:])[-_TAIL:] if came else b""
        came.append(data)
        if _LARGE in (before + data).translate(_HEADS) or (data[:1] != b"*" and not before):
            return self._doubt()
        reader = self._reader
        try:
            reader.feed(data)
            found: list[list[bytes]] = [*iter(reader.gets, _NO_MORE)]
            if len(found) == 1:
                b"".join(found[0])
            else:
                b"".join(map(b"".join, found))  # all of them are bytes
        except (hiredis.HiredisError, TypeError, MemoryError):
            return self._doubt()
        self._size += len(data)
        if not reader.has_data() and self._size < _SMALL:
            self._before, self._came = (came, found), []
            self._size = 0
            return found
        if found:
            self._cut(found)
        return self._doubt(found) if self._size > self.limits.command else found

    def _resolve(self, data: bytes) -> None:
        """What was read before was whole commands, unless `data` goes on with one: no part of it begins with a star."""
        came, found = self._before or ([], [])
        self._before = None
        if data[:1] != b"*":
            self._came[:], self._size = came, sum(map(len, came))
            self._cut(found)

    def _cut(self, found: list[list[bytes]]) -> None:
        """What was complete is forgotten; what begins behind it is kept."""
        came = b"".join(self._came)
        rest = came[sum(map(_length, found)) :]
        if rest and rest[:1] != b"*":  # not written as most write it: what was given is found by reading it again
            slow = _Slow(self)
            given = 0
            while given < len(found) and (command := slow.next_of(came if not given else b"")) is not None:
                given += bool(command)
            rest = slow.left
        self._came[:] = [rest] if rest else []
        self._size = len(rest)

    def _doubt(self, given: list[list[bytes]] | None = None) -> list[list[bytes]]:
        """All since the last place between two commands that is known is read again, carefully; and what is `given`."""
        self._slow = _Slow(self)
        came = b"".join(self._came)
        self._came.clear()
        self._size = 0
        return (given or []) + self._slowly(came)

    def _slowly(self, data: bytes) -> list[list[bytes]]:
        slow = self._slow
        assert slow is not None, "it is read carefully"
        found = slow.feed(data)
        if slow.between:
            self._slow = None
            self._reader = _reader()
        return found


_NO_MORE = object()
"""What hiredis gives where a command is not complete. (Nothing that came equals it, as 0 equals False.)"""


def _reader() -> hiredis.Reader:
    return hiredis.Reader(notEnoughData=_NO_MORE)


_LENGTHS = {n: n + 5 + len(str(n)) for n in range(4096)}


def _length(command: list[bytes]) -> int:
    """Bytes of a command as it is written without needless zeros."""
    try:
        return 3 + len(str(len(command))) + sum(map(_LENGTHS.__getitem__, map(len, command)))
    except KeyError:
        return 3 + len(str(len(command))) + sum([n + 5 + len(str(n)) for n in map(len, command)])


class _Slow:
    """The same, command by command, with every header looked at."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._buffer = bytearray()
        self._wanted = 0
        """Arguments that are still to come."""
        self._length = -1
        """Of the one that comes; -1: its header is next."""
        self._command: list[bytes] = []
        self._size = 0
        self.wrong: str | None = None

    @property
    def between(self) -> bool:
        """Whether all that came was whole commands."""
        return not self._buffer and not self._wanted and self.wrong is None

    def feed(self, data: bytes) -> list[list[bytes]]:
        """As the parser's."""
        found: list[list[bytes]] = []
        if self.wrong is None:
            self._buffer += data
            try:
                while (command := self._next()) is not None:
                    if command:
                        found.append(command)
            except ProtocolError as error:
                self.wrong = str(error)
                self._buffer.clear()
        return found

    def next_of(self, data: bytes) -> list[bytes] | None:
        """The next command of what has come, and of `data`."""
        self._buffer += data
        return self._next()

    @property
    def left(self) -> bytes:
        """What was not read."""
        return bytes(self._buffer)

    def _next(self) -> list[bytes] | None:
        """A command, an empty one for nothing to do; None: more must come."""
        if not self._wanted:
            begun = self._begin()
            if begun is not None or not self._wanted:
                return begun
        while self._wanted:
            if self._length < 0 and not self._header():
                return None
            if len(self._buffer) < self._length + 2:
                return None
            self._command.append(bytes(self._buffer[: self._length]))
            del self._buffer[: self._length + 2]
            self._length = -1
            self._wanted -= 1
        command, self._command, self._size = self._command, [], 0
        return command

    def _begin(self) -> list[bytes] | None:
        buffer, limits = self._buffer, self._parser.limits
        if not buffer:
            return None
        if buffer[:1] != b"*":
            end = buffer.find(b"\n")
            if end < 0 or end > limits.inline:
                if len(buffer) > limits.inline:
                    raise ProtocolError("too big inline request")
                return None
            line = bytes(buffer[:end]).rstrip(b"\r")
            del buffer[: end + 1]
            return split_inline(line)
        line_ = self._line("too big mbulk count string")
        if line_ is None:
            return None
        count = _number(line_[1:])
        if count is None or count > limits.arguments:
            words = "unauthenticated multibulk length" if limits is STRANGER and count else "invalid multibulk length"
            raise ProtocolError(words)
        self._wanted = max(0, count)
        return [] if count <= 0 else None

    def _header(self) -> bool:
        """The length of the next argument is known."""
        line = self._line("too big bulk count string")
        if line is None:
            return False
        if line[:1] != b"$":
            raise ProtocolError(f"expected '$', got '{chr(line[0]) if line else ' '}'")
        length, limits = _number(line[1:]), self._parser.limits
        if length is None or not 0 <= length <= limits.bulk:
            words = "unauthenticated bulk length" if limits is STRANGER and length else "invalid bulk length"
            raise ProtocolError(words)
        self._size += length
        if self._size > limits.command:
            raise ProtocolError("too big a command")
        self._length = length
        return True

    def _line(self, too_long: str) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, 70)
        if end < 0:
            if len(self._buffer) > 64:
                raise ProtocolError(too_long)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line


def _number(text: bytes) -> int | None:
    if not text.removeprefix(b"-").isdigit() or len(text) > 20:
        return None
    return int(text)


_INLINE = re.compile(rb"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"']\S*))(?=\s|$)""", re.DOTALL)
_ESCAPED = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def split_inline(line: bytes) -> list[bytes]:
    """The words of an inline command, quoted as redis-cli quotes. Raises ProtocolError.

    >>> split_inline(b"SET k 'a b' \\"\\\\x41\\\\n\\"")
    [b'SET', b'k', b'a b', b'A\\n']
    """
    words: list[bytes] = []
    at, end = 0, len(line.rstrip())
    while at < end:
        match = _INLINE.match(line, at)
        if match is None:
            raise ProtocolError("unbalanced quotes in request")
        double, single, plain = match.groups()
        if double is not None:
            words.append(_ESCAPED.sub(_escaped, double))
        else:
            words.append(plain if single is None else single.replace(b"\\'", b"'"))
        at = match.end()
    return words


def _escaped(match: re.Match[bytes]) -> bytes:
    said = match[1]
    return bytes([int(said[1:], 16)]) if len(said) == 3 else _ESCAPES.get(said, said)
