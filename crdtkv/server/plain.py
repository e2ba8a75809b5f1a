"""Writes of which nothing is waited for but the commit: most are so, and need no task.

Law of this room: the reply is the one that a task would have made. What else may be waited for, what a session
has seen elsewhere or the value beside a receipt, is for a task.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crdtkv.server.asking import Reply, Scope, headers_of
from crdtkv.server.doors import session_header
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["Done", "Wish", "begin", "is_plain"]

Done = Callable[[Reply], None]
"""Is called once, in the event loop."""

Wish = tuple["Store", Callable[["Transaction"], Any], Callable[[Any], Reply]]
"""Where, what is done in a transaction, and the reply to what that gave."""

_SLOW = frozenset((b"crdtkv-session", b"prefer"))


def is_plain(scope: Scope) -> bool:
    """Whether its headers ask for nothing that may take long. O(headers)."""
    return _SLOW.isdisjoint(headers_of(scope))


def begin(
    serving: Serving, method: str, wish_of: Callable[[], Wish], failed: Callable[[Exception], Reply], done: Done
) -> None:
    """`done` is called with the reply to the wish, once that is durable; to what it raises, as `failed` says it."""
    waiting = _Waiting(serving, method, failed, done)
    try:
        waiting.store, act, waiting.reply_to = wish_of()
        door.ask_then(waiting.store, act, waiting.told)
    except Exception as error:
        waiting.end(failed(error))


class _Waiting:
    """One that waits for its commit."""

    __slots__ = ("_done", "_failed", "_method", "_serving", "reply_to", "store")

    def __init__(self, serving: Serving, method: str, failed: Callable[[Exception], Reply], done: Done) -> None:
        self._serving, self._method, self._failed, self._done = serving, method, failed, done
        self.store: Store
        self.reply_to: Callable[[Any], Reply]

    def end(self, reply: Reply) -> None:
        """That is the reply."""
        self._serving.count(self._method, reply.status)
        self._done(reply)

    def told(self, found: Any, error: BaseException | None) -> None:
        """It is durable, or was not done."""
        if isinstance(error, Exception):
            return self.end(self._failed(error))
        try:
            reply = self.reply_to(found)
            header = session_header(self.store, None, reply)
            if header is not None:
                reply.headers.append(header)
        except Exception as raised:
            reply = self._failed(raised)
        self.end(reply)
