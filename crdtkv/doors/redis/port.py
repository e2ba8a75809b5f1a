"""The address at which clients of Redis come in."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from crdtkv.doors.redis.connection import Connection
from crdtkv.doors.redis.door import Door
from crdtkv.node.settings import is_loopback
from crdtkv.server.ports import bound, shown

if TYPE_CHECKING:
    from crdtkv.node.settings import Settings
    from crdtkv.server.serving import Serving

__all__ = ["RedisPort"]

_BACKLOG = 2048


class RedisPort:
    """Bound to the address of the settings, beside the server of `serving`. Raises BadRequest where it is taken."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._at = bound("redis", settings.redis)
        self._serving = serving
        self._unsound = settings.redis_unsound == "refuse"
        self._server: asyncio.Server | None = None
        self.door: Door

    async def start(self, tls: ssl.SSLContext | None = None) -> list[str]:
        """It takes connections. `tls`: the server's; on loopback it is not used."""
        self.door = door = Door(self._serving, self._unsound)
        loop = asyncio.get_running_loop()
        secure = None if is_loopback(self._at.getsockname()[0]) else tls
        self._server = await loop.create_server(
            lambda: Connection(door), sock=self._at, backlog=_BACKLOG, ssl=secure
        )
        host, port = self._at.getsockname()[:2]
        name, option = ("redis", "") if secure is None else ("rediss", " --tls")
        return [f"  Redis: {name}://{shown(self._at)} (redis-cli{option} -h {host} -p {port})"]

    def stop(self) -> None:
        """Nobody new comes in; who is here is sent away once what he asked for is done. Idempotent."""
        if self._server is not None:
            self._server.close()
            self.door.end()

    async def ended(self) -> None:
        """All of them have gone, or had their seconds."""
        if self._server is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.door.gone(), self._serving.limits.grace)

    def close(self) -> None:
        """The address is let go of. Idempotent."""
        self._at.close()
