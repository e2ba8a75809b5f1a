"""What other colos have written, as events of keys, while anybody is told of such."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from crdtkv.errors import CrdtkvError
from crdtkv.store import door
from crdtkv.store.watching import begin, read_on

if TYPE_CHECKING:
    from crdtkv.doors.redis.events import Events
    from crdtkv.doors.redis.place import Place
    from crdtkv.server.serving import Serving

__all__ = ["Following"]

_AT_ONCE = 1000


class Following:
    """Of one namespace, in its event loop; from its making to `end`."""

    def __init__(self, place: Place, serving: Serving, events: Events, database: int) -> None:
        self._place, self._serving, self._events, self._database = place, serving, events, database
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    def end(self) -> None:
        """Nothing more is told. Idempotent."""
        self._task.cancel()

    def _wake(self) -> None:
        """From any thread, with the store's lock."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._changed.set)

    async def _run(self) -> None:
        store = self._place.store
        door.listen(store, self._wake)
        try:
            position = await self._serving.slow(begin, store, None)
            while True:
                await self._changed.wait()
                self._changed.clear()
                while True:
                    seen = position[1]
                    changes, position = await self._serving.slow(read_on, store, "", position, _AT_ONCE)
                    for change in changes:
                        if not change.reset and self._from_elsewhere(change.key, seen):
                            self._events.tell("del" if change.entry is None else "merge", change.key, self._database)
                    if len(changes) < _AT_ONCE:
                        break
        except CrdtkvError:  # the store is closed, or too much is asked for
            pass
        finally:
            door.unlisten(store, self._wake)

    def _from_elsewhere(self, key: str, seen: dict[str, int]) -> bool:
        """Whether another colo has written it since."""
        replica = door.replica(self._place.store)
        own = replica.state.id
        return any(n > seen.get(origin, 0) for origin, n in replica.storage.context(key).items() if origin != own)
