"""How much one request may ask for, and how many at once."""

from __future__ import annotations

from dataclasses import dataclass

from crdtkv.core import values

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, counts and seconds. What is beyond them is refused with the figure, and nothing is done."""

    body: int = values.MAX_PACKED + (1 << 20)
    """Bytes of a body: a value of the largest size, and its envelope. Beyond: 413."""
    gathered: int = 1 << 30
    """Bytes of all bodies together that have not come whole yet. Beyond: 503."""
    streamed: int = 1 << 34
    """Bytes of an import, which is read as it comes."""
    headers: int = 65_536
    """Bytes of all headers together: a session of 300 colos takes 8 KiB. Beyond: 431."""
    query: int = 16_384
    """Bytes of a query."""
    page: int = 10_000
    """Keys of a page; without a limit it is a thousand."""
    keys: int = 1_000
    """Keys that one POST gets."""
    writes: int = 10_000
    """Writes of one transaction, operations of one POST: others wait some half a second for so many. Beyond: 413."""
    connections: int = 10_000
    """Open at once. Beyond: 503."""
    subscriptions: int = 2_000
    """Feeds open at once. Beyond: 429."""
    threads: int = 16
    """Slow requests (pages, history, imports) at work at once; `waiting` more wait. Beyond: 503."""
    waiting: int = 256
    session_wait: float = 2.0
    """Seconds that a request waits for what its session has seen."""
    poll: float = 300.0
    """Seconds that a long poll may wait."""
    grace: float = 10.0
    """Seconds that a stopping server gives to what is at work."""


LIMITS = Limits()
