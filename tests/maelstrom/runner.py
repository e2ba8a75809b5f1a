"""What Maelstrom is to its nodes, in small: real child processes, JSON lines, and a network that misbehaves.

    async with Runner(3, "g-set", seed=1, network=Network(loss=0.1)) as runner:
        await runner.ask("n1", {"type": "add", "element": 5})

Between nodes a message may be lost, doubled or late, each drawn from the seed, and no
message passes a partition. Between clients and nodes messages are late only, as in
Maelstrom; a client that waits too long learns nothing (`Lost`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

__all__ = ["Lost", "Network", "Refused", "Runner"]

ROOT = Path(__file__).parent.parent.parent
LINE = 64 << 20


class Network(NamedTuple):
    """Between two nodes: how likely a message is lost or doubled, and the longest it is under way, in ms."""

    loss: float = 0.0
    double: float = 0.0
    delay_ms: float = 0.0


class Lost(Exception):
    """No reply came in time: it may have been done, or not."""


class Refused(Exception):
    """The reply is an error."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.code: int = body["code"]


class Runner:
    """Nodes n1, n2, ... and the network between them."""

    def __init__(self, nodes: int, workload: str, seed: int, network: Network | None = None) -> None:
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._workload = workload
        self._random = Random(seed)
        self._network = network or Network()
        self._cut: set[tuple[str, str]] = set()
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = 0

    # what happens to the nodes

    def partition(self, *sides: Iterable[str]) -> None:
        """Only who is on one side hear each other from now on."""
        of = {node: i for i, side in enumerate(sides) for node in side}
        self._cut = {(a, b) for a in self.nodes for b in self.nodes if of.get(a) != of.get(b)}

    def cut(self, src: str, dest: str) -> None:
        """`dest` hears nothing of `src`, in this direction."""
        self._cut.add((src, dest))

    def heal(self) -> None:
        """All hear each other, and nothing is lost or doubled any more."""
        self._cut = set()
        self._network = self._network._replace(loss=0.0, double=0.0)

    def pause(self, node: str) -> None:
        self._children[node].send_signal(signal.SIGSTOP)

    def resume(self, node: str) -> None:
        self._children[node].send_signal(signal.SIGCONT)

    # clients

    async def ask(self, node: str, body: dict[str, Any], seconds: float = 5.0) -> dict[str, Any]:
        """The reply's body. Raises Lost, Refused."""
        self._asked += 1
        id = self._asked
        self._waiting[id] = reply = asyncio.get_running_loop().create_future()
        self._write({"src": "c1", "dest": node, "body": {**body, "msg_id": id}})
        try:
            found = await asyncio.wait_for(reply, seconds)
        except TimeoutError:
            raise Lost(body) from None
        finally:
            del self._waiting[id]
        if found["type"] == "error":
            raise Refused(found)
        return found

    # the network

    def _route(self, line: bytes) -> None:
        message = json.loads(line)
        dest = message["dest"]
        if dest not in self._children:
            reply = self._waiting.get(message["body"].get("in_reply_to"))
            if reply is not None and not reply.done():
                reply.set_result(message["body"])
            return
        self.counts["sent"] += 1
        for _ in range(1 + (self._random.random() < self._network.double)):
            if self._random.random() < self._network.loss:
                self.counts["lost"] += 1
                continue
            late = self._random.random() * self._network.delay_ms / 1000
            asyncio.get_running_loop().call_later(late, self._pass, message)

    def _pass(self, message: dict[str, Any]) -> None:
        if (message["src"], message["dest"]) in self._cut:
            self.counts["cut"] += 1
        else:
            self._write(message)

    def _write(self, message: dict[str, Any]) -> None:
        stdin = self._children[message["dest"]].stdin
        assert stdin is not None
        if not stdin.is_closing():
            stdin.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, node: str) -> None:
        stdout = self._children[node].stdout
        assert stdout is not None
        while line := await stdout.readline():
            self._route(line)

    async def _hear_complaints(self, node: str) -> None:
        stderr = self._children[node].stderr
        assert stderr is not None
        while line := await stderr.readline():
            self.complaints.append(f"{node}: {line.decode().rstrip()}")

    # their lives

    async def __aenter__(self) -> Runner:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-m", "crdtkv.cli", "maelstrom", "--workload", self._workload]
        world = os.environ | {"PYTHONPATH": str(ROOT)}
        for node in self.nodes:
            self._children[node] = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE, cwd=ROOT, env=world
            )
            for listen in (self._listen, self._hear_complaints):
                self._tasks.add(asyncio.create_task(listen(node)))
        try:
            init = [{"type": "init", "node_id": node, "node_ids": self.nodes} for node in self.nodes]
            await asyncio.gather(*(self.ask(body["node_id"], body, 60) for body in init))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Each is told that nothing more comes, and ends; who does not is killed, and that is a complaint."""
        for node, child in self._children.items():
            if child.returncode is None:
                child.send_signal(signal.SIGCONT)
            assert child.stdin is not None
            child.stdin.close()
            try:
                code = await asyncio.wait_for(child.wait(), 10)
            except TimeoutError:
                child.kill()
                code = await child.wait()
            if code:
                self.complaints.append(f"{node}: left with {code}")
        await asyncio.gather(*self._tasks)
