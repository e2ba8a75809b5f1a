"""Where items come from: lines of JSON, a JSON array, CSV. Each is read as it comes, and never whole.

A source gives `Found`s: the line, how many bytes were read so far, and an item or what is wrong
with it. Nothing that stands in a file is an error to a source.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

from crdtkv.bulk.items import MAX_LINE, MEMBERS, Item, item_of, read_word
from crdtkv.core import values
from crdtkv.errors import BadRequest, CrdtkvError, ValueInvalid

__all__ = ["FORMATS", "Found", "array", "found", "ndjson", "table"]

_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 16
_MARK = re.compile(rb'["\\\[\]{},\n]')


class Found(NamedTuple):
    """What stood at `line`: an item, or words that say why there is none. `read`: bytes, up to its end."""

    line: int
    read: int
    item: Item | None
    problem: str = ""


def found(line: int, read: int, make: Callable[[], Any], now: float) -> Found:
    """What the members that `make` gives say. Errors of the tree become words."""
    try:
        return Found(line, read, item_of(make(), now))
    except CrdtkvError as error:
        return Found(line, read, None, str(error))


# lines of JSON


def ndjson(stream: BinaryIO, now: float) -> Iterator[Found]:
    """An object a line; blank lines are none."""
    read = 0
    for line, data, size in _lines(stream):
        read += size
        if data is None:
            yield Found(line, read, None, f"it is {size} bytes long; at most {MAX_LINE}")
        elif data.strip():
            yield found(line, read, lambda data=data: values.parse_json(data), now)  # type: ignore[misc]


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None, int]]:
    """(number, bytes, size) of each; the bytes of one that is too long are not kept."""
    number = 0
    while data := stream.readline(MAX_LINE + 1):
        number, size = number + 1, len(data)
        if size > MAX_LINE:
            while not data.endswith(b"\n") and (data := stream.readline(_CHUNK)):
                size += len(data)
            yield number, None, size
        else:
            yield number, data.removeprefix(_BOM) if number == 1 else data, size


# one array


def array(stream: BinaryIO, now: float) -> Iterator[Found]:
    """The elements of one JSON array, each by itself: a bad one spoils none of the others, and is told by its number.

    Raises BadRequest if there is no array, or if it is not whole; what came before was given.
    """
    for number, (line, read, data) in enumerate(_elements(stream), 1):
        if len(data) > MAX_LINE:
            each = Found(line, read, None, f"it is more than {MAX_LINE} bytes long")
        else:
            each = found(line, read, lambda data=data: values.parse_json(data.strip()), now)  # type: ignore[misc]
        yield each if each.item is not None else each._replace(problem=f"element {number}: {each.problem}")


def _elements(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(line it begins on, bytes read, bytes) of each. Cut at commas, minding strings and brackets and nothing else."""
    line, offset, chunk = _opened(stream)
    part, begun, depth, quoted, escaped = bytearray(), line, 1, False, -1
    while chunk:
        at = 0
        for mark in _MARK.finditer(chunk):
            byte, place = mark[0], offset + mark.start()
            line += byte == b"\n"
            if place == escaped:
                continue
            if quoted:
                escaped = place + 1 if byte == b"\\" else escaped
                quoted = byte != b'"'
                continue
            quoted = byte == b'"'
            depth += (byte in b"[{") - (byte in b"]}")
            if depth > 1 or (depth == 1 and byte != b","):
                continue
            _keep(part, chunk[at : mark.start()])
            if depth or part.strip():
                yield begun + part[: len(part) - len(part.lstrip())].count(b"\n"), place, bytes(part)
            if not depth:
                _check_end(chunk[mark.end() :] + stream.read(_CHUNK))
                return
            part.clear()
            at, begun = mark.end(), line
        _keep(part, chunk[at:])
        offset, chunk = offset + len(chunk), stream.read(_CHUNK)
    raise BadRequest(f"it ends in the middle, at line {line}", next_step="mend the end; what was whole is imported")


