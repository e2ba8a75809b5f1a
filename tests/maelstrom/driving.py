"""Clients at work: operations at random nodes until told to stop, then reads until the nodes agree, as a history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from tests.maelstrom.checkers import Op
from tests.maelstrom.runner import Lost, Refused, Runner

__all__ = ["PAUSE", "Driver"]

PAUSE = 0.01
"""Seconds between two operations of a client."""

Draw = Callable[[Random, int], tuple[dict[str, Any], Any]]
"""The body of the n-th write, and the value it adds."""


class Driver:
    """`answer`: the member of a read's reply that holds what was read."""

    def __init__(self, runner: Runner, draw: Draw, answer: str, seed: int) -> None:
        self.history: list[Op] = []
        self._runner = runner
        self._draw = draw
        self._answer = answer
        self._random = Random(seed)
        self._events = 0
        self._made = 0

    async def work(self, clients: int, seconds: float) -> None:
        """So many clients for so long, each with one operation after the other; every fourth is a read."""
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._client(end) for _ in range(clients)))

    async def generate(self, operations: int) -> None:
        """One client, that asks for names."""
        for _ in range(operations):
            node = self._random.choice(self._runner.nodes)
            self.history.append(await self._do(node, "read", {"type": "generate"}, None))

    async def settle(self, agreed: Callable[[list[Op]], bool], seconds: float = 60.0) -> None:
        """Reads at all nodes until these are as wanted, or for so long; the last are the final ones."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            reads = [await self._read(node, final=True) for node in self._runner.nodes]
            if agreed(reads) or asyncio.get_running_loop().time() > end:
                self.history += reads
                return
            await asyncio.sleep(0.05)

    async def _client(self, end: float) -> None:
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(PAUSE)
            node = self._random.choice(self._runner.nodes)
            if self._random.random() < 0.25:
                read = await self._read(node)
                if read.outcome == "ok":
                    self.history.append(read)
            else:
                self._made += 1
                body, value = self._draw(self._random, self._made)
                self.history.append(await self._do(node, "add", body, value))

    async def _read(self, node: str, final: bool = False) -> Op:
        op = await self._do(node, "read", {"type": "read"}, None)
        return op._replace(final=final)

    async def _do(self, node: str, name: str, body: dict[str, Any], value: Any) -> Op:
        self._events += 1
        begun = self._events
        try:
            reply = await self._runner.ask(node, body, 1.0)
            outcome, value = "ok", reply[self._answer] if name == "read" else value
        except Lost:
            outcome = "maybe"
        except Refused as error:
            outcome = "fail" if error.code in (1, 10, 11, 12, 20, 22) else "maybe"
        self._events += 1
        return Op(node, name, value, outcome, begun, self._events)
