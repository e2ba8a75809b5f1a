"""Writes of many threads that share one commit, and so one sync of the disk.

Law of this room: who finds nobody at work leads: it does what all have asked for
until then, each as a transaction of its own, commits once, and says to each what
became of it; who asks meanwhile waits, and the first of those leads next. What one
has asked for wrongly is undone alone; when the commit fails, all are told so.
(Flat combining: Hendler, Incze, Shavit, Tzafrir, 2010.)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from crdtkv.replica.draft import Draft

__all__ = ["MAX_GROUP", "Group", "Turn"]

MAX_GROUP = 256
"""How many share a commit at the most: nobody waits for more than that."""

_T = TypeVar("_T")


class Turn(Generic[_T]):
    """What one thread asks for, and what became of it."""

    __slots__ = ("_gate", "act", "done", "error", "leads", "value")

    def __init__(self, act: Callable[[Draft], _T]) -> None:
        self.act = act
        self.value: _T | None = None
        self.error: BaseException | None = None
        self.done = False
        self.leads = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self) -> None:
        """Until it is done, or leads."""
        self._gate.acquire()

    def wake(self) -> None:
        """Its thread goes on. Once."""
        self._gate.release()

    def result(self) -> _T:
        """What `act` gave. Raises what it raised, or why nothing was committed."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class Group:
    """`commit(take)` does what `take()` then gives, the longest waiting first, and leaves value or error in each.

    What it raises is for the one who led.
    """

    def __init__(self, commit: Callable[[Callable[[], list[Turn[Any]]]], None]) -> None:
        self._commit = commit
        self._mutex = threading.Lock()
        self._waiting: deque[Turn[Any]] = deque()
        self._led = False

    def run(self, act: Callable[[Draft], _T]) -> _T:
        """What `act` gives, committed. Raises what it raises, or what the commit does."""
        turn = Turn(act)
        try:
            self._ask(turn)
            if not turn.leads:
                turn.wait()
            if not turn.done:
                self._lead(turn)
        except BaseException:
            self._leave(turn)
            raise
        return turn.result()

    def _ask(self, turn: Turn[Any]) -> None:
        with self._mutex:
            self._waiting.append(turn)
            if not self._led:
                self._led = turn.leads = True

    def _lead(self, turn: Turn[Any]) -> None:
        taken: list[Turn[Any]] = []

        def take() -> list[Turn[Any]]:
            with self._mutex:
                while self._waiting and len(taken) < MAX_GROUP:
                    taken.append(self._waiting.popleft())
            return taken

        try:
            self._commit(take)
        finally:
            for each in taken:
                each.done = True
            self._leave(turn)  # first: the next group begins while those of this one wake
            for other in taken:
                if other is not turn:
                    other.wake()

    def _leave(self, turn: Turn[Any]) -> None:
        """It waits no more, and who leads hands that on. Idempotent."""
        with self._mutex:
            if not turn.done and turn in self._waiting:
                self._waiting.remove(turn)
            if turn.leads:
                turn.leads = False
                self._led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].leads = True
                    self._waiting[0].wake()
