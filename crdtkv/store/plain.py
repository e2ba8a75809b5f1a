"""The writes that say no more than what they write: no base, no date, no condition. The short way, if it leads there.

Law of this room: what comes here was looked at (`operations.py`); where the short way does not lead, `of` goes the
long one, and leaves the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.uncollected import A_WRITE, LARGE, uncollected
from crdtkv.replica import leaf
from crdtkv.replica.draft import Draft
from crdtkv.store.receipt import Receipt
from crdtkv.strategies.base import Operation
from crdtkv.strategies.lone import plainly_shown

__all__ = ["MAX_SHARED", "Put", "Shared", "operate", "put", "put_all"]

MAX_SHARED: Final = 4096
"""Bytes of a value up to which a server's put shares a transaction: one record is of some 256 at the most."""

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long


def put(of: Any, key: str, value: Any, spec: str | None, draft: Draft) -> Receipt:
    """`key` shows `value`; `spec`: the strategy that was named."""
    if isinstance(value, bytes):
        value = Blob(value)
    done = leaf.put(draft, key, value, spec)
    if done is None:
        made: Receipt = of._writing(key, Operation("put", (value,)), None, spec, None, whole=True)(draft)
        return made
    strategy, payload, context = done
    return Receipt(key, context, strategy, draft.fate, partial(values.unpack, payload))


class Shared:
    """What is done in a transaction, which may share that with others that wait for the same commit, and be done again
    alone if one of them fails. `shares`: the one key that it reads and writes, and little of it; empty: it may not."""

    __slots__ = ("_act", "shares")

    def __init__(self, key: str, act: Callable[[Any], Any]) -> None:
        self.shares, self._act = key, act

    def __call__(self, t: Any) -> Any:
        """In a transaction that is open."""
        return self._act(t)


class Put:
    """Of a transaction: `key`, which was checked, shows `value`. Gives `told(whether the key was there, receipt)`.

    `small`: the value is: as `Shared`.
    """

    __slots__ = ("_key", "_spec", "_told", "_value", "shares")

    def __init__(
        self, key: str, value: Any, spec: str | None, told: Callable[[bool, Receipt], Any], small: bool = False
    ) -> None:  # fmt: skip
        self._key, self._value, self._spec, self._told = key, value, spec, told
        self.shares = key if small else ""
        """As `Shared` has it."""

    def __call__(self, t: Any) -> Any:
        """In a transaction that is open."""
        return self.within(t, t._open)

    def within(self, of: Any, draft: Draft) -> Any:
        """In the transaction of a draft, which it asks for nothing else; `of`: its store, or itself."""
        key = self._key
        there = plainly_shown(draft.replica.storage.cells(key)) or draft.replica.shown(key, draft.stamp) is not None
        return self._told(there, put(of, key, self._value, self._spec, draft))


def put_all(of: Any, pairs: list[tuple[str, Any]], draft: Draft) -> None:
    """Each key shows its value. O(values)."""
    for key, value in pairs:
        put(of, key, value, None, draft)


def operate(of: Any, key: str, name: Any, args: tuple[Any, ...], family: Any, draft: Draft) -> Receipt:
    """The operation `name` of the strategy `family`, None: of whichever the key has."""
    size = len(args) * A_WRITE
    if size < LARGE:
        return _operate(of, key, name, args, family, draft)
    with uncollected(size):
        return _operate(of, key, name, args, family, draft)


def _operate(of: Any, key: str, name: Any, args: tuple[Any, ...], family: Any, draft: Draft) -> Receipt:
    operation = _new(Operation, (name, args))
    chosen = leaf.operate(draft, key, operation, family)
    if chosen is None:
        made: Receipt = of._writing(key, operation, None, None, family)(draft)
        return made
    context = draft.replica.storage.context(key)
    return Receipt(key, context, chosen.spec, draft.fate, partial(of._value_then, key, context))
