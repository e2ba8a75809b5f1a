"""Json documents: containers above what is written stand, or are made; what is deleted is hidden whole."""

from tests.model.cells import KIND, covers, is_counter, is_element, is_live, leaf_value, live
from tests.model.guards import on

__all__ = ["Documents"]


class Documents:
    """Json documents."""

    def reach(self, path, create=True):
        """Make every container above `path` stand: create what is absent, write a mark over a hider the base covers.
        False when something above reads as absent and may not be created."""
        for i in range(1, len(path)):
            q, kind = path[:i], KIND[path[i][0]]
            sibs = self.cells.get(q, {})
            if not self.tree().kind_shown(q, kind):
                if not create:
                    return False
                self.create(q, kind)
            elif on("mark-over-hider") and any(
                s[1] and s[1][0] == "hide" and covers(self.known, d) for d, s in sibs.items()
            ):
                self.write(q, ("mark", kind))
        return True

    def create(self, q, kind):
        """A mark, and a tombstone over every other cell of that kind present below: no half element is revived."""
        absent = not self.tree().node(q)
        self.write(q, ("mark", kind), all=self.absent_all(absent), also=self.outranked(q))
        if absent and is_element(q):
            self.drop_order(q, all=True)
        self.created.append((q, None if absent else kind))
        if on("recreate-tombstones"):
            for p in sorted(self.cells):
                if (
                    len(p) > len(q)
                    and p[: len(q)] == q
                    and self.cells[p]
                    and (absent or KIND.get(p[len(q)][0]) == kind)
                ):
                    self.bury(p)

    def json_put(self, path, payload):
        self.reach(path)
        readings = self.tree().node(path)
        if payload[0] == "mark":
            if not self.tree().kind_shown(path, payload[1]):
                self.create(path, payload[1])
            return
        if path[-1][0] == "s":
            sibs = self.cells.get(path, {})
            absent = leaf_value("aw", sibs) is None
            self.write(path, payload, all=self.absent_all(absent), also=[d for _, d, _ in live(sibs)])
            return
        self.write(path, payload, all=self.absent_all(not readings), also=self.outranked(path))
        if not readings and is_element(path):
            self.drop_order(path, all=True)
        self.end_below(path, not readings)

    def end_below(self, path, absent):
        """A value ends what is below it: all where nothing was shown, else what its base had seen or is absent."""
        tree = self.tree()
        if absent:
            self.created.append((path, None))
        for p in sorted(self.cells) if on("value-ends-below") else ():
            if len(p) <= len(path) or p[: len(path)] != path:
                continue
            sibs = self.cells[p].values()
            if (absent and sibs) or any(is_live(s[1]) or (s[1] and s[1][0] == "hide") for s in sibs):
                between = [p[:i] for i in range(len(path) + 1, len(p) + 1) if p[i - 1][0] in "me"]
                self.bury(p, absent or not all(map(tree.node, between)))
                if is_counter(p) and not absent:
                    self.counts.append((p[:-1], "reset", (self.before, p[-1][1])))

    def json_add(self, path, n):
        if not self.tree().kind_shown(path, "cnt") or not self.reach(path, create=False):
            self.json_put(path, ("mark", "cnt"))
        self.reach(path + (("c", self.rep.rid),))
        self.add(path, n)

    def json_delete(self, path):
        tree = self.tree()
        shown = all(tree.kind_shown(path[:i], KIND[path[i][0]]) for i in range(1, len(path)))
        if path[-1][0] == "s":
            here = leaf_value("aw", self.cells.get(path))
        else:
            here = tree.node(path)
        if (not shown or not here) and on("delete-absent-nothing"):
            return
        kinds = [r[1] for r in here if r[1] != "v"] if path[-1][0] != "s" and here else []
        # What the base has not seen it does not take; and what takes nothing is no edit of what it is in.
        if not shown or not (kinds or self.knows_live(path)) or not self.reach(path, create=False):
            return
        if kinds:
            if "cnt" in kinds:
                self.reset(path, dead=True)
            hide, truth = ("hide", dict(self.seen), kinds[0]), ("hide", dict(self.truth), kinds[0])
            self.write(path, hide, truth=truth)
        else:
            self.write(path, None)
        if is_element(path):
            self.drop_order(path)
