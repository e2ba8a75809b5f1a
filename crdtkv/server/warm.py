"""Replies to reads that were given before, to be given again as long as the key reads the same.

Law of this room: what is sent again is, byte for byte, what would be made anew. So it is of plain
GETs only, that nothing in the query or the headers makes another of; and only to whoever may read the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from crdtkv.errors import CrdtkvError
from crdtkv.server.asking import Header, Reply, Scope
from crdtkv.server.doors import token_of
from crdtkv.store import door
from crdtkv.store.store import Store

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving

__all__ = ["Noted", "Told", "Warm"]

_MOST = 8192
_LARGEST = 8192
"""Bytes of a body that is kept."""
_OF_OTHERS = frozenset((b"accept", b"if-match", b"if-none-match", b"crdtkv-session", b"prefer", b"range"))
"""Headers by which another reply is made to a GET of `/v1`."""


Noted = Callable[[Iterable[Header], dict[Any, Any] | None], None]
"""What is told of a read: its headers, and what a door remembers of its connection."""


class Told(NamedTuple):
    """A reply with status 200; `known` is what the store tells of the key, another object once that changes.

    `others`: headers by which another reply would be made. `noted` is told of whoever is told it again.
    """

    namespace: str
    store: Store
    key: str
    known: Any
    headers: list[Header]
    body: bytes
    others: frozenset[bytes]
    noted: Noted | None


class Warm:
    """Of one server, in its event loop."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._told: dict[bytes, Told] = {}

    def again(self, path: bytes, headers: Iterable[Header]) -> Told | None:
        """What was answered to the same GET without a query, if that is still so. O(headers). Waits for nobody."""
        told = self._told.get(path)
        if told is None or not _plain(headers, told.others):
            return None
        serving, store = self._serving, told.store
        if serving.joining or not self._stands(told) or (serving.node.guarded and not self._may(told, headers)):
            return None
        # No lock: who writes holds it while the disk works, and what it has changed does not stand from then on.
        if door.stands(store, told.key, told.known):
            return told
        del self._told[path]
        return None

    def _may(self, told: Told, headers: Iterable[Header]) -> bool:
        """Whether whoever asks may read that; who may not is told so by who answers then."""
        try:
            self._serving.node.authorize(token_of(headers), "read", told.namespace, told.key)
        except CrdtkvError:
            return False
        return True

    def _stands(self, told: Told) -> bool:
        """Whether the name in the path stands for that store still."""
        try:
            return self._serving.node.store(told.namespace) is told.store
        except CrdtkvError:
            return False

    def keep(
        self, scope: Scope, namespace: str, store: Store, key: str, known: Any, reply: Reply,
        others: frozenset[bytes] = _OF_OTHERS, noted: Noted | None = None,
    ) -> None:  # fmt: skip
        """The reply was made of `known`, which the store kept to tell again (None: it did not).

        `others`: headers by which another would have been made, in lower case.
        """
        if known is None or known.until is not None or reply.status != 200 or len(reply.body) > _LARGEST:
            return
        if scope["method"] != "GET" or scope["query_string"] or not _plain(scope["headers"], others):
            return
        if len(self._told) >= _MOST:
            self._told.clear()
        headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
        self._told[scope["raw_path"]] = Told(namespace, store, key, known, headers, reply.body, others, noted)


def _plain(headers: Iterable[Header], others: frozenset[bytes]) -> bool:
    """Whether nothing but the path says what is answered."""
    names = [name for name, value in headers if name != b"accept" or value != b"*/*"]
    return len(names) <= 32 and others.isdisjoint(names)
