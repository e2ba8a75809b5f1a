"""The short way of a put: a key that is one cell with one value in it is put again, or is made.

Law of this room: it leaves the cells, the context, the past and the record that the long way
(`Draft.operate`) leaves, of which it is what most puts come to. Whether it is taken is decided
in `put`, before anything is written, and nowhere else: no base, no date, one sibling of a
strategy that can say what a put leaves there (`Strategy.leaf`); or a key of which nothing is
known, neither here nor of the past.
"""

from __future__ import annotations

from typing import Any

from crdtkv.core.paths import STRATEGY, first
from crdtkv.replica.draft import Draft
from crdtkv.storage.base import NO_HORIZON
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.opaque import Opaque
from crdtkv.strategies.registry import strategy
from crdtkv.strategies.roots import known_strategy, root_path

__all__ = ["put"]

_known: dict[bytes, Strategy] = {}
"""By the path of its cell."""


def put(draft: Draft, key: str, value: Any) -> tuple[str, bytes] | None:
    """`key` shows `value`: its strategy's spec, and the value packed. None: nothing was done, it is for the long way.

    O(value). Raises as the long way does.
    """
    storage = draft.replica.storage
    cells, rule = storage.cells(key), draft.rule_of(key)
    if not cells:
        if storage.context(key) or storage.past(key) or storage.horizon(key) is not NO_HORIZON:
            return None
        chosen = strategy(rule.strategy)
        payload = chosen.leaf(None, value)
        if payload is None:
            return None
        draft.begin_first(key)
        draft.put_leaf(key, root_path(chosen.spec), (), payload)
        return chosen.spec, payload
    if len(cells) > 1 or rule.require_base:
        return None
    for path, cell in cells.items():
        found = _known.get(path) or _strategy_at(path)
        if found is None or len(cell) > 1:
            return None
        old = cell[0].payload
        payload = None if old is None else found.leaf(old, value)
        if payload is None:
            return None
        if payload:
            draft.put_leaf(key, path, cell, payload)
        return found.spec, payload or old or b""
    return None


def _strategy_at(path: bytes) -> Strategy | None:
    """The strategy whose root is at `path`; None if that is no root, or of a strategy that this process lacks."""
    tag, data, rest = first(path) if path else (b"", b"", b"")
    found = known_strategy(data.decode()) if tag == STRATEGY and not rest else None
    if found is None or isinstance(found, Opaque):
        return None
    _known[path] = found
    return found
