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

    def end(reply: Reply) -> None:
        serving.count(method, reply.status)
        done(reply)

    def told(found: Any, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            return end(failed(error))
        try:
            reply = reply_to(found)
            header = session_header(store, None, reply)
            if header is not None:
                reply.headers.append(header)
        except Exception as raised:
            reply = failed(raised)
        end(reply)

    try:
        store, act, reply_to = wish_of()
        door.ask_then(store, act, told)
    except Exception as error:
        end(failed(error))
