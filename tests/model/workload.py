"""Operations at random, small enough to collide, and what must be read after each when its base is current."""

from dataclasses import dataclass

from tests.model.cells import KIND, covers
from tests.model.draft import Draft
from tests.model.reading import present, reading

__all__ = ["PROFILES", "Workload"]


ROOTS = ("lww", "max", "aw", "rw", "list", "ew", "dw", "cnt")


@dataclass
class Profile:
    """What a seed's keys hold, and how: `most` roots to a key; the chance of old bases, of deletes, of dates."""

    roots: tuple = ROOTS
    most: int = 1
    keys: int = 3
    names: int = 2
    base: float = 0.4
    delete: float = 0.3
    clear: float = 0.1  # the whole key
    dated: float = 0.1
    dates: float = 0.15  # how often the date of such a key is written
    restart: float = 0.01
    write: float = 0.34
    purge: float = 0.0  # besides the usual


PROFILES = (
    Profile(most=2, delete=0.2, dated=0.5),
    Profile(("ew", "dw"), delete=0.35, base=0.3),
    Profile(("list", "cnt", "rw", "lww"), delete=0.35),
    Profile(("ew", "dw"), delete=0.4, names=1, keys=2, base=0.6),
    Profile(("cnt",), delete=0.3, keys=2, base=0.6, clear=0.05, restart=0.03),
    Profile(("list", "aw", "rw"), delete=0.3, clear=0.03, keys=2, base=0.6),
    Profile(("aw", "list", "lww", "ew", "cnt"), most=2, keys=2, dated=1, base=0.2, delete=0.15, clear=0.03),
    Profile(("lww", "max", "aw", "ew"), most=2, keys=1, delete=0.4, base=0.6, clear=0.3, restart=0.03),
    Profile(("aw", "list"), keys=2, dated=1, dates=0.35, base=0.1, delete=0.1, clear=0, write=0.12, purge=0.1),
)