def _opened(stream: BinaryIO) -> tuple[int, int, bytes]:
    """Behind the bracket that opens the array: the line, how many bytes were before, and what was read beyond."""
    head = b""
    while len(head) < len(_BOM) or not head.removeprefix(_BOM).strip():
        chunk = stream.read(_CHUNK)
        head += chunk
        if not chunk:
            break
    body = head.removeprefix(_BOM).lstrip()
    if body[:1] != b"[":
        raise BadRequest(f"it begins with {body[:20].decode(errors='replace')!r}; an array begins with '['")
    return head[: -len(body)].count(b"\n") + 1, len(head) - len(body) + 1, body[1:] or stream.read(_CHUNK)


def _keep(part: bytearray, data: bytes) -> None:
    """More than an element can be is not kept, only enough to see that it is too much."""
    part += data[: max(0, MAX_LINE + 1 - len(part))]


def _check_end(data: bytes) -> None:
    if data.strip():
        words = data.strip()[:20].decode(errors="replace")
        raise BadRequest(
            f"behind the array stands {words!r}; one array is wanted", next_step="take it out; the array is in"
        )


# CSV


def table(stream: BinaryIO, now: float, key: str | None = None, value: str | None = None) -> Iterator[Found]:
    """CSV with a head that names the columns: key, value, and what else an item has. A value is read as a word.

    `key`, `value`: the columns that hold them, if they are called otherwise; with a `key`, and no column of
    values, the rest of the row is the value, an object. Raises BadRequest if the head has no key and value.
    """
    csv.field_size_limit(MAX_LINE)
    counted = _Counted(stream)
    rows = csv.reader(counted)
    head = [name.strip() for name in next(rows, [])]
    whole = key is not None and value is None and "value" not in head
    wanted = {key or "key"} | (set() if whole else {value or "value"})
    if not wanted <= set(head) or len(set(head)) < len(head):
        raise BadRequest(
            f"the head of the CSV is {','.join(head)!r:.200}; it names each column once, "
            f"{' and '.join(sorted(wanted))} among them",
            next_step=f"choose by --key and --value, or name the columns anew; known are {', '.join(MEMBERS)}",
        )

    def members(row: list[str]) -> dict[str, Any]:
        plain = _fields(head, row)
        if whole:
            return {"key": plain.pop(key or ""), "value": {name: read_word(field) for name, field in plain.items()}}
        if (key, value) != (None, None):
            chosen = {"key": plain.pop(key or "key"), "value": plain.pop(value or "value")}
            plain = {name: field for name, field in plain.items() if name in MEMBERS} | chosen
        return _members(plain)

    while True:
        line = counted.lines + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Found(line, counted.read, None, str(error).lower())
            continue
        if row:
            yield found(line, counted.read, lambda row=row: members(row), now)  # type: ignore[misc]


def _fields(head: list[str], row: list[str]) -> dict[str, Any]:
    if len(row) != len(head):
        raise BadRequest(f"it has {len(row)} fields; the head names {len(head)}")
    plain: dict[str, Any] = dict(zip(head, row, strict=True))
    for name, field in plain.items():
        if any("\udc80" <= char <= "\udcff" for char in field):
            raise ValueInvalid(f"{name} is not UTF-8: {field!r:.80}")
    return plain


def _members(plain: dict[str, Any]) -> dict[str, Any]:
    if plain.get("base64") not in ("true", "True", "1"):
        plain |= {"value": read_word(plain["value"]), "base64": False}
    else:
        plain["base64"] = True
    for name in ("expiration", "expiration_ttl", "metadata", "blobs"):
        plain[name] = read_word(plain[name]) if plain.get(name) else None
    return plain


class _Counted:
    """The text of a stream, line by line, and how much of it was read. Bytes that are no UTF-8 become surrogates."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.lines = self.read = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        data = self._stream.readline()
        if not data:
            raise StopIteration
        self.lines, self.read = self.lines + 1, self.read + len(data)
        return (data.removeprefix(_BOM) if self.lines == 1 else data).decode(errors="surrogateescape")


FORMATS: dict[str, Callable[[BinaryIO, float], Iterable[Found]]] = {"ndjson": ndjson, "json": array, "csv": table}
"""Name -> source."""
