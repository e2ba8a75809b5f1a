"""The changes of a store for many who follow it: read once, written out once, sent to each.

Law of this room: who follows is told each change once, in the order of the store's own feed,
whatever comes in between. He reads on by himself (`store.watching`) until he stands where the hub
stands, at one vector; from there on he is told what all are told. Who takes too long to read is
let go, and reads on by himself from where he was. What is little is read by who has committed it, while he
has the lock: a thread of our own would wait for it until the next commit has waited for the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from crdtkv.core.clocks import covers_all
from crdtkv.errors import CrdtkvError, StoreClosed
from crdtkv.http import bodies
from crdtkv.store import door
from crdtkv.store.results import Change
from crdtkv.store.watching import Position, cursor_of, read_on

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["Follower", "Form", "Hub", "follow"]

_log = logging.getLogger("crdtkv")
_PAGE = 1_000
_FEW, _BATCHES = 100, 16
"""Changes that who commits them reads, and how often before they are looked at; the rest is read in a thread."""
_QUEUE = 1 << 20
"""Bytes that wait for one follower."""
_PAUSE, _MAX_PAUSE = 50e-6, 0.1
"""Seconds between two rounds, for each who follows, and at most: what comes meanwhile shares a sending."""


class Form(NamedTuple):
    """How changes are written: `change(text, cursor)` of one, `beat(cursor)` when there was none for a while."""

    change: Callable[[bytes, bytes], bytes]
    beat: Callable[[bytes], bytes]


class Follower:
    """One who follows. `position`: up to where he was told. `live`: the hub tells him.

    When nothing was told for `heartbeat` seconds he is told that.
    """

    def __init__(self, prefix: str, position: Position, form: Form, heartbeat: float) -> None:
        self.prefix, self.position, self.form = prefix, position, form
        self.live = False
        self.event = asyncio.Event()
        self._queue: deque[tuple[bytes, Position]] = deque()
        self._size = 0
        self._heartbeat = heartbeat
        self._quiet = False
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        # One timer for all that he is told: to set one for each would cost as much as the sending.
        self._timer = self._loop.call_later(heartbeat, self._beat)

    def _beat(self) -> None:
        left = self._last + self._heartbeat - self._loop.time()
        if left <= 0:
            self._quiet = True
            self.event.set()
            left = self._heartbeat
        self._timer = self._loop.call_later(left, self._beat)

    def close(self) -> None:
        """He is told nothing any more."""
        self._timer.cancel()

    def put(self, told: bytes, position: Position) -> bool:
        """What he is told next; whether there was room for it."""
        if not told and not self._queue:
            self.position = position
            return True
        self._size += len(told)
        if self._size > _QUEUE:
            self._queue.clear()
            self._size = 0
            return False
        self._queue.append((told, position))
        self.event.set()
        return True

    def take(self) -> bytes:
        """All that waits for him; if nothing does and it was quiet for long, that."""
        self.event.clear()
        told = b"".join([text for text, _ in self._queue])
        if self._queue:
            self.position = self._queue[-1][1]
            self._queue.clear()
            self._size = 0
        elif self._quiet:
            told = self.form.beat(cursor_of(self.position).encode())
        if told:
            self._quiet = False
            self._last = self._loop.time()
        return told


class Hub:
    """Of one store, in one event loop."""

    def __init__(self, serving: Serving, store: Store) -> None:
        self.serving, self.store = serving, store
        self.position: Position = ({}, {}, "")
        """Up to where all are told."""
        self._at: Position = ({}, {}, "")
        """Up to where was read; with the store's lock."""
        self._read: deque[tuple[list[Change], Position]] = deque()
        """What is to be told next, and where each ends."""
        self._behind = False
        """There is more than was read."""
        self._followers: set[Follower] = set()
        self._users = 0
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._woken = False
        self._turn: asyncio.Future[None] = self._loop.create_future()
        self._closed = self._ready = False
        self._entering = asyncio.Lock()

    async def enter(self) -> None:
        """Somebody uses it from now on: it listens to the store."""
        async with self._entering:
            self._users += 1
            if self._ready:
                return
            if self._task is not None:
                await self._task
            try:
                self.position = await self.serving.slow(self._begin)
            except BaseException:
                self.leave()
                raise
            self._ready = True
            self.wake()

    def leave(self, follower: Follower | None = None) -> None:
        """He does not use it any more. Once for each `enter`."""
        if follower is not None:
            self._followers.discard(follower)
        self._users -= 1
        if self._users == 0:
            self._ready = False
            door.unlisten(self.store, self._changed)

    def here(self) -> bool:
        """Whether it is of the event loop that runs."""
        return self._loop is asyncio.get_running_loop()

    def join(self, follower: Follower) -> bool:
        """Tell him from now on; whether he stands where the hub stands. Raises StoreClosed."""
        self._check_open()
        settled = self.position[2] == "" and follower.position[2] == ""
        if not settled or follower.position[0] != self.position[0]:
            return False
        follower.live = True
        self._followers.add(follower)
        return True

    def turn(self) -> Awaitable[None]:
        """Until it has looked at the store once more. Raises StoreClosed."""
        self._check_open()
        return asyncio.shield(self._turn)

    def end(self) -> None:
        """All who wait look up. In the event loop."""
        self._next_turn()
        for follower in self._followers:
            follower.event.set()

    def look(self) -> None:
        """Read on, whether or not it was told of a change. In the event loop."""
        self._behind = True
        self.wake()

    def wake(self) -> None:
        """Tell what was read, and read on if there is more. In the event loop."""
        if self._ready and (self._task is None or self._task.done()):
            self._task = self._loop.create_task(self._rounds())

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the store of {self.store.colo!r} is closed")

    # with the store's lock

    def _begin(self) -> Position:
        """In a thread: from here on it is told of changes."""
        with door.holding(self.store):
            self._read.clear()
            self._at = self._here()
            door.listen(self.store, self._changed)
            return self._at

    def _here(self) -> Position:
        vector = self.store.vector
        return vector, vector, ""

    def _changed(self) -> None:
        """By whoever has committed, or absorbed, or may have."""
        if len(self._read) >= _BATCHES:
            self._behind = True
        if not self._behind:
            try:
                if not self._read_on(_FEW):
                    return
            except Exception:  # what is committed is; who reads on in a thread is told what it was
                self._behind = True
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self.wake)

    def _read_on(self, most: int) -> bool:
        """Whether there was anything."""
        changes, at = read_on(self.store, "", self._at, most)
        here = self._here()
        if any(change.reset for change in changes):
            at = here
        self._behind = at != here
        if at == self._at:
            return False
        self._at = at
        self._read.append((changes, at))
        return True

    def _catch_up(self) -> None:
        """In a thread: a page of what there is."""
        with door.holding(self.store):
            self._read_on(_PAGE)

    # in the event loop

    async def _rounds(self) -> None:
        again = True
        while again:
            self._woken = False
            changes: list[Change] = []
            try:
                if self._behind:
                    await self.serving.slow(self._catch_up)
                while self._read:
                    some, self.position = self._read.popleft()
                    changes += some
            except StoreClosed:
                self._closed, changes = True, []
            except CrdtkvError:
                _log.exception("the changes of %s cannot be read", self.store)
                await asyncio.sleep(1)
                continue
            self._tell(changes)
            self._next_turn()
            if not self._behind:
                await asyncio.sleep(min(_MAX_PAUSE, _PAUSE * len(self._followers)))
            again = not self._closed and (self._behind or self._woken)

    def _next_turn(self) -> None:
        self._turn.set_result(None)
        self._turn = self._loop.create_future()

    def _tell(self, changes: list[Change]) -> None:
        texts = [(change.key, bodies.dump(bodies.plain_change(change)), change.cursor.encode()) for change in changes]
        if any(change.reset for change in changes) or self._closed:
            for follower in self._followers:  # each reads on by himself, and is told of it there
                follower.live = False
                follower.event.set()
            self._followers.clear()
        written: dict[tuple[Form, str], bytes] = {}
        for follower in list(self._followers):
            asked = (follower.form, follower.prefix)
            if asked not in written:
                written[asked] = _written(texts, *asked)
            if not follower.put(written[asked], self.position):
                follower.live = False
                self._followers.discard(follower)
                follower.event.set()


