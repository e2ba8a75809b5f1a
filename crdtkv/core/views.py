"""Who belongs, as one replica sees it at its vector, and whether it accepts another.

Two replicas exchange iff each accepts the other. That is all of membership that
convergence asks for: whoever a purge left out is refused by all who took part in
it, and by all whom those admitted later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from crdtkv.core.clocks import Dot, Vector, covers
from crdtkv.core.state import Announcement

__all__ = ["Ancestor", "Link", "Portrait", "View", "accepts", "colo_of", "link_dot"]

Ancestor = tuple[str, Dot]
"""A replica and the transaction that made it a member."""


class View(NamedTuple):
    """Who a replica is, and whom it counts, at `vector`.

    `lineage`: the incarnations of its store, its id last. `ancestry`: itself, who
    admitted it, who admitted that one, ... `overruled`: the evictions that
    resolutions known to it have named, as the dots of their transactions.
    """

    vector: Vector
    lineage: tuple[str, ...]
    ancestry: tuple[Ancestor, ...]
    members: tuple[str, ...]
    overruled: tuple[Dot, ...] = ()


class Link(NamedTuple):
    """One operator's act: `out` are the replicas it evicted, or `over` the acts that a resolution overruled.

    `after`: the last acts that were known where it was decided.
    """

    id: str
    after: tuple[str, ...]
    out: tuple[str, ...]
    over: tuple[str, ...]

    @property
    def dot(self) -> Dot:
        """The transaction that it is: who covers it knows the act."""
        return link_dot(self.id)


def link_dot(link: str) -> Dot:
    """The transaction that the act with this id is."""
    replica, _, n = link.rpartition(".")
    return (replica, int(n))


class Portrait(NamedTuple):
    """All of a replica that another has to know to mend membership between the two.

    `chains`: replica -> hash of its last record, where known. `announced`: the last word of each
    member, as known to it. `links`: the acts of operators that it knows. `copied`: it is a restored
    copy that has met no member yet. `left`: it retired by itself.
    """

    namespace: str
    view: View
    chains: Mapping[str, int] = {}
    announced: Mapping[str, Announcement] = {}
    links: tuple[Link, ...] = ()
    copied: bool = False
    left: bool = False

    @property
    def id(self) -> str:
        """Who it is."""
        return self.view.lineage[-1]

    @property
    def vector(self) -> Vector:
        """What it has absorbed."""
        return self.view.vector

    @property
    def live(self) -> bool:
        """Whether it may speak for itself: a member in its own eyes, and not a copy that may know less than it did."""
        return self.id in self.view.members and not self.copied


def colo_of(replica_id: str) -> str:
    """The colo of a replica id: `lhr~k3f9` is at `lhr`."""
    return replica_id.split("~", 1)[0]


def accepts(mine: View, theirs: View) -> bool:
    """Whether who sees `mine` takes anything from who sees `theirs`.

    Who is unknown here stands and falls with the first of those who admitted it that
    is known: a member, or one that is a member no more. (Not to know somebody is not
    to have retired him, else two that return would sponsor each other for ever.)
    Not accepted is who knows an eviction that was overruled, nor a disk that was wiped
    while another of its colo is still counted here: either has to return.
    """
    if any(covers(theirs.vector, link) for link in mine.overruled) or _has_rival(mine, theirs):
        return False
    known = (id in mine.members for id, joined in theirs.ancestry if covers(mine.vector, joined))
    return next(known, False)


def _has_rival(mine: View, theirs: View) -> bool:
    colo = colo_of(theirs.lineage[-1])
    return any(colo_of(m) == colo and m not in theirs.lineage for m in mine.members if m.startswith(colo))
