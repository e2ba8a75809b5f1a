"""Who belongs: members, announcements, evictions as a chain, and coming back.

Members are a remove-wins set in a system key, so the rules of cells are the rules
of membership. Who is not a member at my vector is refused. An eviction names the
link of the chain that it was decided on; two successors of one link are a
membership conflict, and while it lasts nothing is purged and nobody returns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from crdtkv.core import values
from crdtkv.core.cells import is_live, rank
from crdtkv.core.clocks import COUNTER_BITS, Dot, Stamp, Vector, covers
from crdtkv.core.paths import VALUE, component, split
from crdtkv.core.wire import Record
from crdtkv.replica.core import Replica
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.roots import root_path

__all__ = [
    "CHAIN",
    "LOW_RESERVE",
    "MEMBERS",
    "MEMBERS_SPEC",
    "SYSTEM",
    "Link",
    "add",
    "announce",
    "chain_links",
    "colo_of",
    "fork_between",
    "forked",
    "head",
    "is_member",
    "is_out",
    "joined_at",
    "may_speak",
    "may_write",
    "members",
    "open_forks",
    "overruled",
    "branch",
    "remove",
    "retired",
    "vouchers",
]

SYSTEM = "\x00"
"""System keys begin with NUL, which no user's key may hold."""

LOW_RESERVE = 1_000 << COUNTER_BITS
"""How far ahead the durable word about lows is given, so that it costs a commit a second at most."""

MEMBERS = SYSTEM + "members"
CHAIN = SYSTEM + "chain"
MEMBERS_SPEC = "set?wins=remove"
_ROOT = root_path(MEMBERS_SPEC)


class Link(NamedTuple):
    """One operator's act: `out` are the replicas it evicted, `over` the links that a resolution overrules."""

    id: str
    parent: str
    out: tuple[str, ...]
    over: tuple[str, ...] = ()


def colo_of(replica_id: str) -> str:
    """The colo of a replica id: `lhr~k3f9` is at `lhr`."""
    return replica_id.split("~", 1)[0]


def members(replica: Replica) -> frozenset[str]:
    """The replica ids that are members at this replica's vector. Cached until the set changes."""
    version = tuple(sorted(replica.storage.context(MEMBERS).items()))
    cached: tuple[Any, frozenset[str]] | None = replica.__dict__.get("_members")
    if cached is None or cached[0] != version:
        value = replica.read(MEMBERS)
        cached = (version, frozenset(value if value is not ABSENT else ()))
        replica.__dict__["_members"] = cached
    return cached[1]


def is_member(replica: Replica, id: str) -> bool:
    """Whether `id` is a member here."""
    return id in members(replica)


def joined_at(replica: Replica, id: str) -> tuple[Stamp, Dot]:
    """The rank of the write that made `id` a member."""
    cell = replica.storage.cells(MEMBERS).get(_ROOT + component(VALUE, values.pack_canonical(id)), ())
    return max((rank(s) for s in cell if is_live(s.payload)), default=(0, ("", 0)))


def add(ids: Iterable[str]) -> Operation:
    """The operation that makes `ids` members."""
    return Operation("add", tuple(ids))


def remove(ids: Iterable[str]) -> Operation:
    """The operation that retires `ids`."""
    return Operation("remove", tuple(ids))


def may_speak(
    replica: Replica, lineage: Iterable[str], vouchers: Iterable[str] = (), to: Vector | None = None
) -> bool:  # fmt: skip
    """Whether a catch-up from a store with these incarnations is taken.

    `vouchers`: the chain of sponsors of one who counts us as a member. (All whom we
    count may have been replaced while we were cut off.)
    """
    return any(is_member(replica, id) for id in (*lineage, *vouchers)) and not (to and _lost(replica, to))


def _lost(replica: Replica, to: Vector) -> bool:
    """Whether a vector knows an eviction that was overruled and not the one that holds: it must return first.

    Else its side's evictions would be absorbed by the side that was picked.
    """
    return any(
        any(covers(to, _dot_of(losing)) for losing in link.over) and not covers(to, _dot_of(link.parent))
        for link in chain_links(replica)
        if link.over and link.parent
    )


def _dot_of(link: str) -> Dot:
    replica, _, n = link.rpartition(".")
    return (replica, int(n))


def vouchers(replica: Replica, peer: str) -> tuple[str, ...]:
    """The chain of sponsors to tell `peer`, if it is a member here."""
    return tuple(id for id, _, _ in replica.state.ancestry) if is_member(replica, peer) else ()


