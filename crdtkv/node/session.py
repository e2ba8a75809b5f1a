"""Session tokens: what a client has read and written, so that no colo shows it less.

A session holds, for each namespace, the join of the versions its client has seen: replica
-> n, of those replicas only. It says nothing that may not be said by anybody, so it is not
signed; who forges one only makes himself wait.
"""

from __future__ import annotations

import base64
import re
import zlib
from binascii import b2a_base64
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgpack

from crdtkv.core.clocks import Vector
from crdtkv.core.show import show
from crdtkv.core.views import colo_of
from crdtkv.errors import BaseNotHere, VersionInvalid
from crdtkv.node.naming import is_id
from crdtkv.replica import members
from crdtkv.store import door
from crdtkv.store.store import Store

__all__ = ["ANEW_MS", "MAX_SESSION", "MAX_STRANGERS", "Session", "missing", "not_here", "token_of_one"]

MAX_SESSION = 6_000
"""Characters: a header's limit is 8 KiB in most servers. 300 colos of one namespace take some 4,000."""

ANEW_MS = 10_000
"""Who comes back has minted anew by then what only it knew; as a rule within two seconds."""

MAX_STRANGERS = 1_000
_MAX_PLAIN = 1 << 16
_MAX_N = 1 << 63
_REPLICA = re.compile(r"[a-z0-9-]{1,32}~[a-z0-9]{1,32}")
_PLAIN, _PACKED = b"a", b"z"
_pack = msgpack.Packer().pack
_URL = bytes.maketrans(b"+/", b"-_")


