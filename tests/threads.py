"""Threads that write at one time, in a known order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import crdtkv

__all__ = ["at_once"]


def at_once(kv: crdtkv.Store, *acts: Callable[[], Any]) -> list[Any]:
    """What each act gave or raised, all asked for, in this order, by threads that wait for a transaction to end.

    The first does its own then, and the others share a commit.
    """
    out: list[Any] = [None] * len(acts)

    def ask(i: int) -> None:
        try:
            out[i] = acts[i]()
        except BaseException as error:
            out[i] = error

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(acts))]
    with kv.transaction():
        for i, thread in enumerate(threads):
            thread.start()
            while not kv._writer.group._led or len(kv._writer.group._waiting) < i:
                thread.join(0.001)
    for thread in threads:
        thread.join()
    return out
