"""Who listens to what: channels, patterns, shard channels. A message reaches who listens as it is published, once at
the most; who is away has missed it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crdtkv.doors.redis.globs import glob
from crdtkv.doors.redis.replies import Push, encode

if TYPE_CHECKING:
    from crdtkv.doors.redis.client import Client

__all__ = ["Board"]


class Board:
    """Of one door."""

    def __init__(self) -> None:
        self.channels: dict[bytes, dict[Client, None]] = {}
        self.patterns: dict[bytes, dict[Client, None]] = {}
        self.shards: dict[bytes, dict[Client, None]] = {}
        self._matchers: dict[bytes, re.Pattern[bytes]] = {}

    # listening

    def add(self, client: Client, kind: str, name: bytes) -> None:
        """It listens from now on. `kind`: "channels", "patterns" or "shards"."""
        if kind == "patterns" and name not in self._matchers:
            self._matchers[name] = glob(name)
        getattr(self, kind).setdefault(name, {})[client] = None
        getattr(client, kind).add(name)

    def remove(self, client: Client, kind: str, name: bytes) -> None:
        """It does not listen any more."""
        table: dict[bytes, dict[Client, None]] = getattr(self, kind)
        getattr(client, kind).discard(name)
        found = table.get(name)
        if found is not None:
            found.pop(client, None)
            if not found:
                del table[name]
                if kind == "patterns":
                    del self._matchers[name]

    def leave(self, client: Client) -> None:
        """It listens to nothing any more."""
        for kind in ("channels", "patterns", "shards"):
            for name in list(getattr(client, kind)):
                self.remove(client, kind, name)

    # telling

    def listeners(self, channel: bytes, shard: bool = False) -> int:
        """How many would be told. O(patterns)."""
        if shard:
            return len(self.shards.get(channel, ()))
        fits = sum(len(self.patterns[name]) for name, matcher in self._matchers.items() if matcher.fullmatch(channel))
        return len(self.channels.get(channel, ())) + fits

    def tell(self, channel: bytes, message: bytes, shard: bool = False) -> int:
        """All who listen are told; how many. O(patterns + listeners)."""
        kind, table = (b"smessage", self.shards) if shard else (b"message", self.channels)
        told = _tell(table.get(channel, {}), Push([kind, channel, message]))
        if shard:
            return told
        for name, matcher in list(self._matchers.items()):
            if matcher.fullmatch(channel):
                told += _tell(self.patterns[name], Push([b"pmessage", name, channel, message]))
        return told


def _tell(clients: dict[Client, None], message: Push) -> int:
    said: dict[int, Any] = {}
    for client in list(clients):
        protocol = client.protocol
        if protocol not in said:
            said[protocol] = encode(message, protocol)
        client.connection.push(said[protocol])
    return len(clients)
