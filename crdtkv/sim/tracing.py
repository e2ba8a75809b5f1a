"""What happened: of watched keys each event, of messages what they weigh by kind, and of all of it a hash."""

from __future__ import annotations

from collections import Counter

from crdtkv.core.clocks import Dot
from crdtkv.sim.outcome import Event
from crdtkv.sim.world import World

__all__ = ["MOST_EVENTS", "Trace"]

MOST_EVENTS = 20_000


class Trace:
    """Listens to a world."""

    def __init__(self, world: World, watch: tuple[str, ...]) -> None:
        self._world, self._watch = world, frozenset(watch)
        self.events: list[Event] = []
        self.bytes_by_kind: Counter[str] = Counter()
        self._dots: dict[Dot, str] = {}

    def hash(self) -> str:
        """32 hex digits over all that happened, and what stands in the end."""
        made = self._world.hash.copy()
        for colo in self._world.colos.values():
            made.update(f"{colo.name} {sorted(colo.store.vector.items())} {colo.store.digest()}".encode())
        return made.hexdigest()
