"""What waits for the machines that a letter has asked, as long as it is worth waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["ANSWER_S", "Settled"]

ANSWER_S = 1.0
"""What a machine answers later than that goes as a letter of its own."""


class Settled:
    """`then` is called once: when all of `futures` are done, or after `ANSWER_S`. In their event loop, at once if
    there is nothing to wait for.
    """

    __slots__ = ("_left", "_then", "_timer")

    def __init__(self, futures: Sequence[asyncio.Future[Any]], then: Callable[[], None]) -> None:
        waits = [future for future in futures if not future.done()]
        if not waits:
            then()
            return
        self._left, self._then = len(waits), then
        self._timer = asyncio.get_running_loop().call_later(ANSWER_S, self._end)
        for future in waits:
            future.add_done_callback(self._one)

    def _one(self, future: asyncio.Future[Any]) -> None:
        self._left -= 1
        if self._left == 0:
            self._timer.cancel()
            self._then()

    def _end(self) -> None:
        self._left = 0  # whoever is done from now on is too late
        self._then()
