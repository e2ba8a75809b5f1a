"""DUMP and RESTORE: what a key shows, as bytes that make it again, here or at another colo.

Not Redis' own format: the strategy, and the operation that makes the value, packed, with a checksum. What is restored
is a new key: of its past, and of what others may still have to say of the old one, it knows nothing.
"""

from __future__ import annotations

from typing import Any

import xxhash

from crdtkv.core import values
from crdtkv.doors.redis.arguments import int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.keys import made_by, make
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.replies import OK
from crdtkv.doors.redis.table import command
from crdtkv.errors import CrdtkvError
from crdtkv.strategies.base import Operation
from crdtkv.strategies.registry import strategy

__all__: list[str] = []

_MAGIC = b"crdtkv\x01"
_WRONG = "ERR DUMP payload version or checksum are wrong"


@command("dump", 2, "readonly", (1, 1, 1), group="generic", maps="the value, packed")
def _dump(at: At, args: list[bytes]) -> Any:
    """Returns what RESTORE makes the key of again."""
    root = at.shown(key_of(args[1]))
    if root is None:
        return None
    name, given = made_by(root)
    said = _MAGIC + values.pack([root[0].spec, name, list(given)])
    return said + xxhash.xxh3_64_digest(said)


@command(
    "restore", -4, "write denyoom", (1, 1, 1), group="generic", maps="a key made anew",
    local="asks whether the key is there at this colo",
)  # fmt: skip
def _restore(at: At, args: list[bytes]) -> Any:
    """Makes a key of what DUMP returned."""
    key, ttl = key_of(args[1]), int_of(args[2])
    options, rest = set(), [word.lower() for word in args[4:]]
    while rest:
        if rest[0] in (b"replace", b"absttl"):
            options.add(rest.pop(0))
        elif rest[0] in (b"idletime", b"freq") and len(rest) > 1:
            int_of(rest[1])
            rest = rest[2:]
        else:
            raise Refusal(SYNTAX)
    if b"replace" not in options and at.there(key):
        raise Refusal("BUSYKEY Target key name already exists.")
    if ttl < 0:
        raise Refusal("ERR Invalid TTL value, must be >= 0")
    spec, made = _unpacked(args[3])
    date = None if not ttl else ttl if b"absttl" in options else at.now_ms + ttl
    if date is not None and date <= at.now_ms:
        at.delete(key)
        return OK
    make(at, key, spec, made, date)
    at.note("restore", key)
    return OK


def _unpacked(said: bytes) -> tuple[str, Operation]:
    """The strategy and the operation that a dump says. Raises Refusal."""
    if not said.startswith(_MAGIC) or xxhash.xxh3_64_digest(said[:-8]) != said[-8:]:
        raise Refusal(_WRONG)
    try:
        match values.unpack(said[len(_MAGIC) : -8]):
            case [str(spec), "put" | "set" as name, list(given)]:
                strategy(spec)
                return spec, Operation(name, tuple(given))
    except CrdtkvError:
        pass
    raise Refusal("ERR Bad data format")
