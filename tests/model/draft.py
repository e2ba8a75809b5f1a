"""What an operation writes: one transaction's cells in one key, made against a base."""

from dataclasses import dataclass, field

from tests.model.cells import (
    JSON,
    SWEPT,
    TTL,
    at_least,
    covers,
    in_sweep,
    is_counter,
    joined,
    leaf_value,
    live,
    newest,
    told,
    ttl_date,
)
from tests.model.counting import Counting
from tests.model.documents import Documents
from tests.model.guards import on
from tests.model.reading import Tree, present

__all__ = ["Base", "Write", "Draft", "expired_paths"]


@dataclass
class Base:
    """A version a client read: the key contexts (what a replica knows of it), and for the oracle the whole vector."""

    vector: dict
    contexts: dict
    counters: dict  # key -> {cell of a counter: what it said}


@dataclass
class Write:
    payload: tuple
    truth: tuple  # the payload as the oracle keeps it (vectors where replicas have key contexts)
    all: bool = False
    parents: set = field(default_factory=set)
    lost: set = field(default_factory=set)


class Draft(Counting, Documents):
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

    def knows_live(self, p):
        """Has the base seen anything of what stands in this cell?"""
        return any(covers(self.known, d) or d == self.dot for _, d, _ in live(self.cells.get(p, {})))

    def outranked(self, p):
        """What a value that is written now beats, whether its base had seen it or not."""
        sibs = self.cells.get(p, {}).items() if on("rank-replaces") else ()
        return [d for d, s in sibs if (s[0], d) < (self.stamp, self.dot)]

    def absent_all(self, absent):
        return absent and on("put-absent-all")

    def put_leaf(self, root, v):
        p = (root,)
        shown = self.tree().root(root)
        sibs = self.cells.get(p, {})
        also = ()
        if root == "max":
            if shown is not None and v <= shown:
                return
            also = [d for d, s in sibs.items() if s[1] is None or s[1][1] <= v] if on("rank-replaces") else ()
        elif root == "lww":
            also = self.outranked(p)
        self.write(p, ("v", v), all=self.absent_all(shown is None), also=also)

    def delete_leaf(self, root):
        p = (root,)
        if self.tree().root(root) is None and on("delete-absent-nothing"):
            return
        if root == "max" and not self.knows_live(p):
            return
        self.write(p, None, also=self.outranked(p) if root == "lww" else ())

    def element(self, root, e, v):
        comp = ("e", e) if root == "list" else ("s", e)
        p = (root, comp)
        sibs = self.tree().cells.get(p, {})
        reading = leaf_value("mv" if root == "list" else root, sibs)
        if v is None:
            if reading is None and on("delete-absent-nothing"):
                return
            if root != "rw" and not self.knows_live(p):
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
        if self.cells.get(p) and on("order-recreated") if all else live(self.cells.get(p, {})):
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
        self.write(p, ("v", to), all=self.absent_all(at is None), also=self.outranked(p))

    def sweep(self, root, below=None):
        """Takes at once every sibling that `seen` covers below. (Where removes win there must be a tombstone.)"""
        shown = self.tree().root(root)
        if shown is None and on("delete-absent-nothing"):
            return
        if root == "rw":
            for e in shown or ():
                self.element(root, e, None)
            return
        if not any(self.knows_live(p) for p in self.cells if p and p[0] == root):
            return
        # `all`: an earlier sweep has done its work and may be purged elsewhere.
        sweep, truth = self.telling((root,), self.seen, below), ("sweep", dict(self.truth), below)
        self.write((root,), sweep, all=on("sweep-all"), truth=truth)
        for p in [p for p in self.cells if in_sweep(p, (root,), below)]:
            spoke, gone = live(self.cells[p]), [d for d in self.cells[p] if covers(self.seen, d)]
            for d in gone:
                del self.cells[p][d]
            if gone and self.cells[p] and spoke and not live(self.cells[p]) and on("sweep-rest"):
                self.write(p, None, all=True)  # what it had not seen of what it took says nothing any more
        if root == "list" and on("sweep-orders"):
            for p in [p for p in self.cells if p[:1] == (root,) and p[1:] and p[1][0] == "a" and live(self.cells[p])]:
                if not live(self.cells.get((root, ("e", p[1][1])), {})):
                    self.write(p, None, all=True)

    def telling(self, path, seen, scope, also=()):
        """A sweep, with what its writer knew, and what is told at its cell and in what `also` it takes: unless it takes
        all that is here."""
        whole = at_least(seen, self.context) and scope is None
        cells = () if whole or not on("sweep-stood") else (path, *also)
        stood = [each for p in cells for s in self.cells.get(p, {}).values() for each in told(s)]
        knew = joined(self.context, seen) if on("sweep-knew") else dict(seen)
        return ("sweep", dict(seen), scope, knew, tuple(each for each in stood if each[0] > self.rep.S))

    def delete_key(self):
        for root in list(self.tree().key()):
            self.delete_root(root)
        if present(self.cells, self.now):  # what stands was written concurrently, and stays
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
        none = self.absent_all(ttl_date(self.cells) is None)
        if date is not None:
            self.write(TTL, ("ttl", date, rule), all=none)
        elif live(self.cells.get(TTL, {})):
            self.write(TTL, None, all=none)

    def clear_expired(self):
        """The date has passed: what it hides goes for good with this write, and the date too, so that no later change
        of the date can bring back at one replica what another has purged."""
        tree = self.tree()
        if tree.date is not None and tree.key() and on("expiry-clears"):
            self.clear(frozenset(expired_paths(self.cells, tree)))
            for p in [p for p in self.cells if len(p) == 1 and p[0] in JSON]:
                kinds = [r[1] for r in tree.node(p) if r[1] != "v"]
                if kinds:  # revived by an edit after the date: a write below also marks
                    self.write(p, ("mark", kinds[0]), all=True)

    def start_life(self):
        """A wholly absent key became present: what still stands (hidden, losing, cancelled) under any root goes. Also
        where nothing is left to take: to who comes by catch-up the sweep says what the new context has replaced."""
        if on("life-clears") and self.context:
            self.clear(None)
            for p in [p for p, w in self.W.items() if w.payload is None and not is_counter(p)]:
                if self.cells[p].keys() == {self.dot}:  # over nothing: it would not be there where a purge has been
                    del self.W[p], self.cells[p][self.dot]

    def clear(self, scope):
        """A sweep at the key's own cell; a counter's cells are cancelled: their totals live on in later adds."""
        for p in sorted(self.cells):
            mine = is_counter(p) and (scope is None or p in scope) and live(self.cells[p])
            if mine and p not in self.W:  # (what is dead says so already)
                self.bury(p)
        also = [p for p in self.cells if in_sweep(p, (), scope)]
        sweep, truth = self.telling((), self.context, scope, also), ("sweep", dict(self.before), scope)
        self.write((), sweep, all=True, truth=truth)
        for p in self.cells:
            if in_sweep(p, (), scope):
                for d in [d for d in self.cells[p] if d != self.dot]:
                    del self.cells[p][d]


def expired_paths(cells, tree):
    """The paths that the date hides, and the date's own."""
    return [
        p for p, c in cells.items() if p and (p == TTL or (not tree.node((p[0],)) if p[0] in JSON else tree.hidden(c)))
    ]