def _written(texts: list[tuple[str, bytes, bytes]], form: Form, prefix: str) -> bytes:
    return b"".join([form.change(text, cursor) for key, text, cursor in texts if key.startswith(prefix)])


async def follow(
    hub: Hub, prefix: str, position: Position, form: Form, heartbeat: float, out: Callable[[bytes], Awaitable[None]]
) -> None:
    """Sends by `out` until the server stops or the store is closed; `enter` was called for him.

    The first thing says where it begins: who is cut off before a change misses none.
    """
    follower = Follower(prefix, position, form, heartbeat)
    stopping = hub.serving.stopping
    try:
        await out(form.beat(cursor_of(position).encode()))
        while not stopping.is_set():
            told = follower.take()
            if told:
                await out(told)
            elif follower.live or hub.join(follower):
                await follower.event.wait()
            else:
                told = await _alone(hub, follower)
                if told:
                    await out(told)
    except StoreClosed:
        return
    finally:
        follower.close()
        hub.leave(follower)


async def _alone(hub: Hub, follower: Follower) -> bytes:
    """A page that he reads by himself, as far as the hub stands; or the hub comes to where he stands."""
    target = hub.position[0]
    frm, to, last = follower.position
    if not last and (covers_all(frm, target) or not covers_all(target, frm)):
        hub.look()
        await hub.turn()
        return b""
    if last and not covers_all(target, to):
        target = to
    read = hub.serving.slow(read_on, hub.store, follower.prefix, follower.position, _PAGE, target)
    changes, follower.position = await read
    told = [follower.form.change(bodies.dump(bodies.plain_change(c)), c.cursor.encode()) for c in changes]
    return b"".join(told)
