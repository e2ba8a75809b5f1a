"""What a call to a colo is made of: requests to send and pauses to make, and what comes back.

Law of this room: no I/O, no clock. A call is a generator: it yields what is to be done, is sent the
reply, and returns what the caller gets. Whoever drives it, a thread or an event loop, only carries
bytes: so there is one client, and two ways to wait for it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeVar

from crdtkv.errors import Happened

__all__ = ["Ask", "Lost", "Pause", "Reply", "Steps"]

_T = TypeVar("_T")


class Ask(NamedTuple):
    """A request. `path`: percent-encoded, its query with it; `wait`: seconds that the colo may take its time beside."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    wait: float = 0.0


class Pause(NamedTuple):
    """Nothing is to be done for so many seconds."""

    seconds: float


class Reply(NamedTuple):
    """What a colo answered; the names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(Exception):
    """No answer came. `happened`: "no" if the request did not leave, "unknown" if it may have arrived."""

    def __init__(self, why: str, happened: Happened) -> None:
        super().__init__(why)
        self.happened: Happened = happened


Steps = Generator[Ask | Pause, Reply, _T]
"""Yields what is to be done, is sent replies (or thrown Lost), returns what the call gives."""
