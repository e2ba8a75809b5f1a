"""What happens to a store besides messages: clients write, operators act, disks and clocks fail."""

from dataclasses import dataclass, field

from tests.model.cells import at_least
from tests.model.conflicts import forked

__all__ = ["POWERLESS", "PROFILES", "Upsets"]


@dataclass
class Profile:
    """How often, per thousand steps: `upset` is what operators and disks do, drawn from the others."""

    upset: int = 30
    split: int = 10  # the network parts in two, and each side evicts of the other
    evict: int = 30
    resolve: int = 30
    leave: int = 5
    wipe: int = 10
    restore: int = 10
    churn: int = 0  # a disk is lost, and lost again before those who admitted it have met
    power: int = 0  # what was not synced is lost, under `normal`
    clocks: int = 20  # how often a clock is set back
    skewed: int = 300
    keys: dict = field(default_factory=lambda: {"d0": ["lww", "rw"], "d1": ["aw"], "d2": ["cnt"]})
    names: int = 2


PROFILES = (
    Profile(),
    Profile(upset=90, split=40, evict=40, resolve=60, wipe=2, restore=2),
    Profile(upset=80, split=10, evict=20, wipe=40, restore=80, leave=10),
    Profile(upset=40, wipe=40, restore=40, clocks=60, skewed=600),
    Profile(upset=60, wipe=30, split=20, evict=10, restore=0, churn=60),
    Profile(upset=50, evict=80, split=5, leave=10, skewed=0, clocks=0, keys={"d0": ["rw"], "d1": ["rw"]}, names=1),
)


POWERLESS = (
    Profile(upset=60, split=5, evict=20, resolve=20, wipe=5, restore=20, power=80, clocks=0, skewed=0),
    Profile(upset=80, evict=10, restore=0, power=80, clocks=0, keys={"d0": ["rw"], "d1": ["rw"]}, names=1),
    Profile(upset=60, evict=40, restore=5, wipe=20, power=60, keys={"d0": ["aw", "lww"], "d1": ["cnt"]}),
)


class Upsets:
    """What a client, an operator or a disk does at one colo."""

    def write(self, c):
        r = self.rnd
        bases = self.saved[c.st.rid]
        base = r.choice(bases) if bases and r.random() < 0.3 else None
        if not c.speaks() or (base and not at_least(c.st.vector, base.vector)):
            return
        keys = r.sample(sorted(self.keys), r.choice([1, 1, 2]))
        work = [(key, self.operation(r.choice(self.keys[key]))) for key in keys]
        self.stats.writes += bool(c.commit(work, base))

    def operation(self, root):
        r = self.rnd
        x, e, gone = r.randrange(1, 1000), r.randrange(self.profile.names), r.random() < 0.4
        if root == "cnt":
            adds = [lambda d: d.add(("cnt",), x % 9 - 3 or 1)] * 3
            return r.choice([*adds, lambda d: d.reset(("cnt",)), lambda d: d.reset(("cnt",), dead=True)])
        if root == "lww":
            return (lambda d: d.delete_leaf("lww")) if gone else (lambda d: d.put_leaf("lww", x))
        return lambda d: d.element(root, e, None if gone else x)

    # disks and operators

    def split(self, c, others):
        """Each side evicts of the other, now or later."""
        r = self.rnd
        self.side = {x.name for x in r.sample(self.colos, len(self.colos) // 2)}
        self.parted = self.t + r.randrange(20, 80)
        for x in r.sample(self.colos, 2):
            self.evict(x, [])

    def evict(self, c, others):
        there = [o for o in self.colos if (o.name in self.side) != (c.name in self.side)]
        if self.t >= self.parted or not there:
            there = [o for o in self.colos if o is not c]
        if c.speaks() and not forked(c.st) and len(c.st.members()) > 2:
            c.evict(self.rnd.choice(there).name)

    def resolve(self, c, others):
        for x in [x for x in self.speaking() if forked(x.st)][:1]:
            x.resolve()

    def leave(self, c, others):
        if c.speaks() and len(others) > 1:
            c.leave()

    def wipe(self, c, others):
        if len(others) > 1:
            c.wipe()

    def power(self, c, others):
        if others:
            c.lose_power()

    def churn(self, c, others):
        if len(others) > 1:
            for sponsor in self.rnd.sample(others, 2):
                c.wipe()
                c.join(sponsor)

    def restore(self, c, others):
        if c.copies and others:
            c.restore()
