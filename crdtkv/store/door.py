"""What a door may do with a store, beyond what everybody may: the one place where whoever serves it reaches inside.

Doors answer without waiting, tell what they have told before, follow what changes, and exchange with other colos; a
user of a store does none of that, so a store's own methods do not say it. Law of this room: each function says what
it waits for; it changes nothing but through a transaction, and it is as quick as what it reaches for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from crdtkv.store import maintenance
from crdtkv.store.handles import JsonHandle

if TYPE_CHECKING:
    import asyncio
    from threading import RLock

    from crdtkv.core.cells import Context
    from crdtkv.core.clocks import Dot, Stamp
    from crdtkv.core.fate import Fate
    from crdtkv.core.rules import Rule
    from crdtkv.replica.core import Replica
    from crdtkv.replica.draft import Draft
    from crdtkv.store.lock import ProcessLock
    from crdtkv.store.operations import Operations
    from crdtkv.store.owner import Readings
    from crdtkv.store.reading import Reading
    from crdtkv.store.receipt import Receipt
    from crdtkv.store.results import Entry
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = [
    "Telling", "absorbed", "again", "ask", "ask_then", "at_once", "base_of", "check_version", "context", "dismiss",
    "draft", "entry", "holding", "inside", "is_open", "latch", "listen", "made", "place", "reading", "replica",
    "restore", "rule", "seen", "stands", "tell", "there", "told", "touches", "unlisten", "version", "wall_ms",
]  # fmt: skip

_T = TypeVar("_T")

Telling = Callable[[Any, BaseException | None], None]
"""Is told what an act gave and None, or None and why nothing was written."""


# of a store, or of a transaction, which has the lock


def replica(of: Operations) -> Replica:
    """What replicates, for who exchanges with others and who reports on it; more than one value with the lock."""
    return of._replica


def rule(of: Operations, key: str) -> Rule:
    """The rule that speaks of a key. With the lock."""
    return of._rule_of(key)


def wall_ms(of: Operations) -> int:
    """Its clock. Waits for nobody."""
    return of._replica.wall_ms()


def inside(of: Operations) -> Reading:
    """Its keys as a transaction that is open reads them. With the lock."""
    return of._inside()


def reading(of: Operations) -> Readings:
    """Its keys as handles read them. Each call waits for who writes."""
    return of._reading()


def entry(of: Operations, key: str) -> Entry | None:
    """How a key reads, kept to be told again. With the lock. O(1) for most."""
    return of._inside()._entry(key, None)


def place(of: Operations, key: str, pointer: str) -> tuple[str, ...]:
    """A JSON pointer into a document, checked. O(pointer). Raises BadRequest."""
    return JsonHandle(of, key)._at(pointer)


# of a store


def holding(store: Store) -> ProcessLock:
    """To be entered: nobody writes meanwhile. Waits for who does. (It may have been closed: see `is_open`.)"""
    return store._lock


def latch(store: Store) -> RLock:
    """What `holding` takes, for who would rather be refused than wait: `acquire(blocking=False)`."""
    return store._lock.inner


def at_once(store: Store, read: Callable[[], _T]) -> _T:
    """`read()`, with the lock. Raises BlockingIOError if somebody has it: he may be waiting for the disk."""
    lock = latch(store)
    if not lock.acquire(blocking=False):
        raise BlockingIOError
    try:
        return read()
    finally:
        lock.release()


def is_open(store: Store) -> bool:
    """Whether nobody has closed it yet. Waits for nobody."""
    return not store._writer.closed


def told(store: Store, key: str) -> tuple[Entry | None, Any]:
    """How a key reads, and what the store keeps of that to tell it again, None if nothing. Waits for who writes."""
    return store.get(key), store._replica.memos.told(key)


def stands(store: Store, key: str, known: Any) -> bool:
    """Whether the key still reads as when that was kept, and the store is open. Waits for nobody: what somebody has
    begun to change does not stand.
    """
    return store._replica.memos.stands(key, known) and not store._writer.closed


def absorbed(store: Store) -> int:
    """How many transactions are here, of all replicas. Waits for nobody. O(replicas)."""
    return sum(dict(store._replica.state.vector).values())


def ask(store: Store, act: Callable[[Draft], _T]) -> asyncio.Future[_T]:
    """As `asubmit`, of a function of the draft itself. Raises StoreLocked, StoreClosed."""
    return store._ask(act)


def ask_then(store: Store, act: Callable[[Transaction], Any], then: Telling) -> None:
    """As `asubmit`, but that `then` is told, in the event loop. (No future, and no task: at half the price.)"""
    store._ask_then(act, then)


def listen(store: Store, changed: Callable[[], None]) -> None:
    """`changed()` is called from now on after whatever was committed or absorbed, with the lock, by who did that."""
    store._writer.on_change = [*store._writer.on_change, changed]  # (somebody may be going through the old ones)


def unlisten(store: Store, changed: Callable[[], None]) -> None:
    """It is not any more. Idempotent."""
    store._writer.on_change = [each for each in store._writer.on_change if each != changed]


def tell(store: Store) -> None:
    """With the lock, of a store whose replica was changed by who exchanges: feeds wake, and listeners hear of it."""
    store._writer.tell()


# of a transaction


def draft(t: Transaction) -> Draft:
    """What it writes in."""
    return t._open


def there(t: Transaction, key: str) -> bool:
    """Whether there is something to read. O(1) for most."""
    return t._there(key)


def version(t: Operations, key: str) -> str | None:
    """The version of a key, None if it is absent; its value is not read. O(1) for most."""
    return t._version(key)


def check_version(t: Operations, key: str, wanted: str | None) -> None:
    """Raises PreconditionFailed unless a key is at that version (None: unless it is absent). O(1) for most."""
    t._check_version(key, wanted)


def restore(t: Operations, id: str) -> Receipt:
    """A lost write is written again, and out of the inbox. O(inbox). Raises BadRequest for one that is not in it."""
    return maintenance.restore(t, id)


def dismiss(t: Operations, id: str) -> None:
    """A lost write is out of the inbox. O(1)."""
    maintenance.dismiss(t, id)


def context(t: Operations, key: str) -> Context:
    """All that touched a key, as data. O(1)."""
    return t._replica.storage.context(key)


def touches(t: Operations, key: str) -> list[tuple[Stamp, Dot]]:
    """The transactions that touched a key, as far as they are known here, the earliest first. O(its past)."""
    return sorted(t._inside()._touches(key))


def base_of(t: Transaction, key: str, version: str | None) -> Context | None:
    """A version as data. O(its entries). Raises VersionInvalid."""
    return t._context(key, version)


def made(t: Transaction, key: str) -> Receipt:
    """Of what it has just done to a key. O(1)."""
    return t._receipt(t._open, key)


def again(t: Transaction, key: str, version: Context, strategy: str, fate: Fate) -> Receipt:
    """Of what was done to a key before. O(1)."""
    return t._made(key, version, strategy, fate)


def seen(receipt: Receipt) -> Context:
    """The version of a receipt as data. O(1). Raises BadRequest if its transaction was undone."""
    return receipt._context
