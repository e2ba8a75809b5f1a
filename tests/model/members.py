"""Who belongs, as one replica sees it at its vector, and whether it accepts another.

Members are a remove-wins set in a system key, so the rules of cells are the rules of membership; an id that was retired
never comes again. Two replicas exchange iff each accepts the other, and nobody takes what would leave itself out.
"""

from collections import defaultdict
from typing import NamedTuple

from tests.model.cells import covers, leaf_value, live
from tests.model.guards import on
from tests.model.history import History
from tests.model.replica import Replica

__all__ = ["CHAIN", "SYS", "Act", "Member", "View", "accepts", "colo_of", "member_path"]


SYS, CHAIN = "sys", "chain"  # the keys of members, and of the acts of operators


class View(NamedTuple):
    """Who a replica is, and whom it counts, at `vector`. `ancestry`: itself, who admitted it, ..., and the dots."""

    vector: dict
    lineage: tuple
    ancestry: tuple
    members: frozenset
    overruled: frozenset
    copied: bool  # it tells nothing, and is told nothing


class Act(NamedTuple):
    """An operator's: ids evicted, or acts overruled; `after`: the last acts known where it was decided."""

    after: tuple
    out: tuple
    over: tuple


def colo_of(rid):
    return rid.split("~")[0]


def member_path(rid):
    return ("rw", ("s", rid))


def accepts(mine, theirs):
    """Who is unknown here stands and falls with the first of those who admitted it that is known. Not to know somebody
    is not to have retired him, else two that return would sponsor each other for ever."""
    if on("accepts-overruled") and any(covers(theirs.vector, act) for act in mine.overruled):
        return False
    colo = colo_of(theirs.lineage[-1])
    if on("one-per-colo") and any(colo_of(m) == colo and m not in theirs.lineage for m in mine.members):
        return False
    ancestry = theirs.ancestry if on("accepts-sponsor") else theirs.ancestry[:1]
    known = (rid in mine.members for rid, dot in ancestry if covers(mine.vector, dot) or not on("accepts-unknown"))
    return next(known, False)


