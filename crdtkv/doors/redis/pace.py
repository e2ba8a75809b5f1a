"""When a turn begins: one at a time, with as many commands as are likely to come.

While the disk works for one turn, what is asked for gathers in the next. Begun at once when the disk is free it would
leave out those who have just been answered, and who ask again in a moment: half of all clients would wait for the
disk while the other half is served. So it waits for as many as were answered and are waiting: a millisecond, or a
quarter of the time that the disk took. Meanwhile the loop sleeps, and each who comes wakes it. Where they do not come,
as clients that have other things to do between two commands, it soon asks in vain only now and then. Who is alone
waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from crdtkv.doors.redis.replies import encode
from crdtkv.doors.redis.turn import MOST, Asked, Turn, failed
from crdtkv.errors import CrdtkvError
from crdtkv.store.store import Store

__all__ = ["Pace"]

_PART = 0.25
_LONGEST_S = 0.005
_SHORTEST_S = 0.001
"""No timer of the loop is shorter."""
_RESTS = 64
"""Turns, at the most, that wait for nobody after some have waited in vain."""


class Pace:
    """Of one store, in one event loop. `done` is told of each turn that has ended."""

    def __init__(self, store: Store, done: Callable[[Turn], None]) -> None:
        self._store = store
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._turn: Turn | None = None
        """What gathers."""
        self._flying = 0
        self._looks = False
        """It is looked at once this turn of the loop is over."""
        self._timer: asyncio.TimerHandle | None = None
        """It waits for others, until then."""
        self._had = 0
        """How many had asked as it began to wait."""
        self._began = self._took = 0.0
        self._wanted = 1
        """How many are likely to ask."""
        self._vain = 0
        """Turns in a row that most of those who were waited for did not come to."""
        self._rests = 0
        """Turns that wait for nobody."""

    def ask(self, asked: Asked) -> None:
        """It is done soon. O(1)."""
        turn = self._turn
        if turn is None:
            turn = self._turn = Turn(self._store, self._ended)
        turn.add(asked)
        if turn.size >= MOST:
            self._post()
        elif not self._flying and not self._looks:
            self._look_soon()

    def _look_soon(self) -> None:
        self._looks = True
        self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._looks = False
        turn = self._turn
        if turn is None or self._flying:
            return
        if len(turn.asked) >= self._wanted:
            self._vain = self._rests = 0
            self._post()
        elif self._rests:
            self._rests -= 1
            self._post()
        elif self._timer is None:
            self._had = len(turn.asked)
            seconds = max(_SHORTEST_S, min(_LONGEST_S, self._took * _PART))
            self._timer = self._loop.call_later(seconds, self._late)

    def _late(self) -> None:
        """Not all have come who were waited for."""
        self._timer = None
        turn = self._turn
        if turn is None or self._flying:
            return
        came, missed = len(turn.asked) - self._had, self._wanted - len(turn.asked)
        self._vain = self._vain + 1 if came < missed else 0
        self._rests = min(_RESTS, (1 << self._vain) - 1)
        self._post()

    def _post(self) -> None:
        turn, self._turn = self._turn, None
        assert turn is not None, "something was asked for"
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flying += 1
        self._began = self._loop.time()
        try:
            turn.post()
        except CrdtkvError as error:  # the store is closed
            for asked in turn.asked:
                asked.said = encode(failed(error), 2) * len(asked.commands)
            self._loop.call_soon(self._ended, turn)

    def _ended(self, turn: Turn) -> None:
        self._flying -= 1
        self._took = self._loop.time() - self._began
        waiting = 0 if self._turn is None else len(self._turn.asked)
        self._wanted = len(turn.asked) + waiting
        if waiting and not self._flying and not self._looks:
            self._look_soon()
        self._done(turn)
