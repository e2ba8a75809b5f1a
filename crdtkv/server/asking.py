"""A request as the handlers see it, and what they answer: plain data, whatever the door was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from crdtkv.core.values import parse_json
from crdtkv.errors import BadRequest, CrdtkvError, Overloaded, TooLarge, ValueInvalid
from crdtkv.http import bodies
from crdtkv.http.names import JSON
from crdtkv.http.refusals import ContentTypeUnknown, HeadersTooLarge
from crdtkv.server.limits import LIMITS, Limits

if TYPE_CHECKING:
    from crdtkv.node.waiting import Covered

__all__ = [
    "CONNECTION", "HEADERS", "Ask", "Header", "Pump", "Receive", "Reply", "Scope", "Send", "check_headers",
    "check_length", "headers_of", "json_reply", "problem", "read_body",
]  # fmt: skip

Scope = MutableMapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[MutableMapping[str, Any]], Any]
Header = tuple[bytes, bytes]

CONNECTION = "crdtkv.connection"
"""In an ASGI scope: a dictionary of the connection's own, for what a door remembers of it; not of every server."""

HEADERS = "crdtkv.headers"
"""In an ASGI scope: its headers by name, once somebody has asked for them so."""

_JSON: Header = (b"content-type", b"application/json")
_ONCE = frozenset((b"idempotency-key", b"crdtkv-retry"))
_KINDS = {b"": "", JSON.encode(): JSON}
"""What most say of their body."""


Pump = Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]]
"""Sends by what it is given, for as long as it likes."""


class Reply(NamedTuple):
    """What is sent back: whole, or as it comes. `seen`: the context of what was read or written, for the session.

    `known`: what it was made of, where the store keeps that to tell it again.
    """

    status: int
    headers: list[Header]
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    pump: Pump | None = None
    seen: Mapping[str, int] | None = None
    known: Any = None


