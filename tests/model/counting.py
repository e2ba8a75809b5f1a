"""Counters: one share per replica, which only grows; increments with a request's name.

Nothing puts a tombstone over another's cell: it is cancelled, and dead when the counter was deleted.
"""

from tests.model.cells import counted, covers, is_counter, live, once_of, share_of
from tests.model.guards import on

__all__ = ["DAY", "Counting"]


DAY = 12  # before a once-increment may be folded


class Counting:
    """Counters, at the root `("cnt",)` or below a json path."""

    def counter_cells(self, p):
        return [q for q in self.cells if q[:-1] == p and q[-1][0] in "co" and self.cells[q]]

    def own_share(self, p):
        """A share that was dropped does not begin at 0 again: an old reset may be on its way. One that is not shown
        counts from there, cancelled."""
        sibs = self.cells.get(p + (("c", self.rep.rid),), {})
        least = self.rep.share_floor if on("counter-restart") else 0
        up, up_gone, down, down_gone = share_of(sibs) if sibs else (least,) * 4
        return (up, up_gone, down, down_gone) if self.counts_here(p) else (up, up, down, down)

    def counts_here(self, p):
        """Is anything of the counter shown, deleted or expired as others may be?"""
        here = self.tree().cells
        return any(live(here[q]) for q in here if q[:-1] == p and q[-1][0] in "co")

    def add(self, p, n):
        self.write(p + (("c", self.rep.rid),), ("c", plus(self.own_share(p), n), False), all=on("counter-max"))
        self.counts.append((p, "add", n))

    def once(self, p, request, n):
        q = p + (("o", request),)
        if not self.tree().cells.get(q):
            self.write(q, ("o", (n, 0, 0), False), all=True)
            self.counts.append((p, "once", (request, n)))

    def reset(self, p, dead=False):
        """Takes away what the base shows, exactly; `dead` is a delete."""
        if not self.counts_here(p):
            return
        seen = {q: counted(q, self.cells[q]) for q in self.counter_cells(p)}
        if self.base is not None:
            seen = {q: said for q, said in self.base.counters.get(self.key, {}).items() if q[:-1] == p}
        for q, said in seen.items():
            if said is not None and self.cells.get(q):
                self.cancel(q, said, dead)
        self.counts.append((p, "reset", (self.truth, None)))

    def cancel(self, q, said, dead):
        """What was said is gone, if it is not already. What the base had not seen stays alive beside a delete."""
        sibs = self.cells[q]
        now, gone = counted(q, sibs), cancelled(q, said, dead)
        if now is None or not (now != joined_count(q, now, gone[1]) or (dead and self.knows_live(q))):
            return
        unseen = [d for _, d, _ in live(sibs) if not covers(self.known, d) and d != self.dot]
        if q[-1][0] == "c" and not (dead and unseen):
            share = joined_count(q, now, gone[1])
            self.write(q, ("c", share, dead and share == cancelled(q, share, dead)[1]), all=True)
        else:
            self.write(q, gone)

    def bury(self, p, all=True):
        """Replace what stands in this cell by nothing: what a counter's cell counts is cancelled."""
        said = counted(p, self.cells[p]) if is_counter(p) and on("counter-cancel") else None
        self.write(p, None if said is None else cancelled(p, said, dead=True), all=all)

    def fold(self, p):
        """The owner's background act: a stable, day-old once-increment moves into its own share. No reading changes."""
        own, share, made = p + (("c", self.rep.rid),), self.own_share(p), self.made
        for q in self.counter_cells(p):
            once = once_of(self.cells[q]) if q[-1][0] == "o" and self.ripe(self.cells[q]) else None
            if once is None or once[1] != self.rep.rid:
                continue
            (amount, folded, gone), _ = once
            if not folded and not gone:
                self.write(q, ("o", (amount, 1, 0), False), all=True)
                share = plus(share, amount)
            else:
                self.write(q, None, all=True)
                share = minus_folded(share, amount) if folded == 1 and gone else share
        if self.made > made:  # also where it is as it was: else the counter could turn from 0 to absent
            self.write(own, ("c", share, False), all=True)

    def ripe(self, sibs):
        """Stable, and old enough that nobody tries it again; not dead."""
        newest = max(s[0] for s in sibs.values())
        return live(sibs) and newest <= self.stamp - DAY and (newest <= self.rep.S or not on("once-stable"))


def joined_count(path, now, more):
    """The max of each part, of a share or of a once-increment's flags."""
    if path[-1][0] == "c":
        return tuple(map(max, now, more))
    return tuple(map(max, now[0], more)), now[1]


def plus(share, n):
    up, up_gone, down, down_gone = share
    return (up + n, up_gone, down, down_gone) if n >= 0 else (up, up_gone, down - n, down_gone)


def minus_folded(share, n):
    """With `n`, once added by `plus`, cancelled."""
    up, up_gone, down, down_gone = share
    return (up, up_gone + n, down, down_gone) if n >= 0 else (up, up_gone, down, down_gone - n)


def cancelled(path, said, dead):
    """What a reset writes that saw this: all of a share is gone, of a once-increment what was not folded."""
    if path[-1][0] == "c":
        up, _, down, _ = said
        return ("c", (up, up, down, down), dead)
    (amount, folded, gone), _ = said
    return ("o", (amount, 2, gone) if folded and on("once-reset-folded") else (amount, folded, 1), dead)
