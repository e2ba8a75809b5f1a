"""What a sweep reaches: the independent elements below its cell that its writer had seen.

Never a counter's cell: what an add replaced there would count again; those are cancelled.
"""

from __future__ import annotations

from crdtkv.core.cells import Cell, Hider, sweep, unhide
from crdtkv.core.clocks import Dot, covers, covers_all, merge
from crdtkv.core.paths import is_below, is_counted
from crdtkv.core.tree import Cells, Tree

__all__ = ["in_sweep", "join_sweeps", "swept"]


def in_sweep(path: bytes, root: bytes, payload: bytes) -> bool:
    """Whether a sweep written at `root` reaches `path`."""
    hider = unhide(payload)
    inside = is_below(path, root) and (hider.below is None or path < root + hider.below)
    return inside and (hider.only is None or path[len(root) :] in hider.only) and not is_counted(path)


def join_sweeps(one: bytes | None, other: bytes | None) -> bytes | None:
    """The one sweep that reaches what two at one cell reached; None if there is none.

    Not one that reaches more: it would take elsewhere what its writer left.
    """
    a, b = unhide(one or b""), unhide(other or b"")
    if (a.below, a.only) == (b.below, b.only):
        return sweep(merge([a.seen, b.seen]), a.below, a.only)
    if a.seen == b.seen and a.only is not None and b.only is not None:
        return sweep(a.seen, only=sorted({*a.only, *b.only}))
    return one if _reaches(a, b) else other if _reaches(b, a) else None


def _reaches(a: Hider, b: Hider) -> bool:
    """Whether the sweep `a` takes all that `b` takes."""
    listed = a.only is None or (b.only is not None and set(b.only) <= set(a.only))
    bounded = a.below is None or (b.below is not None and b.below <= a.below)
    return covers_all(a.seen, b.seen) and listed and bounded


def swept(cells: Cells, root: bytes, payload: bytes, skip: Dot | None = None) -> list[tuple[bytes, Cell]]:
    """The cells that a sweep at `root` changes, as it leaves them; siblings of `skip` stay. O(cells reached)."""
    hider = unhide(payload)
    listed = None if hider.only is None else [(p, cells[root + p]) for p in hider.only if root + p in cells]
    out = []
    for path, cell in Tree(cells, root).below() if listed is None else listed:
        full = root + path
        if hider.below is not None and path >= hider.below:
            break
        kept = tuple(s for s in cell if s.dot == skip or not covers(hider.seen, s.dot))
        if len(kept) < len(cell) and not is_counted(full):
            out.append((full, kept))
    return out
