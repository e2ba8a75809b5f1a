"""Counters: INCR and its kin add, and every add of every colo counts once.

INCR makes a counter. Of a string that is a whole number (SET, then INCR) it makes one, too, and how much that was is
added under the name of that write: two colos that do so at one time count it once.
"""

from __future__ import annotations

from typing import Any

from crdtkv.doors.redis.arguments import MAX_INT, MIN_INT, float_of, int_of, shown
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.strings import write
from crdtkv.doors.redis.kinds import is_string, string_of
from crdtkv.doors.redis.refusals import NOT_FLOAT, WRONG_TYPE, Refusal
from crdtkv.doors.redis.table import command
from crdtkv.strategies.base import ABSENT

__all__ = ["increment"]


_OVERFLOW = "ERR increment or decrement would overflow"


def increment(at: At, key: str, by: int) -> int:
    """What the counter shows then. Raises WRONGTYPE, and what Redis says of what is no number."""
    total = _increased(at, key, by)
    at.note("incrby", key)
    return total


def _in_a_row(at: At, name: bytes, by: int) -> int:
    """As `increment`; what several commands in a row add to a counter is added once."""
    known = at.adds.get(name) or _begun(at, name)
    if known is None:
        total = _increased(at, key_of(name), by)
    else:
        total = known[0] + by
        if not MIN_INT <= total <= MAX_INT:
            raise Refusal(_OVERFLOW)
        known[0] = total
        known[1] += by
    if at.tells:
        at.note("incrby", key_of(name))
    return total


def _begun(at: At, name: bytes) -> list[int] | None:
    """What a counter that is there shows, and that nothing was added to it yet; None: an add is written at once."""
    root = at.shown(key_of(name)) if at.combines else None
    if root is None or root[0].name != "counter":
        return None
    found = at.adds[name] = [root[0].read(root[1]), 0]
    return found


def _increased(at: At, key: str, by: int) -> int:
    """What the key shows then."""
    root = at.shown(key)
    if root is None:
        at.operate(key, "counter", "add", by)
        return by
    family = root[0].name
    if not is_string(root):
        raise Refusal(WRONG_TYPE)
    value = root[0].read(root[1]) if family == "counter" else int_of(string_of(root) or b"")
    assert value is not ABSENT, "it is shown"
    total: int = value + by
    if not MIN_INT <= total <= MAX_INT:
        raise Refusal(_OVERFLOW)
    if family == "counter":
        at.operate(key, "counter", "add", by)
    elif family == "lww":
        _become(at, key, value, by)
    else:
        write(at, key, b"%d" % total, keep_date=True)
    return total


def _become(at: At, key: str, value: int, by: int) -> None:
    """The string is a counter from now on, with the date it had."""
    name = " ".join(f"{replica}.{n}" for replica, n in sorted(at.context(key).items()))
    date = at.expires(key)
    at.delete(key)
    at.operate(key, "counter", "add", value, f"redis {name}"[:256])
    if by:
        at.operate(key, "counter", "add", by)
    if date is not None:
        at.expire(key, date)


@command("incr", 2, "write denyoom fast", (1, 1, 1), group="string", maps="add of a counter", combines="add")
def _incr(at: At, args: list[bytes]) -> Any:
    """Adds one to a counter; one that is absent begins at 0."""
    return _in_a_row(at, args[1], 1)


@command("decr", 2, "write denyoom fast", (1, 1, 1), group="string", maps="add of a counter", combines="add")
def _decr(at: At, args: list[bytes]) -> Any:
    """Takes one from a counter; one that is absent begins at 0."""
    return _in_a_row(at, args[1], -1)


@command("incrby", 3, "write denyoom fast", (1, 1, 1), group="string", maps="add of a counter", combines="add")
def _incrby(at: At, args: list[bytes]) -> Any:
    """Adds a number to a counter; one that is absent begins at 0."""
    return _in_a_row(at, args[1], int_of(args[2]))


@command("decrby", 3, "write denyoom fast", (1, 1, 1), group="string", maps="add of a counter", combines="add")
def _decrby(at: At, args: list[bytes]) -> Any:
    """Takes a number from a counter; one that is absent begins at 0."""
    by = int_of(args[2])
    if by == MIN_INT:
        raise Refusal("ERR decrement would overflow")
    return _in_a_row(at, args[1], -by)


@command(
    "incrbyfloat", 3, "write denyoom fast", (1, 1, 1), group="string", maps="add of a counter, if whole; else put",
    local="writes a sum that it makes here, unless all is whole: of two colos that do, one wins",
)  # fmt: skip
def _incrbyfloat(at: At, args: list[bytes]) -> Any:
    """Adds a floating point number to the number that a key holds."""
    key, by = key_of(args[1]), float_of(args[2])
    root = at.shown(key)
    if root is not None and not is_string(root):
        raise Refusal(WRONG_TYPE)
    if root is not None and root[0].name == "counter" and by.is_integer():
        return b"%d" % increment(at, key, int(by))
    made = shown(float_of(string_of(root) or b"0", NOT_FLOAT) + by)
    write(at, key, made, keep_date=True)
    at.note("incrbyfloat", key)
    return made


