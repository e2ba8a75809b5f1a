"""The door: a request for a path of Cloudflare's API to the handler of its route, and its reply."""

from __future__ import annotations

from functools import partial

from crdtkv.doors.cloudflare import many, spaces, values
from crdtkv.doors.cloudflare.asked import BULK, Asked, Known
from crdtkv.doors.cloudflare.envelope import refusal
from crdtkv.doors.cloudflare.routes import Place, is_ours, place_of
from crdtkv.doors.items import guessing, limits
from crdtkv.errors import CrdtkvError
from crdtkv.http.refusals import MethodUnknown
from crdtkv.server import plain
from crdtkv.server.asking import Ask, Receive, Reply, Scope, check_headers, read_body
from crdtkv.server.doors import admit, as_seen, caught_up, session_header, session_of, token_of
from crdtkv.server.serving import Serving
from crdtkv.store.door import wall_ms
from crdtkv.store.store import Store

__all__ = ["ROUTES", "Cloudflare"]

_FORM = limits.MAX_VALUE + (1 << 20)
_SMALL = 1 << 20

ROUTES: dict[str, dict[str, Known]] = {
    "namespaces": {
        "GET": Known(spaces.ask_list, "read", cluster=True),
        "POST": Known(spaces.ask_create, "admin", _SMALL, cluster=True),
    },
    "namespace": {
        "GET": Known(spaces.ask_namespace, "read", cluster=True),
        "PUT": Known(spaces.ask_rename, "admin", _SMALL, cluster=True),
        "DELETE": Known(spaces.ask_delete, "admin", cluster=True),
    },
    "values": {
        "GET": Known(values.ask_get, "read"),
        "PUT": Known(values.ask_put, "write", _FORM, wish=values.wish_put),
        "DELETE": Known(values.ask_delete, "write", wish=values.wish_delete),
    },
    "metadata": {"GET": Known(values.ask_metadata, "read")},
    "keys": {"GET": Known(many.ask_keys)},
    "bulk": {"PUT": Known(many.ask_bulk_put, "", BULK), "DELETE": Known(many.ask_bulk_delete, "", BULK)},
    "bulk/get": {"POST": Known(many.ask_bulk_get, "", _SMALL)},
    "bulk/delete": {"POST": Known(many.ask_bulk_delete, "", BULK)},
    "user": {"GET": Known(spaces.ask_user, cluster=True)},
    "user/tokens/verify": {"GET": Known(spaces.ask_token, cluster=True)},
    "accounts": {"GET": Known(spaces.ask_accounts, cluster=True)},
    "memberships": {"GET": Known(spaces.ask_memberships, cluster=True)},
}
"""What a path names -> method -> what answers."""
_WRITES = frozenset(("PUT", "DELETE"))
_OF_A_KEY = ("values", "metadata")
_OTHERS = frozenset((b"crdtkv-session",))
"""The headers by which another reply to a GET of a value is made."""


class Cloudflare:
    """As the server knows a door."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._readers = guessing.Readers(partial(wall_ms, serving.node.system))

    def takes(self, path: bytes) -> bool:
        """Whether a path is of this door."""
        return is_ours(path)

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        """The reply, errors too."""
        serving = self._serving
        try:
            reply = await self._answer(scope, receive)
        except Exception as error:
            reply = refusal(error)
        serving.count(scope["method"], reply.status)
        return reply

    def begin(self, scope: Scope, body: bytes, done: plain.Done) -> bool:
        """As `answer`, where nothing is waited for but the commit."""
        if scope["method"] not in _WRITES or len(body) > values.LARGE or not plain.is_plain(scope):
            return False
        try:
            place = place_of(scope["raw_path"])
        except CrdtkvError:
            return False  # `answer` says so
        known = ROUTES[place.what].get(scope["method"])
        wish_of = known and known.wish
        if known is None or wish_of is None:
            return False

        def wish() -> plain.Wish:
            ask, store = self._asked(scope, place, known)
            ask.body = body
            return wish_of(Asked(self._serving, ask, store, self._readers))

        plain.begin(self._serving, scope["method"], wish, refusal, done)
        return True

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        serving, method = self._serving, scope["method"]
        place = place_of(scope["raw_path"])
        known = ROUTES[place.what].get(method)
        if known is None:
            allow = ", ".join(ROUTES[place.what])
            raise MethodUnknown(f"method {method!r:.20} is none of {allow}", allow=allow)
        ask, store = self._asked(scope, place, known)
        session = session_of(scope)
        if known.limit:
            ask.body = await read_body(scope, receive, known.limit)
        if session is not None and not known.cluster:
            ask.covered = await caught_up(serving, store, session)
        seen = None if session is None else session.seen.get(store.namespace)
        reply = await as_seen(ask.covered, known.handle(Asked(serving, ask, store, self._readers, seen)))
        header = session_header(store, session, reply)
        if header is not None:
            reply.headers.append(header)
        if reply.known is not None:
            noted = self._readers.noting(store, reply.known.entry)
            serving.warm.keep(scope, place.namespace, store, place.key, reply.known, reply, _OTHERS, noted)
        return reply

    def _asked(self, scope: Scope, place: Place, known: Known) -> tuple[Ask, Store]:
        """What is asked for, and of which store; who asks may do it, as far as the route says what that is."""
        serving = self._serving
        check_headers(scope, serving.limits.headers)
        ask = Ask(scope, place.namespace, place.key, serving.limits)
        of_a_key = place.what in _OF_A_KEY
        if of_a_key:
            limits.check_key(place.key)
        if known.action:
            admit(serving, scope, known.action, place.namespace or None, place.key if of_a_key else None)
        elif serving.node.guarded:
            serving.node.tokens.known(token_of(scope["headers"]))  # before its body is read; the rest the handler asks
        if serving.joining:
            serving.check_joined()
        return ask, serving.node.system if known.cluster else serving.node.store(place.namespace)
