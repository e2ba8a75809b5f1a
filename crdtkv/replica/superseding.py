"""One sibling in the place of one, by another dot: what most writes come to, and most records.

Law of this room: it leaves what `Replica.replace_cell` and `Replica.touch` leave. Cell, past and context are one
change of the storage where the past only grows, and what is said of a sibling is said once.
"""

from __future__ import annotations

from typing import Any, Final

from crdtkv.core.cells import Cell, Context, Fields
from crdtkv.core.digest import MODULUS
from crdtkv.replica import past
from crdtkv.replica.core import Replica
from crdtkv.storage.base import Over

__all__ = ["supersede"]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long


def supersede(replica: Replica, key: str, path: bytes, old: Cell, cell: Cell) -> Context:
    """The one sibling of `cell` stands at (key, path), where that of `old` stood; the key's context after it."""
    storage, state, memos = replica.storage, replica.state, replica.memos
    was, own = old[0], cell[0]
    fields: Fields = own
    dot: Any = fields[0]
    changed = replica.changed.get(key)
    if changed is None:
        replica.changed[key] = {path: old}
    elif path not in changed:
        changed[path] = old
    context = storage.context(key)
    id, n = dot
    change, before, packed = memos.lately.superseded(key, path, was, own, context.get(id))
    state.digest = (state.digest + change) % MODULUS
    context = {**context, id: n}
    wall_ms, limit = replica.at_ms(), replica.keep_of(key)
    grown = past.behind(storage, key, path, was, before, dot, wall_ms, limit)
    if grown is None:
        storage.put_cell(key, path, cell)
        past.keep(storage, key, path, [(was, before)], dot, None, wall_ms, limit)
        storage.put_context(key, context)
    else:
        rows, row = grown
        storage.supersede(key, path, old, _new(Over, (cell, packed, context, rows, row)))
    memos.changed(key, path, old, cell)
    return context
