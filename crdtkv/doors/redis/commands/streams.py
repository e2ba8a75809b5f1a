"""Streams: a `log`. What two colos append stands, in the order of the ids; an id says when and where.

XREAD goes by ids, as everywhere: what another colo appended earlier and that comes later is not told to who has read
on (as in Redis Active-Active). Consumer groups are of one server: there are none here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from crdtkv.doors.redis.at import At, Wait, key_of
from crdtkv.doors.redis.held import element, held, integer
from crdtkv.doors.redis.refusals import SYNTAX, Refusal, wrong_number
from crdtkv.doors.redis.replies import NIL_ARRAY
from crdtkv.doors.redis.stream import END, Id, Stream, id_of, next_id, said, stream, written
from crdtkv.doors.redis.table import command
from crdtkv.strategies.line import entries

__all__: list[str] = []

_SMALLER = "ERR The ID specified in XADD is equal or smaller than the target stream top item"


def _stream(at: At, key: str) -> Stream | None:
    root = held(at, key, "log")
    return None if root is None else stream(root[1])


class _Trim(NamedTuple):
    """What XTRIM says: keep so many, or those from an id on; at the most `limit` go, 0: all."""

    keep: int | None
    least: Id
    limit: int


def _trim_of(words: list[bytes]) -> tuple[_Trim | None, list[bytes]]:
    """MAXLEN or MINID at the begin of the words, and what is behind. Raises Refusal."""
    name = words[0].lower() if words else b""
    if name not in (b"maxlen", b"minid"):
        return None, words
    rest = words[1:]
    about = len(rest) > 1 and rest[0] == b"~"
    if len(rest) > 1 and rest[0] in (b"~", b"="):
        rest = rest[1:]
    if not rest:
        raise Refusal(SYNTAX)
    keep = _at_least_0(rest[0], "MAXLEN") if name == b"maxlen" else None
    least = id_of(rest[0]) if name == b"minid" else (0, 0)
    rest, limit = rest[1:], 0
    if len(rest) > 1 and rest[0].lower() == b"limit":
        if not about:
            raise Refusal("ERR syntax error, LIMIT cannot be used without the special ~ option")
        limit, rest = _at_least_0(rest[1], "LIMIT"), rest[2:]
    return _Trim(keep, least, limit), rest


def _at_least_0(word: bytes, name: str) -> int:
    found = integer(word)
    if found < 0:
        raise Refusal(f"ERR The {name} argument must be >= 0.")
    return found


def _trim(at: At, key: str, wish: _Trim) -> int:
    root = held(at, key, "log")
    if root is None:
        return 0
    found = stream(root[1])
    there = len(found.order)
    count = found.order.bisect_key_left((wish.least,)) if wish.keep is None else max(0, there - wish.keep)
    if wish.limit:
        count = min(count, wish.limit)
    if count:
        _remove(at, key, [entry.path for entry in found.order.islice(0, count)])
        at.note("xtrim", key)
    return count


def _remove(at: At, key: str, paths: list[bytes]) -> None:
    """The entries at those paths are gone: in one sweep if they are the first of the log."""
    root = held(at, key, "log")
    assert root is not None, "the entries are there"
    places = entries(root[1])
    found = sorted(map(places.index, paths))
    if found[-1] == len(found) - 1:
        at.operate(key, "log", "keep", len(places) - len(found))
    else:
        for index in reversed(found):
            at.operate(key, "log", "remove", index)
    if not at.there(key):
        at.note("del", key)


@command("xadd", -5, "write denyoom fast", (1, 1, 1), group="stream", maps="append")
def _xadd(at: At, args: list[bytes]) -> Any:
    """Appends an entry to a stream; its id."""
    words, make, wish = args[2:], True, None
    while words and words[0].lower() in (b"nomkstream", b"maxlen", b"minid"):
        if words[0].lower() == b"nomkstream":
            make, words = False, words[1:]
        else:
            wish, words = _trim_of(words)
    if not words or len(words) < 3 or len(words) % 2 == 0:
        return _no_entry(words)
    word, key = words[0], key_of(args[1])
    partial = word.removesuffix(b"-*")
    asked = None if word == b"*" else id_of(partial, 0)
    if asked == (0, 0) and partial == word:
        raise Refusal("ERR The ID specified in XADD must be greater than 0-0")
    found = _stream(at, key)
    if found is None and not make:
        return None
    last = (0, 0) if found is None else found.last
    if asked is not None and partial == word:
        if asked <= last:
            raise Refusal(_SMALLER)
        id = asked
    else:
        id = next_id(at, last, None if asked is None else asked[0])
    at.operate(key, "log", "append", written(id, list(map(element, words[1:]))))
    at.note("xadd", key)
    if wish is not None:
        _trim(at, key, wish)
    return said(id)


def _no_entry(words: list[bytes]) -> Any:
    if not words:
        raise Refusal(SYNTAX)
    if words[0] != b"*":
        id_of(words[0].removesuffix(b"-*"))
    return wrong_number("xadd")


@command("xlen", 2, "readonly fast", (1, 1, 1), group="stream", maps="how many entries there are")
def _xlen(at: At, args: list[bytes]) -> Any:
    """How many entries a stream has."""
    found = _stream(at, key_of(args[1]))
    return 0 if found is None else len(found.order)


def _bound(word: bytes, start: bool) -> Id:
    """An end of a range. Raises Refusal."""
    if word in (b"-", b"+"):
        return (0, 0) if word == b"-" else (END, END)
    open_, word = word[:1] == b"(", word.removeprefix(b"(")
    id = id_of(word, 0 if start else END)
    if not open_:
        return id
    if id == ((END, END) if start else (0, 0)):
        raise Refusal(f"ERR invalid {'start' if start else 'end'} ID for the interval")
    if start:
        return (id[0], id[1] + 1) if id[1] < END else (id[0] + 1, 0)
    return (id[0], id[1] - 1) if id[1] else (id[0] - 1, END)


def _define_range(name: str, reverse: bool) -> None:
    def read(at: At, args: list[bytes]) -> Any:
        ends = args[3:1:-1] if reverse else args[2:4]
        start, stop = _bound(ends[0], True), _bound(ends[1], False)
        count = -1
        if len(args) > 4:
            if len(args) != 6 or args[4].lower() != b"count":
                raise Refusal(SYNTAX)
            count = max(0, integer(args[5]))
        found = _stream(at, key_of(args[1]))
        if found is None:
            return []
        if count == 0:
            return NIL_ARRAY
        first, last = found.between(start, stop)
        if count > 0:
            first, last = (max(first, last - count), last) if reverse else (first, min(last, first + count))
        return [entry.told() for entry in found.order.islice(first, last, reverse)]

    read.__doc__ = f"Entries with ids from one to another{', the last first' if reverse else ''}."
    command(name, -4, "readonly", (1, 1, 1), group="stream", maps="entries by id")(read)


_define_range("xrange", False)
_define_range("xrevrange", True)


@command("xread", -4, "readonly blocking movablekeys", (0, 0, 0), group="stream", maps="entries behind ids")
def _xread(at: At, args: list[bytes]) -> Any:
    """Entries of streams behind ids; BLOCK waits for one."""
    words, count, wait = args[1:], 0, -1
    while words and words[0].lower() != b"streams":
        name = words[0].lower()
        if name not in (b"count", b"block") or len(words) < 2:
            raise Refusal(SYNTAX)
        if name == b"count":
            count = max(0, integer(words[1]))
        else:
            wait = integer(words[1], why="ERR timeout is not an integer or out of range")
            if wait < 0:
                raise Refusal("ERR timeout is negative")
        words = words[2:]
    names = words[1:]
    if not names:
        raise Refusal(SYNTAX)
    if len(names) % 2:
        raise Refusal(
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified."
        )
    keys = list(map(key_of, names[: len(names) // 2]))
    behind = [_behind(at, key, args, len(args) - len(keys) + i) for i, key in enumerate(keys)]
    told = {}
    for key, id in zip(keys, behind, strict=True):
        found = _stream(at, key)
        if found is not None:
            first = found.between((0, 0), id)[1]
            stop = len(found.order) if not count else min(len(found.order), first + count)
            if first < stop:
                told[key.encode()] = [entry.told() for entry in found.order.islice(first, stop)]
    if told:
        return told if at.client.protocol == 3 else list(map(list, told.items()))
    return Wait(wait / 1000, NIL_ARRAY) if wait >= 0 else NIL_ARRAY


def _behind(at: At, key: str, args: list[bytes], place: int) -> Id:
    """The id that a word says; `$` is the last there is when that is first asked: it is put in its place."""
    word = args[place]
    if word == b"$":
        found = _stream(at, key)
        word = args[place] = said((0, 0) if found is None else found.last)
    if word == b">":
        raise Refusal(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
        )
    return id_of(word)


@command("xdel", -3, "write fast", (1, 1, 1), group="stream", maps="remove")
def _xdel(at: At, args: list[bytes]) -> Any:
    """Removes entries by their ids; how many there were."""
    key, ids = key_of(args[1]), list(map(id_of, args[2:]))
    found = _stream(at, key)
    if found is None:
        return 0
    gone = {entry.path for id in ids for entry in found.order.islice(*found.between(id, id))}
    if gone:
        _remove(at, key, sorted(gone))
        at.note("xdel", key)
    return len(gone)


@command("xtrim", -4, "write", (1, 1, 1), group="stream", maps="remove of the first")
def _xtrim(at: At, args: list[bytes]) -> Any:
    """Removes the first entries: all but so many, or those before an id; how many."""
    key = key_of(args[1])
    wish, rest = _trim_of(args[2:])
    if wish is None or rest:
        raise Refusal(SYNTAX)
    return _trim(at, key, wish)


@command("xinfo", -2, "readonly", (2, 2, 1), group="stream", maps="what is known of a stream")
def _xinfo(at: At, args: list[bytes]) -> Any:
    """What is known of a stream: XINFO STREAM key [FULL [COUNT n]]; it has no groups."""
    what = args[1].lower()
    if what == b"help":
        return [b"XINFO <subcommand> [<arg> ...]. Subcommands are:", b"STREAM <key> [FULL [COUNT <n>]], GROUPS <key>"]
    if what not in (b"stream", b"groups") or len(args) < 3:
        name = what.decode("latin-1")
        raise Refusal(f"ERR unknown subcommand or wrong number of arguments for '{name}'. Try XINFO HELP.")
    found = _stream(at, key_of(args[2]))
    if found is None:
        raise Refusal("ERR no such key")
    if what == b"groups":
        return []
    order = found.order
    out: dict[bytes, Any] = {
        b"length": len(order), b"radix-tree-keys": 1, b"radix-tree-nodes": 2, b"last-generated-id": said(found.last),
        b"max-deleted-entry-id": b"0-0", b"entries-added": len(order),
        b"recorded-first-entry-id": said(order[0].id if order else (0, 0)),
    }  # fmt: skip
    if len(args) > 3:
        options = [word.lower() for word in args[3:]]
        if options[0] != b"full" or len(options) not in (1, 3) or (len(options) == 3 and options[1] != b"count"):
            raise Refusal(SYNTAX)
        count = integer(args[5]) if len(options) == 3 else 10
        out[b"entries"] = [entry.told() for entry in order.islice(0, count if count > 0 else None)]
        return {**out, b"groups": []}
    ends = [order[0].told(), order[-1].told()] if order else [None, None]
    return {**out, b"groups": 0, b"first-entry": ends[0], b"last-entry": ends[1]}


def _no_groups(name: str, arity: int) -> None:
    def refuse(at: At, args: list[bytes]) -> Any:
        raise Refusal(
            "ERR consumer groups are not supported: what a group has read is known to one server only; use XREAD, or a "
            "change feed of crdtkv"
        )

    refuse.__doc__ = "Refused: there are no consumer groups."
    command(name, arity, "readonly", (0, 0, 0), group="stream", maps="nothing")(refuse)


for _name, _arity in {
    "xgroup": -2, "xreadgroup": -7, "xack": -4, "xpending": -3, "xclaim": -6, "xautoclaim": -6,
}.items():  # fmt: skip
    _no_groups(_name, _arity)
