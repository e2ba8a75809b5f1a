"""Anti-entropy between two stores in one process: the protocol of `crdtkv/gossip/`, with no network in between.

The same machine, the same messages, encoded and decoded; what is asked is answered at once.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from crdtkv.core.views import accepts
from crdtkv.errors import BadRequest
from crdtkv.gossip import Gossip, Send, Settings
from crdtkv.replica import life, members
from crdtkv.replica.core import Replica
from crdtkv.store.results import SyncReport

if TYPE_CHECKING:
    from crdtkv.store.store import Store

__all__ = [
    "MAX_HELLOS",
    "MAX_ROUNDS",
    "sync",
]

MAX_ROUNDS = 8
MAX_HELLOS = 64
"""Two that have greeted each other so often and do not agree who belongs will not."""


class _Side(NamedTuple):
    """One of the two, under the name by which the other knows it."""

    name: str
    store: Store
    gossip: Gossip


def sync(one: Store, other: Store) -> SyncReport:
    """Exchange until both have the same vector, or one refuses the other: then the report says who whom."""
    if one is other or one._replica.storage is other._replica.storage:
        raise BadRequest(f"{one.id} cannot sync with itself; name another store")
    if one.namespace != other.namespace:
        raise BadRequest(
            f"{one.id} holds namespace {one.namespace!r}, {other.id} {other.namespace!r}; they do not sync"
        )
    first, second = sorted((one, other), key=id)
    with first._lock, second._lock:
        for store in (one, other):
            store._writer.check_idle()
            life.mend(store._replica)
        return _sync(one, other)


def _sync(one: Store, other: Store) -> SyncReport:
    before = [dict(s._replica.state.vector) for s in (one, other)]
    sides = _Side("other", one, _machine(one)), _Side("one", other, _machine(other))
    dice = Random(0)
    _carry(sides, 0, sides[0].gossip.glance("other", 0), dice)
    if not _met(sides):
        _carry(sides, 0, sides[0].gossip.greet("other", 0, dice), dice)
    rounds = 1
    while rounds < MAX_ROUNDS and _met(sides) and one._replica.state.vector != other._replica.state.vector:
        rounds += 1
        _carry(sides, 1, sides[1].gossip.pull("one", 0, dice), dice)
    try:
        _raise_errors(sides)
        return _report(sides, rounds)
    finally:
        for store, was in zip((one, other), before, strict=True):
            if store._replica.state.vector != was:
                store._writer.tell()  # last: who listens may write


def _machine(store: Store) -> Gossip:
    return Gossip(store._replica, store._rule_of, store.namespace, Settings(tries=1))


def _carry(sides: tuple[_Side, _Side], sender: int, sends: list[Send], dice: Random) -> None:
    """What one sends arrives at the other, and so on until nobody has anything to say, or they greet each other on."""
    queue = deque((1 - sender, data) for _, data in sends)
    while queue and sides[0].gossip.counts["sent hello"] < MAX_HELLOS:
        at, data = queue.popleft()
        peer = "one" if at else "other"
        queue.extend((1 - at, sent) for _, sent in sides[at].gossip.on_message(peer, data, 0, dice))


def _met(sides: tuple[_Side, _Side]) -> bool:
    return all(peer.met and not peer.refused for side in sides for peer in side.gossip.status())


def _raise_errors(sides: tuple[_Side, _Side]) -> None:
    """What one of them said that is wrong with the two."""
    for side in sides:
        for peer in side.gossip.status():
            if peer.error is not None:
                raise peer.error


def _report(sides: tuple[_Side, _Side], rounds: int) -> SyncReport:
    a, b = (side.store._replica for side in sides)
    counts = sides[0].gossip.counts + sides[1].gossip.counts
    refused = [] if _met(sides) else _refusals(a, b) or [_left(a, b)]
    return SyncReport(
        counts["record absorbed"], counts["sent cells"], counts["sent bytes"], rounds, _agree(a, b), tuple(refused),
        tuple(words for replica in (a, b) for words in _quarantines(replica)), counts["repairs begun"],
    )  # fmt: skip


def _agree(a: Replica, b: Replica) -> bool:
    """Whether both have absorbed the same, and, where both have forgotten the same, hold the same."""
    if a.state.vector != b.state.vector:
        return False
    return a.state.floor != b.state.floor or a.state.digest == b.state.digest


def _quarantines(replica: Replica) -> list[str]:
    """Whose records are not taken here, and why, in words."""
    state = replica.state
    return [f"{origin} is in quarantine at {state.id}: {why}" for origin, why in sorted(state.quarantined.items())]


def _refusals(a: Replica, b: Replica) -> list[str]:
    """Which of the two does not accept the other, in words."""
    pairs = ((a, b), (b, a))
    return [
        f"{theirs.state.id} is not a member at {mine.state.id}"
        for theirs, mine in pairs
        if not accepts(members.view(mine), members.view(theirs))
    ]


def _left(a: Replica, b: Replica) -> str:
    gone = [replica.state.id for replica in (a, b) if replica.state.left]
    if not gone:
        return f"{a.state.id} and {b.state.id} do not agree who belongs; see what `members` says at each"
    return f"{gone[0]} has left, and takes nothing more"
