"""What a key showed at an earlier version: rebuilt, or refused, never guessed.

A superseded sibling remembers all that replaced it. The cells at a version are those of each sibling, standing or
superseded, that it knows, less those of whose replacers it knows one, less what writers of what it knows had purged.
"""

from dataclasses import dataclass, field

from tests.model.cells import TTL, at_least, covers, in_sweep, is_live, joined
from tests.model.forgetting import dropped
from tests.model.guards import on

__all__ = ["History", "Row"]


@dataclass
class Row:
    """A superseded sibling: replaced by the dots `by`, or by a catch-up to the key context `until`; else purged."""

    path: tuple
    dot: tuple
    stamp: int
    payload: tuple
    by: set = field(default_factory=set)
    until: dict = None
    purged: bool = False


class History:
    """The superseded siblings of one key at one replica, and what of its past this replica did not see."""

    def __init__(self, base=()):
        self.rows, self.floors, self.gaps, self.lives, self.base = [], [], [], {}, dict(base)
        self.deleted = False  # anything that a purge, here or elsewhere, may have dropped

    # what happens

    def keep(self, path, dot, sib, by=(), until=None):
        self.rows.append(Row(path, dot, sib[0], sib[1], set(by), until))
        self.deleted |= not is_live(sib[1]) or path == TTL or path[-1][0] == "a"

    def also_replaced(self, path, parents, dot):
        """`dot` replaced these too, which something concurrent had replaced here before."""
        for row in self.rows if on("history-by-all") else ():
            if row.path == path and row.dot in parents:
                row.by.add(dot)

    def swept(self, path, payload, dot):
        """So did a sweep what it covers."""
        for row in self.rows if on("history-by-sweep") else ():
            if in_sweep(row.path, path, payload[2]) and covers(payload[1], row.dot):
                row.by.add(dot)

    def touched(self, dot, before, floor):
        """`dot` touches the key: of what was deleted its writer may have purged, and names, nothing."""
        if self.deleted and floor > max((f for d, _, f in self.floors if d[0] == dot[0]), default=0):
            self.floors.append((dot, dict(before), floor))

    def life(self, dot, replaced, floor, cells):
        """The key was made anew by who knew what its context covered, and had heard all up to its floor."""
        known = joined(replaced, reached(r.dot for r in self.rows if r.stamp <= floor and on("history-life-floor")))
        whole = all(d == dot for c in cells.values() for d in c)
        if whole and on("history-life-whole"):  # nothing is left standing here: who began it knew all of it
            for context in (self.base, *(to for _, to in self.gaps)):
                known = joined(known, context)
        if known and not self.rows and whole:
            self.__init__([dot])  # nothing is left here of what it replaced, not even how far it reached
        elif known:
            self.lives[dot] = known

    def gap(self, since, to):
        """Something happened that is not known here. What was purged is part of no version behind it."""
        for row in self.rows:
            if not row.by and row.until is None:
                row.until, row.purged = dict(to), True
        self.gaps.append((dict(since), dict(to)))
        if len(self.gaps) > 16:
            self.base = joined(self.base, self.gaps.pop(0)[1])

    def begin_again(self, context, cells):
        """Only versions from the present one on: a counter's cells of an old life are part of each of them."""
        older = reached(d for c in cells.values() for d in c if not covers(context, d))
        self.__init__(context)
        self.lives = {d: older for d in list(context.items())[:1] if older}

    def trim(self, keep, context):
        """Versions that would show what is forgotten are known no more; nor those that something purged may be part of,
        for what it hung on may be forgotten with the rest. Of a key that is gone all goes: nothing is later."""
        if len(self.rows) > keep and not context and on("history-trim-gone"):
            self.__init__()
        while len(self.rows) > keep:
            row = self.rows.pop(0)
            if on("history-trim"):
                purged = [r for r in (row, *self.rows) if not r.by and r.until is None]
                self.base = joined(self.base, context if purged else row.until or reached(row.by))
                for r in purged:
                    r.until, r.purged = dict(context), True

    # what is asked

    def knows(self, version):
        """A key context forgets what its life replaced; who wrote it had not."""
        lives = dict(self.lives) if on("history-lives") else {}
        while found := [d for d in lives if covers(version, d)]:
            for d in found:
                version = joined(version, lives.pop(d))
        return version

    def rebuildable(self, version, context, cells):
        known = [context, self.base, *self.lives.values(), *(to for _, to in self.gaps)]
        dots = {d for c in cells.values() for d in c} | {r.dot for r in self.rows} | self.lives.keys()
        if not all(d in dots or any(c.get(d[0]) == d[1] for c in known) for d in version.items()):
            return False  # an entry of it is remembered no more
        version = self.knows(version)
        gaps = self.gaps if on("history-gaps") else ()
        outside = [at_least(version, to) or all(version.get(r, 0) <= n for r, n in since.items()) for since, to in gaps]
        return at_least(version, self.base) and all(outside)

    def at(self, version, cells):
        """The cells as they stood at the version."""
        version = self.knows(version)
        rows = [Row(p, d, s[0], s[1]) for p, c in cells.items() for d, s in c.items()] + self.rows
        rows = [r for r in rows if not (r.purged and at_least(version, r.until))]
        for dot, before, floor in self.floors if on("history-floors") else ():
            if covers(version, dot):
                came = {r: min(n, before.get(r, 0)) for r, n in version.items()}
                then = _standing(rows, came)
                gone = {(p, d) for p in dropped(then, floor) for d in then[p]}
                rows = [r for r in rows if (r.path, r.dot) not in gone]
        return _standing(rows, version)


def told(before, here, vector):
    """Did a catch-up tell all that happened to these cells? Every touch leaves a sibling until another names it."""
    for p, c in here.items():
        mine = before.get(p, {})
        came = {d: s for d, s in c.items() if d not in mine}
        named = {q for s in came.values() for q in s[2]}
        if on("history-gap-sweeps") and any(s[1] and s[1][0] == "sweep" for s in came.values()):
            return False
        if on("history-gap-parents") and not all(covers(vector, q) for q in named):
            return False
        if on("history-gap-floor") and any(d not in c and d not in named for d in mine):
            return False
    return True


def reached(dots):
    out = {}
    for r, n in dots:
        out[r] = max(n, out.get(r, 0))
    return out


def _replaced(row, version):
    if row.until is not None and at_least(version, row.until):
        return True
    return any(covers(version, d) for d in row.by)


def _standing(rows, version):
    out = {}
    for r in rows:
        if covers(version, r.dot) and not _replaced(r, version):
            out.setdefault(r.path, {})[r.dot] = (r.stamp, r.payload, None)
    return out
