"""Strings: an lww where no rule speaks of the key; else what the rule says, as JSON text.

Under a rule that merges, SET is made from what the connection read of the key last (GET), and what others wrote since
stands. A key that no connection has read is replaced as this colo knows it.
"""

from __future__ import annotations

from typing import Any

from crdtkv.core.clocks import covers_all
from crdtkv.doors.redis.arguments import expiry_of, int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.kinds import MERGES_NOT, is_string, of_rule, string_of, type_of, value_of
from crdtkv.doors.redis.refusals import SYNTAX, Refusal, wrong_number
from crdtkv.doors.redis.replies import OK
from crdtkv.doors.redis.table import command

__all__ = ["MAX_STRING", "bounds", "read", "write"]

MAX_STRING = 25 * 1024 * 1024
_READS = "is a question to this colo: another may answer it otherwise at the same time"
_OVER = "writes what it makes of what is here: of two colos that do, one wins"


def read(at: At, name: bytes) -> bytes | None:
    """What GET answers; a base for a later SET. Raises WRONGTYPE."""
    key = key_of(name)
    root = at.shown(key)
    if root is None:
        return None
    found = string_of(root)
    if found is not None:
        if root[0].name in MERGES_NOT:
            at.remember(name, key, found)
        else:
            at.check_alone(key)
            at.client.note_base(key, at.context(key))
    return found


def write(at: At, key: str, data: bytes, keep_date: bool = False) -> None:
    """`key` is that string, whatever it was, without a date; `keep_date`: its date stays, or is about to be set."""
    if not at.put_plain(key, data):
        _write(at, key, data, keep_date)


def _write(at: At, key: str, data: bytes, keep_date: bool) -> None:
    if not keep_date:
        if at.put_until(key, data, None):
            return
        at.expire(key, None)
    root = at.shown(key)
    if root is None:
        spec = of_rule(at.draft.rule_of(key))
        family = spec.partition("?")[0]
        if family in MERGES_NOT:
            at.put(key, value_of(data, family), spec)
        else:
            _merge(at, key, value_of(data, family), spec)
        return
    family = root[0].name
    if family == "counter" or not is_string(root):
        _write_over(at, key, data, family)
    elif family in MERGES_NOT:
        at.put(key, value_of(data, family))
    else:
        _merge(at, key, value_of(data, family), None)


def _write_until(at: At, key: str, data: bytes, date: int) -> None:
    """`key` is that string until then."""
    if not at.put_until(key, data, date):
        _write(at, key, data, keep_date=True)
        at.expire(key, date)


def _write_over(at: At, key: str, data: bytes, family: str) -> None:
    """A counter begins again at a whole number; what else is no string is deleted first."""
    if family == "counter":
        try:
            number = int_of(data)
        except Refusal:
            if of_rule(at.draft.rule_of(key)) == "counter":
                raise
        else:
            at.operate(key, "counter", "reset")
            if number:
                at.operate(key, "counter", "add", number)
            return
    at.delete(key)
    write(at, key, data, keep_date=True)


def _merge(at: At, key: str, value: Any, spec: str | None) -> None:
    """Made from what the connection has read last."""
    client = at.client
    base = client.bases.get(key)
    if base is None and key in client.bases:
        raise Refusal(f"BASEREQUIRED others have written '{key}' since this connection read it: GET it again")
    if base is None:
        at.put(key, value, spec)
        client.note_base(key, at.context(key))
        return
    at.check_alone(key)
    before, (own, n) = at.context(key), at.draft.dot
    at.put(key, value, spec, base)
    after = at.context(key)
    if covers_all(base, before):
        client.note_base(key, after)
    elif before.get(own, 0) > base.get(own, 0):
        # What this client knows, its own write and not what stands beside it at this colo, has no version.
        client.note_base(key, None)
    elif after.get(own) == n:
        client.note_base(key, {**base, own: n})


# one key


@command("get", 2, "readonly fast", (1, 1, 1), group="string", maps="the value", hot=True)
def _get(at: At, args: list[bytes]) -> Any:
    """Returns the string value of a key."""
    return read(at, args[1])


_TIMES = (b"ex", b"px", b"exat", b"pxat")


