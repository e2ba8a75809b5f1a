"""One namespace's machine at work: what comes is handed to it in threads, one thing at a time.

Law of this room: the machine is called with the store's lock held, which a commit may hold
while it waits for the disk; so never in the event loop. The lock is let go between two
messages, so that who reads or writes gets his turn. What was committed here goes out at
once, from the very thread that committed it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeVar

from crdtkv.core.wire import Record
from crdtkv.errors import CrdtkvError
from crdtkv.gossip.machine import Gossip, PeerStatus
from crdtkv.gossip.settings import Send, Settings
from crdtkv.node.everywhere import note
from crdtkv.replica import life
from crdtkv.store import door, maintenance
from crdtkv.store.store import Store

__all__ = ["MAX_TOGETHER", "Act", "Actor", "now_ms"]

MAX_TOGETHER = 1_000
"""Messages of one peer that share a commit: who reads or writes waits no longer than for so many."""

_log = logging.getLogger("crdtkv")
_T = TypeVar("_T")

Act = Callable[[Gossip, int, Random], list[Send]]
"""What the machine is asked, and when."""


def now_ms() -> int:
    """The clock that machines go by."""
    return int(time.monotonic() * 1000)


def _plain(peer: PeerStatus, now: int) -> dict[str, Any]:
    heard, compared = (None if at is None else now - at for at in (peer.heard_ms, peer.compared_ms))
    return {
        "colo": peer.name, "replica": peer.id, "met": peer.met, "heard_ms_ago": heard, "compared_ms_ago": compared,
        "delay_ms": peer.delay_ms, "refused": peer.refused, "error": "" if peer.error is None else str(peer.error),
    }  # fmt: skip


@dataclass(eq=False, slots=True)
class _Turn:
    """What the machine is to be asked; of messages: whose, and which."""

    act: Act
    future: asyncio.Future[list[Send]]
    peer: str = ""
    came: list[bytes] = field(default_factory=list)


class Actor:
    """The machine of `store`. `post` takes, in the event loop, what it sends unasked; `moved` is called there when
    something was absorbed.
    """

    def __init__(
        self, store: Store, pool: Executor, dice: Random, post: Callable[[Iterable[Send]], None],
        moved: Callable[[Actor], None], settings: Settings | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.id = store.namespace
        self.active_ms = now_ms()
        """When something but a tick happened last."""
        self.founder = ""
        """The colo that has to be met first; "": no matter who."""
        self.opened_ms = now_ms()
        self.peers: set[str] = set()
        """The colos that the machine knows of."""
        self._machine = Gossip(door.replica(store), partial(door.rule, store), store.namespace, settings)
        self._loop = asyncio.get_running_loop()
        self._pool, self._dice, self._post, self._moved = pool, dice, post, moved
        self._waiting: list[_Turn] = []
        self._busy = False
        self._fresh: deque[Send] = deque()
        self._flushing = False
        self._ended = threading.Event()
        store.on_commit.append(self._on_commit)

    @property
    def busy(self) -> bool:
        """Whether something waits for it, or is under way."""
        return self._busy

    def ask(self, act: Act) -> asyncio.Future[list[Send]]:
        """What the machine then sends. In the event loop."""
        return self._enqueue(_Turn(act, self._loop.create_future()))

    def take(self, peer: str, came: list[bytes]) -> asyncio.Future[list[Send]]:
        """Messages came. Where more of that peer wait already, they go with these, and so do the answers: records
        share a commit then.
        """
        self.active_ms = now_ms()
        future: asyncio.Future[list[Send]] = self._loop.create_future()
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.peer == peer and len(last.came) < MAX_TOGETHER:
            last.came += came
            future.set_result([])
            return future

        def act(machine: Gossip, now: int, dice: Random) -> list[Send]:
            return machine.on_messages(peer, came, now, dice)

        return self._enqueue(_Turn(act, future, peer, came))

    def _enqueue(self, turn: _Turn) -> asyncio.Future[list[Send]]:
        if self._ended.is_set():
            turn.future.set_result([])
            return turn.future
        self._waiting.append(turn)
        if not self._busy:
            self._busy = True
            self._begin()
        return turn.future

    def close(self) -> None:
        """It is asked nothing any more. Idempotent."""
        self._ended.set()
        if self._on_commit in self.store.on_commit:
            self.store.on_commit.remove(self._on_commit)

    def status(self) -> dict[str, Any]:
        """How it stands with each peer, as plain data; times are milliseconds ago. Waits for the lock."""
        with door.holding(self.store):
            machine, now = self._machine, now_ms()
            peers, suspects, joining = machine.status(), machine.suspects(), machine.joining
            counts, lacking = dict(machine.counts), machine.draining.lacking()
        return {
            "id": self.id, "peers": [_plain(peer, now) for peer in peers], "suspects": suspects, "joining": joining,
            "awaited": self.founder, "lacking": lacking, "counts": counts,
        }  # fmt: skip

    def look(self, act: Callable[[Gossip], _T]) -> _T | None:
        """What `act` finds of the machine, with the store's lock held; None: it has ended. In a thread."""
        with door.holding(self.store):
            return act(self._machine) if door.is_open(self.store) and not self._ended.is_set() else None

    def forget(self) -> None:
        """The store drops what is deleted everywhere, and what is everywhere is noted. In a thread."""
        self._care(lambda: maintenance.forget(self.store))
        self._care(lambda: note(self.store))

    def tend(self) -> None:
        """The store forgets what of the past is too old to be kept, a little at a time; between, others have it for
        ten times as long. In a thread.
        """
        self._care(self._tend)

    def _tend(self) -> None:
        began = time.monotonic()
        for _ in maintenance.tend(self.store):
            if self._ended.wait(min(10 * (time.monotonic() - began), 1)):
                return
            began = time.monotonic()

    def _care(self, act: Callable[[], object]) -> None:
        try:
            if not self._ended.is_set():
                act()
        except CrdtkvError as error:
            _log.warning("namespace %s: %s", self.id, error)

    # in the event loop

    def _begin(self) -> None:
        taken, self._waiting = self._waiting, []
        try:
            self._pool.submit(self._run, taken)
        except RuntimeError:  # it is shut down
            self._ran(taken, False)

    def _ran(self, taken: list[_Turn], moved: bool) -> None:
        for turn in taken:
            if not turn.future.done():
                turn.future.set_result([])
        if self._waiting:
            self._begin()
        else:
            self._busy = False
        if moved:
            self._moved(self)

    def _say(self, future: asyncio.Future[list[Send]], sends: list[Send]) -> None:
        if not future.done():
            future.set_result(sends)
        elif sends:
            self._post(sends)

    def _flush(self) -> None:
        self._flushing = False  # first: who commits from here on calls again
        self.active_ms = now_ms()
        fresh = self._fresh
        self._post([fresh.popleft() for _ in range(len(fresh))])

    # in threads

    def _run(self, taken: list[_Turn]) -> None:
        """Each is told as soon as it is done, and whether something was absorbed."""
        moved = False
        try:
            before = self._total()
            for turn in taken:
                sends = self._one(turn.act)
                if sends:
                    self._tell(self._say, turn.future, sends)
            moved = self._total() != before
        except Exception:
            _log.exception("namespace %s: what came was not taken", self.id)
        self._tell(self._ran, taken, moved)

    def _tell(self, what: Callable[..., None], *given: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(what, *given)

    def _one(self, act: Act) -> list[Send]:
        store = self.store
        try:
            with door.holding(store):
                if not door.is_open(store) or self._ended.is_set():
                    return []
                try:
                    life.mend(door.replica(store))  # nobody may write here, and what it says is not believed before
                    return act(self._machine, now_ms(), self._dice)
                finally:
                    door.tell(store)  # also where it failed half-way: what was minted was
        except CrdtkvError as error:
            _log.warning("namespace %s: %s", self.id, error)
        except Exception:
            _log.exception("namespace %s: a message could not be taken", self.id)
        return []

    def _total(self) -> tuple[str, str, int]:
        state = door.replica(self.store).state
        return state.id, state.namespace, door.absorbed(self.store)

    def _on_commit(self, record: Record, data: bytes) -> None:
        """With the lock held, by who committed."""
        sends = self._machine.on_commit(now_ms())
        if sends:
            self._fresh.extend(sends)
            if not self._flushing:
                self._flushing = True
                self._tell(self._flush)
