"""HyperLogLogs: a `set` of what its registers hold, a number for each: 64 times the register, and its rank.

Of a register the greatest rank holds. So whatever two colos add, and in whatever order it arrives, the union of their
sets is what one that had seen all would have: sound. A lesser rank is removed by who adds a greater one, to save room.
The number -1 says that the set is one of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from crdtkv.core import paths, values
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.hyperloglog import RANKS, estimate, place_of
from crdtkv.doors.redis.kinds import is_string
from crdtkv.doors.redis.refusals import WRONG_TYPE, Refusal
from crdtkv.doors.redis.replies import OK
from crdtkv.doors.redis.table import command
from crdtkv.strategies.indexes import members
from crdtkv.strategies.set import Set

__all__: list[str] = []

_MARK = -1
_NOT_ONE = "WRONGTYPE Key is not a valid HyperLogLog string value."
_Ranks = dict[int, int]
"""By register."""


def _path(number: int) -> bytes:
    return paths.component(paths.VALUE, values.pack(number))


def _numbers(at: At, key: str) -> dict[bytes, int] | None:
    """The paths of what it holds; None: there is none. Raises WRONGTYPE."""
    root = at.shown(key)
    if root is None:
        return None
    if is_string(root):
        raise Refusal(_NOT_ONE)
    at.refuse_unless(root, "set")
    found = members(cast("Set", root[0]), root[1]).paths
    if _path(_MARK) not in found:
        raise Refusal(WRONG_TYPE)
    return found


def _ranks(at: At, keys: Iterable[str]) -> _Ranks:
    """What the registers of all of them hold together. O(registers)."""
    out: _Ranks = {}
    for key in keys:
        for path in _numbers(at, key) or ():
            number = values.unpack(paths.first(path)[1])
            if type(number) is int and number >= 0:
                register, rank = divmod(number, 64)
                out[register] = max(rank, out.get(register, 0))
    return out


def _grow(at: At, key: str, ranks: _Ranks) -> bool:
    """The registers hold these ranks, or greater ones; whether that is new."""
    found = _numbers(at, key)
    there = found or {}
    new: list[int] = []
    needless: list[int] = []
    for register, rank in ranks.items():
        first = register * 64
        if not any(_path(each) in there for each in range(first + rank, first + RANKS + 1)):
            new.append(first + rank)
            needless += [each for each in range(first + 1, first + rank) if _path(each) in there]
    if not new and found is not None:
        return False
    # Each time: who deletes it meanwhile takes away the mark that he has seen, and this one stands with the rest.
    at.operate(key, "set", "add", _MARK, *new)
    at.note("pfadd", key)
    if needless:
        at.operate(key, "set", "remove", *needless)
    return True


@command("pfadd", -2, "write denyoom fast", (1, 1, 1), group="hyperloglog", maps="add of registers")
def _pfadd(at: At, args: list[bytes]) -> Any:
    """Adds elements to a HyperLogLog; 1 if it has changed."""
    ranks: _Ranks = {}
    for register, rank in map(place_of, args[2:]):
        ranks[register] = max(rank, ranks.get(register, 0))
    return int(_grow(at, key_of(args[1]), ranks))


@command("pfcount", -2, "readonly slow", (1, -1, 1), group="hyperloglog", maps="registers")
def _pfcount(at: At, args: list[bytes]) -> Any:
    """About how many different elements were added to a HyperLogLog, or to any of several."""
    return estimate(_ranks(at, map(key_of, args[1:])).values())


@command("pfmerge", -2, "write denyoom", (1, -1, 1), group="hyperloglog", maps="add of registers")
def _pfmerge(at: At, args: list[bytes]) -> Any:
    """Adds to a HyperLogLog what others have seen, as this colo knows them."""
    _grow(at, key_of(args[1]), _ranks(at, map(key_of, args[1:])))
    return OK
