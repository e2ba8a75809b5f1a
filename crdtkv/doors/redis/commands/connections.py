"""Of the connection itself."""

from __future__ import annotations

from typing import Any

from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.refusals import wrong_number
from crdtkv.doors.redis.replies import PONG
from crdtkv.doors.redis.table import command

__all__ = ["ping"]


@command("ping", -1, "fast", group="connection")
def ping(client: Client, args: list[bytes]) -> Any:
    """PONG, or the message that was sent."""
    if len(args) > 2:
        return wrong_number("ping")
    if client.protocol == 2 and client.listens:
        return [b"pong", args[1] if len(args) == 2 else b""]
    return args[1] if len(args) == 2 else PONG
