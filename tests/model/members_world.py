"""Colos that join, leave, are evicted (sometimes two halves each other), crash, are restored, wiped, and return.

In the end operators resolve, all meet all, and all must be one again: equal, and nothing lost without a trace.
Left out: a restored copy that nothing gives away, and namespaces that become one (tests/store/test_copies.py).
"""

import random
from collections import defaultdict

from tests.model.cells import covers, is_counter, is_live, leaf_value
from tests.model.colo import Colo
from tests.model.conflicts import forked, remember, yields
from tests.model.data_world import same
from tests.model.members import SYS, accepts
from tests.model.messages import Record
from tests.model.oracle import Oracle, chain
from tests.model.stats import Stats
from tests.model.upsets import POWERLESS, PROFILES, Upsets

__all__ = ["MembersWorld", "PowerWorld"]


ROUNDS = 12  # of all with all, until all are one


class MembersWorld(Upsets):
    profiles = PROFILES

    def __init__(self, seed):
        r = self.rnd = random.Random(seed)
        self.seed, self.t, self.stats, self.oracle = seed, 0, Stats(1), Oracle()
        self.profile = self.profiles[seed % len(self.profiles)]
        self.keys = self.profile.keys
        self.box, self.restored, self.inbox = [], set(), set()
        self.reminted = defaultdict(list)  # what was minted anew, as what
        self.beaten = set()  # what a purge dropped with a delete that had won
        self.anew = {}  # a dot, and the one that it was minted anew from
        self.floor = 0  # the highest that any store has reached
        self.away, self.saved = defaultdict(int), defaultdict(list)
        self.side, self.parted = (), 0  # until then nobody meets who is on the other side
        skews = [
            r.choice([30, -30]) if r.random() < self.profile.skewed / 1000 else 0 for _ in range(r.choice([3, 4, 5]))
        ]
        self.colos = [Colo(f"c{i}", self, skew) for i, skew in enumerate(skews)]
        self.by_name = {c.name: c for c in self.colos}
        self.colos[0].begin()
        for c in self.colos[1:]:
            c.join(self.colos[0])

    def speaking(self):
        return [c for c in self.colos if c.speaks()]

    def apart(self, a, b):
        parted = self.t < self.parted and (a.name in self.side) != (b.name in self.side)
        return parted or self.t < max(self.away[a.name], self.away[b.name])

    # one step

    def step(self):
        r = self.rnd
        c = r.choice(self.colos)
        if c.st is None:
            o = r.choice(self.colos)
            if r.random() < 0.2 and not self.apart(c, o):
                self.meet(c, o)
        else:
            c.mend()
            self.act(c, r.random())
        for _ in range(2):
            if self.box and r.random() < 0.6:
                self.deliver(*self.box.pop(r.randrange(len(self.box))))
        for x in self.colos:
            self.check(x)
        self.t += 1

    def act(self, c, x):
        r = self.rnd
        if x < 0.26:
            self.write(c)
        elif x < 0.3:
            self.saved[c.st.rid].append(c.st.base(self.keys))
        elif x < 0.4:
            self.purge(c)
        elif x < 0.41:
            self.away[c.name] = self.t + r.randrange(20, 80)
        elif x < 0.44:
            c.copy()
        elif x < 0.44 + self.profile.clocks / 1000:
            c.skew -= r.choice([0, 0, 20, 150])
            c.crash()
        elif r.random() < self.profile.upset / 1000:
            kinds = ("split", "evict", "resolve", "leave", "wipe", "restore", "churn", "power")
            [kind] = r.choices(kinds, [getattr(self.profile, k) for k in kinds])
            getattr(self, kind)(c, [o for o in self.speaking() if o is not c])
        else:
            self.exchange(c)

    def purge(self, c):
        if not forked(c.st):
            c.st.purge()
        self.floor = max(self.floor, c.st.S)
        if c.speaks():
            c.retire_ghosts()

    # messages

    def push(self, c, rec):
        self.box += [(o.name, rec) for o in self.colos if o is not c and self.rnd.random() < 0.5]

    def exchange(self, c):
        r = self.rnd
        o = r.choice(self.colos)
        if self.apart(c, o):
            return
        if r.random() < 0.5:
            self.meet(c, o)
        if c is o or None in (c.st, o.st):
            return
        msg, y = o.tell(c.st.vector), r.random()
        if y < 0.15:
            return
        if y < 0.4:
            self.box.append((c.name, msg))
            return
        c.absorb(msg)
        if r.random() < 0.1:
            c.absorb(msg)
        if r.random() < 0.5:
            o.absorb(c.tell(o.st.vector))
        for x in (c, o):
            x.remint()

    def meet(self, a, b):
        """Membership is mended: a copy is renewed, who yields returns, and what neither does is a conflict."""
        for c, o in ((a, b), (b, a)):
            if c.st is None:
                if c is not o:
                    c.join(o)
                return
        if a is b:
            return
        for c, o in ((a, b), (b, a)):
            if c.st.copied:
                c.renew(o)
                return
        for c, o in ((a, b), (b, a)):
            if yields(c.st, o.st):
                c.join(o)
                return
        if not accepts(a.st.view(), b.st.view()) and not accepts(b.st.view(), a.st.view()):
            for c, o in ((a, b), (b, a)):
                remember(c.st, o.st)

    def deliver(self, name, msg):
        c = self.by_name[name]
        if c.st is None or self.t < self.away[name]:
            return
        if isinstance(msg, Record):
            c.st.receive(msg, c.wall())
        else:
            c.absorb(msg)

    # what must hold

    def check(self, c):
        st = c.st
        if st is None or not st.touched:
            return
        for key in sorted(st.touched & {*self.keys, SYS}):
            self.stats.checks += 1
            got, want = st.visible(key), self.oracle.visible(key, st.vector, st.clock)
            assert got == want, ("oracle", self.seed, self.t, st.rid, key, got, want)
        st.touched.clear()
        for o in self.colos:
            if o is not c and o.st is not None and o.st.S == st.S and o.st.vector == st.vector:
                self.stats.comparisons += 1
                same(st, o.st, self.seed, self.t)

    def settle(self):
        """All messages are lost, all clocks right; who left comes back as somebody new; all meet all."""
        self.box.clear()
        self.away.clear()
        self.parted = 0
        self.t = 1000 + max([self.t, *(c.st.clock for c in self.colos if c.st is not None)])
        for c in self.colos:
            c.skew = 0
            if c.st is not None and c.st.left:
                c.wipe()
        rounds = 0
        while not self.one() and rounds < ROUNDS:
            rounds += 1
            self.everybody()
            for c in self.speaking():
                if forked(c.st):
                    c.resolve()
                    break
        assert self.one(), ("not one", self.seed, self.about())
        floor = self.floor
        for _ in range(3):
            self.everybody()
            for c in self.colos:
                self.purge(c)
                self.check(c)
        self.floor = floor
        self.ended()

    def everybody(self):
        for a in self.colos:
            for b in self.colos:
                if a is not b:
                    self.meet(a, b)
                    if None not in (a.st, b.st):
                        a.absorb(b.tell(a.st.vector))
                        b.absorb(a.tell(b.st.vector))
                        for c in (a, b):
                            c.remint()
                self.t += 1
        for c in self.colos:
            self.check(c)

    def one(self):
        live = [c.st for c in self.colos if c.st is not None]
        names = {st.rid for st in live}
        return len(live) == len(self.colos) and all(
            st.vector == live[0].vector and st.members() == names and not st.pending and not forked(st) for st in live
        )

    def about(self):
        live = [c.st for c in self.colos if c.st is not None]
        return [(st.rid, sorted(st.members()), st.ancestry[:3], st.forks, len(st.pending), st.copied) for st in live]

    def ended(self):
        """Equal; nothing stands twice, or is lost without a trace (but a delete that a side which lost had purged, and
        what had lost to it there)."""
        live = [c.st for c in self.colos]
        final = live[0].vector
        assert min(st.S for st in live) > 1000, ("floors", self.seed, [st.S for st in live])
        for key in self.keys:
            values = [st.visible(key) for st in live]
            assert all(v == values[0] for v in values), ("values differ", self.seed, key, values)
        for dot, key, path in list(self.reminted):
            stand = [d for d in self.lives(dot, key, path) if covers(final, d)]
            assert len(stand) < 2, ("stands twice", self.seed, key, path, stand)
        for key in self.keys:
            self.undeleted(key, live[0])
            for e in self.oracle.events[key]:
                purged = (e.dot, key, e.path) in self.beaten or (not is_live(e.payload) and e.stamp <= self.floor)
                if e.path and not purged and e.dot[0].split("~")[0] not in self.restored:
                    kept = any(self.kept(final, key, e.path, d) for d in self.lives(e.dot, key, e.path))
                    assert kept or self.besides(final, key, e), ("lost", self.seed, key, e)

    def undeleted(self, key, st):
        """Nothing stands that was minted anew from what somebody had removed who had seen it. (But a delete that a side
        which lost had purged; where it replaced what that one had not seen; and where who knew of the delete had put
        something there again, for nothing is left of the delete, and that may have lost to a third.)"""
        there = self.oracle.events[key]
        for path, cell in st.cells.get(key, {}).items():
            for dot, s in cell.items() if path and not is_counter(path) else ():
                was = list(chain(dot, self.anew)) if is_live(s[1]) else ()
                for e in there if was else ():
                    seen = e.path == path and not is_live(e.payload) and any(covers(e.cover, d) for d in was)
                    told = e.dot[0].split("~")[0] not in self.restored and e.stamp > self.floor
                    more = any(not covers(e.cover, d) for d in (s[2] or set()) - set(was))
                    again = any(f.path == path and is_live(f.payload) and covers(f.cover, e.dot) for f in there)
                    assert not seen or more or again or not told, ("deleted", self.seed, key, path, dot, e)

    def lives(self, dot, key, path):
        """A write, what it was minted anew from, and as."""
        before = {(new, k, p): old for (old, k, p), news in self.reminted.items() for new in news}
        while (dot, key, path) in before:
            dot = before[dot, key, path]
        found = [dot]
        for d in found:
            found += [new for new in self.reminted.get((d, key, path), ()) if new]
        return found

    def kept(self, final, key, path, dot):
        """It stands, or is in the inbox, or something replaced it, or it had nothing to say when minted anew."""
        trace = (dot, key, path)
        if covers(final, dot) or trace in self.inbox or None in self.reminted.get(trace, ()):
            return True
        later = [f for f in self.oracle.events[key] if f.path == path and f.dot != dot]
        return any(covers(f.cover, dot) or dot in f.also for f in later) or any(
            len(c[1]) == 0 and covers(c[3], dot) for c in self.oracle.clears[key]
        )

    def besides(self, final, key, e):
        """What a record minted anew writes besides (a life begins, and what was dead is buried again) says nothing that
        its writer had said: it may go with the record, where what that was minted anew from stands already."""
        dot, asked = e.dot, any(e.dot in news for (_, k, p), news in self.reminted.items() if (k, p) == (key, e.path))
        while dot in self.anew and not asked:
            dot = self.anew[dot]
            if covers(final, dot):
                return True
        return False

    def unseen(self, st, item):
        """What stands in the cell of a pending write, purged or not, that its writer had not seen."""
        cell = self.oracle.cells(item.key, st.vector).get(item.path, {})
        return {d: s for d, s in cell.items() if not any(map(item.covered, [d, *chain(d, self.anew)]))}

    def out(self, st, item):
        """Whether what had replaced a pending write is here already; and what that had replaced, and is not here."""
        if is_counter(item.path):
            return False, set()
        lives = {item.dot, *chain(item.dot, self.anew)}
        cell = st.cells.get(item.key, {}).get(item.path, {})
        named = any(lives & self.replaced(item.key, item.path, d) & (s[2] or set()) for d, s in cell.items())
        gone = self.replaced(item.key, item.path, item.dot) & item.replaced
        return named, {d for d in gone if not covers(st.vector, d)}

    def replaced(self, key, path, dot):
        """What really stood in the cell for its writer, also when it was minted first. (Some of that something else had
        replaced at its own store, and it does not name it.)"""
        lives = {dot, *chain(dot, self.anew)}
        events = [e for e in self.oracle.events[key] if e.path == path and e.dot in lives]
        return {d for e in events for d in {*self.oracle.cells(key, e.cover).get(path, ()), *e.also}} - lives

    def told(self, st, item, rec, wrote, named, gone):
        """Who removed what another wrote, and both are out: whoever is back first, it stays removed."""
        assert not (wrote and named), ("came back", self.seed, self.t, st.rid, item)
        cell = st.cells.get(item.key, {}).get(item.path, {})
        for d in cell if wrote else ():
            was = set(chain(d, self.anew))
            more = {x for x in self.replaced(item.key, item.path, d) | was if x not in gone and not item.covered(x)}
            assert d == rec.dot or not was & gone or more, ("stayed", self.seed, self.t, st.rid, item, d)

    def minted(self, st, item, rec, unseen, out):
        """A later value stands, and so does a remove where removes win, although it may have been purged.

        What was minted anew together with it is not later.
        """
        if rec:
            self.anew[rec.dot] = item.dot
        if not item.path:
            return  # a key's life: it is begun anew where it has to be
        wrote = rec and any(w[:2] == (item.key, item.path) for w in rec.writes)
        self.reminted[item.trace].append(rec.dot if wrote else None)
        self.told(st, item, rec, wrote, *out)
        if not wrote:
            return
        self.oracle.reminted(item, st, rec.dot, self.anew)
        root, cell = item.path[0], st.cells.get(item.key, {}).get(item.path, {})
        later = root == "lww" and any(
            s[0] > item.stamp and not (d[0] == st.rid and d in self.anew) for d, s in unseen.items()
        )
        removed = root == "rw" and any(s[1] is None for s in unseen.values()) and leaf_value("rw", cell) is not None
        beaten = item.payload is not None and (later or removed)
        assert not beaten, ("minted over", self.seed, self.t, st.rid, item, unseen)

    def run(self, steps):
        for _ in range(steps):
            self.step()
        self.settle()
        self.stats.purges = sum(c.st.purges for c in self.colos)
        return self.stats


class PowerWorld(MembersWorld):
    """Stores under `normal`: a power cut takes back what was not synced, and they write on under a new name."""

    profiles = POWERLESS
