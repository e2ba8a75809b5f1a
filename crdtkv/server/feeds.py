"""The changes of a namespace: polled, or sent as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crdtkv.http import bodies
from crdtkv.http.names import NDJSON, SSE
from crdtkv.http.refusals import Stopping, TooManyRequests
from crdtkv.server.asking import Ask, Header, Reply, json_reply
from crdtkv.server.describing import replies
from crdtkv.server.hub import Form, Hub, follow
from crdtkv.server.routing import through
from crdtkv.store.results import Change
from crdtkv.store.watching import Position, begin, cursor_of, read_on

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["Following", "router"]

router = APIRouter(tags=["changes"])

_SSE = Form(
    lambda text, cursor: b"id: %s\ndata: %s\n\n" % (cursor, text), lambda cursor: b": still here\nid: %s\n\n" % cursor
)
_LINES = Form(lambda text, cursor: text + b"\n", lambda cursor: b"\n")
_NO_CACHE: Header = (b"cache-control", b"no-store")


class Following(BaseModel):
    """From where, of which keys, and how."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[str | None, Field(description="A cursor; none: from now on.")] = None
    prefix: Annotated[str, Field(description="Of keys that begin so.")] = ""
    feed: Annotated[
        Literal["longpoll", "sse", "ndjson"] | None, Field(description="Else as Accept says; longpoll.")
    ] = None
    timeout: Annotated[float, Field(ge=0, le=300, description="Of a long poll: seconds to wait for a change.")] = 30.0
    heartbeat: Annotated[float, Field(ge=0.1, le=300, description="Seconds after which a quiet feed says so.")] = 15.0
    limit: Annotated[int, Field(ge=1, le=10_000, description="Of a long poll: changes at most.")] = 1_000


@router.get(
    "/v1/{namespace}/changes", summary="What changes, from now on or since a cursor", operation_id="changes",
    **replies(200, "Changes", {"changes": [], "cursor": "k4CAAA"}, SSE, NDJSON),
)  # fmt: skip
async def _changes(request: Request, namespace: str, given: Annotated[Following, Query()]) -> Response:
    """Long polls, server-sent events (`Last-Event-ID` goes on), or lines of JSON. Values in between are squashed."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        if serving.stopping.is_set():
            raise Stopping("the server stops")
        if serving.subscriptions >= serving.limits.subscriptions:
            raise TooManyRequests(f"{serving.subscriptions:,} feeds are open; at most {serving.limits.subscriptions:,}")
        kind = given.feed or ("sse" if ask.wants(SSE) else "ndjson" if ask.wants(NDJSON) else "longpoll")
        since = (ask.header("last-event-id") or None if kind == "sse" else None) or given.since
        position = await serving.slow(begin, store, since)
        serving.subscriptions += 1
        hub = serving.hub(store)
        try:
            await hub.enter()
        except BaseException:
            serving.subscriptions -= 1
            raise
        if kind == "longpoll":
            return await _polled(serving, hub, position, given)
        form, media = (_SSE, SSE) if kind == "sse" else (_LINES, NDJSON)

        async def pump(out: Callable[[bytes], Awaitable[None]]) -> None:
            try:
                await follow(hub, given.prefix, position, form, given.heartbeat, out)
            finally:
                serving.subscriptions -= 1

        return Reply(200, [(b"content-type", media.encode()), _NO_CACHE, (b"x-accel-buffering", b"no")], pump=pump)

    return await through(request, "read", namespace, given.prefix, call)


async def _polled(serving: Serving, hub: Hub, position: Position, given: Following) -> Reply:
    try:
        changes, position = await _poll(serving, hub, position, given)
    finally:
        serving.subscriptions -= 1
        hub.leave()
    told = {"changes": [bodies.plain_change(each) for each in changes], "cursor": cursor_of(position)}
    return json_reply(told, 200, _NO_CACHE)


async def _poll(
    serving: Serving, hub: Hub, position: Position, given: Following
) -> tuple[list[Change], Position]:  # fmt: skip
    """Changes, as soon as there are any; none after the timeout."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + given.timeout
    while True:
        turn = hub.turn()  # first: what comes while we read is not waited for
        changes, position = await serving.slow(read_on, hub.store, given.prefix, position, given.limit)
        if changes or loop.time() >= deadline or serving.stopping.is_set():
            return changes, position
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except TimeoutError:
            pass
