"""What a store is at a moment: its vector, the digest of its cells, and a sum over all that it keeps beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import xxhash

from crdtkv.core.state import State, state_in
from crdtkv.storage.base import NO_HORIZON, Horizon, Storage

__all__ = ["NOTHING", "Moment", "Watch"]


class Moment(NamedTuple):
    """Two that are equal in the first three are the same in the store's eyes and in the user's."""

    vector: dict[str, int]
    digest: int
    beside: int
    wishes: int
    """How many calls were asked for, then."""
    pending: bool
    """Some of what was written waits to be minted anew."""

    def is_of(self, other: Moment) -> bool:
        return self[:3] == other[:3]

    def is_known_to(self, vector: dict[str, int]) -> bool:
        return not self.pending and all(vector.get(replica, 0) >= n for replica, n in self.vector.items())


NOTHING = Moment({}, 0, 0, 0, False)
"""A store that was never made."""


class Watch:
    """Follows what a storage is given, so that a moment costs what has changed since the last one."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self._sums: dict[str, int] = {}
        self._touched = {*storage.past_keys(), *storage.keys("", None)}
        self._inbox = True
        self._follow("put_past")
        self._follow("supersede")
        self._follow("put_horizon")
        self._follow("put_key")
        self._follow("put_inbox")

    def _follow(self, name: str) -> None:
        put: Callable[..., None] = getattr(self._storage, name)

        def follow(where: str, *rest: Any) -> None:
            self._inbox |= name == "put_inbox"
            self._touched.add(where)
            put(where, *rest)

        setattr(self._storage, name, follow)

    def now(self, wishes: int) -> Moment:
        """What would be kept if it were committed now."""
        storage, state = self._storage, _state_in(self._storage)
        for key in self._touched:
            self._sums[key] = _sum(key, storage.past(key), storage.horizon(key))
        if self._inbox:
            self._sums[""] = _sum("", storage.inbox(), NO_HORIZON)
        self._touched.clear()
        self._inbox = False
        return Moment(dict(state.vector), state.digest, sum(self._sums.values()), wishes, bool(state.pending))

    def rolled_back(self) -> None:
        """What was touched since is as it was: look again at all."""
        self._touched |= self._sums.keys() - {""}
        self._inbox = True


def _sum(key: str, rows: Any, horizon: Horizon) -> int:
    """The same for a row as it was put and as it was read: lists and tuples look alike."""
    if not rows and horizon == NO_HORIZON:
        return 0
    return xxhash.xxh3_64_intdigest(repr(_plain((key, rows, horizon))).encode())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in sorted(value.items())}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _state_in(storage: Storage) -> State:
    """What a storage says of its replica."""
    return state_in(storage.meta) or State("", [], "")
