"""Hashes: a `hash`, each field its last write and what was added to it since.

HSET ∥ HINCRBY at two colos: what was written plus what was added. HDEL ∥ HSET: the field stands; HDEL ∥ HINCRBY:
what was added. Decimals are added exactly.
"""

from __future__ import annotations

import random
from typing import Any, cast

from crdtkv.doors.redis.at import At, Gathered, key_of
from crdtkv.doors.redis.held import (
    check_cursor,
    element,
    end_if_empty,
    held,
    integer,
    name_of,
    page,
    path_of,
    text,
)
from crdtkv.doors.redis.refusals import NOT_FLOAT, SYNTAX, Refusal, wrong_number
from crdtkv.doors.redis.replies import OK, Pairs
from crdtkv.doors.redis.table import command
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.fields import Fields
from crdtkv.strategies.hash import amount
from crdtkv.strategies.indexes import Names, names
from crdtkv.strategies.roots import Root

__all__ = [
    "count_of", "drawn", "hdel", "hexists", "hget", "hgetall", "hincrby", "hincrbyfloat", "hkeys", "hlen", "hmget",
    "hmset", "hrandfield", "hscan", "hset", "hsetnx", "hstrlen", "hvals",
]  # fmt: skip

_MOST = 2**63 - 1


def _value(at: At, key: str, path: bytes) -> Any:
    root = held(at, key, "hash")
    return ABSENT if root is None else cast("Fields", root[0]).at(root[1], path)


def _names(at: At, key: str) -> Names | None:
    root = held(at, key, "hash")
    return None if root is None else names(cast("Fields", root[0]), root[1])


class _Fields(Gathered):
    """What HSET has said of a hash in a row."""

    __slots__ = ("_found", "_said", "_tree")

    def __init__(self, key: str, root: Root) -> None:
        super().__init__(key)
        self._found, self._tree = cast("Fields", root[0]), root[1]
        self._said: dict[bytes, bytes] = {}

    def set(self, words: list[bytes]) -> int:
        """How many of the fields are new; their values stand behind them."""
        said = self._said
        if len(words) == 2 and words[0] in said:
            said[words[0]] = words[1]
            return 0
        paths = {name: path_of(name) for name in words[::2] if name not in said}
        said.update(zip(words[::2], words[1::2], strict=True))
        return sum([self._found.at(self._tree, path) is ABSENT for path in paths.values()]) if paths else 0

    def write(self, at: At) -> None:
        words = [element(word) for pair in self._said.items() for word in pair]
        at.operate(self.key, "hash", "set", *words)


@command("hset", -4, "write denyoom fast", (1, 1, 1), group="hash", maps="set of fields", combines="hset")
def hset(at: At, args: list[bytes]) -> Any:
    """Sets fields of a hash; how many of them are new."""
    if len(args) % 2:
        return wrong_number("hset")
    known = at.gathered.get(args[1])
    if known is not None:
        if at.tells:
            at.note("hset", known.key)
        return known.set(args[2:])
    return _set(at, args)


def _set(at: At, args: list[bytes]) -> int:
    key = key_of(args[1])
    root = held(at, key, "hash")
    if root is None:
        new = len({path_of(name) for name in args[2::2]})
        at.operate(key, "hash", "set", *map(element, args[2:]))
    else:
        fields = _Fields(key, root)
        new = fields.set(args[2:])
        if at.combines:
            at.gathered[args[1]] = fields
        else:
            fields.write(at)
    at.note("hset", key)
    return new


@command("hmset", -4, "write denyoom fast", (1, 1, 1), group="hash", maps="set of fields")
def hmset(at: At, args: list[bytes]) -> Any:
    """Sets fields of a hash."""
    if len(args) % 2:
        return wrong_number("hmset")
    _set(at, args)
    return OK


@command(
    "hsetnx", 4, "write denyoom fast", (1, 1, 1), group="hash", maps="set of a field that is not there",
    local="asks whether the field is there at this colo",
)  # fmt: skip
def hsetnx(at: At, args: list[bytes]) -> Any:
    """Sets a field of a hash if it is not there yet."""
    key = key_of(args[1])
    if _value(at, key, path_of(args[2])) is not ABSENT:
        return 0
    return _set(at, args)


@command("hget", 3, "readonly fast", (1, 1, 1), group="hash", maps="a field")
def hget(at: At, args: list[bytes]) -> Any:
    """The value of a field of a hash."""
    found = _value(at, key_of(args[1]), path_of(args[2]))
    return None if found is ABSENT else text(found)


@command("hmget", -3, "readonly fast", (1, 1, 1), group="hash", maps="fields")
def hmget(at: At, args: list[bytes]) -> Any:
    """The values of fields of a hash."""
    key = key_of(args[1])
    found = [_value(at, key, path_of(name)) for name in args[2:]]
    return [None if value is ABSENT else text(value) for value in found]


@command("hgetall", 2, "readonly", (1, 1, 1), group="hash", maps="all fields")
def hgetall(at: At, args: list[bytes]) -> Any:
    """All fields of a hash, and their values."""
    found = _names(at, key_of(args[1]))
    return {} if found is None else {name_of(path): text(value) for path, value in found.values.items()}


@command("hkeys", 2, "readonly", (1, 1, 1), group="hash", maps="all fields")
def hkeys(at: At, args: list[bytes]) -> Any:
    """All fields of a hash."""
    found = _names(at, key_of(args[1]))
    return [] if found is None else list(map(name_of, found.values))


