"""What Maelstrom's requests are to a store: a set, a set, a counter, and names that never come twice.

Each workload has a key of its own. Which of them a `read` means Maelstrom does not say:
the one that was named, or that a client has used here, or that has come from another
node; before that there is nothing to read yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crdtkv.core.show import show
from crdtkv.maelstrom.protocol import MALFORMED, NOT_SUPPORTED, UNAVAILABLE, Fault, Request

if TYPE_CHECKING:
    from crdtkv.store.store import Store

__all__ = ["WORKLOADS", "Workloads"]

WORKLOADS = ("broadcast", "echo", "g-counter", "g-set", "pn-counter", "unique-ids")
_Body = dict[str, Any]


class Workloads:
    """The requests of all workloads, answered from one store.

    >>> import crdtkv
    >>> here = Workloads(crdtkv.open(colo="n1"))
    >>> here.answer(Request("c1", "n1", "add", 1, {"delta": 5}))
    {'type': 'add_ok'}
    >>> here.answer(Request("c1", "n1", "read", 2, {}))
    {'type': 'read_ok', 'value': 5}
    """

    def __init__(self, store: Store, workload: str | None = None) -> None:
        self._store = store
        self._workload = workload
        self._made = 0
        self._does: dict[str, Callable[[Request], _Body]] = {
            "echo": self._echo, "topology": self._topology, "broadcast": self._broadcast, "add": self._add,
            "read": self._read, "generate": self._generate,
        }  # fmt: skip

    def answer(self, request: Request) -> _Body:
        """The body of the reply, once what was asked for is committed here. Raises Fault, CrdtkvError."""
        does = self._does.get(request.type)
        if does is None:
            known = ", ".join(sorted(self._does))
            raise Fault(NOT_SUPPORTED, f"no request {show(request.type)} here; there are {known}")
        return {"type": f"{request.type}_ok", **does(request)}

    def _echo(self, request: Request) -> _Body:
        return {"echo": request.field("echo")}

    def _topology(self, request: Request) -> _Body:
        # Gossip finds its own ways: all nodes are peers, and who is slow or away is worked round.
        request.field("topology")
        self._workload = self._workload or "broadcast"
        return {}

    def _broadcast(self, request: Request) -> _Body:
        self._store.set("broadcast").add(request.field("message"))
        return {}

    def _add(self, request: Request) -> _Body:
        """Of a set where there is an `element`, of a counter where there is a `delta`."""
        if "element" in request.body:
            self._store.set("g-set").add(request.body["element"])
            return {}
        delta = request.field("delta")
        if self._workload == "g-counter" and isinstance(delta, int) and delta < 0:
            raise Fault(MALFORMED, f"delta is {delta}; a g-counter only grows")
        self._store.counter("counter").add(delta)
        return {}

    def _read(self, request: Request) -> _Body:
        workload = self._workload or next((w for w in ("broadcast", "g-set", "counter") if w in self._store), None)
        if workload is None:
            raise Fault(UNAVAILABLE, "nothing has been written yet, so a read may mean anything; name the workload")
        if workload in ("broadcast", "g-set"):
            return {"messages" if workload == "broadcast" else "value": self._store.set(workload).value}
        return {"value": self._store.counter("counter").value}

    def _generate(self, request: Request) -> _Body:
        """An incarnation is one process's life, and no two have one name; within it we count."""
        self._made += 1
        return {"id": f"{self._store.id}.{self._made}"}
