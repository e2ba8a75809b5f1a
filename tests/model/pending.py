"""What earlier incarnations of a store wrote and nobody covers: minted anew, or lost with a trace.

A write that is minted anew is like any edit whose base is old: what reads as absent it replaces whole, and of what
stands what its writer had seen and replaced.
"""

from typing import NamedTuple

from tests.model.cells import at_least, covers, is_counter, is_live, leaf_value, live, share_of
from tests.model.draft import Base
from tests.model.guards import on

__all__ = ["Item", "remint", "uncovered"]


class Item(NamedTuple):
    """A pending write, what its writer had absorbed, and what stood beside it; `first`: it had replaced nothing.

    `replaced`: what it had replaced, or names; of what nobody covers, only that can tell.
    """

    dot: tuple
    key: str
    path: tuple
    stamp: int
    payload: tuple
    vector: dict
    beside: frozenset
    first: bool
    replaced: frozenset

    @property
    def trace(self):
        return self.dot, self.key, self.path

    def covered(self, dot):
        return covers(self.vector, dot) and dot not in self.beside

    def takes(self, dot, parents):
        """It had replaced that, or what that was minted anew from, and that names nothing its writer had not seen."""
        anew = on("remint-takes") and not self.replaced.isdisjoint(parents or ())
        return self.covered(dot) or (anew and all(d in self.replaced or self.covered(d) for d in parents))


def uncovered(st, keys, vector):
    """The own siblings that a snapshot at `vector` does not cover, nor what they were minted anew from."""
    return [
        Item(d, key, p, s[0], s[1], dict(st.vector), frozenset(c.keys() - {d}), not s[2], frozenset(s[2] or ()))
        for key in keys
        for p, c in st.cells.get(key, {}).items()
        for d, s in c.items()
        if p and d[0] in st.lineage and not any(covers(vector, was) for was in said_before(st, d))
    ]


def said_before(st, dot):
    """A dot, what it was minted anew from, and so on: that may stand where this store returns to."""
    while dot:
        yield dot
        dot = st.minted.get(dot) if on("remint-chain") else None


def remint(st, mint, inbox):
    """When the members agree: who has not heard of an eviction may still absorb from the evicted what is minted anew
    here. `mint(items, work, base)` -> the record, or None; `inbox(item)`: it is lost with a trace."""
    if not st.pending or not (st.agreed() or not on("remint-waits")):
        return
    pending, st.pending = [still(st, i) for i in st.pending], []
    stamps = {i.dot: i.stamp for i in pending}
    for dot in sorted(stamps, key=lambda d: (life(st, d), stamps[d], d)):
        items = [i for i in pending if i.dot == dot and not covers(st.vector, dot)]
        lost = [i for i in items if not is_named(st, i, st.cells.get(i.key, {})) and loses(st, i)]
        for item in lost:
            inbox(item)
        again = [i for i in items if i not in lost]
        keys = sorted({i.key for i in again})
        work = [(key, together([i for i in again if i.key == key])) for key in keys]
        rec = mint(again, work, Base({}, {key: {} for key in keys}, {}))
        if rec:
            st.minted[rec.dot] = dot


def still(st, item):
    """What has come here meanwhile its writers have told of, and who names it may be anybody that had seen it."""
    gone = {d for d in item.replaced if covers(st.vector, d)} if on("remint-still") else set()
    return item._replace(replaced=item.replaced - gone)


def together(items):
    return lambda draft: [rewrite(draft, item) for item in items]


def is_named(st, item, cells):
    """Whoever replaced it, and came back first, had seen it, and says so."""
    before = set(said_before(st, item.dot))
    sibs = {} if is_counter(item.path) or not on("remint-named") else cells.get(item.path, {})
    return any(not before.isdisjoint(s[2] or ()) for s in sibs.values())


def loses(st, item):
    """A later value stands, or it was removed, or may have been and nobody remembers.

    Of two lives of this store the later one's is later, whatever the stamps; also of what is minted anew with this.
    """
    cell, root = st.cells.get(item.key, {}).get(item.path, {}), item.path[0]
    unseen = [(d, s) for d, s in cell.items() if not item.covered(d)]
    past = any(covers(st.vector, d) for d in item.beside) and on("remint-beside")
    forgot = not cell and (past or (not at_least(item.vector, st.F) and on("remint-F")))
    if is_counter(item.path):
        return forgot and not item.first
    if not is_live(item.payload):
        return False
    if root == "lww" and on("remint-later") and any(is_later(st, d, s[0], item) for d, s in unseen):
        return True
    if root == "rw" and on("remint-removed") and any(not is_live(s[1]) for _, s in unseen):
        return True
    return forgot and (root == "rw" or (root == "lww" and item.stamp <= st.S))


def life(st, dot):
    """The number of the life of this store that wrote it first, -1: none."""
    *_, (origin, _) = said_before(st, dot)
    return st.lineage.index(origin) if origin in st.lineage else -1


def is_later(st, dot, stamp, item):
    mine, its = life(st, item.dot), life(st, dot)
    return its > mine if 0 <= its != mine else stamp > item.stamp


def rewrite(draft, item):
    """A counter's cell joins by max, so only the part that nobody has seen counts."""
    sibs = draft.cells.get(item.path, {})
    if is_counter(item.path):
        share = share_of({**sibs, item.dot: (item.stamp, item.payload)})
        dead = not live(sibs) and not is_live(item.payload)
        if not (dead and not draft.tree().root(item.path[0])):  # a delete of what is absent writes nothing
            draft.write(item.path, ("c", share, dead), all=True)
        return
    if is_named(draft.rep, item, draft.cells):
        return
    absent = leaf_value(item.path[0], sibs) is None
    seen = [d for d, s in sibs.items() if item.takes(d, s[2]) or not on("remint-base")]
    may_come = item.replaced and item.path[0] != "rw" and on("remint-remove")  # what it took, minted anew
    takes = item.path[0] == "rw" or any(is_live(sibs[d][1]) for d in seen)
    if item.payload is None and not may_come and (absent or not takes):
        return
    draft.write(item.path, item.payload, all=draft.absent_all(absent), also=seen)
    draft.W[item.path].parents |= item.replaced | set(said_before(draft.rep, item.dot))
