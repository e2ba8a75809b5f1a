"""What a sweep reaches: the independent elements below its cell that its writer had seen.

Never a counter's cell: what an add replaced there would count again; those are cancelled.
"""

from __future__ import annotations

from crdtkv.core.cells import Cell, sweep, unhide
from crdtkv.core.clocks import Dot, covers, merge
from crdtkv.core.paths import is_below, is_counted
from crdtkv.core.tree import Cells, Tree

__all__ = ["in_sweep", "join_sweeps", "swept"]


def in_sweep(path: bytes, root: bytes, payload: bytes) -> bool:
    """Whether a sweep written at `root` reaches `path`."""
    hider = unhide(payload)
    inside = is_below(path, root) and (hider.below is None or path < root + hider.below)
    return inside and (hider.only is None or path[len(root) :] in hider.only) and not is_counted(path)


def join_sweeps(one: bytes | None, other: bytes | None) -> bytes:
    """A sweep that reaches at least what each of two at one cell reached."""
    a, b = unhide(one or b""), unhide(other or b"")
    seen = merge([a.seen, b.seen])
    if a.only is not None and b.only is not None:
        return sweep(seen, only=sorted({*a.only, *b.only}))
    return sweep(seen, None if a.below is None or b.below is None else max(a.below, b.below))


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
