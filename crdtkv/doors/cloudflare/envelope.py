"""What Cloudflare's API wraps replies in, and what errors of the tree are called there.

Law of this room: nothing is answered with 409, which clients of that API send again by themselves: what the state
says no to is 412 there. What crdtkv has to say of an error beyond a code and words stands in its member `crdtkv`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from crdtkv.core import values
from crdtkv.errors import (
    CrdtkvError,
    Forbidden,
    NamespaceElsewhere,
    NamespaceExists,
    NamespaceUnknown,
    QuotaExceeded,
    Unauthorized,
)
from crdtkv.http.refusals import KeyAbsent, MethodUnknown, RouteUnknown
from crdtkv.server.asking import Header, Reply

__all__ = ["CODES", "MALFORMED", "refusal", "wrapped"]

_log = logging.getLogger("crdtkv")
_JSON: Header = (b"content-type", b"application/json")

MALFORMED, _BUG = 10001, 10002
CODES: dict[type[CrdtkvError], int] = {
    RouteUnknown: 7000, MethodUnknown: 10405, Unauthorized: 10000, Forbidden: 10000, KeyAbsent: 10009,
    NamespaceUnknown: 10013, NamespaceElsewhere: 10013, NamespaceExists: 10014,
}  # fmt: skip
"""Error -> Cloudflare's number for it; what is not here is 10001, a bug 10002."""
_STATUS: dict[type[CrdtkvError], int] = {NamespaceExists: 400, QuotaExceeded: 413}
_EMPTY = b'{"success":true,"errors":[],"messages":[],"result":'
_END = b"}"
_DONE = _EMPTY + b"{}" + _END


def wrapped(
    result: Any, info: dict[str, Any] | None = None, *messages: str, seen: Mapping[str, int] | None = None
) -> Reply:  # fmt: skip
    """A reply with that result. O(result).

    >>> wrapped({}).body
    b'{"success":true,"errors":[],"messages":[],"result":{}}'
    """
    if result == {} and info is None and not messages:
        return Reply(200, [_JSON], _DONE, seen=seen)  # what most writes are answered
    if info is None and not messages:
        return Reply(200, [_JSON], _EMPTY + values.to_json(result).encode() + _END, seen=seen)
    told = [{"code": 0, "message": words} for words in messages]
    whole = {"success": True, "errors": [], "messages": told, "result": result}
    if info is not None:
        whole["result_info"] = info
    return Reply(200, [_JSON], values.to_json(whole).encode(), seen=seen)


def refusal(error: Exception) -> Reply:
    """The reply to what went wrong. What is no error of the tree is a bug: it is logged, and said to be one."""
    if not isinstance(error, CrdtkvError):
        _log.error("a request failed", exc_info=error)
        words = f"a bug in the server: {type(error).__name__}"
        error = CrdtkvError(words, happened="unknown", next_step="read the key again, and report it")
        return _refused(error, 500, _BUG)
    status = _STATUS.get(type(error), 412 if error.status == 409 else error.status)
    return _refused(error, status, CODES.get(type(error), MALFORMED))


def _refused(error: CrdtkvError, status: int, code: int) -> Reply:
    headers = [_JSON]
    if status in (429, 503):
        headers.append((b"retry-after", b"1"))
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="crdtkv"'))
    if isinstance(error, MethodUnknown):
        headers.append((b"allow", error.allow.encode()))
    ours = {"code": error.code, "happened": error.happened, "next_step": error.next_step}
    told = {"code": code, "message": _plain(error.message), "crdtkv": ours}
    body = {"success": False, "errors": [told], "messages": [], "result": None}
    return Reply(status, headers, values.to_json(body).encode())


def _plain(words: str) -> str:
    """The words, also where a key in them has what no JSON holds."""
    return words.encode("utf-8", "backslashreplace").decode()
