"""One colo's disk: the live state, the image that is synced, copies; how it crashes, returns, and mints anew."""

from tests.model.cells import at_least, counter_cell, covers, is_counter, leaf_value, live
from tests.model.draft import Base
from tests.model.guards import on
from tests.model.members import SYS, Member, member_path

__all__ = ["Colo", "remint_one"]


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
