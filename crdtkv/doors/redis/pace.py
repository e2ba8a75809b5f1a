"""When a turn begins: one at a time, with as many commands as are likely to come.

While the disk works for one turn, what is asked for gathers in the next. Begun at once when the disk is free it would
leave out those who have just been answered, and who ask again in a moment: half of all clients would wait for the
disk while the other half is served. So it waits for as many as were answered and are waiting, a quarter of the time
that the disk took at the most. Who is alone waits for nobody.
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
_COARSE_S = 0.002
"""Less is no matter for a timer of the loop: it goes round meanwhile."""


class Pace:
    """Of one store, in one event loop. `done` is told of each turn that has ended."""

    def __init__(self, store: Store, done: Callable[[Turn], None]) -> None:
        self._store = store
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._turn: Turn | None = None
        """What gathers."""
        self._flying = 0
        self._holding = False
        self._began = self._took = 0.0
        self._wanted = 1
        """How many are likely to ask."""
        self._deadline = 0.0

    def ask(self, asked: Asked) -> None:
        """It is done soon. O(1)."""
        turn = self._turn
        if turn is None:
            turn = self._turn = Turn(self._store, self._ended)
        turn.add(asked)
        if turn.size >= MOST:
            self._post()
        elif not self._flying and not self._holding:
            self._hold(self._loop.call_soon)

    def _hold(self, next_: Callable[[Callable[[], None]], object]) -> None:
        """From now on it waits for others."""
        self._holding = True
        self._deadline = self._loop.time() + min(_LONGEST_S, self._took * _PART)
        next_(self._look)

    def _look(self) -> None:
        turn = self._turn
        if turn is None or self._flying:
            self._holding = False
            return
        left = self._deadline - self._loop.time()
        if len(turn.asked) >= self._wanted or left <= 0:
            self._holding = False
            self._post()
        elif left > _COARSE_S:
            self._loop.call_later(0.001, self._look)
        else:
            self._loop.call_soon(self._look)

    def _post(self) -> None:
        turn, self._turn = self._turn, None
        assert turn is not None, "something was asked for"
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
        if waiting and not self._flying and not self._holding:
            self._hold(self._loop.call_soon)
        self._done(turn)
