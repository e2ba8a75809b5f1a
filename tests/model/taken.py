"""What a store that came back had taken away of what is not known there: rows in a key of their own.

What it removes anew says so too, until that is forgotten as any remove is.
"""

from tests.model.cells import at_least, covers, in_sweep, is_counter, is_live, live
from tests.model.guards import on

__all__ = ["TAKEN", "counted_by", "has", "rows_of"]


TAKEN = "taken"


def rows_of(st, pending, vector):
    """Of what waits in a store that is about to return to a snapshot at `vector`: what it had taken of what that lacks;
    and what others have told here. ("cell", key, path, beside, seen), ("wide", key, path, seen, scope),
    ("count", key, path, share, colo, dot)."""
    here = st.cells.get(TAKEN, {}).items()
    rows = {p[1][1] for p, c in here if len(p) > 1 and any(not covers(vector, d) for _, d, _ in live(c))}
    for item in pending if on("remint-taken") else ():
        swept = item.payload and item.payload[0] == "sweep"
        context = item.payload[1] if swept else item.context
        colo, seen = st.rid.split("~")[0], {r: n for r, n in context.items() if r not in st.lineage}
        if at_least(vector, seen):
            continue
        if swept:
            rows |= {("wide", item.key, item.path, tuple(sorted(item.payload[1].items())), item.payload[2])}
        elif is_counter(item.path):
            rows |= {("count", item.key, item.path, item.share, colo, item.dot)} if item.share else set()
        elif not is_live(item.payload):
            rows |= {("cell", item.key, item.path, tuple(sorted(item.beside)), tuple(sorted(seen.items())))}
    return sorted(rows, key=repr)


def _rows(st, kind, key):
    rows = [p[1][1] for p, c in st.cells.get(TAKEN, {}).items() if len(p) > 1 and live(c)]
    return [row for row in rows if row[:2] == (kind, key)]


def has(st, item, lives):
    """Whether who took away what it had written as one of `lives` had seen that."""
    for _, _, path, beside, seen in _rows(st, "cell", item.key):
        if path == item.path and any(covers(dict(seen), d) and d not in beside for d in lives):
            return True
    return any(
        in_sweep(item.path, path, scope) and any(covers(dict(seen), d) for d in lives)
        for _, _, path, seen, scope in _rows(st, "wide", item.key)
    )


def counted_by(st, key, path):
    """The shares that other colos had come to there, and by what they had reset them."""
    return [(row[3], row[5]) for row in _rows(st, "count", key) if row[2] == path and row[4] != st.rid.split("~")[0]]
