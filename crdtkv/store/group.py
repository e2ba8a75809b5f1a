"""Writes of many threads that share one commit, and so one sync of the disk.

Law of this room: who finds nobody at work does its own; who asks meanwhile waits, and
the first of those leads next: it does what all have asked for until then, each as a
transaction of its own (but those that say of what key they are, one after the other: see `key`),
commits once, and says to each what became of it. What one
has asked for wrongly is undone alone; when the commit fails, all are told so. They
wake one after the other, each by the one before it: woken at once they would only
wait for each other. (Flat combining: Hendler, Incze, Shavit, Tzafrir, 2010.)
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from mypy_extensions import mypyc_attr

from crdtkv.errors import Overloaded
from crdtkv.replica.draft import Draft

__all__ = ["MAX_GROUP", "MAX_WAITING", "Asked", "Group", "Turn"]

MAX_GROUP = 256
"""How many share a commit at the most: nobody waits for more than that."""

MAX_WAITING = 10_000
"""Submitted and not taken yet; more are refused."""

_T = TypeVar("_T")
_log: Final = logging.getLogger("crdtkv")


@mypyc_attr(allow_interpreted_subclasses=True)
class Asked(Generic[_T]):
    """What is asked for, and what became of it."""

    __slots__ = ("act", "behind", "done", "error", "gone", "key", "leads", "value")

    def __init__(self, act: Callable[[Draft], _T], key: str = "") -> None:
        self.act = act
        self.key = key
        """All that it reads and writes, and no more than a little: it may share a transaction, and be done again.
        Empty: it may not."""
        self.value: _T | None = None
        self.error: BaseException | None = None
        self.done = False
        self.leads = False
        self.gone = True
        """Nobody waits for it, or not any more: what lies behind is woken with it."""
        self.behind: Asked[Any] | None = None

    def wake(self) -> None:
        """Whoever asked goes on. Idempotent, waits for nothing."""
        raise NotImplementedError

    def pass_on(self) -> None:
        """The next of those behind it whose thread waits goes on."""
        turn: Asked[Any] | None = self
        while (turn := turn.behind if turn else None) is not None:
            turn.wake()
            if not turn.gone:
                return

    def begins(self) -> bool:
        """Whether it is still asked for."""
        return True

    def result(self) -> _T:
        """What `act` gave. Raises what it raised, or why nothing was committed."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class Turn(Asked[_T]):
    """What one thread asks for, which waits."""

    __slots__ = ("_gate",)

    def __init__(self, act: Callable[[Draft], _T]) -> None:
        super().__init__(act)
        self.gone = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self) -> None:
        """Until it is done, or leads."""
        self._gate.acquire()

    def wake(self) -> None:
        with suppress(RuntimeError):  # it was woken already
            self._gate.release()


class _Submitted(Asked[_T]):
    """One that is told to a future, which may be cancelled before it begins."""

    __slots__ = ("future",)

    def __init__(self, act: Callable[[Draft], _T]) -> None:
        super().__init__(act)
        self.future: Future[_T] = Future()

    def begins(self) -> bool:
        return self.future.set_running_or_notify_cancel()

    def wake(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)  # type: ignore[arg-type]