def may_write(replica: Replica, record: Record) -> bool:
    """Whether a record is taken: from a member, or the first of an incarnation that retires a member of its colo."""
    origin, n = record.dot
    if f"{origin}.{n}" in {id for link in chain_links(replica) for id in link.over}:
        return False
    if is_member(replica, origin):
        return True
    retired = {
        values.unpack(split(w.path)[-1][1])
        for w in record.writes
        if w.key == MEMBERS and w.payload is None and w.path.startswith(_ROOT)
    }
    return n == 1 and any(colo_of(id) == colo_of(origin) and is_member(replica, id) for id in retired)


def announce(replica: Replica) -> None:
    """Say how far we have heard from every member, and how much we had written then."""
    state = replica.state
    if is_member(replica, state.id):
        low = min(state.heard.get(m, 0) for m in members(replica))
        if low > state.low_ceiling:
            state.low_ceiling = low + LOW_RESERVE
        state.announced[state.id] = (low, state.vector.get(state.id, 0), retired(replica))


def retired(replica: Replica) -> dict[str, int]:
    """What is absorbed of those who are no member any more: of them, no low says anything."""
    here = members(replica)
    return {r: n for r, n in replica.state.vector.items() if r not in here}


# the chain of evictions


def chain_links(replica: Replica) -> list[Link]:
    """The links known here, in no order that matters."""
    value = replica.read(CHAIN)
    rows = [] if value is ABSENT else value
    return [Link(r["id"], r["parent"], tuple(r["out"]), tuple(r["over"])) for r in rows]


def overruled(links: Iterable[Link]) -> set[str]:
    """The links that a resolution named, and all that were decided after one of those."""
    links = list(links)
    over = {id for link in links for id in link.over}
    while grown := {li.id for li in links if li.parent in over} - over:
        over |= grown
    return over


def head(links: Iterable[Link], at: str = "") -> str:
    """The last link that is not overruled, by following successors from `at`."""
    links = list(links)
    over = overruled(links)
    while True:
        following = sorted(li.id for li in links if li.parent == at and li.id not in over and not li.over)
        if not following:
            return at
        at = following[0]


def _forks(links: Iterable[Link]) -> set[tuple[str, ...]]:
    """The sets of evictions decided on one link, two or more, of which resolutions leave not exactly one.

    A resolution is nobody's successor: two operators may give the same answer.
    """
    links = list(links)
    over = overruled(links)
    by_parent: dict[str, list[str]] = {}
    for link in links:
        if not link.over:
            by_parent.setdefault(link.parent, []).append(link.id)
    return {tuple(sorted(ids)) for ids in by_parent.values() if len(ids) > 1 and len(set(ids) - over) > 1}


def open_forks(replica: Replica) -> list[tuple[str, ...]]:
    """The membership conflicts that stand: links with one parent, of which an operator has to pick one."""
    links = chain_links(replica)
    over = overruled(links)
    remembered = {tuple(fork.split("|")) for fork in replica.state.forks}
    return sorted(_forks(links) | {fork for fork in remembered if not over & set(fork)})


def branch(links: Iterable[Link], id: str) -> list[str]:
    """The link `id` and those it was decided after, back to the first."""
    by_id = {li.id: li for li in links}
    out = []
    while id in by_id:
        out.append(id)
        id = by_id[id].parent
    return out


def forked(replica: Replica) -> bool:
    """Whether a membership conflict stands: purging stops."""
    return bool(open_forks(replica))


def fork_between(one: Replica, other: Replica) -> list[tuple[str, ...]]:
    """The conflicts that show only when the chains of two replicas are laid side by side."""
    return sorted(_forks({*chain_links(one), *chain_links(other)}))


def is_out(one: Replica, peer: Replica) -> bool:
    """Whether `peer`, a live member, shows that `one` is a member no more.

    It refuses `one` and knows the transaction that made it a member, or has retired
    its sponsor; and no membership conflict stands between them.
    """
    state = one.state
    if is_member(peer, state.id) or not is_member(peer, peer.state.id) or fork_between(one, peer):
        return False
    mine, theirs = chain_links(one), chain_links(peer)
    if overruled(mine) & {li.id for li in theirs} - overruled(theirs):
        return False  # a resolution that the peer has not heard of: the peer is out, not we
    if any(not overruled(theirs) & set(fork) for fork in open_forks(one)):
        return False
    if state.joined is None or covers(peer.state.vector, state.joined):
        return True
    return _retired(peer, state.ancestry)


def _retired(peer: Replica, ancestry: list[Any]) -> bool:
    """Whether `peer` has retired a sponsor, its sponsor, and so on: the first of them that it knows of decides.

    Not to know a sponsor is not to have retired it, else two that return would sponsor each other for ever.
    """
    for id, n, joined in ancestry:
        if is_member(peer, id):
            return False
        if n == 0 or covers(peer.state.vector, (joined, n)):
            return True
    return False
