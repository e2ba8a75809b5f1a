"""Colos that join, leave, are evicted, crash, are restored, wiped, and return."""

import random
from collections import defaultdict

from tests.model.cells import at_least, covers
from tests.model.colo import Colo
from tests.model.data_world import same
from tests.model.members import CHAIN, GENESIS, SYS, Member, dead_links, fork_of, member_path, tip_of
from tests.model.messages import Record
from tests.model.oracle import Event, Oracle
from tests.model.stats import Stats

__all__ = ["MembersWorld"]


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
