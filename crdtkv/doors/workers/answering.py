"""Calls of a KV binding, answered by a store: `doors.items` says what they mean, this what is said of it.

An error is a status and a reason phrase. Law: 404 is said of a key that is absent and of nothing else, for a Worker
takes it for `null`; a namespace that is not there is 400. A runtime asks for all of its Workers over connections that
are nobody's own: which version a put was made from is guessed among those that its token has read.
"""
from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from crdtkv.core.versions import parse_version
from crdtkv.doors.items import guessing, holding, limits
from crdtkv.doors.workers.asking import Bulk, Call, Delete, Get, List, Probe, Put, Whose, call_of, whose
from crdtkv.doors.workers.wire import Asked, Header, Reply
from crdtkv.errors import BadRequest, CrdtkvError, TooLarge
from crdtkv.http.refusals import MethodUnknown
from crdtkv.server.doors import admit
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.doors.items.holding import Item, Listed
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["Answering", "listed", "refusal", "told"]

_log = logging.getLogger("crdtkv")
_JSON: Header = (b"Content-Type", b"application/json")
_TEXT: Header = (b"Content-Type", b"text/plain; charset=utf-8")
_ABSENT = Reply(404, "Not Found")


class Answering:
    """What the port answers, over a node that is served.

    `bindings`: the namespaces of bindings that are called otherwise. `largest`: bytes of a value, and of all that one
    call gets.
    """

    def __init__(self, serving: Serving, bindings: Mapping[str, str], largest: int = limits.MAX_VALUE) -> None:
        self._serving = serving
        self._bindings = bindings
        self._largest = largest
        self._readers = guessing.Readers(partial(door.wall_ms, serving.node.system))

    async def answer(self, asked: Asked) -> Reply:
        """The reply to a request, errors too."""
        try:
            reply = await self._answer(asked)
        except CrdtkvError as error:
            reply = refusal(error)
        except Exception as error:
            _log.error("a request failed", exc_info=error)
            reply = refusal(CrdtkvError(f"a bug in the server: {type(error).__name__}", happened="unknown"))
        self._serving.count(asked.method, reply.status)
        return reply

    async def _answer(self, asked: Asked) -> Reply:
        call = call_of(asked)
        if isinstance(call, Probe):
            return Reply(426, headers=((b"Upgrade", b"HTTP/1.1"),))
        of = whose(asked, self._bindings)
        self._admit(call, of)
        if self._serving.joining:
            self._serving.check_joined()
        store = self._serving.node.store(of.namespace)
        match call:
            case Get(key):
                item = await self._serving.at_rest(store, lambda: holding.get(store, key))
                self._note(of, store, {key: item})
                return told(item)
            case Put():
                return await self._put(store, call, of)
            case Delete(key):
                await self._serving.write(store, lambda t: holding.delete(t, key))
                return Reply(200)
            case List():
                return await self._serving.slow(
                    lambda: listed(holding.listing(store, call.prefix, call.limit, call.cursor))
                )
            case Bulk():
                reply, items = await self._serving.slow(self._bulk, store, call)
                self._note(of, store, items)
                return reply

    def _note(self, of: Whose, store: Store, items: Mapping[str, Item | None]) -> None:
        """Whoever has that token is told of these."""
        for key, item in items.items():
            if item is not None and guessing.merges(item.entry):
                self._readers.note(of.token or "", None, store.namespace, key, parse_version(key, item.entry.version))

    def _admit(self, call: Call, of: Whose) -> None:
        """Raises Unauthorized, Forbidden."""
        scope: dict[str, Any] = {"headers": []}
        if of.token is not None:
            scope["headers"].append((b"authorization", b"Bearer " + of.token.encode("utf-8", "surrogatepass")))
        action = "write" if isinstance(call, Put | Delete) else "read"
        keys = call.keys if isinstance(call, Bulk) else [call.prefix if isinstance(call, List) else call.key]  # type: ignore[union-attr]
        for key in keys:
            admit(self._serving, scope, action, of.namespace, key)

    async def _put(self, store: Store, call: Put, of: Whose) -> Reply:
        expires = limits.expires_at(call.ttl, call.expiration, door.wall_ms(store) // 1000)
        metadata = None if call.metadata is None else limits.metadata_in(call.metadata)
        limits.check_size(call.length, self._largest)
        wish = holding.Put(call.key, call.body, call.kind, metadata, expires)
        writer = self._readers.writer(store, of.token or "", None)
        await self._serving.write(store, lambda t: holding.put(t, wish, writer))
        writer.done()
        return Reply(200)

    def _bulk(self, store: Store, call: Bulk) -> tuple[Reply, dict[str, Item | None]]:
        """In a thread, at one instant. Reads no more than it may send."""
        told: dict[str, str] = {}
        items: dict[str, Item | None] = {}
        size = 0
        with door.holding(store):
            for key in call.keys:
                items[key] = item = holding.get(store, key)
                text = "null" if item is None else _shown(item, call)
                size += 0 if item is None else len(text)
                if size > self._largest:
                    raise TooLarge(f"Total size of request exceeds the limit of {_mb(self._largest)}MB")
                told[key] = text
        body = ",".join([f"{json.dumps(key)}:{text}" for key, text in told.items()])
        return Reply(200, headers=(_JSON,), body=f"{{{body}}}".encode("utf-8", "surrogatepass")), items


def refusal(error: CrdtkvError) -> Reply:
    """An error of the tree."""
    status = 400 if error.status == 404 else error.status
    headers: tuple[Header, ...] = (_TEXT,)
    if isinstance(error, MethodUnknown):
        headers += ((b"Allow", error.allow.encode()),)
    if status in (429, 503):
        headers += ((b"Retry-After", b"1"),)
    return Reply(status, error.message, headers, f"{error.message}\n".encode("utf-8", "backslashreplace"))


def told(item: Item | None) -> Reply:
    """What a GET of a key is answered."""
    if item is None:
        return _ABSENT
    headers: list[Header] = [(b"Content-Type", item.kind.encode("utf-8", "backslashreplace"))]
    if item.expires is not None:
        headers.append((b"CF-Expiration", b"%d" % item.expires))
    if item.metadata is not None:
        headers.append((b"CF-KV-Metadata", _ascii(item.metadata).encode("ascii")))
    return Reply(200, headers=tuple(headers), body=item.body)


def listed(page: Listed) -> Reply:
    """What GET / is answered. Metadata is JSON in a string, which is how `workerd` wants it."""
    keys = []
    for each in page.keys:
        plain: dict[str, Any] = {"name": each.name}
        if each.expires is not None:
            plain["expiration"] = each.expires
        if each.metadata is not None:
            plain["metadata"] = _ascii(each.metadata)
        keys.append(plain)
    told: dict[str, Any] = {"keys": keys, "list_complete": page.cursor is None, "cacheStatus": None}
    if page.cursor is not None:
        told["cursor"] = page.cursor
    return Reply(200, headers=(_JSON,), body=_ascii(told).encode("ascii"))


def _shown(item: Item, call: Bulk) -> str:
    """A value as JSON text, alone or beside its metadata. Raises BadRequest."""
    text = item.body.decode("utf-8-sig", "replace")
    if call.json:
        try:
            json.loads(text, parse_constant=_no_json)
        except (ValueError, RecursionError):
            raise BadRequest("At least one of the requested keys corresponds to a non-json value") from None
    else:
        text = json.dumps(text, ensure_ascii=False)
    return f'{{"value":{text},"metadata":{_ascii(item.metadata)}}}' if call.metadata else text


def _no_json(name: str) -> None:
    raise ValueError(name)


def _ascii(plain: Any) -> str:
    return json.dumps(plain, separators=(",", ":"))


def _mb(size: int) -> str:
    return repr(size / (1 << 20)).removesuffix(".0")
