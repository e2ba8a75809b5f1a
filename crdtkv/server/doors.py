"""Who may do that, and what his session has seen: asked of every request before its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, TypeVar

from crdtkv.core.clocks import stamp_ms
from crdtkv.core.views import colo_of
from crdtkv.errors import CrdtkvError
from crdtkv.http.names import HEARD, SESSION
from crdtkv.node.everywhere import trim
from crdtkv.node.session import Session, token_of_one
from crdtkv.server.asking import Header, Reply, Scope
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.node.waiting import Covered
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["admit", "as_seen", "caught_up", "heard_header", "session_header", "session_of", "token_of"]

_T = TypeVar("_T")
_SPARSE = 4
"""Of so few entries all are said: it costs less than to find out which have to be."""

_SESSION = SESSION.encode()
_BEARER = b"bearer "


def admit(serving: Serving, scope: Scope, action: str, namespace: str | None = None, key: str | None = None) -> None:
    """Whoever asks may do that. Raises Unauthorized, Forbidden. O(1), nothing where no token was ever made."""
    if serving.node.guarded:
        serving.node.authorize(token_of(scope["headers"]), action, namespace, key)


def token_of(headers: Iterable[Header]) -> str | None:
    """The token that was sent; None: there was none."""
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == _BEARER:
            return str(value[7:].strip(), "latin-1")
    return None


def session_of(scope: Scope) -> Session | None:
    """What the client says that it has seen; None if it says nothing. Raises VersionInvalid.

    Several tokens, with commas between, are of a client that has asked several things at once.
    """
    for name, value in scope["headers"]:
        if name == _SESSION:
            first, *more = str(value, "latin-1").split(",")
            session = Session.decode(first.strip())
            for token in more:
                session.join(Session.decode(token.strip()))
            return session
    return None


async def caught_up(serving: Serving, store: Store, session: Session | None) -> Covered | None:
    """All that the session has seen of the namespace is here; who then reads checks once more, and so does
    `Serving.write`. Raises BaseNotHere where that takes too long."""
    if session is None:
        return None
    return await serving.node.waiting.caught_up(store, session, serving.limits.session_wait)


async def as_seen(covered: Covered | None, reply: Awaitable[_T]) -> _T:
    """What a handler gives, refusals too, if what its client has seen was here all the time. Raises BaseNotHere."""
    try:
        found = await reply
    except CrdtkvError:
        if covered is not None:
            covered.check()
        raise
    if covered is not None:
        covered.check()
    return found


def heard_header(store: Store) -> Header:
    """Of each member, how many milliseconds ago all it wrote is known here. Waits for no lock. O(members)."""
    replica = door.replica(store)
    wall, heard = replica.wall_ms(), dict(replica.state.heard)
    ago: dict[str, int] = {}
    for id, stamp in heard.items():
        colo = colo_of(id)
        ago[colo] = min(ago.get(colo, wall), max(0, wall - stamp_ms(stamp)))
    ago[store.colo] = 0
    return HEARD.encode(), ", ".join(f"{colo}={ms}" for colo, ms in sorted(ago.items())).encode()


def session_header(store: Store | None, session: Session | None, reply: Reply) -> Header | None:
    """What the client has seen now: what it had, and what this reply tells. None: it has seen nothing."""
    if reply.seen and store is not None:
        if session is None:
            if len(reply.seen) <= _SPARSE:
                return _SESSION, token_of_one(store.namespace, reply.seen)
            session = Session()
        session.note(store.namespace, reply.seen)
        if len(session.seen[store.namespace]) > _SPARSE:
            trim(session, store)
    return None if session is None else (_SESSION, session.encode().encode())
