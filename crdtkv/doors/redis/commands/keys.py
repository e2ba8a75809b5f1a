"""Keys, whatever they hold."""

from __future__ import annotations

import random
from typing import Any

from crdtkv.core.clocks import stamp_ms
from crdtkv.doors.redis.arguments import MAX_INT, MIN_INT, int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.connections import MAX_DATABASE
from crdtkv.doors.redis.kinds import type_of
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.replies import OK, Simple
from crdtkv.doors.redis.table import command
from crdtkv.replica.core import Replica
from crdtkv.strategies.base import Operation
from crdtkv.strategies.fields import Fields, name_at
from crdtkv.strategies.indexes import names
from crdtkv.strategies.roots import Root, newest

__all__ = ["copy", "made_by", "make"]

_COPIES = "reads here and writes what it has read: what another colo writes meanwhile is not in it"


@command("del", -2, "write", (1, -1, 1), group="generic", maps="delete of what is seen here")
@command("unlink", -2, "write fast", (1, -1, 1), group="generic", maps="delete of what is seen here")
def _delete(at: At, args: list[bytes]) -> Any:
    """Deletes keys; what others have written and this colo has not seen stands."""
    gone = 0
    for key in [key_of(name) for name in args[1:]]:
        if at.delete(key):
            gone += 1
            at.note("del", key)
    return gone


@command("exists", -2, "readonly fast", (1, -1, 1), group="generic", maps="the keys")
@command("touch", -2, "readonly fast", (1, -1, 1), group="generic", maps="the keys")
def _exists(at: At, args: list[bytes]) -> Any:
    """Counts the keys that exist."""
    return sum([at.there(key_of(name)) for name in args[1:]])


@command("type", 2, "readonly fast", (1, 1, 1), group="generic", maps="the strategy")
def _type(at: At, args: list[bytes]) -> Any:
    """Tells the type of the value at a key."""
    return Simple(type_of(at.shown(key_of(args[1]))))


# when they end

_UNITS = {"expire": (1000, False), "pexpire": (1, False), "expireat": (1000, True), "pexpireat": (1, True)}
_CONDITIONS = frozenset({b"nx", b"xx", b"gt", b"lt"})


