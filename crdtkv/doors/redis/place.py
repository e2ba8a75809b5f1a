"""A store as the door's connections use it: what they ask of it in a turn of the loop, and replies known already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crdtkv.doors.redis.pace import Pace
from crdtkv.doors.redis.parking import Parking
from crdtkv.doors.redis.table import Command
from crdtkv.doors.redis.turn import Turn
from crdtkv.store import door
from crdtkv.store.store import Store

__all__ = ["Place"]

_KNOWN = 8192
_LARGEST = 4096
"""Bytes of a reply that is kept."""


class Place:
    """Of one namespace, in one event loop. `done` is told of each turn that is durable."""

    def __init__(self, store: Store, done: Callable[[Turn], None]) -> None:
        self.store = store
        self._replica = door.replica(store)
        self.latch = door.latch(store)
        """Its lock, for who does not wait."""
        self.ask = Pace(store, done).ask
        """What it is given is done soon, with all else that is asked for just now."""
        self.parking = Parking(self)
        self._known: dict[bytes, tuple[str, Any, bytes]] = {}

    # replies that are known

    def known(self, together: list[tuple[Command, list[bytes]]]) -> list[bytes]:
        """What the first of these are answered, as far as they are GETs and that is so still. Without the lock.

        Who writes holds the lock while the disk works; what he has changed does not stand from then on. O(commands).
        """
        known, replica = self._known, self._replica
        told = replica.memos.all_told()
        said: list[bytes] = []
        for command, args in together:
            if not command.hot:
                break
            found = known.get(args[1])
            if found is None:
                break
            until = found[1].until
            if told.get(found[0]) is not found[1] or (until is not None and replica.now() >= until):
                del known[args[1]]
                break
            said.append(found[2])
        return said if door.is_open(self.store) else []

    def keep(self, name: bytes, key: str, said: bytes) -> None:
        """What GET is answered, where the store keeps that it stands. With the lock."""
        if len(said) > _LARGEST:
            return
        known = self._replica.memos.told(key)
        if known is None:
            return
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[name] = (key, known, said)
