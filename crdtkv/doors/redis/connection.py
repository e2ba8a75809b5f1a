"""A connection: bytes in, commands in order, replies out, as few writes as possible.

Law of this room: one command after the other, whatever comes meanwhile; who does not read is not read from, and who
lets too much pile up is gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

from crdtkv.doors.redis.protocol import Parser
from crdtkv.doors.redis.refusals import Refusal
from crdtkv.doors.redis.replies import SILENT, Failed, encode
from crdtkv.doors.redis.table import FOUND, Command, find
from crdtkv.doors.redis.turn import MAX_SAID, Asked, failed

if TYPE_CHECKING:
    from crdtkv.doors.redis.client import Client
    from crdtkv.doors.redis.door import Door

__all__ = ["MAX_OUTPUT", "Connection", "Each"]

MAX_OUTPUT = 64 * 1024 * 1024
"""Bytes that wait for who does not read them. Beyond, the connection is closed."""
_MOST = 512
"""Commands of one connection that run in one go: others wait for them."""
_AHEAD = 4096
"""Commands that may wait behind those that run; then it is not read from."""

_HELD = 16 * 1024 * 1024
"""Bytes, likewise."""

Each = tuple[Command, list[bytes]]


class Connection(asyncio.Protocol):
    """Of one client."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._parser = Parser(door.limits())
        self._queue: deque[list[bytes]] = deque()
        self._out: list[bytes] = []
        """What is said and not sent yet."""
        self._told = 0
        """Bytes of it."""
        self._held = 0
        """Bytes that came while others were being done."""
        self._at_work = False
        self._busy = False
        """What was asked for is being done."""
        self._parks = False
        """That may take long."""
        self._over = False
        """It asks for nothing more."""
        self._full = False
        """The client does not read."""
        self._paused = False
        """It is not read from."""
        self.transport: asyncio.Transport
        self.client: Client

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=1 << 20)
        self.client = self._door.enter(self)
        if self._door.full:
            self.send(encode(Failed("ERR max number of clients reached"), 2))
            self.client.closing = True
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._queue.clear()
        self._door.leave(self.client)

    def eof_received(self) -> bool:
        """It asks for nothing more: what it has asked for is answered."""
        self._over = True
        waits = self.client.place.parking.leave(self.client)
        return not waits and (self._busy or bool(self._queue))

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._go()

    def data_received(self, data: bytes) -> None:
        commands = self._parser.feed(data)
        if commands and not (self._busy or self._queue or self._full) and self._alike(commands):
            return
        self._queue.extend(commands)
        if not self._busy:
            self._go()
        if self._queue:
            self._held += len(data)
            if (len(self._queue) > _AHEAD or self._held > _HELD) and not (self._paused or self.client.closing):
                self._paused = True
                self.transport.pause_reading()

    # commands, in order

    def _alike(self, commands: list[list[bytes]]) -> bool:
        """As `_go` of one command, or several of one kind, that nothing is to be asked about: whether they are that."""
        client, args = self.client, commands[0]
        command = (FOUND.get(args[0]) or find(args[0])) if args else None
        if (
            command is None or not command.store or command.alone or client.closing or self._over
            or not command.least <= len(args) <= command.most
            or client.special or client.replies != "on" or self._door.asks
        ):  # fmt: skip
            return False
        if len(commands) > 1:
            name, words = args[0], len(args)
            alike = [each[0] for each in commands if len(each) == words].count(name)
            if not alike == len(commands) <= _MOST:
                return False
            self._do([(command, each) for each in commands], command.quick)
            if self._queue:  # (so much was said that some wait until it was read)
                self._go()
        else:
            self._do([(command, args)], command.quick)
        if not self._busy:
            self._flush()
        return True

    @property
    def local(self) -> str:
        """The address at which it came in."""
        host, port = (self.transport.get_extra_info("sockname") or ("?", 0))[:2]
        return f"{host}:{port}"

    def limit(self) -> None:
        """How much one command may be, after the client has said who he is, or before."""
        self._parser.limits = self._door.limits(self.client)

    def _go(self) -> None:
        """All that can be done at once is; what writes is asked for."""
        self._at_work = True
        while not self._busy and not self._full and self._queue and not self.client.closing:
            self._step()
            if self._told > MAX_SAID:
                self._flush()
        if not self._queue:
            self._held = 0
        self._at_work = False
        # What is said before a command that writes goes with its reply.
        if not self._busy or self._parks:
            self._flush()
        if self._paused and not self._busy and not self._queue and not self.client.closing:
            self._paused = False
            self.transport.resume_reading()
        over = self._over or self._parser.wrong is not None
        if self.client.closing or (over and not self._queue and not self._busy):
            self._end()

    def _step(self) -> None:
        """The commands at the head of the queue that run together, or one of the connection's own."""
        queue, client, door = self._queue, self.client, self._door
        together: list[Each] = []
        quick = True
        most = _MOST if client.replies == "on" else 1
        asks = door.asks or client.special
        name, words = b"", -1  # of the one before
        while queue and most > 0:
            args = queue[0]
            if not args:
                queue.popleft()
                continue
            if args[0] == name and len(args) == words:  # one more of the same
                queue.popleft()
                together.append((together[-1][0], args))
                most -= 1
                continue
            command = FOUND.get(args[0]) or find(args[0])
            if command is None or asks or not command.store or not command.least <= len(args) <= command.most:
                if together and (command is None or not command.store or command.alone):
                    break
                command = door.admitted(client, command, args)
                if not isinstance(command, Command) or not command.store:
                    if together:
                        break
                    queue.popleft()
                    if isinstance(command, Command):
                        self._own(command, args)
                    else:
                        self._reply(command)
                    return
            if command.alone and together:
                break
            queue.popleft()
            together.append((command, args))
            most -= 1
            quick = quick and command.quick
            if command.alone:
                break
            if not asks:
                name, words = args[0], len(args)
        if together:
            self._do(together, quick)

    def _do(self, together: list[Each], quick: bool) -> None:
        client = self.client
        last = together[-1][0]
        client.last = last.name
        if quick:
            said = self._door.read(client, together)
            if said is not None:
                self._said(b"".join(said))
                if len(said) < len(together):
                    self._again(together[len(said) :])
                return
        self._busy = True
        self._parks = "blocking" in last.flags
        self._door.ask(client.place, Asked(self, together))

    def done(self, asked: Asked) -> None:
        """What was asked for is done, and durable."""
        parking = self.client.place.parking
        if self.transport.is_closing():
            parking.leave(self.client)
        elif asked.wait is not None:
            parking.park(asked)
            return
        else:
            parking.done(self.client)
        if asked.rest:
            self._again(asked.rest)
        self.told(asked.said)

    def _again(self, rest: list[Each]) -> None:
        """These were not done yet: they are the next."""
        self._queue.extendleft(args for _, args in reversed(rest))

    def told(self, said: bytes) -> None:
        """The reply to what was asked for; the next commands begin."""
        self._busy = self._parks = False
        self._said(said)
        if self._queue or self._paused or self._over or self.client.closing or self._parser.wrong is not None:
            self._go()
        else:
            self._flush()

    def _own(self, command: Command, args: list[bytes]) -> None:
        """A command of the connection alone."""
        self.client.last = command.name
        reply = self._door.run_own(self.client, command, args)
        if isinstance(reply, Coroutine):
            self._busy = self._parks = True
            asyncio.get_running_loop().create_task(self._wait_for(reply))
        elif reply is not SILENT:
            self._reply(reply)

    async def _wait_for(self, reply: Coroutine[Any, Any, Any]) -> None:
        try:
            said = await reply
        except Refusal as refused:
            said = Failed(str(refused))
        except Exception as error:
            said = failed(error)
        self.told(encode(said, self.client.protocol))

    def _reply(self, reply: Any) -> None:
        self._said(encode(reply, self.client.protocol))

    def _said(self, said: bytes) -> None:
        if self.client.replies == "on":
            self._out.append(said)
            self._told += len(said)
        elif self.client.replies == "skip":
            self.client.replies = "on"

    # bytes out

    def push(self, message: bytes) -> None:
        """A message that was not asked for, or a reply that is none of the usual: after all that was said."""
        self._out.append(message)
        if not self._at_work:
            self._flush()

    def _flush(self) -> None:
        out = self._out
        if out:
            said = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._told = 0
            self.send(said)

    def send(self, data: bytes) -> None:
        """Sent, if the client reads at all."""
        transport = self.transport
        if transport.is_closing():
            return
        transport.write(data)
        if self._full and transport.get_write_buffer_size() > MAX_OUTPUT:
            self._door.note_slow(self.client)
            transport.abort()

    def _end(self) -> None:
        self._flush()
        if self._parser.wrong is not None and not self.client.closing:
            self.send(encode(Failed(f"ERR Protocol error: {self._parser.wrong}"), 2))
        self.client.closing = True
        self._queue.clear()
        self.transport.close()

    def close(self) -> None:
        """What was asked for is answered, and no more."""
        self.client.closing = True
        self._queue.clear()
        if self.client.place.parking.leave(self.client) or not self._busy:
            self.transport.close()
