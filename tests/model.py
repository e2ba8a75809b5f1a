"""The replication rules as one small program, and an oracle that knows the whole history.

Rule of this room: it imports nothing of crdtkv. docs/replication.md says the rules in words, this file says them a
second time as plain code, and the oracle says a third time, from the full history of writes and without ever purging,
what each replica must show. After every step what a replica shows is compared with the oracle, and whole states (cells
and key contexts) wherever two replicas have equal (vector, S).

Read in this order: reading (`Tree`), `droppable`, `Draft` (what an operation writes), `Replica`, `Oracle`,
`DataWorld`. `GUARDS` names each rule whose breaking is noticed: `BROKEN` holds the ones switched off. The members'
rules are at the end.

    python tests/model.py [SEEDS] [--from N] [--break NAME ...] [--seconds S] [--world data|members]
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

__all__ = ["BROKEN", "GUARDS", "Stats", "run", "main"]

BROKEN: set = set()
GUARDS = {
    "join-first": "a catch-up is joined before its floor purges",
    "purge-first": "a record is preceded by its writer's purge floor",
    "whole-cell": "a cell is dropped whole, never a tombstone alone",
    "announced-n": "S needs every n that was announced with its low",
    "announced-retired": "S needs every member to have announced all that is absorbed here of retired incarnations",
    "catch-up-from": "a catch-up is absorbed only where its `from` is covered",
    "record-deps": "a record waits for what it builds on",
    "put-absent-all": "a put to what reads as absent replaces all siblings, whatever its base",
    "delete-absent-nothing": "a delete of what reads as absent writes nothing",
    "group-ship": "a catch-up ships every cell below a cell it sends",
    "recreate-tombstones": "creating an absent container tombstones every cell present below it",
    "mark-over-hider": "a write below a hider that its base covers also writes a mark in its place",
    "group-whole": "a hidden container is dropped with all below it or not at all",
    "leaf-drop-hidden": "a leaf of nothing but tombstones is dropped also inside a hidden container",
    "tombstone-is-no-edit": "only a live sibling outside every hider revives",
    "shown-child": "only a child that is itself shown revives its container",
    "move-is-no-edit": "an order cell revives nothing",
    "life-context": "the write that starts a life replaces the key context",
    "life-clears": "the write that starts a life tombstones what still stands under every root of the key",
    "context-join": "contexts join as siblings do, not by max",
    "context-dropped": "the key context goes with the last cell",
    "sweep-applied": "a record's sweep takes what its `seen` covers",
    "sweep-first": "a record's sweeps come before its other writes",
    "sweep-seen": "a sweep takes no more than its `seen` covers",
    "sweep-all": "a sweep replaces every earlier sweep at its cell, whatever its base",
    "order-with-element": "an order cell goes with its element, not before",
    "order-ships": "a catch-up that sends an element sends its order cell, or that there is none",
    "order-recreated": "a put to an absent element replaces its order cell",
    "rank-replaces": "lww and max replace all that ranks lower here",
    "counter-max": "an add replaces all siblings of the own cell and carries the max of each",
    "counter-cancel": "what a create or clear finds in a counter it cancels: no tombstone over another's cell",
    "counter-restart": "an own counter cell starts above every total this replica ever dropped",
    "once-origin": "a once cell is folded by its lowest first writer, however often it was rewritten",
    "once-reset-folded": "a reset tombstones a once cell that it sees folded",
    "once-stable": "a once cell is folded only when every sibling is at or below S",
    "expiry-judged-once": "expiry is judged at the stamp of the write",
    "expiry-clears": "a write to a key whose date has passed tombstones what the date hides, and the date",
    "expiry-purge-S": "a purge judges expiry by S, not by the clock",
    "history-lives": "a version covers what a life that it covers has replaced",
    "history-life-floor": "a life says the floor it began under: what was stamped below that, it replaced",
    "history-lives-squashed": "a life that comes by catch-up has replaced all that the context here lost by it",
    "history-by-all": "a superseded sibling is replaced by every sibling that names it, also those that arrive later",
    "history-purged": "a sibling that arrives where something was purged replaces that in history",
    "history-trim": "trimming raises the horizon",
    "history-gaps": "a version inside a gap is not rebuilt",
    "history-gap-parents": "a new sibling that names a parent never absorbed here opens a gap",
    "history-gap-sweeps": "a new sweep whose `seen` was not absorbed here opens a gap",
    "history-by-dot": "what a catch-up replaced is replaced by the dots that name it, not only by the context after",
    "ttl-ships-key": "a catch-up that sends the ttl cell sends every cell of the key",
    "ttl-last": "the ttl cell stays while a json document of the key stays",
    "only-members": "records and catch-ups from who is not a member here are refused",
    "vouched": "a catch-up is taken from who counts me and was admitted, through whatever sponsors, by a member I know",
    "from-covers-F": "a peer that lacks some of F gets a full join",
    "restart-vector": "the first record after an open carries the whole vector",
    "stamp-ceiling": "a clock reopens above the ceiling reserved on disk",
    "rename-after-crash": "an uncleanly closed `normal` store takes a new incarnation",
    "copy-remints-nothing": "a restored copy mints nothing of its past anew",
    "retire-unknown": "a join retires every lower incarnation by name, known or not",
    "join-clock": "a joiner's clock starts above its joining stamp",
    "remint-waits": "re-minting waits until every member has spoken under a vector that covers the joining dot",
    "remint-waits-evictions": "and that covers every membership change known here",
    "remint-base": "what is minted anew keeps its base",
    "remint-F": "what is minted anew where its base lacks some of F and the cell is absent goes to the inbox",
    "out-sponsor": "who joined through a sponsor that was evicted before anyone heard of it is out",
    "refuse-losers": "what has absorbed an eviction that a resolution names is refused where that was not absorbed",
    "out-losers": "after a resolution the side that absorbed the losing eviction is out, not the other",
    "out-sponsor-chain": "where a sponsor is unknown, its own sponsor decides",
    "out-retired": "a sponsor is retired at x where x covers its joining dot and does not count it: not where unknown",
    "fork-known": "stores that refuse each other compare chains and know of a fork",
    "fork-stops-purge": "an unresolved fork stops purging",
    "fork-no-return": "nobody returns while a fork is unresolved",
    "heard-promise": "nothing is stamped at or below a stamp this replica has spoken",
}
ALL_REPLICAS = float("inf")
QUANTUM = 8  # steps of S
DAY = 12  # before a once-increment may be folded
DRAG = 60  # how far a received stamp may pull a clock past its wall time


WHOLE = []  # not empty while the oracle reads: its own definition is never broken


def on(guard):
    return guard not in BROKEN or bool(WHOLE)


def covers(vector, dot):
    return dot[1] <= vector.get(dot[0], 0)


def joined(a, b):
    return {r: max(a.get(r, 0), b.get(r, 0)) for r in a.keys() | b.keys()}


def at_least(a, b):
    return all(a.get(r, 0) >= n for r, n in b.items())


# ---- siblings: {dot: (stamp, payload, parents)}; a payload is None (tombstone) or a tuple that begins with its kind
#      ("v", x) value · ("mark", kind) · ("hide", seen, kind) · ("sweep", seen, below) · ("ttl", date, rule)
#      ("c", total, cancelled, dead) counter cell · ("o", amount, origin, folded, cancelled, dead) once-increment

KIND = {"m": "obj", "e": "arr", "a": "arr", "s": "set", "c": "cnt"}  # component -> kind of the container it is in
JSON = ("ew", "dw")
SWEPT = ("aw", "rw", "list")
TTL = ("ttl",)


def is_live(payload):
    if payload is None or payload[0] in ("hide", "sweep"):
        return False
    return not payload[-1] if payload[0] in "co" else True


def is_counter(path):
    """A replica's cell or a once cell of a counter."""
    return len(path) > 1 and path[-1][0] in "co"


def is_element(path):
    return len(path) > 1 and path[-1][0] == "e"


def live(sibs):
    return [(s[0], d, s[1]) for d, s in sibs.items() if is_live(s[1])]


def newest(sibs):
    return max(sibs.items(), key=lambda ds: (ds[1][0], ds[0]))[1][1]


def leaf_value(root, sibs):
    """What a leaf shows, None when it reads as absent."""
    if not sibs:
        return None
    if root == "lww":
        top = newest(sibs)
        return top and top[1]
    alive = [p[1] for _, _, p in live(sibs)]
    if root == "max":
        return max(alive, default=None)
    if root == "rw" and len(alive) < len(sibs):
        return None
    return tuple(sorted(alive)) or None


def ttl_date(cells):
    """The effective date of a key: max (none wins), or min if any sibling says min (none loses)."""
    sibs = cells.get(TTL)
    if not sibs:
        return None
    dated = [p for _, _, p in live(sibs)]
    if any(p[2] == "min" for p in dated):
        return min(p[1] for p in dated)
    return max((p[1] for p in dated), default=None) if len(dated) == len(sibs) else None


def once_of(sibs):
    """(amount, owner, folded, cancelled) of a once cell, None when nothing but tombstones is left."""
    seen = [(s[1], d) for d, s in sibs.items() if s[1]]
    if not seen:
        return None
    first = min(seen, key=lambda pd: pd[0][2])[0]
    owner = first[2][0] if on("once-origin") else min(d for _, d in seen)[0]
    return first[1], owner, any(p[3] for p, _ in seen), any(p[4] for p, _ in seen)


