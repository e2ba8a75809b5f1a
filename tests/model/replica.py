"""A replica: cells under a vector. Three things change a cell: `commit`, a wish; `receive` and `absorb`, facts;
`purge`, a forgetting.
"""

from collections import defaultdict

from tests.model.cells import (
    TTL,
    at_least,
    counted,
    covers,
    grouped,
    in_sweep,
    is_counter,
    join,
    join_context,
    joined,
    share_of,
)
from tests.model.draft import Base, Draft
from tests.model.forgetting import QUANTUM, dropped
from tests.model.guards import on
from tests.model.history import History, told
from tests.model.messages import CatchUp, Record
from tests.model.reading import Tree, present

__all__ = ["Replica"]


class Replica:
    """Cells under a vector, changed by `commit` (a wish), `receive` and `absorb` (facts) and `purge` (a forgetting)."""

    drag = 60  # how far a received stamp may pull a clock past its wall time

    def __init__(self, rid, members=None):
        self.rid, self._members = rid, members
        self.vector, self.heard, self.announced, self.last = {}, {}, {}, {}
        self.cells, self.contexts = {}, {}
        self.clock = self.S = self.share_floor = self.purges = 0
        self.F = {}
        self.waiting, self.touched, self.changed = [], set(), set()
        self.history = defaultdict(History)

    def members(self):
        return self._members

    # time
    def tick(self, wall):
        self.clock = max(self.clock + 1, wall)
        return self.clock

    def observe(self, stamp, wall):
        self.clock = max(self.clock, min(stamp, wall + self.drag))

    def restart(self):
        """The clock reopens above all it has spoken; the first record carries the whole vector."""
        self.last = {} if on("restart-vector") else dict(self.vector)
        if not on("heard-promise"):
            mine = [s[0] for k in self.cells.values() for c in k.values() for d, s in c.items() if d[0] == self.rid]
            self.clock = max(mine, default=0)

    # a wish
    def commit(self, work, wall, oracle, base=None):
        """`work`: [(key, function of a Draft)]. The record, or None when nothing changes."""
        n = self.vector.get(self.rid, 0) + 1
        dot, stamp = (self.rid, n), max(self.clock + 1, wall)
        drafts = [d for key, operate in work for d in [drafted(self, key, operate, dot, stamp, base)] if d]
        if not drafts:
            return None
        before, self.clock = dict(self.vector), stamp
        writes, lives = [], []
        for draft in drafts:
            life = draft.was_absent and present(draft.cells, draft.stamp)
            if life:
                draft.start_life()
            oracle.minted(draft, before, life)
            replaced = dict(self.contexts.get(draft.key, {})) if life and on("life-context") else {}
            self.take_draft(draft, replaced, life)
            writes += [(draft.key, p, w.payload, frozenset(w.parents)) for p, w in draft.W.items()]
            lives.append((draft.key, replaced, life))
        self.heard[self.rid], self.vector[self.rid] = stamp, n
        deps = {r: m for r, m in before.items() if m != self.last.get(r, 0)}
        self.last = dict(self.vector)
        record = Record(dot, stamp, deps, self.S, writes, lives)
        self.announce()
        self.purge_to(0)
        return record

    def take_draft(self, draft, replaced, life):
        key, dot, history = draft.key, draft.dot, self.history[draft.key]
        history.touched(dot, self.vector, self.S)
        cells = self.cells.setdefault(key, {})
        for p, c in cells.items():
            for d in c.keys() - draft.cells[p].keys():
                history.keep(p, d, c[d], {dot})
        for p, w in draft.W.items():
            if w.payload and w.payload[0] == "sweep":
                history.swept(p, w.payload, dot)
        cells.update(draft.cells)
        for p, w in draft.W.items():
            cells[p][dot] = (draft.stamp, w.payload, frozenset(w.parents))
        self.tidy(key)
        if life:
            history.life(dot, replaced, self.S, cells)
            self.contexts[key] = {} if on("life-context") else self.contexts.get(key, {})
        self.contexts.setdefault(key, {})[dot[0]] = dot[1]
        self.note(key)

    # facts
    def receive(self, record, wall):
        """A record waits until what it builds on is here; then it replaces its parents."""
        self.waiting.append(record)
        self.release(wall)

    def release(self, wall):
        """The waiting records whose time has come."""
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
        for key, replaced, life in rec.lives:
            history, context = self.history[key], self.contexts.setdefault(key, {})
            history.touched(rec.dot, self.vector, rec.S)
            for q, m in replaced.items():
                if q in context and context[q] <= m:
                    del context[q]
            if life:
                history.life(rec.dot, replaced, rec.S, self.cells.get(key, {}))
            context[r] = n
            self.note(key)
        sweeps = [w for w in rec.writes if w[2] and w[2][0] == "sweep"]
        if on("sweep-first"):
            self.apply_sweeps(sweeps, rec.dot)
        for key, path, payload, parents in rec.writes:
            cells = self.cells.setdefault(key, {}).setdefault(path, {})
            self.history[key].also_replaced(path, parents - cells.keys(), rec.dot)
            for d in parents & cells.keys():
                self.history[key].keep(path, d, cells.pop(d), {rec.dot})
            cells[rec.dot] = (rec.stamp, payload, parents)
        if not on("sweep-first"):
            self.apply_sweeps(sweeps, rec.dot)
        for key, _, _ in rec.lives:
            self.tidy(key)
        self.vector[r] = n
        self.heard[r] = max(self.heard.get(r, 0), rec.stamp)
        self.observe(rec.stamp, wall)
        self.announce()
        self.purge_to(0)

    def apply_sweeps(self, sweeps, dot):
        for key, path, (_, seen, scope, *_), _ in sweeps if on("sweep-applied") else ():
            for p, c in self.cells.get(key, {}).items():
                if in_sweep(p, path, scope):
                    reach = [d for d in c if covers(seen, d) or not on("sweep-seen") or d == dot]
                    for d in reach:
                        self.history[key].keep(p, d, c.pop(d), {dot})
            self.history[key].swept(path, ("sweep", seen, scope), dot)

    def note(self, key):
        """This transaction changed the key."""
        self.touched.add(key)
        self.changed.add(key)

    def tidy(self, key):
        """The key context goes with the last cell."""
        cells = self.cells.get(key, {})
        for p in [p for p, c in cells.items() if not c]:
            del cells[p]
        if not cells:
            self.cells.pop(key, None)
            if on("context-dropped"):
                self.contexts.pop(key, None)

    def note_share(self, path, sibs):
        """An own share is dropped: the next begins above it."""
        if is_counter(path) and path[-1] == ("c", self.rid):
            up, _, down, _ = share_of(sibs)
            self.share_floor = max(self.share_floor, up, down)

    def tell(self, vector, wall):
        """A catch-up for a peer at `vector`: all, when it lacks some of what was dropped here."""
        if self.speaks():
            self.heard[self.rid] = self.tick(wall)
        self.announce()
        full = not vector or (not at_least(vector, self.F) and on("from-covers-F"))
        start = {} if full else dict(vector)
        cells, groups, contexts = {}, {}, {}
        for key, here in self.cells.items():
            new = {p for p, c in here.items() if any(not covers(start, d) for d in c)}
            if not new and not full:
                continue
            roots = {() if p == TTL and on("ttl-ships-key") else p for p in new} if on("group-ship") else set()
            if on("order-ship"):
                roots |= {p[:-1] + (("a", p[-1][1]),) for p in new if p and p[-1][0] == "e"}
            cells[key] = {p: dict(c) for p, c in here.items() if full or p in new or p in roots or grouped(p, roots)}
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
            self.join_key(key, msg)
        self.vector = joined(self.vector, msg.vector)
        self.heard = joined(self.heard, msg.heard)
        if msg.full or on("F-joined"):
            self.F = joined(self.F, msg.F)
        for m, said in msg.announced.items():
            self.announced[m] = max(said, self.announced.get(m, said))
        self.announce()
        self.purge_to(msg.S)
        self.release(wall)
        return True

    def join_key(self, key, msg):
        """What was not sent below a cell that was sent is gone there."""
        here, theirs, roots = self.cells.setdefault(key, {}), msg.cells.get(key, {}), msg.groups.get(key, ())
        mine, was = {p: dict(c) for p, c in here.items()}, dict(self.contexts.get(key, {}))
        for p in set(theirs) | {p for p in here if msg.full or p in roots or grouped(p, roots)}:
            here[p] = join(here.get(p, {}), self.vector, theirs.get(p, {}), msg.vector)
        for p in mine.keys() if on("counter-restart-joined") else ():
            if not here[p]:
                self.note_share(p, mine[p])  # it was dropped where this comes from
        self.contexts[key] = join_context(was, self.vector, msg.contexts.get(key, {}), msg.vector)
        self.note(key)
        self.remember(key, mine, was, msg)
        self.tidy(key)

    def remember(self, key, mine, was, msg):
        """What a catch-up leaves unknown of the key's past: nothing, what lies between then and now, or all of it."""
        history, here, now = self.history[key], self.cells[key], dict(self.contexts[key])
        came = [(p, d, s) for p, c in here.items() for d, s in c.items() if d not in mine.get(p, {})]
        squashed = not told(mine, here, self.vector)
        for p, c in mine.items():
            for d in c.keys() - here.get(p, {}).keys():
                history.keep(p, d, c[d], until=now)
        life = any(p == () and s[1][2] is None for p, _, s in came)
        reborn = not was and (history.rows or history.lives)
        if msg.full or (on("history-new-life") and (life or reborn or any(r not in now for r in was))):
            history.begin_again(now, here)
        elif squashed or (on("history-gap-floor") and history.deleted and msg.S):
            history.gap({r: self.vector.get(r, 0) for r, n in msg.vector.items() if n > self.vector.get(r, 0)}, now)
        else:
            for p, d, s in came:
                history.also_replaced(p, s[2], d)

    # forgetting
    def announce(self):
        """How much I have absorbed, which says which of two words is the later; my low; what I know of who belongs."""
        if self.speaks():
            low = min(self.heard.get(m, 0) for m in self.members())
            self.announced[self.rid] = (sum(self.vector.values()), low, self.facts())

    def speaks(self):
        return True

    def facts(self):
        return ()

    def agreed(self):
        return True

    def stable(self):
        """Everything stamped up to here is known to have been heard by every member; 0 if that is not known."""
        if not self.agreed():
            return 0
        said = self.announced if on("floor-announced") else dict.fromkeys(self.members(), self.announced[self.rid])
        return min(said[m][1] if m in said else 0 for m in self.members()) // QUANTUM * QUANTUM

    def purge(self):
        self.announce()
        self.purge_to(self.stable())

    def purge_to(self, S):
        """Also without a higher floor: what this transaction changed is looked at again."""
        keys = set(self.cells) if S > self.S else self.changed & self.cells.keys()
        self.purges += S > self.S
        self.changed = set()
        if S > self.S or on("purge-again"):
            self.S = max(S, self.S)
            for key in sorted(keys) if self.S else ():
                self.forget(key)

    def forget(self, key):
        cells, history = self.cells[key], self.history[key]
        for p in dropped(cells, self.S, self.clock):
            for d, s in cells[p].items():
                self.F[d[0]] = max(self.F.get(d[0], 0), d[1])
                history.keep(p, d, s)
            self.note_share(p, cells.pop(p))
            self.touched.add(key)
        if not on("whole-cell"):
            for c in cells.values():
                for d in [d for d, s in c.items() if s[1] is None and s[0] <= self.S and len(c) > 1]:
                    del c[d]
        self.tidy(key)

    # questions
    def visible(self, key):
        return Tree(self.cells.get(key, {}), self.clock).key()

    def base(self, keys):
        """What a client that read these keys now may give as its base later."""
        counters = {k: {p: counted(p, c) for p, c in self.cells.get(k, {}).items() if is_counter(p)} for k in keys}
        return Base(dict(self.vector), {k: dict(self.contexts.get(k, {})) for k in keys}, counters)


def drafted(rep, key, operate, dot, stamp, base):
    """The draft of an operation, None when it writes nothing."""
    draft = Draft(rep, key, dot, stamp, base)
    draft.clear_expired()
    operate(draft)
    return draft if draft.made else None
