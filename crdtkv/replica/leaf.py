"""The short way of a write: what most come to, without asking what could be otherwise.

Law of this room: it leaves the cells, the context, the past and the record that the long way
(`Draft.operate`) leaves. Whether it is taken is decided here, before anything is written, and
nowhere else. A put: no base, no date; of the key there is one cell with one sibling, of a
strategy that can say what a put leaves there (`Strategy.leaf`), or nothing at all, neither here
nor of the past. A put until a date: likewise, and a date that has not come may stand beside it.
An operation: no base, no date; the key shows the one strategy that it has cells of, and to that the
operation is `short`.

Written for speed: what is looked up is looked up once, and a NamedTuple is taken apart by place.
"""

from __future__ import annotations

from typing import Any, Final

from crdtkv.core.cells import Cell, Context, expiry
from crdtkv.core.clocks import Stamp
from crdtkv.core.paths import STRATEGY, first
from crdtkv.core.tree import Tree
from crdtkv.replica.draft import Draft
from crdtkv.strategies.base import Operation, Strategy
from crdtkv.strategies.opaque import Opaque
from crdtkv.strategies.registry import strategy
from crdtkv.strategies.roots import TTL_PATH, expired, known_strategy, root_path

__all__ = ["operate", "put", "put_until"]

_known: Final[dict[bytes, Strategy]] = {}
"""By the path of its cell."""


def put(draft: Draft, key: str, value: Any, spec: str | None) -> tuple[str, bytes, Context] | None:
    """`key` shows `value`: its strategy's spec, the value packed, its context. None: nothing was done.

    O(value). Raises as the long way does.
    """
    storage = draft.replica.storage
    cells, context = storage.standing(key)
    rule = draft.rule_of(key)
    if not cells:
        if context or storage.has_past(key):
            return None
        chosen = strategy(rule.strategy if spec is None else spec)
        payload = chosen.leaf(None, value)
        if payload is None:
            return None
        return chosen.spec, payload, draft.put_first(key, root_path(chosen.spec), payload)
    if len(cells) > 1 or rule.require_base:
        return None
    for path, cell in cells.items():
        over = _over(path, cell, value, spec)
        if over is None:
            return None
        found, payload = over
        if payload:
            return found.spec, payload, draft.put_leaf(key, path, cell, payload)
        return found.spec, cell[0].payload or b"", context
    return None


def put_until(draft: Draft, key: str, value: Any, spec: str | None, date: Stamp | None) -> bool:
    """`key` shows `value` until `date`, None: it stays, whatever date it had. Whether it was done. O(value).

    As the long way does: where it stays the date goes first, else it comes last.
    """
    storage, rule = draft.replica.storage, draft.rule_of(key)
    cells, context = storage.standing(key)
    dated = cells.get(TTL_PATH, ())
    if not cells:
        if date is None or context or storage.has_past(key):
            return False
        chosen = strategy(rule.strategy if spec is None else spec)
        payload = chosen.leaf(None, value)
        if payload is None:
            return False
        draft.put_all_first(key, {root_path(chosen.spec): payload, TTL_PATH: expiry(date, rule.ttl)})
        return True
    if len(cells) != (2 if dated else 1) or rule.require_base or expired(cells, draft.stamp):
        return False
    path = next(path for path in cells if path != TTL_PATH)
    cell = cells[path]
    over = _over(path, cell, value, spec)
    if over is None:
        return False
    if not draft.wakes:
        draft.wakes = True
        draft.replica.reach()
    if date is None and any(s.payload for s in dated):
        draft.put_leaf(key, TTL_PATH, dated, None)
    if over[1]:
        draft.put_leaf(key, path, cell, over[1])
    if date is not None:
        draft.put_leaf(key, TTL_PATH, dated, expiry(date, rule.ttl))
    return True


def _over(path: bytes, cell: Cell, value: Any, spec: str | None) -> tuple[Strategy, bytes] | None:
    """Whose root that is, and what a put leaves there, nothing if that is there. None: it is for the long way."""
    found = _known.get(path) or _strategy_at(path)
    if found is None or len(cell) > 1 or (spec is not None and strategy(spec) is not found):
        return None
    old = cell[0].payload
    payload = None if old is None else found.leaf(old, value)
    return None if payload is None else (found, payload)


def operate(draft: Draft, key: str, operation: Any, family: Any) -> Strategy | None:
    """`operation` is carried out; the strategy that did it. None: nothing was done, it is for the long way.

    Costs what the operation does. Raises as the long way does.
    """
    replica = draft.replica
    cells = replica.storage.cells(key)
    if TTL_PATH in cells or type(operation.name) is not str:
        return None
    if not cells:
        return _begin(draft, key, operation, family)
    memo = replica.memos.of(key)
    shown = memo.shown(cells)
    if shown is None or len(memo.roots(cells)) > 1:
        return None
    chosen, tree = shown
    if operation.name not in chosen.short or (family is not None and family != chosen.name):
        return None
    writes = chosen.edit(tree, operation, draft.env(key, tree))
    prefix = tree.prefix
    new = {prefix + path: payload for path, payload, _, _ in writes}
    if any(path in cells for path in new):
        for at, payload in new.items():
            draft.put_leaf(key, at, replica.storage.cells(key).get(at, ()), payload)
    elif new:
        draft.add_leaves(key, new)
    if writes:
        memo.shows_still(cells, shown)
        draft.check_size(key, chosen, writes)
    return chosen


def _begin(draft: Draft, key: str, operation: Operation, family: Any) -> Strategy | None:
    """`operate` of a key that there is not."""
    storage, rule = draft.replica.storage, draft.rule_of(key)
    if storage.context(key) or storage.has_past(key):
        return None
    chosen = strategy(rule.strategy)
    if family is not None and family != chosen.name:
        chosen = strategy(family)
    if operation.name not in chosen.short:
        return None
    tree = Tree({}, root_path(chosen.spec))
    writes = chosen.edit(tree, operation, draft.env(key, tree))
    if writes:
        new = {tree.prefix + path: payload for path, payload, _, _ in writes}
        draft.put_all_first(key, new)
        draft.replica.memos.of(key).begun(new)
        draft.check_size(key, chosen, writes)
    return chosen


def _strategy_at(path: bytes) -> Strategy | None:
    """The strategy whose root is at `path`; None if that is no root, or of a strategy that this process lacks."""
    tag, data, rest = first(path) if path else (b"", b"", b"")
    found = known_strategy(data.decode()) if tag == STRATEGY and not rest else None
    if found is None or isinstance(found, Opaque):
        return None
    _known[path] = found
    return found