class Session:
    """What has been seen: namespace id -> replica -> n.

    >>> session = Session()
    >>> session.note("~default", {"lhr~k3f9": 41}); session.note("~default", {"lhr~k3f9": 7, "sin~a0c2": 7})
    >>> again = Session.decode(session.encode())
    >>> again.seen
    {'~default': {'lhr~k3f9': 41, 'sin~a0c2': 7}}
    """

    __slots__ = ("seen",)

    def __init__(self, seen: dict[str, dict[str, int]] | None = None) -> None:
        self.seen: dict[str, dict[str, int]] = seen if seen is not None else {}

    def note(self, namespace: str, context: Mapping[str, int]) -> None:
        """A version of something in that namespace (by id) was read or written. O(its entries)."""
        if context:
            seen = self.seen[namespace] = self.seen.pop(namespace, {})  # last from now on
            for replica, n in context.items():
                if n > seen.get(replica, 0):
                    seen.pop(replica, None)
                    seen[replica] = n  # last, too

    def join(self, other: Session) -> None:
        """All that the other has seen is seen. O(its entries)."""
        for namespace, context in other.seen.items():
            self.note(namespace, context)

    def encode(self) -> str:
        """As text for a header: letters, digits, '-' and '_'; "" of nothing seen. O(entries).

        Where it would be longer than 6,000 characters the namespaces seen last are kept; of one alone, what was seen
        last of it.
        """
        if not self.seen:
            return ""
        text = _text(self.seen)
        if len(text) <= MAX_SESSION:
            return text
        kept: dict[str, dict[str, int]] = {}
        for namespace in reversed(self.seen):
            more = {namespace: self.seen[namespace], **kept}
            if len(_text(more)) > MAX_SESSION:
                break
            kept = more
        return _text(kept) if kept else self._shortened()

    def _shortened(self) -> str:
        """Of the namespace seen last, as much as can be said."""
        namespace, context = next(reversed(self.seen.items()))
        entries = list(context.items())
        while len(text := _text({namespace: dict(entries)})) > MAX_SESSION:
            del entries[: -(-len(entries) // 8)]
        return text

    def trim(self, namespace: str, known: Vector) -> bool:
        """What is `known` to be at all colos that hold that namespace need not be said; whether anything was left out.
        O(its entries)."""
        seen = self.seen.get(namespace, {})
        left = {replica: n for replica, n in seen.items() if n > known.get(replica, 0)}
        if len(left) == len(seen):
            return False
        self.seen[namespace] = left
        return True

    @classmethod
    def decode(cls, text: str | None) -> Session:
        """The session in what `encode` gave; an empty one of nothing. O(size), bounded. Raises VersionInvalid."""
        if not text:
            return cls()
        try:
            return cls(_checked(_plain(text)))
        except (ValueError, TypeError, zlib.error, msgpack.UnpackException) as error:
            raise VersionInvalid(
                f"session {show(text)} is not one ({error})",
                next_step="send the session token of an earlier reply as it was given to you, or none",
            ) from None

    def __repr__(self) -> str:
        return f"Session({self.seen!r})"


def token_of_one(namespace: str, context: Mapping[str, int]) -> bytes:
    """What `encode` gives of a session that has seen nothing but that, as a header has it. O(entries), few.

    >>> session = Session()
    >>> session.note("~default", {"lhr~k3f9": 41})
    >>> token_of_one("~default", {"lhr~k3f9": 41}) == session.encode().encode()
    True
    """
    if len(context) != 1:
        return _token({namespace: context})
    [(replica, n)] = context.items()
    return _written(_before_n(namespace, replica) + _pack(n))


@lru_cache(maxsize=1024)
def _before_n(namespace: str, replica: str) -> bytes:
    """What is packed before the number, of one entry."""
    packed: bytes = _pack([(namespace, [(replica, 0)])])
    return packed[:-1]


def missing(session: Session, store: Store, now_ms: int) -> dict[str, int]:
    """What the session has seen of the store's namespace and this colo has not absorbed; {}: all is here. O(entries).

    Of a replica that is gone nothing is missed, once what it wrote and nobody knew has come under another name.
    `now_ms`: of a clock that nobody sets, as an event loop's is.

    >>> import crdtkv; kv = crdtkv.open(colo="lhr", namespace="~shop")
    >>> kv["a"] = 1
    >>> missing(Session({"~shop": {kv.id: 2, "sin~a0c2": 7}}), kv, now_ms=0)
    {'sin~a0c2': 7}
    """
    seen = session.seen.get(store.namespace)
    if seen is None:
        return {}
    if door.replica(store).state.copied:  # what others are known to have, and is not said, may not be here
        return dict(seen) or {store.id: 1}
    # No lock: a commit may be at the disk, and who waits here may be an event loop. Of a write that is not
    # committed yet it is known as soon as it is read: that waits for the lock.
    vector = door.replica(store).state.vector
    lacking = {replica: n for replica, n in seen.items() if n > vector.get(replica, 0)}
    if not lacking:
        return {}
    with door.holding(store):
        return {replica: n for replica, n in lacking.items() if not _gone(store, replica, now_ms)}


def _gone(store: Store, id: str, now_ms: int) -> bool:
    """Whether that replica has given way to another of its colo, which has said anew what was not known of it.

    Of ourselves we know. Another has done so some time after it came back and all have heard of that; not by stamps
    nor by the wall, which are wrong at times, and not by time alone: who is cut off hears of no new name either. So the
    other has to have told us all that it had since: twice, for the first time it may have been asked before.
    """
    replica = door.replica(store)
    state = replica.state
    if id in state.lineage[:-1]:
        return not state.pending
    member = members.member_at(replica, colo_of(id))
    if member is None or member == id:
        return False
    began = _waited_for(store, id, member, now_ms)
    told = member == state.id or replica.told[member] - began.told >= 2
    return told and now_ms - began.ms >= ANEW_MS and members.agreed(replica)


class _Began(NamedTuple):
    """When a replica that is gone, or not known here, was waited for first; who stood in its place then, and how often
    that one had told us all that it had."""

    ms: int
    member: str
    told: int


_waits: WeakKeyDictionary[Store, dict[str, _Began]] = WeakKeyDictionary()


def _waited_for(store: Store, id: str, member: str, now_ms: int) -> _Began:
    """Since when that replica is waited for, with that member in its place. With the store's lock."""
    waits = _waits.setdefault(store, {})
    found = waits.get(id)
    if found is None or found.member != member:
        if found is None and len(waits) >= MAX_STRANGERS:
            del waits[next(iter(waits))]
        found = waits[id] = _Began(now_ms, member, door.replica(store).told[member])
    return found


def not_here(lacking: Mapping[str, int], store: Store) -> BaseNotHere:
    """What to tell a client whose session is ahead of this colo."""
    told = ", ".join(f"{replica}.{n}" for replica, n in sorted(lacking.items())[:5])
    return BaseNotHere(
        f"the session has seen {told}, which has not arrived at {store.colo!r} yet",
        next_step="try again shortly, at the colo that gave you the session, or without it",
    )


def _text(seen: Mapping[str, Mapping[str, int]]) -> str:
    return _token(seen).decode()


def _token(seen: Mapping[str, Mapping[str, int]]) -> bytes:
    rows = [(namespace, list(context.items())) for namespace, context in seen.items()]
    return _written(_pack(rows))


def _written(data: bytes) -> bytes:
    packed = zlib.compress(data, 6) if len(data) > 64 else data
    mark, data = (_PACKED, packed) if len(packed) < len(data) else (_PLAIN, data)
    return mark + b2a_base64(data).translate(_URL, b"\n=")


def _plain(text: str) -> object:
    if not isinstance(text, str) or len(text) > MAX_SESSION or not text.isascii():
        raise ValueError(f"at most {MAX_SESSION:,} characters")
    mark = text[:1].encode()
    data = base64.b64decode(text[1:] + "=" * (-(len(text) - 1) % 4), altchars=b"-_", validate=True)
    if mark == _PACKED:
        unpack = zlib.decompressobj()
        data = unpack.decompress(data, _MAX_PLAIN)
        if not unpack.eof:
            raise ValueError("cut short, or too long")
    elif mark != _PLAIN:
        raise ValueError("of a kind that is not known here")
    return msgpack.unpackb(data)


def _checked(rows: object) -> dict[str, dict[str, int]]:
    if not isinstance(rows, list):
        raise ValueError("no list")
    seen: dict[str, dict[str, int]] = {}
    for namespace, entries in rows:
        if not is_id(namespace):
            raise ValueError("no namespace")
        context: dict[str, int] = {}
        for replica, n in entries:
            if not isinstance(replica, str) or _REPLICA.fullmatch(replica) is None or type(n) is not int:
                raise ValueError("no version")
            if not 0 < n < _MAX_N:
                raise ValueError("no version")
            context[replica] = n
        seen[namespace] = context
    return seen
