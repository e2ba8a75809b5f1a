"""Keeps the tables of a store's file near to what was committed last, for other programs that read it.

Law of this room: it takes the store's lock for one small step at a time, and no more than a
tenth of the time; what it cannot do now is done by the next checkpoint, or at the close.
"""

from __future__ import annotations

import threading
import time
import weakref
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["FRESH_S", "follow"]

FRESH_S: float | None = 0.5
"""So long after a commit the tables begin to follow; None: they do not, but for checkpoints."""

_PAUSE_S = 0.02
_LOOK_S = 60.0


def follow(storage: Any, lock: AbstractContextManager[Any]) -> None:
    """From now on, in a thread of its own, until the storage is closed or gone."""
    if FRESH_S is not None:
        arguments = (weakref.ref(storage), storage.stale, lock, FRESH_S)
        threading.Thread(target=_run, args=arguments, daemon=True, name="crdtkv-tables").start()


def _run(storage: Any, stale: threading.Event, lock: AbstractContextManager[Any], wait_s: float) -> None:
    while storage() is not None:
        if stale.wait(_LOOK_S):
            time.sleep(wait_s)
            more = True
            while more:
                took, more = _step(storage(), stale, lock)
                if took < 0:
                    return
                time.sleep(max(_PAUSE_S, 9 * took))


def _step(storage: Any, stale: threading.Event, lock: AbstractContextManager[Any]) -> tuple[float, bool]:
    """How long a step took, less than 0 where it is closed; and whether there is more to do."""
    with lock:
        stale.clear()
        if storage is None or storage.closed:
            return -1.0, False
        began = time.perf_counter()
        try:
            more = storage.freshen()
        except Exception:  # whoever writes next, or closes it, meets it and is told
            more = False
        return time.perf_counter() - began, more
