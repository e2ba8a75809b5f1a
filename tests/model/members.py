"""Who may speak: a remove-wins set in a system key, and the acts of operators."""

from collections import defaultdict

from tests.model.cells import covers, leaf_value, live
from tests.model.guards import on
from tests.model.history import NoHistory
from tests.model.replica import Replica

__all__ = ["SYS", "member_path", "Member", "dead_links", "fork_of", "lost", "tip_of", "CHAIN", "GENESIS"]


SYS, CHAIN, GENESIS = "sys", "chain", ("g", 1)


def member_path(rid):
    return ("rw", ("s", rid))


class Member(Replica):
    """A replica whose members are cells of its own store."""

    def __init__(self, rid):
        super().__init__(rid)
        self.lineage, self.own, self.pending = [rid], [rid], []
        self.sponsors, self.joined_at = [], None
        self.ceiling, self.spoke, self.foreign = 0, {}, {}
        self.history = NoHistory()

    def clone(self):
        new = Member(self.rid)
        new.__dict__.update(self.__dict__)
        for k in ("vector", "heard", "F", "announced", "last", "spoke", "foreign"):
            setattr(new, k, dict(getattr(self, k)))
        for k in ("lineage", "pending", "own"):
            setattr(new, k, list(getattr(self, k)))
        new.cells = {k: {p: dict(c) for p, c in v.items()} for k, v in self.cells.items()}
        new.contexts = {k: dict(c) for k, c in self.contexts.items()}
        new.waiting, new.touched = [], set(self.cells)
        return new

    def is_member(self, rid):
        return leaf_value("rw", self.cells.get(SYS, {}).get(member_path(rid), {})) is not None

    def members(self):
        return [p[1][1] for p, c in self.cells.get(SYS, {}).items() if len(p) > 1 and leaf_value("rw", c)]

    # the chain of evictions: {link: (parent, evicted, resolved losers)}
    def links(self):
        found = dict(self.foreign)
        for p, c in self.cells.get(CHAIN, {}).items():
            for _, _, payload in live(c):
                if len(p) > 1:
                    found[p[1][1]] = payload[1]
        return found

    def fork(self):
        """The links of which an operator must choose one, or none."""
        return fork_of(self.links()) if on("fork-known") else ()

    def has_retired(self, rid, joined):
        """Not a member here, and not merely unknown: its joining dot is covered, or a higher incarnation has come."""
        if self.is_member(rid):
            return False
        colo, k = rid.split("~")
        higher = any(
            r.split("~")[0] == colo and int(r.split("~")[1]) > int(k)
            for r in [*self.members(), *self.vector]
            if "~" in r
        )
        return covers(self.vector, joined or GENESIS) or higher or not on("out-retired")

    def ready(self, rec):
        ok = super().ready(rec)
        r, n = rec.dot
        if ok and on("refuse-losers") and rec.dot in dead_links(self.links()):
            return False
        if (
            ok
            and on("only-members")
            and not self.is_member(r)
            and not (n == 1 and len(rec.lineage) > 1 and self.is_member(rec.lineage[-2]))
        ):
            return False
        return ok

    def absorb(self, msg, wall, force=False):
        if (
            not force
            and on("only-members")
            and not any(self.is_member(x) for x in msg.lineage)
            and not self.vouched(msg)
        ):
            return False
        if not force and self.loser(msg.vector) and on("refuse-losers"):
            return False
        if not super().absorb(msg, wall):
            return False
        self.spoke[msg.lineage[-1]] = dict(msg.vector)
        return True

    def loser(self, vector):
        """Has who is at this vector absorbed an eviction that a resolution known here names, and not the one chosen?
        Such a store returns, it does not merge; unless this one has lost as well."""
        return lost(vector, self.links()) and not lost(self.vector, self.links())

    def vouched(self, msg):
        """The sender counts me, and was admitted, through whatever sponsors, by a member I know: all others I know
        may be gone by now, and without this I would refuse everybody for ever."""
        return on("vouched") and self.rid in msg.members and any(self.is_member(s) for s, _ in msg.sponsors)

    def purge(self):
        if self.rid in self.members() and not (self.fork() and on("fork-stops-purge")):
            super().purge()


def dead_links(links):
    """What resolutions name, and what was built on it."""
    dead = {x for _, _, losers in links.values() for x in losers}
    while more := {i for i, (parent, _, _) in links.items() if parent in dead} - dead:
        dead |= more
    return dead


def fork_of(links):
    """Two evictions decided on one membership, of which resolutions leave not exactly one. A resolution evicts nobody
    and is no successor: two operators may give the same answer at once."""
    after = defaultdict(list)
    for i, (parent, evicted, _) in links.items():
        if evicted:
            after[parent].append(i)
    dead = dead_links(links)
    for parent, some in sorted(after.items()):
        if len(some) > 1 and parent not in dead and len([i for i in some if i not in dead]) != 1:
            return tuple(sorted(some))
    return ()


def lost(vector, links):
    """Covers an eviction that a resolution names, and none of those that stand beside it."""
    dead = dead_links(links)
    return any(
        covers(vector, i)
        and not any(
            covers(vector, j)
            for j, (parent, evicted, _) in links.items()
            if parent == links[i][0] and evicted and j not in dead
        )
        for i in dead
        if i in links and links[i][0] not in dead
    )


def tip_of(links):
    dead, tip = dead_links(links), GENESIS
    while nxt := [i for i, (parent, evicted, _) in links.items() if evicted and parent == tip and i not in dead]:
        tip = min(nxt)
    return tip
