"""Who belongs: members, announcements, and the acts of operators.

Members are a remove-wins set in a system key, so the rules of cells are the rules of
membership; an id that was retired never comes again. Two replicas exchange iff each
accepts the other (`core/views.py`). Of two that do not, one returns: who is refused by
one it accepts, or whose acts were all overruled there. Where neither is the one, as
when two halves evict each other, that is a membership conflict: while it is open
nothing is purged, and an operator picks a side.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack
import xxhash

from crdtkv.core import values
from crdtkv.core.cells import is_live, rank
from crdtkv.core.clocks import COUNTER_BITS, Dot, Stamp, covers
from crdtkv.core.keys import SYSTEM
from crdtkv.core.paths import VALUE, component, split
from crdtkv.core.views import Link, Portrait, View, accepts, colo_of, link_dot
from crdtkv.core.wire import CatchUp, Record
from crdtkv.replica.core import Replica
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.roots import root_path

__all__ = [
    "CHAIN",
    "LOW_RESERVE",
    "MEMBERS",
    "MEMBERS_SPEC",
    "agreed",
    "announce",
    "chain_links",
    "facts",
    "forget_forks",
    "forked",
    "heads",
    "in_order",
    "is_live_member",
    "is_member",
    "may_speak",
    "may_write",
    "member_at",
    "member_path",
    "members",
    "open_forks",
    "overruled",
    "portrait",
    "remember_fork",
    "standing",
    "standing_forks",
    "stands",
    "view",
    "yields",
]

LOW_RESERVE = 1_000 << COUNTER_BITS
"""How far ahead the durable word about lows is given, so that it costs a commit a second at most."""

MEMBERS = SYSTEM + "members"
CHAIN = SYSTEM + "chain"
MEMBERS_SPEC = "set?wins=remove"
_ROOT = root_path(MEMBERS_SPEC)


# members


def member_path(id: str) -> bytes:
    """The cell of `id` in the key of members."""
    return _ROOT + component(VALUE, values.pack_canonical(id))


def members(replica: Replica) -> frozenset[str]:
    """The replica ids that are members at this replica's vector. Cached until the set changes.

    One of each colo, the last that joined: of two the other is a disk that was wiped
    before it was known here.
    """
    found: frozenset[str] | None = replica.memos.derived.get("members")
    if found is None:
        found = replica.memos.derived["members"] = frozenset(_last_of_each_colo(replica))
    return found


def in_order(replica: Replica) -> tuple[str, ...]:
    """The members by id. Cached until the set changes."""
    found: tuple[str, ...] | None = replica.memos.derived.get("in order")
    if found is None:
        found = replica.memos.derived["in order"] = tuple(sorted(members(replica)))
    return found


def standing(replica: Replica) -> frozenset[str]:
    """The ids in the set, those included that a later one of their colo stands before. Cached until it changes."""
    found: frozenset[str] | None = replica.memos.derived.get("standing")
    if found is None:
        value = replica.read(MEMBERS)
        found = replica.memos.derived["standing"] = frozenset(value if value is not ABSENT else ())
    return found


def _last_of_each_colo(replica: Replica) -> Iterable[str]:
    last: dict[str, tuple[tuple[Stamp, Dot], str]] = {}
    for id in standing(replica):
        cell = replica.storage.cells(MEMBERS)[member_path(id)]
        joined = max(rank(s) for s in cell if is_live(s.payload))
        last[colo_of(id)] = max(last.get(colo_of(id), (joined, id)), (joined, id))
    return (id for _, id in last.values())


def member_at(replica: Replica, colo: str) -> str | None:
    """The member at that colo; None if there is none."""
    return next((id for id in members(replica) if colo_of(id) == colo), None)


def is_member(replica: Replica, id: str) -> bool:
    """Whether `id` is a member here."""
    return id in members(replica)


def is_live_member(replica: Replica) -> bool:
    """Whether this replica may speak for itself: a member, and not a copy that may know less than it did."""
    return is_member(replica, replica.state.id) and not replica.state.copied


def view(replica: Replica) -> View:
    """Whom this replica counts, and who it is."""
    state = replica.state
    over = tuple(map(link_dot, sorted(overruled(chain_links(replica)))))
    ancestry = tuple((id, (origin, n)) for id, origin, n in state.ancestry)
    return View(state.vector, tuple(state.lineage), ancestry, in_order(replica), over)


def may_speak(replica: Replica, message: CatchUp) -> bool:
    """Whether a catch-up is taken: each side accepts the other. (Who has left takes nothing more.)"""
    mine, theirs = view(replica), message.view
    return not replica.state.left and accepts(mine, theirs) and accepts(theirs, mine)


def may_write(replica: Replica, record: Record) -> bool:
    """Whether a record is taken: from a member, or the first of an incarnation that retires a member of its colo."""
    origin, n = record.dot
    if replica.state.left:
        return False
    if is_member(replica, origin):
        return True
    retired = {
        values.unpack(split(w.path)[-1][1])
        for w in record.writes
        if w.key == MEMBERS and w.payload is None and w.path.startswith(_ROOT)
    }
    return n == 1 and any(colo_of(id) == colo_of(origin) and is_member(replica, id) for id in retired)


def stands(replica: Replica) -> bool:
    """Whether this replica, as it is now, is a member, and knows no act that was overruled.

    What would take that away is not absorbed. So every replica is a member in its own
    eyes until it has left, and can take in those that have to return.
    """
    vector = replica.state.vector
    over = overruled(chain_links(replica))
    return is_member(replica, replica.state.id) and not any(covers(vector, link_dot(id)) for id in over)


# announcements


def announce(replica: Replica) -> None:
    """Say how far we have heard from every member, and what we know of who belongs.

    Whoever is about to speak or to purge does: not each commit, for this is O(members).
    """
    state, here = replica.state, members(replica)
    state.announced = {m: said for m, said in state.announced.items() if m in here}
    if is_live_member(replica):
        low = min(state.heard.get(m, 0) for m in here)
        if low > state.low_ceiling:
            state.low_ceiling = low + LOW_RESERVE
        state.announced[state.id] = (sum(state.vector.values()), low, facts(replica))
        replica.announced = max(replica.announced, state.announced[state.id][0])


def agreed(replica: Replica) -> bool:
    """Whether every member has said that it knows of who belongs just what is known here.

    From then on no member absorbs anything that one of them has retired: what is absent
    may be forgotten, and what an earlier incarnation wrote may be minted anew.
    """
    here, said = facts(replica), replica.state.announced
    others = members(replica) - {replica.state.id}
    return is_live_member(replica) and all(m in said and said[m][2] == here for m in others)


def facts(replica: Replica) -> int:
    """A hash of every change of members known here, and of what is absorbed of those who are none."""
    changes = sorted(replica.storage.context(MEMBERS).items())
    here = members(replica)
    vector = replica.state.vector
    retired = sorted((r, vector[r]) for r in vector.keys() - here)
    return int(xxhash.xxh3_64_intdigest(msgpack.packb([changes, retired]))) >> 1


# the acts of operators


def chain_links(replica: Replica) -> list[Link]:
    """The acts known here, in no order that matters. Cached until there is another."""
    found: list[Link] | None = replica.memos.derived.get("links")
    if found is None:
        value = replica.read(CHAIN)
        rows = [] if value is ABSENT else value
        found = [Link(r["id"], tuple(r["after"]), tuple(r["out"]), tuple(r["over"])) for r in rows]
        replica.memos.derived["links"] = found
    return found


def heads(links: Iterable[Link]) -> list[str]:
    """The acts that no other was decided after."""
    links = list(links)
    before = {id for link in links for id in link.after}
    return sorted(link.id for link in links if link.id not in before)


def overruled(links: Iterable[Link]) -> set[str]:
    """The acts that resolutions among `links` have named."""
    return {id for link in links for id in link.over}


def _undone(links: Iterable[Link], over: set[str]) -> set[str]:
    """What falls with `over`: the evictions that were decided after. A resolution does not: it was made to hold."""
    links = list(links)
    over = set(over)
    while more := {link.id for link in links if link.out and set(link.after) & over} - over:
        over |= more
    return over


def portrait(replica: Replica) -> Portrait:
    """All of this replica that another has to know to mend membership between the two."""
    state = replica.state
    return Portrait(
        state.namespace, view(replica)._replace(vector=dict(state.vector)), dict(state.chains), dict(state.announced),
        tuple(chain_links(replica)), state.copied, state.left,
    )  # fmt: skip


def _unknown(one: Portrait, other: Portrait) -> list[Link]:
    """The acts that `one` knows and `other` has not absorbed."""
    return [link for link in one.links if not covers(other.vector, link.dot)]


def yields(one: Portrait, other: Portrait) -> bool:
    """Whether `one`, which `other` refuses, is the one that has to return.

    It is if it accepts `other`: it was evicted, or replaced, and has not heard of it. Else
    the two refuse each other, and it is if all its acts that `other` has not absorbed
    were overruled there.
    """
    if one.left or not other.live or accepts(other.view, one.view):
        return False
    over = _undone([*one.links, *other.links], overruled(other.links))
    return accepts(one.view, other.view) or {link.id for link in _unknown(one, other)} <= over


# conflicts


def remember_fork(replica: Replica, peer: Portrait) -> None:
    """The two refuse each other and neither has to return: a conflict stands until `peer` has, or was overruled."""
    here = portrait(replica)
    mine, theirs = _unknown(here, peer), _unknown(peer, here)
    if not mine or not theirs:
        return
    id = peer.id
    fork = {
        "peer": id, "seat": _seat(replica, id), "links": sorted((_first(mine), _first(theirs))),
        "theirs": sorted(t.id for t in theirs),
    }  # fmt: skip
    others = [f for f in replica.state.forks if f["peer"] != id]
    if fork not in replica.state.forks:
        with replica.transaction():
            replica.state.forks = [*others, fork]


def forget_forks(replica: Replica, peer: str) -> None:
    """`peer` exchanges with us: what its colo was in conflict over, as who it was before, is over."""
    left = [f for f in replica.state.forks if colo_of(f["peer"]) != colo_of(peer)]
    if left != replica.state.forks:
        with replica.transaction():
            replica.state.forks = left


def _first(links: list[Link]) -> str:
    """The act that a side is named by: the first that the other has not absorbed."""
    ids = {link.id for link in links}
    return min(link.id for link in links if not ids & set(link.after))


def _seat(replica: Replica, peer: str) -> str:
    """The member here of the colo of `peer`, which it may be no more."""
    return member_at(replica, colo_of(peer)) or ""


def standing_forks(replica: Replica) -> list[dict[str, Any]]:
    """What is remembered of conflicts, as far as they are open; of `theirs` what an operator has to decide on.

    Over is one whose acts were overruled or absorbed (then the peer yields), or whose
    peer has come back since.
    """
    over, vector = overruled(chain_links(replica)), replica.state.vector
    found = []
    for fork in replica.state.forks:
        theirs = [id for id in fork["theirs"] if id not in over and not covers(vector, link_dot(id))]
        if theirs and _seat(replica, fork["peer"]) in ("", fork["seat"]):
            found.append({**fork, "theirs": theirs})
    return found


def open_forks(replica: Replica) -> list[tuple[str, ...]]:
    """The membership conflicts that stand: two acts of operators, of which one has to be picked."""
    return sorted({tuple(fork["links"]) for fork in standing_forks(replica)})


def forked(replica: Replica) -> bool:
    """Whether a membership conflict stands: purging stops."""
    return bool(standing_forks(replica))