@command("set", -3, "write denyoom", (1, 1, 1), group="string", maps="put; NX, XX and GET ask this colo",
         combines="put")
def _set(at: At, args: list[bytes]) -> Any:
    """Sets the string value of a key, ignoring its type."""
    if len(args) == 3:
        return _plainly(at, args[1], args[2])
    key = key_of(args[1])
    at.combine("")
    flags, date = _options(at, args)
    there = at.there(key)
    found = read(at, args[1]) if b"get" in flags else None
    if there if b"nx" in flags else (b"xx" in flags and not there):
        return found
    if date is None:
        write(at, key, args[2], b"keepttl" in flags)
    else:
        _write_until(at, key, args[2], date)
        at.note("expire", key)
    at.note("set", key)
    return found if b"get" in flags else OK


def _plainly(at: At, name: bytes, data: bytes) -> Any:
    if name in at.puts:
        at.puts[name] = data
    else:
        key = key_of(name)
        if not at.put_plain(key, data):
            _write(at, key, data, keep_date=False)
        elif at.combines:
            at.puts[name] = None
    if at.tells:
        at.note("set", key_of(name))
    return OK


def _options(at: At, args: list[bytes]) -> tuple[set[bytes], int | None]:
    flags: set[bytes] = set()
    date: int | None = None
    words = iter(args[3:])
    for word in words:
        option = word.lower()
        if option in (b"nx", b"xx", b"get", b"keepttl"):
            flags.add(option)
        elif option in _TIMES and date is None:
            given = next(words, None)
            if given is None:
                raise Refusal(SYNTAX)
            date = expiry_of(option, given, at.now_ms, "set")
        else:
            raise Refusal(SYNTAX)
    if {b"nx", b"xx"} <= flags or (date is not None and b"keepttl" in flags):
        raise Refusal(SYNTAX)
    return flags, date


@command("setnx", 3, "write denyoom fast", (1, 1, 1), group="string", local=_READS, maps="put, if absent here")
def _setnx(at: At, args: list[bytes]) -> Any:
    """Sets the string value of a key only when it does not exist here."""
    key = key_of(args[1])
    if at.there(key):
        return 0
    write(at, key, args[2])
    at.note("set", key)
    return 1


def _set_until(at: At, args: list[bytes], option: bytes) -> Any:
    key = key_of(args[1])
    date = expiry_of(option, args[2], at.now_ms, args[0].decode("latin-1").lower())
    _write_until(at, key, args[3], date)
    at.note("set", key)
    at.note("expire", key)
    return OK


@command("setex", 4, "write denyoom", (1, 1, 1), group="string", maps="put with a date")
def _setex(at: At, args: list[bytes]) -> Any:
    """Sets the string value and the expiry of a key, in seconds."""
    return _set_until(at, args, b"ex")


@command("psetex", 4, "write denyoom", (1, 1, 1), group="string", maps="put with a date")
def _psetex(at: At, args: list[bytes]) -> Any:
    """Sets the string value and the expiry of a key, in milliseconds."""
    return _set_until(at, args, b"px")


@command("getset", 3, "write denyoom fast", (1, 1, 1), group="string", local=_READS, maps="get, then put")
def _getset(at: At, args: list[bytes]) -> Any:
    """Returns the previous string value of a key after setting it to a new one."""
    found = read(at, args[1])
    key = key_of(args[1])
    write(at, key, args[2])
    at.note("set", key)
    return found


@command("getdel", 2, "write fast", (1, 1, 1), group="string", local=_READS, maps="get, then delete")
def _getdel(at: At, args: list[bytes]) -> Any:
    """Returns the string value of a key after deleting it."""
    found = read(at, args[1])
    key = key_of(args[1])
    if at.delete(key):
        at.note("del", key)
    return found


@command("getex", -2, "write fast", (1, 1, 1), group="string", maps="get, and a date")
def _getex(at: At, args: list[bytes]) -> Any:
    """Returns the string value of a key after setting when it expires."""
    option = args[2].lower() if len(args) > 2 else b""
    date: int | None = None
    if option in _TIMES and len(args) == 4:
        date = expiry_of(option, args[3], at.now_ms, "getex")
    elif len(args) > 2 and not (option == b"persist" and len(args) == 3):
        raise Refusal(SYNTAX)
    found, key = read(at, args[1]), key_of(args[1])
    if found is not None and option:
        at.expire(key, date)
        at.note("persist" if date is None else "expire", key)
    return found