class Member(Replica):
    """A replica whose members are cells of its own store."""

    def __init__(self, rid, lineage=(), ancestry=()):
        super().__init__(rid)
        self.lineage, self.ancestry = [*lineage, rid], list(ancestry)
        self.pending, self.forks, self.left, self.copied = [], [], False, False
        self.wall = self.low = 0  # the latest wall time it saw, and the highest low it announced
        self.minted = {}  # dot -> the dot that it was minted anew from
        self.history, self.known = defaultdict(Forgetful), {}
        self.beaten = set()  # what was purged with a delete beside it

    def clone(self):
        new = Member(self.rid)
        new.__dict__.update(self.__dict__)
        for name in ("vector", "heard", "F", "announced", "last", "known", "minted"):
            setattr(new, name, dict(getattr(self, name)))
        for name in ("lineage", "ancestry", "pending", "forks", "waiting"):
            setattr(new, name, list(getattr(self, name)))
        new.cells = {k: {p: dict(c) for p, c in v.items()} for k, v in self.cells.items()}
        new.contexts = {k: dict(c) for k, c in self.contexts.items()}
        new.touched, new.changed = set(self.touched), set()
        return new

    # whom it counts

    def standing(self):
        """The ids in the set: {id: (stamp, dot) of its joining}."""
        cells = self.cells.get(SYS, {})
        return {p[1][1]: max(x[:2] for x in live(c)) for p, c in cells.items() if len(p) > 1 and leaf_value("rw", c)}

    def members(self):
        """Of two ids of one colo the one added later: the other is a ghost, a disk that was wiped unnoticed."""
        return self.cached(SYS, self.count)

    def count(self):
        last = {}
        for rid, joined in self.standing().items():
            at = colo_of(rid) if on("one-per-colo") else rid
            last[at] = max(last.get(at, (joined, rid)), (joined, rid))
        return frozenset(rid for _, rid in last.values())

    def acts(self):
        """{dot: Act} of all that are known."""
        return self.cached(
            CHAIN, lambda: {p[1][1]: x[2][1] for p, c in self.cells.get(CHAIN, {}).items() for x in live(c)}
        )

    def cached(self, key, make):
        version = tuple(sorted(self.contexts.get(key, {}).items()))
        if self.known.get(key, (None,))[0] != version:
            self.known[key] = (version, make())
        return self.known[key][1]

    def overruled(self):
        return frozenset(act for a in self.acts().values() for act in a.over)

    def view(self):
        copied = self.copied and on("copy-silent")
        lineage, ancestry = tuple(self.lineage), tuple(self.ancestry)
        return View(dict(self.vector), lineage, ancestry, self.members(), self.overruled(), copied)

    def speaks(self):
        """A member in its own eyes, and no copy, which may know less than it did."""
        return self.rid in self.members() and not (self.copied and on("copy-silent"))

    def stands(self):
        """Counts itself, and knows no act that was overruled: nothing is absorbed that would take that away."""
        over = self.overruled() if on("accepts-overruled") else ()
        return self.rid in self.members() and not any(covers(self.vector, act) for act in over)

    # facts

    def ready(self, rec):
        """A record is taken from a member."""
        ok = super().ready(rec)
        return False if ok and (self.left or (rec.dot[0] not in self.members() and on("only-members"))) else ok

    def apply(self, rec, wall):
        if {SYS, CHAIN} & {w[0] for w in rec.writes}:
            self.unless_out(lambda trial: Replica.apply(trial, rec, wall))
        else:
            super().apply(rec, wall)

    def absorb(self, msg, wall):
        """Iff each side accepts the other. Who has left takes nothing more; a copy tells and is told nothing."""
        mine, theirs = self.view(), msg.view
        if self.left or mine.copied or theirs.copied or (on("accepts-mine") and not accepts(mine, theirs)):
            return False
        if on("accepts-theirs") and not accepts(theirs, mine):
            return False
        if {SYS, CHAIN} & msg.cells.keys():
            return self.unless_out(lambda trial: Replica.absorb(trial, msg, wall))
        return super().absorb(msg, wall)

    def take(self, msg, wall):
        """Whatever it is: a full join, or what a copy had forgotten."""
        return super().absorb(msg, wall)

    def unless_out(self, act):
        trial = self.clone()
        done = act(trial)
        if on("stands") and not trial.stands():
            return False
        self.__dict__.update(trial.__dict__)
        return done

    def remember(self, key, mine, was, msg):
        """Versions are the data world's."""

    # forgetting

    def announce(self):
        self.announced = {m: said for m, said in self.announced.items() if m in self.members()}
        super().announce()
        if self.rid in self.announced:
            self.low = max(self.low, self.announced[self.rid][1])

    def forget(self, key):
        was = dict(self.cells[key])
        super().forget(key)
        for p in was.keys() - self.cells.get(key, {}).keys():
            if any(s[1] is None for s in was[p].values()):
                self.beaten.update((d, key, p) for d in was[p])

    def facts(self):
        """What is known of who belongs: each change of members, and how much is absorbed of those who are none."""
        changes = sorted(self.contexts.get(SYS, {}).items()) if on("facts-changes") else ()
        retired = sorted((r, n) for r, n in self.vector.items() if r not in self.members())
        return tuple(changes), tuple(retired) if on("facts-retired") else ()

    def agreed(self):
        """Every member has said that it knows of who belongs just what is known here. From then on no member absorbs
        anything that one of them has retired."""
        facts, others = self.facts(), self.members() - {self.rid}
        return self.speaks() and all(self.announced.get(m, (0, 0, 0))[2] == facts for m in others)


class Forgetful(History):
    """Keeps nothing."""

    def keep(self, *_, **__):
        pass

    touched = life = keep
