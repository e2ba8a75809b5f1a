"""Many keys: SCAN, KEYS, DBSIZE, SORT, FLUSHDB.

A SCAN's cursor is a number, as clients want it. It stands for the key at which the next page begins: keys are in
order, and what is there from the begin to the end is told once. Cursors are the door's own, the last 10,000 of them;
one that is not known any more is refused.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from crdtkv.doors.redis.arguments import float_of, int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.globs import glob, prefix_of
from crdtkv.doors.redis.held import path_of, text
from crdtkv.doors.redis.kinds import said, string_of, type_of, value_of
from crdtkv.doors.redis.refusals import SYNTAX, WRONG_TYPE, Refusal
from crdtkv.doors.redis.replies import OK
from crdtkv.doors.redis.table import command
from crdtkv.doors.redis.turn import ask
from crdtkv.replica.draft import Draft
from crdtkv.store.store import Store
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.fields import Fields
from crdtkv.strategies.indexes import ranking

__all__ = ["MAX_COUNT"]

MAX_COUNT = 10_000
"""Keys that one SCAN looks at, at the most."""


@command("keys", 2, "readonly slow", group="generic", maps="the keys")
def _keys(at: At, args: list[bytes]) -> Any:
    """Returns all key names that match a pattern."""
    matches = glob(args[1]).fullmatch
    return [name for key in at.keys_from(_text(prefix_of(args[1]))) if matches(name := key.encode())]


def _text(prefix: bytes) -> str:
    return prefix.decode("utf-8", "ignore")


@command("dbsize", 1, "readonly slow", group="server", maps="the keys")
def _dbsize(at: At, args: list[bytes]) -> Any:
    """Returns the number of keys."""
    return len(at.keys_from())


@command("scan", -2, "readonly slow", group="generic", maps="the keys in order")
def _scan(at: At, args: list[bytes]) -> Any:
    """Iterates over the key names."""
    number = int_of(args[1], "ERR invalid cursor")
    pattern, count, kind = _options(args[2:])
    door = at.client.door
    begin = door.cursors.get(number) if number else None
    if number and begin is None:
        raise Refusal("ERR invalid cursor")
    prefix = "" if pattern is None else _text(prefix_of(pattern))
    keys = at.keys_from(prefix, begin, count + 1)
    rest = keys[count:]
    found = [key.encode() for key in keys[:count]]
    if pattern is not None:
        matches = glob(pattern).fullmatch
        found = [name for name in found if matches(name)]
    if kind is not None:
        found = [name for name in found if type_of(at.shown(name.decode())) == kind]
    return [str(door.cursors.note(rest[0]) if rest else 0).encode(), found]


def _options(words: list[bytes]) -> tuple[bytes | None, int, str | None]:
    """MATCH, COUNT, TYPE."""
    pattern: bytes | None = None
    count, kind = 10, None
    if len(words) % 2:
        raise Refusal(SYNTAX)
    for option, word in zip(words[::2], words[1::2], strict=True):
        match option.lower():
            case b"match":
                pattern = word
            case b"count":
                count = int_of(word)
                if count < 1:
                    raise Refusal(SYNTAX)
            case b"type":
                kind = word.decode("latin-1").lower()
            case _:
                raise Refusal(SYNTAX)
    return pattern, min(count, MAX_COUNT), kind


@command("flushdb", -1, "write", group="server", maps="delete of all keys seen here")
def _flushdb(at: At, args: list[bytes]) -> Any:
    """Deletes all keys of the namespace that this colo knows, in one transaction."""
    _check_flush(args)
    for key in at.keys_from():
        at.delete(key)
    return OK


@command("flushall", -1, "namespace nomulti", group="server", maps="delete of all keys seen here")
async def _flushall(client: Client, args: list[bytes]) -> Any:
    """Deletes all keys that this colo knows of the namespaces that SELECT numbers, each in a transaction."""
    _check_flush(args)
    door = client.door
    door.serving.check_joined()
    for place in door.numbered():
        if door.node.guarded:
            door.node.authorize(client.token, "write", place.store.namespace)
        await ask(place.store, partial(_emptied, place.store, client))
    return OK


def _emptied(store: Store, client: Client, draft: Draft) -> None:
    at = At(store, client, draft)
    for key in at.keys_from():
        at.delete(key)


def _check_flush(args: list[bytes]) -> None:
    if len(args) > 2 or (len(args) == 2 and args[1].lower() not in (b"async", b"sync")):
        raise Refusal(SYNTAX)


@command("swapdb", 3, "write fast", group="server", maps="nothing")
def _swapdb(at: At, args: list[bytes]) -> Any:
    """Swaps two databases: not done, since namespaces have names here."""
    raise Refusal("ERR SWAPDB is not supported")


# sorting


@command("sort", -2, "write slow movablekeys", (1, 1, 1), group="generic", maps="the elements; STORE is a put",
         local="with STORE writes what it has read here: of two colos that do, one wins")  # fmt: skip
def _sort(at: At, args: list[bytes]) -> Any:
    """Sorts the elements of a list, a set or a sorted set, and perhaps stores the result."""
    return _sorted(at, args, True)


@command("sort_ro", -2, "readonly slow movablekeys", (1, 1, 1), group="generic", maps="the elements")
def _sort_ro(at: At, args: list[bytes]) -> Any:
    """Returns the sorted elements of a list, a set or a sorted set."""
    return _sorted(at, args, False)


def _sorted(at: At, args: list[bytes], stores: bool) -> Any:
    by, limit, gets, descending, alpha, store = _sort_options(args[2:])
    if store is not None and not stores:
        raise Refusal(SYNTAX)
    found = _elements(at, key_of(args[1]))
    if by is None or b"*" in by:
        weights = [element if by is None else _looked_up(at, by, element) for element in found]
        order = sorted(range(len(found)), key=lambda i: _rank(weights[i], alpha, found[i]))
        found = [found[i] for i in order]
    if descending:
        found.reverse()
    if limit is not None:
        start, count = max(0, limit[0]), limit[1]
        found = found[start:] if count < 0 else found[start : start + count]
    told: list[bytes | None] = list(found)
    if gets:
        told = [each if get == b"#" else _looked_up(at, get, each) for each in found for get in gets]
    if store is None:
        return told
    key = key_of(store)
    at.delete(key)
    if told:
        at.expire(key, None)
        at.put(key, [value_of(each or b"", "lww") for each in told], "list")
    return len(told)


def _rank(weight: bytes | None, alpha: bool, element: bytes) -> tuple[Any, bytes]:
    if alpha:
        return (weight or b"", element)
    return (float_of(weight, "ERR One or more scores can't be converted into double") if weight else 0.0, element)


def _elements(at: At, key: str) -> list[bytes]:
    root = at.shown(key)
    kind = type_of(root)
    if root is None:
        return []
    if kind not in ("list", "set", "zset"):
        raise Refusal(WRONG_TYPE)
    if kind == "zset":
        return [name for _, name, _ in ranking(cast("Fields", root[0]), root[1]).order]
    return [said(each, "lww") for each in root[0].read(root[1])]


def _looked_up(at: At, pattern: bytes, element: bytes) -> bytes | None:
    """What stands at the key that a pattern of BY or GET names: of a hash its field behind `->`."""
    name, arrow, field = pattern.partition(b"->")
    if b"*" not in name:
        return None
    root = at.shown(key_of(name.replace(b"*", element, 1)))
    if root is None:
        return None
    if arrow:
        found = cast("Fields", root[0]).at(root[1], path_of(field)) if type_of(root) == "hash" else ABSENT
        return None if found is ABSENT else text(found)
    return string_of(root) if type_of(root) == "string" else None


def _sort_options(
    words: list[bytes],
) -> tuple[bytes | None, tuple[int, int] | None, list[bytes], bool, bool, bytes | None]:
    by: bytes | None = None
    limit: tuple[int, int] | None = None
    gets: list[bytes] = []
    descending = alpha = False
    store: bytes | None = None
    rest = iter(words)
    try:
        for word in rest:
            match word.lower():
                case b"by":
                    by = next(rest)
                case b"limit":
                    limit = int_of(next(rest)), int_of(next(rest))
                case b"get":
                    gets.append(next(rest))
                case b"asc":
                    descending = False
                case b"desc":
                    descending = True
                case b"alpha":
                    alpha = True
                case b"store":
                    store = next(rest)
                case _:
                    raise Refusal(SYNTAX)
    except StopIteration:
        raise Refusal(SYNTAX) from None
    return by, limit, gets, descending, alpha, store
