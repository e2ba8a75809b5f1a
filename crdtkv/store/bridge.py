"""From an event loop to the thread that commits, and back: all of a turn of the loop at once, each way.

(A future of `concurrent.futures` for each write, and a wake-up of the loop, cost more than the write.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

from crdtkv.replica.draft import Draft
from crdtkv.store.group import Asked

__all__ = ["Bridge"]

_T = TypeVar("_T")


class Bridge:
    """Of one event loop; `post` takes what is asked for: `await bridge.ask(act)` is what `act` gave, committed."""

    def __init__(self, post: Callable[[Sequence[Asked[Any]]], None]) -> None:
        self._post = post
        self._loop, self._ident = asyncio.get_running_loop(), get_ident()
        self._asked: list[_Awaited[Any]] = []
        self._done: deque[_Awaited[Any]] = deque()
        self._woken = False

    def here(self) -> bool:
        """Whether its event loop is the one that runs."""
        # (`get_running_loop` asks the system which process this is, each time; one thread runs one loop at a time.)
        return get_ident() == self._ident and self._loop.is_running()

    def ask(self, act: Callable[[Draft], _T]) -> asyncio.Future[_T]:
        """What `act` will have given. Who stops waiting does not stop what is done."""
        waiter: asyncio.Future[_T] = self._loop.create_future()
        self.ask_then(act, partial(_settle, waiter))
        return waiter

    def ask_then(
        self, act: Callable[[Draft], Any], told: Callable[[Any, BaseException | None], None], key: str = ""
    ) -> None:  # fmt: skip
        """`told(what act gave, None)` is called in the loop once that is committed, else `told(None, error)`.

        `key`: as `Asked` has it.
        """
        asked = self._asked
        if not asked:
            self._loop.call_soon(self._post_all)
        asked.append(_Awaited(act, told, self, key))

    def _post_all(self) -> None:
        """All that was asked for in this turn of the loop: a commit that began with the first would sync for it
        alone."""
        asked, self._asked = self._asked, []
        self._post(asked)

    def arrived(self, turn: _Awaited[Any]) -> None:
        """It is done. From any thread."""
        self._done.append(turn)
        # Who finds it woken leaves it at that: `_deliver` says that it sleeps before it looks.
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed: nobody waits
                self._done.clear()

    def _deliver(self) -> None:
        self._woken = False
        done = self._done
        while done:
            turn = done.popleft()
            # (The frames that an error came through know the turn: a cycle.)
            told, error, turn.told, turn.error = turn.told, turn.error, _nobody, None
            try:
                told(turn.value, error)
            except Exception as failed:  # a bug of who is told: the others are told all the same
                self._loop.call_exception_handler({"message": "of a commit was told in vain", "exception": failed})


def _nobody(value: Any, error: BaseException | None) -> None:
    """Is told nothing any more."""


def _settle(waiter: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if waiter.done():
        return
    if error is not None:
        waiter.set_exception(error)
    else:
        waiter.set_result(value)


class _Awaited(Asked[_T]):
    """What a coroutine awaits, or a callback is told."""

    __slots__ = ("_bridge", "told")

    def __init__(
        self, act: Callable[[Draft], _T], told: Callable[[Any, BaseException | None], None], bridge: Bridge,
        key: str = "",
    ) -> None:  # fmt: skip
        super().__init__(act, key)
        self.told = told
        self._bridge: Bridge | None = bridge

    def wake(self) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            bridge.arrived(self)
