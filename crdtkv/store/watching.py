"""Feeds of changes, resumable at any colo.

A cursor is `(from, to, last key)`: the vectors of the batch it is in, and the key it
got to. What changed is what holds a sibling beyond `from`, so a feed begun at one
colo goes on at another. Who lacks some of what was purged can't be told what was
deleted: it gets one `reset`, then every key.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgpack

from crdtkv.core.clocks import covers_all
from crdtkv.errors import BaseNotHere, CursorInvalid
from crdtkv.store.results import Change
from crdtkv.store.selection import USER_KEYS

if TYPE_CHECKING:
    from crdtkv.store.store import Store

__all__ = [
    "Position",
    "watch",
]

Position = tuple[dict[str, int], dict[str, int], str]


def watch(store: Store, prefix: str, since: str | None, timeout: float | None) -> Iterator[Change]:
    """See Store.watch. The feed begins when this is called, not when it is first read from."""
    with store._lock:
        store._check_idle()
        vector = dict(store._replica.state.vector)
        position = (vector, vector, "") if since is None else _decode(since)
        if not covers_all(vector, position[1]):
            raise BaseNotHere(f"cursor {since!r:.80} is ahead of this colo; sync, or try again")
    return _changes(store, prefix, position, timeout)


def _changes(store: Store, prefix: str, position: Position, timeout: float | None) -> Iterator[Change]:
    frm, to, last = position
    while True:
        with store._lock:
            if store._closed:
                return
            if frm and not covers_all(frm, store._replica.state.dropped):
                # What was deleted since can't be told any more: begin again, with all there is.
                frm, last = {}, ""
                to = dict(store._replica.state.vector)
                reset = True
            else:
                to = to if last else dict(store._replica.state.vector)
                reset = False
            keys = _keys(store, prefix, frm, to, last)
        if reset:
            yield Change("", None, _encode((frm, to, "\x00")), reset=True)
        for key in keys:
            yield Change(key, store.get(key), _encode((frm, to, key)))
        frm, last = to, ""
        with store._changed:
            if covers_all(frm, store._replica.state.vector) and not store._closed and not store._changed.wait(timeout):
                return


def _keys(store: Store, prefix: str, frm: dict[str, int], to: dict[str, int], last: str) -> list[str]:
    """The keys that changed in (from, to]; what has changed again since is left to the next batch."""
    storage = store._replica.storage
    found = {key for key, _ in storage.beyond(frm)} - {key for key, _ in storage.beyond(to)}
    return sorted(key for key in found if key > last and key >= USER_KEYS and key.startswith(prefix))


def _encode(position: Position) -> str:
    return base64.urlsafe_b64encode(msgpack.packb(position)).decode().rstrip("=")


def _decode(cursor: str) -> Position:
    try:
        frm, to, last = msgpack.unpackb(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        for vector in (frm, to):
            if not all(isinstance(r, str) and isinstance(n, int) for r, n in vector.items()):
                raise ValueError("not a vector")
        return dict(frm), dict(to), str(last)
    except Exception as error:
        raise CursorInvalid(f"cursor {cursor!r:.80} is not one; use what a change carried") from error
