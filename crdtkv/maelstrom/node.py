"""One of Maelstrom's nodes: a store in memory, the gossip over it, and who it is.

Lines come in by `on_line`, time by `on_tick`; both give the lines to write. What is gossiped
travels between nodes as text, the bytes in base64.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from crdtkv.core.show import show
from crdtkv.errors import CrdtkvError
from crdtkv.gossip import Gossip, Send
from crdtkv.maelstrom.protocol import MALFORMED, NODE_NOT_FOUND, UNAVAILABLE, Fault, Request, fault_of, line_of, read
from crdtkv.maelstrom.workloads import Workloads
from crdtkv.store import door
from crdtkv.store.opening import open_store
from crdtkv.store.store import Store

__all__ = ["GOSSIP", "Node"]

GOSSIP = "gossip"
"""The type of what nodes say to each other."""


class _Running:
    """What there is of a node once it knows who it is."""

    def __init__(self, id: str, others: Iterable[str], workload: str | None, clock: Callable[[], float]) -> None:
        self.id = id
        self.store: Store = open_store(colo=id, clock=clock)
        self.workloads = Workloads(self.store, workload)
        rule = partial(door.rule, self.store)
        self.gossip = Gossip(door.replica(self.store), rule, self.store.namespace, peers=others)


class Node:
    """One node. `workload`: what a read means; None: told by what is written. `clock`: seconds since 1970.

    >>> node = Node(None, lambda: 1.8e9, Random(1))
    >>> node.on_line(line_of("c1", "n1", {"type": "init", "msg_id": 1, "node_id": "n1", "node_ids": ["n1"]}))
    ['{"src":"n1","dest":"c1","body":{"type":"init_ok","in_reply_to":1}}']
    >>> node.on_line(line_of("c1", "n1", {"type": "add", "msg_id": 2, "element": 7}))
    ['{"src":"n1","dest":"c1","body":{"type":"add_ok","in_reply_to":2}}']
    """

    def __init__(self, workload: str | None, clock: Callable[[], float], random: Random) -> None:
        self._workload = workload
        self._clock = clock
        self._random = random
        self._running: _Running | None = None

    def on_line(self, line: str) -> list[str]:
        """What is to be written in answer to a line. Raises Fault for what nobody asked and nobody is told of."""
        request = read(line)
        running = self._running
        if request.type == GOSSIP:
            return [] if running is None else self._hear(running, request)
        try:
            body = self._init(request) if request.type == "init" else self._answer(running, request)
        except Fault as fault:
            body = fault.body()
        except CrdtkvError as error:
            body = fault_of(error).body()
        lines = [] if self._running is None else self._gossip(self._running)
        if request.id is not None:
            lines.append(line_of(request.dest, request.src, {**body, "in_reply_to": request.id}))
        return lines

    def on_tick(self) -> list[str]:
        """What is to be written because time has passed: to be called some 20 times a second."""
        running = self._running
        if running is None:
            return []
        with door.holding(running.store):
            sends = running.gossip.on_tick(self._now_ms(), self._random)
            door.tell(running.store)
        return self._lines(running, sends)

    def _init(self, request: Request) -> dict[str, object]:
        if self._running is not None:
            raise Fault(MALFORMED, f"this node is {self._running.id!r} already; init comes once")
        id, nodes = request.field("node_id"), request.field("node_ids")
        if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes) or id not in nodes:
            raise Fault(MALFORMED, f"node_ids are {show(nodes)}; names are wanted, {show(id)} among them")
        self._running = _Running(id, [node for node in nodes if node != id], self._workload, self._clock)
        return {"type": "init_ok"}

    def _answer(self, running: _Running | None, request: Request) -> dict[str, object]:
        if running is None:
            raise Fault(UNAVAILABLE, f"{request.type!r} before init: this node does not know yet who it is")
        if request.dest != running.id:
            raise Fault(NODE_NOT_FOUND, f"this is {running.id!r}, not {request.dest!r}")
        return running.workloads.answer(request)

    def _hear(self, running: _Running, request: Request) -> list[str]:
        """Gossip of another node. What is wrong with its bytes the machine counts, and it changes nothing."""
        try:
            data = b64decode(request.field("data"), validate=True)
        except (TypeError, ValueError):
            raise Fault(MALFORMED, f"gossip of {request.src} is no base64: {show(request.body)}") from None
        with door.holding(running.store):
            sends = running.gossip.on_message(request.src, data, self._now_ms(), self._random)
            door.tell(running.store)
        return self._lines(running, sends)

    def _gossip(self, running: _Running) -> list[str]:
        """What was committed just now, for the others."""
        with door.holding(running.store):
            return self._lines(running, running.gossip.on_commit(self._now_ms()))

    def _lines(self, running: _Running, sends: Iterable[Send]) -> list[str]:
        return [
            line_of(running.id, peer, {"type": GOSSIP, "data": b64encode(data).decode()}) for peer, data in sends
        ]

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
