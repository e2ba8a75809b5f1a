"""The parts of messages, as they come in: nothing of what comes is believed.

Law of this room: what is returned has the right type and size, all the way down; or
MessageInvalid is raised, saying what stood where.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from operator import lt
from sys import intern
from typing import Any, TypeVar

from crdtkv.core.cells import check_payload
from crdtkv.core.clocks import MAX_N, Dot
from crdtkv.core.keys import MAX_KEY, METADATA
from crdtkv.core.paths import MEMBER, STRATEGY, split
from crdtkv.core.show import show
from crdtkv.core.usual import keep_path, usual_dots, usual_part, usual_path, usual_payload
from crdtkv.errors import MessageInvalid

__all__ = [
    "dot_in",
    "dots_in",
    "expect",
    "fields_in",
    "in_order",
    "name_in",
    "number",
    "path_in",
    "payload_in",
    "stamps_in",
    "vector_in",
]

_T = TypeVar("_T")


def expect(value: Any, kind: type[_T]) -> _T:
    """`value`, if it is of that kind."""
    if type(value) is not kind:
        raise MessageInvalid(f"message has {show(value)} where {kind.__name__} belongs")
    return value


def number(value: Any) -> int:
    """An integer of 0 or more."""
    found = expect(value, int)
    if found < 0:
        raise MessageInvalid(f"message has the number {value}; at least 0")
    return found


def _count(value: Any) -> int:
    """How many transactions."""
    if number(value) > MAX_N:
        raise MessageInvalid(f"message has a transaction {value}; at most {MAX_N}")
    return value  # type: ignore[no-any-return]


def vector_in(value: Any) -> dict[str, int]:
    """Transactions by replica. `value` itself: it was unpacked for us."""
    for replica, n in expect(value, dict).items():
        if type(replica) is not str or type(n) is not int or not 0 <= n <= MAX_N:
            expect(replica, str), _count(n)
    return value  # type: ignore[no-any-return]


def stamps_in(value: Any) -> dict[str, int]:
    """Stamps, or hashes, by replica."""
    for replica, stamp in expect(value, dict).items():
        expect(replica, str), number(stamp)
    return value  # type: ignore[no-any-return]


def dots_in(value: Any) -> tuple[Dot, ...]:
    """Pairs of replica and number, one after the other."""
    usual = usual_dots(value)
    if usual is not None:
        return usual
    parts = expect(value, list)
    if len(parts) % 2:
        raise MessageInvalid(f"message has {len(parts)} parts of dots; an even number belongs here")
    return tuple(dot_in(r, n) for r, n in zip(parts[::2], parts[1::2], strict=True))


def dot_in(replica: Any, n: Any) -> Dot:
    """A transaction."""
    if type(replica) is str and type(n) is int and 0 < n <= MAX_N:  # all but what is wrong
        return intern(replica), n
    if not _count(n):
        raise MessageInvalid(f"message has a transaction 0 of {show(replica)}; they count from 1")
    return intern(expect(replica, str)), n


def name_in(key: Any) -> str:
    """A key."""
    if not 1 <= len(expect(key, str)) <= MAX_KEY // 4 and not 1 <= len(key.removeprefix(METADATA).encode()) <= MAX_KEY:
        raise MessageInvalid(
            f"message has a key of {len(key)} characters, {show(key)}; 1 to {MAX_KEY} bytes belong there"
        )
    return str(key)


def in_order(parts: tuple[_T, ...], what: str, by: Callable[[_T], Any]) -> tuple[_T, ...]:
    """`parts`, if each comes after the one before it."""
    if len(parts) > 1:
        places = list(map(by, parts))
        if not all(map(lt, places, places[1:])):
            one, after = next((a, b) for a, b in pairwise(places) if not a < b)
            raise MessageInvalid(f"message has {what} {show(after)} after {show(one)}; each once, in order")
    return parts


def payload_in(value: Any) -> bytes | None:
    """What a sibling says; of a later release also what is not known here."""
    if usual_payload(value):
        return value  # type: ignore[no-any-return]
    payload = None if value is None else expect(value, bytes)
    check_payload(payload)
    return payload


def path_in(value: Any) -> bytes:
    """Where a cell stands in its key."""
    path = expect(value, bytes)
    if usual_path(path):
        return path
    if usual_part(path):
        return keep_path(path)
    for tag, data in split(path):
        if tag in (STRATEGY, MEMBER):
            data.decode("utf-8")
    return keep_path(path)


def fields_in(value: Any, least: int, defaults: tuple[Any, ...]) -> list[Any]:
    """The fields of a list, those left out at its end as `defaults` say; what a later release added is passed over."""
    given = expect(value, list)
    most = least + len(defaults)
    if len(given) == most:
        return given
    if len(given) < least:
        raise MessageInvalid(f"message has {len(given)} fields where at least {least} belong")
    return given[:most] + list(defaults[len(given) - least :])
