"""A node served until it is told to stop: uvicorn, with uvloop and httptools.

Law of this room: whoever stops it lets what is at work end, and closes the node last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import uvicorn

from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.http.refusals import Stopping
from crdtkv.node.node import Node
from crdtkv.node.settings import Settings, open_to_others
from crdtkv.server.app import create_app
from crdtkv.server.chronicle import Chronicle, to_stderr
from crdtkv.server.collecting import Collector
from crdtkv.server.connection import Connection
from crdtkv.server.limits import LIMITS, Limits
from crdtkv.server.operating import named_stores
from crdtkv.server.ports import MakePort, Port, bound, check_free, shown
from crdtkv.transport.transport import Transport

if TYPE_CHECKING:
    from crdtkv.server.front import Front, MakeDoor

__all__ = ["run"]

_log = logging.getLogger("crdtkv")
_TELL_S = 2.0

_BACKLOG = 2048
_SWITCH = 0.0005
"""Seconds until a thread that computes lets another go on: the event loop waits no longer for one that commits."""


def run(
    settings: Settings, said: Callable[[str], None] = print, limits: Limits = LIMITS,
    again: Callable[[], Settings] | None = None, ports: Iterable[MakePort] = (), doors: Iterable[MakeDoor] = (),
) -> None:  # fmt: skip
    """Serve until SIGTERM or SIGINT. `said` is told the address once it is open, and what to do next.

    `again` gives the settings as they are now; asked at SIGHUP. Tokens, secrets and certificates hold from then on;
    nothing else of them does. `ports`: how to make what serves the node at other addresses, `doors`: at
    the same one.

    Raises BadRequest for an address that is taken, or that lets others in without a token, and for certificates
    that cannot be read; as `Node`.
    """
    _check_tls(settings)
    to_stderr(settings.log)
    alone = not settings.data.exists() and not settings.join
    if not settings.data.exists():
        open_to_others(settings, bool(settings.tokens))  # what is refused makes no files
    with bound("listen", settings.listen) as at, ExitStack() as stack:
        check_free(at, {"redis": settings.redis, "workers": settings.workers})
        node = stack.enter_context(
            Node(settings.data, colo=settings.colo, tokens=settings.tokens, **settings.store_options)
        )
        open_to_others(settings, node.guarded)
        app = create_app(node, replace(limits, session_wait=settings.session_wait_s), doors)
        server = _Server(_config(app, settings, limits), app, settings, at, said, again)
        for make in ports:
            port = make(app.serving, settings)
            if port is not None:
                stack.callback(port.close)
                server.ports.append(port)
        server.alone = alone
        sys.setswitchinterval(_SWITCH)
        server.collector.begin()
        server.run(sockets=[at])


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, app: Front, settings: Settings, at: socket.socket, said: Callable[[str], None],
        again: Callable[[], Settings] | None,
    ) -> None:  # fmt: skip
        super().__init__(config)
        self._app, self._settings, self._at, self._said, self._again = app, settings, at, said, again
        self.alone = False
        """It has just been made, and was told of no other to join."""
        self.ports: list[Port] = []
        self.collector = Collector(app.serving.done)
        self._transport: Transport | None = None
        self._telling: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but that it raises the signal again: the process would end before the node closes."""
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        url = f"{'https' if self.config.is_ssl else 'http'}://{shown(self._at)}"
        node = self._app.serving.node
        self._transport = transport = _transport(node, self._settings, url)
        self._app.letters.door, self._app.serving.peers = transport.door, transport.status
        self._app.serving.left, self._app.serving.carrier = lambda: transport.left, transport
        self._app.serving.joining = bool(self._settings.join)
        with suppress(Stopping):  # who has joined before begins at once
            self._app.serving.check_joined()
        await transport.start()
        if self._again is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renew, transport, self._again)
        for line in _welcome(node, url):
            self._said(line)
        for port in self.ports:
            for line in await port.start(self.config.ssl):
                self._said(line)
        if self.alone:
            self._said("  A new colo, which begins a cluster of its own. One that is to belong to others,")
            self._said("  or did and lost its disk, is started with --join and the address of one of them.")
        self._telling = asyncio.create_task(self._tell(Chronicle()))

    async def _tell(self, chronicle: Chronicle) -> None:
        serving = self._app.serving
        while True:
            try:
                await serving.slow(lambda: chronicle.note(_members(serving.node), self._transport.status()))  # type: ignore[union-attr]
            except CrdtkvError as error:  # too much is asked for, or a store is about to be closed
                _log.debug("not told: %s", error)
            self.collector.rest()
            await asyncio.sleep(_TELL_S)

    def _renew(self, transport: Transport, again: Callable[[], Settings]) -> None:
        """At SIGHUP: what the settings say of tokens, secrets and certificates, or all as it was."""
        try:
            settings = again()
            open_to_others(settings.model_copy(update=self._settings.doors), bool(settings.tokens))
            tls = _tls(settings)
            if self.config.ssl is not None and settings.tls_cert is not None:
                self.config.ssl.load_cert_chain(settings.tls_cert, settings.tls_key)
            self._app.serving.node.tokens.set_settings(settings.tokens)
        except (CrdtkvError, OSError) as error:
            self._said(f"the settings are as they were: {error}")
            return
        transport.set_secrets(settings.secrets)
        transport.set_tls(tls)
        self._said("tokens, secrets and certificates are those of the settings now")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("stopping")
        if self._telling is not None:
            self._telling.cancel()
        self._app.stop()  # first: feeds and long polls end, so that they are not waited for
        for port in self.ports:
            port.stop()
        await asyncio.gather(*(port.ended() for port in self.ports))  # before the threads end that they lean on
        await super().shutdown(sockets)
        if self.force_exit:  # a second Ctrl-C: then uvicorn leaves the application to be cut off in the middle
            await self.lifespan.shutdown()
        if self._transport is not None:
            await self._transport.stop()
        _log.info("stopped")


