"""What a key's cells hold: which strategies, which of them is read, and from when on nothing is.

A key has cells of one strategy, or of several where colos made it under different
rules; the first component of a path says of which. Expiry is judged here, once per
reading, never in a join.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from crdtkv.core.cells import expiry_of, newest_stamp
from crdtkv.core.clocks import Stamp
from crdtkv.core.packed import Packed
from crdtkv.core.paths import STRATEGY, TTL, component, first
from crdtkv.core.tree import Cells, Tree
from crdtkv.errors import RuleInvalid, UnknownStrategy
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.opaque import Opaque
from crdtkv.strategies.registry import strategy

__all__ = [
    "TTL_PATH",
    "Root",
    "expired",
    "expired_then",
    "known_strategy",
    "newest",
    "pick",
    "root_path",
    "roots_in",
]

TTL_PATH = component(TTL, b"")

Root = tuple[Strategy, Tree]


@lru_cache(maxsize=1024)
def root_path(spec: str) -> bytes:
    """Where the cells of a strategy stand in a key."""
    return component(STRATEGY, spec.encode())


def expired(cells: Cells, now: Stamp) -> Stamp:
    """The expiry date of a key if it has passed, else 0."""
    cell = cells.get(TTL_PATH)
    date = expiry_of(cell) if cell else None
    return date if date is not None and date <= now else 0


def newest(cells: Cells) -> Stamp:
    """The latest stamp in the cells of a key."""
    if isinstance(cells, Packed):
        return cells.newest()
    return max((newest_stamp(cell) for cell in cells.values()), default=0)


def expired_then(cells: Cells) -> Stamp:
    """The expiry date of a key if it had passed when its cells came to be so, else 0: for versions.

    Who read them later read the same: a date between the latest stamp and that reading
    hides everything, and of nothing there is no version. (Where the date lies behind what
    another colo's clock, far ahead, has stamped, all is shown.)
    """
    date = expired(cells, newest(cells)) if TTL_PATH in cells else 0
    return date if pick(list(roots_in(cells, date))) else 0


def roots_in(cells: Cells, expiry: Stamp = 0, memo: dict[bytes, Any] | None = None) -> Iterator[Root]:
    """Each strategy that has cells among `cells`, and its tree."""
    whole = Tree(cells, expiry=expiry, memo=memo)
    for root in whole.tops():
        if root[:1] == STRATEGY:
            yield known_strategy(first(root)[1].decode()), whole.sub(root)


def known_strategy(spec: str) -> Strategy:
    """The strategy of a spec found in data; what this process has no code for is kept, unread."""
    try:
        return strategy(spec)
    except (UnknownStrategy, RuleInvalid):
        return Opaque(spec)


def pick(roots: list[Root]) -> Root | None:
    """Of the strategies present, the one that is read."""
    present = [root for root in roots if root[0].present(root[1])]
    if len(present) < 2:
        return present[0] if present else None
    return max(present, key=lambda root: (max((s.stamp for s in root[0].standing(root[1])), default=0), root[0].spec))