@command("strlen", 2, "readonly fast", (1, 1, 1), group="string", maps="the value")
def _strlen(at: At, args: list[bytes]) -> Any:
    """Returns the length of a string value."""
    return len(string_of(at.shown(key_of(args[1]))) or b"")


# parts of one


@command("append", 3, "write denyoom fast", (1, 1, 1), group="string", local=_OVER, maps="get, then put")
def _append(at: At, args: list[bytes]) -> Any:
    """Appends a string to the value of a key."""
    key = key_of(args[1])
    made = (string_of(at.shown(key)) or b"") + args[2]
    _check_size(len(made))
    write(at, key, made, keep_date=True)
    at.note("append", key)
    return len(made)


@command("getrange", 4, "readonly", (1, 1, 1), group="string", maps="the value")
@command("substr", 4, "readonly", (1, 1, 1), group="string", maps="the value")
def _getrange(at: At, args: list[bytes]) -> Any:
    """Returns a substring of the string stored at a key."""
    start, end = int_of(args[2]), int_of(args[3])
    found = string_of(at.shown(key_of(args[1]))) or b""
    return found[slice(*bounds(start, end, len(found)))]


def bounds(start: int, end: int, size: int) -> tuple[int, int]:
    """Where Redis' `start` to `end`, both inclusive and perhaps negative, begins and ends in Python."""
    if start < 0 and end < 0 and start > end:
        return 0, 0
    return max(0, start + size) if start < 0 else start, (max(0, end + size) if end < 0 else end) + 1


@command("setrange", 4, "write denyoom", (1, 1, 1), group="string", local=_OVER, maps="get, then put")
def _setrange(at: At, args: list[bytes]) -> Any:
    """Overwrites a part of a string value with another by an offset."""
    key, offset, data = key_of(args[1]), int_of(args[2]), args[3]
    if offset < 0:
        raise Refusal("ERR offset is out of range")
    found = string_of(at.shown(key)) or b""
    if not data:
        return len(found)
    _check_size(offset + len(data))
    made = found[:offset].ljust(offset, b"\0") + data + found[offset + len(data) :]
    write(at, key, made, keep_date=True)
    at.note("setrange", key)
    return len(made)


def _check_size(size: int) -> None:
    if size > MAX_STRING:
        raise Refusal("ERR string exceeds maximum allowed size (proto-max-bulk-len)")


# several


@command("mget", -2, "readonly fast", (1, -1, 1), group="string", maps="the values at one instant")
def _mget(at: At, args: list[bytes]) -> Any:
    """Returns the string values of several keys; nil where there is none, or no string."""
    return [_read_string(at, name) for name in args[1:]]


def _read_string(at: At, name: bytes) -> bytes | None:
    root = at.shown(key_of(name))
    return read(at, name) if root is not None and type_of(root) == "string" else None


@command("mset", -3, "write denyoom", (1, -1, 2), group="string", maps="puts of one transaction")
def _mset(at: At, args: list[bytes]) -> Any:
    """Sets the string values of several keys, all at once."""
    for key, data in _pairs(args):
        write(at, key, data)
        at.note("set", key)
    return OK


@command("msetnx", -3, "write denyoom", (1, -1, 2), group="string", local=_READS, maps="puts, if all are absent here")
def _msetnx(at: At, args: list[bytes]) -> Any:
    """Sets the string values of several keys only when none of them exists here."""
    pairs = _pairs(args)
    if any(at.there(key) for key, _ in pairs):
        return 0
    for key, data in pairs:
        write(at, key, data)
        at.note("set", key)
    return 1


def _pairs(args: list[bytes]) -> list[tuple[str, bytes]]:
    if len(args) % 2 == 0:
        raise Refusal(str(wrong_number(args[0].decode("latin-1"))))
    return [(key_of(name), data) for name, data in zip(args[1::2], args[2::2], strict=True)]


