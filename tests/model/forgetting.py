"""Which cells a purge to S drops: a function of (cells, S) only.

Nothing hangs on what came when: what goes reads as absent by itself, all of it is at or below S, and purging goes on
until nothing more goes.
"""

from tests.model.cells import JSON, SWEPT, TTL, leaf_value, live
from tests.model.guards import on
from tests.model.reading import Tree

__all__ = ["QUANTUM", "dropped"]


QUANTUM = 8  # steps of S


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
    old = {p: all(s[0] <= S for s in c.values()) for p, c in cells.items()}
    # A date that is not stable may still be put off: it hides nothing from a purge.
    tree = Tree(cells, now if old.get(TTL, True) or not on("expiry-settled") else None)
    out = {p for p in cells if p and p[0] not in JSON and p != TTL and old[p] and _dead_leaf(cells, tree, old, p)}
    out |= _dead_json(cells, tree, old, old.get(TTL, True))
    if old.get(()):
        out |= _dead_life(cells, old)
    if old.get(TTL) and (not live(cells[TTL]) or (tree.date is not None and not _held(cells, out, tree.date))):
        out.add(TTL)
    return out


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
            return _order_goes(cells, p) and (_settled(old, root) or _says_nothing(sibs))
        return leaf_value("mv", sibs) is None and _order_old(old, p)
    return leaf_value(root, sibs) is None


def _order_goes(cells, p):
    """An order cell goes when its element is gone."""
    return p[:-1] + (("e", p[-1][1]),) not in cells or not on("order-with-element")


def _settled(old, *root):
    """No sweep that is not stable may have taken an element that an order cell is left of: it may come back."""
    return (old.get((), True) and old.get(root, True)) or not on("order-settled")


def _says_nothing(sibs):
    return not live(sibs) and on("order-empty")


def _order_old(old, p):
    """An element waits for its order cell."""
    return p[-1][0] != "e" or old.get(p[:-1] + (("a", p[-1][1]),), True) or not on("order-with-element")


def _dead_json(cells, tree, old, settled):
    """A leaf that is absent; a container that is absent by itself, with all below it; tombstones alone."""
    out, docs = set(), [p for p in cells if p and p[0] in JSON]
    young = {p[:i] for p in docs if not old[p] for i in range(1, len(p) + 1)}  # something in or below it is above S
    alive = {p[:i] for p in docs if live(cells[p]) for i in range(1, len(p) + 1)}
    for p in docs:
        if not old[p]:
            continue
        if p[-1][0] == "a":
            goes = _order_goes(cells, p) and (_settled(old) or _says_nothing(cells[p]))
        elif p == ("dw",) and live(cells[p]) and not settled and on("expiry-undeletes"):
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
