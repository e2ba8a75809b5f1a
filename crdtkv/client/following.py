"""Where a feed has got to, and what it has yet to tell: the part of a feed that waits for nothing itself."""

from __future__ import annotations

from collections import deque

from crdtkv.client.caring import Caring
from crdtkv.client.steps import Steps
from crdtkv.errors import ValueInvalid
from crdtkv.store.results import Change

__all__ = ["Following", "POLL"]

POLL = 20.0
"""Seconds that a colo is asked to wait for a change at once."""


class Following:
    """The changes of keys with `prefix`, in the order in which the colo tells them."""

    def __init__(self, calls: Caring, prefix: str, since: str | None, timeout: float | None) -> None:
        if not isinstance(prefix, str):
            raise ValueInvalid(f"prefix is {prefix!r:.80}; text is wanted")
        number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if timeout is not None and not (number and timeout >= 0):
            raise ValueInvalid(f"timeout is {timeout!r:.80}; a number of seconds of at least 0, or None, is allowed")
        self._calls, self._prefix = calls, prefix
        self._at = since
        self._waiting: deque[Change] = deque()
        self._told: str | None = since
        self.timeout = timeout

    @property
    def cursor(self) -> str:
        """Where it goes on that is to miss nothing, here or at another colo."""
        return self._told or ""

    def begin(self) -> Steps[None]:
        """From now on, or from the cursor on, nothing is missed."""
        yield from self.look(0.0)

    def look(self, seconds: float) -> Steps[None]:
        """Ask for more, and wait for it up to so many seconds."""
        changes, self._at = yield from self._calls.changes(self._prefix, self._at, min(seconds, POLL))
        self._waiting.extend(changes)
        if not self._waiting:
            self._told = self._at

    def next(self) -> Change | None:
        """The next change, if it is here already."""
        if not self._waiting:
            return None
        change = self._waiting.popleft()
        self._told = change.cursor if self._waiting else self._at
        return change
