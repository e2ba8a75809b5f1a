"""Who belongs, as one replica sees it at its vector, and whether it accepts another.

Two replicas exchange iff each accepts the other. That is all of membership that
convergence asks for: whoever a purge left out is refused by all who took part in
it, and by all whom those admitted later.
"""

from __future__ import annotations

from typing import NamedTuple

from crdtkv.core.clocks import Dot, Vector, covers

__all__ = ["Ancestor", "View", "accepts", "colo_of"]

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
    return any(colo_of(m) == colo and m not in theirs.lineage for m in mine.members)
