"""A replica: cells under a vector. Three things change a cell: `commit`, a wish; `receive` and `absorb`, facts;
`purge`, a forgetting.
"""

from collections import defaultdict

from tests.model.cells import (
    TTL,
    at_least,
    cell_total,
    counter_cell,
    covers,
    grouped,
    in_sweep,
    is_counter,
    join,
    join_context,
    joined,
)
from tests.model.draft import Base, Draft
from tests.model.forgetting import QUANTUM, droppable
from tests.model.guards import on
from tests.model.history import History
from tests.model.messages import CatchUp, Record
from tests.model.reading import Tree, present

__all__ = ["DRAG", "Replica"]


DRAG = 60  # how far a received stamp may pull a clock past its wall time


class Replica:
    """Cells under a vector, changed by `commit` (a wish), `receive` and `absorb` (facts) and `purge` (a forgetting)."""

    def __init__(self, rid, members=None):
        self.rid, self._members = rid, members
        self.vector, self.heard, self.announced, self.last = {}, {}, {}, {}
        self.cells, self.contexts = {}, {}
        self.clock = self.S = self.spoken = 0
        self.F, self.dropped_total, self.purges = {}, 0, 0
        self.waiting, self.touched = [], set()
        self.history = defaultdict(History)

    def members(self):
        return self._members

    # time
    def tick(self, wall):
        self.clock = max(self.clock + 1, wall)
        return self.clock

    def observe(self, stamp, wall):
        self.clock = max(self.clock, min(stamp, wall + DRAG))

    def restart(self):
        """The clock reopens above all it has spoken; the first record carries the whole vector."""
        self.last = {}
        if not on("heard-promise"):
            self.clock = max(
                [s[0] for k in self.cells.values() for c in k.values() for d, s in c.items() if d[0] == self.rid],
                default=0,
            )

    # a wish
    def commit(self, work, wall, oracle, base=None):
        """`work`: [(key, function of a Draft)]. The record, or None when nothing changes."""
        n = self.vector.get(self.rid, 0) + 1
        dot, stamp, drafts = (self.rid, n), max(self.clock + 1, wall), []
        for key, operate in work:
            draft = Draft(self, key, dot, stamp, base)
            draft.clear_expired()
            cleared = draft.made
            operate(draft)
            if draft.made > cleared:
                drafts.append(draft)
        if not drafts:
            return None
        before = dict(self.vector)
        self.clock, self.heard[self.rid], self.vector[self.rid] = stamp, stamp, n
        writes, lives = [], []
        for draft in drafts:
            life = draft.was_absent and present(draft.cells, draft.stamp)
            if life:
                draft.start_life()
            key = draft.key
            oracle.minted(draft, before, life)
            whole, cells, history = key not in self.cells, self.cells.setdefault(key, {}), self.history[key]
            for p, c in cells.items():
                for d in c.keys() - draft.cells[p].keys():
                    history.superseded(p, d, c[d], {dot})
            for p, w in draft.W.items():
                history.arrived(p, dot, w.payload, w.parents, whole)
            for p, c in draft.cells.items():
                cells[p] = c
            for p, w in draft.W.items():
                cells[p][dot] = (stamp, w.payload, frozenset(w.parents))
                writes.append((key, p, w.payload, frozenset(w.parents)))
            for p in [p for p, c in cells.items() if not c]:
                del cells[p]
            context = self.contexts.setdefault(key, {})
            replaced = dict(context) if life and on("life-context") else {}
            if replaced:
                context = self.contexts[key] = {}
            context[self.rid] = n
            if replaced:
                history.lives[dot] = replaced
            lives.append((key, replaced))
            self.touched.add(key)
        deps = {r: m for r, m in before.items() if m != self.last.get(r, 0)}
        self.last = dict(self.vector)
        return Record(dot, stamp, deps, self.S, writes, lives)

    # facts
    def receive(self, record, wall):
        """A record waits until what it builds on is here; then it replaces its parents."""
        self.waiting.append(record)
        again = True
        while again:
            again = False
            for rec in list(self.waiting):
                ready = self.ready(rec)
                if ready is not None:
                    self.waiting.remove(rec)
                if ready:
                    self.apply(rec, wall)
                    again = True

    def ready(self, rec):
        """True: absorb now; False: forget it; None: wait."""
        r, n = rec.dot
        if covers(self.vector, rec.dot):
            return False
        next_of_r = n == self.vector.get(r, 0) + 1
        lacks = any(m > self.vector.get(q, 0) for q, m in rec.deps.items() if q != r)
        return None if on("record-deps") and (lacks or not next_of_r) else True

    def apply(self, rec, wall):
        r, n = rec.dot
        if on("purge-first"):
            self.purge_to(rec.S)
        sweeps = [w for w in rec.writes if w[2] and w[2][0] == "sweep"]
        if on("sweep-first"):
            self.apply_sweeps(sweeps, rec.dot)
        whole = {key for key, _ in rec.lives if key not in self.cells}
        for key, path, payload, parents in rec.writes:
            cells = self.cells.setdefault(key, {}).setdefault(path, {})
            for d in parents:
                if d in cells:
                    self.history[key].superseded(path, d, cells.pop(d), {rec.dot})
            self.history[key].arrived(path, rec.dot, payload, parents, key in whole)
            cells[rec.dot] = (rec.stamp, payload, parents)
        if not on("sweep-first"):
            self.apply_sweeps(sweeps, rec.dot)
        for key, replaced in rec.lives:
            context = self.contexts.setdefault(key, {})
            for q, m in replaced.items():
                if q in context and context[q] <= m:
                    del context[q]
            context[r] = n
            if replaced:
                self.history[key].lives[rec.dot] = replaced
            self.touched.add(key)
        self.vector[r] = n
        self.heard[r] = max(self.heard.get(r, 0), rec.stamp)
        self.observe(rec.stamp, wall)
        self.announce()

    def apply_sweeps(self, sweeps, dot):
        for key, path, (_, seen, below, _), _ in sweeps if on("sweep-applied") else ():
            for p, c in self.cells.get(key, {}).items():
                if in_sweep(p, path, below):
                    for d in [
                        d for d in c if covers(seen, d) or not on("sweep-seen") or (not on("sweep-first") and d == dot)
                    ]:
                        self.history[key].superseded(p, d, c.pop(d), {dot})
            self.tidy(key)

    def tidy(self, key):
        cells = self.cells.get(key, {})
        for p in [p for p, c in cells.items() if not c]:
            del cells[p]
        if not cells:
            self.cells.pop(key, None)

    def note_own_total(self, path, sibs):
        if is_counter(path) and path[-1] == ("c", self.rid):
            self.dropped_total = max(self.dropped_total, counter_cell(sibs)[0])

    def tell(self, vector, wall):
        """A catch-up for a peer at `vector`: all, when it lacks some of what was dropped here."""
        self.heard[self.rid] = self.tick(wall)
        self.announce()
        full = not vector or not at_least(vector, self.F)
        start = {} if full else dict(vector)
        cells, groups, contexts = {}, {}, {}
        for key, here in self.cells.items():
            new = {p for p, c in here.items() if any(not covers(start, d) for d in c)}
            if not new and not full:
                continue
            roots = {() if p == TTL and on("ttl-ships-key") else p for p in new} if on("group-ship") else set()
            cells[key] = {p: dict(c) for p, c in here.items() if full or p in new or grouped(p, roots)}
            groups[key] = roots
            contexts[key] = dict(self.contexts.get(key, {}))
        return CatchUp(
            start,
            dict(self.vector),
            dict(self.heard),
            cells,
            groups,
            contexts,
            dict(self.announced),
            self.S,
            dict(self.F),
            full,
        )

    def absorb(self, msg, wall):
        """Join, contexts, vector, announcements, and only then the sender's floor."""
        if on("catch-up-from") and not at_least(self.vector, msg.start):
            return False
        if not on("join-first"):
            self.purge_to(msg.S)
        for stamp in msg.heard.values():
            self.observe(stamp, wall)
        for key in set(msg.cells) | (set(self.cells) if msg.full else set()):
            before = {p: dict(c) for p, c in self.cells.get(key, {}).items()}
            was = dict(self.contexts.get(key, {}))
            here, theirs, roots = self.cells.setdefault(key, {}), msg.cells.get(key, {}), msg.groups.get(key, ())
            for p in set(theirs) | {p for p in here if msg.full or grouped(p, roots)}:
                self.note_own_total(p, here.get(p, {}))
                here[p] = join(here.get(p, {}), self.vector, theirs.get(p, {}), msg.vector)
            self.contexts[key] = join_context(
                self.contexts.get(key, {}), self.vector, msg.contexts.get(key, {}), msg.vector
            )
            self.touched.add(key)
            self.remember(key, before, was, msg)
            self.tidy(key)
            if key not in self.cells:
                self.contexts.pop(key, None)
        self.vector = joined(self.vector, msg.vector)
        self.heard = joined(self.heard, msg.heard)
        if msg.full:
            self.F = joined(self.F, msg.F)
        for m, a in msg.announced.items():
            self.announced[m] = max(a, self.announced.get(m, (0, 0, ())))
        self.announce()
        self.purge_to(msg.S)
        return True

    def remember(self, key, before, was, msg):
        """What a catch-up took away, by what; and what it squashed."""
        history, here, now = self.history[key], self.cells[key], dict(self.contexts.get(key, {}))
        new = {p: {d: s for d, s in c.items() if d not in before.get(p, {})} for p, c in here.items()}
        sweeps = {(p, d): s[1] for p, c in new.items() for d, s in c.items() if s[1] and s[1][0] == "sweep"}
        squashed = any(not covers(self.vector, q) for c in new.values() for s in c.values() for q in s[2]) and on(
            "history-gap-parents"
        )
        squashed |= on("history-gap-sweeps") and any(not at_least(self.vector, p[1]) for p in sweeps.values())
        for p, c in before.items():
            for d in c.keys() - here.get(p, {}).keys():
                by = {e for e, s in new.get(p, {}).items() if d in s[2]}
                by |= {e for (q, e), (_, seen, scope, _) in sweeps.items() if covers(seen, d) and in_sweep(p, q, scope)}
                if not on("history-by-dot"):
                    by = set()
                if by or (not new.get(p) and not here.get(p)):
                    history.superseded(p, d, c[d], by, purged=not by)
                else:
                    history.superseded(p, d, c[d], (), after=now)
                    squashed = True
        dropped = {r: n for r, n in was.items() if now.get(r, 0) < n} if on("history-lives-squashed") else {}
        lives = {e: seen for (p, e), (_, seen, _, _) in sweeps.items() if p == ()}
        if dropped and len(lives) == 1:  # lives between were squashed: this one replaced what they did
            lives = {e: joined(seen, dropped) for e, seen in lives.items()}
        elif dropped:
            history.horizon = joined(history.horizon, now)
        history.lives.update(lives)
        for p, c in new.items():
            for d, s in c.items():
                history.arrived(p, d, s[1], s[2], not before)
        if squashed:
            history.gap(was, now)
        if msg.full:
            history.horizon = joined(history.horizon, now)

    # forgetting
    def announce(self):
        members = self.members()
        if self.rid in members:
            self.announced[self.rid] = (
                min(self.heard.get(m, 0) for m in members),
                self.vector.get(self.rid, 0),
                tuple(sorted(self.retired().items())),
            )

    def retired(self):
        """What is absorbed here of who is no member any more: no member's low speaks of it, it is announced apart."""
        members = set(self.members())
        return {r: n for r, n in self.vector.items() if r not in members}

    def purge(self):
        said = [self.announced.get(m, (0, 0, ())) for m in self.members()]
        if on("announced-n") and any(
            self.vector.get(m, 0) < n for m, (_, n, _) in zip(self.members(), said, strict=True)
        ):
            return
        retired = self.retired()
        if on("announced-retired") and any(not at_least(dict(had), retired) for _, _, had in said):
            return
        self.purge_to(min(low for low, _, _ in said) // QUANTUM * QUANTUM)

    def purge_to(self, S):
        if S <= self.S:
            return
        self.S = S
        self.purges += 1
        for key in list(self.cells):
            self.touched.add(key)
            cells = self.cells[key]
            for p in self.to_drop(cells, S):
                if p not in cells:
                    continue
                for d in cells[p]:
                    self.F[d[0]] = max(self.F.get(d[0], 0), d[1])
                self.note_own_total(p, cells[p])
                for d, s in cells[p].items():
                    self.history[key].superseded(p, d, s, (), purged=True)
                del cells[p]
            self.tidy(key)
            if key not in self.cells and on("context-dropped"):
                self.contexts.pop(key, None)

    def to_drop(self, cells, S):
        drop = droppable(cells, S, self.clock)
        if not on("whole-cell"):
            for c in cells.values():
                for d in [d for d, s in c.items() if s[1] is None and s[0] <= S and len(c) > 1]:
                    del c[d]
        return drop

    # questions
    def visible(self, key):
        return Tree(self.cells.get(key, {}), self.clock).key()

    def base(self, keys):
        """What a client that read these keys now may give as its base later."""
        totals = {k: {p: cell_total(c) for p, c in self.cells.get(k, {}).items() if is_counter(p)} for k in keys}
        return Base(
            dict(self.vector),
            {k: dict(self.contexts.get(k, {})) for k in keys},
            {k: self.visible(k) for k in keys},
            totals,
        )
