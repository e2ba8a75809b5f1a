"""The value of a key: GET, HEAD, PUT, PATCH, DELETE."""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring as _text
from typing import TYPE_CHECKING, Any, NamedTuple

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.keys import check_key
from crdtkv.core.versions import parse_version
from crdtkv.errors import BadRequest, PreconditionFailed, ValueInvalid
from crdtkv.http import bodies
from crdtkv.http.names import ENTRY, JSON, JSON_PATCH, MERGE_PATCH, VALUE, etag
from crdtkv.http.refusals import ContentTypeUnknown, KeyAbsent
from crdtkv.server.asking import Ask, Header, Reply
from crdtkv.server.conditions import condition_of, only_version, tags_of
from crdtkv.store import door
from crdtkv.store.plain import MAX_SHARED, Put
from crdtkv.store.receipt import Receipt

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.results import Entry
    from crdtkv.store.transaction import Transaction

__all__ = ["Act", "Wrote", "ask_delete", "ask_patch", "ask_put", "merged", "read", "receipt_reply", "replied", "said"]


class Wrote(NamedTuple):
    """What a write did. `there`: whether the key was there before; `merged`: had it been written beyond the base."""

    there: bool
    receipt: Receipt
    merged: bool | None = None


Act = Callable[["Transaction"], Wrote]
"""What is done in a transaction."""

_JSON: Header = (b"content-type", JSON.encode())
_KIND = VALUE.encode()
_PLAIN: Header = (_KIND, b"json")
_ENTRY: Header = (b"content-type", ENTRY.encode())
_TEXT: Header = (b"content-type", b"text/plain; charset=utf-8")
_MADE_AS = {"strategy"}
_FORMS = frozenset(("", JSON, "application/x-www-form-urlencoded"))


# reading


def read(ask: Ask, entry: Entry | None) -> Reply:
    """What a GET is answered, of the entry that it is about. Raises KeyAbsent, PreconditionFailed."""
    if entry is None:
        raise KeyAbsent(f"there is no {ask.key!r:.200}" + (" at that version" if "at" in ask.query else ""))
    version = entry.version
    tag = (b"etag", etag(version).encode())
    headers = ask.headers
    if b"if-match" in headers and not _met(version, ask.header("if-match") or ""):
        raise PreconditionFailed(f"{ask.key!r} is at version {version!r}, not that of If-Match", version=version)
    if b"if-none-match" in headers and _met(version, ask.header("if-none-match") or ""):
        return Reply(304, [tag], seen=parse_version(ask.key, version))
    return _shown(ask, entry, tag)._replace(seen=parse_version(ask.key, version))


def _shown(ask: Ask, entry: Entry, tag: Header) -> Reply:
    """In the form that is asked for."""
    accept = ask.headers.get(b"accept", b"*/*")
    if accept != b"*/*" or ask.scope["query_string"]:
        if ENTRY.encode() in accept or ask.flag("entry"):
            return Reply(200, [_ENTRY, tag], bodies.dump(bodies.plain_entry(entry)))
        if accept.startswith(b"text/plain") and isinstance(entry.value, str):
            return Reply(200, [_TEXT, tag, _PLAIN], entry.value.encode())
    return said(entry.value, tag)


def said(value: Any, *headers: Header) -> Reply:
    """The value alone."""
    if isinstance(value, Blob):
        return Reply(200, [(b"content-type", value.content_type.encode()), *headers, (_KIND, b"blob")], value.data)
    try:
        return Reply(200, [_JSON, *headers, _PLAIN], values.to_json(value).encode())
    except ValueInvalid:
        plain, _ = bodies.split_blobs(value)
        return Reply(200, [_JSON, *headers, (_KIND, b"json-with-blobs")], values.to_json(plain).encode())


def _met(version: str, text: str) -> bool:
    tags = tags_of(text)
    return tags == ["*"] or version in tags


# writing


