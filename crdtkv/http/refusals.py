"""What only a request over HTTP can do wrong, or find missing.

They are of the tree (`crdtkv.errors`), and no part of its drawing: a store raises none of them.
"""

from __future__ import annotations

from crdtkv.errors import BadRequest, Happened, Overloaded, Unavailable

__all__ = [
    "ContentTypeUnknown", "HeadersTooLarge", "KeyAbsent", "KeyTooLong", "MethodUnknown", "RouteUnknown", "Stopping",
    "TooManyRequests", "all_refusals",
]  # fmt: skip


class KeyAbsent(BadRequest):
    """There is no such key here, or there was none at that version."""

    code = "key-absent"
    status = 404
    next_step = "put it first, or ask a colo that has it"


class KeyTooLong(BadRequest):
    """The key has more bytes than a key may have; told by the doors of Workers KV, whose status that is."""

    code = "key-too-long"
    status = 414
    next_step = "use a key of 1 to 512 bytes of UTF-8"


class RouteUnknown(BadRequest):
    """There is no such path."""

    code = "route-unknown"
    status = 404
    next_step = "see /docs for the paths there are"


class MethodUnknown(BadRequest):
    """The path is there and takes another method; `Allow` names them."""

    code = "method-unknown"
    status = 405
    next_step = "use a method that Allow names"

    def __init__(self, message: str, *, allow: str = "") -> None:
        super().__init__(message)
        self.allow = allow


class ContentTypeUnknown(BadRequest):
    """The body is of a type that this path does not take; `Accept-Patch` names those of a PATCH."""

    code = "content-type-unknown"
    status = 415
    next_step = "send one of the types that are named"

    def __init__(self, message: str, *, patch: str = "") -> None:
        super().__init__(message)
        self.patch = patch


class HeadersTooLarge(BadRequest):
    """Headers beyond the limit."""

    code = "headers-too-large"
    status = 431
    next_step = "send shorter headers"


class TooManyRequests(Overloaded):
    """More connections or subscriptions than this server keeps open at once."""

    code = "too-many-requests"
    status = 429
    next_step = "close some, or try another colo"


class Stopping(Unavailable):
    """The server stops, and takes nothing new."""

    code = "stopping"
    happened: Happened = "no"
    next_step = "try again shortly, or at another colo"


def all_refusals() -> list[type[BadRequest] | type[Unavailable]]:
    """Every one of them, by code.

    >>> [kind.status for kind in all_refusals()]
    [415, 431, 404, 414, 405, 404, 503, 429]
    """
    found: list[type[BadRequest] | type[Unavailable]] = [
        KeyAbsent, KeyTooLong, RouteUnknown, MethodUnknown, ContentTypeUnknown, HeadersTooLarge, TooManyRequests,
        Stopping,
    ]  # fmt: skip
    return sorted(found, key=lambda kind: kind.code)