def counter_cell(sibs):
    """(total, cancelled) of one replica's cell."""
    seen = [s[1] for s in sibs.values() if s[1]]
    return max((p[1] for p in seen), default=0), max((p[2] for p in seen), default=0)


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

    def uncounted(self):
        """The key's value without its counters: their history is off."""
        bare = Tree({p: c for p, c in self.all.items() if p and p[0] != "cnt"})
        bare.count = lambda p: 0
        return bare.key()

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
        n = 0
        for comp in self.kids[p, "cnt"]:
            total, cancelled = counter_cell(self.cells.get(p + (comp,), {}))
            n += total - cancelled
        for q, sibs in self.cells.items():
            if q[:-1] == p and q[-1][0] == "o" and (once := once_of(sibs)):
                amount, _, folded, cancelled = once
                n += (0 if folded or cancelled else amount) - (amount if folded and cancelled else 0)
        return n

    def node(self, p):
        """Readings of a json path, latest first: [(rank, kind, value, live siblings)]. Parents are not asked."""
        if p not in self.memo:
            self.memo[p] = self._node(p)
        return self.memo[p]

    def _node(self, p):
        sibs = self.cells.get(p)
        if not sibs:
            return []
        mode, expired = p[0], self.date if len(p) == 1 else None
        alive = [(st, d, pl) for st, d, pl in live(sibs) if expired is None or st >= expired]
        hiders = [s[1][1] for s in sibs.values() if s[1] and s[1][0] == "hide"]
        out = []
        scalars = [x for x in alive if x[2][0] == "v"]
        if scalars:
            out.append(
                (max(x[:2] for x in scalars), "v", tuple(sorted(x[2][1] for x in scalars)), [x[:2] for x in scalars])
            )
        for kind in ("obj", "arr", "set", "cnt"):
            marks = [x[:2] for x in alive if x[2] == ("mark", kind)]
            hid = bool(hiders) or (expired is not None and any(s[1] == ("mark", kind) for s in sibs.values()))
            if (not marks and not (hid and mode == "ew")) or (mode == "dw" and hiders):
                continue
            value, below = self.contents(p, kind)
            outside = (
                []
                if marks
                else [
                    (st, d)
                    for st, d in below
                    if not any(covers(h, d) for h in hiders) and (expired is None or st >= expired)
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


def present(cells, now):
    return bool(Tree(cells, now).key())


# ---- forgetting: which cells a purge to S drops, a function of (cells, S) only


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


# ---- writing: what an operation becomes


@dataclass
class Base:
    """A version a client read: the key contexts (what a replica knows of it), and for the oracle the whole vector."""

    vector: dict
    contexts: dict
    values: dict
    totals: dict  # key -> {cell of a counter: (total, once cell or None)}


@dataclass
class Write:
    payload: tuple
    truth: tuple  # the payload as the oracle keeps it (vectors where replicas have key contexts)
    all: bool = False
    parents: set = field(default_factory=set)
    lost: set = field(default_factory=set)


class Draft:
    """One transaction's writes to one key, made on a scratch copy, so that each operation sees the ones before it."""

    def __init__(self, rep, key, dot, stamp, base=None):
        self.rep, self.key, self.dot, self.stamp = rep, key, dot, stamp
        self.before = dict(rep.vector)
        self.cells = {p: dict(c) for p, c in rep.cells.get(key, {}).items()}
        self.context = dict(rep.contexts.get(key, {}))
        self.base = base
        self.known = self.before if base is None else base.contexts.get(key, {})
        self.truth = self.before if base is None else base.vector
        self.seen = self.context if base is None else self.known
        self.W, self.created, self.counts, self.fresh_orders, self.made = {}, [], [], [], 0
        self.now = stamp if on("expiry-judged-once") else stamp - 6
        self.was_absent = not present(self.cells, self.now)

    def tree(self):
        return Tree(self.cells, self.now)

    def write(self, path, payload, all=False, also=(), truth=None):
        self.made += 1
        sibs = self.cells.setdefault(path, {})
        gone = {d for d in sibs if d == self.dot or all or covers(self.known, d) or d in also}
        w = self.W.get(path)
        w = self.W[path] = Write(
            payload, truth or payload, bool(all or (w and w.all)), w.parents if w else set(), w.lost if w else set()
        )
        w.parents |= gone - {self.dot}
        w.lost |= {d for d in gone - {self.dot} if not covers(self.truth, d)}
        for d in gone:
            del sibs[d]
        sibs[self.dot] = (self.stamp, payload, None)

    def absent_all(self, absent):
        return absent and on("put-absent-all")

    # leaves of their own strategy
    def put_leaf(self, root, v):
        p = (root,)
        shown = self.tree().root(root)
        sibs = self.cells.get(p, {})
        also = ()
        if root == "max":
            if shown is not None and v < shown:
                return
            also = [d for d, s in sibs.items() if s[1] is None or s[1][1] <= v]
        elif root == "lww":
            also = [d for d, s in sibs.items() if (s[0], d) < (self.stamp, self.dot)]
        self.write(
            p, ("v", v), all=self.absent_all(shown is None), also=also if on("rank-replaces") or shown is None else ()
        )

    def delete_leaf(self, root):
        p = (root,)
        if self.tree().root(root) is None and on("delete-absent-nothing"):
            return
        also = (
            [d for d, s in self.cells.get(p, {}).items() if (s[0], d) < (self.stamp, self.dot)] if root == "lww" else ()
        )
        self.write(p, None, also=also if on("rank-replaces") else ())

    # sets and lists: independent elements
    def element(self, root, e, v):
        comp = ("e", e) if root == "list" else ("s", e)
        p = (root, comp)
        sibs = self.tree().cells.get(p, {})
        reading = leaf_value("mv" if root == "list" else root, sibs)
        if v is None:
            if reading is None and on("delete-absent-nothing"):
                return
            self.write(p, None)
            if root == "list":
                self.drop_order(p)
            return
        self.write(
            p,
            ("v", v),
            all=self.absent_all(reading is None),
            also=[d for _, d, _ in live(sibs)] if root == "aw" else (),
        )
        if root == "list" and reading is None:
            self.drop_order(p, all=True)

    def drop_order(self, element, all=False):
        """The order cell goes with its element; a put to an absent element must not inherit one."""
        p = element[:-1] + (("a", element[-1][1]),)
        if all:
            self.fresh_orders.append(p)
        if self.cells.get(p) and (not all or on("order-recreated")):
            self.write(p, None, all=all)

    def move(self, p, to):
        """Only the order cell: a move is no edit."""
        element = p[:-1] + (("e", p[-1][1]),)
        tree = self.tree()
        shown = (
            leaf_value("mv", tree.cells.get(element))
            if p[0] == "list"
            else all(tree.node(element[:i]) for i in range(1, len(p) + 1))
        )
        if shown is None or shown is False:
            return
        if p[0] in JSON and not self.reach(element, create=False):
            return
        sibs = self.cells.get(p, {})
        at = newest(sibs) if sibs else None
        also = [d for d, s in sibs.items() if (s[0], d) < (self.stamp, self.dot)] if on("rank-replaces") else ()
        self.write(p, ("v", to), all=self.absent_all(at is None), also=also)

    def sweep(self, root, below=None):
        """Takes at once every sibling that `seen` covers below."""
        if self.tree().root(root) is None and on("delete-absent-nothing"):
            return
        # `all`: an earlier sweep has done its work and may be purged elsewhere.
        self.write(
            (root,),
            ("sweep", dict(self.seen), below, 0),
            all=on("sweep-all"),
            truth=("sweep", dict(self.truth), below, 0),
        )
        for p in self.cells:
            if in_sweep(p, (root,), below):
                for d in [d for d in self.cells[p] if covers(self.seen, d)]:
                    del self.cells[p][d]

    # counters, at the root ("cnt",) or below a json path
    def counter_cells(self, p):
        return [q for q in self.cells if q[:-1] == p and q[-1][0] in "co" and self.cells[q]]

    def add(self, p, n):
        q = p + (("c", self.rep.rid),)
        sibs = self.cells.get(q, {})
        total, cancelled = counter_cell(sibs)
        if not sibs and on("counter-restart"):
            total = cancelled = self.rep.dropped_total
        if not on("counter-max"):
            self.write(q, ("c", total + n, cancelled, False))
        else:
            self.write(q, ("c", total + n, cancelled, False), all=True)
        self.counts.append((p, "add", n))

    def once(self, p, request, n):
        q = p + (("o", request),)
        if any(s[1] for s in self.cells.get(q, {}).values()):
            return
        self.write(q, ("o", n, self.dot, False, False, False), all=True)
        self.counts.append((p, "once", (request, n)))

    def reset(self, p, dead=False, everything=False):
        """Takes away what the base shows, exactly; `dead` is a delete; `everything` whatever stands (create, clear)."""
        if not any(live(self.cells[q]) for q in self.counter_cells(p)):
            return
        totals = {q: cell_total(self.cells[q]) for q in self.counter_cells(p)}
        if self.base is not None and not everything:
            totals = {q: t for q, t in self.base.totals.get(self.key, {}).items() if q[:-1] == p}
        for q, (total, once) in totals.items():
            sibs = self.cells.get(q, {})
            if q[-1][0] == "c":
                if everything or live(sibs):
                    self.write(q, ("c", total, total, dead), all=everything)
            elif once is not None and live(sibs):
                if once[2] and on("once-reset-folded"):
                    self.write(q, None, all=everything)
                else:
                    origin = min(s[1][2] for s in sibs.values() if s[1])
                    self.write(q, ("o", once[0], origin, once[2], True, dead), all=everything)
        self.counts.append((p, "reset", self.before if everything else self.truth))

    # json
    def reach(self, path, create=True):
        """Make every container above `path` stand: create what is absent, write a mark over a hider the base covers.
        False when something above reads as absent and may not be created."""
        for i in range(1, len(path)):
            q, kind = path[:i], KIND[path[i][0]]
            sibs = self.cells.get(q, {})
            if not self.tree().kind_shown(q, kind):
                if not create:
                    return False
                self.create(q, kind)
            elif on("mark-over-hider") and any(
                s[1] and s[1][0] == "hide" and covers(self.known, d) for d, s in sibs.items()
            ):
                self.write(q, ("mark", kind))
        return True

    def create(self, q, kind):
        """A mark, and a tombstone over every other cell of that kind present below: no half element is revived."""
        absent = not self.tree().node(q)
        self.write(q, ("mark", kind), all=self.absent_all(absent))
        if absent and is_element(q):
            self.drop_order(q, all=True)
        self.created.append((q, None if absent else kind))
        if on("recreate-tombstones"):
            for p in sorted(self.cells):
                if (
                    len(p) > len(q)
                    and p[: len(q)] == q
                    and self.cells[p]
                    and (absent or KIND.get(p[len(q)][0]) == kind)
                ):
                    self.bury(p)

    def bury(self, p):
        """Replace all that stands in this cell by nothing."""
        if is_counter(p) and on("counter-cancel"):
            total, once = cell_total(self.cells[p])
            if p[-1][0] == "c":
                self.write(p, ("c", total, total, True), all=True)
            elif once is not None:
                self.reset_once_dead(p, once)
            else:
                self.write(p, None, all=True)
        else:
            self.write(p, None, all=True)

    def reset_once_dead(self, p, once):
        origin = min(s[1][2] for s in self.cells[p].values() if s[1])
        self.write(p, None if once[2] else ("o", once[0], origin, False, True, True), all=True)

    def json_put(self, path, payload):
        self.reach(path)
        readings = self.tree().node(path)
        if payload[0] == "mark":
            if not self.tree().kind_shown(path, payload[1]):
                self.create(path, payload[1])
            return
        if path[-1][0] == "s":
            sibs = self.cells.get(path, {})
            absent = leaf_value("aw", sibs) is None
            self.write(path, payload, all=self.absent_all(absent), also=[d for _, d, _ in live(sibs)])
            return
        self.write(path, payload, all=self.absent_all(not readings))
        if not readings and is_element(path):
            self.drop_order(path, all=True)

    def json_add(self, path, n):
        if not self.tree().kind_shown(path, "cnt") or not self.reach(path, create=False):
            self.json_put(path, ("mark", "cnt"))
        self.reach(path + (("c", self.rep.rid),))
        self.add(path, n)

    def json_delete(self, path):
        tree = self.tree()
        shown = all(tree.kind_shown(path[:i], KIND[path[i][0]]) for i in range(1, len(path)))
        if path[-1][0] == "s":
            here = leaf_value("aw", self.cells.get(path))
        else:
            here = tree.node(path)
        if (not shown or not here) and on("delete-absent-nothing"):
            return
        if not shown or not self.reach(path, create=False):
            return
        kinds = [r[1] for r in here if r[1] != "v"] if path[-1][0] != "s" and here else []
        if kinds:
            seen, truth = dict(self.seen), dict(self.truth)
            seen[self.dot[0]] = truth[self.dot[0]] = self.dot[1]
            if "cnt" in kinds:
                self.reset(path, dead=True)
            self.write(path, ("hide", seen, kinds[0]), truth=("hide", truth, kinds[0]))
        else:
            self.write(path, None)
        if is_element(path):
            self.drop_order(path)

    # the whole key
    def delete_key(self):
        for root in list(self.tree().key()):
            self.delete_root(root)
        self.write_ttl(None)

    def delete_root(self, root):
        if root in JSON:
            self.json_delete((root,))
        elif root == "cnt":
            self.reset((root,), dead=True)
        elif root in SWEPT:
            self.sweep(root)
        else:
            self.delete_leaf(root)

    def write_ttl(self, date, rule="max"):
        sibs = self.cells.get(TTL, {})
        if date is not None:
            self.write(TTL, ("ttl", date, rule), all=self.absent_all(not live(sibs)))
        elif live(sibs):
            self.write(TTL, None)

    def clear_expired(self):
        """The date has passed: what it hides goes for good with this write, and the date too, so that no later change
        of the date can bring back at one replica what another has purged."""
        tree = self.tree()
        if tree.date is not None and on("expiry-clears"):
            self.clear(frozenset(expired_paths(self.cells, tree)))
            for p in [p for p in self.cells if len(p) == 1 and p[0] in JSON]:
                kinds = [r[1] for r in tree.node(p) if r[1] != "v"]
                if kinds:  # revived by an edit after the date: a write below also marks
                    self.write(p, ("mark", kinds[0]), all=True)

    def start_life(self):
        """A wholly absent key became present: what still stands (hidden, losing, cancelled) under any root goes. The
        sweep is written wherever a key context stood or may have been purged, also when nothing is left for it to take:
        it is the life's own trace, and tells whoever gets it what the new context has replaced (all below the floor
        too)."""
        if on("life-clears") and (self.context or (self.rep.S and on("history-life-floor"))):
            self.clear(None)

    def clear(self, scope):
        """A sweep at the key's own cell; a counter's cells are cancelled: their totals live on in later adds."""
        for p in sorted(self.cells):
            mine = is_counter(p) and (scope is None or p in scope) and any(d != self.dot for d in self.cells[p])
            if mine and p not in self.W:
                self.bury(p)
        floor = self.rep.S if scope is None else 0
        self.write(
            (), ("sweep", dict(self.context), scope, floor), all=True, truth=("sweep", dict(self.before), scope, floor)
        )
        for p in self.cells:
            if in_sweep(p, (), scope):
                for d in [d for d in self.cells[p] if d != self.dot]:
                    del self.cells[p][d]


def expired_paths(cells, tree):
    """The paths that the date hides, and the date's own."""
    return [
        p for p, c in cells.items() if p and (p == TTL or (not tree.node((p[0],)) if p[0] in JSON else tree.hidden(c)))
    ]


def in_sweep(p, container, scope):
    """Scope: all below, a set of paths, or what comes before an element."""
    if len(p) <= len(container) or p[: len(container)] != container or is_counter(p):
        return False
    return scope is None or (p in scope if isinstance(scope, frozenset) else p[1][1] < scope)


def cell_total(sibs):
    """(total, once) of a counter cell or a once cell: what a reset must know of its base."""
    if any(s[1] and s[1][0] == "o" for s in sibs.values()):
        return 0, once_of(sibs)
    return counter_cell(sibs)[0], None


# ---- history: what a key showed at an earlier version, rebuilt here or refused, never guessed


@dataclass
class Old:
    path: tuple
    dot: tuple
    stamp: int
    payload: tuple
    by: set  # the dots that replaced it
    after: dict = None  # or the key context after the catch-up that took it away
    purged: bool = False


class History:
    """The superseded siblings of one key at one replica, and what of its past this replica did not see."""

    def __init__(self):
        self.old, self.gaps, self.horizon, self.lives = [], [], {}, {}

    def knows(self, version, dot, deep=4):
        """Covered by the version, or replaced with a key context by a life that the version knows."""
        return covers(version, dot) or (
            deep > 0
            and on("history-lives")
            and any(
                covers(replaced, dot) and life != dot and self.knows(version, life, deep - 1)
                for life, replaced in self.lives.items()
            )
        )

    def superseded(self, path, dot, sib, by, after=None, purged=False):
        self.old.append(Old(path, dot, sib[0], sib[1], set(by), after, purged))

    def arrived(self, path, dot, payload, parents, whole):
        """A sibling came. It replaced also what another had replaced here before; and where something had been purged,
        its writer saw that as absent and replaced all of it."""
        sweep = payload and payload[0] == "sweep"
        for e in self.old if on("history-by-all") else ():
            if (e.path == path and e.dot in parents) or (
                sweep and ((covers(payload[1], e.dot) and in_sweep(e.path, path, payload[2])) or e.stamp <= payload[3])
            ):
                e.by.add(dot)
        for e in self.old if on("history-purged") else ():
            if e.dot != dot and (whole or (e.purged and e.path[: len(path)] == path)):
                e.by.add(dot)

    def gap(self, frm, to):
        self.gaps.append((dict(frm), dict(to)))
        if len(self.gaps) > 16:
            self.horizon = joined(self.horizon, self.gaps.pop(0)[1])

    def trim(self, keep, context):
        while len(self.old) > keep:
            e = self.old.pop(0)
            if on("history-trim"):
                more = e.after or dict(sorted(e.by)) or context
                self.horizon = joined(self.horizon, more)

    def rebuildable(self, version):
        if not all(self.knows(version, d) for d in self.horizon.items()):
            return False
        for frm, to in self.gaps if on("history-gaps") else ():
            if not all(self.knows(frm, d) for d in version.items()) and not all(
                self.knows(version, d) for d in to.items()
            ):
                return False
        return True

    def at(self, version, cells):
        """The cells as they stood at the version, expiry not judged."""
        out = {}
        for p, c in cells.items():
            for d, s in c.items():
                if covers(version, d):
                    out.setdefault(p, {})[d] = s
        for e in self.old:
            if (
                covers(version, e.dot)
                and not any(self.knows(version, b) for b in e.by)
                and not (e.after and all(self.knows(version, d) for d in e.after.items()))
            ):
                out.setdefault(e.path, {})[e.dot] = (e.stamp, e.payload, None)
        return out


# ---- a replica


@dataclass
class Record:
    """One transaction as its origin minted it."""

    dot: tuple
    stamp: int
    deps: dict
    S: int
    writes: list  # (key, path, payload, parents)
    lives: list  # (key, entries of the key context that a new life replaced)
    lineage: tuple = ()


@dataclass
class CatchUp:
    """What stands here beyond `start`, whole, under the sender's vector."""

    start: dict
    vector: dict
    heard: dict
    cells: dict  # key -> {path: siblings}
    groups: dict  # key -> paths whose cells below were all sent
    contexts: dict
    announced: dict
    S: int
    F: dict
    full: bool
    lineage: tuple = ()
    members: tuple = ()
    sponsors: tuple = ()


class Replica:
    """Cells under a vector, changed by `commit` (a wish), `receive` and `absorb` (facts) and `purge` (a forgetting)."""

    def __init__(self, rid, members=None):
        self.rid, self._members = rid, members
        self.vector, self.heard, self.announced, self.last = {}, {}, {}, {}
        self.cells, self.contexts = {}, {}
        self.clock = self.S = self.spoken = 0
        self.F, self.dropped_total, self.purges = {}, 0, 0
        self.waiting, self.touched = [], set()
        self.history = defaultdict(History)

    def members(self):
        return self._members

    # time
    def tick(self, wall):
        self.clock = max(self.clock + 1, wall)
        return self.clock

    def observe(self, stamp, wall):
        self.clock = max(self.clock, min(stamp, wall + DRAG))

    def restart(self):
        """The clock reopens above all it has spoken; the first record carries the whole vector."""
        self.last = {}
        if not on("heard-promise"):
            self.clock = max(
                [s[0] for k in self.cells.values() for c in k.values() for d, s in c.items() if d[0] == self.rid],
                default=0,
            )

    # a wish
    def commit(self, work, wall, oracle, base=None):
        """`work`: [(key, function of a Draft)]. The record, or None when nothing changes."""
        n = self.vector.get(self.rid, 0) + 1
        dot, stamp, drafts = (self.rid, n), max(self.clock + 1, wall), []
        for key, operate in work:
            draft = Draft(self, key, dot, stamp, base)
            draft.clear_expired()
            cleared = draft.made
            operate(draft)
            if draft.made > cleared:
                drafts.append(draft)
        if not drafts:
            return None
        before = dict(self.vector)
        self.clock, self.heard[self.rid], self.vector[self.rid] = stamp, stamp, n
        writes, lives = [], []
        for draft in drafts:
            life = draft.was_absent and present(draft.cells, draft.stamp)
            if life:
                draft.start_life()
            key = draft.key
            oracle.minted(draft, before, life)
            whole, cells, history = key not in self.cells, self.cells.setdefault(key, {}), self.history[key]
            for p, c in cells.items():
                for d in c.keys() - draft.cells[p].keys():
                    history.superseded(p, d, c[d], {dot})
            for p, w in draft.W.items():
                history.arrived(p, dot, w.payload, w.parents, whole)
            for p, c in draft.cells.items():
                cells[p] = c
            for p, w in draft.W.items():
                cells[p][dot] = (stamp, w.payload, frozenset(w.parents))
                writes.append((key, p, w.payload, frozenset(w.parents)))
            for p in [p for p, c in cells.items() if not c]:
                del cells[p]
            context = self.contexts.setdefault(key, {})
            replaced = dict(context) if life and on("life-context") else {}
            if replaced:
                context = self.contexts[key] = {}
            context[self.rid] = n
            if replaced:
                history.lives[dot] = replaced
            lives.append((key, replaced))
            self.touched.add(key)
        deps = {r: m for r, m in before.items() if m != self.last.get(r, 0)}
        self.last = dict(self.vector)
        return Record(dot, stamp, deps, self.S, writes, lives)

    # facts
    def receive(self, record, wall):
        """A record waits until what it builds on is here; then it replaces its parents."""
        self.waiting.append(record)
        again = True
        while again:
            again = False
            for rec in list(self.waiting):
                ready = self.ready(rec)
                if ready is not None:
                    self.waiting.remove(rec)
                if ready:
                    self.apply(rec, wall)
                    again = True

    def ready(self, rec):
        """True: absorb now; False: forget it; None: wait."""
        r, n = rec.dot
        if covers(self.vector, rec.dot):
            return False
        next_of_r = n == self.vector.get(r, 0) + 1
        lacks = any(m > self.vector.get(q, 0) for q, m in rec.deps.items() if q != r)
        return None if on("record-deps") and (lacks or not next_of_r) else True

    def apply(self, rec, wall):
        r, n = rec.dot
        if on("purge-first"):
            self.purge_to(rec.S)
        sweeps = [w for w in rec.writes if w[2] and w[2][0] == "sweep"]
        if on("sweep-first"):
            self.apply_sweeps(sweeps, rec.dot)
        whole = {key for key, _ in rec.lives if key not in self.cells}
        for key, path, payload, parents in rec.writes:
            cells = self.cells.setdefault(key, {}).setdefault(path, {})
            for d in parents:
                if d in cells:
                    self.history[key].superseded(path, d, cells.pop(d), {rec.dot})
            self.history[key].arrived(path, rec.dot, payload, parents, key in whole)
            cells[rec.dot] = (rec.stamp, payload, parents)
        if not on("sweep-first"):
            self.apply_sweeps(sweeps, rec.dot)
        for key, replaced in rec.lives:
            context = self.contexts.setdefault(key, {})
            for q, m in replaced.items():
                if q in context and context[q] <= m:
                    del context[q]
            context[r] = n
            if replaced:
                self.history[key].lives[rec.dot] = replaced
            self.touched.add(key)
        self.vector[r] = n
        self.heard[r] = max(self.heard.get(r, 0), rec.stamp)
        self.observe(rec.stamp, wall)
        self.announce()

    def apply_sweeps(self, sweeps, dot):
        for key, path, (_, seen, below, _), _ in sweeps if on("sweep-applied") else ():
            for p, c in self.cells.get(key, {}).items():
                if in_sweep(p, path, below):
                    for d in [
                        d for d in c if covers(seen, d) or not on("sweep-seen") or (not on("sweep-first") and d == dot)
                    ]:
                        self.history[key].superseded(p, d, c.pop(d), {dot})
            self.tidy(key)

    def tidy(self, key):
        cells = self.cells.get(key, {})
        for p in [p for p, c in cells.items() if not c]:
            del cells[p]
        if not cells:
            self.cells.pop(key, None)

    def note_own_total(self, path, sibs):
        if is_counter(path) and path[-1] == ("c", self.rid):
            self.dropped_total = max(self.dropped_total, counter_cell(sibs)[0])

    def tell(self, vector, wall):
        """A catch-up for a peer at `vector`: all, when it lacks some of what was dropped here."""
        self.heard[self.rid] = self.tick(wall)
        self.announce()
        full = not vector or not at_least(vector, self.F)
        start = {} if full else dict(vector)
        cells, groups, contexts = {}, {}, {}
        for key, here in self.cells.items():
            new = {p for p, c in here.items() if any(not covers(start, d) for d in c)}
            if not new and not full:
                continue
            roots = {() if p == TTL and on("ttl-ships-key") else p for p in new} if on("group-ship") else set()
            cells[key] = {p: dict(c) for p, c in here.items() if full or p in new or grouped(p, roots)}
            groups[key] = roots
            contexts[key] = dict(self.contexts.get(key, {}))
        return CatchUp(
            start,
            dict(self.vector),
            dict(self.heard),
            cells,
            groups,
            contexts,
            dict(self.announced),
            self.S,
            dict(self.F),
            full,
        )

    def absorb(self, msg, wall):
        """Join, contexts, vector, announcements, and only then the sender's floor."""
        if on("catch-up-from") and not at_least(self.vector, msg.start):
            return False
        if not on("join-first"):
            self.purge_to(msg.S)
        for stamp in msg.heard.values():
            self.observe(stamp, wall)
        for key in set(msg.cells) | (set(self.cells) if msg.full else set()):
            before = {p: dict(c) for p, c in self.cells.get(key, {}).items()}
            was = dict(self.contexts.get(key, {}))
            here, theirs, roots = self.cells.setdefault(key, {}), msg.cells.get(key, {}), msg.groups.get(key, ())
            for p in set(theirs) | {p for p in here if msg.full or grouped(p, roots)}:
                self.note_own_total(p, here.get(p, {}))
                here[p] = join(here.get(p, {}), self.vector, theirs.get(p, {}), msg.vector)
            self.contexts[key] = join_context(
                self.contexts.get(key, {}), self.vector, msg.contexts.get(key, {}), msg.vector
            )
            self.touched.add(key)
            self.remember(key, before, was, msg)
            self.tidy(key)
            if key not in self.cells:
                self.contexts.pop(key, None)
        self.vector = joined(self.vector, msg.vector)
        self.heard = joined(self.heard, msg.heard)
        if msg.full:
            self.F = joined(self.F, msg.F)
        for m, a in msg.announced.items():
            self.announced[m] = max(a, self.announced.get(m, (0, 0, ())))
        self.announce()
        self.purge_to(msg.S)
        return True

    def remember(self, key, before, was, msg):
        """What a catch-up took away, by what; and what it squashed."""
        history, here, now = self.history[key], self.cells[key], dict(self.contexts.get(key, {}))
        new = {p: {d: s for d, s in c.items() if d not in before.get(p, {})} for p, c in here.items()}
        sweeps = {(p, d): s[1] for p, c in new.items() for d, s in c.items() if s[1] and s[1][0] == "sweep"}
        squashed = any(not covers(self.vector, q) for c in new.values() for s in c.values() for q in s[2]) and on(
            "history-gap-parents"
        )
        squashed |= on("history-gap-sweeps") and any(not at_least(self.vector, p[1]) for p in sweeps.values())
        for p, c in before.items():
            for d in c.keys() - here.get(p, {}).keys():
                by = {e for e, s in new.get(p, {}).items() if d in s[2]}
                by |= {e for (q, e), (_, seen, scope, _) in sweeps.items() if covers(seen, d) and in_sweep(p, q, scope)}
                if not on("history-by-dot"):
                    by = set()
                if by or (not new.get(p) and not here.get(p)):
                    history.superseded(p, d, c[d], by, purged=not by)
                else:
                    history.superseded(p, d, c[d], (), after=now)
                    squashed = True
        dropped = {r: n for r, n in was.items() if now.get(r, 0) < n} if on("history-lives-squashed") else {}
        lives = {e: seen for (p, e), (_, seen, _, _) in sweeps.items() if p == ()}
        if dropped and len(lives) == 1:  # lives between were squashed: this one replaced what they did
            lives = {e: joined(seen, dropped) for e, seen in lives.items()}
        elif dropped:
            history.horizon = joined(history.horizon, now)
        history.lives.update(lives)
        for p, c in new.items():
            for d, s in c.items():
                history.arrived(p, d, s[1], s[2], not before)
        if squashed:
            history.gap(was, now)
        if msg.full:
            history.horizon = joined(history.horizon, now)

    # forgetting
    def announce(self):
        members = self.members()
        if self.rid in members:
            self.announced[self.rid] = (
                min(self.heard.get(m, 0) for m in members),
                self.vector.get(self.rid, 0),
                tuple(sorted(self.retired().items())),
            )

    def retired(self):
        """What is absorbed here of who is no member any more: no member's low speaks of it, it is announced apart."""
        members = set(self.members())
        return {r: n for r, n in self.vector.items() if r not in members}

    def purge(self):
        said = [self.announced.get(m, (0, 0, ())) for m in self.members()]
        if on("announced-n") and any(
            self.vector.get(m, 0) < n for m, (_, n, _) in zip(self.members(), said, strict=True)
        ):
            return
        retired = self.retired()
        if on("announced-retired") and any(not at_least(dict(had), retired) for _, _, had in said):
            return
        self.purge_to(min(low for low, _, _ in said) // QUANTUM * QUANTUM)

    def purge_to(self, S):
        if S <= self.S:
            return
        self.S = S
        self.purges += 1
        for key in list(self.cells):
            self.touched.add(key)
            cells = self.cells[key]
            for p in self.to_drop(cells, S):
                if p not in cells:
                    continue
                for d in cells[p]:
                    self.F[d[0]] = max(self.F.get(d[0], 0), d[1])
                self.note_own_total(p, cells[p])
                for d, s in cells[p].items():
                    self.history[key].superseded(p, d, s, (), purged=True)
                del cells[p]
            self.tidy(key)
            if key not in self.cells and on("context-dropped"):
                self.contexts.pop(key, None)

    def to_drop(self, cells, S):
        drop = droppable(cells, S, self.clock)
        if not on("whole-cell"):
            for c in cells.values():
                for d in [d for d, s in c.items() if s[1] is None and s[0] <= S and len(c) > 1]:
                    del c[d]
        return drop

    # questions
    def visible(self, key):
        return Tree(self.cells.get(key, {}), self.clock).key()

    def base(self, keys):
        """What a client that read these keys now may give as its base later."""
        totals = {k: {p: cell_total(c) for p, c in self.cells.get(k, {}).items() if is_counter(p)} for k in keys}
        return Base(
            dict(self.vector),
            {k: dict(self.contexts.get(k, {})) for k in keys},
            {k: self.visible(k) for k in keys},
            totals,
        )


def grouped(path, roots):
    """Below a cell that was sent; an order cell belongs to its element."""
    if any(path[:i] in roots for i in range(len(path))):
        return True
    return on("order-ships") and len(path) > 1 and path[-1][0] == "a" and path[:-1] + (("e", path[-1][1]),) in roots


def join(mine, my_vector, theirs, their_vector):
    """Keep what both have, and what one has unless the other's vector covers it: it was seen and replaced there."""
    out = {d: s for d, s in mine.items() if d in theirs or not covers(their_vector, d)}
    out.update({d: s for d, s in theirs.items() if d in mine or not covers(my_vector, d)})
    return out


def join_context(mine, my_vector, theirs, their_vector):
    if not on("context-join"):
        return joined(mine, theirs)
    return {
        r: max(mine.get(r, 0), theirs.get(r, 0))
        for r in mine.keys() | theirs.keys()
        if (r in mine and r in theirs)
        or (r in mine and mine[r] > their_vector.get(r, 0))
        or (r in theirs and theirs[r] > my_vector.get(r, 0))
    }


# ---- the oracle: every write ever, by whole vectors, nothing purged


@dataclass
class Event:
    dot: tuple
    path: tuple
    payload: tuple
    stamp: int
    cover: dict
    also: set


class Oracle:
    """What every write said and had seen. A sibling stands at V iff V covers it and covers nothing that replaced it."""

    def __init__(self):
        self.events, self.clears, self.counts = defaultdict(list), defaultdict(list), defaultdict(list)
        self.memo = defaultdict(dict)

    def minted(self, draft, before, life):
        key, dot = draft.key, draft.dot
        for p, w in draft.W.items():
            self.events[key].append(Event(dot, p, w.truth, draft.stamp, before if w.all else draft.truth, w.lost))
            if w.truth and w.truth[0] == "sweep" and p:
                self.clears[key].append((dot, p, None, w.truth[1], w.truth[2]))
        self.clear_expired(key, dot, before, draft.stamp)
        for q, kind in draft.created:
            self.clears[key].append((dot, q, kind, before, None))
        if draft.fresh_orders:
            self.clears[key].append((dot, (), None, before, frozenset(draft.fresh_orders)))
        if life:
            self.clears[key].append((dot, (), None, before, None))
        for path, what, arg in draft.counts:
            self.counts[key].append((dot, path, what, arg))

    def base_of(self, key, path, dot):
        return next(e.cover for e in self.events[key] if e.dot == dot and e.path == path)

    def reminted(self, key, path, st, old, new):
        """A counter cell came back in its own cell: of its writer's adds and resets, those that nobody had seen."""
        known = self.base_of(key, path, old)
        mine = [
            c
            for c in self.counts[key]
            if c[1] == path[:-1]
            and c[0][0] in st.own
            and not covers(st.vector, c[0])
            and (c[0] == old or covers(known, c[0]))
        ]
        resets, rid = [c[3] for c in mine if c[2] == "reset"], path[-1][1]
        for c in mine:
            if c[2] == "add" and c[0][0] == rid:
                self.counts[key].append((new, c[1], "again", (c[3], c[0])))
        for r in resets:
            self.counts[key].append((new, path[:-1], "reset", {rid: r.get(rid, 0)}))

    def clear_expired(self, key, dot, before, stamp):
        """What a passed date hid goes for good once something is written."""
        cells = self.cells(key, before)
        tree = Tree(cells, stamp)
        if tree.date is None:
            return
        hidden = frozenset(expired_paths(cells, tree))
        self.clears[key].append((dot, (), None, before, hidden))
        for p in hidden:
            if p[-1][0] == "c":
                self.counts[key].append((dot, p[:-1], "reset", {p[-1][1]: before.get(p[-1][1], 0)}))

    def cells(self, key, vector):
        """What stands at V. Remembered by the part of V that touched the key."""
        seen = [e for e in self.events[key] if covers(vector, e.dot)]
        mark = tuple(sorted({e.dot[0]: e.dot[1] for e in seen}.items()))
        if mark not in self.memo[key]:
            self.memo[key][mark] = self._cells(key, vector, seen)
        return self.memo[key][mark]

    def _cells(self, key, vector, seen):
        gone, also, scopes = {}, set(), {}
        for e in seen:
            raise_to(gone.setdefault(e.path, {}), e.cover)
            also |= {(e.path, d) for d in e.also}
        for dot, q, kind, cover, scope in self.clears[key]:
            if not covers(vector, dot) or not cover:
                continue
            if isinstance(scope, frozenset):
                for p in scope & gone.keys():
                    raise_to(gone[p], cover)
            else:
                raise_to(scopes.setdefault((q, kind, scope), {}), cover)
        for (q, kind, scope), cover in scopes.items():
            for p, mine in gone.items():
                if cleared(p, q, kind, scope):
                    raise_to(mine, cover)
        out = {}
        for e in seen:
            if e.dot[1] > gone[e.path].get(e.dot[0], 0) and (e.path, e.dot) not in also:
                out.setdefault(e.path, {})[e.dot] = (e.stamp, e.payload, None)
        return out

    def visible(self, key, vector, now):
        WHOLE.append(key)
        try:
            tree = Tree(self.cells(key, vector), now)
            tree.count = lambda p: self.count(key, vector, p, tree)
            return tree.key()
        finally:
            WHOLE.pop()

    def count(self, key, vector, path, tree):
        """Each add that no reset in sight had seen, each once-request that none of its tries' resets had."""
        log = [c for c in self.counts[key] if covers(vector, c[0])]
        resets = [c[3] for c in log if c[1] == path and c[2] == "reset"]
        resets += [
            c[3]
            for c in self.clears[key]
            if covers(vector, c[0])
            and c[4] is None
            and path[: len(c[1])] == c[1]
            and c[2] in (None, KIND.get(path[len(c[1])][0]) if len(path) > len(c[1]) else "cnt")
        ]

        def shown(d):
            own = path + (("c", d[0]),)
            return own in tree.cells or own not in tree.all

        total = sum(
            c[3]
            for c in log
            if c[1] == path and c[2] == "add" and shown(c[0]) and not any(covers(r, c[0]) for r in resets)
        )
        again = {
            c[3][1]: (c[3][0], c[0]) for c in log if c[1] == path and c[2] == "again" and not covers(vector, c[3][1])
        }
        total += sum(n for d, (n, new) in again.items() if not any(covers(r, d) or covers(r, new) for r in resets))
        tries = defaultdict(list)
        for c in log:
            if c[1] == path and c[2] == "once":
                tries[c[3][0]].append((c[0], c[3][1]))
        for some in tries.values():
            if not any(covers(r, d) for r in resets for d, _ in some):
                total += min(some)[1]
        return total


def raise_to(mine, cover):
    for r, n in cover.items():
        if n > mine.get(r, 0):
            mine[r] = n


def cleared(p, q, kind, below):
    if len(p) <= len(q) or p[: len(q)] != q or (kind is not None and KIND.get(p[len(q)][0]) != kind):
        return False
    return below is None or p[1][1] < below


# ---- worlds


@dataclass
class Stats:
    seeds: int = 0
    comparisons: int = 0
    checks: int = 0
    purges: int = 0
    writes: int = 0
    versions: int = 0
    refused: int = 0

    def __add__(self, o):
        return Stats(*(getattr(self, f) + getattr(o, f) for f in self.__dataclass_fields__))


ROOTS = ("lww", "max", "aw", "rw", "list", "ew", "dw", "cnt")


class DataWorld:
    """A fixed set of replicas with skewed clocks, old bases, lost, doubled, late and reordered messages."""

    def __init__(self, seed, n=4):
        self.rnd = random.Random(seed)
        r = self.rnd
        self.seed, self.n, self.t = seed, n, 0
        ids = [f"r{i}" for i in range(n)]
        self.reps = [Replica(i, ids) for i in ids]
        self.skew = [r.choice([0, 0, 0, 30, -30]) for _ in ids]
        self.oracle, self.box, self.stats = Oracle(), [], Stats(1)
        self.saved = [[] for _ in ids]
        self.p_write, self.p_base, self.p_delete = (
            r.choice([0.2, 0.4]),
            r.choice([0.1, 0.3, 0.6]),
            r.choice([0.1, 0.25]),
        )
        self.roots, self.dated, self.counting = {}, {}, 0
        self.names = 2
        kind = ("mixed", "deep", "flat")[
            seed % 3
        ]  # small worlds collide: a third of them deep documents only, a third lists and counters
        for key in ("k0", "k1", "k2"):
            self.roots[key] = r.sample(ROOTS, r.choice([1, 1, 2]))
            if kind == "deep" or (kind == "mixed" and r.random() < 0.4):
                self.roots[key] = [r.choice(JSON)]
            elif kind == "flat":
                self.roots[key] = [r.choice(["list", "cnt", "rw", "lww"])]
            self.dated[key] = r.choice([None, "max", "max", "min"] if kind == "mixed" else [None, None, None, "max"])
        if kind != "mixed":
            self.p_delete, self.p_base, self.p_write = 0.35, r.choice([0.3, 0.6]), 0.4
        if kind == "deep":
            self.names = r.choice([1, 2])
        self.requests = {}
        self.versions = defaultdict(list)

    # operations
    def operation(self, key, rep, base):
        """A function of a Draft, and what must be read after it when the base is current: (root, check) or None."""
        r = self.rnd
        if r.random() < self.p_delete * 0.4:
            return Draft.delete_key, lambda v: v == {}
        if self.dated[key] and r.random() < 0.15:
            date = r.choice([None, rep.clock + r.randrange(1, 40)])
            rule = self.dated[key]
            return (lambda d: d.write_ttl(date, rule) if present(d.cells, d.now) else None), None
        root = r.choice(self.roots[key])
        op, check = getattr(
            self,
            "op_"
            + {"ew": "json", "dw": "json", "max": "leaf", "lww": "leaf", "aw": "set", "rw": "set"}.get(root, root),
        )(key, root, rep)
        drop_date = self.dated[key] and r.random() < 0.15
        return (lambda d: (op(d), drop_date and d.made and d.write_ttl(None))), check

    def op_leaf(self, key, root, rep):
        if self.rnd.random() < self.p_delete:
            return (lambda d: d.delete_leaf(root)), lambda v: root not in v
        x = self.rnd.randrange(1, 1000)
        return (lambda d: d.put_leaf(root, x)), lambda v: v.get(root) == x if root == "lww" else v.get(root, 0) >= x

    def op_set(self, key, root, rep):
        r = self.rnd
        if r.random() < self.p_delete * 0.5:
            return (lambda d: d.sweep(root)), lambda v: root not in v
        if r.random() < 0.2:
            want = {e: r.randrange(1, 1000) for e in range(3) if r.random() < 0.5}

            def put(d):
                d.sweep(root) if r.random() < 0 else None
                for e in range(3):
                    d.element(root, e, want.get(e))

            return put, lambda v: set(v.get(root, {})) == set(want)
        e, x = r.randrange(3), None if r.random() < 0.4 else r.randrange(1, 1000)
        return (lambda d: d.element(root, e, x)), lambda v: v.get(root, {}).get(e) == (x and (x,))

    def op_list(self, key, root, rep):
        r = self.rnd
        y, e = r.random(), r.randrange(4)
        if y < self.p_delete * 0.4:
            return (lambda d: d.sweep(root)), lambda v: root not in v
        if y < self.p_delete * 0.8:
            below = r.randrange(1, 4)
            return (lambda d: d.sweep(root, below)), lambda v: all(c[1] >= below for _, c, _ in v.get(root, ()))
        if y < 0.4:
            to = r.randrange(100)
            return (lambda d: d.move((root, ("a", e)), to)), lambda v: all(
                pos == to for pos, c, _ in v.get(root, ()) if c[1] == e
            )
        x = None if r.random() < 0.4 else r.randrange(1, 1000)
        return (
            lambda d: d.element(root, e, x)
        ), lambda v: [s for _, c, s in v.get(root, ()) if c[1] == e] == ([(x,)] if x else [])

    def op_cnt(self, key, root, rep):
        r = self.rnd
        y, n, p = r.random(), r.randrange(1, 9), (root,)
        if y < 0.15:
            return (lambda d: d.reset(p)), lambda v: v.get(root, 0) == 0
        if y < 0.3:
            return (lambda d: d.reset(p, dead=True)), lambda v: root not in v
        if y < 0.5 and not self.dated[key]:
            return self.once(key, p, n)
        return (lambda d: d.add(p, n)), None

    def once(self, key, p, n):
        """A new request, or a retry at another colo of one that this one has not seen."""
        self.counting += 1
        request, amount = self.requests.get(key, (0, 0))
        if self.rnd.random() < 0.5 or not request:
            request, amount = self.requests[key] = (self.counting, n)

        def op(d):
            tried = [c[0] for c in self.oracle.counts[key] if c[2] == "once" and c[3][0] == request]
            if not any(covers(d.before, t) for t in tried):
                d.once(p, request, amount)

        return op, None

    def json_path(self, root):
        """Two to three levels: objects m, arrays e, sets s below the root."""
        r, p = self.rnd, (root,)
        while True:
            p += ((r.choice("mme"), r.randrange(self.names)),)
            if len(p) == 4 or r.random() < 0.4:
                return p

    def op_json(self, key, root, rep):
        r = self.rnd
        y, p = r.random(), self.json_path(root)
        if y < self.p_delete:
            p = p[: r.randrange(1, len(p) + 1)]
            return (lambda d: d.json_delete(p)), lambda v: reading(v, p) == [] and self.container_kept(key, p, v)
        if y < 0.35:
            p, to = p[:-1] + (("a", p[-1][1]),), r.randrange(100)
            return (lambda d: d.move(p, to)), None
        if y < 0.45:
            kind = r.choice(["obj", "arr", "set", "cnt"])
            return (lambda d: d.json_put(p, ("mark", kind))), None
        if y < 0.55:
            q, x = p + (("s", r.randrange(2)),), r.randrange(1, 1000)
            return (lambda d: d.json_put(q, ("v", x))), None
        if y < 0.65:
            x = r.randrange(1, 9)
            return (lambda d: d.json_add(p, x)), None
        if y < 0.75:
            some = [(self.json_path(root), None if r.random() < 0.3 else r.randrange(1, 1000)) for _ in range(3)]
            return (lambda d: [d.json_put(q, ("v", x)) if x else d.json_delete(q) for q, x in some]), None
        x = r.randrange(1, 1000)
        return (lambda d: d.json_put(p, ("v", x))), lambda v: reading(v, p) == [("v", (x,))]

    def container_kept(self, key, p, value):
        """A delete of a member leaves the container above it standing, where it stood."""
        kind = KIND[p[-1][0]] if len(p) > 1 else None
        stood = kind and any(k == kind for k, _ in reading(self.was[key], p[:-1]))
        return not stood or any(k == kind for k, _ in reading(value, p[:-1]))

    # one step
    def step(self):
        r = self.rnd
        i = r.randrange(self.n)
        rep, x, wall = self.reps[i], r.random(), self.t + self.skew[i]
        if x < self.p_write:
            self.write(i, rep, wall)
        elif x < self.p_write + 0.08:
            self.saved[i].append(rep.base(self.roots))
            self.read_versions(rep)
        elif x < self.p_write + 0.14:
            rep.purge()
        elif x < self.p_write + 0.15:
            rep.restart()
        elif x < self.p_write + 0.19:
            self.fold(i, rep, wall)
        else:
            self.exchange(i, rep, wall)
        for _ in range(2):
            if self.box and r.random() < 0.6:
                self.deliver(*self.box.pop(r.randrange(len(self.box))))
        self.check(rep)
        self.t += 1

    def write(self, i, rep, wall):
        r = self.rnd
        base = r.choice(self.saved[i][-6:]) if self.saved[i] and r.random() < self.p_base else None
        if r.random() < 0.15:
            base = rep.base(self.roots)
        work, checks = [], []
        for key in r.sample(sorted(self.roots), r.choice([1, 1, 2])):
            op, check = self.operation(key, rep, base)
            work.append((key, op))
            checks.append((key, check))
        current = base is None or base.vector == rep.vector
        self.was = {key: Tree(rep.cells.get(key, {}), max(rep.clock + 1, wall)).key() for key, _ in work}
        rec = rep.commit(work, wall, self.oracle, base)
        if rec:
            self.stats.writes += 1
            self.push(i, rec)
            for key, check in checks:
                late = (
                    Tree(rep.cells.get(key, {}), rep.clock).date is not None
                )  # two revived kinds: only one can be marked
                if check and current and not late:
                    got = rep.visible(key)
                    assert check(got), (
                        "put-get",
                        self.seed,
                        self.t,
                        rep.rid,
                        key,
                        got,
                        [w for w in rec.writes if w[0] == key],
                    )

    def push(self, i, rec):
        self.box += [(k, rec) for k in range(self.n) if k != i and self.rnd.random() < 0.5]

    def fold(self, i, rep, wall):
        for key in self.roots:
            rec = rep.commit([(key, lambda d: fold(d, ("cnt",)))], wall, self.oracle)
            if rec:
                self.push(i, rec)

    def exchange(self, i, rep, wall):
        r = self.rnd
        j = r.randrange(self.n)
        if j == i:
            return
        asked = rep if r.random() < 0.9 else r.choice(self.reps)
        msg, y = self.reps[j].tell(asked.vector, self.t + self.skew[j]), r.random()
        if y < 0.15:
            return
        if y < 0.4:
            self.box.append((i, msg))
            return
        rep.absorb(msg, wall)
        if r.random() < 0.1:
            rep.absorb(msg, wall)

    def deliver(self, k, msg):
        rep, wall = self.reps[k], self.t + self.skew[k]
        if isinstance(msg, Record):
            rep.receive(msg, wall)
            if self.rnd.random() < 0.1:
                rep.receive(msg, wall)
        else:
            rep.absorb(msg, wall)
        self.check(rep)

    def read_versions(self, rep):
        """A client notes the version of each key it reads, and what it showed; somebody rebuilds an earlier one."""
        r = self.rnd
        for key in self.roots:
            context = rep.contexts.get(key, {})
            if context:
                want = Tree(self.oracle.cells(key, rep.vector)).uncounted()
                self.versions[key].append((dict(context), want, (rep.rid, self.t)))
        for key in self.roots:
            history = rep.history[key]
            if r.random() < 0.1:
                history.trim(r.choice([10, 30]), rep.contexts.get(key, {}))
            for version, want, where in r.sample(self.versions[key], min(6, len(self.versions[key]))):
                known = all(history.knows(rep.vector, d) for d in version.items())
                if not known or not history.rebuildable(version):
                    self.stats.refused += known
                    continue
                self.stats.versions += 1
                got = Tree(history.at(version, rep.cells.get(key, {}))).uncounted()
                assert got == want, (
                    "history",
                    self.seed,
                    self.t,
                    rep.rid,
                    key,
                    version,
                    where,
                    got,
                    want,
                    history.horizon,
                    history.gaps,
                )

    # what must hold
    def check(self, rep):
        for key in sorted(rep.touched | {k for k, d in self.dated.items() if d}):
            self.stats.checks += 1
            got, want = rep.visible(key), self.oracle.visible(key, rep.vector, rep.clock)
            assert got == want, ("oracle", self.seed, self.t, rep.rid, key, got, want)
            context = rep.contexts.get(key, {})
            assert key in rep.cells or not context, (
                "a context without cells",
                self.seed,
                self.t,
                rep.rid,
                key,
                context,
            )
            for p, c in rep.cells.get(key, {}).items():
                for d in c:
                    assert covers(context, d), (
                        "context covers siblings",
                        self.seed,
                        self.t,
                        rep.rid,
                        key,
                        p,
                        d,
                        context,
                    )
        rep.touched.clear()
        for other in self.reps:
            if other is not rep and other.S == rep.S and other.vector == rep.vector:
                self.stats.comparisons += 1
                same(rep, other, self.seed, self.t)

    def settle(self):
        end = self.t + 1000
        for _ in range(3):
            for a in self.reps:
                for b in self.reps:
                    if a is not b:
                        assert a.absorb(b.tell(a.vector, end), end), ("refused", self.seed)
            end += 1
        for rep in self.reps:
            rep.purge()
        for rep in self.reps:
            rep.touched |= set(self.roots)
            rep.clock = max(x.clock for x in self.reps)
            self.check(rep)

    def run(self, steps):
        for _ in range(steps):
            self.step()
        self.settle()
        self.stats.purges = sum(r.purges for r in self.reps)
        return self.stats


def reading(value, path):
    """The readings of a json path in a key's value, [] when absent."""
    here = value.get(path[0]) or []
    for comp in path[1:]:
        inner = dict(here).get(KIND[comp[0]])
        if KIND[comp[0]] == "arr":
            inner = {c: v for _, c, v in inner or ()}
        here = (inner or {}).get(comp) or []
    return here


def same(a, b, seed, t):
    for key in a.cells.keys() | b.cells.keys():
        x, y = a.cells.get(key, {}), b.cells.get(key, {})
        diff = {p: (x.get(p), y.get(p)) for p in x.keys() | y.keys() if x.get(p) != y.get(p)}
        assert not diff, ("cells", seed, t, a.rid, b.rid, a.S, key, diff)
    x, y = ({k: c for k, c in r.contexts.items() if c} for r in (a, b))
    assert x == y, ("contexts", seed, t, a.rid, b.rid, x, y)


def fold(draft, p):
    """The owner's background act: a stable, day-old once-increment moves into its own total."""
    rep = draft.rep
    for q in draft.counter_cells(p):
        sibs = draft.cells[q]
        once = once_of(sibs) if q[-1][0] == "o" else None
        if once is None or once[1] != rep.rid:
            continue
        if (on("once-stable") and any(s[0] > rep.S for s in sibs.values())) or any(
            s[0] > draft.stamp - DAY for s in sibs.values()
        ):
            continue
        amount, _, folded, cancelled = once
        own = p + (("c", rep.rid),)
        cell = draft.cells.get(own, {})
        total, gone = counter_cell(cell)
        if not cell:
            total = gone = rep.dropped_total
        origin = min(s[1][2] for s in sibs.values() if s[1])
        if not folded and not cancelled:
            draft.write(own, ("c", total + amount, gone, False), all=True)
            draft.write(q, ("o", amount, origin, True, False, False), all=True)
        else:
            if folded and cancelled:
                draft.write(own, ("c", total, gone + amount, not live(cell)), all=True)
            draft.write(q, None, all=True)


# ---- members: who may speak, and how one comes back

SYS, CHAIN, GENESIS = "sys", "chain", ("g", 1)


def member_path(rid):
    return ("rw", ("s", rid))


class Member(Replica):
    """A replica whose members are cells of its own store."""

    def __init__(self, rid):
        super().__init__(rid)
        self.lineage, self.own, self.pending = [rid], [rid], []
        self.sponsors, self.joined_at = [], None
        self.ceiling, self.spoke, self.foreign = 0, {}, {}
        self.history = NoHistory()

    def clone(self):
        new = Member(self.rid)
        new.__dict__.update(self.__dict__)
        for k in ("vector", "heard", "F", "announced", "last", "spoke", "foreign"):
            setattr(new, k, dict(getattr(self, k)))
        for k in ("lineage", "pending", "own"):
            setattr(new, k, list(getattr(self, k)))
        new.cells = {k: {p: dict(c) for p, c in v.items()} for k, v in self.cells.items()}
        new.contexts = {k: dict(c) for k, c in self.contexts.items()}
        new.waiting, new.touched = [], set(self.cells)
        return new

    def is_member(self, rid):
        return leaf_value("rw", self.cells.get(SYS, {}).get(member_path(rid), {})) is not None

    def members(self):
        return [p[1][1] for p, c in self.cells.get(SYS, {}).items() if len(p) > 1 and leaf_value("rw", c)]

    # the chain of evictions: {link: (parent, evicted, resolved losers)}
    def links(self):
        found = dict(self.foreign)
        for p, c in self.cells.get(CHAIN, {}).items():
            for _, _, payload in live(c):
                if len(p) > 1:
                    found[p[1][1]] = payload[1]
        return found

    def fork(self):
        """The links of which an operator must choose one, or none."""
        return fork_of(self.links()) if on("fork-known") else ()

    def has_retired(self, rid, joined):
        """Not a member here, and not merely unknown: its joining dot is covered, or a higher incarnation has come."""
        if self.is_member(rid):
            return False
        colo, k = rid.split("~")
        higher = any(
            r.split("~")[0] == colo and int(r.split("~")[1]) > int(k)
            for r in [*self.members(), *self.vector]
            if "~" in r
        )
        return covers(self.vector, joined or GENESIS) or higher or not on("out-retired")

    def ready(self, rec):
        ok = super().ready(rec)
        r, n = rec.dot
        if ok and on("refuse-losers") and rec.dot in dead_links(self.links()):
            return False
        if (
            ok
            and on("only-members")
            and not self.is_member(r)
            and not (n == 1 and len(rec.lineage) > 1 and self.is_member(rec.lineage[-2]))
        ):
            return False
        return ok

    def absorb(self, msg, wall, force=False):
        if (
            not force
            and on("only-members")
            and not any(self.is_member(x) for x in msg.lineage)
            and not self.vouched(msg)
        ):
            return False
        if not force and self.loser(msg.vector) and on("refuse-losers"):
            return False
        if not super().absorb(msg, wall):
            return False
        self.spoke[msg.lineage[-1]] = dict(msg.vector)
        return True

    def loser(self, vector):
        """Has who is at this vector absorbed an eviction that a resolution known here names, and not the one chosen?
        Such a store returns, it does not merge; unless this one has lost as well."""
        return lost(vector, self.links()) and not lost(self.vector, self.links())

    def vouched(self, msg):
        """The sender counts me, and was admitted, through whatever sponsors, by a member I know: all others I know
        may be gone by now, and without this I would refuse everybody for ever."""
        return on("vouched") and self.rid in msg.members and any(self.is_member(s) for s, _ in msg.sponsors)

    def purge(self):
        if self.rid in self.members() and not (self.fork() and on("fork-stops-purge")):
            super().purge()


class NoHistory(dict):
    def __missing__(self, key):
        self[key] = History()
        self[key].superseded = self[key].arrived = self[key].gap = lambda *a, **k: None
        return self[key]


def dead_links(links):
    """What resolutions name, and what was built on it."""
    dead = {x for _, _, losers in links.values() for x in losers}
    while more := {i for i, (parent, _, _) in links.items() if parent in dead} - dead:
        dead |= more
    return dead


def fork_of(links):
    """Two evictions decided on one membership, of which resolutions leave not exactly one. A resolution evicts nobody
    and is no successor: two operators may give the same answer at once."""
    after = defaultdict(list)
    for i, (parent, evicted, _) in links.items():
        if evicted:
            after[parent].append(i)
    dead = dead_links(links)
    for parent, some in sorted(after.items()):
        if len(some) > 1 and parent not in dead and len([i for i in some if i not in dead]) != 1:
            return tuple(sorted(some))
    return ()


def lost(vector, links):
    """Covers an eviction that a resolution names, and none of those that stand beside it."""
    dead = dead_links(links)
    return any(
        covers(vector, i)
        and not any(
            covers(vector, j)
            for j, (parent, evicted, _) in links.items()
            if parent == links[i][0] and evicted and j not in dead
        )
        for i in dead
        if i in links and links[i][0] not in dead
    )


def tip_of(links):
    dead, tip = dead_links(links), GENESIS
    while nxt := [i for i, (parent, evicted, _) in links.items() if evicted and parent == tip and i not in dead]:
        tip = min(nxt)
    return tip


class Colo:
    """One colo's disk: the live state, the last synced image (served, and what a crash keeps), copies made of it."""

    def __init__(self, name, world, mode):
        self.name, self.world, self.mode = name, world, mode
        self.count, self.skew, self.st, self.image = 0, 0, None, None
        self.copies, self.out, self.needs_join, self.down = [], [], True, False

    def new_rid(self):
        self.count += 1
        return f"{self.name}~{self.count}"

    def sync(self):
        self.image = self.st.clone()
        for k, r in self.out:
            self.world.box.append((k, r))
        self.out = []

    def commit(self, work, wall, base=None, push=True):
        st = self.st
        rec = st.commit(work, wall, self.world.oracle, base)
        if rec:
            rec.lineage = tuple(st.lineage)
            self.world.mode[rec.dot] = self.mode
            self.raise_ceiling()
            st.announce()
            for o in self.world.colos if push else ():
                if o is not self and self.world.rnd.random() < 0.5:
                    self.out.append((o.name, rec))
            if self.mode == "full":
                self.sync()
        return rec

    def raise_ceiling(self):
        """The stamp ceiling is reserved on disk ahead of what is spoken, also under `normal`."""
        st = self.st
        if st.clock > st.ceiling:
            st.ceiling = st.clock + 5
            if self.image:
                self.image.ceiling = st.ceiling

    def can_write(self):
        return self.st is not None and not self.needs_join and self.st.is_member(self.st.rid)

    def tell(self, vector, wall):
        if self.mode == "full":
            if self.can_write():
                self.st.heard[self.st.rid] = self.st.tick(wall)
                self.raise_ceiling()
            self.st.announce()
            self.sync()
        image = self.image.clone()
        image.tick = lambda wall: image.heard.get(image.rid, 0)  # what is spoken is what is synced
        if image.rid not in image.heard:
            image.heard[image.rid] = 0
        keep = dict(image.announced)
        if not on("from-covers-F"):
            image.F = {}
        msg = image.tell(vector, wall)
        msg.announced = keep
        msg.lineage, msg.members, msg.sponsors = tuple(image.lineage), tuple(image.members()), tuple(image.sponsors)
        return msg

    def absorb(self, msg, wall, force=False):
        done = self.st.absorb(msg, wall, force)
        if done and self.mode == "full":
            self.sync()
        return done

    # lives
    def crash(self, wall):
        """The tail not synced is lost; an uncleanly closed `normal` store renames itself in its first transaction."""
        self.st = self.image.clone()
        st = self.st
        self.out, st.last = [], {} if on("restart-vector") else dict(st.vector)
        st.clock = (
            st.ceiling
            if on("stamp-ceiling")
            else max([s[0] for k in st.cells.values() for c in k.values() for s in c.values()], default=0)
        )
        if self.mode == "normal" and self.can_write() and on("rename-after-crash"):
            old = st.rid
            st.rid = self.new_rid()
            st.lineage, st.own, st.last = st.lineage + [st.rid], st.own + [st.rid], {}
            st.sponsors, st.joined_at = st.sponsors + [(old, st.joined_at)], (st.rid, 1)
            self.commit([(SYS, lambda d: (d.write(member_path(old), None), d.element("rw", st.rid, 1)))], wall)
            self.sync()

    def restore(self):
        """A copy of an earlier image is opened, the original is gone: it mints nothing of its past anew."""
        if self.copies:
            self.st = self.world.rnd.choice(self.copies).clone()
            self.world.restored.add(self.name)
            self.out, self.copies, self.needs_join = [], [], "copy"
            if on("copy-remints-nothing"):
                self.world.inbox |= {(d, k, p) for d, k, p, *_ in self.st.pending}
                self.st.pending = []
            self.image = self.st.clone()

    def wipe(self):
        self.world.restored.add(self.name)
        self.st = self.image = None
        self.copies, self.out, self.needs_join = [], [], True

    def is_out(self, other):
        """A live member refuses me and covers my joining dot, or has retired my sponsor; and no unresolved fork."""
        st, x = self.st, other.st
        if st is None or not other.can_write():
            return False
        beaten = x.loser(st.vector)
        if x.is_member(st.rid) and not beaten:
            return False
        if on("fork-no-return") and (st.fork() or x.fork()):
            return False
        if beaten != st.loser(x.vector) and on("out-losers"):
            return beaten
        if st.joined_at is None or covers(x.vector, st.joined_at):
            return True
        for rid, joined in reversed(
            st.sponsors if on("out-sponsor-chain") else st.sponsors[-1:]
        ):  # the nearest that x knows of decides
            if x.is_member(rid):
                return False
            if x.has_retired(rid, joined):
                return on("out-sponsor")
        return False

    def compare_chains(self, other):
        """Stores that refuse each other tell what they know of evictions, and remember it."""
        a, b = self.st.links(), other.st.links()
        for me, theirs in ((self, b), (other, a)):
            me.st.foreign.update(theirs)
            if me.image:
                me.image.foreign.update(theirs)

    def join(self, sponsor, wall, sponsor_wall):
        """The sponsor mints the joining dot, then cuts the snapshot; every lower incarnation is retired by name."""
        if not sponsor.can_write() or sponsor is self or sponsor.st.fork():
            return False
        old, rid = self.st, self.new_rid()
        lower = [f"{self.name}~{k}" for k in range(1, self.count)]

        def admit(d):
            for o in lower:
                if on("retire-unknown") or sponsor.st.is_member(o):
                    d.write(member_path(o), None)
            d.element("rw", rid, 1)

        rec = sponsor.commit([(SYS, admit)], sponsor_wall)
        sponsor.sync()
        msg = sponsor.tell({}, sponsor_wall)
        st = self.st = Member(rid)
        if old is not None:
            st.own, st.ceiling, st.foreign = old.own + [rid], old.ceiling, old.foreign
            st.pending = list(old.pending) + self.uncovered(old, msg.vector)
            if self.needs_join == "copy" and on("copy-remints-nothing"):
                self.world.inbox |= {(d, k, p) for d, k, p, *_ in st.pending}
                st.pending = []
        self.out, st.joined_at = [], rec.dot
        st.sponsors = sponsor.st.sponsors + [(sponsor.st.rid, sponsor.st.joined_at)]
        assert st.absorb(msg, wall, force=True)
        if on("join-clock"):
            st.clock = max(st.clock, rec.stamp)
        self.needs_join = False
        st.announce()
        self.sync()
        return True

    def uncovered(self, old, vector):
        """Own siblings that the snapshot does not cover: (dot, key, path, payload, stamp, base)."""
        out = []
        for key in self.world.keys:
            for p, c in old.cells.get(key, {}).items():
                for d, s in c.items():
                    if d[0] in old.own and not covers(vector, d) and p:
                        out.append((d, key, p, s[1], s[0], self.world.oracle.base_of(key, p, d)))
        return out

    def remint(self, wall):
        st = self.st
        if not st.pending or not self.can_write():
            return
        # Not only my own joining: while a member has not heard of an eviction, the evicted still tell it my old writes.
        needed = st.contexts.get(SYS, {}) if on("remint-waits-evictions") else dict([st.joined_at])
        waiting = [
            m
            for m in st.members()
            if m != st.rid and not (covers(st.spoke.get(m, {}), st.joined_at) and at_least(st.spoke[m], needed))
        ]
        if waiting and on("remint-waits"):
            return
        pending, st.pending = sorted(st.pending, key=lambda x: x[0]), []
        for dot, key, path, payload, stamp, base in pending:
            if covers(st.vector, dot):
                continue
            base = {r: min(n, st.vector.get(r, 0)) for r, n in base.items()} if on("remint-base") else dict(st.vector)
            if self.loses(key, path, payload, stamp, base):
                self.world.inbox.add((dot, key, path))
                continue
            whole = Base(base, dict.fromkeys(self.world.keys, base), {}, {})
            rec = self.commit([(key, lambda d, path=path, payload=payload: remint_one(d, path, payload))], wall, whole)
            if rec and is_counter(path):
                self.world.oracle.reminted(key, path, st, dot, rec.dot)
            self.world.reminted[dot, key, path] = rec.dot if rec else None
        self.sync()

    def loses(self, key, path, payload, stamp, base):
        """A put that a later-stamped concurrent sibling beats; and what might bring back what was dropped."""
        st = self.st
        sibs = st.cells.get(key, {}).get(path, {})
        if path[0] == "lww" and any(s[0] > stamp for d, s in sibs.items() if not covers(base, d)):
            return True
        lacks = any(n > base.get(r, 0) for r, n in st.F.items()) and on("remint-F")
        if not lacks or sibs or payload is None:
            return False
        return path[0] == "rw" or (path[0] == "lww" and stamp <= st.S) or is_counter(path)


def remint_one(d, path, payload):
    """As it was, in its own cell: a counter cell joins by max, so only the part not seen counts."""
    sibs = d.cells.get(path, {})
    if is_counter(path):
        total, cancelled = counter_cell(sibs)
        if sibs and not live(sibs):  # reads as absent, may be purged elsewhere: replace all of it
            d.write(path, ("c", max(total, payload[1]), max(cancelled, payload[2]), payload[3]), all=True)
        else:
            d.write(path, payload)
        return
    absent = leaf_value(path[0], sibs) is None
    if payload is None and absent:
        return
    also = [e for e, s in sibs.items() if (s[0], e) < (d.stamp, d.dot)] if path[0] == "lww" else ()
    d.write(path, payload, all=d.absent_all(absent), also=also)


class MembersWorld:
    """Colos that join, leave, are evicted (sometimes two halves each other), crash, are restored, wiped, and return."""

    def __init__(self, seed, n=4):
        r = self.rnd = random.Random(seed)
        self.seed, self.t, self.stats, self.oracle = seed, 0, Stats(1), Oracle()
        self.keys = {"d0": ["lww", "rw"], "d1": ["aw"], "d2": ["cnt"]}
        self.box, self.mode, self.restored, self.inbox, self.reminted = [], {}, set(), set(), {}
        self.colos = [Colo(f"c{i}", self, r.choice(["full", "full", "normal"])) for i in range(n + 2)]
        for c in self.colos:
            c.skew = r.choice([0, 0, 0, 30, -30])
        first = self.colos[:n]
        for c in first:
            c.st, c.needs_join = Member(c.new_rid()), False
        paths = [member_path(c.st.rid) for c in first]
        for p in paths:
            self.oracle.events[SYS].append(Event(GENESIS, p, ("v", 1), 0, {}, set()))
        for c in first:
            c.st.vector, c.st.contexts = {"g": 1}, {SYS: {"g": 1}}
            c.st.cells = {SYS: {p: {GENESIS: (0, ("v", 1), frozenset())} for p in paths}}
            c.sync()
        self.evicted, self.saved, self.picked = set(), defaultdict(list), {}
        self.by_name = {c.name: c for c in self.colos}

    def live(self):
        return [c for c in self.colos if c.can_write() and c.name not in self.evicted]

    def step(self):
        r = self.rnd
        c = r.choice(self.colos)
        wall, x = self.t + c.skew, r.random()
        if c.st is None or c.needs_join:
            if x < 0.15:
                self.try_join(c, r.choice(self.colos), wall)
        elif x < 0.36:
            if c.can_write():
                self.write(c, wall)
        elif x < 0.42:
            self.saved[c.st.rid].append(c.st.base(self.keys))
        elif x < 0.48:
            c.st.purge()
            if c.mode == "full":
                c.sync()
        elif x < 0.53:
            if c.mode == "normal":
                self.speak(c, wall)
        elif x < 0.545:
            c.skew -= r.choice([0, 0, 20, 60])
            c.crash(self.t + c.skew)
        elif x < 0.55:
            c.restore()
        elif x < 0.56:
            c.copies.append(c.image.clone())
        elif x < 0.563:
            if len(self.live()) > 3:
                c.wipe()
        elif x < 0.578:
            self.evict(c, wall)
        elif x < 0.582:
            self.leave(c, wall)
        elif x < 0.60:
            self.resolve(c, wall)
        else:
            self.exchange(c, wall)
        for _ in range(2):
            if self.box and r.random() < 0.6:
                self.deliver(*self.box.pop(r.randrange(len(self.box))))
        self.check(c)
        self.t += 1

    def speak(self, c, wall):
        c.st.tick(wall)
        c.raise_ceiling()
        c.st.heard[c.st.rid] = c.st.clock
        c.st.announce()
        c.sync()

    def try_join(self, c, sponsor, wall):
        if sponsor.can_write() and sponsor.name not in self.evicted and c.join(sponsor, wall, self.t + sponsor.skew):
            self.evicted.discard(c.name)

    def write(self, c, wall):
        r = self.rnd
        bases = self.saved[c.st.rid]
        base = r.choice(bases) if bases and r.random() < 0.3 else None
        if base and not at_least(c.st.vector, base.vector):
            base = None
        work = []
        for key in r.sample(sorted(self.keys), r.choice([1, 1, 2])):
            root, x = r.choice(self.keys[key]), r.randrange(1, 1000)
            if root == "cnt":
                op = r.choice(
                    [lambda d, x=x: d.add(("cnt",), x % 9 + 1)] * 3
                    + [lambda d: d.reset(("cnt",)), lambda d: d.reset(("cnt",), dead=True)]
                )
            elif root == "lww":
                op = (lambda d: d.delete_leaf("lww")) if r.random() < 0.4 else lambda d, x=x: d.put_leaf("lww", x)
            else:
                e = r.randrange(2)
                v = None if r.random() < 0.4 else x

                def op(d, root=root, e=e, v=v):
                    d.element(root, e, v)

            work.append((key, op))
        if c.commit(work, wall, base):
            self.stats.writes += 1

    # operators
    def evict(self, c, wall):
        """An operator's act, on the membership c knows; now and then two of them at once."""
        if len(self.live()) < 4 or c not in self.live() or c.st.fork():
            return
        for a in [c] + ([self.rnd.choice(self.live())] if self.rnd.random() < 0.4 else []):
            others = [o for o in self.live() if o is not a and a.st.is_member(o.st.rid)]
            if a.st.fork() or len(others) < 2 or a not in self.live():
                continue
            gone = self.rnd.sample(others, self.rnd.choice([1, 1, 2]) if len(others) > 2 else 1)
            self.link(a, [o.st.rid for o in gone], (), wall)
            self.evicted |= {o.name for o in gone}

    def link(self, c, out, losers, wall):
        parent = tip_of(c.st.links())

        def chain(d):
            d.write(("aw", ("s", d.dot)), ("v", (parent, tuple(out), tuple(losers))))

        work = [(CHAIN, chain)]
        if out:
            work.append((SYS, lambda d: [d.write(member_path(o), None) for o in out]))
        c.commit(work, wall)
        c.sync()

    def resolve(self, c, wall):
        """An operator picks the side of c."""
        fork = c.st.fork() if c.can_write() else ()
        if not fork:
            return
        mine = {p[1][1] for p in c.st.cells.get(CHAIN, {}) if len(p) > 1}
        links = c.st.links()
        parent, dead = links[fork[0]][0], dead_links(links)
        winner = self.picked.get(parent)
        if winner is None or not any(set(fork) & set(v[2]) for o in self.colos if o.st for v in o.st.links().values()):
            winner = next((i for i in fork if i in mine and i not in dead), None)  # or that answer died with its store
        if winner in mine and winner in fork:
            self.picked[parent] = winner
            self.link(c, (), [i for i in fork if i != winner], wall)
            links, dead = c.st.links(), dead_links(c.st.links())
            for i, (_, evicted, _) in links.items():  # whom only a losing eviction named may speak again
                names = {o.name for o in self.colos if o.st and o.st.rid in evicted}
                self.evicted = self.evicted - names if i in dead else self.evicted | names

    def leave(self, c, wall):
        if len(self.live()) > 3 and c in self.live():
            c.commit([(SYS, lambda d: d.write(member_path(c.st.rid), None))], wall)
            c.sync()
            self.evicted.add(c.name)

    # messages
    def exchange(self, c, wall):
        r = self.rnd
        o = r.choice(self.colos)
        if o is c or o.st is None or o.needs_join:
            return
        if self.meet(c, o, r.random() < 0.3, wall):
            return
        msg, y = o.tell(c.st.vector, self.t + o.skew), r.random()
        if y < 0.15:
            return
        if y < 0.4:
            self.box.append((c.name, msg))
            return
        c.absorb(msg, wall)
        if r.random() < 0.1:
            c.absorb(msg, wall)
        c.remint(wall)

    def meet(self, c, o, comes_back, wall):
        """Who is refused compares chains, and learns whether it is out. True when there is nothing to exchange."""
        if not (c.st.is_member(o.st.rid) and o.st.is_member(c.st.rid)) or fork_of({**c.st.links(), **o.st.links()}):
            c.compare_chains(o)
        if c.is_out(o) and o.name not in self.evicted:
            if comes_back and c.join(o, wall, self.t + o.skew):
                self.evicted.discard(c.name)
            return True
        return False

    def deliver(self, name, msg):
        c = self.by_name[name]
        if c.st is None or c.needs_join:
            return
        if isinstance(msg, Record):
            c.st.receive(msg, self.t + c.skew)
            if c.mode == "full":
                c.sync()
        else:
            c.absorb(msg, self.t + c.skew)
        self.check(c)

    # what must hold
    def check(self, c):
        st = c.st
        if st is None:
            return
        for key in sorted(st.touched & (set(self.keys) | {SYS})):
            self.stats.checks += 1
            got, want = st.visible(key), self.oracle.visible(key, st.vector, st.clock)
            assert got == want, ("oracle", self.seed, self.t, st.rid, key, got, want)
        st.touched.clear()
        for o in self.colos:
            if (
                o is not c
                and o.st is not None
                and not o.needs_join
                and not c.needs_join
                and o.st.S == st.S
                and o.st.vector == st.vector
            ):
                self.stats.comparisons += 1
                same(st, o.st, self.seed, self.t)

    def settle(self):
        """The operators resolve, all come back, all exchange; then all are equal, nothing is lost without a trace."""
        end = self.t = self.t + 1000
        for turn in range(16):
            for c in self.colos:
                if c.st is not None and not c.needs_join:
                    self.resolve(c, end)
            for c in self.colos:
                for o in self.colos:
                    if o is c or o.st is None or o.needs_join or (c.st is None and c.name not in self.restored):
                        continue
                    if c.st is None or c.needs_join:
                        self.try_join(c, o, end)
                        continue
                    if self.meet(c, o, True, end):
                        continue
                    if o.mode == "normal":
                        self.speak(o, end)
                    c.absorb(o.tell(c.st.vector, end), end)
                if c.st is not None:
                    c.remint(end + 1)
                end += 1
                self.t = end
            if turn > 7:
                for c in self.colos:
                    if c.st is not None:
                        c.st.purge()
                        self.check(c)
        self.ended()

    def ended(self):
        live = [c for c in self.colos if c.st is not None]
        about = [
            (c.st.rid, sorted(c.st.members()), c.st.joined_at, c.st.sponsors[-1:], c.st.fork(), c.needs_join)
            for c in live
        ]
        assert all(c.can_write() for c in live), ("stuck", self.seed, about)
        final = live[0].st.vector
        assert all(c.st.vector == final for c in live), ("vectors differ", self.seed, about)
        assert not any(c.st.fork() for c in live), ("fork left", self.seed, about)
        for key in self.keys:
            values = [c.st.visible(key) for c in live]
            assert all(v == values[0] for v in values), ("values differ", self.seed, key, values)
        for c in live:
            assert not c.st.pending, ("pending", self.seed, c.st.rid, c.st.pending, about)
        for (dot, key, path), new in self.reminted.items():
            assert not covers(final, dot), ("stands twice", self.seed, dot, key, path, new)
        for key in self.keys:
            for e in self.oracle.events[key]:
                if (
                    e.path
                    and self.mode.get(e.dot) == "full"
                    and e.dot[0].split("~")[0] not in self.restored
                    and not self.kept(final, key, e)
                ):
                    raise AssertionError(("lost", self.seed, key, e))

    def kept(self, final, key, e):
        trace = (e.dot, key, e.path)
        if covers(final, e.dot) or trace in self.reminted or trace in self.inbox:
            return True
        return any(
            f.path == e.path and f.dot != e.dot and (covers(f.cover, e.dot) or e.dot in f.also)
            for f in self.oracle.events[key]
        ) or any(len(c[1]) == 0 and covers(c[3], e.dot) for c in self.oracle.clears[key])

    def run(self, steps):
        for _ in range(steps):
            self.step()
        self.settle()
        self.stats.purges = sum(c.st.purges for c in self.colos if c.st)
        return self.stats


# ---- running

WORLDS = {"data": DataWorld, "members": MembersWorld}


def run(seed, steps=220, broken=(), world="data"):
    """One seed; AssertionError with what differed. Broken guards are restored afterwards."""
    BROKEN.clear()
    BROKEN.update(broken)
    assert GUARDS.keys() >= BROKEN, f"no guard {sorted(BROKEN - GUARDS.keys())}; there are {sorted(GUARDS)}"
    try:
        return WORLDS[world](seed).run(steps)
    finally:
        BROKEN.clear()


def main(argv=None):
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("seeds", nargs="?", type=int, default=100)
    ap.add_argument("--from", dest="start", type=int, default=0)
    ap.add_argument("--break", dest="broken", nargs="*", default=[])
    ap.add_argument("--seconds", type=float, default=1e9)
    ap.add_argument("--world", choices=sorted(WORLDS), default="data")
    ap.add_argument("--steps", type=int, default=220)
    ap.add_argument("--first", action="store_true", help="stop at the first failure")
    a = ap.parse_args(argv)
    began, total, failed = time.time(), Stats(), []
    for seed in range(a.start, a.start + a.seeds):
        if time.time() - began > a.seconds or (failed and a.first):
            break
        try:
            total += run(seed, a.steps, a.broken, a.world)
        except AssertionError as e:
            total += Stats(1)
            failed.append((seed, str(e)[:1500]))
    print(
        f"world {a.world}, broken {sorted(a.broken)}: {total.seeds} seeds, {total.writes} writes, "
        f"{total.checks} oracle checks, "
        f"{total.comparisons} whole-state comparisons, {total.purges} purges, "
        f"{total.versions} versions rebuilt ({total.refused} refused), "
        f"{len(failed)} failures, {time.time() - began:.0f} s"
    )
    for seed, words in failed[:3]:
        print(f"  seed {seed}: {words}")
    if failed:
        print("  failing seeds", [s for s, _ in failed[:20]])
    return 1 if failed else 0


if __name__ == "__main__":
    import model  # the module that others import, not a second copy of it under __main__

    sys.exit(model.main())
