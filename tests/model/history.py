"""What a key showed at an earlier version: rebuilt, or refused, never guessed."""

from dataclasses import dataclass

from tests.model.cells import covers, in_sweep, joined
from tests.model.guards import on

__all__ = ["Old", "History", "NoHistory"]


@dataclass
class Old:
    path: tuple
    dot: tuple
    stamp: int
    payload: tuple
    by: set  # the dots that replaced it
    after: dict = None  # or the key context after the catch-up that took it away
    purged: bool = False


class History:
    """The superseded siblings of one key at one replica, and what of its past this replica did not see."""

    def __init__(self):
        self.old, self.gaps, self.horizon, self.lives = [], [], {}, {}

    def knows(self, version, dot, deep=4):
        """Covered by the version, or replaced with a key context by a life that the version knows."""
        return covers(version, dot) or (
            deep > 0
            and on("history-lives")
            and any(
                covers(replaced, dot) and life != dot and self.knows(version, life, deep - 1)
                for life, replaced in self.lives.items()
            )
        )

    def superseded(self, path, dot, sib, by, after=None, purged=False):
        self.old.append(Old(path, dot, sib[0], sib[1], set(by), after, purged))

    def arrived(self, path, dot, payload, parents, whole):
        """A sibling came. It replaced also what another had replaced here before; and where something had been purged,
        its writer saw that as absent and replaced all of it."""
        sweep = payload and payload[0] == "sweep"
        for e in self.old if on("history-by-all") else ():
            if (e.path == path and e.dot in parents) or (
                sweep and ((covers(payload[1], e.dot) and in_sweep(e.path, path, payload[2])) or e.stamp <= payload[3])
            ):
                e.by.add(dot)
        for e in self.old if on("history-purged") else ():
            if e.dot != dot and (whole or (e.purged and e.path[: len(path)] == path)):
                e.by.add(dot)

    def gap(self, frm, to):
        self.gaps.append((dict(frm), dict(to)))
        if len(self.gaps) > 16:
            self.horizon = joined(self.horizon, self.gaps.pop(0)[1])

    def trim(self, keep, context):
        while len(self.old) > keep:
            e = self.old.pop(0)
            if on("history-trim"):
                more = e.after or dict(sorted(e.by)) or context
                self.horizon = joined(self.horizon, more)

    def rebuildable(self, version):
        if not all(self.knows(version, d) for d in self.horizon.items()):
            return False
        for frm, to in self.gaps if on("history-gaps") else ():
            if not all(self.knows(frm, d) for d in version.items()) and not all(
                self.knows(version, d) for d in to.items()
            ):
                return False
        return True

    def at(self, version, cells):
        """The cells as they stood at the version, expiry not judged."""
        out = {}
        for p, c in cells.items():
            for d, s in c.items():
                if covers(version, d):
                    out.setdefault(p, {})[d] = s
        for e in self.old:
            if (
                covers(version, e.dot)
                and not any(self.knows(version, b) for b in e.by)
                and not (e.after and all(self.knows(version, d) for d in e.after.items()))
            ):
                out.setdefault(e.path, {})[e.dot] = (e.stamp, e.payload, None)
        return out


class NoHistory(dict):
    def __missing__(self, key):
        self[key] = History()
        self[key].superseded = self[key].arrived = self[key].gap = lambda *a, **k: None
        return self[key]
