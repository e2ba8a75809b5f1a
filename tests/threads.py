"""Who writes at one time, in a known order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

import crdtkv
from crdtkv.store import door
from crdtkv.store.plain import Put

__all__ = ["at_once", "puts_at_once"]


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


def puts_at_once(kv: crdtkv.Store, puts: Iterable[tuple[str, Any, str | None]], small: bool = True) -> list[Any]:
    """The receipt of each put (key, value, strategy), or what it raised, all asked for in one turn of an event loop, as
    a server does."""

    async def main() -> list[Any]:
        told: list[asyncio.Future[Any]] = []
        for key, value, spec in puts:
            told.append(asyncio.get_running_loop().create_future())
            then = lambda made, error, future=told[-1]: future.set_result(made if error is None else error)  # noqa: E731
            door.ask_then(kv, Put(key, value, spec, lambda there, receipt: receipt, small), then)
        return await asyncio.gather(*told)

    return asyncio.run(main())
