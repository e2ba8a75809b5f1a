"""The client for an event loop: each call is awaited. What is asked and what it means stands elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from crdtkv.client.calls import Calls
from crdtkv.client.caring import Caring
from crdtkv.client.carrying import lost, reply_of, request_of
from crdtkv.client.following import POLL, Following
from crdtkv.client.steps import Ask, Lost, Pause, Steps
from crdtkv.client.talk import Talk
from crdtkv.client.transaction import Collected
from crdtkv.client.waited_handles import (
    AsyncCounter,
    AsyncFlag,
    AsyncJson,
    AsyncList,
    AsyncLog,
    AsyncRules,
    AsyncSet,
)
from crdtkv.errors import CrdtkvError, StoreClosed
from crdtkv.store.results import Change, Entry
from crdtkv.store.selection import Selection

__all__ = ["AsyncClient", "AsyncFeed", "AsyncTransaction"]

_T = TypeVar("_T")


class AsyncClient(Calls):
    """A namespace at a colo, with the methods of a Store, awaited. An async context manager that closes.

    What a Store reads as a mapping is read by `get` and `keys`. Made by `crdtkv.aconnect`.
    """

    def __init__(self, talk: Talk, http: httpx.AsyncClient, timeout: float) -> None:
        self._calls = Caring(talk, None)
        self._talk, self._http, self._timeout = talk, http, timeout
        self.rules = AsyncRules(self)

    async def _drive(self, steps: Steps[_T]) -> _T:
        """Run the steps of a call to their end."""
        steps = self._talk.understood(steps)
        try:
            wish = next(steps)
            while True:
                try:
                    reply = await self._do(wish)
                except Lost as error:
                    wish = steps.throw(error)
                else:
                    wish = steps.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def _do(self, wish: Ask | Pause) -> Any:
        if isinstance(wish, Pause):
            await asyncio.sleep(wish.seconds)
            return None
        if self._http.is_closed:
            raise StoreClosed(f"the client of {self._talk.url} is closed; connect again", next_step="connect again")
        try:
            return reply_of(await self._http.send(request_of(self._http, wish, self._timeout)))
        except httpx.HTTPError as error:
            raise lost(error) from error

    # keys; the rest is in Calls

    async def get(self, key: str, *, at: str | None = None) -> Entry | None:
        """How `key` reads now at that colo, or read at the version `at`; None if absent. One request.

        What it reads now is the base of your next put, delete or patch of it. Raises BaseTooOld.
        """
        return await self._drive(self._calls.get(key, at=at))

    async def count(self) -> int:
        """How many keys there are. One request."""
        return await self._drive(self._calls.count())

    async def keys(
        self, prefix: str = "", *, glob: str | None = None, regex: str | None = None, start: str | None = None,
        end: str | None = None, reverse: bool = False,
    ) -> AsyncIterator[str]:  # fmt: skip
        """The keys that `scan` would give, in order: `async for key in kv.keys()`. A request for each 1,000."""
        selection = Selection(prefix, glob, regex, start, end, reverse).checked()
        for key in await self._drive(self._calls.keys_of(selection)):
            yield key

    def counter(self, key: str) -> AsyncCounter:
        """The counter at `key`; made by its first add. Nothing is asked."""
        return AsyncCounter(self, key)

    def set(self, key: str) -> AsyncSet:
        """The set at `key`; made by its first add. Nothing is asked."""
        return AsyncSet(self, key)

    def list(self, key: str) -> AsyncList:
        """The list at `key`; made by its first element. Nothing is asked."""
        return AsyncList(self, key)

    def log(self, key: str) -> AsyncLog:
        """The log at `key`; made by its first entry. Nothing is asked."""
        return AsyncLog(self, key)

    def flag(self, key: str) -> AsyncFlag:
        """The flag at `key`; made by the first time it is set. Nothing is asked."""
        return AsyncFlag(self, key)

    def json(self, key: str) -> AsyncJson:
        """The JSON document at `key`, with handles for its paths. Nothing is asked."""
        return AsyncJson(self, key)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncTransaction]:
        """All that is written in the block is sent at its end, as one transaction; nothing if it raises.

        Writes are not awaited in it, reads are, and what was read must still be so at the end: else
        PreconditionFailed, and nothing is written. Receipts have versions once it is sent.
        """
        t = AsyncTransaction(self)
        try:
            yield t
        except BaseException:
            t.give_up()
            raise
        await self._drive(t.sending())

    async def watch(self, prefix: str = "", since: str | None = None, timeout: float | None = None) -> AsyncFeed:
        """The changes of keys with `prefix`, from now on, or from an earlier cursor on: `async for` waits for more."""
        following = Following(self._calls, prefix, since, timeout)
        await self._drive(following.begin())
        return AsyncFeed(self, following)

    async def close(self) -> None:
        """Let go of the connections. Idempotent; later calls raise StoreClosed."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()



class AsyncTransaction(Collected):
    """A transaction that is open in an event loop; valid inside its `async with` block. Only reads are awaited."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__(client._calls)
        self._client = client

    async def get(self, key: str, *, at: str | None = None) -> Entry | None:
        """As Store.get. What it reads now must still be so at the end of the transaction."""
        if at is not None:
            return await self._client.get(key, at=at)
        return await self._client._drive(self.getting(key))


class AsyncFeed:
    """The changes that come, in order; `async for` ends as a Feed does. `cursor` is where it has got to."""

    def __init__(self, client: AsyncClient, following: Following) -> None:
        self._client, self._following = client, following

    @property
    def cursor(self) -> str:
        """Where a feed goes on that is to miss nothing, here or at another colo."""
        return self._following.cursor

    def __aiter__(self) -> AsyncFeed:
        return self

    async def __anext__(self) -> Change:
        """The next change, waited for."""
        timeout = self._following.timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        asked = False
        if self._client._http.is_closed:
            raise StopAsyncIteration
        while (change := self._following.next()) is None:
            left = POLL if deadline is None else deadline - time.monotonic()
            if left <= 0 and asked:
                raise StopAsyncIteration
            try:
                await self._client._drive(self._following.look(max(left, 0.0)))
            except CrdtkvError:
                if self._client._http.is_closed:  # while it waited
                    raise StopAsyncIteration from None
                raise
            asked = True
        return change
