"""Blocking commands that found nothing: asked again when the store has changed, told nil when their time is over."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from crdtkv.doors.redis.replies import Failed, encode
from crdtkv.doors.redis.turn import Asked
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.doors.redis.client import Client
    from crdtkv.doors.redis.place import Place

__all__ = ["Parking"]


class Parking:
    """Of one namespace, in its event loop. Who waits longest is asked first."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._parked: dict[Client, tuple[Asked, float | None, asyncio.TimerHandle | None]] = {}
        self._asked: dict[Client, tuple[float | None, asyncio.TimerHandle | None, int]] = {}
        """Who is being asked again, until when he waits, and how many changes there had been then."""
        self._changes = 0
        self._listens = False
        self._woken = False

    def __len__(self) -> int:
        return len(self._parked)

    def park(self, asked: Asked) -> None:
        """It waits, from now on or still."""
        client, wait = asked.connection.client, asked.wait
        assert wait is not None, "it is one that waits"
        seen = -1  # what changed between its being asked and now nobody has heard: it is asked once more
        if client in self._asked:
            date, timer, seen = self._asked.pop(client)
            if date is not None and self._loop.time() >= date:
                self._tell(asked, encode(wait.nil, client.protocol), timer)
                self._listen()
                return
        else:
            date = self._loop.time() + wait.seconds if wait.seconds else None
            timer = None if date is None else self._loop.call_at(date, self._over, client)
        self._parked[client] = asked, date, timer
        self._listen()
        if seen != self._changes:
            self._wake()

    def done(self, client: Client) -> None:
        """What it waited for is there."""
        found = self._asked.pop(client, None)
        self._listen()
        if found is not None and found[1] is not None:
            found[1].cancel()

    def leave(self, client: Client) -> bool:
        """It does not wait any more; whether it did. Idempotent."""
        self.done(client)
        found = self._unpark(client)
        if found is not None and found[2] is not None:
            found[2].cancel()
        return found is not None

    def unblock(self, client: Client, error: bool) -> bool:
        """It is told nil, or an error, if it waits."""
        found = self._unpark(client)
        if found is None:
            return False
        asked, _, timer = found
        nil = asked.wait.nil if asked.wait is not None else None
        told = Failed("UNBLOCKED client unblocked via CLIENT UNBLOCK") if error else nil
        self._tell(asked, encode(told, client.protocol), timer)
        return True

    def _over(self, client: Client) -> None:
        found = self._unpark(client)
        if found is not None:
            asked, _, timer = found
            self._tell(asked, encode(asked.wait.nil if asked.wait else None, client.protocol), timer)

    def _tell(self, asked: Asked, said: bytes, timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
        asked.connection.told(said)

    def _unpark(self, client: Client) -> tuple[Asked, float | None, asyncio.TimerHandle | None] | None:
        found = self._parked.pop(client, None)
        self._listen()
        return found

    def _listen(self) -> None:
        """Changes are heard while somebody waits, or is being asked."""
        wanted = bool(self._parked or self._asked)
        if wanted != self._listens:
            self._listens = wanted
            (door.listen if wanted else door.unlisten)(self._place.store, self._changed)

    def _changed(self) -> None:
        """The store has changed. From any thread, with the lock."""
        self._changes += 1
        self._wake()

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._ask_again)

    def _ask_again(self) -> None:
        self._woken = False
        for client in list(self._parked):
            found = self._parked.pop(client, None)
            if found is None:
                continue
            asked, date, timer = found
            asked.wait = None
            self._asked[client] = date, timer, self._changes
            self._place.ask(asked)
