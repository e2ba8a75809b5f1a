"""How often, how much, how long: every limit of the protocol, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from crdtkv.core.envelope import MAX_MESSAGE

__all__ = ["Dice", "Send", "Settings"]

_T = TypeVar("_T")


class Send(NamedTuple):
    """A message for a peer. It may be lost, doubled or late, and nothing but delay follows."""

    peer: str
    data: bytes


class Dice(Protocol):
    """The randomness that is handed in: `random.Random` is one."""

    def getrandbits(self, k: int, /) -> int:
        """k random bits."""

    def random(self) -> float:
        """0 <= x < 1."""

    def choice(self, seq: Sequence[_T], /) -> _T:
        """One of them."""

    def sample(self, population: Sequence[_T], k: int) -> list[_T]:
        """k of them, each at most once."""


@dataclass(frozen=True)
class Settings:
    """Times in milliseconds of the clock that is handed in, sizes in bytes of encoded messages."""

    probe_ms: int = 1_000
    """Every so often a random peer is asked whether it has what is here."""
    heard_ms: int = 5_000
    """Every so often it is told how far everybody was heard."""
    gap_ms: int = 50
    """So much longer than a message takes a record waits for what it builds on before its sender is asked; so does
    what a probe told of."""
    answer_ms: int = 2_000
    """What was not answered by then is asked again, twice as late each time."""
    others_ms: int = 500
    """While one is so about to answer, nothing is asked of others: mostly they would say the same."""
    tries: int = 5
    """So often; then it is given up, and begun anew when the two meet again."""
    greet_ms: int = 1_000
    """A peer that was not met is greeted this often, ever less often up to `greet_most_ms`."""
    greet_most_ms: int = 30_000
    suspect_ms: int = 60_000
    """A member that nobody has heard of for so long is shown as suspect."""
    all_peers: int = 40
    """Up to so many peers, each is sent every record by who minted it; beyond, some `fan` of them are, and relay it."""
    fan: int = 8
    """Half of these are chosen here, half of those the nearest; the others choose us."""
    shuffle_ms: int = 60_000
    """Every so often they are chosen anew."""
    sources: int = 2
    """So many go on to bring what an origin minted, the first as a rule; others are asked not to, for `prune_ms`."""
    prune_ms: int = 60_000
    page_bytes: int = 1 << 20
    """A page of a catch-up ends with the key that reaches this; so does a message of records."""
    pages_ahead: int = 3
    """So many more pages may be under way, so that one is cut while another travels."""
    max_records: int = 256
    """Who lacks more transactions than this gets a catch-up instead."""
    max_staged: int = MAX_MESSAGE
    """What may wait of one catch-up until its last page is here."""
    max_pulls: int = 4
    """Catch-ups under way at a time."""
    repair_ms: int = 60_000
    """Where digests differ, the keys that do are looked for with a peer at most this often."""
    max_peers: int = 1_024
    max_message: int = MAX_MESSAGE