def _config(app: Any, settings: Settings, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app, loop="uvloop", http=Connection, ws="none", lifespan="on", log_level="warning", access_log=False,
        server_header=False, date_header=True, proxy_headers=False, limit_concurrency=limits.connections,
        backlog=_BACKLOG, timeout_keep_alive=75, timeout_graceful_shutdown=int(limits.grace),
        ssl_certfile=settings.tls_cert, ssl_keyfile=None if settings.tls_key is None else str(settings.tls_key),
    )  # fmt: skip


def _members(node: Node) -> dict[str, list[str]]:
    return {name: store.members for name, store in named_stores(node)}


def _transport(node: Node, settings: Settings, url: str) -> Transport:
    return Transport(
        node, url=settings.advertise or url, join=settings.join, secrets=settings.secrets, tls=_tls(settings)
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """Whose certificates other colos must show; None: those that the system trusts."""
    return None if settings.tls_ca is None else ssl.create_default_context(cafile=settings.tls_ca)


def _check_tls(settings: Settings) -> None:
    """That certificates and key can be read, before any file is made. Raises BadRequest."""
    for name in ("tls_cert", "tls_key", "tls_ca"):
        path = getattr(settings, name)
        if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
            words = "it may not be read" if path.exists() else "there is no such file"
            raise BadRequest(f"setting {name} is {str(path)!r}: {words}", next_step="correct the settings")
    name, wanted = "tls_cert", "a certificate and its key, both PEM, the key without a password"
    try:
        if settings.tls_cert is not None:
            shows = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            shows.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
        name, wanted = "tls_ca", "certificates, PEM"
        _tls(settings)
    except ssl.SSLError as error:
        words = f"setting {name} is {str(getattr(settings, name))!r}: {wanted}, are wanted ({error.reason})"
        raise BadRequest(words, next_step="correct the settings") from None


def _welcome(node: Node, url: str) -> list[str]:
    token = ' -H "Authorization: Bearer $CRDTKV_TOKEN"' if node.guarded else ""
    return [
        f"{node.colo} serves {url}",
        f"  try: curl -X PUT{token} {url}/v1/default/keys/todo -d '[1, 2, 3]'",
        f"       curl -i{token} {url}/v1/default/keys/todo",
        f"  API: {url}/docs   stop: Ctrl-C",
    ]
