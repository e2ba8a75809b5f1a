"""What connections ask of a store in one turn of the event loop: one transaction, done in the thread that commits.

Law of this room: what a command refuses it refuses before it writes, so all of a turn share a transaction. Where one
fails after that, the transaction is undone, and each command is done again in one of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from crdtkv.doors.redis.at import Alone, At, Wait
from crdtkv.doors.redis.refusals import Refusal, told
from crdtkv.doors.redis.replies import Failed, Raw, encode
from crdtkv.errors import CrdtkvError
from crdtkv.replica.draft import Draft
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.doors.redis.client import Client
    from crdtkv.doors.redis.connection import Connection
    from crdtkv.doors.redis.table import Command
    from crdtkv.store.store import Store

__all__ = ["MAX_SAID", "MOST", "Asked", "Turn", "answer", "ask", "failed", "run_one"]

_log = logging.getLogger("crdtkv")

MAX_SAID = 1 << 20
"""Bytes of replies to one connection beyond which it waits for the client to read them."""
MOST = 1024
"""Commands of one transaction, or a few more: others wait for it."""


class Asked:
    """What one connection asks for: commands in order. Once done: the bytes of their replies, or `wait`."""

    __slots__ = ("commands", "connection", "rest", "said", "wait")

    def __init__(self, connection: Connection, commands: list[tuple[Command, list[bytes]]]) -> None:
        self.connection = connection
        self.commands = commands
        self.said = b""
        self.rest: list[tuple[Command, list[bytes]]] = []
        """What was not done, since so much was said already."""
        self.wait: Wait | None = None
        """The last of them is a blocking one, and waits."""


class Turn:
    """Of one store. `done` is told once all of it is durable, or refused."""

    def __init__(self, store: Store, done: Callable[[Turn], None]) -> None:
        self.store = store
        self.asked: list[Asked] = []
        self.size = 0
        """Commands in it."""
        self.ats: list[At] = []
        self._done = done

    def add(self, asked: Asked) -> None:
        """It is done with the others. Before `post`."""
        self.asked.append(asked)
        self.size += len(asked.commands)

    def post(self) -> None:
        """In the event loop: it is done soon."""
        ask(self.store, self._run).add_done_callback(self._ended)

    def _run(self, draft: Draft) -> None:
        """In the thread that commits, with the store's lock."""
        at = At(self.store, self.asked[0].connection.client, draft)
        self.ats = [at]
        for asked in self.asked:
            at.client = asked.connection.client
            commands = asked.commands
            if len(commands) == 1:
                asked.said = answer(at, asked, commands[0], False)
            else:
                self._answer_all(at, asked, commands)
        at.settle()

    @staticmethod
    def _answer_all(at: At, asked: Asked, commands: list[tuple[Command, list[bytes]]]) -> None:
        parts: list[bytes] = []
        size = 0
        for each in commands:
            said = answer(at, asked, each, False)
            parts.append(said)
            size += len(said)
            if size > MAX_SAID:
                asked.rest = commands[len(parts) :]
                break
        asked.said = b"".join(parts)

    def _ended(self, future: asyncio.Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is None:
            self._done(self)
        elif len(self.asked) == 1 and len(self.asked[0].commands) == 1 and not isinstance(error, Alone):
            self._failed(self.asked[0], error)
            self._done(self)
        else:
            asyncio.get_running_loop().create_task(self._each_alone())

    async def _each_alone(self) -> None:
        """Each command in a transaction of its own, in order; they share commits still."""
        self.ats = []
        waiting = []
        for asked in self.asked:
            for each in asked.commands:
                at: list[At] = []
                waiting.append((asked, at, ask(self.store, partial(self._alone, asked, each, at))))
        said: dict[Asked, list[bytes]] = {asked: [] for asked in self.asked}
        for asked, at, future in waiting:
            try:
                said[asked].append(await future)
                self.ats += at
            except Exception as error:
                said[asked].append(self._failed(asked, error))
        for asked in self.asked:
            asked.said = b"".join(said[asked])
        self._done(self)

    def _alone(self, asked: Asked, each: tuple[Command, list[bytes]], made: list[At], draft: Draft) -> bytes:
        at = At(self.store, asked.connection.client, draft)
        at.alone = True
        said = answer(at, asked, each, raises=True)
        at.settle()
        made.append(at)
        return said

    def _failed(self, asked: Asked, error: BaseException) -> bytes:
        """Nothing of it is kept, nor what was read meanwhile."""
        client = asked.connection.client
        client.bases.clear()
        client.watched.clear()
        client.queued = None
        asked.said = encode(failed(error), 2)
        return asked.said


def ask(store: Store, act: Callable[[Draft], Any]) -> asyncio.Future[Any]:
    """As `Store.asubmit`, of a function of the draft itself."""
    return door.ask(store, act)


def failed(error: BaseException) -> Failed:
    """What a client is told of what went wrong."""
    if isinstance(error, CrdtkvError):
        return told(error)
    _log.error("a command failed", exc_info=error)
    return Failed(f"ERR internal error: {type(error).__name__}; the log of this colo has more")


def answer(at: At, asked: Asked | None, each: tuple[Command, list[bytes]], raises: bool) -> bytes:
    """The reply's bytes. Where a command that writes fails in the middle: raises, Alone unless `raises`."""
    command, args = each
    client = at.client
    try:
        if at.combines != command.combines:
            at.combine(command.combines)
        reply = command.run(at, args)
        kind = type(reply)
        if kind is Raw:
            return reply  # type: ignore[no-any-return]
        if kind is int:
            return b":%d\r\n" % reply
        if kind is Wait:
            if asked is None or not at.waits:
                reply = reply.nil
            else:
                asked.wait = reply
                return b""
        return encode(reply, client.protocol)
    except Refusal as refused:
        return encode(Failed(str(refused)), 2)
    except Alone:
        raise
    except Exception as error:
        if not command.write:
            return encode(failed(error), 2)
        if raises:
            raise
        raise Alone from error


def run_one(at: At, client: Client, each: tuple[Command, list[bytes]]) -> bytes:
    """What only reads, at once."""
    at.client = client
    return answer(at, None, each, raises=True)
