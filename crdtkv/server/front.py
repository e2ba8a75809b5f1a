"""The door itself: paths of keys are answered here, before any router; all others by the application behind.

A router, validation by models and a response class take three times what all of a read
takes. The same handlers are behind both: `answer` is what the router calls, too.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.http.names import RESERVED, key_of
from crdtkv.http.refusals import MethodUnknown
from crdtkv.server import past, values, writes
from crdtkv.server.asking import Ask, Receive, Reply, Scope, Send, check_headers, problem, read_body
from crdtkv.server.serving import Serving

__all__ = ["Front", "answer", "failed", "is_key_path"]

_log = logging.getLogger("crdtkv")
_Handler = Callable[[Serving, Ask], Awaitable[Reply]]

_VIEWS: dict[bytes, dict[str, _Handler]] = {
    b"operations": {"POST": writes.operate},
    b"history": {"GET": past.history},
    b"diff": {"GET": past.diff},
    b"blame": {"GET": past.blame},
    b"revert": {"POST": past.revert},
}
assert set(_VIEWS) == {word.encode() for word in RESERVED}
_ASKS: dict[str, Callable[[Ask], values.Act]] = {
    "PUT": values.ask_put, "PATCH": values.ask_patch, "DELETE": values.ask_delete,
}  # fmt: skip


class Front:
    """An ASGI application: key paths, and `app` behind it for all others."""

    def __init__(self, serving: Serving, app: Any) -> None:
        self._serving = serving
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head, keys, tail = scope["raw_path"].partition(b"/keys/")
        if not keys or head[:4] != b"/v1/" or b"/" in head[4:]:
            await self._app(scope, receive, send)
            return
        try:
            reply = await answer(self._serving, scope, receive, head[4:], tail)
        except Exception as error:
            reply = failed(error)
        body = reply.body
        headers = reply.headers
        if reply.status != 304 and reply.status != 204:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})


def is_key_path(raw: bytes) -> bool:
    """Whether that path is one of those that `answer` takes."""
    head, keys, _ = raw.partition(b"/keys/")
    return bool(keys) and head[:4] == b"/v1/" and b"/" not in head[4:]


async def answer(serving: Serving, scope: Scope, receive: Receive, namespace: bytes, tail: bytes) -> Reply:
    """The reply to a request for `/v1/{namespace}/keys/{tail}`. Raises what a store raises, and BadRequest."""
    check_headers(scope, serving.limits.headers)
    method = scope["method"]
    handlers = None
    if b"/" in tail:
        before, _, last = tail.rpartition(b"/")
        handlers = _VIEWS.get(last) if before else None
        if handlers is not None:
            tail = before
    ask = Ask(scope, key_of(namespace), key_of(tail), serving.limits)
    store = serving.node.store(ask.namespace)
    if handlers is None:
        if method == "GET" or method == "HEAD":
            if not scope["query_string"]:
                try:
                    return values.read(ask, serving.glance(store, ask.key))
                except BlockingIOError:
                    return values.read(ask, await serving.slow(store.get, ask.key))
            at = ask.known("at", "entry").get("at")
            return values.read(ask, await serving.slow(lambda: store.get(ask.key, at=at)))
        asked = _ASKS.get(method)
        if asked is None:
            raise _wrong_method(method, "GET, HEAD, PUT, PATCH, DELETE")
        ask.body = await read_body(scope, receive, serving.limits.body)
        there, receipt = await serving.write(store, asked(ask))
        if ask.returns_value():
            return await serving.slow(values.receipt_reply, ask, there, receipt)
        return values.receipt_reply(ask, there, receipt)
    handler = handlers.get(method) or handlers.get("GET" if method == "HEAD" else method)
    if handler is None:
        raise _wrong_method(method, ", ".join(handlers))
    ask.body = await read_body(scope, receive, serving.limits.body)
    return await handler(serving, ask)


def failed(error: Exception) -> Reply:
    """The reply to what went wrong. What is no error of the tree is a bug: it is logged, and said to be one."""
    if isinstance(error, CrdtkvError):
        reply = problem(error)
        if isinstance(error, MethodUnknown):
            reply.headers.append((b"allow", error.allow.encode()))
        return reply
    _log.error("a request failed", exc_info=error)
    return problem(CrdtkvError(
        f"a bug in the server: {type(error).__name__}", happened="unknown", next_step="read the key again, and report it"
    ))  # fmt: skip


def _wrong_method(method: str, allow: str) -> BadRequest:
    return MethodUnknown(f"method {method!r:.20} is none of {allow}", allow=allow)
