"""One lock for a store, which belongs to the process that opened it.

A forked child shares the file and mints the same dots; and the lock may have been held,
in the parent, by a thread that the child does not have. So the process is looked at first: by
how often it was forked, which is known without asking the system (a call of it costs as much as a read does).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from crdtkv.errors import StoreLocked

__all__ = ["ProcessLock"]

_forks = 0
"""From the process that imported this to this one."""


def _forked() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_forked)


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
        self.process, self._forks = os.getpid(), _forks

    @property
    def ours(self) -> bool:
        """Whether this is the process that made it."""
        return self._forks == _forks

    def is_mine(self) -> bool:
        """Whether this thread holds it. Raises StoreLocked as taking it does."""
        if self._forks != _forks:
            self._check()
        return self._is_owned()

    def _check(self) -> None:
        if not self.ours:
            raise StoreLocked(
                f"{self.what} is open in process {self.process}, and this is {os.getpid()}, forked from it; "
                "open a store of its own here, after the fork"
            )

    def __enter__(self) -> None:
        if self._forks != _forks:
            self._check()
        self._acquire()

    def __exit__(self, *exc: object) -> None:
        self._release()
