"""A fixed set of replicas with skewed clocks, old bases, lost, doubled, late and reordered messages."""

import random
from collections import defaultdict

from tests.model.cells import JSON, covers
from tests.model.counting import fold
from tests.model.messages import Record
from tests.model.oracle import Oracle
from tests.model.reading import Tree
from tests.model.replica import Replica
from tests.model.stats import Stats
from tests.model.workload import ROOTS, Workload

__all__ = ["DataWorld", "same"]


class DataWorld(Workload):
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


def same(a, b, seed, t):
    for key in a.cells.keys() | b.cells.keys():
        x, y = a.cells.get(key, {}), b.cells.get(key, {})
        diff = {p: (x.get(p), y.get(p)) for p in x.keys() | y.keys() if x.get(p) != y.get(p)}
        assert not diff, ("cells", seed, t, a.rid, b.rid, a.S, key, diff)
    x, y = ({k: c for k, c in r.contexts.items() if c} for r in (a, b))
    assert x == y, ("contexts", seed, t, a.rid, b.rid, x, y)
