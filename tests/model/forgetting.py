"""Which cells a purge to S drops: a function of (cells, S) only.

Nothing hangs on what came when: what goes reads as absent by itself, all of it is at or below S, and purging goes on
until nothing more goes.
"""

from tests.model.cells import JSON, SWEPT, TTL, covers, is_counter, leaf_value, live, told
from tests.model.guards import on
from tests.model.reading import Tree

__all__ = ["QUANTUM", "dropped"]


QUANTUM = 8  # steps of S
EVER = 1 << 62


def dropped(cells, S, clock=None):
    """The paths of a key that a purge to S drops."""
    left, out = dict(cells), set()
    while gone := _dead(left, S, S if on("expiry-purge-S") else clock):
        out |= gone
        left = {p: c for p, c in left.items() if p not in gone}
        if not on("purge-on"):
            break
    return out


def _dead(cells, S, now):
    old = {p: all(s[0] <= S for s in c.values()) and not _missed(cells, p, S) for p, c in cells.items()}
    # A date that is not stable may still be put off: it hides nothing from a purge.
    tree = Tree(cells, now if old.get(TTL, True) or not on("expiry-settled") else None)
    out = {p for p in cells if p and p[0] not in JSON and p != TTL and old[p] and _dead_leaf(cells, tree, old, p)}
    out |= _dead_json(cells, tree, old, EVER if old.get(TTL, True) else _earliest(cells[TTL]))
    if old.get(()):
        out |= _dead_life(cells, old)
    if old.get(TTL) and (not live(cells[TTL]) or (tree.date is not None and not _held(cells, out, tree.date))):
        out.add(TTL)
    return out


def _missed(cells, p, S):
    """Had who wrote a sweep above it that is not stable, or one whose place that took, not known all of this cell? What
    stood beside it may have gone in that sweep, and who has not heard of it still shows the cell, and builds on it."""
    if is_counter(p) or not on("sweep-settled"):  # what is counted goes in no sweep
        return False
    above = [s for at in {(), p[:1]} - {p} for s in cells.get(at, {}).values()]
    return any(stamp > S and not all(covers(knew, d) for d in cells[p]) for s in above for stamp, knew in told(s))


def _held(cells, gone, date):
    """Is anything left that the date hides, now or when what is beside it goes?"""
    left = [c for p, c in cells.items() if p and p != TTL and p not in gone]
    return on("ttl-last") and any(s[0] < date for c in left for s in c.values())


def _dead_leaf(cells, tree, old, p):
    """One cell of a set, list, counter or register, all of it at or below S."""
    root, sibs = p[0], cells[p]
    if tree.hidden(sibs):
        return True
    if len(p) == 1 and root in SWEPT:
        return True
    if root == "cnt":
        return not live(sibs)
    if root == "list":
        if p[1][0] == "a":
            return _order_goes(cells, p) or _says_nothing(sibs)
        return leaf_value("mv", sibs) is None and _order_old(old, p)
    return leaf_value(root, sibs) is None


def _order_goes(cells, p):
    """An order cell goes when its element is gone."""
    return p[:-1] + (("e", p[-1][1]),) not in cells or not on("order-with-element")


def _says_nothing(sibs):
    return not live(sibs) and on("order-empty")


def _order_old(old, p):
    """An element waits for its order cell."""
    return p[-1][0] != "e" or old.get(p[:-1] + (("a", p[-1][1]),), True) or not on("order-with-element")


def _earliest(dates):
    """From when on what stands beside a delete may be shown for a date that is not stable. What is older than the date
    is hidden with the delete; than its cell, a purge had judged it before that came."""
    return min((max(stamp, p[1]) for stamp, _, p in live(dates)), default=EVER)


def _dead_json(cells, tree, old, since):
    """A leaf that is absent; a container that is absent by itself, with all below it; tombstones alone."""
    out, docs = set(), [p for p in cells if p and p[0] in JSON]
    young = {p[:i] for p in docs if not old[p] for i in range(1, len(p) + 1)}  # something in or below it is above S
    alive = {p[:i] for p in docs if live(cells[p]) for i in range(1, len(p) + 1)}
    for p in docs:
        if not old[p]:
            continue
        if p[-1][0] == "a":
            goes = _order_goes(cells, p) or _says_nothing(cells[p])
        elif p == ("dw",) and any(stamp >= since for stamp, _, _ in live(cells[p])) and on("expiry-undeletes"):
            goes = False  # the date may hide what is deleted here, and not what stands beside it
        elif p[-1][0] in "cs" and len(p) > 1:
            goes = not live(cells[p])
        else:
            goes = not tree.node(p) and _order_old(old, p)
            if goes and on("group-whole") and p in young:  # hidden whole, or not at all; tombstones go by themselves
                goes = p not in alive and all(s[1] is None for s in cells[p].values())
            elif goes:
                out |= {q for q in docs if q[: len(p)] == p and old[q]}
        if goes:
            out.add(p)
    return out


def _dead_life(cells, old):
    """The sweep of a new life goes last, after the edits of a document whose container it took: it remembers them."""
    groups = {}
    for p in cells:
        if p and p[0] in JSON and (lacks := [p[:i] for i in range(1, len(p)) if p[:i] not in cells]):
            groups.setdefault(lacks[0], []).append(p)
    orphans = [g for g in groups.values() if any(live(cells[p]) for p in g)]
    gone = [g for g in orphans if all(old[p] for p in g)]
    last = len(gone) == len(orphans) or not on("life-last")
    return {p for g in gone for p in g} | ({()} if last else set())
