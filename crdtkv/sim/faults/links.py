"""Links that lose, double, reorder, spoil and delay; and clogs: nothing arrives for a while, and then all at once."""

from __future__ import annotations

from crdtkv.sim.faults.base import Fault
from crdtkv.sim.network import Link, Trouble
from crdtkv.sim.reading import colos, number, share

__all__ = ["BadLinks", "Clog"]


class BadLinks(Fault):
    """Links between colos of `from` and colos of `to`, both ways; of all, if none are named."""

    OPTIONS = {
        "from": (colos, None), "to": (colos, None), "loss": (share, 0.1), "duplicate": (share, 0.1),
        "reorder": (share, 0.1), "corrupt": (share, 0.01), "delay_ms": (number, 20),
    }  # fmt: skip

    def begin(self, until_us: int) -> None:
        given = self.options
        self.trouble = self.made(until_us)
        senders, receivers = ([name.lower() for name in given.get(end) or self.world.colos] for end in ("from", "to"))
        pairs = {(a, b) for a in senders for b in receivers if a != b}
        pairs |= {(b, a) for a, b in pairs}
        self.links: list[Link] = [self.world.network.link(a, b) for a, b in sorted(pairs)]
        for link in self.links:
            link.troubles.append(self.trouble)
        self.where = tuple(sorted({name.upper() for pair in pairs for name in pair}))

    def made(self, until_us: int) -> Trouble:
        """What is wrong with them."""
        given = self.options
        self.words = ", ".join(f"{name} {given[name]:g}" for name in _TROUBLES if given[name])
        return Trouble(*(given[name] for name in _TROUBLES))

    def end(self) -> None:
        for link in self.links:
            link.troubles.remove(self.trouble)


_TROUBLES = ("loss", "duplicate", "reorder", "corrupt", "delay_ms")


class Clog(BadLinks):
    """What is sent arrives when the clog is over, all at once."""

    OPTIONS = {"from": (colos, None), "to": (colos, None)}

    def begin(self, until_us: int) -> None:
        if not self.options.get("from"):
            drawn = self.colos("from")
            self.options = {**self.options, "from": tuple(colo.name for colo in drawn)}
        super().begin(until_us)

    def made(self, until_us: int) -> Trouble:
        return Trouble(held_us=until_us)
