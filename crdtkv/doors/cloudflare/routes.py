"""Paths of Cloudflare's API, with `/client/v4` before them or not: what they are of, from the bytes that were sent.

Keys are decoded here and nowhere before: a path that was decoded earlier has lost which bytes were sent.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from crdtkv.http.names import key_of
from crdtkv.http.refusals import RouteUnknown

__all__ = ["Place", "is_ours", "place_of"]

_PREFIX = b"/client/v4"
_FIRST = (b"/accounts/", b"/user/")
_WHOLE = frozenset((b"/accounts", b"/user", b"/memberships"))
_NAMES = {b"accounts", b"user", b"memberships", b"user/tokens/verify"}
_HEAD = 256
"""Bytes of what is before a key, where it is remembered what it is."""
_OF_KEYS = {b"values", b"metadata"}
_OF_ALL = {b"keys", b"bulk", b"bulk/get", b"bulk/delete"}


class Place(NamedTuple):
    """What a path names: `what`, of which namespace and key, where it is of one."""

    what: str
    namespace: str = ""
    key: str = ""


def is_ours(path: bytes) -> bool:
    """Whether a path is of this door. O(1).

    >>> is_ours(b"/client/v4/user"), is_ours(b"/accounts/a/storage/kv/namespaces"), is_ours(b"/v1/a/keys/b")
    (True, True, False)
    """
    return path.startswith(_PREFIX + b"/") or path.startswith(_FIRST) or path in _WHOLE


def place_of(path: bytes) -> Place:
    """What a raw path names. Raises RouteUnknown, KeyInvalid.

    >>> place_of(b"/client/v4/accounts/me/storage/kv/namespaces/shop/values/cart%2F7")
    Place(what='values', namespace='shop', key='cart/7')
    >>> place_of(b"/accounts/me/storage/kv/namespaces")
    Place(what='namespaces', namespace='', key='')
    """
    head, values, key = path.partition(b"/values/")
    if values and len(head) <= _HEAD:
        namespace = _of_values(head)  # most are: what is before the key comes again and again
        if namespace is not None:
            return Place("values", namespace, key_of(key))
    rest = path.removeprefix(_PREFIX).removeprefix(b"/")
    parts = rest.split(b"/", 7)
    if parts[0] != b"accounts" or len(parts) < 3:
        name = rest.rstrip(b"/")
        if name in _NAMES:
            return Place(name.decode())
    elif parts[2:5] == [b"storage", b"kv", b"namespaces"]:
        found = _below(parts[5:])
        if found is not None:
            return found
    raise RouteUnknown(f"No route for that URI: {path.decode('latin-1')!r:.200}")


@lru_cache(maxsize=1024)
def _of_values(head: bytes) -> str | None:
    """The namespace whose values stand below that path; None if none do. Raises KeyInvalid."""
    parts = head.removeprefix(_PREFIX).split(b"/")
    fits = len(parts) == 7 and parts[:2] == [b"", b"accounts"] and parts[3:6] == [b"storage", b"kv", b"namespaces"]
    return key_of(parts[6]) if fits else None


def _below(parts: list[bytes]) -> Place | None:
    """Of what stands behind `/namespaces`."""
    if not parts or parts == [b""]:
        return Place("namespaces")
    namespace = key_of(parts[0])
    if len(parts) == 1 or parts[1:] == [b""]:
        return Place("namespace", namespace)
    if len(parts) == 3 and parts[1] in _OF_KEYS:
        return Place(parts[1].decode(), namespace, key_of(parts[2]))
    rest = b"/".join(parts[1:]).rstrip(b"/")
    return Place(rest.decode(), namespace) if rest in _OF_ALL else None
