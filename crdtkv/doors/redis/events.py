"""Keyspace notifications: what happens to keys, published to who has asked for it by CONFIG SET.

Of a command of this colo the event has its name; of what other colos wrote it is "merge", or "del" where the key is
not there any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crdtkv.doors.redis.refusals import Refusal

if TYPE_CHECKING:
    from crdtkv.doors.redis.board import Board

__all__ = ["Events"]

_CLASSES = {
    "g": ("del", "expire", "persist", "rename_from", "rename_to", "copy_to", "merge", "restore"),
    "$": ("set", "append", "setrange", "setbit", "incrby", "incrbyfloat"),
    "l": ("lpush", "rpush", "lpop", "rpop", "linsert", "lset", "lrem", "ltrim", "sortstore"),
    "s": ("sadd", "srem", "spop", "sinterstore", "sunionstore", "sdiffstore"),
    "h": ("hset", "hincrby", "hincrbyfloat", "hdel"),
    "z": ("zadd", "zincr", "zrem", "zremrangebyscore", "zremrangebyrank", "zremrangebylex", "zinterstore",
          "zunionstore", "zdiffstore", "zrangestore", "zpopmin", "zpopmax"),
    "t": ("xadd", "xtrim", "xdel", "xsetid", "xgroup-create", "xgroup-createconsumer", "xgroup-delconsumer",
          "xgroup-destroy", "xgroup-setid"),
    "x": ("expired",),
    "e": ("evicted",),
}  # fmt: skip
_CLASS = {event: letter for letter, events in _CLASSES.items() for event in events}
_ALL = "g$lshztxed"
_KNOWN = frozenset("KEAmn" + _ALL)


class Events:
    """Of one door. `flags` as CONFIG GET tells them; "": nobody is told."""

    def __init__(self, board: Board, changed: Callable[[], None]) -> None:
        self.flags = ""
        self._changed = changed
        self._board = board

    def set(self, flags: str) -> None:
        """As CONFIG SET notify-keyspace-events says. Raises Refusal."""
        if not set(flags) <= _KNOWN:
            raise Refusal("ERR CONFIG SET failed - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        found = set(flags)
        if set(_ALL) <= found:
            found = (found - set(_ALL)) | {"A"}
        self.flags = "".join(sorted(found))
        self._changed()

    def tell(self, event: str, key: str, database: int) -> None:
        """It has happened, and is durable. O(listeners)."""
        flags = self.flags
        if not flags:
            return
        letter = _CLASS.get(event, "g")
        if letter not in flags and "A" not in flags:
            return
        name = key.encode()
        if "K" in flags:
            self._board.tell(b"__keyspace@%d__:%b" % (database, name), event.encode())
        if "E" in flags:
            self._board.tell(b"__keyevent@%d__:%b" % (database, event.encode()), name)
