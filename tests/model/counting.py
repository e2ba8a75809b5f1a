"""Counters: one share per replica, which only grows; increments with a request's name."""

from tests.model.cells import cell_total, counter_cell, is_counter, live, once_of
from tests.model.guards import on

__all__ = ["DAY", "Counting", "fold"]


DAY = 12  # before a once-increment may be folded


class Counting:
    """Counters, at the root `("cnt",)` or below a json path."""

    def counter_cells(self, p):
        return [q for q in self.cells if q[:-1] == p and q[-1][0] in "co" and self.cells[q]]

    def add(self, p, n):
        q = p + (("c", self.rep.rid),)
        sibs = self.cells.get(q, {})
        total, cancelled = counter_cell(sibs)
        if not sibs and on("counter-restart"):
            total = cancelled = self.rep.dropped_total
        if not on("counter-max"):
            self.write(q, ("c", total + n, cancelled, False))
        else:
            self.write(q, ("c", total + n, cancelled, False), all=True)
        self.counts.append((p, "add", n))

    def once(self, p, request, n):
        q = p + (("o", request),)
        if any(s[1] for s in self.cells.get(q, {}).values()):
            return
        self.write(q, ("o", n, self.dot, False, False, False), all=True)
        self.counts.append((p, "once", (request, n)))

    def reset(self, p, dead=False, everything=False):
        """Takes away what the base shows, exactly; `dead` is a delete; `everything` whatever stands (create, clear)."""
        if not any(live(self.cells[q]) for q in self.counter_cells(p)):
            return
        totals = {q: cell_total(self.cells[q]) for q in self.counter_cells(p)}
        if self.base is not None and not everything:
            totals = {q: t for q, t in self.base.totals.get(self.key, {}).items() if q[:-1] == p}
        for q, (total, once) in totals.items():
            sibs = self.cells.get(q, {})
            if q[-1][0] == "c":
                if everything or live(sibs):
                    self.write(q, ("c", total, total, dead), all=everything)
            elif once is not None and live(sibs):
                if once[2] and on("once-reset-folded"):
                    self.write(q, None, all=everything)
                else:
                    origin = min(s[1][2] for s in sibs.values() if s[1])
                    self.write(q, ("o", once[0], origin, once[2], True, dead), all=everything)
        self.counts.append((p, "reset", self.before if everything else self.truth))

    def bury(self, p):
        """Replace all that stands in this cell by nothing."""
        if is_counter(p) and on("counter-cancel"):
            total, once = cell_total(self.cells[p])
            if p[-1][0] == "c":
                self.write(p, ("c", total, total, True), all=True)
            elif once is not None:
                self.reset_once_dead(p, once)
            else:
                self.write(p, None, all=True)
        else:
            self.write(p, None, all=True)

    def reset_once_dead(self, p, once):
        origin = min(s[1][2] for s in self.cells[p].values() if s[1])
        self.write(p, None if once[2] else ("o", once[0], origin, False, True, True), all=True)


def fold(draft, p):
    """The owner's background act: a stable, day-old once-increment moves into its own total."""
    rep = draft.rep
    for q in draft.counter_cells(p):
        sibs = draft.cells[q]
        once = once_of(sibs) if q[-1][0] == "o" else None
        if once is None or once[1] != rep.rid:
            continue
        if (on("once-stable") and any(s[0] > rep.S for s in sibs.values())) or any(
            s[0] > draft.stamp - DAY for s in sibs.values()
        ):
            continue
        amount, _, folded, cancelled = once
        own = p + (("c", rep.rid),)
        cell = draft.cells.get(own, {})
        total, gone = counter_cell(cell)
        if not cell:
            total = gone = rep.dropped_total
        origin = min(s[1][2] for s in sibs.values() if s[1])
        if not folded and not cancelled:
            draft.write(own, ("c", total + amount, gone, False), all=True)
            draft.write(q, ("o", amount, origin, True, False, False), all=True)
        else:
            if folded and cancelled:
                draft.write(own, ("c", total, gone + amount, not live(cell)), all=True)
            draft.write(q, None, all=True)
