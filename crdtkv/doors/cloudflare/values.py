"""One key: its value, written and read as bytes, and its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crdtkv.core.versions import parse_version
from crdtkv.doors.cloudflare.asked import Asked
from crdtkv.doors.cloudflare.envelope import wrapped
from crdtkv.doors.cloudflare.forms import sent_in
from crdtkv.doors.items import guessing, holding, limits
from crdtkv.doors.items.bodies import body_of
from crdtkv.http.names import etag, version_of
from crdtkv.http.refusals import KeyAbsent
from crdtkv.server.asking import Ask, Header, Reply
from crdtkv.server.plain import Wish
from crdtkv.store import door
from crdtkv.store.plain import MAX_SHARED, Shared
from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Entry

if TYPE_CHECKING:
    from crdtkv.store.transaction import Transaction

__all__ = [
    "BASE", "LARGE", "ask_delete", "ask_get", "ask_metadata", "ask_put", "base_in", "told_of", "wish_delete",
    "wish_put",
]  # fmt: skip

BASE = "crdtkv-base"
"""The header of a version that a put was made from."""

LARGE = 65_536
"""Bytes of a body that is read in a thread."""
_BYTES: Header = (b"content-type", b"application/octet-stream")
"""Whatever it is: clients that are told more turn the body into something else."""


async def ask_get(asked: Asked) -> Reply:
    """The bytes alone, without an envelope."""
    serving, ask, store = asked.serving, asked.ask, asked.store
    try:
        entry, known = serving.glance(store, ask.key)
    except BlockingIOError:
        entry, known = await serving.read(store, ask.key)
    if entry is None:
        asked.absent(ask.key)
        raise KeyAbsent("get: 'key not found'")
    reply = _shown(entry)
    asked.told(entry)
    return reply if known is None else reply._replace(known=known)


def _shown(entry: Entry) -> Reply:
    headers = [_BYTES, (b"etag", etag(entry.version).encode())]
    if entry.expires is not None:
        headers.append((b"expiration", b"%d" % (entry.expires // 1000)))
    return Reply(200, headers, body_of(entry.value), seen=parse_version(entry.key, entry.version))


async def ask_put(asked: Asked) -> Reply:
    """A value, with metadata and a date."""
    wish, writer = _put_of(asked), asked.writer()
    if len(wish.body) > LARGE:
        wish = await asked.serving.slow(holding.prepared, asked.store, wish)
    return _told(writer, await asked.write(lambda t: holding.put(t, wish, writer)))


def wish_put(asked: Asked) -> Wish:
    """As `ask_put`, of a body that is not LARGE."""
    put = _Put(asked, _put_of(asked))
    return asked.store, Shared(asked.ask.key if len(asked.ask.body) <= MAX_SHARED else "", put.act), put.told


class _Put:
    """One that may be done more than once, until it stands: each time as if it were the first."""

    __slots__ = ("_asked", "_wish", "_writer")

    def __init__(self, asked: Asked, wish: holding.Put) -> None:
        self._asked, self._wish = asked, wish
        self._writer: guessing.Writer

    def act(self, t: Transaction) -> Receipt:
        """It is done in a transaction."""
        self._writer = self._asked.writer()
        return holding.put(t, self._wish, self._writer)

    def told(self, receipt: Receipt) -> Reply:
        """The reply, once it is durable."""
        return _told(self._writer, receipt)


def _put_of(asked: Asked) -> holding.Put:
    ask = asked.ask
    query = ask.query
    now = door.wall_ms(asked.store) // 1000
    expires = limits.expires_at(query.get("expiration_ttl"), query.get("expiration"), now)
    sent = sent_in(ask.body, ask.headers.get(b"content-type", b""))
    limits.check_size(len(sent.body))
    metadata = limits.metadata_in(sent.metadata) if isinstance(sent.metadata, str) else _whole(sent.metadata)
    return holding.Put(ask.key, sent.body, sent.kind, metadata, expires, base_in(ask))


def _told(writer: guessing.Writer, receipt: Receipt) -> Reply:
    writer.done()
    return wrapped({}, None, *told_of(writer), seen=door.seen(receipt))


def base_in(ask: Ask) -> str | None:
    """The version that the client names, by a header or in the query, as an ETag said it. Raises VersionInvalid."""
    found = ask.header(BASE) if BASE.encode() in ask.headers else ask.query.get("base")
    return None if found is None else version_of(found)


def told_of(writer: guessing.Writer) -> list[str]:
    """What is said of the bases that were guessed."""
    keys = ", ".join(writer.guessed[:10])
    return [f"base=guessed: {keys!s:.200}"] if keys else []


def _whole(metadata: Any) -> Any:
    return None if metadata is None else limits.check_metadata(metadata)


async def ask_delete(asked: Asked) -> Reply:
    """It is gone, if it was there."""
    _, act, reply_to = wish_delete(asked)
    return reply_to(await asked.write(act))


def wish_delete(asked: Asked) -> Wish:
    """As `ask_delete`."""
    key, writer = asked.ask.key, asked.writer()

    def told(receipt: Receipt) -> Reply:
        writer.deleted(key)
        return _told(writer, receipt)

    return asked.store, lambda t: holding.delete(t, key, base_in(asked.ask)), told


async def ask_metadata(asked: Asked) -> Reply:
    """The metadata alone."""
    found = await asked.serving.slow(holding.get, asked.store, asked.ask.key)
    if found is None:
        raise KeyAbsent("get: 'key not found'")
    return wrapped(found.metadata, seen=parse_version(asked.ask.key, found.entry.version))
