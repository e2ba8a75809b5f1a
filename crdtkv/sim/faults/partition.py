"""Links that carry nothing: groups apart, one way only, one colo alone, a ring, and on and off."""

from __future__ import annotations

from collections.abc import Iterable

from crdtkv.sim.clock import SECOND
from crdtkv.sim.faults.base import Fault
from crdtkv.sim.reading import colos, groups, turns

__all__ = ["Cut", "Flapping", "Isolate", "OneWay", "Pairs", "Partition", "Ring"]

Pairs = set[tuple[str, str]]


class Cut(Fault):
    """Links of `pairs` carry nothing meanwhile."""

    def pairs(self) -> Pairs:
        """Which: (from, to)."""
        raise NotImplementedError

    def begin(self, until_us: int) -> None:
        self.cut = self.pairs()
        self.where = tuple(sorted({name.upper() for pair in self.cut for name in pair}))
        self._set(1)

    def end(self) -> None:
        self._set(-1)

    def _set(self, by: int) -> None:
        for sender, to in sorted(self.cut):
            self.world.network.link(sender, to).cuts += by


def _both(one: Iterable[str], other: Iterable[str]) -> Pairs:
    other = list(other)
    return {pair for a in one for b in other if a != b for pair in ((a, b), (b, a))}


class Partition(Cut):
    """Groups that hear nothing of each other. Whom no group names is in touch with all; without groups, two halves."""

    OPTIONS = {"groups": (groups, None)}

    def pairs(self) -> Pairs:
        named = [[name.lower() for name in group] for group in self.options.get("groups") or ()]
        if not named:
            names = list(self.world.colos)
            self.dice.shuffle(names)
            at = self.dice.randint(1, max(1, len(names) - 1))
            named = [names[:at], names[at:]]
        self.words = " | ".join(", ".join(map(str.upper, group)) for group in named)
        return {pair for i, one in enumerate(named) for other in named[i + 1 :] for pair in _both(one, other)}


class OneWay(Cut):
    """What colos of `from` send to those of `to` is lost; answers arrive."""

    OPTIONS = {"from": (colos, None), "to": (colos, None)}

    def pairs(self) -> Pairs:
        senders = [colo.name for colo in self.colos("from")]
        to = self.options.get("to")
        receivers = [name.lower() for name in to] if to else self.world.others(senders[0])
        self.words = f"from {', '.join(map(str.upper, senders))}"
        return {(a, b) for a in senders for b in receivers if a != b}


class Isolate(Cut):
    """Colos that nobody hears, and who hear nobody."""

    OPTIONS = {"colos": (colos, None)}

    def pairs(self) -> Pairs:
        alone = [colo.name for colo in self.colos()]
        return {pair for name in alone for pair in _both([name], self.world.colos)}


class Ring(Cut):
    """Each colo hears its two neighbours only."""

    def pairs(self) -> Pairs:
        names = list(self.world.colos)
        count = len(names)
        near = {(names[i], names[(i + by) % count]) for i in range(count) for by in (1, -1)}
        return {(a, b) for a in names for b in names if a != b} - near


class Flapping(Partition):
    """A partition that comes and goes, each `period`."""

    OPTIONS = {"groups": (groups, None), "period": (turns, "1s")}

    def begin(self, until_us: int) -> None:
        self._on = False
        super().begin(until_us)
        self._flap(until_us)

    def _set(self, by: int) -> None:
        if (by > 0) != self._on:
            self._on = by > 0
            super()._set(by)

    def _flap(self, until_us: int) -> None:
        at = self.world.now_us + int(self.options["period"] * SECOND)
        if at < until_us:
            self.world.at(at, self._turn, until_us)

    def _turn(self, until_us: int) -> None:
        self._set(-1 if self._on else 1)
        self._flap(until_us)
