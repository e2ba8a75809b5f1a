"""Clocks that jump, and clocks that jump to and fro."""

from __future__ import annotations

from crdtkv.sim.chance import distribution
from crdtkv.sim.clock import SECOND
from crdtkv.sim.colo import Colo
from crdtkv.sim.faults.machines import OfColos
from crdtkv.sim.reading import colos, draw, turns

__all__ = ["Jump", "Strobe"]


class Jump(OfColos):
    """The clock shows so much more, or less; in the end it is set right."""

    OPTIONS = {"colos": (colos, None), "by_ms": (draw, "normal(0, 20000)")}

    def begin(self, until_us: int) -> None:
        self.jumped: dict[str, float] = {}
        super().begin(until_us)
        self.words = ", ".join(f"{name.upper()} {by / 1000:+.1f} s" for name, by in self.jumped.items())

    def one(self, colo: Colo) -> None:
        by = distribution(self.options["by_ms"])(self.dice)
        self.jumped[colo.name] = by
        colo.clock.jump(by)

    def end(self) -> None:
        for colo in self.at:
            colo.clock.jump(-self.jumped.pop(colo.name, 0.0))


class Strobe(Jump):
    """It jumps, and back, each `period`."""

    OPTIONS = {"colos": (colos, None), "by_ms": (draw, "normal(0, 200)"), "period": (turns, "200ms")}

    def begin(self, until_us: int) -> None:
        super().begin(until_us)
        self._again(until_us)

    def _again(self, until_us: int) -> None:
        at = self.world.now_us + int(self.options["period"] * SECOND)
        if at < until_us:
            self.world.at(at, self._turn, until_us)

    def _turn(self, until_us: int) -> None:
        if self.jumped:
            super().end()
        else:
            for colo in self.at:
                self.one(colo)
        self._again(until_us)