class Group:
    """`commit(take)` does what `take()` then gives, the longest waiting first, and leaves value or error in each.

    What it raises is for the one who led. `commit_alone(act)` does that and no more. `after()` is called by who led,
    once all were told: what it does nobody waits for but who asks next.
    """

    def __init__(
        self, commit: Callable[[Callable[[], list[Asked[Any]]]], None],
        commit_alone: Callable[[Callable[[Draft], Any]], Any], after: Callable[[], None],
    ) -> None:  # fmt: skip
        self._commit = commit
        self._commit_alone = commit_alone
        self._after = after
        self._mutex = threading.Lock()
        self._waiting: deque[Asked[Any]] = deque()
        self._led = False
        self._leaders: SimpleQueue[Asked[Any] | None] = SimpleQueue()
        self._worker: threading.Thread | None = None
        self._closed = False

    def run(self, act: Callable[[Draft], _T]) -> _T:
        """What `act` gives, committed. Raises what it raises, or what the commit does."""
        leads = False
        try:
            with self._mutex:
                if not self._led:
                    leads = self._led = True  # in this order: who is interrupted in between hands on what it leads
            if leads:
                value: _T = self._commit_alone(act)
        finally:
            if leads:
                with self._mutex:
                    if self._waiting:
                        self._hand_on()
                    else:
                        self._led = False  # (no call: an interrupt comes at one, and nobody would lead any more)
        if not leads:
            return self._wait(act)
        self._after()
        return value

    def _wait(self, act: Callable[[Draft], _T]) -> _T:
        turn = Turn(act)
        try:
            self._ask(turn)
            if not turn.leads:
                turn.wait()
                turn.pass_on()
            if not turn.done:
                self._lead(turn)
                self._after()
        except BaseException:
            turn.gone = True
            if turn.done:
                turn.pass_on()
            self._leave(turn)
            raise
        return turn.result()

    def submit(self, act: Callable[[Draft], _T]) -> Future[_T]:
        """What `act` will have given once it is committed; a thread of the group's own leads. Raises Overloaded."""
        if len(self._waiting) >= MAX_WAITING:
            raise _overloaded(len(self._waiting))
        turn = _Submitted(act)
        self.post([turn])
        return turn.future

    def post(self, turns: Sequence[Asked[Any]]) -> None:
        """All of these are asked for, in this order, for whom no thread waits. Those beyond MAX_WAITING are refused."""
        with self._mutex:
            room = MAX_WAITING - len(self._waiting)
            self._waiting.extend(turns if len(turns) <= room else turns[: max(0, room)])
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="crdtkv-commits", daemon=True)
                self._worker.start()
            if not self._led:
                self._hand_on()
            if self._closed:
                self._leaders.put(None)
        for refused in turns[max(0, room) :]:
            refused.error, refused.done = _overloaded(MAX_WAITING), True
            refused.wake()

    def close(self) -> None:
        """Each of what was submitted is done, or told that it is not; the thread then ends by itself. Idempotent."""
        with self._mutex:
            worker, self._worker = self._worker, None
            self._closed = True
        if worker is not None:
            self._leaders.put(None)

    def _work(self) -> None:
        while (turn := self._leaders.get()) is not None or self._led:
            if turn is None:
                self._leaders.put(None)  # last
                continue
            try:
                self._lead(turn)
            except BaseException as error:
                self._leave(turn)
                turn.error = turn.error or error
            turn.done = True
            turn.wake()
            try:
                self._after()
            except Exception:
                _log.exception("what a commit left to be done failed")

    def _ask(self, turn: Turn[Any]) -> None:
        with self._mutex:
            self._waiting.append(turn)
            if not self._led:
                self._led = turn.leads = True

    def _lead(self, turn: Asked[Any]) -> None:
        taken: list[Asked[Any]] = []

        def take() -> list[Asked[Any]]:
            with self._mutex:
                while self._waiting and len(taken) < MAX_GROUP:
                    first = self._waiting.popleft()
                    if first.begins():
                        taken.append(first)
            return taken

        try:
            self._commit(take)
        finally:
            for each in taken:
                each.done = True
            self._leave(turn)  # first: the next group begins while those of this one wake
            last = turn
            for other in taken:
                if other is not turn:
                    last.behind = last = other
            turn.pass_on()

    def _leave(self, turn: Asked[Any]) -> None:
        """It waits no more, and who leads hands that on. Idempotent."""
        with self._mutex:
            if not turn.done and turn in self._waiting:
                self._waiting.remove(turn)
            if turn.leads:
                turn.leads = False
                self._hand_on()

    def _hand_on(self) -> None:
        """With the mutex: who waits longest leads from now on, or nobody does."""
        self._led = bool(self._waiting)
        if self._waiting:
            first = self._waiting[0]
            first.leads = True
            if isinstance(first, Turn):
                first.wake()
            else:
                self._leaders.put(first)


def _overloaded(waiting: int) -> Overloaded:
    return Overloaded(f"{waiting:,} writes wait for a commit already; at most {MAX_WAITING:,}")
