"""A store as the door's connections use it: what they ask of it in a turn of the loop, and replies known already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from crdtkv.doors.redis.parking import Parking
from crdtkv.doors.redis.replies import encode
from crdtkv.doors.redis.turn import Asked, Turn, failed
from crdtkv.errors import CrdtkvError
from crdtkv.store.store import Store

__all__ = ["Place"]

_MOST = 1024
"""Commands of one transaction: others wait for it."""
_KNOWN = 8192
_LARGEST = 4096
"""Bytes of a reply that is kept."""


class Place:
    """Of one namespace, in one event loop. `done` is told of each turn that is durable."""

    def __init__(self, store: Store, done: Callable[[Turn], None]) -> None:
        self.store = store
        self._done = done
        self.parking = Parking(self)
        self._turn: Turn | None = None
        self._known: dict[bytes, tuple[str, Any, bytes]] = {}

    def ask(self, asked: Asked) -> None:
        """It is done soon, with all that is asked for in this turn of the loop."""
        turn = self._turn
        if turn is None or turn.size >= _MOST:
            turn = self._turn = Turn(self.store, self._done)
            asyncio.get_running_loop().call_soon(self._post, turn)
        turn.asked.append(asked)
        turn.size += len(asked.commands)

    def _post(self, turn: Turn) -> None:
        if self._turn is turn:
            self._turn = None
        try:
            turn.post()
        except CrdtkvError as error:  # the store is closed
            for asked in turn.asked:
                asked.said = encode(failed(error), 2) * len(asked.commands)
            self._done(turn)

    # replies that are known

    def known(self, name: bytes) -> bytes | None:
        """What GET was answered, if that is so still. O(1), without the lock.

        Who writes holds the lock while the disk works; what he has changed does not stand from then on.
        """
        found = self._known.get(name)
        if found is None:
            return None
        key, known, said = found
        if self.store._replica.memos.stands(key, known) and not self.store._closed:
            return said
        del self._known[name]
        return None

    def keep(self, name: bytes, key: str, said: bytes) -> None:
        """What GET is answered, where the store keeps that it stands. With the lock."""
        if len(said) > _LARGEST:
            return
        known = self.store._replica.memos.told(key)
        if known is None or known.until is not None:
            return
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[name] = (key, known, said)
