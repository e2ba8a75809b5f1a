"""What a sweep reaches: the independent elements below its cell that its writer had seen.

Never a counter's cell: what an add replaced there would count again; those are cancelled.
"""

from __future__ import annotations

from crdtkv.core.cells import Cell, unhide
from crdtkv.core.clocks import Dot, covers
from crdtkv.core.paths import is_below, is_counted
from crdtkv.core.tree import Cells, Tree

__all__ = ["in_sweep", "swept"]


def in_sweep(path: bytes, root: bytes, payload: bytes) -> bool:
    """Whether a sweep written at `root` reaches `path`."""
    hider = unhide(payload)
    inside = is_below(path, root) and (hider.below is None or path < root + hider.below)
    return inside and (hider.only is None or path[len(root) :] in hider.only) and not is_counted(path)


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
