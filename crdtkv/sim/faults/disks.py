"""Disks that are full, and disks that are slow."""

from __future__ import annotations

from crdtkv.sim.colo import Colo
from crdtkv.sim.faults.machines import OfColos
from crdtkv.sim.reading import colos, number

__all__ = ["Full", "Slow"]


class Full(OfColos):
    """Nothing can be written; reads go on."""

    def one(self, colo: Colo) -> None:
        colo.disk.full = True

    def end(self) -> None:
        for colo in self.at:
            colo.disk.full = False


class Slow(OfColos):
    """Each sync takes `times` as long, or `least_ms` where syncs took no time."""

    OPTIONS = {"colos": (colos, None), "times": (number, 20), "least_ms": (number, 50)}

    def one(self, colo: Colo) -> None:
        colo.slow, colo.least_ms = self.options["times"], self.options["least_ms"]

    def end(self) -> None:
        for colo in self.at:
            colo.slow, colo.least_ms = 1.0, 0.0