class Workload:
    """Operations at random."""

    def draw_profile(self, profile):
        r = self.rnd
        self.profile, self.roots, self.dated, self.requests, self.counting = profile, {}, {}, {}, 0
        for key in [f"k{i}" for i in range(profile.keys)]:
            self.roots[key] = r.sample(profile.roots, min(len(profile.roots), r.randint(1, profile.most)))
            self.dated[key] = r.choice(["max", "max", "min"]) if r.random() < profile.dated else None

    def operation(self, key, rep, base):
        """A function of a Draft, and what must be read after it when the base is current: (root, check) or None."""
        r = self.rnd
        if r.random() < self.profile.clear:
            return Draft.delete_key, lambda v: v == {}
        if self.dated[key] and r.random() < self.profile.dates:
            date = r.choice([None, rep.clock + r.randrange(1, 8), rep.clock + r.randrange(1, 40)])
            rule = self.dated[key]
            return (lambda d: d.write_ttl(date, rule) if present(d.cells, d.now) else None), None
        root = r.choice(self.roots[key])
        op, check = getattr(
            self,
            "op_"
            + {"ew": "json", "dw": "json", "max": "leaf", "lww": "leaf", "aw": "set", "rw": "set"}.get(root, root),
        )(key, root, rep)
        drop_date = self.dated[key] and r.random() < 0.15
        return (lambda d: (op(d), drop_date and d.made and d.write_ttl(None))), check

    def op_leaf(self, key, root, rep):
        if self.rnd.random() < self.profile.delete:
            return (lambda d: d.delete_leaf(root)), lambda v: root not in v
        x = self.rnd.randrange(1, 1000)
        return (lambda d: d.put_leaf(root, x)), lambda v: v.get(root) == x if root == "lww" else v.get(root, 0) >= x

    def op_set(self, key, root, rep):
        r = self.rnd
        if r.random() < self.profile.delete * 0.5:
            return (lambda d: d.sweep(root)), lambda v: root not in v
        if r.random() < 0.2:
            want = {e: r.randrange(1, 1000) for e in range(3) if r.random() < 0.5}

            def put(d):
                for e in range(3):
                    d.element(root, e, want.get(e))

            return put, lambda v: set(v.get(root, {})) == set(want)
        e, x = r.randrange(3), None if r.random() < 0.4 else r.randrange(1, 1000)
        return (lambda d: d.element(root, e, x)), lambda v: v.get(root, {}).get(e) == (x and (x,))

    def op_list(self, key, root, rep):
        r = self.rnd
        y, e = r.random(), r.randrange(4)
        if y < self.profile.delete * 0.4:
            return (lambda d: d.sweep(root)), lambda v: root not in v
        if y < self.profile.delete * 0.8:
            below = r.randrange(1, 4)
            return (lambda d: d.sweep(root, below)), lambda v: all(c[1] >= below for _, c, _ in v.get(root, ()))
        if y < 0.4:
            to = r.randrange(100)
            return (lambda d: d.move((root, ("a", e)), to)), lambda v: all(
                pos == to for pos, c, _ in v.get(root, ()) if c[1] == e
            )
        x = None if r.random() < 0.4 else r.randrange(1, 1000)
        return (
            lambda d: d.element(root, e, x)
        ), lambda v: [s for _, c, s in v.get(root, ()) if c[1] == e] == ([(x,)] if x else [])

    def op_cnt(self, key, root, rep):
        r = self.rnd
        y, n, p = r.random(), r.choice([-3, -2, -1, 1, 2, 5, 8]), (root,)
        if y < 0.15:
            return (lambda d: d.reset(p)), lambda v: v.get(root, 0) == 0
        if y < 0.3:
            return (lambda d: d.reset(p, dead=True)), lambda v: root not in v
        if y < 0.5 and not self.dated[key]:
            return self.once(key, p, n)
        return (lambda d: d.add(p, n)), None

    def op_json(self, key, root, rep):
        r = self.rnd
        y, p = r.random(), self.json_path(root)
        if y < self.profile.delete:
            p = p[: r.randrange(1, len(p) + 1)]
            return (lambda d: d.json_delete(p)), lambda v: reading(v, p) == [] and self.container_kept(key, p, v)
        if y < 0.35:
            p, to = p[:-1] + (("a", p[-1][1]),), r.randrange(100)
            return (lambda d: d.move(p, to)), None
        if y < 0.45:
            kind = r.choice(["obj", "arr", "set", "cnt"])
            return (lambda d: d.json_put(p, ("mark", kind))), None
        if y < 0.55:
            q, x = p + (("s", r.randrange(2)),), r.randrange(1, 1000)
            return (lambda d: d.json_put(q, ("v", x))), None
        if y < 0.65:
            x = r.choice([-2, -1, 1, 3, 5])
            return (lambda d: d.json_add(p, x)), None
        if y < 0.75:
            some = [(self.json_path(root), None if r.random() < 0.3 else r.randrange(1, 1000)) for _ in range(3)]
            return (lambda d: [d.json_put(q, ("v", x)) if x else d.json_delete(q) for q, x in some]), None
        x = r.randrange(1, 1000)
        return (lambda d: d.json_put(p, ("v", x))), lambda v: reading(v, p) == [("v", (x,))]

    def once(self, key, p, n):
        """A new request, or a retry at another colo of one that this one has not seen."""
        self.counting += 1
        request, amount = self.requests.get(key, (0, 0))
        if self.rnd.random() < 0.5 or not request:
            request, amount = self.requests[key] = (self.counting, n)

        def op(d):
            tried = [c[0] for c in self.oracle.counts[key] if c[2] == "once" and c[3][0] == request]
            if not any(covers(d.before, t) for t in tried):
                d.once(p, request, amount)

        return op, None

    def json_path(self, root):
        """Two to three levels: objects m, arrays e, sets s below the root."""
        r, p = self.rnd, (root,)
        while True:
            p += ((r.choice("mme"), r.randrange(self.profile.names)),)
            if len(p) == 4 or r.random() < 0.4:
                return p

    def container_kept(self, key, p, value):
        """A delete of a member leaves the container above it standing, where it stood."""
        kind = KIND[p[-1][0]] if len(p) > 1 else None
        stood = kind and any(k == kind for k, _ in reading(self.was[key], p[:-1]))
        return not stood or any(k == kind for k, _ in reading(value, p[:-1]))