class Ask:
    """A request: `namespace` and `key` as decoded from the path, the rest read when it is asked for."""

    __slots__ = ("_query", "body", "covered", "headers", "key", "limits", "method", "namespace", "scope")

    def __init__(self, scope: Scope, namespace: str, key: str, limits: Limits, body: bytes = b"") -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.namespace = namespace
        self.key = key
        self.limits = limits
        self.body = body
        self.headers = headers_of(scope)
        """By lower-case name; of one that comes twice the last."""
        self.covered: Covered | None = None
        """What its session has seen: to be here where this is done."""
        self._query: dict[str, str] | None = None

    def header(self, name: str) -> str | None:
        """A header's text: UTF-8, though ASGI takes it for latin-1. Raises BadRequest."""
        found = self.headers.get(name.encode())
        if found is None:
            return None
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise BadRequest(f"header {name} is {found!r:.80}; it is no UTF-8") from None

    @property
    def once(self) -> str | None:
        """The key under which it is done once here, however often it is sent; None: each time that it is sent.

        Of the user's choice, or one that the client made for this request alone.
        """
        if _ONCE.isdisjoint(self.headers):
            return None
        key = self.header("idempotency-key")
        return self.header("crdtkv-retry") if key is None else key

    @property
    def query(self) -> dict[str, str]:
        """By name. Raises BadRequest for a name that comes twice, or what is no UTF-8."""
        if self._query is None:
            self._query = _query(self.scope["query_string"], self.limits) if self.scope["query_string"] else {}
        return self._query

    def known(self, *names: str) -> dict[str, str]:
        """The query. Raises BadRequest if there is anything else in it."""
        query = self.query
        for name in query:
            if name not in names:
                allowed = f"it takes {', '.join(names)}" if names else "it takes none"
                raise BadRequest(f"no query parameter {name!r:.80} here; {allowed}")
        return query

    def flag(self, name: str) -> bool:
        """A query parameter that is true or false. Raises BadRequest."""
        found = self.query.get(name, "false")
        if found not in ("true", "false", "1", "0", ""):
            raise BadRequest(f"{name} is {found!r:.80}; true or false are allowed")
        return found in ("true", "1", "")

    def number(self, name: str) -> float | None:
        """A query parameter that is a number. Raises BadRequest."""
        found = self.query.get(name)
        if found is None:
            return None
        try:
            number = float(found)
        except ValueError:
            raise BadRequest(f"{name} is {found!r:.80}; a number is wanted") from None
        if "_" in found or number != number:
            raise BadRequest(f"{name} is {found!r:.80}; a number is wanted")
        return number

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters, in lower case; empty if it is not said. Raises BadRequest."""
        known = _KINDS.get(self.headers.get(b"content-type", b""))
        return (self.header("content-type") or "").partition(";")[0].strip().lower() if known is None else known

    def wants(self, kind: str) -> bool:
        """Whether `Accept` names that type."""
        return kind in (self.header("accept") or "")

    def object(self) -> dict[str, Any]:
        """The JSON object in the body. Raises ValueInvalid, ContentTypeUnknown."""
        kind = self.content_type
        if kind not in (JSON, "", "application/x-www-form-urlencoded") and "+json" not in kind:
            raise ContentTypeUnknown(f"content-type is {kind!r:.80}; {JSON} is wanted")
        found = bodies.load(self.body)
        if not isinstance(found, dict):
            raise ValueInvalid(f"the body is {found!r:.80}; a JSON object is wanted")
        return found

    def value(self) -> Any:
        """The JSON value in the body. Raises ValueInvalid."""
        return parse_json(self.body)

    def returns_value(self) -> bool:
        """Whether the receipt is to come with its value."""
        found = self.headers.get(b"prefer")
        return found is not None and b"return=representation" in found


def _query(raw: bytes, limits: Limits) -> dict[str, str]:
    if len(raw) > limits.query:
        raise TooLarge(f"the query is {len(raw):,} bytes; at most {limits.query:,}", next_step="send less in it")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise BadRequest(f"query {raw!r:.80} is not UTF-8, percent-encoded") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise BadRequest(f"query parameter {next(n for n in names if names.count(n) > 1)!r:.80} comes twice")
    return found


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """By lower-case name; of one that comes twice the last. O(headers), once for each request."""
    found: dict[bytes, bytes] | None = scope.get(HEADERS)
    if found is None:
        found = scope[HEADERS] = dict(scope["headers"])
    return found


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body. Raises TooLarge beyond `limit` bytes, by what is announced or by what comes; Overloaded where those of
    others that have not come whole yet are too much already."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= limit:
        return body
    check_length(scope, limit)
    parts, size = [body], len(body)
    try:
        _gather(size)
        while message.get("more_body") and size <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("the client went away in the middle of the body")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            _gather(len(parts[-1]))
        if size > limit:
            raise TooLarge(f"the body is more than {limit:,} bytes", next_step="send less at once")
        return b"".join(parts)
    finally:
        _gathered[0] -= size


_gathered = [0]
"""Bytes of bodies that have not come whole yet."""


def _gather(size: int) -> None:
    """So many more. Raises Overloaded."""
    _gathered[0] += size
    if _gathered[0] > LIMITS.gathered:
        raise Overloaded(f"bodies that have not come whole yet are {_gathered[0]:,} bytes; at most {LIMITS.gathered:,}")


def check_length(scope: Scope, limit: int) -> None:
    """Raises TooLarge for a body that is announced as larger."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise TooLarge(f"the body is {int(value):,} bytes; at most {limit:,}", next_step="send less at once")


def check_headers(scope: Scope, limit: int) -> None:
    """Raises HeadersTooLarge."""
    size = 0
    headers: list[Header] = scope["headers"]
    for name, value in headers:
        size += len(name) + len(value)
    if size > limit:
        raise HeadersTooLarge(f"the headers are {size:,} bytes; at most {limit:,}")


def json_reply(
    body: dict[str, Any], status: int = 200, *headers: Header, seen: Mapping[str, int] | None = None
) -> Reply:  # fmt: skip
    """A JSON object."""
    return Reply(status, [_JSON, *headers], bodies.dump(body), seen=seen)


def problem(error: CrdtkvError) -> Reply:
    """An error of the tree."""
    headers = [_JSON]
    version = getattr(error, "version", "")
    if version and error.status == 412:
        headers.append((b"etag", f'"{version}"'.encode()))
    if error.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="crdtkv"'))
    try:
        return Reply(error.status, headers, bodies.dump(bodies.plain_error(error)))
    except CrdtkvError:  # a value that it tells of, or a key in its words, is no JSON
        words = error.message.encode("ascii", "backslashreplace").decode()
        told = {**bodies.plain_error(error), "value": None, "message": words}
        return Reply(error.status, headers, bodies.dump(told))
