"""One lock for a store, which belongs to the process that opened it.

A forked child shares the file and mints the same dots; and the lock may have been held,
in the parent, by a thread that the child does not have. So the process is looked at first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from crdtkv.errors import StoreLocked

__all__ = ["ProcessLock"]

_process = os.getpid


class ProcessLock:
    """A reentrant lock; taking it raises StoreLocked in any process but the one that made it.

    >>> lock = ProcessLock("the store of 'lhr'")
    >>> with lock, lock: print("held")
    held
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.inner = threading.RLock()
        self._acquire, self._release = self.inner.acquire, self.inner.release
        self._is_owned: Callable[[], bool] = self.inner._is_owned  # type: ignore[attr-defined]  # as a Condition asks
        self.process = os.getpid()

    @property
    def ours(self) -> bool:
        """Whether this is the process that made it."""
        return os.getpid() == self.process

    def is_mine(self) -> bool:
        """Whether this thread holds it. Raises StoreLocked as taking it does."""
        if _process() != self.process:
            self._check()
        return self._is_owned()

    def _check(self) -> None:
        if not self.ours:
            raise StoreLocked(
                f"{self.what} is open in process {self.process}, and this is {os.getpid()}, forked from it; "
                "open a store of its own here, after the fork"
            )

    def __enter__(self) -> None:
        if _process() != self.process:
            self._check()
        self._acquire()

    def __exit__(self, *exc: object) -> None:
        self._release()
