"""httpx carries what the steps ask for: how a request is built from an Ask, and what its failures mean.

Law of this room: it knows requests and replies, and nothing of keys.
"""

from __future__ import annotations

from typing import Any

import httpx

from crdtkv.client.steps import Ask, Lost, Reply
from crdtkv.errors import BadRequest, TooLarge

__all__ = ["CONNECTIONS", "checked_url", "lost", "reply_of", "request_of"]


CONNECTIONS = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=30.0)

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def checked_url(url: Any) -> str:
    """The address of a colo, without a slash at its end. Raises BadRequest."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        found = httpx.URL("")
    if found.scheme not in ("http", "https") or not found.host or found.query or found.fragment:
        raise BadRequest(f"{url!r:.200} is no address of a colo; as in 'http://127.0.0.1:8801'")
    return str(found).rstrip("/")


def request_of(http: httpx.Client | httpx.AsyncClient, ask: Ask, timeout: float) -> httpx.Request:
    """The request. A colo may take `ask.wait` seconds more to answer than `timeout`. Raises TooLarge."""
    try:
        return http.build_request(
            ask.method, ask.path, headers=dict(ask.headers), content=ask.body or None,
            timeout=httpx.Timeout(timeout, read=timeout + ask.wait),
        )  # fmt: skip
    except httpx.InvalidURL as error:
        raise TooLarge(f"the path {ask.path:.80}... of {len(ask.path):,} characters: {error}") from None


def reply_of(response: httpx.Response) -> Reply:
    """What was answered, all of it read."""
    return Reply(response.status_code, response.headers, response.content)


def lost(error: httpx.HTTPError) -> Lost:
    """Why no answer came. Only a connection that was never made says that nothing happened."""
    words = str(error).strip() or type(error).__name__
    return Lost(words, "no" if isinstance(error, _NOT_SENT) else "unknown")
