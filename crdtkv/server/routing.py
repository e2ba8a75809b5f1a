"""What stands between the router and a handler: the same questions, and the same replies, as on key paths."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from crdtkv.server.asking import Ask, Pump, Reply, check_headers, read_body
from crdtkv.server.doors import admit, as_seen, caught_up, session_header, session_of
from crdtkv.server.front import failed

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["OnCluster", "OnStore", "cluster", "respond", "serving_of", "through"]

OnStore = Callable[["Serving", "Store", Ask], Awaitable[Reply]]
OnCluster = Callable[["Serving", Ask], Awaitable[Reply]]


def serving_of(request: Request) -> Serving:
    """What the application serves."""
    found: Serving = request.app.state.serving
    return found


async def through(
    request: Request, action: str, namespace: str, key: str | None, call: OnStore, *, body: bool = True,
    reads: bool = False,
) -> Response:  # fmt: skip
    """The reply of `call(serving, store, ask)`, if whoever asks may do `action` on `key`, or keys of that prefix.

    `action`: "": the handler asks itself. `body`: it is read before; False: by the handler, as it comes. `reads`: it
    does nothing else, as where the action is "read".
    """
    serving = serving_of(request)
    store = session = None
    try:
        check_headers(request.scope, serving.limits.headers)
        if action:
            admit(serving, request.scope, action, namespace, key)
        if serving.joining:
            serving.check_joined()
        store, session = serving.node.store(namespace), session_of(request.scope)
        ask = Ask(request.scope, namespace, key or "", serving.limits)
        if body:
            ask.body = await read_body(request.scope, request.receive, serving.limits.body)
        ask.covered = await caught_up(serving, store, session)
        reads = reads or action == "read"
        reply = await as_seen(ask.covered if reads else None, call(serving, store, ask))
    except Exception as error:
        reply = failed(error)
    header = session_header(store, session, reply)
    if header is not None:
        reply.headers.append(header)
    serving.count(request.method, reply.status)
    return respond(reply)


async def cluster(request: Request, action: str, call: OnCluster, namespace: str | None = None) -> Response:
    """As `through`, of what is of no namespace's keys."""
    serving = serving_of(request)
    try:
        check_headers(request.scope, serving.limits.headers)
        if action:
            admit(serving, request.scope, action, namespace)
        ask = Ask(request.scope, namespace or "", "", serving.limits)
        ask.body = await read_body(request.scope, request.receive, serving.limits.body)
        reply = await call(serving, ask)
    except Exception as error:
        reply = failed(error)
    serving.count(request.method, reply.status)
    return respond(reply)


class _Stream(StreamingResponse):
    """Also where the client goes away in the middle, what it was told ends at once."""

    async def stream_response(self, send: Any) -> None:
        """As Starlette's."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


class _Pumped(Response):
    """What a pump sends, until it ends or the client goes away. Without what Starlette's streams do for each part."""

    def __init__(self, pump: Pump, status: int) -> None:
        super().__init__(status_code=status)
        self._pump = pump

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

        async def out(part: bytes) -> None:
            await send({"type": "http.response.body", "body": part, "more_body": True})

        pump = asyncio.ensure_future(self._pump(out))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, gone):
                task.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        if not pump.cancelled() and pump.exception() is not None:
            failed(pump.exception())  # type: ignore[arg-type]  # it is too late to answer: it is logged
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def respond(reply: Reply) -> Response:
    """As Starlette sends it."""
    if reply.pump is not None:
        pumped = _Pumped(reply.pump, reply.status)
        pumped.raw_headers = list(reply.headers)
        return pumped
    if reply.stream is not None:
        stream = _Stream(reply.stream, reply.status)
        stream.raw_headers = list(reply.headers)
        return stream
    response: Any = Response(status_code=reply.status)
    response.body = reply.body
    length = [] if reply.status in (204, 304) else [(b"content-length", b"%d" % len(reply.body))]
    response.raw_headers = [*reply.headers, *length]
    return response  # type: ignore[no-any-return]
