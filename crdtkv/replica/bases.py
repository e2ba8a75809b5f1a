"""What the base of an edit showed of its key.

"The client had read an old version: which of its elements were there?" Of a large key that is told by what
differs from what stands, and only who walks through all of it pays for all of it.

Law of this room: what is told at a glance is what `past.cells_at` says; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, Context
from crdtkv.core.clocks import covers_all
from crdtkv.core.packed import Packed
from crdtkv.core.paths import is_below
from crdtkv.core.tree import Earlier, Tree
from crdtkv.replica import past
from crdtkv.replica.core import Replica
from crdtkv.strategies.base import Operation, Strategy
from crdtkv.strategies.roots import expired_then, pick, root_path, roots_in

__all__ = ["Then", "showed", "unseen"]

Then = Callable[[Tree], Tree]
"""What a tree of the key was at the base."""


def showed(replica: Replica, key: str, base: Context | None, chosen: Strategy) -> Then | None:
    """The key at the base, until it is written; None if the base covers all that is here.

    O(what differs), and some 0.2 us for each cell of a large key; O(its cells and past) of one that is small or was
    under several strategies. Raises BaseTooOld also where its cells were of another strategy:
    what the client changed cannot be told from them.
    """
    storage = replica.storage
    if base is None or covers_all(base, storage.context(key)):
        return None
    replica.check_kept(key, base)
    differing = _differing(replica, key, base, root_path(chosen.spec))
    if differing is not None:
        return lambda tree: Earlier(tree, differing, partial(past.cells_at, storage, key, base))
    cells = past.cells_at(storage, key, base)
    was = pick(roots_in(cells, expired_then(cells)))
    if was is not None and was[0].spec != chosen.spec:
        raise replica.too_old(key, base, f"shows a {was[0].spec}, and the key is a {chosen.spec} now")
    return lambda tree: Tree(cells, tree.prefix, expired_then(cells))


def _differing(replica: Replica, key: str, base: Context, root: bytes) -> dict[bytes, Cell] | None:
    """What differs at the base, where all there is and was of a large key lies below `root`, without a date."""
    cells = replica.storage.cells(key)
    if not isinstance(cells, (SortedDict, Packed)) or Tree(cells).tops() != [root]:
        return None
    found = past.differing(replica.storage, key, base)
    return found if found is not None and all(path == root or is_below(path, root) for path in found) else None


def unseen(replica: Replica, key: str, base: Context, chosen: Strategy, put: Operation) -> Operation:
    """A put of a key that is not shown any more, of what is new to who had read the base; of nothing: no args.

    All of it is, where what the base showed cannot be told here, or was of another strategy.
    """
    storage, value = replica.storage, put.args[0]
    if not (past.known(storage, key, base) and past.rebuildable(storage.horizon(key), base)):
        return put
    cells = past.cells_at(storage, key, base)
    was = pick(roots_in(cells, expired_then(cells)))
    if was is None or was[0].spec != chosen.spec:
        return put
    new = chosen.since(was[1], value)
    return Operation("put", () if value and not new else (new,))
