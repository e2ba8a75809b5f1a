"""One colo: its store, copies of it, its clock; how it begins, joins, crashes, is restored, renames itself, leaves.

No dot is ever minted twice: a store that may know less than it did takes a new id before it writes.
"""

from tests.model.conflicts import heads, standing_forks
from tests.model.guards import on
from tests.model.members import CHAIN, SYS, Act, Member, accepts, colo_of, member_path
from tests.model.pending import remint, uncovered
from tests.model.taken import TAKEN, rows_of

__all__ = ["Colo"]


class Colo:
    """A store, or none. What was committed is durable."""

    def __init__(self, name, world, skew):
        self.name, self.world, self.skew = name, world, skew
        self.count, self.st, self.copies = 0, None, []
        self.synced = None  # what a power cut leaves

    def new_rid(self):
        self.count += 1
        return f"{self.name}~{self.count}"

    def wall(self):
        return self.world.t + self.skew

    def speaks(self):
        return self.st is not None and self.st.speaks()

    def commit(self, work, base=None):
        """A record, pushed to whom it reaches."""
        rec = self.st.commit(work, self.wall(), self.world.oracle, base)
        if rec:
            self.st.wall = max(self.st.wall, self.wall())
            self.world.push(self, rec)
        return rec

    def tell(self, vector):
        """Speaking ticks the clock: all that this store ever mints later is stamped later."""
        msg = self.st.tell(vector, self.wall())
        self.st.wall = max(self.st.wall, self.wall())
        msg.view = self.st.view()
        if on("word-durable"):
            self.synced = self.st.clone()
        return msg

    def absorb(self, msg):
        return self.st.absorb(msg, self.wall())

    # its life

    def begin(self):
        """A namespace of its own, with itself as the one member."""
        rid = self.new_rid()
        self.st = Member(rid, ancestry=[(rid, (rid, 1))])
        self.st.beaten = self.world.beaten
        self.commit([(SYS, lambda d: d.element("rw", rid, 1))])

    def crash(self):
        """What was told but not committed is forgotten; the clock reopens above all that was said."""
        self.st.waiting = []
        self.st.restart()

    def lose_power(self):
        """It opens with what was synced: it may have told others of more, but not announced it."""
        self.world.restored.add(self.name)
        if self.synced is None:
            self.wipe()
            return
        self.st = self.synced.clone()
        self.st.waiting, self.st.touched = [], set(self.st.cells)
        if self.st.speaks():
            self.rename()

    def copy(self):
        self.copies.append(self.st.clone())

    def restore(self):
        """An old copy takes the place of the store: it tells and is told nothing before it has met a member."""
        self.st, self.copies = self.world.rnd.choice(self.copies), []
        self.synced = self.st.clone()
        self.st.copied, self.st.touched = True, set(self.st.cells)
        self.world.restored.add(self.name)

    def wipe(self):
        self.world.restored.add(self.name)
        self.st, self.synced, self.copies = None, None, []

    def renew(self, peer):
        """A copy takes what a member has, and a new name, which that member gives it: what this store announced since
        it was copied it may know no more. In place if they accept each other, else it returns. Its past is minted by
        nobody again."""
        if not peer.speaks():
            return
        st = self.st
        self.give_up()
        if not (accepts(st.view(), peer.st.view()) and accepts(peer.st.view(), st.view())):
            self.join(peer)
            return
        admitted = on("copy-renames") and on("copy-sponsored") and self.admit(peer)
        msg = peer.tell(st.vector)
        st.take(msg, self.wall())
        st.copied = False
        least = msg.heard[peer.st.rid] if on("joined-above") else 0
        if admitted:
            self.named(*admitted, peer)
            st.clock, st.low, st.last = max(st.clock, least), max(st.low, least), {}
            st.announce()
        elif on("copy-renames"):
            self.rename(least)

    def named(self, rid, joined, sponsor):
        self.st.rid = rid
        self.st.lineage.append(rid)
        self.st.ancestry = [(rid, joined), *sponsor.st.ancestry]

    def give_up(self):
        """What waited in a copy was pending: it is in the inbox."""
        if self.st.copied and on("copy-inbox"):
            self.world.inbox |= {i.trace for i in self.st.pending}
            self.st.pending = []

    def rename(self, least=0):
        """A new id, which is a member where the old one is. All that it mints is stamped above `least`."""
        st, old = self.st, self.st.rid
        st.rid = self.new_rid()
        st.lineage.append(st.rid)
        st.ancestry.insert(0, (st.rid, (st.rid, 1)))
        st.clock, st.low, st.last = max(st.clock, least), max(st.low, least), {}

        def act(d):
            d.element("rw", st.rid, 1)
            d.write(member_path(old), None)

        self.commit([(SYS, act)])

    def mend(self):
        """A wall clock that went back by more than the bound: a new id, whose clock begins above all that others may
        have forgotten: every low that the old one announced, and the clock of who admitted it."""
        st = self.st
        if st is not None and st.speaks() and self.wall() < st.wall - st.drag:
            st.wall = self.wall()
            st.clock = max(self.wall(), st.S, st.low if on("mend-low") else 0)
            self.rename()

    def join(self, sponsor):
        """A full join under a new id; the sponsor removes every other id of this colo, known or not."""
        if not sponsor.speaks():
            return
        old = self.st
        rid, joined = self.admit(sponsor)
        msg, rows = sponsor.tell({}), []
        st = self.st = Member(rid, [] if old is None else old.lineage, [(rid, joined), *sponsor.st.ancestry])
        st.beaten = self.world.beaten
        if old is not None:
            st.clock, st.wall, st.minted = old.clock, old.wall, old.minted
            again = uncovered(old, self.world.keys, msg.vector)  # what waited already may have come here since
            rows = [] if old.copied else rows_of(old, [*old.pending, *again], msg.vector)
            st.pending = [i for i in old.pending if i.trace not in {a.trace for a in again}] + again
            st.copied = old.copied
            self.give_up()
            st.copied = False
        st.take(msg, self.wall())
        least = msg.heard[sponsor.st.rid]
        st.low = least if on("joined-above") else 0
        st.clock = max(st.clock, least if on("joined-above") else 0)
        st.announce()
        if rows:
            self.commit([(TAKEN, lambda d: [d.element("aw", row, 1) for row in rows])])

    def admit(self, sponsor):
        """A new id of this colo, which the sponsor makes a member, and the dot of that."""
        rid, lineage = self.new_rid(), [] if self.st is None else self.st.lineage
        gone = {m for m in sponsor.st.standing() if colo_of(m) == self.name} | set(lineage)  # (saves a return)

        def act(d):
            d.element("rw", rid, 1)
            for other in sorted(gone):
                d.write(member_path(other), None, all=True)

        return rid, sponsor.commit([(SYS, act)]).dot

    def remint(self):
        """What waits is minted anew, and the world judges it by what really happened."""
        remint(self.st, self.mint, lambda item: self.world.inbox.add(item.trace))

    def mint(self, items, work, base):
        there = [(self.world.unseen(self.st, item), self.world.out(self.st, item)) for item in items]
        rec = self.commit(work, base)
        if on("remint-durable"):
            self.synced = self.st.clone()
        for item, (unseen, out) in zip(items, there, strict=True):
            self.world.minted(self.st, item, rec, unseen, out)
        return rec

    def leave(self):
        """The last record of this id."""
        rid = self.st.rid
        self.commit([(SYS, lambda d: d.write(member_path(rid), None))])
        self.st.left = True

    def retire_ghosts(self):
        ghosts = self.st.standing().keys() - self.st.members()
        if ghosts:
            self.commit([(SYS, lambda d: [d.write(member_path(g), None, all=True) for g in sorted(ghosts)])])

    # operators

    def evict(self, colo):
        out = tuple(sorted(m for m in self.st.members() if colo_of(m) == colo))
        self.decide(out, ())

    def resolve(self):
        """This side holds: what the other side decided is overruled."""
        over = {i for _, theirs in standing_forks(self.st) for i in theirs}
        self.decide((), tuple(sorted(over)))

    def decide(self, out, over):
        st = self.st
        gone = sorted(m for m in st.standing() if colo_of(m) in set(map(colo_of, out)))
        act = Act(heads(st.acts()), out, over)
        work = [(CHAIN, lambda d: d.write(("aw", ("s", d.dot)), ("v", act)))]
        if gone:
            work.append((SYS, lambda d: [d.write(member_path(m), None, all=True) for m in gone]))
        self.commit(work)
