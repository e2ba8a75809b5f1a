"""Of two replicas that do not accept each other, which one returns; where neither does, an operator picks a side."""

from tests.model.cells import covers
from tests.model.guards import on
from tests.model.members import accepts, colo_of

__all__ = ["forked", "heads", "remember", "standing_forks", "yields"]


def heads(acts):
    """The acts that no other was decided after."""
    return tuple(sorted(acts.keys() - {b for a in acts.values() for b in a.after}))


def yields(me, peer):
    """Whether `me` has to return: it was evicted, or replaced, and has not heard of it; or all its acts that the peer
    has not absorbed were overruled there."""
    mine, theirs = me.view(), peer.view()
    if me.left or not peer.speaks() or accepts(theirs, mine):
        return False
    over = undone({**me.acts(), **peer.acts()}, peer.overruled())
    lost = unknown(me, peer).keys() <= over and on("yields-overruled")
    return (accepts(mine, theirs) and on("yields-evicted")) or lost


def undone(acts, over):
    """With them fall the evictions that were decided after. A resolution does not: it was made to hold."""
    over = set(over)
    while on("yields-undone") and (more := {i for i, a in acts.items() if a.out and set(a.after) & over} - over):
        over |= more
    return over


def unknown(me, peer):
    """The acts known to me that the peer has not absorbed."""
    return {i: a for i, a in me.acts().items() if not covers(peer.vector, i)}


def remember(me, peer):
    """The two refuse each other and neither yields: that is a conflict here."""
    mine, theirs = unknown(me, peer), unknown(peer, me)
    if mine and theirs:
        fork = (peer.rid, seat(me, peer.rid), (first(mine), first(theirs)), tuple(sorted(theirs)))
        me.forks = [f for f in me.forks if f[0] != peer.rid] + [fork]


def first(acts):
    """The act that a side is named by."""
    return min(i for i, a in acts.items() if not acts.keys() & set(a.after))


def seat(me, peer):
    """The member here of the peer's colo, which it may be no more."""
    return next((m for m in me.members() if colo_of(m) == colo_of(peer)), "")


def standing_forks(me):
    """[(the two links, what an operator has to overrule)]. Over when the other side's acts were overruled or absorbed,
    or its colo has come back."""
    over, found = me.overruled(), []
    for peer, sat, links, theirs in me.forks:
        left = [i for i in theirs if i not in over and not covers(me.vector, i)]
        if left and seat(me, peer) in ("", sat):
            found.append((links, left))
    return found


def forked(me):
    return bool(standing_forks(me))
