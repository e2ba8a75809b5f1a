"""A fixed set of replicas with skewed clocks, old bases, lost, doubled, late and reordered messages."""

import random
from collections import defaultdict

from tests.model.cells import at_least, covers, is_counter, is_live
from tests.model.messages import Record
from tests.model.oracle import Oracle
from tests.model.reading import Tree, then
from tests.model.replica import Replica
from tests.model.stats import Stats
from tests.model.workload import PROFILES, Workload

__all__ = ["DataWorld", "same"]


class DataWorld(Workload):
    """One seed. Small worlds collide: each draws from few kinds of keys, few names, and a few dozen steps apart."""

    def __init__(self, seed, n=4):
        r = self.rnd = random.Random(seed)
        self.seed, self.n, self.t = seed, n, 0
        ids = [f"r{i}" for i in range(n)]
        self.reps = [Replica(i, ids) for i in ids]
        self.skew = [r.choice([0, 0, 0, 0, 0, 0, 30, -30]) for _ in ids]
        self.away = [0] * n  # until then it meets nobody
        self.oracle, self.box, self.stats = Oracle(), [], Stats(1)
        self.saved, self.versions, self.was = [[] for _ in ids], defaultdict(list), {}
        self.draw_profile(PROFILES[seed % len(PROFILES)])

    def step(self):
        r = self.rnd
        i = r.randrange(self.n)
        rep, x, wall = self.reps[i], r.random(), self.t + self.skew[i]
        if x < self.profile.write:
            self.write(i, rep, wall)
        elif 0.34 <= x < 0.42:
            self.saved[i].append(rep.base(self.roots))
            self.read_versions(rep)
        elif 0.42 <= x < 0.52 or x < self.profile.write + self.profile.purge:
            rep.purge()
        elif 0.52 <= x < 0.525:
            self.away[i] = self.t + r.randrange(20, 60)
        elif 0.525 <= x < 0.57:
            self.fold(i, rep, wall)
        elif 0.57 <= x < 0.57 + self.profile.restart:
            self.skew[i] -= r.choice([0, 20, 60])
            rep.restart()
        else:
            self.exchange(i, rep, wall)
        for _ in range(2):
            if self.box and r.random() < 0.6:
                self.deliver(*self.box.pop(r.randrange(len(self.box))))
        self.check(rep)
        self.t += 1

    def write(self, i, rep, wall):
        r = self.rnd
        base = r.choice(self.saved[i][-6:]) if self.saved[i] and r.random() < self.profile.base else None
        if r.random() < 0.15:
            base = rep.base(self.roots)
        work, checks = [], []
        for key in r.sample(sorted(self.roots), min(len(self.roots), r.choice([1, 1, 2]))):
            op, check = self.operation(key, rep, base)
            work.append((key, op))
            checks.append((key, check))
        current = base is None or base.vector == rep.vector
        stamp = max(rep.clock + 1, wall)  # of two kinds that are revived after a date only one can be marked
        late = {key for key, _ in work if Tree(rep.cells.get(key, {}), stamp).date is not None}
        self.was = {key: Tree(rep.cells.get(key, {}), max(rep.clock + 1, wall)).key() for key, _ in work}
        rec = rep.commit(work, wall, self.oracle, base)
        if rec:
            self.stats.writes += 1
            self.push(i, rec)
            for key, check in checks:
                self.check_ranked(rep, key, rec)
                if check and current and key not in late:
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

    def check_ranked(self, rep, key, rec):
        """A write of a register replaces all that ranks lower, however old its base: siblings do not pile up."""
        for p in (("lww",), ("max",)):
            sibs = rep.cells.get(key, {}).get(p, {})
            mine = sibs.get(rec.dot)
            for d, s in sibs.items() if mine and mine[1] else ():
                higher = (s[0], d) > (mine[0], rec.dot) if p == ("lww",) else s[1] and s[1][1] >= mine[1][1]
                assert d == rec.dot or higher, ("weight", self.seed, self.t, rep.rid, key, sibs)

    def push(self, i, rec):
        self.box += [(k, rec) for k in range(self.n) if k != i and self.rnd.random() < 0.5]

    def fold(self, i, rep, wall):
        for key in self.roots:
            dated = self.dated[key] and Tree(rep.cells.get(key, {}), max(rep.clock + 1, wall)).date is not None
            was = rep.visible(key)
            rec = rep.commit([(key, lambda d: d.fold(("cnt",)))], wall, self.oracle)
            if rec:
                self.push(i, rec)
                assert dated or rep.visible(key) == was, ("folded", self.seed, self.t, rep.rid, key, was)

    def exchange(self, i, rep, wall):
        r = self.rnd
        j = r.randrange(self.n)
        if j == i or self.t < max(self.away[i], self.away[j]):
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
        if self.t < self.away[k]:
            return
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
            value = then(rep.cells.get(key, {}))
            if value:
                self.versions[key].append((dict(rep.contexts[key]), value, (rep.rid, self.t)))
                now = rep.history[key].rebuildable(rep.contexts[key], rep.contexts[key], rep.cells[key])
                assert now, ("the present version", self.seed, self.t, rep.rid, key)
        for key in self.roots:
            history, cells, context = rep.history[key], rep.cells.get(key, {}), rep.contexts.get(key, {})
            if r.random() < 0.1:
                history.trim(r.choice([10, 30]), context)
            for version, want, where in r.sample(self.versions[key], min(6, len(self.versions[key]))):
                known = at_least(rep.vector, version)
                if not known or not history.rebuildable(version, context, cells):
                    self.stats.refused += known
                    continue
                self.stats.versions += 1
                got = then(history.at(version, cells))
                about = (rep.rid, key, version, where, got, want, history.base, history.gaps)
                assert got == want, ("history", self.seed, self.t, *about)

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
                for d, s in c.items():
                    # (of an old life what is dead of a counter stays as it was)
                    assert covers(context, d) or (is_counter(p) and not is_live(s[1])), (
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
