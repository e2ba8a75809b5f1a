"""The door itself: paths of keys are answered here, before any router; all others by the application behind.

A router, validation by models and a response class take three times what all of a read
takes. `answer_whole` is what the router calls for them, too. Other doors that share the address are asked
in the same way (`Door`), each for paths of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Protocol

from crdtkv.core.keys import check_key
from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.http.names import RESERVED, key_of
from crdtkv.http.refusals import ContentTypeUnknown, MethodUnknown
from crdtkv.server import past, plain, values, writes
from crdtkv.server.asking import CONNECTION, Ask, Receive, Reply, Scope, Send, check_headers, problem, read_body
from crdtkv.server.doors import admit, as_seen, caught_up, heard_header, session_header, session_of
from crdtkv.server.once import once_of
from crdtkv.server.serving import Serving
from crdtkv.store.store import Store
from crdtkv.transport.wire import PATH

__all__ = ["GOSSIP", "Door", "Front", "MakeDoor", "answer_whole", "failed", "sized"]

GOSSIP = PATH.encode()
_log = logging.getLogger("crdtkv")
_Handler = Callable[[Serving, Store, Ask], Awaitable[Reply]]

_VIEWS: dict[bytes, dict[str, _Handler]] = {
    b"operations": {"POST": writes.operate},
    b"history": {"GET": past.history},
    b"diff": {"GET": past.diff},
    b"blame": {"GET": past.blame},
    b"part": {"POST": past.part},
    b"revert": {"POST": past.revert},
}
assert set(_VIEWS) == {word.encode() for word in RESERVED}


class Door(Protocol):
    """What answers requests for paths of its own, without a router."""

    def takes(self, path: bytes) -> bool:
        """Whether a raw path is one of them. O(path)."""

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        """The reply, errors too, without its content-length. It counts it."""

    def begin(self, scope: Scope, body: bytes, done: plain.Done) -> bool:
        """Whether it needs no task, for nothing but a commit is waited for: then `done(reply)` is called once, as
        `answer` would reply, in the event loop. It is not, where this is False: nothing was done then.
        """


MakeDoor = Callable[[Serving], Door]


class Front:
    """An ASGI application: key paths, what `doors` take, and `app` behind it for all others."""

    def __init__(self, serving: Serving, app: Any, doors: Iterable[MakeDoor] = ()) -> None:
        self.serving = serving
        self._app = app
        self.letters = _Letters()
        self._doors: tuple[Door, ...] = (_Keys(serving), *(make(serving) for make in doors), self.letters)

    def stop(self) -> None:
        """Nothing new is begun, and what waits ends. Idempotent."""
        self.serving.stop()

    def door(self, path: bytes) -> Door | None:
        """What answers requests for a raw path without a router; None: nothing does."""
        for door in self._doors:
            if door.takes(path):
                return door
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "GET":
            told = None if scope["query_string"] else self.serving.warm.again(scope["raw_path"], scope["headers"])
            if told is not None:
                if told.noted is not None:
                    told.noted(scope["headers"], scope.get(CONNECTION))
                self.serving.count("GET", 200)
                await send({"type": "http.response.start", "status": 200, "headers": told.headers})
                await send({"type": "http.response.body", "body": told.body})
                return
        door = self.door(scope["raw_path"])
        if door is None:
            await self._app(scope, receive, send)
            return
        reply = sized(await door.answer(scope, receive))
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body if scope["method"] != "HEAD" else b""})


def sized(reply: Reply) -> Reply:
    """The reply with its content-length: all that is sent, but that HEAD has no body."""
    if reply.status != 304 and reply.status != 204:
        reply.headers.append((b"content-length", b"%d" % len(reply.body)))
    return reply


class _Keys:
    """Key paths."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def takes(self, path: bytes) -> bool:
        if path[:4] != b"/v1/":
            return False
        head, keys, _ = path.partition(b"/keys/")
        return bool(keys) and head.find(b"/", 4) < 0

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        return await answer_whole(self._serving, scope, receive)

    def begin(self, scope: Scope, body: bytes, done: plain.Done) -> bool:
        serving = self._serving
        if scope["method"] not in _WRITES or len(body) > serving.limits.body or not plain.is_plain(scope):
            return False

        def wish() -> plain.Wish:
            ask, handler, store = _asked(serving, scope)
            ask.body = body
            return store, handler.asked(ask), partial(values.receipt_reply, ask)

        plain.begin(serving, scope["method"], wish, failed, done)
        return True