@command("hvals", 2, "readonly", (1, 1, 1), group="hash", maps="all fields")
def hvals(at: At, args: list[bytes]) -> Any:
    """All values of a hash."""
    found = _names(at, key_of(args[1]))
    return [] if found is None else list(map(text, found.values.values()))


@command("hlen", 2, "readonly fast", (1, 1, 1), group="hash", maps="how many fields")
def hlen(at: At, args: list[bytes]) -> Any:
    """How many fields a hash has."""
    found = _names(at, key_of(args[1]))
    return 0 if found is None else len(found.values)


@command("hexists", 3, "readonly fast", (1, 1, 1), group="hash", maps="a field")
def hexists(at: At, args: list[bytes]) -> Any:
    """Whether a field of a hash is there."""
    return int(_value(at, key_of(args[1]), path_of(args[2])) is not ABSENT)


@command("hstrlen", 3, "readonly fast", (1, 1, 1), group="hash", maps="a field")
def hstrlen(at: At, args: list[bytes]) -> Any:
    """How many bytes the value of a field has."""
    found = _value(at, key_of(args[1]), path_of(args[2]))
    return 0 if found is ABSENT else len(text(found))


@command("hdel", -3, "write fast", (1, 1, 1), group="hash", maps="remove of fields")
def hdel(at: At, args: list[bytes]) -> Any:
    """Removes fields of a hash; what others wrote to them meanwhile and this colo has not seen stands."""
    key = key_of(args[1])
    gone = [n for n in dict.fromkeys(args[2:]) if _value(at, key, path_of(n)) is not ABSENT]
    if gone:
        at.operate(key, "hash", "remove", *map(element, gone))
        at.note("hdel", key)
        end_if_empty(at, key)
    return len(gone)


@command("hincrby", 4, "write denyoom fast", (1, 1, 1), group="hash", maps="add to a field")
def hincrby(at: At, args: list[bytes]) -> Any:
    """Adds to the number in a field of a hash; adds of all colos count."""
    key, path, n = key_of(args[1]), path_of(args[2]), integer(args[3])
    was = _value(at, key, path)
    before = 0 if was is ABSENT else integer(text(was), why="ERR hash value is not an integer")
    if not -_MOST - 1 <= before + n <= _MOST:
        raise Refusal("ERR increment or decrement would overflow")
    at.operate(key, "hash", "add", element(args[2]), n)
    at.note("hincrby", key)
    return before + n


@command("hincrbyfloat", 4, "write denyoom fast", (1, 1, 1), group="hash", maps="add to a field, exactly")
def hincrbyfloat(at: At, args: list[bytes]) -> Any:
    """Adds a decimal number to the number in a field of a hash; adds of all colos count, exactly."""
    key, path, word = key_of(args[1]), path_of(args[2]), args[3].decode("latin-1")
    if amount(word) is None:
        infinite = word.lower().lstrip("+-") in ("inf", "infinity")
        raise Refusal("ERR value is NaN or Infinity" if infinite else NOT_FLOAT)
    was = _value(at, key, path)
    if was is not ABSENT and amount(text(was).decode("latin-1")) is None:
        raise Refusal("ERR hash value is not a float")
    at.operate(key, "hash", "add", element(args[2]), word)
    at.note("hincrbyfloat", key)
    return text(_value(at, key, path))


@command("hrandfield", -2, "readonly", (1, 1, 1), group="hash", maps="fields, drawn at random")
def hrandfield(at: At, args: list[bytes]) -> Any:
    """Fields of a hash, drawn at random."""
    key = key_of(args[1])
    count = None if len(args) == 2 else count_of(args, b"withvalues")
    found = _names(at, key)
    if count is None:
        return None if found is None else name_of(random.choice(list(found.values)))
    paths = [] if found is None else drawn(list(found.values), count)
    if len(args) == 4:
        return Pairs((name_of(path), text(found.values[path])) for path in paths) if found else []
    return list(map(name_of, paths))


def count_of(args: list[bytes], doubled: bytes | None = None) -> int:
    """How many are to be drawn, by the third word; what may stand behind it is `doubled`. Raises Refusal."""
    count = integer(args[2])
    if len(args) > 3 and (doubled is None or len(args) > 4 or args[3].lower() != doubled):
        raise Refusal(SYNTAX)
    most = _MOST // 2 if len(args) > 3 else _MOST
    if not -most <= count <= most:
        raise Refusal("ERR value is out of range")
    if count < -_DRAWN:
        raise Refusal(f"ERR value is out of range, at most {_DRAWN} are drawn")
    return count


_DRAWN = 1_000_000


def drawn(among: list[bytes], count: int) -> list[bytes]:
    """`count` different ones; of a negative one as many, each of all."""
    if count < 0:
        return random.choices(among, k=-count) if among else []
    return random.sample(among, min(count, len(among)))


@command("hscan", -3, "readonly", (1, 1, 1), group="hash", maps="a page of fields")
def hscan(at: At, args: list[bytes]) -> Any:
    """A page of the fields of a hash, and their values."""
    check_cursor(args[2])
    found = _names(at, key_of(args[1]))
    if found is None:
        return [b"0", []]
    return page(args[2], args[3:], found, lambda path: [name_of(path), text(found.values[path])])
