"""A colo that is served in this process, and clients of it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import httpx
import pytest

import crdtkv
from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from tests.store.conftest import Clock


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, act: Callable[[], Any]) -> Any:
        """`act()` there, waited for."""

        async def acted() -> Any:
            return act()

        return self.begin(acted()).result()

    def begin(self, coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Bridge(httpx.BaseTransport):
    """Requests of threads go to an ASGI application in a loop: no socket between."""

    def __init__(self, app: Any, loop: Loop) -> None:
        self._to, self._loop = httpx.ASGITransport(app), loop
        self._under_way: set[Future[Any]] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._loop.begin(self._answer(request))
        self._under_way.add(answer)
        try:
            return answer.result()  # type: ignore[no-any-return]
        except CancelledError:
            raise httpx.ReadError("closed meanwhile", request=request) from None
        finally:
            self._under_way.discard(answer)

    def close(self) -> None:
        for answer in list(self._under_way):
            answer.cancel()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        response = await self._to.handle_async_request(sent)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def node(clock: Clock) -> Iterator[Node]:
    """A colo in memory, whose namespace is `default`."""
    with Node(None, colo="lhr", clock=clock, random=random.Random("lhr"), purge_step_ms=1) as made:
        yield made


@pytest.fixture
def app(node: Node, loop: Loop) -> Iterator[Any]:
    made = create_app(node)
    yield made
    loop.call(made.stop)


@pytest.fixture
def connected(app: Any, loop: Loop) -> Iterator[Callable[..., crdtkv.Client]]:
    """`connected(**options)`: another client of that colo."""
    clients: list[crdtkv.Client] = []

    def connect(**options: Any) -> crdtkv.Client:
        clients.append(crdtkv.connect("http://lhr", transport=Bridge(app, loop), **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def kv(connected: Callable[..., crdtkv.Client]) -> crdtkv.Client:
    return connected()