class _Letters:
    """Those of other colos. (Nobody asks for them by hand: they are not counted among requests.)"""

    def __init__(self) -> None:
        self.door: Any = None
        """Between colos (`transport.door`); None: there are no others."""

    def takes(self, path: bytes) -> bool:
        return path == GOSSIP and self.door is not None

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        return Reply(*await self.door.answer(scope, receive))

    def begin(self, scope: Scope, body: bytes, done: plain.Done) -> bool:
        begun: bool = self.door.begin(scope, body, lambda answer: done(Reply(*answer)))
        return begun


async def answer_whole(serving: Serving, scope: Scope, receive: Receive) -> Reply:
    """The reply to a request for a key path, errors too."""
    try:
        reply = await _answer(serving, scope, receive)
    except Exception as error:
        reply = failed(error)
    serving.count(scope["method"], reply.status)
    return reply


def _asked(serving: Serving, scope: Scope) -> tuple[Ask, Any, Store]:
    """What is asked for on a key path, by whom it is answered, and of what; who asks may do it.

    Raises what a node raises, and BadRequest.
    """
    check_headers(scope, serving.limits.headers)
    head, _, tail = scope["raw_path"].partition(b"/keys/")
    method = scope["method"]
    handlers = None
    before, slash, last = tail.rpartition(b"/")
    if slash:
        handlers = _VIEWS.get(last) if before else None
        tail = tail if handlers is None else before
    ask = Ask(scope, key_of(head[4:]), key_of(tail), serving.limits)
    if handlers is not None:
        check_key(ask.key)
    handler = (_VALUE if handlers is None else handlers).get(method)
    if handler is None:
        raise _wrong_method(method, ", ".join(_VALUE if handlers is None else handlers))
    admit(serving, scope, "read" if _reads(method, handler) else "write", ask.namespace, ask.key)
    if serving.joining:
        serving.check_joined()
    return ask, handler, serving.node.store(ask.namespace)


def _reads(method: str, handler: _Handler) -> bool:
    return method in ("GET", "HEAD") or handler is past.part


async def _answer(serving: Serving, scope: Scope, receive: Receive) -> Reply:
    """Raises what a store raises, and BadRequest."""
    ask, handler, store = _asked(serving, scope)
    session = session_of(scope)
    if session is not None:
        ask.covered = await caught_up(serving, store, session)
    if ask.method not in ("GET", "HEAD"):
        ask.body = await read_body(scope, receive, serving.limits.body)
    reply: Reply = await as_seen(ask.covered, handler(serving, store, ask))
    header = session_header(store, session, reply)
    if header is not None:
        reply.headers.append(header)
    if b"freshness" in ask.headers.get(b"prefer", b"") and _reads(ask.method, handler):
        reply.headers.append(heard_header(store))
    if reply.known is not None:
        serving.warm.keep(scope, ask.namespace, store, ask.key, reply.known, reply)
    return reply


async def _read(serving: Serving, store: Store, ask: Ask) -> Reply:
    if ask.scope["query_string"]:
        at = ask.known("at", "entry").get("at")
        return values.read(ask, await serving.slow(lambda: store.get(ask.key, at=at)))
    try:
        entry, known = serving.glance(store, ask.key)
    except BlockingIOError:
        entry, known = await serving.read(store, ask.key)
    reply = values.read(ask, entry)
    return reply if known is None else reply._replace(known=known)


class _Write:
    """`asked(ask)` is done in a transaction, and answered with its receipt."""

    __slots__ = ("asked",)

    def __init__(self, asked: Callable[[Ask], values.Act]) -> None:
        self.asked = asked

    async def __call__(self, serving: Serving, store: Store, ask: Ask) -> Reply:
        return await values.replied(serving, ask, await serving.write(store, self.asked(ask), ask.covered))


_WRITES: dict[str, _Handler] = {
    "PUT": _Write(values.ask_put),
    "PATCH": _Write(lambda ask: once_of(ask, values.ask_patch(ask))),
    "DELETE": _Write(lambda ask: once_of(ask, values.ask_delete(ask))),
}
_VALUE: dict[str, _Handler] = {"GET": _read, "HEAD": _read, **_WRITES}


def failed(error: Exception) -> Reply:
    """The reply to what went wrong. What is no error of the tree is a bug: it is logged, and said to be one."""
    if isinstance(error, CrdtkvError):
        reply = problem(error)
        if isinstance(error, MethodUnknown):
            reply.headers.append((b"allow", error.allow.encode()))
        if isinstance(error, ContentTypeUnknown) and error.patch:
            reply.headers.append((b"accept-patch", error.patch.encode()))
        return reply
    _log.error("a request failed", exc_info=error)
    words, step = f"a bug in the server: {type(error).__name__}", "read the key again, and report it"
    return problem(CrdtkvError(words, happened="unknown", next_step=step))


def _wrong_method(method: str, allow: str) -> BadRequest:
    return MethodUnknown(f"method {method!r:.20} is none of {allow}", allow=allow)
