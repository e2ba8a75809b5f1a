"""How the cells of one key read: a function of the cells and of the stamp by which expiry is judged."""

from collections import defaultdict

from tests.model.cells import (
    JSON,
    KIND,
    SWEPT,
    covers,
    is_live,
    leaf_value,
    live,
    newest,
    once_of,
    once_value,
    share_of,
    share_value,
    ttl_date,
)
from tests.model.guards import on

__all__ = ["Tree", "shape", "then", "present", "reading"]


class Tree:
    """How the cells of one key read, expiry judged at `now` (None: not at all)."""

    def __init__(self, cells, now=None, count=None):
        self.all = cells
        date = ttl_date(cells)
        self.date = date if date is not None and now is not None and date <= now else None
        self.cells = {p: c for p, c in cells.items() if c and p and (p[0] in JSON or not self.hidden(c))}
        self.count = count or self._count
        self.kids = defaultdict(list)
        self.memo = {}
        for p in self.cells:
            for i in range(1, len(p)):
                if p[: i + 1] not in self.memo:
                    self.memo[p[: i + 1]] = None
                    self.kids[p[:i], KIND.get(p[i][0])].append(p[i])
        self.memo = {}

    def hidden(self, sibs):
        return self.date is not None and all(s[0] < self.date for s in sibs.values())

    def key(self):
        """{root: value} of the roots that are present."""
        roots = {p[0] for p in self.cells} - {"ttl"}
        return {r: v for r in sorted(roots) for v in [self.root(r)] if v is not None}

    def root(self, root):
        p = (root,)
        if root in JSON:
            return shape(self.node(p)) or None
        if root == "cnt":
            mine = {q: c for q, c in self.cells.items() if q[0] == root}
            return self.count(p) if any(live(c) for c in mine.values()) else None
        if root == "list":
            return (
                tuple(
                    (pos, e, leaf_value("mv", self.cells[p + (e,)]))
                    for pos, e in self.elements(p)
                    if leaf_value("mv", self.cells[p + (e,)])
                )
                or None
            )
        if root in SWEPT:
            found = {q[1][1]: leaf_value(root, c) for q, c in self.cells.items() if q[0] == root and len(q) > 1}
            return {e: v for e, v in found.items() if v is not None} or None
        return leaf_value(root, self.cells.get(p))

    def elements(self, p):
        """(position, element) in order: a live order cell wins over the identity."""
        out = []
        for comp in self.kids[p, "arr"]:
            if comp[0] == "e":
                order = self.cells.get(p + (("a", comp[1]),))
                at = newest(order) if order else None
                out.append((at[1] if at else comp[1], comp))
        return sorted(out)

    def _count(self, p):
        shares = sum(share_value(share_of(self.cells.get(p + (c,), {}))) for c in self.kids[p, "cnt"])
        onces = [once_of(sibs) for q, sibs in self.cells.items() if q[:-1] == p and q[-1][0] == "o"]
        return shares + sum(once_value(once[0]) for once in onces if once)

    def node(self, p):
        """Readings of a json path, latest first: [(rank, kind, value, live siblings)]. Parents are not asked."""
        if p not in self.memo:
            self.memo[p] = self._node(p)
        return self.memo[p]

    def _node(self, p):
        sibs, mode, expired = self.cells.get(p), p[0], self.date if len(p) == 1 else None
        if mode == "dw" and expired is not None and sibs:  # a delete that is stamped before it is hidden, too
            sibs = {d: s for d, s in sibs.items() if s[0] >= expired}
        if not sibs or (mode == "dw" and not all(is_live(s[1]) for s in sibs.values())):
            return []
        alive = [(st, d, pl) for st, d, pl in live(sibs) if expired is None or st >= expired]
        hiders = [(d, s[1][1]) for d, s in sibs.items() if s[1] and s[1][0] == "hide"]
        out = []
        scalars = [x for x in alive if x[2][0] == "v"]
        if scalars:
            out.append(
                (max(x[:2] for x in scalars), "v", tuple(sorted(x[2][1] for x in scalars)), [x[:2] for x in scalars])
            )
        for kind in ("obj", "arr", "set", "cnt"):
            marks = [x[:2] for x in alive if x[2] == ("mark", kind)]
            hid = bool(hiders) or (expired is not None and any(s[1] == ("mark", kind) for s in sibs.values()))
            if not marks and not (hid and mode == "ew"):
                continue
            value, below = self.contents(p, kind)
            outside = (
                []
                if marks
                else [
                    (st, d)
                    for st, d in below
                    if not any(covers(seen, d) or d == own for own, seen in hiders)
                    and (expired is None or st >= expired)
                ]
            )
            if marks or outside:
                out.append((max(marks or outside), kind, value, marks + below))
        return sorted(out, key=lambda r: r[0], reverse=True)

    def contents(self, p, kind):
        """(value, live siblings below) of the container of this kind at p, were it shown."""
        below = []
        if kind == "cnt":
            for comp in self.kids[p, kind]:
                below += [x[:2] for x in live(self.cells.get(p + (comp,), {}))]
            return self.count(p), below
        if kind == "set":
            value = {}
            for comp in self.kids[p, kind]:
                sibs = self.cells[p + (comp,)]
                below += [x[:2] for x in live(sibs)]
                if (v := leaf_value("aw", sibs)) is not None:
                    value[comp] = v
            if not on("tombstone-is-no-edit"):
                below += [(s[0], d) for c in self.kids[p, kind] for d, s in self.cells[p + (c,)].items()]
            return value, below
        value = [] if kind == "arr" else {}
        comps = self.elements(p) if kind == "arr" else [(None, c) for c in sorted(self.kids[p, kind])]
        for pos, comp in comps:
            readings = self.node(p + (comp,))
            for r in readings:
                below += r[3]
            if not on("tombstone-is-no-edit"):
                below += [(s[0], d) for d, s in self.cells.get(p + (comp,), {}).items()]
            if not on("shown-child"):
                q = p + (comp,)
                below += [x[:2] for r, c in self.cells.items() if r[: len(q)] == q for x in live(c)]
            if not on("move-is-no-edit") and kind == "arr":
                below += [x[:2] for x in live(self.cells.get(p + (("a", comp[1]),), {}))]
            if readings and kind == "arr":
                value.append((pos, comp, shape(readings)))
            elif readings:
                value[comp] = shape(readings)
        return (tuple(value) if kind == "arr" else value), below

    def kind_shown(self, p, kind):
        return any(r[1] == kind for r in self.node(p))


def shape(readings):
    """The value of a json path: what is read, then the conflicts."""
    return [(r[1], r[2]) for r in readings]


def then(cells):
    """The value when the cells came to be so: whoever reads it later reads the same. Of nothing there is no version."""
    latest = max((s[0] for c in cells.values() for s in c.values()), default=0)
    return Tree(cells, latest).key() or Tree(cells).key()


def present(cells, now):
    return bool(Tree(cells, now).key())


def reading(value, path):
    """The readings of a json path in a key's value, [] when absent."""
    here = value.get(path[0]) or []
    for comp in path[1:]:
        inner = dict(here).get(KIND[comp[0]])
        if KIND[comp[0]] == "arr":
            inner = {c: v for _, c, v in inner or ()}
        here = (inner or {}).get(comp) or []
    return here
