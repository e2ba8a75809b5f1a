"""Items in a store: put, deleted, read and listed, each in one transaction or at one instant.

Metadata is that of the key's last write (`store.metadata`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from crdtkv.core.cells import is_value
from crdtkv.core.clocks import make_stamp
from crdtkv.core.paths import STRATEGY, first
from crdtkv.doors.items.bodies import body_of, kind_of, value_of
from crdtkv.doors.items.limits import MAX_LIST
from crdtkv.store import door
from crdtkv.store.metadata import beside, metadata_of, put_metadata

if TYPE_CHECKING:
    from crdtkv.doors.items.guessing import Writer
    from crdtkv.store.operations import Operations
    from crdtkv.store.receipt import Receipt
    from crdtkv.store.results import Entry
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["Item", "Listed", "Named", "Put", "delete", "get", "get_many", "listing", "prepared", "put", "spec_of"]


class Put(NamedTuple):
    """What a put asks for. `kind`: the body's content type, if it was said; `metadata`: a JSON value, None for none.

    `expires`: seconds since 1970, None: it stays. `base`: the version that it was made from; None: what is here.
    `ready`: what the body is under a strategy, where that is known already (`prepared`).
    """

    key: str
    body: bytes
    kind: str = ""
    metadata: Any = None
    expires: int | None = None
    base: str | None = None
    ready: tuple[str, Any] | None = None


class Item(NamedTuple):
    """A key as it reads. `expires`: seconds since 1970, or None; `metadata`: None for none."""

    entry: Entry
    metadata: Any

    @property
    def body(self) -> bytes:
        """Its bytes."""
        return body_of(self.entry.value)

    @property
    def kind(self) -> str:
        """Their content type."""
        return kind_of(self.entry.value)

    @property
    def expires(self) -> int | None:
        """When it will be gone."""
        return None if self.entry.expires is None else self.entry.expires // 1000


class Named(NamedTuple):
    """A key as it is listed."""

    name: str
    expires: int | None
    metadata: Any


class Listed(NamedTuple):
    """A page. `cursor` goes on behind it, None if that was all. `entries`: the keys as the store tells them."""

    keys: list[Named]
    cursor: str | None
    entries: list[Entry]


# writing


def put(t: Transaction, wish: Put, writer: Writer | None = None) -> Receipt:
    """`wish.key` shows `wish.body`, merged with what others did since its base, with that metadata and date.

    Where it names no base, `writer` knows or guesses it; `writer.done()` is for after the commit. Raises BadRequest
    for a body that does not fit the key's strategy, and as `Operations.put`: then the transaction is to be given up.
    O(n) for json, list and set, else O(body).

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> with kv.transaction() as t: receipt = put(t, Put("a", b"hello", metadata={"by": "ann"}))
    >>> get(kv, "a").body, get(kv, "a").metadata
    (b'hello', {'by': 'ann'})
    """
    key, spec = wish.key, spec_of(t, wish.key)
    ready = wish.ready
    value = ready[1] if ready is not None and ready[0] == spec else value_of(spec, wish.body, wish.kind)
    put, base = value, wish.base
    if base is None and writer is not None:
        put, base = writer.meant(t, key, spec, value)
    receipt = t.put(key, put, base=base)
    if wish.expires is not None:
        door.draft(t).expire(key, make_stamp(wish.expires * 1000), door.base_of(t, key, base))
        receipt = door.made(t, key)
    if writer is not None:
        writer.wrote(t, key, spec, value)
    put_metadata(t, key, wish.metadata)
    return receipt


def prepared(store: Store, wish: Put) -> Put:
    """The same, its body read already: of a large one that takes long, and in a transaction others would wait for it.

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> prepared(kv, Put("a", b"[1]")).ready
    ('json', [1])
    """
    with door.holding(store):
        spec = spec_of(store, wish.key)
    return wish._replace(ready=(spec, value_of(spec, wish.body, wish.kind)))


def delete(t: Transaction, key: str, base: str | None = None) -> Receipt:
    """What `base` (None: what is here) showed of `key` is gone, and its metadata. Nothing if there is no such key.

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> with kv.transaction() as t: receipt = put(t, Put("a", b"hello"))
    >>> with kv.transaction() as t: receipt = delete(t, "a")
    >>> print(get(kv, "a"))
    None
    """
    receipt = t.delete(key, base=base)
    put_metadata(t, key, None)
    return receipt


def spec_of(t: Operations, key: str) -> str:
    """The strategy that `key` has, or is made under. In a transaction, or with the store's lock. O(1) for most."""
    replica = door.replica(t)
    cells = replica.storage.cells(key)
    if len(cells) == 1:
        ((path, cell),) = cells.items()
        spec = _spec_at(path) if len(cell) == 1 and is_value(cell[0].payload) else None
        if spec is not None:
            return spec  # most are so: nothing is asked of what else there could be
    shown = replica.shown(key) if cells else None
    return door.rule(t, key).strategy if shown is None else shown[0].spec


@lru_cache(maxsize=256)
def _spec_at(path: bytes) -> str | None:
    """The strategy whose root is `path`; None if it is none."""
    tag, data, rest = first(path) if path else (b"", b"", b"")
    return data.decode() if tag == STRATEGY and not rest else None


# reading


def get(store: Store, key: str) -> Item | None:
    """How `key` reads, None if it is absent. Waits for who writes. O(n). Raises KeyInvalid."""
    with door.holding(store):
        entry = store.get(key)
        return None if entry is None else Item(entry, metadata_of(door.replica(store), key))


def get_many(store: Store, keys: Iterable[str]) -> dict[str, Item | None]:
    """`get` of several, at one instant. Raises KeyInvalid.

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> get_many(kv, ["a"])
    {'a': None}
    """
    with door.holding(store):
        return {
            key: None if entry is None else Item(entry, metadata_of(door.replica(store), key))
            for key, entry in store.get_many(keys).items()
        }


def listing(store: Store, prefix: str = "", limit: int = MAX_LIST, cursor: str | None = None) -> Listed:
    """The keys with `prefix`, in order, from `cursor` on. O(keys passed + page). Raises CursorInvalid.

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> kv.update({"a/1": 1, "a/2": 2, "b": 3})
    >>> page = listing(kv, "a/", limit=1)
    >>> [named.name for named in page.keys], [named.name for named in listing(kv, "a/", cursor=page.cursor).keys]
    (['a/1'], ['a/2'])
    """
    with door.holding(store):
        page = store.scan(prefix, limit=limit, cursor=cursor)
        found = beside(door.replica(store), page)
        named = [Named(e.key, None if e.expires is None else e.expires // 1000, found.get(e.key)) for e in page]
    return Listed(named, page.cursor, page)
