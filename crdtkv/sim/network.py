"""The network: each message takes its time, or is lost, doubled, spoiled or held up on its way.

Law of this room: a message is bytes from one colo to another, and what becomes of it is drawn
when it is sent, from the stream of its sender. No order is kept between two messages, but for
what bandwidth makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from crdtkv.sim.chance import Draw, stream

__all__ = ["Link", "Network", "Trouble"]


class Trouble(NamedTuple):
    """What is wrong with links for a while, on top of what they are anyway. Shares of messages, and ms."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    delay_ms: float = 0.0
    held_us: int = 0
    """Nothing arrives before that time."""


class Link:
    """One way from a colo to another."""

    __slots__ = ("bytes", "cuts", "delay_us", "dice", "free_us", "lost", "messages", "name", "troubles")

    def __init__(self, name: bytes, delay_us: float, dice: Random) -> None:
        self.name, self.delay_us, self.dice = name, delay_us, dice
        self.free_us = 0.0
        self.cuts = 0
        self.troubles: list[Trouble] = []
        self.messages = self.bytes = self.lost = 0


class Network:
    """All links. `rtt_ms`: of a pair; `jitter`: drawn for each message, what its delay is multiplied with."""

    def __init__(
        self, seed: int, rtt_ms: Callable[[str, str], float], jitter: Draw | None, usual: Trouble,
        bytes_per_s: float | None,
    ) -> None:  # fmt: skip
        self._seed, self.rtt_ms, self._jitter = seed, rtt_ms, jitter
        self._usual = usual if usual != Trouble() else None
        self._us_per_byte = 1e6 / bytes_per_s if bytes_per_s else 0.0
        self.links: dict[tuple[str, str], Link] = {}
        self._dice: dict[str, Random] = {}

    def link(self, sender: str, to: str) -> Link:
        """The link from one to the other, made when it is first asked for."""
        found = self.links.get((sender, to))
        if found is None:
            delay_us = self.rtt_ms(sender, to) * 500
            dice = self._dice.get(sender)
            if dice is None:
                dice = self._dice[sender] = stream(self._seed, "links from", sender)
            found = self.links[sender, to] = Link(f"{sender} {to}".encode(), delay_us, dice)
        return found

    def fates(self, link: Link, data: bytes, now_us: int) -> list[tuple[int, bytes]]:
        """When what of a message sent now arrives: nothing if it is lost, more than once if it is doubled."""
        link.messages += 1
        link.bytes += len(data)
        if link.cuts:
            link.lost += 1
            return []
        begin = now_us
        if self._us_per_byte:
            link.free_us = max(link.free_us, now_us) + len(data) * self._us_per_byte
            begin = int(link.free_us)
        delay = link.delay_us * self._jitter(link.dice) if self._jitter is not None else link.delay_us
        at = begin + max(1, int(delay))
        if not link.troubles and self._usual is None:
            return [(at, data)]
        return self._troubled(link, at, data)

    def _troubled(self, link: Link, at: int, data: bytes) -> list[tuple[int, bytes]]:
        dice, copies = link.dice, 1
        for trouble in (*link.troubles, self._usual or Trouble()):
            if trouble.loss and dice.random() < trouble.loss:
                link.lost += 1
                return []
            copies += bool(trouble.duplicate) and dice.random() < trouble.duplicate
            at += int(trouble.delay_ms * 1_000)
            if trouble.reorder and dice.random() < trouble.reorder:
                at += int(dice.random() * 4 * link.delay_us)
            if trouble.corrupt and dice.random() < trouble.corrupt:
                data = _spoiled(data, dice)
            at = max(at, trouble.held_us)
        return [(at, data)] + [(at + int(dice.random() * 2 * link.delay_us), data) for _ in range(copies - 1)]


def _spoiled(data: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
