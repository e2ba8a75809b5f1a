"""The door: its connections, which store each of them uses, and what a client may."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from crdtkv.doors.redis import commands
from crdtkv.doors.redis.at import At
from crdtkv.doors.redis.board import Board
from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.commands.connections import MAX_DATABASE, database_of, namespace_of
from crdtkv.doors.redis.connection import Connection
from crdtkv.doors.redis.cursors import Cursors
from crdtkv.doors.redis.events import Events
from crdtkv.doors.redis.following import Following
from crdtkv.doors.redis.place import Place
from crdtkv.doors.redis.protocol import LIMITS, STRANGER, Limits
from crdtkv.doors.redis.refusals import NOT_INT, Refusal, told, wrong_number
from crdtkv.doors.redis.relay import Relay
from crdtkv.doors.redis.replies import QUEUED, Failed, encode
from crdtkv.doors.redis.table import Command
from crdtkv.doors.redis.turn import MAX_SAID, Asked, Turn, failed, run_one
from crdtkv.errors import CrdtkvError
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving

__all__ = ["TELLS", "Door"]

commands.load()

_log = logging.getLogger("crdtkv")
_WITHOUT = frozenset({"auth", "hello", "quit", "reset"})
"""What one may ask without saying who he is."""
_LISTENING = frozenset(
    {"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "ping", "quit", "reset"}
)  # fmt: skip
_AT_ONCE = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})
"""What is not queued behind MULTI."""
TELLS = frozenset({
    "getset", "getdel", "getex", "lpop", "rpop", "blpop", "brpop", "lmpop", "blmpop", "lmove", "blmove",
    "rpoplpush", "brpoplpush", "spop", "zpopmin", "zpopmax", "bzpopmin", "bzpopmax", "zmpop", "bzmpop", "setbit",
    "bitfield", "bitop", "copy", "rename", "renamenx", "sort", "sinterstore", "sunionstore", "sdiffstore",
    "zinterstore", "zunionstore", "zdiffstore", "zrangestore", "georadius", "georadiusbymember", "geosearchstore",
    "pfmerge", "incr", "decr", "incrby", "decrby", "incrbyfloat", "hincrby", "hincrbyfloat", "zincrby",
})  # fmt: skip
"""What writes, and tells what stood there or puts it where it may be read: that takes leave to read, too."""
_SUMS = frozenset({
    "incr", "decr", "incrby", "decrby", "incrbyfloat", "hincrby", "hincrbyfloat", "zincrby", "zadd",
})  # fmt: skip
"""What tells a sum and nothing else: after CLIENT REPLY OFF or SKIP nobody learns it."""
_TELLING = {"set": (3, b"get"), "zadd": (2, b"incr")}
"""What tells with that option, which stands there or later."""
_MAX_QUEUED = 64 * 1024 * 1024


def _tells(command: Command, args: list[bytes]) -> bool:
    """Whether a command that writes tells what stood there."""
    at, option = _TELLING.get(command.name, (0, b""))
    return command.name in TELLS or (bool(option) and option in map(bytes.lower, args[at:]))


class Door:
    """Of one node that is served, in its event loop. `refuses_unsound`: what holds at one colo only is refused."""

    def __init__(self, serving: Serving, refuses_unsound: bool = False) -> None:
        self.serving = serving
        self.node = serving.node
        self.refuses_unsound = refuses_unsound
        self.clients: dict[int, Client] = {}
        self.board = Board()
        self.cursors = Cursors()
        self.events = Events(self.board, self._follow)
        self._following: dict[str, Following] = {}
        self.relay = Relay(self.board, serving.carrier)
        self.began = time.time()
        self.commands_run = 0
        self.connections_made = 0
        self._left = asyncio.Event()
        self._ids = itertools.count(1)
        self._places: dict[str, Place] = {}

    def end(self) -> None:
        """Whoever is here is sent away, once what he asked for is done."""
        self.relay.close()
        self.events.flags = ""
        self._follow()
        for client in list(self.clients.values()):
            client.connection.close()

    async def gone(self) -> None:
        """Everybody has gone."""
        while self.clients:
            self._left.clear()
            await self._left.wait()

    # connections

    def limits(self, client: Client | None = None) -> Limits:
        """How much a command may be."""
        return STRANGER if self.node.guarded and (client is None or client.token is None) else LIMITS

    def enter(self, connection: Connection) -> Client:
        """A client has come."""
        peer = connection.transport.get_extra_info("peername") or ("?", 0)
        self.connections_made += 1
        now = time.time()
        client = Client(
            self, next(self._ids), f"{peer[0]}:{peer[1]}", self.place("default"), connection, since=now, active=now
        )
        self.clients[client.id] = client
        return client

    @property
    def full(self) -> bool:
        """Whether more are here than may be."""
        return len(self.clients) > self.serving.limits.connections

    def leave(self, client: Client) -> None:
        """It has gone."""
        self.clients.pop(client.id, None)
        self.board.leave(client)
        client.place.parking.leave(client)
        self._left.set()

    @property
    def durable(self) -> bool:
        """Whether what was answered survives a power cut."""
        return self.node.durable

    def places(self) -> list[Place]:
        """The namespaces that anybody has used."""
        return list(self._places.values())

    def numbered(self) -> list[Place]:
        """Those that SELECT means by a number, as far as they are there."""
        found = []
        for index in range(MAX_DATABASE + 1):
            with suppress(CrdtkvError):
                found.append(self.place(namespace_of(index)))
        return found

    def place(self, name: str) -> Place:
        """The namespace of that name or id. Raises NamespaceUnknown, NamespaceElsewhere."""
        store = self.node.store(name)
        found = self._places.get(store.namespace)
        if found is None or found.store is not store:
            found = self._places[store.namespace] = Place(store, self._done)
            self._follow()
        return found

    def _follow(self) -> None:
        """Who is told of events hears of what other colos write, too; nobody follows where nobody is."""
        if not self.events.flags:
            for following in self._following.values():
                following.end()
            self._following.clear()
            return
        for id, place in self._places.items():
            if id not in self._following:
                self._following[id] = Following(place, self.serving, self.events, database_of(place.store, self.node))

    # who may what

    @property
    def asks(self) -> bool:
        """Whether it has to be looked at each command whether it may run."""
        return self.node.guarded or self.refuses_unsound or self.serving.joining

    def admitted(self, client: Client, command: Command | None, args: list[bytes]) -> Command | Any:
        """The command, if it is to run now; else what its client is told."""
        refused = self._refused(client, command, args)
        if refused is not None:
            if command is not None and command.name == "exec":
                client.queued = None
                client.watched.clear()
                return Failed(f"EXECABORT Transaction discarded because of: {refused.removeprefix('ERR ')}")
            if client.queued is not None:
                client.queued.refused = True
            return refused
        assert command is not None, "it is known"
        queued = client.queued
        if queued is None or command.name in _AT_ONCE:
            return command
        queued.size += sum(map(len, args)) + 100
        if queued.size > _MAX_QUEUED:
            queued.refused = True
            return Failed("ERR the transaction is too large")
        if "nomulti" in command.flags:
            queued.refused = True
            return Failed(f"ERR Command not allowed inside a transaction: {command.name}")
        queued.commands.append((command, args))
        return QUEUED

    def _refused(self, client: Client, command: Command | None, args: list[bytes]) -> Failed | None:
        if command is None:
            words = " ".join(f"'{each.decode('utf-8', 'replace')[:128]}'" for each in args[1:20])
            name = args[0].decode("utf-8", "replace")[:128]
            return Failed(f"ERR unknown command '{name}', with args beginning with: {words}")
        if not command.fits(len(args)):
            return wrong_number(command.name)
        if self.node.guarded and client.token is None and command.name not in _WITHOUT:
            return Failed("NOAUTH Authentication required.")
        if client.protocol == 2 and client.listens and command.name not in _LISTENING:
            return Failed(
                f"ERR Can't execute '{command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                "are allowed in this context"
            )
        if command.local and self.refuses_unsound:
            return Failed(f"UNSOUND {command.name} {command.local}; redis_unsound = \"allow\" allows it at this colo")
        try:
            if command.write:
                self.serving.check_joined()
            if self.node.guarded and (command.store or command.keys[0] or "namespace" in command.flags):
                self._authorize(client, command, args)
        except CrdtkvError as error:
            return told(error)
        return None

    def _authorize(self, client: Client, command: Command, args: list[bytes]) -> None:
        """Raises Unauthorized, Forbidden."""
        namespace = client.store.namespace
        actions = ["write" if command.write else "read"]
        if _tells(command, args) and not (client.replies != "on" and client.queued is None and command.name in _SUMS):
            actions.append("read")
        # Where other words may name keys, too, it takes a token of the whole namespace.
        names = [] if "movablekeys" in command.flags else commands.keys_in(command, args)
        for action in actions:
            for name in names:
                self.node.authorize(client.token, action, namespace, name.decode("utf-8", "replace"))
            if not names and command.name not in ("exec",):
                self.node.authorize(client.token, action, namespace)

    # commands

    def run_own(self, client: Client, command: Command, args: list[bytes]) -> Any:
        """The reply to a command of the connection alone, which may have to be awaited."""
        try:
            return command.run(client, args)
        except Refusal as refused:
            return Failed(str(refused))
        except Exception as error:
            return failed(error)

    def in_transaction(self, at: At, command: Command, args: list[bytes]) -> Any:
        """The reply to a command of the connection alone between MULTI and EXEC. In the thread that commits."""
        if command.name in ("publish", "spublish"):
            shard = command.name == "spublish"
            at.after.append(lambda: self.publish(args[1], args[2], shard))
            return self.board.listeners(args[1], shard)
        reply = command.run(at.client, args)
        if isinstance(reply, Coroutine):
            reply.close()
            raise Refusal(f"ERR Command not allowed inside a transaction: {command.name}")
        return reply

    def publish(self, channel: bytes, message: bytes, shard: bool = False) -> int:
        """Who listens is told, here and at other colos; how many are here."""
        self.relay.tell(channel, message, shard)
        return self.board.tell(channel, message, shard)

    def read(self, client: Client, together: list[tuple[Command, list[bytes]]]) -> list[bytes] | None:
        """The replies to what only reads, or to the first of them if they are large; None: somebody writes just now."""
        parts = client.place.known(together)
        if len(parts) == len(together):
            return parts
        store, latch = client.place.store, client.place.latch
        if not latch.acquire(blocking=False):
            return None
        try:
            if not door.is_open(store):
                return [encode(Failed("ERR the namespace is closed"), 2)] * len(together)
            at = At(store, client)
            size = 0
            for each in together[len(parts) :]:
                parts.append(run_one(at, client, each))
                size += len(parts[-1])
                if size > MAX_SAID:
                    break
            return parts
        finally:
            latch.release()

    def ask(self, place: Place, asked: Asked) -> None:
        """It is done with all else that is asked for in this turn of the loop."""
        place.ask(asked)

    def _done(self, turn: Turn) -> None:
        """All of a turn is durable."""
        self.commands_run += turn.size
        for at in turn.ats:
            for act in at.after:
                act()
            if self.events.flags:
                for event, key, database in at.noted:
                    self.events.tell(event, key, database)
        for asked in turn.asked:
            asked.connection.done(asked)

    def note_slow(self, client: Client) -> None:
        """A client that does not read what it is told is sent away."""
        _log.warning("redis client %s does not read; its connection is closed", client.address)

    def unblock(self, args: list[bytes]) -> Any:
        """CLIENT UNBLOCK."""
        how = args[3].lower() if len(args) == 4 else b"timeout"
        if how not in (b"timeout", b"error"):
            raise Refusal("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        if not args[2].isdigit():
            raise Refusal(NOT_INT)
        client = self.clients.get(int(args[2]))
        return int(client is not None and client.place.parking.unblock(client, how == b"error"))
