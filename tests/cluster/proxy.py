"""A TCP proxy in front of each colo, on which every link between two of them can be made to fail.

    proxy = Proxy({"lhr": 8801, "sin": 8802}, pids=lambda: {...})
    await proxy.start()                      # proxy.ports["sin"] is where others reach sin
    proxy.cut("lhr", "sin")                  # nothing passes, in both directions; connections stay open and silent
    proxy.cut("lhr", "sin", one_way=True)    # what lhr says to sin is lost; what sin says still arrives at lhr
    proxy.delay("lhr", "sin", 0.05); proxy.break_connections("lhr", "sin"); proxy.refuse("lhr", "sin")
    proxy.heal()

Which colo a connection comes from is told by the kernel: its socket's inode is among the
files of one of the processes. A link is a pair (src, dst) by who *says* something, so a
request from lhr to sin travels on (lhr, sin) and its reply on (sin, lhr), whoever opened the
connection: a one-way partition loses what one side says on all connections between the two.

TCP never loses bytes in the middle of a stream; what a cut link swallows is gone for good, so
a connection on which something was swallowed is broken when the link heals.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from random import SystemRandom

__all__ = ["Link", "Proxy", "free_port", "socket_owner"]

Link = tuple[str, str]
_CHUNK = 1 << 16
_WAITING = 256
_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1


class _Pipe:
    """One connection through the proxy, from `src` to `dst`."""

    def __init__(self, src: str, dst: str) -> None:
        self.src, self.dst = src, dst
        self.swallowed = False
        self.writers: list[asyncio.StreamWriter] = []

    def abort(self) -> None:
        """Both ends see it reset."""
        for writer in self.writers:
            with suppress(Exception):
                writer.transport.abort()


class Proxy:
    """`behind`: colo -> the port it listens on; `pids`: colo -> its process, now.

    `who`: in its place, the colo that an address (host, port) is of, where all are one process.
    """

    def __init__(
        self, behind: Mapping[str, int], pids: Callable[[], Mapping[str, int]] = dict,
        who: Callable[[str, int], str | None] | None = None,
    ) -> None:  # fmt: skip
        self.behind = dict(behind)
        self.ports: dict[str, int] = {}
        self.bytes: Counter[Link] = Counter()
        self.swallowed: Counter[Link] = Counter()
        self._pids, self._who = pids, who
        self._cut: set[Link] = set()
        self._refused: set[Link] = set()
        self._late: dict[Link, float] = {}
        self._pipes: set[_Pipe] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """From now on `ports` are open, each before its colo."""
        for colo in self.behind:
            await self.add(colo, self.behind[colo])

    async def add(self, colo: str, port: int) -> int:
        """One more colo, behind the port that this gives."""
        self.behind[colo] = port
        server = await asyncio.start_server(lambda r, w, colo=colo: self._meet(colo, r, w), "127.0.0.1", 0)
        self._servers.append(server)
        self.ports[colo] = server.sockets[0].getsockname()[1]
        return self.ports[colo]

    async def stop(self) -> None:
        """All connections are broken, all ports closed."""
        for server in self._servers:
            server.close()
        for pipe in list(self._pipes):
            pipe.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # what goes wrong

    def cut(self, src: str, dst: str, one_way: bool = False) -> None:
        """What `src` says to `dst` is swallowed; both ways unless `one_way`."""
        self._cut |= {(src, dst)} if one_way else {(src, dst), (dst, src)}

    def partition(self, *sides: Iterable[str]) -> None:
        """Only who is on one side hear each other."""
        of = {colo: i for i, side in enumerate(sides) for colo in side}
        self._cut = {(a, b) for a in self.behind for b in self.behind if a != b and of.get(a, -1) != of.get(b, -2)}

    def delay(self, src: str, dst: str, seconds: float) -> None:
        """What either says to the other arrives so much later."""
        self._late[src, dst] = self._late[dst, src] = seconds

    def refuse(self, src: str, dst: str) -> None:
        """No new connection from `src` to `dst`, and the open ones break."""
        self._refused.add((src, dst))
        self.break_connections(src, dst)

    def break_connections(self, src: str | None = None, dst: str | None = None) -> int:
        """All connections between the two (None: any) are reset; how many there were."""
        wanted = [p for p in self._pipes if {src, dst} - {None} <= {p.src, p.dst}]
        for pipe in wanted:
            pipe.abort()
        return len(wanted)

    def heal(self) -> None:
        """Everything passes again."""
        self._cut, self._refused, self._late = set(), set(), {}
        for pipe in list(self._pipes):
            if pipe.swallowed:
                pipe.abort()

    # what passes

    async def _meet(self, dst: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        pipe = _Pipe("?", dst)
        pipe.writers.append(writer)
        try:
            pipe.src = await self._source(writer) or "?"
            if (pipe.src, dst) in self._refused:
                return
            there, to = await asyncio.open_connection("127.0.0.1", self.behind[dst])
            pipe.writers.append(to)
            self._pipes.add(pipe)
            await asyncio.gather(
                self._pump(pipe, (pipe.src, dst), reader, to), self._pump(pipe, (dst, pipe.src), there, writer)
            )
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # (cancelled by `stop` alone)
        finally:
            pipe.abort()
            self._pipes.discard(pipe)
            self._tasks.discard(task)

    async def _source(self, writer: asyncio.StreamWriter) -> str | None:
        host, port = writer.get_extra_info("peername")[:2]
        if self._who is not None:
            return self._who(host, port)
        return await asyncio.to_thread(socket_owner, port, writer.get_extra_info("sockname")[1], self._pids())

    async def _pump(self, pipe: _Pipe, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)
        deliver = asyncio.create_task(self._deliver(pipe, link, queue, writer))
        now = asyncio.get_running_loop().time
        try:
            while data := await reader.read(_CHUNK):
                await queue.put((now() + self._late.get(link, 0.0), data))
            await queue.put((now(), b""))
            await deliver
        finally:
            deliver.cancel()

    async def _deliver(
        self, pipe: _Pipe, link: Link, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await queue.get()
            if (wait := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait)
            if link in self._cut or pipe.swallowed:
                pipe.swallowed = True
                self.swallowed[link] += len(data)
            elif data:
                self.bytes[link] += len(data)
                writer.write(data)
                await writer.drain()
            elif writer.can_write_eof():
                writer.write_eof()
            if not data:
                return


def socket_owner(port: int, to: int, pids: Mapping[str, int]) -> str | None:
    """Which of the processes has the connection of loopback from that port to the other; None if none has."""
    inode = _inode(port, to)
    for name, pid in pids.items():
        with suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == inode:
                        return name
    return None


def _inode(port: int, to: int) -> str:
    """`socket:[inode]` of the socket that is connected from one port of loopback to the other; "" if there is none.

    Asked of the kernel for this one (sock_diag(7)): /proc/net/tcp has thousands of lines while connections come and go.
    """
    loopback = socket.inet_aton("127.0.0.1").ljust(16, b"\0")
    ends = struct.pack("!HH", port, to) + loopback + loopback + bytes(4) + b"\xff" * 8
    wanted = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + ends
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(wanted), _BY_FAMILY, _REQUEST, 1, 0) + wanted)
        data = kernel.recv(4096)
    kind: int = struct.unpack_from("=H", data, 4)[0]
    return f"socket:[{struct.unpack_from('=I', data, 84)[0]}]" if kind == _BY_FAMILY else ""


def free_port() -> int:
    """A port of loopback that nobody listens on, a moment ago; of those that Linux gives to who asks for it alone."""
    while True:
        port = SystemRandom().randrange(20_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
