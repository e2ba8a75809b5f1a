"""Other addresses at which a node is served, each by a protocol of its own; the server starts and stops them.

Law of this room: a port shares the event loop, the stores and the threads of the server it stands beside; it is bound
before anything is served, so that an address that is taken is said at once.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from crdtkv.errors import BadRequest
from crdtkv.node.settings import address

if TYPE_CHECKING:
    from crdtkv.node.settings import Settings
    from crdtkv.server.serving import Serving

__all__ = ["MakePort", "Port", "bound", "check_free", "shown"]


class Port(Protocol):
    """One of them, bound. `close` is called in any case; the others in this order, in the event loop."""

    async def start(self, tls: ssl.SSLContext | None) -> list[str]:
        """It takes connections; what is said of that, a line each. `tls`: with what HTTP is served, None: without."""

    def stop(self) -> None:
        """Nothing new is begun: who is idle is told to go. Idempotent."""

    async def ended(self) -> None:
        """What is at work has ended, or has had the seconds that a stopping server gives."""

    def close(self) -> None:
        """The address is let go of. Idempotent."""


MakePort = Callable[["Serving", "Settings"], Port | None]
"""The port that the settings ask for, bound; None if they ask for none. Raises BadRequest."""


def bound(name: str, listen: str) -> socket.socket:
    """A socket at the address that setting `name` says. Raises BadRequest where it is taken."""
    host, port = address(listen)
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        words = f"--{name} 127.0.0.1:0"
        raise BadRequest(
            f"listening on {listen!r}: {(error.strerror or str(error)).lower()}",
            next_step=f"stop what listens there, or listen on another port, as {words}",
        ) from None
    return found


def check_free(listen: socket.socket, asked: Mapping[str, str | None]) -> None:
    """The address that each of these settings asks for is free, and no other's: what is refused makes no files.

    `listen`: where the server itself is bound. Raises BadRequest.
    """
    taken = {listen.getsockname()[:2]: "listen"}
    for name, wanted in asked.items():
        if wanted:
            with bound(name, wanted) as found:
                other = taken.setdefault(found.getsockname()[:2], name)
            if other != name:
                raise BadRequest(
                    f"--{name} {wanted!r} is the address of --{other}, too",
                    next_step=f"give it one of its own, as --{name} 127.0.0.1:0",
                )


def shown(at: socket.socket) -> str:
    """Host and port of a socket, as in a URL."""
    host, port = at.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
