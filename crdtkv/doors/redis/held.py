"""What the commands of collections share: words to elements and numbers and back, pages of a scan.

An element, a field, a member or a value is text where its bytes are UTF-8, else a blob: so other doors show it as it
was meant. What they put that is neither (numbers, arrays) is shown as JSON text.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, cast

from crdtkv.core import paths, values
from crdtkv.core.blob import Blob
from crdtkv.doors.redis.arguments import MAX_INT, MIN_INT, float_of, int_of
from crdtkv.doors.redis.at import At
from crdtkv.doors.redis.globs import glob
from crdtkv.doors.redis.kinds import said
from crdtkv.doors.redis.refusals import NOT_INT, SYNTAX, WRONG_TYPE, Refusal
from crdtkv.strategies.fields import Fields
from crdtkv.strategies.indexes import Members, Names
from crdtkv.strategies.list import List
from crdtkv.strategies.roots import Root
from crdtkv.strategies.set import Set

__all__ = [
    "check_cursor", "element", "end_if_empty", "held", "integer", "name_of", "natural", "page", "path_of", "span",
    "text", "timeout", "took_options",
]  # fmt: skip

_ALL_AT_ONCE = 128
"""Elements up to which a scan gives all in one page, as Redis does."""


def element(data: bytes) -> Any:
    """What is kept of an argument. O(data)."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Blob(data)


def text(value: Any) -> bytes:
    """What is told of what is kept. O(value)."""
    return value.encode() if type(value) is str else said(value, "lww")


def path_of(data: bytes) -> bytes:
    """Where the element or name stands in a set, hash or sorted set. Raises Refusal: it is too long."""
    path = paths.component(paths.VALUE, values.pack(element(data))) if len(data) <= 3000 else None
    if path is None:
        raise Refusal(f"ERR {data[:20]!r}... is {len(data)} bytes; an element or a field is at most 3000")
    return path


def name_of(path: bytes) -> bytes:
    """The element at a path that `path_of` made, or another door."""
    return text(values.unpack(paths.first(path)[1]))


def held(at: At, key: str, family: str) -> Root | None:
    """The strategy and the tree of a key, None if there is none. Raises WRONGTYPE."""
    root = at.shown(key)
    if root is not None and root[0].name != family:
        raise Refusal(WRONG_TYPE)
    return root


def end_if_empty(at: At, key: str) -> None:
    """A collection that was put empty by another door, and holds nothing again, is gone."""
    root = at.shown(key)
    if root is None:
        at.note("del", key)
    elif not cast("Set | Fields | List", root[0]).holds(root[1]):
        at.delete(key)
        at.note("del", key)


# numbers


def integer(word: bytes, least: int = MIN_INT, most: int = MAX_INT, why: str = NOT_INT) -> int:
    """A whole number as Redis reads one. Raises Refusal."""
    found = int_of(word, why)
    if not least <= found <= most:
        raise Refusal(why)
    return found


def natural(word: bytes, why: str = "ERR value is out of range, must be positive") -> int:
    """A whole number that is not negative."""
    return integer(word, 0, why=why)


def timeout(word: bytes) -> float:
    """Seconds that a blocking command waits, 0: for ever. Raises Refusal."""
    found = float_of(word, "ERR timeout is not a float or out of range")
    if math.isinf(found) or found > 2**53:
        raise Refusal("ERR timeout is out of range")
    if found < 0:
        raise Refusal("ERR timeout is negative")
    return found


def span(start: int, stop: int, count: int) -> tuple[int, int]:
    """Of indices counted as Redis does, both included: from which to before which of `count`; equal: none."""
    start = max(0, start + count) if start < 0 else start
    stop = stop + count if stop < 0 else min(stop, count - 1)
    return (start, stop + 1) if start <= stop and start < count else (0, 0)


# words behind the others


def took_options(words: Sequence[bytes], **counts: int) -> dict[str, list[bytes]]:
    """Options by name, in any case, each with as many words as it takes. Raises a syntax error."""
    found: dict[str, list[bytes]] = {}
    at = 0
    while at < len(words):
        name = words[at].decode("latin-1").lower()
        end = at + 1 + counts.get(name, len(words))
        if end > len(words):
            raise Refusal(SYNTAX)
        found[name] = list(words[at + 1 : end])
        at = end
    return found


# scans


def page(cursor: bytes, words: Sequence[bytes], index: Members | Names, make: Callable[[bytes], list[bytes]]) -> Any:
    """A page of a scan: the next cursor, and what `make` says of each path.

    What is there all the while is told once at least: the cursor goes on behind a hash, whatever comes or goes.
    """
    match, size = _scan_options(words)
    ordered = index.by_hash()
    following = 0
    if len(ordered) > _ALL_AT_ONCE:
        at = bisect_left(ordered, (int(cursor), b""))
        following = ordered[at + size][0] if len(ordered) > at + size else 0
        ordered = ordered[at : at + size]
    made = [make(path) for _, path in ordered]
    return [b"%d" % following, [word for each in made if match is None or match(each[0]) for word in each]]


def check_cursor(cursor: bytes) -> None:
    """Raises Refusal for what is none."""
    if not cursor.isdigit() or len(cursor) > 20:
        raise Refusal("ERR invalid cursor")


def _scan_options(words: Sequence[bytes]) -> tuple[Any, int]:
    options = took_options(words, match=1, count=1)
    size = integer(options["count"][0]) if "count" in options else 10
    if size < 1:
        raise Refusal(SYNTAX)
    pattern = options["match"][0] if "match" in options else b"*"
    return (None if pattern == b"*" else glob(pattern).fullmatch), size
