"""The names of headers and media types that a server and its clients must agree on."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from crdtkv.errors import KeyInvalid, VersionInvalid

__all__ = [
    "ENTRY", "HEARD", "JSON", "JSON_PATCH", "MERGE_PATCH", "NDJSON", "RESERVED", "SESSION", "SSE", "VALUE", "etag",
    "key_of", "path_of", "version_of",
]  # fmt: skip

JSON = "application/json"
ENTRY = "application/vnd.crdtkv+json"
"""An entry, not its value alone; in a request a value in a body, with what JSON lacks."""
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
SESSION = "crdtkv-session"
"""What a client has read and written, in replies; sent back, a colo waits until it has as much."""
HEARD = "crdtkv-heard"
"""How fresh a read is: colo=milliseconds, since when everything that colo wrote is known here."""
VALUE = "crdtkv-value"
"""What kind of value a reply has: json, blob, or json-with-blobs (base64 text in it)."""

RESERVED = ("operations", "history", "diff", "blame", "revert", "part")
"""Behind a key and a slash they are a view of that key; a key that ends so is written with `%2F`."""


def path_of(key: str) -> str:
    """`key` as one segment of a path.

    >>> path_of("cart/7")
    'cart%2F7'
    """
    return quote(key, safe="")


def key_of(segment: bytes) -> str:
    """The key that a raw segment of a path, percent-encoded, stands for. Raises KeyInvalid.

    >>> key_of(b"cart%2F7"), key_of(b"cart/7")
    ('cart/7', 'cart/7')
    """
    try:
        # (`in` of bytes takes eight times as long: it looks for a number first, and throws what that raises.)
        return (segment if segment.find(b"%") < 0 else unquote_to_bytes(segment)).decode()
    except UnicodeDecodeError:
        raise KeyInvalid(f"key {segment!r:.80} is not UTF-8, percent-encoded") from None


def etag(version: str) -> str:
    """An ETag.

    >>> etag("5af9_lhr~k3f9.41")
    '"5af9_lhr~k3f9.41"'
    """
    return f'"{version}"'


def version_of(tag: str) -> str:
    """The version in an ETag, in quotes or without. Raises VersionInvalid for a list, a weak one, or `*`.

    >>> version_of('"5af9_lhr~k3f9.41"'), version_of("5af9_lhr~k3f9.41")
    ('5af9_lhr~k3f9.41', '5af9_lhr~k3f9.41')
    """
    found = tag.strip()
    if len(found) > 1 and found[0] == found[-1] == '"':
        found = found[1:-1]
    if not found or '"' in found or "," in found or found == "*":
        raise VersionInvalid(f"{tag!r:.80} is not one version")
    return found
