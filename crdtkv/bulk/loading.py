"""Items into a store, many to a transaction; what is refused is said of its line, and the rest goes on.

Rule: a line is imported whole or not at all, and a line that says what the store shows
already writes nothing. So to import again, or from an earlier line on, does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from crdtkv.bulk.items import Item
from crdtkv.bulk.sources import Found
from crdtkv.core import values
from crdtkv.errors import BadRequest, ClockAhead, NotAMember, NotBackYet, Refused, StoreClosed
from crdtkv.store import door
from crdtkv.store.metadata import metadata_of, put_metadata
from crdtkv.store.transaction import Transaction

if TYPE_CHECKING:
    from crdtkv.store.receipt import Receipt
    from crdtkv.store.results import Entry

__all__ = ["BATCH", "BATCH_BYTES", "Into", "Loaded", "Putting", "load"]

BATCH = 256
BATCH_BYTES = 4 << 20
_NO_LINE_IS_TO_BLAME = (StoreClosed, NotAMember, NotBackYet, ClockAhead)
"""No write at all would be taken."""


class Putting(Protocol):
    """A transaction of what is loaded into."""

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry | None]:
        """How several keys read."""

    def put(self, key: str, value: Any, *, strategy: str | None = None, ttl: float | None = None) -> Receipt:
        """A key is put."""


class Into(Protocol):
    """What is loaded into: a store, or a client of one."""

    def transaction(self) -> AbstractContextManager[Putting]:
        """All or nothing."""


@dataclass
class Loaded:
    """What became of the lines. `then`: the line to go on from; one with several items, again."""

    written: int = 0
    same: int = 0
    expired: int = 0
    kept: int = 0
    bad: int = 0
    metadata: int = 0
    """Lines whose metadata was left out."""
    unknown: set[str] = field(default_factory=set)
    """Members that were left out because nobody knows them here."""
    then: int = 1


class _Loading:
    def __init__(
        self, store: Into, clock: Callable[[], float], absent_only: bool, problem: Callable[[int, str], None]
    ) -> None:
        self.store, self.clock, self.absent_only, self.problem = store, clock, absent_only, problem
        self.done = Loaded()
        self.client = False
        """Whether it is loaded into by a client, which puts no metadata."""

    def batch(self, found: list[Found]) -> None:
        """All of it; halved where something is refused, until the line is found that was."""
        try:
            with self.store.transaction() as t:
                self.client = not isinstance(t, Transaction)
                items = [f.item for f in found if f.item is not None]
                there = t.get_many([item.key for item in items])
                outcomes = [self.put(t, item, there[item.key]) for item in items]
        except (BadRequest, Refused) as error:
            if isinstance(error, _NO_LINE_IS_TO_BLAME):
                raise
            if len(found) > 1:
                middle = len(found) // 2
                self.batch(found[:middle])
                self.batch(found[middle:])
            else:
                self.done.bad += 1
                self.problem(found[0].line, str(error))
            return
        for f, outcome in zip(found, outcomes, strict=True):
            setattr(self.done, outcome, getattr(self.done, outcome) + 1)
            self.done.metadata += self.client and f.item is not None and f.item.metadata is not None
            self.done.unknown.update(f.item.unknown if f.item is not None else ())

    def put(self, t: Putting, item: Item, entry: Entry | None) -> str:
        """Which count it belongs to."""
        ttl = None if item.expires is None else item.expires - self.clock()
        if ttl is not None and ttl <= 0:
            return "expired"
        if entry is not None and self.absent_only:
            return "kept"
        about = metadata_of(door.replica(t), item.key) if isinstance(t, Transaction) else item.metadata
        same = entry is not None and values.equal(entry.value, item.value) and _same_date(entry, item)
        if same and values.equal(about, item.metadata):
            return "same"
        t.put(item.key, item.value, strategy=item.strategy if entry is None else None, ttl=ttl)
        if isinstance(t, Transaction):
            put_metadata(t, item.key, item.metadata)
        return "written"


def _same_date(entry: Entry, item: Item) -> bool:
    """To the second: an expiration has no finer words."""
    if entry.expires is None or item.expires is None:
        return entry.expires is None and item.expires is None
    return abs(entry.expires / 1000 - item.expires) <= 1


def load(
    store: Into, found: Iterable[Found], clock: Callable[[], float], *, start: int = 1, absent_only: bool = False,
    problem: Callable[[int, str], None], advance: Callable[[Loaded, int], Any],
) -> Loaded:  # fmt: skip
    """Import what a source gives, from line `start` on; what became of it.

    `problem(line, words)` is told of each line that was not taken, `advance(so far, bytes read)` after
    each transaction: what it counts is durable. Raises StorageFailed, StoreClosed, NotAMember, NotBackYet, ClockAhead,
    and what the source raises; what was counted by then is kept.
    """
    loading = _Loading(store, clock, absent_only, problem)
    batch: list[Found] = []
    keys: set[str] = set()
    size = read = 0

    def flush(then: int) -> None:
        if batch:
            loading.batch(batch)
            loading.done.then = then
            advance(loading.done, batch[-1].read)
        batch.clear()
        keys.clear()

    try:
        for f in found:
            own, read = f.read - read, f.read
            if f.line < start:
                continue
            if f.item is None:
                loading.done.bad += 1
                problem(f.line, f.problem)
                continue
            # (What is put in a transaction of a client cannot be read in it.)
            if f.item.key in keys or len(batch) >= BATCH or size >= BATCH_BYTES:
                flush(f.line)
                size = 0
            keys.add(f.item.key)
            batch.append(f)
            size += own
    except BadRequest:
        flush(batch[-1].line if batch else start)  # the source ends in the middle: what was whole is kept
        raise
    flush(batch[-1].line + 1 if batch else start)
    return loading.done
