"""What a request of a KV binding asks for, and of whom: pure, from bytes to calls.

`workerd` sends six requests, whose namespace and token are headers that its config adds. Miniflare wraps the same six:
their URL and headers are headers of a request to the address it was told, and that address says the rest in its query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from crdtkv.core import values
from crdtkv.doors.items.limits import (
    MAX_BULK_GET,
    MAX_LIST,
    check_cache_ttl,
    check_key,
    check_prefix,
    list_limit,
)  # fmt: skip
from crdtkv.doors.workers.wire import Asked
from crdtkv.errors import BadRequest
from crdtkv.http.refusals import MethodUnknown

__all__ = ["MAX_ASKED", "Bulk", "Call", "Delete", "Get", "List", "Probe", "Put", "Whose", "call_of", "whose"]

MAX_ASKED = 1 << 20
"""Bytes of a body that names keys: a hundred of them, however they are written."""

_NAMESPACE = b"x-kv-namespace"
_METADATA = b"cf-kv-metadata"
_URL = b"mf-url"
_BINDING = b"mf-binding"
_WRAPPED = b"mf-header-"
_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Whose(NamedTuple):
    """Which namespace is asked, and with what token."""

    namespace: str
    token: str | None


class Get(NamedTuple):
    """A key's value, metadata and date."""

    key: str


class Put(NamedTuple):
    """`body` is `length` bytes long, of which those are here that are kept. `metadata`: JSON."""

    key: str
    body: bytes
    length: int
    kind: str
    metadata: str | None
    ttl: str | None
    expiration: str | None


class Delete(NamedTuple):
    """A key, there or not."""

    key: str


class List(NamedTuple):
    """A page of names."""

    prefix: str
    limit: int
    cursor: str | None


class Bulk(NamedTuple):
    """Values of several keys, as text or as JSON."""

    keys: list[str]
    json: bool
    metadata: bool


class Probe(NamedTuple):
    """Miniflare looks for a websocket, which a KV binding never uses."""


Call = Get | Put | Delete | List | Bulk | Probe


class _Sent(NamedTuple):
    """A request of the binding, out of its wrapping."""

    target: bytes
    headers: Mapping[bytes, bytes]


def whose(asked: Asked, bindings: Mapping[str, str]) -> Whose:
    """Whose namespace is asked for. `bindings`: the namespaces of bindings that are called otherwise.

    Raises BadRequest.

    >>> whose(Asked("GET", b"/a", {b"x-kv-namespace": b"shop", b"authorization": b"Bearer t"}), {})
    Whose(namespace='shop', token='t')
    >>> asked = Asked("GET", b"/?token=t", {b"mf-binding": b"KV", b"mf-url": b"https://fake-host/a"})
    >>> whose(asked, {"KV": "shop"}), whose(asked, {})
    (Whose(namespace='shop', token='t'), Whose(namespace='KV', token='t'))
    """
    headers = asked.headers
    said = headers.get(b"authorization", b"")
    token = said[7:].strip().decode("latin-1") if said[:7].lower() == b"bearer " else None
    if _URL not in headers:
        return Whose(_text(headers.get(_NAMESPACE, b"default"), "X-KV-Namespace"), token)
    query = _query(asked.target.partition(b"?")[2])
    binding = _text(headers.get(_BINDING, b""), "MF-Binding")
    namespace = query.get("namespace") or bindings.get(binding) or binding
    if not namespace:
        raise BadRequest("MF-Binding is missing, and the URL that miniflare was told names no namespace")
    return Whose(namespace, query.get("token", token))