@command("expire", -3, "write fast", (1, 1, 1), group="generic", maps="a date; of concurrent ones the later")
@command("pexpire", -3, "write fast", (1, 1, 1), group="generic", maps="a date; of concurrent ones the later")
@command("expireat", -3, "write fast", (1, 1, 1), group="generic", maps="a date; of concurrent ones the later")
@command("pexpireat", -3, "write fast", (1, 1, 1), group="generic", maps="a date; of concurrent ones the later")
def _expire(at: At, args: list[bytes]) -> Any:
    """Sets when a key ends: seconds or milliseconds from now, or a time since 1970. NX, XX, GT, LT."""
    name = args[0].decode("latin-1").lower()
    unit, absolute = _UNITS[name]
    key, date = key_of(args[1]), int_of(args[2]) * unit
    if not absolute:
        date += at.now_ms
    if not MIN_INT <= date <= MAX_INT:
        raise Refusal(f"ERR invalid expire time in '{name}' command")
    flags = {word.lower() for word in args[3:]}
    for flag in args[3:]:
        if flag.lower() not in _CONDITIONS:
            raise Refusal(f"ERR Unsupported option {flag.decode('utf-8', 'replace'):.40}")
    if b"nx" in flags and flags & {b"xx", b"gt", b"lt"}:
        raise Refusal("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"gt", b"lt"} <= flags:
        raise Refusal("ERR GT and LT options at the same time are not compatible")
    if not at.there(key) or not _holds(flags, at.expires(key), date):
        return 0
    if date <= at.now_ms:
        at.delete(key)
        at.note("del", key)
    else:
        at.expire(key, min(date, _LAST))
        at.note("expire", key)
    return 1


_LAST = 1 << 46
"""The last date that a stamp can say, in ms: some two thousand years."""


def _holds(flags: set[bytes], before: int | None, date: int) -> bool:
    if b"nx" in flags and before is not None:
        return False
    if b"xx" in flags and before is None:
        return False
    if b"gt" in flags and (before is None or date <= before):
        return False
    return not (b"lt" in flags and before is not None and date >= before)


@command("persist", 2, "write fast", (1, 1, 1), group="generic", maps="no date")
def _persist(at: At, args: list[bytes]) -> Any:
    """Takes away when a key ends."""
    key = key_of(args[1])
    if not at.there(key) or at.expires(key) is None:
        return 0
    at.expire(key, None)
    at.note("persist", key)
    return 1


@command("ttl", 2, "readonly fast", (1, 1, 1), group="generic", maps="the date")
@command("pttl", 2, "readonly fast", (1, 1, 1), group="generic", maps="the date")
@command("expiretime", 2, "readonly fast", (1, 1, 1), group="generic", maps="the date")
@command("pexpiretime", 2, "readonly fast", (1, 1, 1), group="generic", maps="the date")
def _ttl(at: At, args: list[bytes]) -> Any:
    """Tells when a key ends: -1 if never, -2 if there is no such key."""
    key, name = key_of(args[1]), args[0].lower()
    if not at.there(key):
        return -2
    date = at.expires(key)
    if date is None:
        return -1
    told = date if b"time" in name else max(0, date - at.now_ms)
    return told if name.startswith(b"p") else (told + 500) // 1000


# others made of them


@command("rename", 3, "write", (1, 2, 1), group="generic", local=_COPIES, maps="get, put, delete")
def _rename(at: At, args: list[bytes]) -> Any:
    """Renames a key and overwrites the destination."""
    old, new = key_of(args[1]), key_of(args[2])
    if not at.there(old):
        raise Refusal("ERR no such key")
    if old != new:
        copy(at, old, new)
        at.delete(old)
        at.note("rename_from", old)
        at.note("rename_to", new)
    return OK


@command("renamenx", 3, "write fast", (1, 2, 1), group="generic", local=_COPIES, maps="get, put, delete")
def _renamenx(at: At, args: list[bytes]) -> Any:
    """Renames a key only when there is no destination here."""
    if not at.there(key_of(args[1])):
        raise Refusal("ERR no such key")
    if at.there(key_of(args[2])):
        return 0
    _rename(at, args)
    return 1


@command("copy", -3, "write denyoom", (1, 2, 1), group="generic", local=_COPIES, maps="get, put")
def _copy(at: At, args: list[bytes]) -> Any:
    """Copies the value of a key to a new key."""
    old, new = key_of(args[1]), key_of(args[2])
    replace, words = False, iter(args[3:])
    for word in words:
        option = word.lower()
        if option == b"replace":
            replace = True
        elif option == b"db":
            database = int_of(next(words, b""))
            if not 0 <= database <= MAX_DATABASE:
                raise Refusal("ERR DB index is out of range")
            if database != at.client.database:
                raise Refusal("ERR COPY between namespaces is not supported")
        else:
            raise Refusal(SYNTAX)
    if old == new:
        raise Refusal("ERR source and destination objects are the same")
    if not at.there(old) or (at.there(new) and not replace):
        return 0
    copy(at, old, new)
    at.note("copy_to", new)
    return 1


def copy(at: At, old: str, new: str) -> None:
    """`new` is what `old` is, under the same strategy, with its date; whatever it was."""
    root, date = at.shown(old), at.expires(old)
    assert root is not None, "it is there"
    make(at, new, root[0].spec, made_by(root), date)


def made_by(root: Root) -> Operation:
    """The operation that makes of nothing what a key shows."""
    found, tree = root
    if isinstance(found, Fields):  # its names may be no text
        each = names(found, tree).values.items()
        return Operation("set", tuple(word for path, value in each for word in (name_at(path), value)))
    return Operation("put", (found.read(tree),))


def make(at: At, key: str, spec: str, made: Operation, date: int | None) -> None:
    """The key is made anew by that operation of that strategy, whatever it was, until that date in ms."""
    at.delete(key)
    at.expire(key, None)
    at.draft.operate(key, made, spec=spec)
    if date is not None:
        at.expire(key, date)


@command("move", 3, "write fast", (1, 1, 1), group="generic", maps="nothing")
def _move(at: At, args: list[bytes]) -> Any:
    """Moves a key to another database: not done, since a transaction is of one namespace."""
    raise Refusal("ERR MOVE is not supported: a transaction is of one namespace")


# one of them


@command("randomkey", 1, "readonly slow", group="generic", maps="the keys")
def _randomkey(at: At, args: list[bytes]) -> Any:
    """Returns a key by chance."""
    keys = at.keys_from()
    return random.choice(keys).encode() if keys else None


@command("object", -2, "readonly", (2, 2, 1), group="generic", maps="the strategy")
def _object(at: At, args: list[bytes]) -> Any:
    """Tells how a key is kept: ENCODING as Redis would, IDLETIME since its last write, FREQ and REFCOUNT 1."""
    word = args[1].lower()
    if word == b"help":
        return [b"OBJECT <subcommand> [<arg> ...]. Subcommands are:", b"ENCODING, FREQ, IDLETIME, REFCOUNT"]
    if len(args) != 3 or word not in (b"encoding", b"freq", b"idletime", b"refcount"):
        raise Refusal(f"ERR unknown subcommand or wrong number of arguments for '{word.decode('latin-1'):.40}'")
    key = key_of(args[2])
    root = at.shown(key)
    if root is None:
        raise Refusal("ERR no such key")
    match word:
        case b"encoding":
            return _ENCODINGS.get(type_of(root), "raw")
        case b"idletime":
            return max(0, at.now_ms - stamp_ms(newest(at.replica.storage.cells(key)))) // 1000
    return 1


_ENCODINGS = {"list": "quicklist", "set": "hashtable", "hash": "hashtable", "zset": "skiplist", "stream": "stream"}


@command("memory", -2, "readonly", group="server", maps="the cells")
def _memory(at: At, args: list[bytes]) -> Any:
    """Tells how much a key takes: USAGE is the bytes of its cells and their paths."""
    word = args[1].lower()
    if word == b"usage" and len(args) in (3, 5):
        key = key_of(args[2])
        return _weight(at.replica, key) if at.there(key) else None
    if word == b"doctor" and len(args) == 2:
        return "Sam, I have no memory problems"
    if word == b"help":
        return [b"MEMORY <subcommand> [<arg> ...]. Subcommands are:", b"DOCTOR, USAGE <key> [SAMPLES <count>]"]
    raise Refusal(f"ERR unknown subcommand '{word.decode('latin-1'):.40}'. Try MEMORY HELP.")


def _weight(replica: Replica, key: str) -> int:
    cells = replica.storage.cells(key)
    return len(key.encode()) + sum(
        len(path) + sum(len(s.payload or b"") + 48 for s in cell) for path, cell in cells.items()
    )
