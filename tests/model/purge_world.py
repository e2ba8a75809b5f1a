"""Any cells at all, also such as no history makes, and floors.

What a purge leaves does not hang on in how many steps it came, nor on what arrived before it or after, and reads as
before.
"""

import random

from tests.model.cells import TTL
from tests.model.forgetting import dropped
from tests.model.reading import Tree
from tests.model.replica import Replica
from tests.model.stats import Stats

__all__ = ["PurgeWorld"]


KEY, EVER = "k", 99
M, N, E, F, A, B, S = ("m", 0), ("m", 1), ("e", 0), ("e", 1), ("a", 0), ("a", 1), ("s", 0)
NODES = [(r, *p) for r in ("ew", "dw") for p in ((), (M,), (N,), (M, N), (M, N, M), (M, E), (M, F), (M, E, M), (E,))]
LEAVES = [(r, *p) for r in ("ew", "dw") for p in ((M, A), (M, B), (A,), (M, S))]
LEAVES += [("lww",), ("rw", S), ("list", E), ("list", F), ("list", A), ("list", B)]
ANY = [("v", 1), ("mark", "obj"), ("mark", "arr"), None, ("hide", {"r": 4}, "obj"), ("hide", {"r": 9}, "arr")]


class PurgeWorld:
    """A few keys' cells a step."""

    def __init__(self, seed):
        self.rnd, self.seed, self.stats = random.Random(seed), seed, Stats(1)

    def run(self, steps):
        for _ in range(steps):
            self.in_steps_or_at_once(self.cells())
            self.before_or_after(self.cells(), self.cells())
        return self.stats

    # laws

    def in_steps_or_at_once(self, cells):
        rep = self.holding(cells)
        for floor in sorted(self.rnd.sample(range(1, 10), 3)):
            rep.purge_to(floor)
            at_once = left(cells, floor)
            assert rep.cells.get(KEY, {}) == at_once, ("in steps", self.seed, cells, floor, rep.cells, at_once)
            self.reads_alike(cells, at_once, floor)
            self.stats.comparisons += 1
        self.stats.purges += rep.purges

    def reads_alike(self, cells, purged, floor):
        """Now, later, and where the date, if it is above the floor, is put off."""
        put_off = any(s[0] > floor for s in cells.get(TTL, {}).values())
        later = {TTL: {**cells.get(TTL, {}), ("q", 1): (10, ("ttl", EVER, "max"), ())}} if put_off else {}
        for now, more in ((floor, {}), (EVER, {}), (EVER - 1, later)):
            was, is_now = Tree({**cells, **more}, now).key(), Tree({**purged, **more}, now).key()
            assert was == is_now, ("reads otherwise", self.seed, cells, floor, now, was, is_now)

    def before_or_after(self, before, more):
        r = self.rnd
        share, news = r.choice((0.5, 0.9, 1)), r.choice((0, 0.2, 0.9))
        after = {p: c for p, c in before.items() if r.random() < share}
        after |= {p: c for p, c in more.items() if r.random() < news}
        rep, floor = self.holding(before), r.randrange(1, 10)
        rep.purge_to(floor)
        rep.cells[KEY] = {p: dict(c) for p, c in after.items()}
        rep.changed.add(KEY)
        rep.purge_to(0)
        at_once = left(after, floor)
        assert rep.cells.get(KEY, {}) == at_once, (
            "before or after",
            self.seed,
            before,
            after,
            floor,
            rep.cells,
            at_once,
        )
        self.stats.comparisons += 1

    # cells

    def holding(self, cells):
        rep = Replica("r", ["r"])
        rep.cells[KEY] = {p: dict(c) for p, c in cells.items()}
        rep.clock = EVER
        return rep

    def cells(self):
        r = self.rnd
        some = {p: self.cell(ANY) for p in r.sample(NODES, r.randrange(8))}
        some |= {p: self.cell([("v", 1), None]) for p in r.sample(LEAVES, r.randrange(5))}
        if r.random() < 0.3:
            n = r.randrange(1, 10)
            some[()] = {("r", n): (n, ("sweep", {"r": n - 1}, None), ())}
        if r.random() < 0.4:
            some[TTL] = self.cell([("ttl", r.randrange(1, 10), r.choice(["max", "min"])), None])
        return some

    def cell(self, payloads):
        r = self.rnd
        return {("r", n): (n, r.choice(payloads), ()) for n in r.sample(range(1, 10), r.choice([1, 1, 2]))}


def left(cells, floor):
    gone = dropped(cells, floor, EVER)
    return {p: c for p, c in cells.items() if p not in gone}
