"""Colos with the Redis door, in this process: nodes in memory, an event loop in a thread, redis-py's clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

redis = pytest.importorskip("redis", reason="redis-py is not installed: pip install crdtkv[dev]")
uvloop = pytest.importorskip("uvloop")

from crdtkv.doors.redis.port import RedisPort  # noqa: E402
from crdtkv.node.node import Node  # noqa: E402
from crdtkv.server.serving import Serving  # noqa: E402
from crdtkv.store.store import Store  # noqa: E402


class Colo:
    """One colo, served to Redis' clients at `port`."""

    def __init__(self, name: str, stack: ExitStack, unsound: str = "allow", tokens: tuple[str, ...] = ()) -> None:
        self.node = stack.enter_context(Node(None, colo=name, tokens=tokens))
        self._stack = stack
        self.serving = Serving(self.node)
        self._settings: Any = SimpleNamespace(redis="127.0.0.1:0", redis_unsound=unsound)
        ready = threading.Event()
        thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        thread.start()
        assert ready.wait(30)
        stack.callback(thread.join, 30)
        stack.callback(self._end)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop_policy(None)
        uvloop.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self.loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self.redis_port = port = RedisPort(self.serving, self._settings)
        await port.start()
        self.port = port._at.getsockname()[1]
        ready.set()
        await self._stopped.wait()
        port.stop()
        await port.ended()
        port.close()
        self.serving.close()

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self._stopped.set)

    @property
    def store(self) -> Store:
        """Of the namespace default."""
        return self.node.store("default")

    def client(self, **given: Any) -> Any:
        """A client of redis-py, closed with the test."""
        return self._stack.enter_context(redis.Redis(port=self.port, socket_timeout=90, **given))


MakeColo = Callable[..., Colo]


@pytest.fixture
def make_colo() -> Iterator[MakeColo]:
    """`make_colo("lhr", unsound=..., tokens=...)`."""
    with ExitStack() as stack:
        yield lambda name="lhr", **given: Colo(name, stack, **given)


@pytest.fixture
def colo(make_colo: MakeColo) -> Colo:
    """One colo."""
    return make_colo()


@pytest.fixture
def r(colo: Colo) -> Any:
    """A client of it."""
    return colo.client()


Sync = Callable[[], None]


def left(seconds: int, wanted: int) -> bool:
    """Whether that is what a date so many seconds ahead says: some may have gone by until it was asked for."""
    return wanted - 9 <= seconds <= wanted


@pytest.fixture
def two(make_colo: MakeColo) -> tuple[Any, Any, Sync]:
    """Clients of two colos of one namespace, and `sync`: each has all that the other has written."""
    lhr, sin = make_colo("lhr"), make_colo("sin")

    def sync() -> None:
        assert lhr.store.sync(sin.store).equal

    sync()
    return lhr.client(), sin.client(), sync
