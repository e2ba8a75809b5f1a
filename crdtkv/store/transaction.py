"""A transaction that is open: what it does is seen by itself alone, until it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from crdtkv.core import values
from crdtkv.core.rules import Rule
from crdtkv.core.show import show
from crdtkv.errors import BadRequest, WrongOperation
from crdtkv.replica.draft import Draft
from crdtkv.store.operations import Operations
from crdtkv.store.reading import Reading
from crdtkv.store.receipt import Receipt
from crdtkv.strategies.base import Operation

if TYPE_CHECKING:
    from crdtkv.store.committing import Committing

__all__ = ["Transaction"]

_T = TypeVar("_T")


class Transaction(Operations):
    """The methods of a store, all in one transaction; valid inside its `with` block, in its thread.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> with kv.transaction() as t:
    ...     _ = t.put("a", 1)
    ...     t["b"] = t["a"] + 1
    >>> kv["b"]
    2
    """

    def __init__(self, store: Committing, draft: Draft) -> None:
        self._store = store
        self._writer = store._writer
        self._replica = store._replica
        self._open = draft
        self._thread = threading.get_ident()

    def _run(self, act: Callable[[Draft], _T]) -> _T:
        if self._writer.draft is not self._open or threading.get_ident() != self._thread:
            self._check()
        return act(self._open)

    def _check(self) -> None:
        if self._writer.draft is not self._open:
            raise BadRequest("this transaction has ended; begin another")
        if threading.get_ident() != self._thread:
            raise BadRequest("this transaction is of another thread; begin one here, or let that thread use it")

    def revert(self, key: str, version: str) -> Receipt:
        """As Store.revert, in this transaction. O(n).

        >>> import crdtkv
        >>> kv = crdtkv.open(colo="lhr")
        >>> version = kv.put("a", 1).version
        >>> with kv.transaction() as t:
        ...     _ = t.put("a", 2)
        ...     _ = t.revert("a", version)
        >>> kv["a"]
        1
        """
        entry = self.get(key, at=version)
        if entry is None:
            return self.delete(key)
        # Without a base that a rule may ask for: the version says what is meant, whatever is here now.
        spec = None if key in self else entry.strategy
        receipt = self._operate(self._open, key, Operation("put", (entry.value,)), None, spec, None)
        if not values.equal(receipt.value, entry.value):
            raise WrongOperation(
                f"{key!r} is a {receipt.strategy}, which goes from {show(receipt.value)} no way back "
                f"to {show(entry.value)}; nothing was written"
            )
        return receipt

    def _reading(self) -> Reading:
        self._check()
        return Reading(self._replica, self._store._lock, self._check)

    def _there(self, key: str) -> bool:
        """Whether there is something to read: the transaction has the lock already. O(1) for most."""
        return self._store._inside()._present(key, None)

    def _inside(self) -> Reading:
        return self._store._inside()

    def _rule_of(self, key: str) -> Rule:
        return self._store._rule_of(key)
