"""Counter: every add counts once, wherever it was made; a reset takes away what it saw.

One cell per replica, its *share*: how much it has added and how much of that was
cancelled, each only ever growing, so that siblings read as the max of each. Adds
and subtractions are kept apart for that reason (PN-counter, Shapiro et al. 2011):
a total that could fall would be overruled by an older reset that had seen more.

An add with an idempotency key is a cell of its own, so that the same key tried at
two colos counts once; `fold` moves it into its owner's share when it is old.

The anomaly that survives: a reset concurrent with an add leaves that add, so a
counter may read 5 right after everybody agreed to reset it. A delete that all
have heard is forgotten with the keys of its adds: one of them tried again later,
at another colo, counts in the counter that is made anew. A delete concurrent
with the folding of a keyed add leaves 0 instead of nothing; and a delete of a
container is undone by a concurrent folding inside, as by any edit (the inbox says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from mypy_extensions import mypyc_attr

from crdtkv.core.cells import Cell, Sibling, is_live
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import BaseTooOld, Overflow, ValueInvalid, WrongType
from crdtkv.strategies.base import ABSENT, Env, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import covers_live, misfit
from crdtkv.strategies.counter_cells import (
    LIMIT,
    Once,
    Share,
    adds,
    is_alive,
    is_share,
    once,
    once_path,
    packed,
    plus,
    share,
    share_path,
)

__all__ = ["MAX_ONCE_KEY", "Counter", "cancel"]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long

MAX_ONCE_KEY = 256


@mypyc_attr(allow_interpreted_subclasses=True)
class Counter(Strategy):
    """A sum of adds, exact within 64 bits."""

    name = "counter"
    summary = "a sum, each add counted once"
    wins = "all adds count; a reset takes away exactly what it saw"
    anomaly = "a reset concurrent with an add leaves that add"
    cost = "one cell per replica that ever added, one per idempotency key for a day"
    operations: ClassVar[Mapping[str, str]] = {
        "add": "add(n[, idempotency_key])",
        "reset": "reset()",
        "put": "put(n): adds the difference to what the base showed",
        "delete": "delete()",
    }
    short = frozenset({"add"})
    baseless = frozenset({"add"})

    def read(self, tree: Tree) -> Any:
        """The exact sum, beyond 64 bits if several colos added that much. Cost: O(replicas + keyed adds of a day)."""
        total, alive = 0, False
        for path, cell in tree.scattered():
            n, lives = adds(path, cell)
            total += n
            alive = alive or lives
        return total if alive else ABSENT

    def present(self, tree: Tree) -> bool:
        return any(is_alive(path, cell) for path, cell in tree.scattered())

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("add", (n,) | (n, None)):
                return self._add(tree, env, self.norm(n))
            case Operation("add", (n, once_key)):
                return self._add_once(tree, env, self.norm(n), once_key)
            case Operation("put", (n,)):
                shown = 0 if self.read(tree) is ABSENT else self.read(env.base)
                return self._add(tree, env, self.norm(n) - (shown or 0))
            case Operation("reset", ()):
                return [] if self.read(tree) is ABSENT else list(cancel(tree, env, delete=False))
            case Operation("delete", ()):
                return list(cancel(tree, env, delete=True))
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongType(f"a counter counts integers; not {show(value)}")
        if not -LIMIT <= value < LIMIT:
            raise Overflow(f"{show(value)} is beyond 64 bits: -2**63 to 2**63-1")
        return value

    def counted(self, tree: Tree) -> Iterable[bytes]:
        return [b""]

    def says(self, path: bytes, sibling: Sibling) -> Any:
        if is_share(path):
            return share((sibling,)).value
        keyed = once((sibling,))
        return None if keyed is None else keyed.value

    def _add(self, tree: Tree, env: Env, n: int) -> list[Write]:
        shown = self.read(tree)
        if n == 0 and shown is not ABSENT:
            return []
        _check(shown or 0, n)
        path = share_path(env.replica)
        cell = tree.raw().cell(path)
        # A share that was dropped must not begin at 0 again: an old reset may still be on its way
        # that cancels up to what the dropped one had counted.
        floor = env.share_floor
        own = share(cell) if cell else Share(floor, floor, floor, floor)
        # What reads as absent (deleted, expired) begins at 0.
        own = plus(own if shown is not ABSENT else own.cancelled_to(own), n)
        if max(own.up, own.down) >= LIMIT:
            raise Overflow(f"this replica's own total would be {max(own.up, own.down)}; at most {LIMIT - 1}")
        return [_new(Write, (path, packed(own), True, False))]

    def _add_once(self, tree: Tree, env: Env, n: int, key: object) -> list[Write]:
        path = once_path(_check_once_key(key))
        cell = tree.cell(path)
        if cell:
            # Counted here before, whatever became of it since: a tombstone remembers as well.
            known = once(cell)
            if known is not None and known.amount != n:
                raise ValueInvalid(f"idempotency key {key!r} was used to add {known.amount}; not {n}; use a new one")
            return []
        _check(self.read(tree) or 0, n)
        return [Write(path, Once(n).pack(), all=True)]


def _check(shown: int, n: int) -> None:
    """Refuse what leaves 64 bits; a step back toward them is welcome."""
    if not -LIMIT <= shown + n < LIMIT and abs(shown + n) >= abs(shown):
        raise Overflow(f"{shown} + {n} is {shown + n}, beyond 64 bits: -2**63 to 2**63-1")


def _check_once_key(key: object) -> bytes:
    if not isinstance(key, str):
        raise WrongType(f"an idempotency key is a string; not {show(key)}")
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise ValueInvalid(f"idempotency key {show(key)} holds a lone surrogate") from None
    if not 1 <= len(data) <= MAX_ONCE_KEY:
        raise ValueInvalid(f"idempotency key is {len(data)} bytes; 1 to {MAX_ONCE_KEY}")
    return data


def cancel(tree: Tree, env: Env, delete: bool) -> Iterator[Write]:
    """The writes that take away what the base shows, each only if it changes something.

    An add that the base had not seen still counts. A delete's writes are dead.
    """
    for path, seen in env.base.below():
        cell = tree.cell(path)
        if not cell:
            # Dropped since: it was dead, or folded into a share that this base did not see it in.
            if not is_share(path) and (missed := once(seen)) is not None and missed.value:
                raise BaseTooOld("shows an increment by its idempotency key that was folded since")
            continue
        takes = delete and covers_live(cell, env)
        if is_share(path):
            yield from _cancel_share(path, seen, cell, env, delete, takes)
        else:
            yield from _cancel_once(path, seen, cell, delete, takes)


def _cancel_share(path: bytes, seen: Cell, cell: Cell, env: Env, delete: bool, takes: bool) -> Iterator[Write]:
    base, now = share(seen), share(cell)
    after = now.cancelled_to(base)
    if takes or after != now:
        if delete and any(is_live(s.payload) and not env.covers(s.dot) for s in cell):
            # What the base had not seen must stay alive beside this.
            yield Write(path, base.cancelled_to(base).pack(dead=True))
        else:
            # What this transaction added itself after its base stays: what is dead counts nothing.
            yield Write(path, after.pack(dead=delete and after == after.cancelled_to(after)), all=True)


def _cancel_once(path: bytes, seen: Cell, cell: Cell, delete: bool, takes: bool) -> Iterator[Write]:
    base, now = once(seen), once(cell)
    if base is None or now is None:
        return
    after = base.cancelled()
    if takes or after.folded > now.folded or after.gone > now.gone:
        # Not `all`: the sibling of whoever folded it says whose share it is in.
        yield Write(path, after.pack(dead=delete))