def call_of(asked: Asked) -> Call:
    """What is asked for. Raises BadRequest, KeyTooLong, MethodUnknown, in the words of Workers KV.

    >>> call_of(Asked("GET", b"/a%2Fb?urlencoded=true", {}))
    Get(key='a/b')
    >>> call_of(Asked("GET", b"/?prefix=a%2F&key_count_limit=5", {}))
    List(prefix='a/', limit=5, cursor=None)
    """
    sent = _unwrapped(asked)
    if sent is None:
        return Probe()
    path, _, raw = sent.target.partition(b"?")
    query = _query(raw)
    if path[:1] != b"/":
        raise BadRequest(f"the path is {path!r:.80}; one that begins with / is wanted")
    method, name = asked.method, path[1:]
    if method == "POST" and name == b"bulk/get":
        return _bulk(asked)
    if method == "GET" and not name:
        return _listing(query)
    if method not in ("GET", "PUT", "DELETE") or not name:
        raise MethodUnknown(f"{method:.20} {path!r:.80}: a KV binding sends GET, PUT and DELETE of a key, GET / and "
                            "POST /bulk/get", allow="GET, PUT, DELETE, POST")  # fmt: skip
    key = check_key(_key(name, query))
    if method == "PUT":
        return _put(key, asked, sent, query)
    if method == "DELETE":
        return Delete(key)
    check_cache_ttl(query.get("cache_ttl"))
    return Get(key)


def _unwrapped(asked: Asked) -> _Sent | None:
    """What the binding sent; None if it is miniflare that asks."""
    headers = asked.headers
    url = headers.get(_URL)
    if url is None:
        if b"upgrade" in headers:
            return None
        return _Sent(asked.target, headers)
    _, found, rest = url.partition(b"://")
    if not found:
        raise BadRequest(f"MF-URL is {url!r:.80}; the URL that the binding asked for is wanted")
    path = rest.find(b"/")
    query = rest.find(b"?")
    at = path if path >= 0 and (query < 0 or path < query) else query
    inside = {name.removeprefix(_WRAPPED): value for name, value in headers.items() if name.startswith(_WRAPPED)}
    target = rest[at:] if at >= 0 else b"/"
    return _Sent(target if target[:1] == b"/" else b"/" + target, inside)


def _query(raw: bytes) -> dict[str, str]:
    """By name; of one that comes twice the first."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise BadRequest(f"query {raw!r:.80} is not UTF-8, percent-encoded") from None
    return dict(reversed(pairs))


def _key(name: bytes, query: Mapping[str, str]) -> str:
    """The key that a path names; as it stands, unless it is said to be percent-encoded."""
    if query.get("urlencoded", "").lower() != "true":
        return name.decode("ascii")
    try:
        at = name.find(b"%")
        while at >= 0:
            if len(name) < at + 3 or not _DIGITS.issuperset(name[at + 1 : at + 3]):
                raise ValueError
            at = name.find(b"%", at + 3)
        return unquote_to_bytes(name).decode()
    except ValueError:
        raise BadRequest("Could not URL-decode key name") from None


def _put(key: str, asked: Asked, sent: _Sent, query: Mapping[str, str]) -> Put:
    metadata = sent.headers.get(_METADATA)
    return Put(
        key, asked.body, asked.length, sent.headers.get(b"content-type", b"").decode("latin-1"),
        None if metadata is None else _text(metadata, "CF-KV-Metadata"),
        query.get("expiration_ttl"), query.get("expiration"),
    )  # fmt: skip


def _listing(query: Mapping[str, str]) -> List:
    limit = list_limit(query.get("key_count_limit"), "key_count_limit")
    return List(check_prefix(query.get("prefix", "")), limit, query.get("cursor") or None)


def _bulk(asked: Asked) -> Bulk:
    if asked.length > MAX_ASKED:
        raise BadRequest(f"A body of {asked.length} bytes names the keys; at most {MAX_ASKED} are read.")
    found = values.parse_json(asked.body)
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise BadRequest("An object with 'keys', a list of keys, is wanted")
    kind = _kind(found)
    if len(keys) > MAX_BULK_GET:
        raise BadRequest(f"You can request a maximum of {MAX_BULK_GET} keys")
    if not keys:
        raise BadRequest("You must request a minimum of 1 key")
    check_cache_ttl(found.get("cacheTtl"))
    return Bulk([check_key(key) for key in keys], kind == "json", bool(found.get("withMetadata")))


def _kind(found: dict[str, Any]) -> str:
    kind = found.get("type") or "text"
    if kind not in ("text", "json"):
        raise BadRequest(f'"{kind!s:.80}" is not a valid type. Use "json" or "text"')
    return str(kind)


def _text(raw: bytes, name: str) -> str:
    """A header's text: UTF-8, which is what they send."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"header {name} is {raw!r:.80}; it is no UTF-8") from None


assert MAX_LIST == 1000  # what the messages of `list_limit` say
