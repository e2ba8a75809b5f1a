"""What happened: of watched keys each event, of messages what they weigh by kind, and of all of it a hash."""

from __future__ import annotations

from fnmatch import fnmatchcase

from crdtkv.core.clocks import Dot
from crdtkv.core.wire import Record
from crdtkv.core.wire import decode as decode_record
from crdtkv.errors import CrdtkvError
from crdtkv.gossip.messages import Push, decode, kind_of
from crdtkv.sim.colo import Colo
from crdtkv.sim.outcome import Event
from crdtkv.sim.workloads.base import Op
from crdtkv.sim.world import World

__all__ = ["MOST_EVENTS", "Trace"]

MOST_EVENTS = 50_000


class Trace:
    """Listens to a world. `watch`: keys, or patterns of them, of which each event is kept."""

    def __init__(self, world: World, watch: tuple[str, ...]) -> None:
        self._world, self._watch = world, watch
        self.events: list[Event] = []
        self._dots: dict[Dot, str] = {}
        if watch:
            world.on_arrival.append(self._on_arrival)
            world.on_message.append(self._on_message)

    def watches(self, key: str) -> bool:
        """Whether what happens to that key is kept."""
        return any(fnmatchcase(key, pattern) for pattern in self._watch)

    def did(self, op: Op) -> None:
        """A client did something."""
        if self._watch and self.watches(op.key):
            words = f"{op.kind} {_said(op.what)}".strip()
            self._tell(op.colo, "write" if op.dot else "read", op.key, op.dot, "", words)
            if op.dot is not None:
                self._dots[op.dot] = op.key

    def _tell(self, colo: str, kind: str, key: str, dot: Dot | None, peer: str, words: str = "") -> None:
        if len(self.events) < MOST_EVENTS:
            said = "" if dot is None else f"{dot[0]}.{dot[1]}"
            self.events.append(Event(self._world.now_s, colo.upper(), kind, key, said, peer.upper(), words))

    def _on_arrival(self, colo: Colo, dot: Dot, sender: str) -> None:
        if dot in self._dots and not dot[0].startswith(colo.name + "~"):
            self._tell(colo.name, "catch-up" if sender else "absorb", self._dots[dot], dot, sender)

    def _on_message(self, sender: str, to: str, data: bytes, what: str) -> None:
        if not self._dots or kind_of(data) != "push":
            return
        try:
            message = decode(data).message
            records = map(decode_record, message.records) if isinstance(message, Push) else ()
            dots = [record.dot for record in records if isinstance(record, Record) and record.dot in self._dots]
        except CrdtkvError:
            return  # it was spoiled on its way
        colo, peer = (to, sender) if what == "arrive" else (sender, to)
        for dot in dots:
            self._tell(colo, what, self._dots[dot], dot, peer)

    def bytes_by_kind(self) -> dict[str, int]:
        """What the messages of each kind weigh, in all."""
        found = enumerate(self._world.bytes_by_kind)
        return {kind_of(bytes((0, kind))) or "other": size for kind, size in found if size}

    def hash(self) -> str:
        """32 hex digits over all that happened, and what stands in the end."""
        made = self._world.hash.copy()
        for colo in self._world.colos.values():
            made.update(f"{colo.name} {sorted(colo.store.vector.items())} {colo.store.digest()}".encode())
        return made.hexdigest()


def _said(what: object) -> str:
    """What a client asked for, in few words: of what it put in and took out, "+458 -619"."""
    match what:
        case None:
            return ""
        case (list() as put_in, list() as taken_out):
            return " ".join([*(f"+{each!r}" for each in put_in), *(f"-{each!r}" for each in taken_out)])
    return repr(what)
