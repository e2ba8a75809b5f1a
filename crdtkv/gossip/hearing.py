"""How far everybody was heard, and said that they had heard: told every few seconds, in two or three bytes a member.

Law of this room: what is told holds for who has absorbed just what the teller has, and is taken
by no other. Whole seconds, rounded down: what is promised for less is promised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from crdtkv.core.clocks import make_stamp, stamp_ms
from crdtkv.errors import MessageInvalid
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Frame, Heard
from crdtkv.gossip.pulling import Pulling
from crdtkv.replica import members

__all__ = ["Hearing"]

_NOTHING = (0, 0, 0)
_MOST = (1 << 21) - 1
"""A lag of more seconds, 24 days, is not told."""


class Hearing:
    """Rounds of `heard`, and who has not been heard of for long."""

    def __init__(self, desk: Desk, pulling: Pulling) -> None:
        self._desk = desk
        self._pulling = pulling
        self._told_ms: int | None = None
        self._asked_ms: int | None = None
        self._last: dict[str, tuple[int, int]] = {}  # member -> how far it was heard, and since when no further, ms

    def on_tick(self) -> None:
        """Tell a few peers, when it is time."""
        desk, given = self._desk, self._desk.settings
        if self._told_ms is not None and desk.now_ms - self._told_ms < given.heard_ms:
            return
        self._told_ms = desk.now_ms
        self.listen()
        met = [peer for peer in desk.met() if not peer.leaving]
        if met:
            desk.send_all(met if len(met) <= given.fan else desk.random.sample(met, given.fan), self._told())

    def listen(self) -> None:
        """Notice who is heard of, directly or by others."""
        desk, state = self._desk, self._desk.replica.state
        before, self._last = self._last, {}
        for member in members.members(desk.replica) - {state.id}:
            heard, known = state.heard.get(member, 0), before.get(member)
            self._last[member] = known if known is not None and known[0] == heard else (heard, desk.now_ms)

    def suspects(self) -> list[str]:
        """The members that nobody has heard of for `suspect_ms`."""
        desk = self._desk
        return sorted(m for m, (_, ms) in self._last.items() if desk.now_ms - ms >= desk.settings.suspect_ms)

    def _told(self) -> Heard:
        replica = self._desk.replica
        replica.speak()
        state = replica.state
        second = stamp_ms(state.heard.get(state.id, 0)) // 1000
        total, facts = sum(state.vector.values()), members.facts(replica)
        lags: list[int] = []
        for member in members.in_order(replica):
            said = state.announced.get(member, _NOTHING)
            low = said[1] if (said[0], said[2]) == (total, facts) else 0
            lags += (_lag(second, state.heard.get(member, 0)), _lag(second, low))
        return Heard(self._desk.vector_hash(), facts, second, _packed(lags))

    def on_heard(self, peer: Peer, frame: Frame, heard: Heard) -> None:
        """Take it, if all that it was told under is here, and nothing else. Raises MessageInvalid."""
        desk, replica = self._desk, self._desk.replica
        state = replica.state
        if heard.vector != desk.vector_hash():
            # One round says what all know: while many write, most who tell have absorbed something else.
            if self._asked_ms is None or desk.now_ms - self._asked_ms >= desk.settings.heard_ms // 2:
                self._asked_ms = desk.now_ms
                self._pulling.pull(peer, head=True)
            return
        here = members.in_order(replica)
        stamps, lows = _stamps(heard.second, heard.lags)
        fits = len(stamps) == len(lows) == len(here)
        if heard.facts != members.facts(replica) or not fits or frame.sender not in members.members(replica):
            desk.counts["heard otherwise"] += 1
            return
        total, facts = sum(state.vector.values()), heard.facts
        told, said = dict(state.heard), dict(state.announced)
        latest = 0
        for member, stamp, low in zip(here, stamps, lows, strict=True):
            if stamp > told.get(member, 0):
                told[member] = stamp
                latest = max(latest, stamp)
            if low:
                known = said.get(member, _NOTHING)
                if total > known[0] or (total == known[0] and low > known[1]):
                    said[member] = total, low, facts
        state.heard, state.announced = told, said
        if latest:
            replica.observe(latest)


def _lag(second: int, stamp: int) -> int:
    """How many whole seconds before `second`, and one; 0: not told."""
    lag = second - stamp_ms(stamp) // 1000
    return 0 if not stamp or lag >= _MOST else max(lag, 0) + 1


@lru_cache(maxsize=64)
def _stamps(second: int, lags: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Up to when each was heard, and said to have heard; 0: not told. Raises MessageInvalid.

    (Many replicas of one process, as a simulator has them, are told the same.)
    """
    numbers = lags if lags.isascii() else tuple(_numbers(lags))  # (of one byte each, as a rule)
    stamp_of = {lag: make_stamp((second - lag + 1) * 1000) if 0 < lag <= second else 0 for lag in set(numbers)}
    stamps = [stamp_of[lag] for lag in numbers]
    return tuple(stamps[::2]), tuple(stamps[1::2])


def _packed(lags: Sequence[int]) -> bytes:
    """A varint of each."""
    return bytes(lags) if max(lags, default=0) < 0x80 else b"".join(map(_varint, lags))


def _varint(n: int) -> bytes:
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _numbers(data: bytes) -> Iterator[int]:
    n = shift = 0
    for byte in data:
        n |= (byte & 0x7F) << shift
        shift += 7
        if shift > 28:
            raise MessageInvalid("message has a lag of more than four bytes")
        if byte < 0x80:
            yield n
            n = shift = 0
    if shift:
        raise MessageInvalid("message has a lag that is cut short")
