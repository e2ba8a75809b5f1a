"""`crdtkv.connect` and `crdtkv.aconnect`: a colo's namespace, used from another program as the Store it is there."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from crdtkv.client.blocking import Client
from crdtkv.client.carrying import CONNECTIONS, checked_url
from crdtkv.client.talk import TRIES, Talk
from crdtkv.errors import BadRequest

if TYPE_CHECKING:
    from crdtkv.client.waiting import AsyncClient

__all__ = ["REMEMBERED", "TIMEOUT", "aconnect", "connect"]

TIMEOUT = 10.0
"""Seconds for an answer."""

REMEMBERED = 10_000
"""Keys of which it is remembered which version was read last."""


def connect(
    url: str, *, token: str | None = None, namespace: str = "default", timeout: float = TIMEOUT,
    tries: int = TRIES, remember: int = REMEMBERED, session: str = "", verify: Any = True,
    transport: httpx.BaseTransport | None = None,
) -> Client:  # fmt: skip
    """The namespace at the colo that is served at `url`. Nothing is asked yet.

    `token`: who may what is decided by it. `timeout`: seconds for each answer. `tries`: how often a request
    is sent at most, where it did not happen or may happen twice. `remember`: of how many keys the version that
    was read last goes with the next put, delete or patch; 0: of none. `session`: the `session` of another client,
    so that this one reads no less than that has read and written, at whatever colo. `verify`: False, or an
    ssl.SSLContext, as httpx takes it. `transport`: another way to the colo, for tests. Raises BadRequest.

    >>> import crdtkv
    >>> kv = crdtkv.connect("http://127.0.0.1:8801", namespace="shop")
    >>> kv
    <Client of 'shop' at http://127.0.0.1:8801>
    >>> kv.close()
    """
    talk, url = _talk(url, token, namespace, timeout, tries, remember, session)
    with _certificates():
        http = httpx.Client(base_url=url, limits=CONNECTIONS, verify=verify, transport=transport)
    return Client(talk, http, timeout)


def aconnect(
    url: str, *, token: str | None = None, namespace: str = "default", timeout: float = TIMEOUT,
    tries: int = TRIES, remember: int = REMEMBERED, session: str = "", verify: Any = True,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncClient:  # fmt: skip
    """As `connect`, for an event loop: each call is awaited.

    >>> import asyncio, crdtkv
    >>> async def main():
    ...     async with crdtkv.aconnect("http://127.0.0.1:8801") as kv:
    ...         return kv                         # await kv.put("todo", [1, 2, 3])
    >>> asyncio.run(main())
    <AsyncClient of 'default' at http://127.0.0.1:8801>
    """
    from crdtkv.client.waiting import AsyncClient  # asyncio is loaded for who waits in a loop only

    talk, url = _talk(url, token, namespace, timeout, tries, remember, session)
    with _certificates():
        http = httpx.AsyncClient(base_url=url, limits=CONNECTIONS, verify=verify, transport=transport)
    return AsyncClient(talk, http, timeout)


@contextmanager
def _certificates() -> Iterator[None]:
    """Certificates that the environment names and nobody can read are BadRequest."""
    try:
        yield
    except OSError as error:  # an ssl.SSLError is one
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        why = (error.strerror or str(error)).lower()
        raise BadRequest(
            f"{name} is {os.environ.get(name)!r}: {why}", next_step=f"let {name} name certificates in PEM, or unset it"
        ) from None


def _talk(
    url: Any, token: Any, namespace: Any, timeout: Any, tries: Any, remember: Any, session: Any
) -> tuple[Talk, str]:
    url = checked_url(url)
    if token is not None and (not isinstance(token, str) or not token.isascii() or not token.isprintable()):
        raise BadRequest("token is no printable ASCII text; give the token as it was made for you")
    if not isinstance(session, str) or not session.isascii():
        raise BadRequest(f"session is {session!r:.80}; the session of another client is wanted")
    if not isinstance(namespace, str) or not namespace:
        raise BadRequest(f"namespace is {namespace!r:.80}; a name is wanted")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise BadRequest(f"timeout is {timeout!r:.80}; a number of seconds above 0 is allowed")
    for name, number, least in (("tries", tries, 1), ("remember", remember, 0)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise BadRequest(f"{name} is {number!r:.80}; a whole number of at least {least} is allowed")
    talk = Talk(url, namespace, token, remember, tries, random.random, lambda: secrets.token_urlsafe(16))
    talk.sessions.heard("", session)
    return talk, url
