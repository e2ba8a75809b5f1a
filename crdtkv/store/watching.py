"""Feeds of changes, resumable at any colo.

A cursor is `(from, to, last key)`: the vectors of the batch it is in, and the key it
got to. What changed is what holds a sibling beyond `from`, so a feed begun at one
colo goes on at another. Who lacks some of what was purged can't be told what was
deleted: it gets one `reset`, then every key.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgpack

from crdtkv.core.clocks import covers_all
from crdtkv.core.show import show
from crdtkv.errors import BaseNotHere, CursorInvalid, ValueInvalid
from crdtkv.store.results import Change
from crdtkv.store.selection import USER_KEYS

if TYPE_CHECKING:
    from crdtkv.store.store import Store

__all__ = ["Feed", "Position", "begin", "cursor_of", "read_on", "watch"]

Position = tuple[dict[str, int], dict[str, int], str]


def watch(store: Store, prefix: str, since: str | None, timeout: float | None) -> Feed:
    """See Store.watch. The feed begins when this is called, not when it is first read from."""
    if not isinstance(prefix, str):
        raise ValueInvalid(f"prefix is {show(prefix)}; text is wanted")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0):
        raise ValueInvalid(f"timeout is {show(timeout)}; a number of seconds, 0 or more, or None is allowed")
    return Feed(store, prefix, begin(store, since), timeout)


def begin(store: Store, since: str | None) -> Position:
    """Where a feed begins: here and now, or at a cursor. Raises CursorInvalid, BaseNotHere. O(replicas)."""
    with store._lock:
        store._writer.check_idle()
        vector = dict(store._replica.state.vector)
        position = (vector, vector, "") if since is None else _decode(since)
        if not covers_all(vector, position[1]):
            raise BaseNotHere(f"cursor {show(since)} is ahead of this colo; sync, or try again")
    return position


def read_on(
    store: Store, prefix: str, position: Position, limit: int, until: dict[str, int] | None = None
) -> tuple[list[Change], Position]:  # fmt: skip
    """At most `limit` changes from there, as far as the vector `until` (None: all that is here), and where they end.

    Who reads on by himself, as far as a vector, is told each change once; and where there is a gap, that there is.
    Waits for nothing. Raises StoreClosed. O(what changed).
    """
    found: list[Change] = []
    with store._lock:
        store._writer.check_idle()
        vector = dict(store._replica.state.vector) if until is None else until
        while len(found) < limit:
            frm, to, last = position
            if frm and not covers_all(frm, store._replica.state.dropped):
                vector = dict(store._replica.state.vector)  # what was dropped may lie beyond `until`
                position = ({}, vector, "\x00")
                found.append(Change("", None, cursor_of(position), reset=True))
                continue
            if not last:
                if covers_all(frm, vector):
                    break
                to = vector
            keys = _keys(store, prefix, frm, to, last)
            for key in keys[: limit - len(found)]:
                position = (frm, to, key)
                found.append(Change(key, store._reading().entry(key), cursor_of(position)))
            if not keys or position[2] == keys[-1]:
                position = (to, to, "")
    return found, position


class Feed(Iterator[Change]):
    """The changes of a store, one by one, as `kv.watch` gives them; of one thread at a time.

    It ends when it has waited for `timeout` seconds and nothing came that it tells of, and
    when the store is closed. `cursor` is where it has got to: past what was told, and
    past all that it looked at and had nothing to tell of.

    >>> import crdtkv
    >>> kv = crdtkv.open(":memory:", colo="lhr")
    >>> feed = kv.watch("cart/", timeout=0)
    >>> _ = kv.put("todo", 1)
    >>> list(feed)
    []
    >>> _ = kv.put("cart/7", 1)
    >>> [change.key for change in kv.watch("cart/", since=feed.cursor, timeout=0)]
    ['cart/7']
    """

    def __init__(self, store: Store, prefix: str, position: Position, timeout: float | None) -> None:
        self._store = store
        self._prefix = prefix
        self._position = position
        self._timeout = timeout
        self._batch: deque[str] | None = None

    @property
    def cursor(self) -> str:
        """Where a feed goes on that is to miss nothing, here or at another colo. O(replicas).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> feed = kv.watch(timeout=0)
        >>> kv["a"] = 1
        >>> [change.key for change in kv.watch(since=feed.cursor, timeout=0)]
        ['a']
        """
        return cursor_of(self._position)

    def __next__(self) -> Change:
        """The next change, waited for. O(1), and once a batch O(what changed)."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        store = self._store
        while True:
            with store._lock:
                if store._writer.closed:
                    raise StopIteration
                store._writer.check_idle()
                change = self._told()
                if change is not None:
                    return change
                left = None if deadline is None else min(deadline - time.monotonic(), threading.TIMEOUT_MAX)
                if left is not None and left <= 0:
                    raise StopIteration
                store._writer.changed.wait(left)

    def _told(self) -> Change | None:
        """What there is to tell now; None once all that is absorbed here was told or passed over."""
        vector, dropped = self._store._replica.state.vector, self._store._replica.state.dropped
        while True:
            frm, to, last = self._position
            if self._batch is None:
                if frm and not covers_all(frm, dropped):
                    # What was deleted since can't be told any more: begin again, with all there is.
                    self._position = ({}, dict(vector), "\x00")
                    return Change("", None, self.cursor, reset=True)
                if not last:
                    if covers_all(frm, vector):
                        return None
                    self._position = frm, to, last = frm, dict(vector), ""
                self._batch = deque(_keys(self._store, self._prefix, frm, to, last))
            if self._batch:
                key = self._batch.popleft()
                self._position = (frm, to, key)
                return Change(key, self._store._reading().entry(key), self.cursor)
            self._batch = None
            self._position = (to, to, "")


def _keys(store: Store, prefix: str, frm: dict[str, int], to: dict[str, int], last: str) -> list[str]:
    """The keys that changed in (from, to]; what has changed again since is left to the next batch."""
    storage = store._replica.storage
    found = {key for key, _ in storage.beyond(frm)}
    if to != store._replica.state.vector:
        found -= {key for key, _ in storage.beyond(to)}
    return sorted(key for key in found if key > last and key >= USER_KEYS and key.startswith(prefix))


def cursor_of(position: Position) -> str:
    """The cursor that stands for a position. O(replicas)."""
    return base64.urlsafe_b64encode(msgpack.packb(position)).decode().rstrip("=")


def _decode(cursor: str) -> Position:
    try:
        frm, to, last = msgpack.unpackb(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        for vector in (frm, to):
            if not all(isinstance(r, str) and isinstance(n, int) for r, n in vector.items()):
                raise ValueError("not a vector")
        return dict(frm), dict(to), str(last)
    except Exception as error:
        raise CursorInvalid(f"cursor {show(cursor)} is not one; use what a change carried") from error