def ask_put(ask: Ask) -> Act:
    """What a PUT asks for. Raises BadRequest for what is wrong with it."""
    key, value = ask.key, _value_in(ask)
    given: dict[str, Any] = {}
    query = ask.known("base", "strategy", "ttl") if ask.scope["query_string"] else {}
    for name in ("base", "strategy"):
        if name in query:
            given[name] = query[name]
    if "ttl" in query:
        given["ttl"] = ask.number("ttl")
    once = ask.once
    if once is not None:
        given["idempotency_key"] = once
        version = only_version(ask)
        if version is not ...:
            given["if_version"] = version
        condition = None
    else:
        condition = condition_of(ask)
        if condition is None and (not given or given.keys() == _MADE_AS):
            return Put(check_key(key), value, given.get("strategy"), Wrote, small=len(ask.body) <= MAX_SHARED)

    def act(t: Transaction) -> Wrote:
        if condition is not None:
            condition(t)
        others = merged(t, key, given["base"]) if "base" in given else None
        return Wrote(door.there(t, key), t.put(key, value, **given), others)

    return act


def _value_in(ask: Ask) -> Any:
    kind = ask.content_type
    if kind in _FORMS:
        return ask.value()
    if kind == "text/plain":
        try:
            return ask.body.decode()
        except UnicodeDecodeError as error:
            raise ValueInvalid(f"the text is not UTF-8 at byte {error.start}") from None
    if kind == ENTRY:
        found = ask.object()
        if "value" not in found or len(found) > 1:
            raise BadRequest(f"a body of {ENTRY} has 'value', and 'binary' if there are blobs; it has {sorted(found)}")
        return found["value"]
    return Blob(ask.body, (ask.header("content-type") or "").strip())


def ask_patch(ask: Ask) -> Act:
    """What a PATCH asks for. Raises BadRequest for what is wrong with it."""
    kind, key = ask.content_type, ask.key
    if kind not in (JSON_PATCH, MERGE_PATCH):
        words = f"content-type is {kind!r:.80}; {JSON_PATCH} or {MERGE_PATCH} is wanted"
        raise ContentTypeUnknown(words, patch=f"{JSON_PATCH}, {MERGE_PATCH}")
    changes = ask.value()
    if not isinstance(changes, list if kind == JSON_PATCH else dict):
        raise ValueInvalid(f"the body is {changes!r:.80}; {kind} is {'a list' if kind == JSON_PATCH else 'an object'}")
    base, condition = ask.known("base").get("base"), condition_of(ask)

    def act(t: Transaction) -> Wrote:
        if condition is not None:
            condition(t)
        others = merged(t, key, base)
        return Wrote(door.there(t, key), t.patch(key, changes, base=base), others)

    return act


def ask_delete(ask: Ask) -> Act:
    """What a DELETE asks for. Raises BadRequest for what is wrong with it."""
    key, base, condition = ask.key, ask.known("base").get("base"), condition_of(ask)

    def act(t: Transaction) -> Wrote:
        if condition is not None:
            condition(t)
        others = merged(t, key, base)
        return Wrote(True, t.delete(key, base=base), others)

    return act


def merged(t: Transaction, key: str, base: str | None) -> bool | None:
    """Whether the key was written beyond `base`, so that others' writes will stand in it; None without a base. O(1)."""
    return None if base is None else door.context(t, key) != parse_version(key, base)


async def replied(serving: Serving, ask: Ask, wrote: Wrote) -> Reply:
    """As `receipt_reply`; in a thread if it reads the store."""
    return await serving.slow(receipt_reply, ask, wrote) if ask.returns_value() else receipt_reply(ask, wrote)


def receipt_reply(ask: Ask, wrote: Wrote) -> Reply:
    """What a write is answered; with its value if the request prefers so, which reads the store."""
    receipt = wrote.receipt
    version = receipt.version
    headers = [_JSON, (b"etag", etag(version).encode())]
    value = ask.returns_value()
    if value:
        headers.append((b"preference-applied", b"return=representation"))
    if value or wrote.merged is not None:
        told = bodies.dump(bodies.plain_receipt(receipt, value=value, merged=wrote.merged))
    else:
        # As `dump` of `plain_receipt`, at a quarter of its price: versions and strategies need no escapes.
        told = f'{{"key":{_text(receipt.key)},"version":"{version}","strategy":{_text(receipt.strategy)}}}'.encode()
    return Reply(200 if wrote.there else 201, headers, told, None, None, door.seen(receipt))
