"""What each replica must show, from every write ever, by whole vectors, nothing purged.

Where replicas have key contexts, parents and joins, this has for each write what its writer had seen.
"""

from collections import defaultdict
from dataclasses import dataclass

from tests.model.cells import KIND, covers, is_counter, raise_to
from tests.model.draft import expired_paths
from tests.model.guards import WHOLE
from tests.model.reading import Tree
from tests.model.taken import counted_by

__all__ = ["Event", "Oracle", "chain", "cleared"]


@dataclass
class Event:
    dot: tuple
    path: tuple
    payload: tuple
    stamp: int
    cover: dict
    also: set


class Oracle:
    """What every write said and had seen. A sibling stands at V iff V covers it and covers nothing that replaced it."""

    def __init__(self):
        self.events, self.clears, self.counts = defaultdict(list), defaultdict(list), defaultdict(list)
        self.memo = defaultdict(dict)

    def minted(self, draft, before, life):
        key, dot = draft.key, draft.dot
        for p, w in draft.W.items():
            self.events[key].append(Event(dot, p, w.truth, draft.stamp, before if w.all else draft.truth, w.lost))
            if w.truth and w.truth[0] == "sweep" and p:
                self.clears[key].append((dot, p, None, w.truth[1], w.truth[2]))
        self.clear_expired(draft, before)
        for q, kind in draft.created:
            self.clears[key].append((dot, q, kind, before, None))
        if draft.fresh_orders:
            self.clears[key].append((dot, (), None, before, frozenset(draft.fresh_orders)))
        if life:
            self.clears[key].append((dot, (), None, before, None))
        for path, what, arg in draft.counts:
            self.counts[key].append((dot, path, what, arg))

    def base_of(self, key, path, dot):
        return next(e.cover for e in self.events[key] if e.dot == dot and e.path == path)

    def reminted(self, item, st, new, anew):
        """A write that came back replaced what its writer had seen, or what that was minted `anew` from (dot -> dot),
        or all of what reads as absent."""
        key, path, old = item.key, item.path, item.dot
        lives = {old, *chain(old, anew)}
        before = [e for e in self.events[key] if e.path == path and e.dot in lives]

        def had_seen(dot):
            return any(covers(e.cover, dot) or dot in e.also for e in before)

        for e in self.events[key]:
            if e.dot == new and e.path == path:
                e.also = {d for d in e.also if any(item.covered(x) or had_seen(x) for x in (d, *chain(d, anew)))}
        self.memo[key].clear()
        if path[-1][0] == "c":
            self.counted_again(key, path, st, (old, *(dot for _, dot in counted_by(st, key, path))), new)

    def counted_again(self, key, path, st, olds, new):
        """A share came back in its own cell: of the adds and resets that its sibling said, and who had reset it and
        came back before, those that nobody had seen. Resets of others too: their writer's share says that they took
        from it."""
        known, counter, rid = [self.base_of(key, path, old) for old in olds], path[:-1], path[-1][1]

        def said(dot):
            return (dot in olds or any(covers(v, dot) for v in known)) and not covers(st.vector, dot)

        log = [c for c in self.counts[key] if c[1] == counter and said(c[0])]
        resets = [c[3] for c in log if c[2] == "reset"] + self.cleared_counts(key, said, counter)
        adds = [(c[3], (c[0],)) for c in log if c[2] == "add"]
        adds += [(n, (*dots, dot)) for dot, _, what, arg in log if what == "again" for n, dots in [arg]]
        self.counts[key] += [(new, counter, "again", (n, dots)) for n, dots in adds if dots[0][0] == rid]
        self.counts[key] += [(new, counter, "reset", (r, rid)) for r, only in resets if only in (None, rid)]

    def clear_expired(self, draft, before):
        """What a passed date hid goes for good once something is written. (Of a counter it was cancelled, by a write of
        its own, and what was dead stays, unless a purge has left nothing of it to cancel.)"""
        key, dot = draft.key, draft.dot
        cells = self.cells(key, before)
        tree = Tree(cells, draft.stamp)
        if tree.date is None:
            return
        hidden = frozenset(expired_paths(cells, tree))
        gone = frozenset(p for p in hidden if not is_counter(p) or not draft.cells.get(p))
        self.clears[key].append((dot, (), None, before, gone))
        for p in hidden:
            if p[-1][0] == "c":
                self.counts[key].append((dot, p[:-1], "reset", (before, p[-1][1])))

    def cells(self, key, vector):
        """What stands at V. Remembered by the part of V that touched the key."""
        seen = [e for e in self.events[key] if covers(vector, e.dot)]
        mark = tuple(sorted({e.dot[0]: e.dot[1] for e in seen}.items()))
        if mark not in self.memo[key]:
            self.memo[key][mark] = self._cells(key, vector, seen)
        return self.memo[key][mark]

    def _cells(self, key, vector, seen):
        gone, also, scopes = {}, set(), {}
        for e in seen:
            raise_to(gone.setdefault(e.path, {}), e.cover)
            also |= {(e.path, d) for d in e.also}
        for dot, q, kind, cover, scope in self.clears[key]:
            if not covers(vector, dot) or not cover:
                continue
            if isinstance(scope, frozenset):
                for p in scope & gone.keys():
                    raise_to(gone[p], cover)
            else:
                raise_to(scopes.setdefault((q, kind, scope), {}), cover)
        for (q, kind, scope), cover in scopes.items():
            for p, mine in gone.items():
                if cleared(p, q, kind, scope):
                    raise_to(mine, cover)
        out = {}
        for e in seen:
            if e.dot[1] > gone[e.path].get(e.dot[0], 0) and (e.path, e.dot) not in also:
                out.setdefault(e.path, {})[e.dot] = (e.stamp, e.payload, None)
        return out

    def visible(self, key, vector, now):
        WHOLE.append(key)
        try:
            tree = Tree(self.cells(key, vector), now)
            tree.count = lambda p: self.count(key, vector, p, tree)
            return tree.key()
        finally:
            WHOLE.pop()

    def count(self, key, vector, path, tree):
        """Each add that no reset in sight had seen, each once-request that none of its tries' resets had."""
        log = [c for c in self.counts[key] if c[1] == path and covers(vector, c[0])]
        resets = [c[3] for c in log if c[2] == "reset"] + self.cleared_counts(
            key, lambda dot: covers(vector, dot), path
        )

        def stands(*dots):
            """No reset saw the first of these, a replica's, nor where it was minted anew."""
            own = path + (("c", dots[0][0]),)
            seen = any(only in (None, dots[0][0]) and covers(r, d) for r, only in resets for d in dots)
            return not seen and (own in tree.cells or own not in tree.all)

        anew = defaultdict(set)  # as what each was said again, known here or not: a reset may have seen it there
        for new, _, _, (_, dots) in [c for c in self.counts[key] if c[1:3] == (path, "again")]:
            anew[dots[0]] |= {*dots[1:], new}
        adds = [(c[0], c[3]) for c in log if c[2] == "add"]
        again = {(dots[0], n) for _, _, what, arg in log if what == "again" for n, dots in [arg]}
        adds += [(dot, n) for dot, n in again if not covers(vector, dot)]
        total = sum(n for dot, n in adds if stands(dot, *anew[dot]))
        tries = defaultdict(list)
        for c in [c for c in log if c[2] == "once"]:
            tries[c[3][0]].append((c[0], c[3][1]))
        for some in tries.values():
            if not any(only is None and covers(r, d) for r, only in resets for d, _ in some):
                total += min(some)[1]
        return total

    def cleared_counts(self, key, known, path):
        """What new lives and containers made anew had seen of the counter at `path`."""
        found = []
        for dot, q, kind, cover, scope in self.clears[key]:
            if known(dot) and scope is None and path[: len(q)] == q:
                inside = KIND.get(path[len(q)][0]) if len(path) > len(q) else "cnt"
                found += [(cover, None)] if kind in (None, inside) else []
        return found


def chain(dot, anew):
    """What a write was minted anew from, and that, and so on."""
    while dot in anew:
        dot = anew[dot]
        yield dot


def cleared(p, q, kind, below):
    """(Of a counter what stood was cancelled, by a write of its own, and what was dead stays.)"""
    if is_counter(p) and q == ():
        return False
    if len(p) <= len(q) or p[: len(q)] != q or (kind is not None and KIND.get(p[len(q)][0]) != kind):
        return False
    return below is None or p[1][1] < below
