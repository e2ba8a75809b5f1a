"""What every storage does with a transaction: an undo list, and one answer to whether it is committed.

Changes since `begin` are listed as (table, where, what stood before, what stands now): to
undo them, and to save them. `where` is the key, id or name of a row, and of a cell or past
`(key, path)`. Of many cells of a key that stand where nothing stood there is one, "cells": what
stands is the mapping of them, twice. Of a cell, its past and its key's context that changed together there may
be one, "over": `(cell, context, past)` before, and an `Over`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final, cast

from mypy_extensions import mypyc_attr

from crdtkv.core.cells import Cell
from crdtkv.errors import StorageFailed
from crdtkv.storage.base import Over, Storage
from crdtkv.storage.pile import Pile

__all__ = ["FEW", "Changed", "Transactions"]

FEW: Final = 16
"""Of so few changes no row is often there more than once."""

Changed = tuple[str, Any, Any, Any]
"""Table, where, what stood before, what stands now."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Transactions(Storage):
    """`begin`, `commit` and `rollback` of a Storage, which says how a change is saved, and how it is put back."""

    def __init__(self) -> None:
        self._undo: list[Changed] = []
        self.pile = Pile()
        self.committed = False
        self.doubtful = False
        """What is shown may not be what is kept: nothing is written before it was opened again."""

    def supersede(self, key: str, path: bytes, old: Cell, over: Over) -> None:
        self.put_cell(key, path, over.cell)
        self.put_past(key, path, over.past)
        self.put_context(key, over.context)

    def _save(self, changes: Iterable[Changed]) -> None:
        """What a durable storage does before a commit is one. `changes`: as they came; of many, each row once."""

    @property
    def owing(self) -> bool:
        return False

    def keep_up(self) -> None:
        """A commit leaves nothing to be done."""

    def _put_back(self, table: str, where: Any, old: Any) -> None:
        """`old` stands there again."""
        raise NotImplementedError

    def begin(self) -> None:
        if self.doubtful:
            raise StorageFailed(
                "it is not known whether the last commit was one, or what was given up is undone; nothing was written",
                happened="no", next_step="close the store and open it again: then it is known",
            )  # fmt: skip
        assert self.committed or not self._undo, "a transaction is open already"
        self._undo.clear()
        self.committed = False

    def commit(self) -> None:
        try:
            self._save(self._undo if len(self._undo) <= FEW else _each_once(self._undo))
            self.committed = True
        except BaseException:
            if not self.committed:
                self.rollback()
            raise
        self._undo.clear()

    def mark(self) -> int:
        return len(self._undo)

    def rollback(self, mark: int = 0) -> None:
        try:
            for table, where, old, _ in reversed(self._undo[mark:]):
                self._put_back(table, where, old)
            del self._undo[mark:]
        except BaseException as error:
            self.doubtful = True
            self._undo.clear()
            if not isinstance(error, Exception):
                raise  # (else what it is rolled back for is what has to be told)


def _each_once(changes: list[Changed]) -> list[Changed]:
    """What became of each row in all. O(changes)."""
    rows: dict[str, dict[Any, int]] = {}
    found: list[Any] = []
    for change in cast(Iterable[Any], _one_by_one(changes)):  # (as it is: not taken apart, and made anew)
        table, where = change[0], change[1]
        if table == "over":  # what comes behind it stays there
            for name, at_it in (("cell", where), ("past", where), ("context", where[0])):
                if name in rows:
                    rows[name].pop(at_it, None)
            found.append(change)
            continue
        of = rows.get(table)
        if of is None:
            of = rows[table] = {}
        at = of.get(where)
        if at is None:
            of[where] = len(found)
            found.append(change)
        else:
            found[at] = (table, where, found[at][2], change[3])
    return found


def _one_by_one(changes: list[Changed]) -> Iterable[Changed]:
    """Where cells of a key have come together and others of it have changed: each cell by itself."""
    together = [change[1] for change in cast(list[Any], changes) if change[0] == "cells"]
    if not together:
        return changes
    mixed = {change[1][0] for change in changes if change[0] in ("cell", "over")}
    mixed |= {key for key, count in Counter(together).items() if count > 1}
    if mixed.isdisjoint(together):
        return changes
    return chain.from_iterable(
        [("cell", (change[1], path), (), cell) for path, cell in change[3].items()]
        if change[0] == "cells" and change[1] in mixed else (change,) for change in changes
    )  # fmt: skip
