"""What the door knows of one client: who it is, where it reads and writes, what it has begun."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crdtkv.core.cells import Context
from crdtkv.store.store import Store

if TYPE_CHECKING:
    from crdtkv.doors.redis.connection import Connection
    from crdtkv.doors.redis.door import Door
    from crdtkv.doors.redis.place import Place
    from crdtkv.doors.redis.table import Command

__all__ = ["MAX_BASES", "Client", "Queued"]

MAX_BASES = 1000
"""Keys of which is known what a connection read last."""


@dataclass(slots=True)
class Queued:
    """What stands between MULTI and EXEC."""

    commands: list[tuple[Command, list[bytes]]] = field(default_factory=list)
    size: int = 0
    refused: bool = False
    """One was refused as it was queued: EXEC does nothing."""


@dataclass(slots=True, eq=False)
class Client:
    """Of one connection. Its commands run one after the other, so each may change it."""

    door: Door
    id: int
    address: str
    place: Place
    connection: Connection
    database: int = 0
    protocol: int = 2
    token: str | None = None
    name: bytes = b""
    library: tuple[bytes, bytes] = (b"", b"")
    queued: Queued | None = None
    watched: dict[tuple[str, str], Context | None] = field(default_factory=dict)
    """(namespace id, key) -> its context when it was watched; None: it was absent."""
    bases: dict[str, Context | None] = field(default_factory=dict)
    """Of keys that merge: what this connection read last; None: that cannot be told any more."""
    channels: set[bytes] = field(default_factory=set)
    patterns: set[bytes] = field(default_factory=set)
    shards: set[bytes] = field(default_factory=set)
    replies: str = "on"
    """As CLIENT REPLY says: "on", "off", "skip" (the next is not told)."""
    last: str = ""
    """The command that ran last."""
    since: float = 0.0
    active: float = 0.0
    no_evict: bool = False
    no_touch: bool = False
    closing: bool = False

    @property
    def store(self) -> Store:
        """What it reads and writes."""
        return self.place.store

    @property
    def special(self) -> bool:
        """Whether its commands may not simply run: they are queued, or it only listens."""
        return self.queued is not None or (self.protocol == 2 and self.listens)

    @property
    def listens(self) -> bool:
        """Whether it has subscribed to anything."""
        return bool(self.channels or self.patterns or self.shards)

    def note_base(self, key: str, context: Context | None) -> None:
        """It has read the key as it was then."""
        self.bases.pop(key, None)
        self.bases[key] = context
        if len(self.bases) > MAX_BASES:
            del self.bases[next(iter(self.bases))]

    def reset(self) -> None:
        """As it was when it came, but for who it is known to be no more."""
        self.door.board.leave(self)
        self.queued = None
        self.watched.clear()
        self.bases.clear()
        self.protocol, self.name, self.token, self.replies = 2, b"", None, "on"
        self.place, self.database = self.door.place("default"), 0
        self.connection.limit()

    def line(self) -> str:
        """What CLIENT LIST says of it."""
        now = time.time()
        flags = "P" if self.listens else "x" if self.queued is not None else "N"
        queued = -1 if self.queued is None else len(self.queued.commands)
        name, (library, version) = self.name.decode("latin-1"), self.library
        return (
            f"id={self.id} addr={self.address} laddr={self.connection.local} fd=0 name={name} "
            f"age={int(now - self.since)} idle={int(now - self.active)} flags={flags} db={self.database} "
            f"sub={len(self.channels)} psub={len(self.patterns)} ssub={len(self.shards)} multi={queued} "
            f"cmd={self.last or 'NULL'} user=default resp={self.protocol} "
            f"lib-name={library.decode('latin-1')} lib-ver={version.decode('latin-1')}"
        )
