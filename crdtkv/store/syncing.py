"""Anti-entropy between two stores in one process: records where they are at hand, catch-ups for the rest.

The same steps as over a network: say who you are, mend membership, then exchange
until both have the same vector. Every message is encoded and decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crdtkv.core.clocks import covers
from crdtkv.core.views import accepts, colo_of
from crdtkv.core.wire import CatchUp, Record, decode, encode
from crdtkv.errors import BadRequest, ChainBroken, NotAMember
from crdtkv.replica import cutting, exchange, life, members, pending
from crdtkv.replica.core import Replica
from crdtkv.store.results import SyncReport

if TYPE_CHECKING:
    from crdtkv.store.store import Store

__all__ = [
    "MAX_RECORDS",
    "MAX_ROUNDS",
    "sync",
]

MAX_ROUNDS = 8
MAX_RECORDS = 256
"""A peer that lacks more transactions than this gets a catch-up."""


class _Tally:
    def __init__(self) -> None:
        self.records = self.cells = self.bytes = 0
        self.refused: list[str] = []


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
            store._check_idle()
            life.mend(store._replica)
        return _sync(one, other)


def _sync(one: Store, other: Store) -> SyncReport:
    tally = _Tally()
    before = [dict(s._replica.state.vector) for s in (one, other)]
    _meet(one, other, tally)
    rounds = 0
    while rounds < MAX_ROUNDS:
        rounds += 1
        for source, target in ((one, other), (other, one)):
            _send(source._replica, target._replica, tally)
        for store in (one, other):
            pending.remint(store._replica, store._rule_of)
        if one._replica.state.vector == other._replica.state.vector or tally.refused:
            break
    report = SyncReport(
        tally.records, tally.cells, tally.bytes, rounds, _agree(one._replica, other._replica),
        tuple(tally.refused), tuple(words for s in (one, other) for words in _quarantines(s._replica)),
    )  # fmt: skip
    for store, was in zip((one, other), before, strict=True):
        if store._replica.state.vector != was:
            store._tell()  # last: who listens may write
    return report


def _agree(a: Replica, b: Replica) -> bool:
    """Whether both have absorbed the same, and, where both have forgotten the same, hold the same."""
    if a.state.vector != b.state.vector:
        return False
    return a.state.floor != b.state.floor or a.state.digest == b.state.digest


def _quarantines(replica: Replica) -> list[str]:
    """Whose records are not taken here, and why, in words."""
    state = replica.state
    return [f"{origin} is in quarantine at {state.id}: {why}" for origin, why in sorted(state.quarantined.items())]


def _send(source: Replica, target: Replica, tally: _Tally) -> None:
    carried = [(decode(data), data) for _, data in _records_for(source, target)]
    records = [(message, data) for message, data in carried if isinstance(message, Record)]
    for (_, data), outcome in zip(records, exchange.receive_all(target, records), strict=True):
        if outcome is exchange.Outcome.absorbed:
            tally.records += 1
            tally.bytes += len(data)
    outcome = exchange.absorb(target, _carry(cutting.catch_up(source, target.state.vector), tally))
    if outcome is exchange.Outcome.refused:
        words = _refusals(source, target) or [f"{target.state.id} has left, and takes nothing more"]
        tally.refused += [w for w in words if w not in tally.refused]


def _refusals(a: Replica, b: Replica) -> list[str]:
    """Which of the two does not accept the other, in words."""
    pairs = ((a, b), (b, a))
    return [
        f"{theirs.state.id} is not a member at {mine.state.id}"
        for theirs, mine in pairs
        if not accepts(members.view(mine), members.view(theirs))
    ]


def _carry(made: CatchUp, tally: _Tally) -> CatchUp:
    """A catch-up as it arrives, counted."""
    data = encode(made)
    message = decode(data)
    assert isinstance(message, CatchUp)
    tally.cells += sum(len(k.cells) for k in made.keys)
    tally.bytes += len(data)
    return message


def _records_for(source: Replica, target: Replica) -> list[tuple[Record, bytes]]:
    """The recent records that the target lacks, if they are few."""
    lacking = [(r, d) for r, d in source.recent if not covers(target.state.vector, r.dot)]
    return lacking if len(lacking) <= MAX_RECORDS else []


# membership


def _meet(one: Store, other: Store, tally: _Tally) -> None:
    """Mend what can be mended of membership before anything is exchanged."""
    a, b = one._replica, other._replica
    _check_lives(a, b)
    for copy, peer in ((one, other), (other, one)):
        if copy._replica.state.copied or life.is_old_copy(copy._replica, members.portrait(peer._replica)):
            _renew_copy(copy, peer, tally)
            return
    if a.state.namespace != b.state.namespace:
        _join(*_joiner_first(one, other), tally)
        return
    for out, peer in ((one, other), (other, one)):
        if members.yields(members.portrait(out._replica), members.portrait(peer._replica)):
            _join(out, peer, tally)
            return
    if len(_refusals(a, b)) > 1:
        members.remember_fork(a, members.portrait(b))
        members.remember_fork(b, members.portrait(a))


def _check_lives(a: Replica, b: Replica) -> None:
    """Two stores that live under one id or colo, or hold different records of one dot, must not be mixed."""
    if a.state.id == b.state.id:
        raise ChainBroken(
            f"two stores are open as {a.state.id}; one is a copy: close it, and open it where it lies now",
            next_step="close the copy; opened again it knows that it is one",
        )
    if colo_of(a.state.id) == colo_of(b.state.id):
        # Each would make the other leave, by turns: of one colo the store that joined last is the member.
        raise BadRequest(
            f"{a.state.id} and {b.state.id} are stores of one colo, open at once; close one, and wipe it or open it "
            "under another colo's name"
        )
    for origin, n in a.state.vector.items():
        known = (a.state.chains.get(origin), b.state.chains.get(origin))
        third = origin not in (a.state.id, b.state.id) and n == b.state.vector.get(origin)
        if third and None not in known and known[0] != known[1]:
            raise ChainBroken(
                f"{origin}.{n} is one record at {a.state.id} and another at {b.state.id}; one is a copy: wipe it",
                next_step="wipe the store that is the copy, and let it join anew",
            )


def _joiner_first(one: Store, other: Store) -> tuple[Store, Store]:
    """Of two namespaces that become one: the copy that has gone on by itself joins, else the one with fewer writes."""
    for store, peer in ((one, other), (other, one)):
        if life.is_behind(members.portrait(store._replica), members.portrait(peer._replica)):
            return store, peer
    fewer, more = sorted((one, other), key=lambda s: (sum(s._replica.state.vector.values()), s.id))
    return fewer, more


def _join(joiner: Store, sponsor: Store, tally: _Tally, shared: int | None = None) -> None:
    """The joiner takes a full join under a new incarnation; what it wrote and the sponsor lacks is minted anew."""
    replica, namespace = joiner._replica, sponsor._replica.state.namespace
    new = f"{joiner.colo}~{replica.token()}"
    old = replica.state.lineage if replica.state.namespace == namespace else ()
    ancestry = life.admit(sponsor._replica, new, old)
    snapshot = cutting.catch_up(sponsor._replica, {}, full=True)
    life.return_to(replica, ancestry, namespace, _carry(snapshot, tally), shared)
    # So that a third colo, told by the joiner, learns of it from the sponsor's own words.
    replica.recent.extend(sponsor._replica.recent)


def _renew_copy(copy: Store, peer: Store, tally: _Tally) -> None:
    """A restored copy takes a new name, in place if its members still count it; it mints nothing of its past anew.

    One that nothing gave away before it met somebody may have minted: that is taken back,
    and minted anew under the new name.
    """
    replica, sponsor = copy._replica, peer._replica
    if not members.is_live_member(sponsor) or replica.state.namespace != sponsor.state.namespace:
        raise NotAMember(f"{sponsor.state.id} is no member of what {copy.id} is a copy of; sync with one that is")
    shared = replica.opened.get(copy.id, 0)
    if not replica.state.copied and replica.state.vector.get(copy.id, 0) > shared:
        _join(copy, peer, tally, shared)
        return
    with replica.transaction():
        replica.state.copied = True
    if _refusals(replica, sponsor):
        _join(copy, peer, tally)
        return
    new = f"{copy.colo}~{replica.token()}"
    ancestry = life.admit(sponsor, new, replica.state.lineage)
    message = cutting.catch_up(sponsor, replica.state.vector)
    life.adopt(replica, ancestry, _carry(message, tally))
    replica.recent.extend(sponsor.recent)  # as in _join
