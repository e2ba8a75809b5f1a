"""What goes wrong, from when to when.

Law of this room: what a fault began, it ends, whatever else has begun or ended meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from crdtkv.sim.reading import Parser

if TYPE_CHECKING:
    from crdtkv.sim.colo import Colo
    from crdtkv.sim.world import World

__all__ = ["Fault", "some"]


class Fault:
    """One fault. `options`: as the scenario says, each parsed, or None where it says nothing."""

    OPTIONS: ClassVar[Mapping[str, tuple[Parser, Any]]] = {}

    def __init__(self, world: World, options: Mapping[str, Any], dice: Random) -> None:
        self.world, self.options, self.dice = world, options, dice
        self.where: tuple[str, ...] = ()
        """The colos that it is at, in capitals; known from `begin` on."""
        self.words = ""

    def begin(self, until_us: int) -> None:
        """It goes wrong. `until_us`: when it will end."""
        raise NotImplementedError

    def end(self) -> None:
        """It is over."""

    def colos(self, name: str = "colos", most: int = 1) -> list[Colo]:
        """Those that the scenario names; if none, up to `most` drawn at random of those that run."""
        named = self.options.get(name)
        if named:
            return [self.world.colos[colo.lower()] for colo in named]
        return some([colo for colo in self.world.colos.values() if colo.up], self.dice, most)


def some(colos: Sequence[Colo], dice: Random, most: int) -> list[Colo]:
    """1 to `most` of them; fewer than half where there are that few."""
    most = max(1, min(most, (len(colos) - 1) // 2))
    return dice.sample(list(colos), dice.randint(1, most)) if colos else []
