"""Keys, whatever they hold."""

from __future__ import annotations

from typing import Any

from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.table import command

__all__ = ["delete"]


@command("del", -2, "write", (1, -1, 1), group="generic", maps="delete of what is seen here")
@command("unlink", -2, "write fast", (1, -1, 1), group="generic", maps="delete of what is seen here")
def delete(at: At, args: list[bytes]) -> Any:
    """Deletes keys; what others wrote meanwhile and this colo has not seen stands."""
    keys = [key_of(name) for name in args[1:]]
    gone = 0
    for key in keys:
        if at.delete(key):
            gone += 1
            at.note("del", key)
    return gone
