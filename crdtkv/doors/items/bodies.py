"""What value a body is under a key's strategy, and which body a value is.

lww and mv keep bytes: what was sent comes back byte for byte, with its content type. json (what a key is where no
rule speaks) takes an object or an array for a document, which merges, and everything else for what it is: numbers,
true, false and null in their shortest form for themselves, other UTF-8 for text, other bytes for a blob; of these
too the bytes come back. All other strategies take JSON, or plain text where it is none, and refuse what does not fit.
A document comes back as JSON without spaces, members by name.
"""

from __future__ import annotations

from typing import Any

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.errors import ValueInvalid
from crdtkv.http import bodies

__all__ = ["KIND", "body_of", "kind_of", "value_of"]

KIND = "application/octet-stream"
_BYTES = frozenset(("lww", "mv"))
_SPACE = b" \t\r\n"
_SCALARS = frozenset(b"-0123456789tfn")
_LONGEST = 64
"""Characters of a number in its shortest form."""


def value_of(spec: str, body: bytes, kind: str = "") -> Any:
    """The value that `body` is under the strategy of `spec`. `kind`: its content type, if it was said. O(body).

    >>> value_of("json", b'[1, 2]'), value_of("json", b"1.50"), value_of("json", b"5"), value_of("counter", b"5")
    ([1, 2], '1.50', 5, 5)
    >>> value_of("lww", b"[1, 2]", "application/json")
    Blob(data=b'[1, 2]', content_type='application/json')
    """
    name = spec.partition("?")[0]
    if name in _BYTES:
        return _blob(body, kind)
    first = body.lstrip(_SPACE)[:1]
    if name != "json":
        if first:
            try:
                return values.parse_json(body)
            except ValueInvalid:
                pass  # its strategy says what it wants
    elif first in (b"{", b"["):
        try:
            return values.parse_json(body)
        except ValueInvalid:
            pass  # it is no document: kept as it is
    elif body[:1] and body[0] in _SCALARS and len(body) <= _LONGEST:
        found = _scalar(body)
        if found is not ...:
            return found
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _blob(body, kind)


def _scalar(body: bytes) -> Any:
    """The number, true, false or null whose shortest form that is; Ellipsis if it is none."""
    try:
        value = values.parse_json(body)
        return value if values.to_json(value).encode() == body else ...
    except ValueInvalid:
        return ...


def _blob(body: bytes, kind: str) -> Blob:
    try:
        return Blob(body, kind or KIND)
    except ValueInvalid:
        return Blob(body, KIND)  # a content type that is none


def body_of(value: Any) -> bytes:
    """The bytes that a key with that value is read as: text and blobs as they are, else JSON. O(value).

    >>> body_of("hello"), body_of(["hello", 1]), body_of(Blob(b"GIF", "image/gif"))
    (b'hello', b'["hello",1]', b'GIF')
    """
    if isinstance(value, Blob):
        return value.data
    if isinstance(value, str):
        return value.encode()
    try:
        return values.to_json(value).encode()
    except ValueInvalid:
        return values.to_json(bodies.split_blobs(value)[0]).encode()


def kind_of(value: Any) -> str:
    """The content type of that body.

    >>> kind_of({"a": 1}), kind_of("hello")
    ('application/json', 'text/plain; charset=utf-8')
    """
    if isinstance(value, Blob):
        return value.content_type
    return "text/plain; charset=utf-8" if isinstance(value, str) else "application/json"
