"""Which cells a purge to S drops: a function of (cells, S) only."""

from tests.model.cells import JSON, SWEPT, TTL, leaf_value, live, ttl_date
from tests.model.guards import on
from tests.model.reading import Tree

__all__ = ["QUANTUM", "droppable", "needs_date", "droppable_json"]


QUANTUM = 8  # steps of S


def droppable(cells, S, clock=None):
    date = ttl_date(cells)
    judge = S if on("expiry-purge-S") else clock
    tree = Tree(cells, judge)
    passed = date is not None and date <= judge
    old = {p: all(s[0] <= S for s in c.values()) for p, c in cells.items()}
    out = set()
    for p, sibs in cells.items():
        if not old[p] or (p and (p[0] in JSON or p == TTL)):
            continue
        root = p[0] if p else None
        if not p:
            out.add(p)
            continue
        if passed and all(s[0] < date for s in sibs.values()):
            out.add(p)
        elif root == "cnt" or p[-1][0] == "c":
            if not live(sibs):
                out.add(p)
        elif root in SWEPT and len(p) == 1:
            out.add(p)
        elif root == "list" and p[-1][0] == "a":
            element = p[:-1] + (("e", p[-1][1]),)
            if leaf_value("mv", cells.get(element)) is None and (
                old.get(element, True) or not on("order-with-element")
            ):
                out.add(p)
        elif leaf_value("mv" if root == "list" else root, sibs) is None:
            out.add(p)
    out |= droppable_json(cells, tree, old)
    if old.get(TTL):
        left = passed and on("ttl-last") and needs_date({p: c for p, c in cells.items() if p not in out}, S, date)
        if not live(cells[TTL]) or (passed and not left):
            out.add(TTL)
    return out


def needs_date(cells, S, date):
    """Would a json document of this key read differently, now or after a later write, without its date?"""
    roots = {p[0] for p in cells if p and p[0] in JSON}
    dated, undated = Tree(cells, S), Tree(cells)
    return any(
        not all(x[0] >= date for x in live(cells.get((r,), {})) or [(0,)]) or dated.root(r) != undated.root(r)
        for r in roots
    )


def droppable_json(cells, tree, old):
    out = set()
    docs = [p for p in cells if p and p[0] in JSON]
    young = {p[:i] for p in docs if not old[p] for i in range(1, len(p) + 1)}  # something in or below is above S
    for p in docs:
        if p in young and not (not on("group-whole") and old[p]):
            continue
        comp = p[-1][0]
        if comp == "a":
            element = p[:-1] + (("e", p[-1][1]),)
            if tree.node(element) or (element in young and on("order-with-element")):
                continue
        elif comp == "c" or comp == "s":
            if live(cells[p]):
                continue
        elif tree.node(p) or (not on("leaf-drop-hidden") and not all(tree.node(p[:i]) for i in range(1, len(p)))):
            continue
        out.add(p)
        if on("group-whole"):
            out |= {q for q in docs if q[: len(p)] == p}
    return out
