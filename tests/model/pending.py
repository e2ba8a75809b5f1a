"""What earlier incarnations of a store wrote and nobody covers: minted anew, or lost with a trace.

A write that is minted anew is like any edit whose base is old: what reads as absent it replaces whole, and of what
stands what its writer had seen and replaced.
"""

from typing import NamedTuple

from tests.model.cells import at_least, covers, in_sweep, is_counter, is_live, leaf_value, live, share_of
from tests.model.draft import Base
from tests.model.guards import on
from tests.model.taken import counted_by, has

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
    context: dict  # what was known of the key
    share: tuple  # what another's counter's cell had come to
    known: dict  # what was known when all that waits was about to be minted anew

    @property
    def trace(self):
        return self.dot, self.key, self.path

    def covered(self, dot):
        return covers(self.vector, dot) and dot not in self.beside

    def takes(self, dot, parents):
        """It had replaced that, or what that was minted anew from, and that names nothing its writer had not seen."""
        anew = [d for d in parents or () if d in self.replaced or (self.covered(d) and not covers(self.known, d))]
        mine = on("remint-takes") and anew and all(d in self.replaced or self.covered(d) for d in parents)
        return self.covered(dot) or bool(mine)


def uncovered(st, keys, vector):
    """The own siblings that a snapshot at `vector` does not cover, nor what they were minted anew from."""
    return [
        Item(
            d, key, p, s[0], s[1], dict(st.vector), frozenset(c.keys() - {d}), not s[2], frozenset(s[2] or ()),
            dict(st.contexts.get(key, {})), share_of(c) if is_counter(p) and p[-1][1] not in st.lineage else None,
            {},
        )
        for key in keys
        for p, c in st.cells.get(key, {}).items()
        for d, s in c.items()
        if d[0] in st.lineage and not any(covers(vector, was) for was in said_before(st, d))
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
    return item._replace(replaced=item.replaced - gone, known=dict(st.vector))


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
    if not item.path:
        return False
    cell, root = st.cells.get(item.key, {}).get(item.path, {}), item.path[0]
    unseen = [(d, s) for d, s in cell.items() if not replaces(st, item, d, s)]
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


def replaces(st, item, dot, sib):
    """It takes that, or the store has minted that anew from what it wrote before."""
    return item.takes(dot, sib[2]) or any(map(item.covered, said_before(st, dot)))


def life(st, dot):
    """The number of the life of this store that wrote it first, -1: none."""
    *_, (origin, _) = said_before(st, dot)
    return st.lineage.index(origin) if origin in st.lineage else -1


def is_later(st, dot, stamp, item):
    mine, its = life(st, item.dot), life(st, dot)
    return its > mine if 0 <= its != mine else stamp > item.stamp


def rewrite(draft, item):
    """A counter's cell joins by max, so only the part that nobody has seen counts."""
    sibs, rep, lives = draft.cells.get(item.path, {}), draft.rep, set(said_before(draft.rep, item.dot))
    if item.payload and item.payload[0] == "sweep":
        take_below(draft, item)
    if not item.path:
        return
    if is_counter(item.path):
        recount(draft, item, sibs)
        return
    if is_named(rep, item, draft.cells) or (is_live(item.payload) and has(rep, item, lives)):
        return
    if item.payload and item.payload[0] == "sweep":
        if draft.tree().root(item.path[0]) is not None:
            draft.write(item.path, item.payload, all=True, truth=("sweep", item.vector, item.payload[2]))
            for p in [p for p in draft.cells if in_sweep(p, item.path, item.payload[2])]:
                for d in [d for d in draft.cells[p] if covers(item.payload[1], d)]:
                    del draft.cells[p][d]
        return
    absent = leaf_value(item.path[0], sibs) is None
    seen = [d for d, s in sibs.items() if replaces(rep, item, d, s) or not on("remint-base")]
    takes = item.path[0] == "rw" or any(is_live(sibs[d][1]) for d in seen)
    if item.payload is None and (absent or not takes):
        return
    draft.write(item.path, item.payload, all=draft.absent_all(absent), also=seen)
    draft.W[item.path].parents |= item.replaced | lives


def recount(draft, item, sibs):
    """Of a counter's cell what it says and what was lost say together; what a delete had seen is dead."""
    told = {dot: (0, ("c", share, True)) for share, dot in counted_by(draft.rep, item.key, item.path)}
    share = share_of({**sibs, **told, item.dot: (item.stamp, item.payload)})
    stands = [d for _, d, _ in live(sibs)]
    dead = not is_live(item.payload) and all(map(item.covered, stands))
    if share == share_of({**sibs, **told}) and not (dead and stands):
        return  # nothing more: who deleted it had seen all
    if not (dead and not draft.tree().root(item.path[0])):  # a delete of what is absent writes nothing
        draft.write(item.path, ("c", share, dead), all=True)


def take_below(draft, item):
    """A sweep takes what it had taken, by what that was minted anew as."""
    _, seen, scope = item.payload[:3]
    for p in [p for p in draft.cells if in_sweep(p, item.path, scope)]:
        for d, (_, _, parents) in list(draft.cells[p].items()):
            known = [x for x in parents or () if covers(seen, x)]
            anew = any(not covers(draft.rep.vector, x) for x in known)
            if (not item.path and covers(seen, d)) or (anew and all(x in known or item.covered(x) for x in parents)):
                draft.write(p, None, also=[d])
