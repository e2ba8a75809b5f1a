"""Many keys of a namespace: pages of them, and bulk writes, reads and deletes, each of them one transaction."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from crdtkv.doors.cloudflare.asked import Asked
from crdtkv.doors.cloudflare.envelope import wrapped
from crdtkv.doors.cloudflare.values import told_of
from crdtkv.doors.items import holding, limits
from crdtkv.errors import BadRequest, TooLarge
from crdtkv.server.asking import Reply
from crdtkv.server.listing import seen_in
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.store.store import Store

__all__ = ["ask_bulk_delete", "ask_bulk_get", "ask_bulk_put", "ask_keys"]

_TYPES = ("text", "json")


async def ask_keys(asked: Asked) -> Reply:
    """A page of names, with their dates and metadata."""
    query = asked.ask.query
    prefix = limits.check_prefix(query.get("prefix", ""))
    limit, cursor = limits.list_limit(query.get("limit") or None), query.get("cursor") or None
    asked.admit("read", prefix)
    return await asked.serving.slow(_page, asked.store, prefix, limit, cursor)


def _page(store: Store, prefix: str, limit: int, cursor: str | None) -> Reply:
    page = holding.listing(store, prefix, limit, cursor)
    keys = []
    for name, expires, metadata in page.keys:
        told: dict[str, Any] = {"name": name}
        if expires is not None:
            told["expiration"] = expires
        if metadata is not None:
            told["metadata"] = metadata
        keys.append(told)
    return wrapped(keys, {"count": len(keys), "cursor": page.cursor or ""}, seen=seen_in(page.entries))


# writing


async def ask_bulk_put(asked: Asked) -> Reply:
    """All of them, or, where one is refused, none."""
    pairs, now = await asked.listed(), door.wall_ms(asked.store) // 1000
    _check_number(len(pairs), asked.serving.limits.writes)
    wishes = await asked.serving.slow(lambda: [_wish(pair, now) for pair in pairs])
    asked.admit("write", *[wish.key for wish in wishes])
    writer = asked.writer()
    await asked.write(lambda t: [holding.put(t, wish, writer) for wish in wishes] and None)
    writer.done()
    return _done(len(wishes), *told_of(writer))


def _wish(pair: Any, now: int) -> holding.Put:
    if not isinstance(pair, dict):
        raise BadRequest(f"{pair!r:.80} is no pair; an object with 'key' and 'value' is wanted")
    key, value = pair.get("key"), pair.get("value")
    if not isinstance(key, str) or not isinstance(value, str):
        name, found = ("key", key) if not isinstance(key, str) else ("value", value)
        raise BadRequest(f"{name} is {found!r:.80} in {pair!r:.80}; text is wanted")
    limits.check_key(key)
    body = _decoded(key, value) if pair.get("base64") is True else value.encode()
    limits.check_size(len(body))
    metadata = pair.get("metadata")
    if metadata is not None:
        limits.check_metadata(metadata)
    ttl, date = (pair.get(name) or None for name in ("expiration_ttl", "expiration"))  # 0: as if it were not there
    return holding.Put(key, body, "", metadata, limits.expires_at(ttl, date, now))


def _decoded(key: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise BadRequest(f"the value of {key!r:.80} is {value!r:.80}, which is no base64") from None


async def ask_bulk_delete(asked: Asked) -> Reply:
    """All of them; what is not there is none the less."""
    keys = [limits.check_key(_text(key)) for key in await asked.listed()]
    _check_number(len(keys), asked.serving.limits.writes)
    asked.admit("write", *keys)
    writer = asked.writer()
    await asked.write(lambda t: [holding.delete(t, key) for key in keys] and None)
    for key in keys:
        writer.deleted(key)
    writer.done()
    return _done(len(keys))


def _done(number: int, *messages: str) -> Reply:
    return wrapped({"successful_key_count": number, "unsuccessful_keys": []}, None, *messages)


def _check_number(number: int, most: int) -> None:
    if number > most:
        raise TooLarge(f"You can write a maximum of {most} keys, and sent {number}")


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise BadRequest(f"key is {key!r:.80}; text is wanted")
    return key


# reading


async def ask_bulk_get(asked: Asked) -> Reply:
    """Values of up to a hundred keys, read at one instant, as text or as JSON."""
    found = await asked.members()
    keys, kind, whole = found.get("keys"), found.get("type") or "text", found.get("withMetadata") is True
    if kind not in _TYPES:
        raise BadRequest(f'"{kind!s:.80}" is not a valid type. Use "json" or "text"')
    if not isinstance(keys, list):
        raise BadRequest(f"keys is {keys!r:.80}; an array of names is wanted")
    if len(keys) > limits.MAX_BULK_GET:
        raise BadRequest(f"You can request a maximum of {limits.MAX_BULK_GET} keys")
    if not keys:
        raise BadRequest("You must request a minimum of 1 key")
    names = [limits.check_key(_text(key)) for key in keys]
    asked.admit("read", *names)
    items = await asked.serving.slow(holding.get_many, asked.store, names)
    for key, item in items.items():
        if item is None:
            asked.absent(key)
        else:
            asked.told(item.entry)
    return await asked.serving.slow(_values, items, names, kind, whole)


def _values(items: dict[str, holding.Item | None], names: list[str], kind: str, whole: bool) -> Reply:
    bodies = {key: item.body for key, item in items.items() if item is not None}
    if sum(map(len, bodies.values())) > limits.MAX_VALUE:
        raise TooLarge(f"Total size of request exceeds the limit of {limits.MAX_VALUE >> 20}MB")
    told: dict[str, Any] = dict.fromkeys(names)
    for key, item in items.items():
        if item is None:
            continue
        value = limits.value_in(bodies[key], kind)
        if whole:
            told[key] = {"value": value, "metadata": item.metadata}
            if item.expires is not None:
                told[key]["expiration"] = item.expires
        else:
            told[key] = value
    return wrapped({"values": told}, seen=seen_in([item.entry for item in items.values() if item is not None]))
