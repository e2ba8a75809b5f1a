"""Conditions that a user's workload states: what has to hold of the colos, always or at some time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from crdtkv.store.store import Store

if TYPE_CHECKING:
    from crdtkv.sim.world import World

__all__ = ["Conditions", "Holds"]

Holds = Callable[[Store], bool]
"""Of one colo's store."""


class Conditions:
    """Stated in `setup`; looked at each `LOOK_S` of virtual time, at each colo that runs.

    always: at every look. sometimes: at one look at least. eventually, and finally: once all is healed and equal.
    """

    LOOK_S = 1.0

    def __init__(self) -> None:
        self._stated: list[tuple[str, str, Holds]] = []
        self._failed: dict[str, tuple[float, str]] = {}
        self._held: dict[str, bool] = {}

    def always(self, words: str, holds: Holds) -> None:
        """It holds at every colo, whenever it is looked at."""
        self._stated.append(("always", words, holds))

    def sometimes(self, words: str, holds: Holds) -> None:
        """It holds at some colo at some time: what a run is there to reach."""
        self._stated.append(("sometimes", words, holds))

    def eventually(self, words: str, holds: Holds) -> None:
        """It comes to hold at every colo."""
        self._stated.append(("eventually", words, holds))

    def finally_(self, words: str, holds: Holds) -> None:
        """It holds at every colo in the end."""
        self._stated.append(("finally", words, holds))

    def __bool__(self) -> bool:
        return bool(self._stated)

    def look(self, world: World) -> None:
        """All colos are looked at now."""
        for kind, words, holds in self._stated:
            if kind not in ("always", "sometimes"):
                continue
            for colo in world.colos.values():
                if not colo.up:
                    continue
                if holds(colo.store):
                    self._held[words] = True
                elif kind == "always":
                    self._failed.setdefault(words, (world.now_s, colo.name))

    def broken(self, world: World) -> Iterator[str]:
        """Those that did not hold, in words, at the end."""
        self.look(world)
        for kind, words, holds in self._stated:
            if kind == "always" and words in self._failed:
                at, name = self._failed[words]
                yield f"always {words!r}: not at {name.upper()} at {at:.1f} s"
            elif kind == "sometimes" and words not in self._held:
                yield f"sometimes {words!r}: never"
            elif kind in ("eventually", "finally"):
                for colo in world.colos.values():
                    if colo.up and not holds(colo.store):
                        yield f"{kind} {words!r}: not at {colo.name.upper()}"
