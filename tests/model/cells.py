"""Dots, vectors, cells, and the one join.

A cell is `{dot: (stamp, payload, parents)}`. A path is a tuple of components, the first of which names the strategy;
the others are `(tag, name)`: m member, e element, a its order cell, s value in a set, c a replica's share of a counter,
o a once-increment. A payload is None (tombstone) or a tuple that begins with its kind:

    ("v", x) value                                  ("mark", kind) a container stands here
    ("hide", seen, kind) what lies below is hidden  ("sweep", seen, scope, knew, stood) what lay below is gone
    ("ttl", date, rule)                             ("c", (up, up gone, down, down gone), dead) a share
    ("o", (amount, folded, gone), dead) a once-increment
"""

from tests.model.guards import on

__all__ = [
    "KIND",
    "JSON",
    "SWEPT",
    "TTL",
    "covers",
    "joined",
    "at_least",
    "raise_to",
    "is_live",
    "live",
    "newest",
    "is_counter",
    "is_element",
    "leaf_value",
    "ttl_date",
    "share_of",
    "share_value",
    "once_of",
    "once_value",
    "counted",
    "in_sweep",
    "told",
    "grouped",
    "join",
    "join_context",
]


KIND = {"m": "obj", "e": "arr", "a": "arr", "s": "set", "c": "cnt"}  # component -> kind of the container it is in


JSON = ("ew", "dw")


SWEPT = ("aw", "rw", "list")


TTL = ("ttl",)


def covers(vector, dot):
    return dot[1] <= vector.get(dot[0], 0)


def joined(a, b):
    return {r: max(a.get(r, 0), b.get(r, 0)) for r in a.keys() | b.keys()}


def at_least(a, b):
    return all(a.get(r, 0) >= n for r, n in b.items())


def raise_to(mine, cover):
    for r, n in cover.items():
        if n > mine.get(r, 0):
            mine[r] = n


def is_live(payload):
    if payload is None or payload[0] in ("hide", "sweep"):
        return False
    return not payload[-1] if payload[0] in "co" else True


def live(sibs):
    return [(s[0], d, s[1]) for d, s in sibs.items() if is_live(s[1])]


def newest(sibs):
    return max(sibs.items(), key=lambda ds: (ds[1][0], ds[0]))[1][1]


def is_counter(path):
    """A replica's cell or a once cell of a counter."""
    return len(path) > 1 and path[-1][0] in "co"


def is_element(path):
    return len(path) > 1 and path[-1][0] == "e"


def leaf_value(root, sibs):
    """What a leaf shows, None when it reads as absent."""
    if not sibs:
        return None
    if root == "lww":
        top = newest(sibs)
        return top and top[1]
    alive = [p[1] for _, _, p in live(sibs)]
    if root == "max":
        return max(alive, default=None)
    if root == "rw" and len(alive) < len(sibs):
        return None
    return tuple(sorted(alive)) or None


def ttl_date(cells):
    """The effective date of a key: max (none wins), or min if any sibling says min (none loses)."""
    sibs = cells.get(TTL)
    if not sibs:
        return None
    dated = [p for _, _, p in live(sibs)]
    if any(p[2] == "min" for p in dated):
        return min(p[1] for p in dated)
    return max((p[1] for p in dated), default=None) if len(dated) == len(sibs) else None


def share_of(sibs):
    """What a replica's share says: the max of each part, whatever of it is dead."""
    said = [s[1][1] for s in sibs.values() if s[1]]
    return tuple(map(max, zip(*said, strict=True))) if said else (0, 0, 0, 0)


def share_value(share):
    up, up_gone, down, down_gone = share
    return up - up_gone - down + down_gone


def once_of(sibs):
    """((amount, folded, gone), owner) of a once-increment; None when nothing but tombstones is left.

    The lowest dot owns it; once it is folded, who did that: nobody else writes 1.
    """
    said = [(s[1][1], d[0]) for d, s in sibs.items() if s[1]]
    if not said:
        return None
    owners = [r for once, r in said if once[1] == 1] or [r for _, r in said]
    return (said[0][0][0], max(once[1] for once, _ in said), max(once[2] for once, _ in said)), min(owners)


def once_value(once):
    """1 folded: its amount is in its folder's share. 2: and a reset has cancelled it there."""
    amount, folded, gone = once
    if folded == 1:
        return -amount if gone else 0
    return 0 if folded or gone else amount


def counted(path, sibs):
    """What a reset must know of a counter's cell: the share, or the once-increment."""
    return share_of(sibs) if path[-1][0] == "c" else once_of(sibs)


def in_sweep(p, container, scope):
    """Scope: all below, a set of paths, or what comes before an element."""
    if len(p) <= len(container) or p[: len(container)] != container or is_counter(p):
        return False
    return scope is None or (p in scope if isinstance(scope, frozenset) else p[1][1] < scope)


def told(sib):
    """Of a sweep: its stamp and what its writer knew, and the like of those whose place it has taken."""
    stamp, payload = sib[:2]
    if not payload or payload[0] != "sweep":
        return ()
    _, _, knew, stood = (*payload[1:], payload[1], ())[:4]
    return ((stamp, knew), *stood)


def grouped(path, roots):
    """Below a cell that was sent."""
    return any(path[:i] in roots for i in range(len(path)))


def join(mine, my_vector, theirs, their_vector):
    """Keep what both have, and what one has unless the other's vector covers it: it was seen and replaced there."""
    out = {d: s for d, s in mine.items() if d in theirs or not covers(their_vector, d)}
    out.update({d: s for d, s in theirs.items() if d in mine or not covers(my_vector, d)})
    return out


def join_context(mine, my_vector, theirs, their_vector):
    if not on("context-join"):
        return joined(mine, theirs)
    return {
        r: max(mine.get(r, 0), theirs.get(r, 0))
        for r in mine.keys() | theirs.keys()
        if (r in mine and r in theirs)
        or (r in mine and mine[r] > their_vector.get(r, 0))
        or (r in theirs and theirs[r] > my_vector.get(r, 0))
    }
