"""What a key's cells hold: which strategies, which of them is read, and from when on nothing is.

A key has cells of one strategy, or of several where colos made it under different
rules; the first component of a path says of which. Expiry is judged here, once per
reading, never in a join.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from crdtkv.core.cells import expiry_of, newest_stamp
from crdtkv.core.clocks import Stamp
from crdtkv.core.packed import Packed
from crdtkv.core.paths import STRATEGY, TTL, component, first
from crdtkv.core.rules import Rule
from crdtkv.core.show import MAX_TEXT, show
from crdtkv.core.tree import Cells, Tree
from crdtkv.errors import RuleInvalid, StrategyMismatch, UnknownStrategy, WrongOperation
from crdtkv.strategies.base import Strategy, learnt
from crdtkv.strategies.opaque import Opaque
from crdtkv.strategies.registry import strategy

__all__ = [
    "TTL_PATH",
    "Root",
    "choose",
    "expired",
    "expired_then",
    "known_strategy",
    "newest",
    "pick",
    "root_path",
    "roots_in",
    "strategy_at",
]

TTL_PATH: Final = component(TTL, b"")

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
    return max([newest_stamp(cell) for cell in cells.values()], default=0)


def expired_then(cells: Cells) -> Stamp:
    """The expiry date of a key if it had passed when its cells came to be so, else 0: for versions.

    Who read them later read the same: a date between the latest stamp and that reading
    hides everything, and of nothing there is no version. (Where the date lies behind what
    another colo's clock, far ahead, has stamped, all is shown.)
    """
    date = expired(cells, newest(cells)) if TTL_PATH in cells else 0
    return date if pick(roots_in(cells, date)) else 0


def roots_in(cells: Cells, expiry: Stamp = 0, memo: dict[bytes, Any] | None = None) -> list[Root]:
    """Each strategy that has cells among `cells`, and its tree."""
    whole = Tree(cells, expiry=expiry, memo=memo)
    return [(strategy_at(root), whole.sub(root)) for root in whole.tops() if root[:1] == STRATEGY]


_met: Final[dict[bytes, Strategy]] = {}
_met_when: Final = [0]
_MET: Final = 1_024
"""Roots that were met since code has come last, and whose they are."""


def strategy_at(root: bytes) -> Strategy:
    """The strategy whose root that is. O(1) once it was met."""
    if _met_when[0] != learnt():
        _met_when[0] = learnt()
        _met.clear()
    found = _met.get(root)
    if found is None:
        if len(_met) >= _MET:
            _met.clear()
        found = _met[root] = known_strategy(first(root)[1].decode())
    return found


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


def choose(
    key: str, shown: Root | None, rule_of: Callable[[str], Rule], operation: Any, spec: str | None,
    family: Any,
) -> Strategy:  # fmt: skip
    """The strategy that a key has, or the one it is to be made under, if it takes the operation.

    Raises StrategyMismatch where `spec` names another, WrongOperation where it does not, or is not of that `family`.
    """
    if shown is not None:
        chosen = shown[0]
        if spec is not None and strategy(spec).spec != chosen.spec:
            raise StrategyMismatch(f"{key!r} is a {chosen.spec}, not a {spec}; delete it first, or migrate its rule")
    else:
        rule = rule_of(key)
        chosen = strategy(rule.strategy if spec is None else spec)
        if spec is None and family is not None and chosen.name != family:
            chosen = strategy(family)
    name = operation.name
    known = name in ("put", "delete") or (isinstance(name, str) and name in chosen.operations)
    if not known or (family is not None and chosen.name != family):
        takes = ", ".join(dict.fromkeys((*chosen.operations, "put", "delete")))
        asked = " of a ".join(_word(each) for each in (name, family or "key"))
        raise WrongOperation(f"{key!r} is a {chosen.name}: it takes {takes}; not {asked}")
    return chosen


def _word(name: Any) -> str:
    """A name as it stands in a sentence, if it is one."""
    return name if isinstance(name, str) and len(name) < MAX_TEXT else show(name)
