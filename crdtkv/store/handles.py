"""Handles: a key seen as the type it is. They behave like the Python types people know.

A handle holds no data; each call reads or writes the store. Writes return Receipts.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, overload

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.keys import check_key
from crdtkv.core.paths import VALUE, component
from crdtkv.core.show import show
from crdtkv.errors import CrdtkvError, TooLarge, ValueInvalid, WrongType
from crdtkv.store.receipt import Receipt
from crdtkv.strategies.base import Operation
from crdtkv.strategies.document_parts import pointer

if TYPE_CHECKING:
    from crdtkv.store.owner import Owner

__all__ = ["CounterHandle", "FlagHandle", "Handle", "Handles", "JsonHandle", "ListHandle", "LogHandle", "SetHandle"]


class Handle:
    """A key, or a path in a JSON document, as a value of one strategy family.

    Writes raise WrongOperation where the key is of another kind, and as any write does.
    """

    family = ""
    empty: Any = None

    def __init__(self, kv: Owner, key: str, path: tuple[str, ...] | None = None) -> None:
        self._kv = kv
        self.key = key
        self._path = path

    def _do(self, name: str, *given: Any, base: str | None = None) -> Receipt:
        args = tuple([Blob(value) if isinstance(value, bytes) else value for value in given])  # as in `put`
        if self._path is not None:
            return self._kv.operate(
                self.key, "json", "at", self._path, self.family, Operation(name, args), base=base, strategy=None
            )
        return self._kv.operate(self.key, self.family, name, *args, base=base)

    @property
    def value(self) -> Any:
        """What is shown now; the empty value of the type if there is nothing. O(n).

        Raises StrategyMismatch or WrongType if something of another strategy is shown.
        """
        found = self._kv._reading().part(check_key(self.key), self._path, self.family)
        return self.empty if found is None else found

    def put(self, value: Any, *, base: str | None = None) -> Receipt:
        """The whole value, merged against `base`. O(n).

        >>> import crdtkv
        >>> tags = crdtkv.open(colo="lhr").set("tags")
        >>> tags.put(["b", "a"]).value, tags.value
        (['a', 'b'], ['a', 'b'])
        """
        return self._do("put", value, base=base)

    def delete(self, *, base: str | None = None) -> Receipt:
        """What is shown now (or at `base`) is gone. O(n) at most.

        >>> import crdtkv
        >>> hits = crdtkv.open(colo="lhr").counter("hits")
        >>> _ = hits.add(3); _ = hits.delete()
        >>> hits.value
        0
        """
        return self._do("delete", base=base)

    def __repr__(self) -> str:
        where = pointer(self._path or ())
        try:
            shown = f"{show(self.value)}"
        except CrdtkvError as error:
            shown = f"<{error}>"
        return f"{type(self).__name__}({f'{self.key}{where}'!r}: {shown})"


def _blob(value: Any) -> Any:
    """Bytes are kept as a blob, as in `put`."""
    return Blob(value) if isinstance(value, bytes) else value


class CounterHandle(Handle):
    """A counter. `int(handle)` is its value.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> hits = kv.counter("hits")
    >>> hits.add(3).value, hits.add(-1).value, int(hits)
    (3, 2, 2)
    >>> _ = hits.add(5, idempotency_key="order-7"); _ = hits.add(5, idempotency_key="order-7")
    >>> hits.value, hits.reset().value
    (7, 0)
    """

    family = "counter"
    empty = 0

    def add(self, n: int = 1, *, idempotency_key: str | None = None) -> Receipt:
        """Count `n`; with an idempotency key once, at whatever colos it is tried. O(replicas).

        Raises Overflow beyond 64 bits, WrongType for what is no integer, ValueInvalid for a key that was
        used for another amount.
        """
        return self._do("add", n) if idempotency_key is None else self._do("add", n, idempotency_key)

    def reset(self, *, base: str | None = None) -> Receipt:
        """Take away exactly what is shown (or was at `base`); concurrent adds count. O(replicas)."""
        return self._do("reset", base=base)

    def __int__(self) -> int:
        return int(self.value)

    __index__ = __int__


class FlagHandle(Handle):
    """A flag. `bool(handle)` is its state. O(1).

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> open_now = kv.flag("open")
    >>> open_now.enable().value, bool(open_now), open_now.disable().value
    (True, True, False)
    """

    family = "flag"
    empty = False

    def enable(self) -> Receipt:
        """On; wins over a concurrent disable unless the rule says otherwise. O(1)."""
        return self._do("enable")

    def disable(self) -> Receipt:
        """Off, as far as is known here. O(1)."""
        return self._do("disable")

    def __bool__(self) -> bool:
        return bool(self.value)


class SetHandle(Handle):
    """A set of JSON values, by exact identity (1, 1.0 and True are three), read in order.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> tags = kv.set("tags")
    >>> _ = tags.add("b", "a", "c"); _ = tags.remove("c")
    >>> list(tags), "a" in tags, len(tags)
    (['a', 'b'], True, 2)
    >>> _ = tags.clear()                       # there is no such key any more
    >>> tags.value, tags.empty
    ([], [])
    """

    family = "set"

    @property
    def empty(self) -> Any:
        """The value where there is none, fresh."""
        return []

    def add(self, *elements: Any) -> Receipt:
        """The elements are in it. O(log n) each. Raises TooLarge for one that is beyond a path's length."""
        return self._do("add", *elements)

    def remove(self, *elements: Any, base: str | None = None) -> Receipt:
        """The elements, as far as seen here (or at `base`), are not in it. O(log n) each."""
        return self._do("remove", *elements, base=base)

    def clear(self) -> Receipt:
        """All that is shown is removed; concurrent adds stand. O(n)."""
        return self._do("clear")

    def __contains__(self, element: object) -> bool:
        try:
            part = component(VALUE, values.pack_canonical(_blob(element)))
        except (ValueInvalid, TooLarge):
            return False
        return self._kv._reading().has(check_key(self.key), self._path, part)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)


class ListHandle(Handle):
    """A list, read like a Python list; written by its methods. Also for an array in a JSON key.

    Indices count as in Python; one that names no element raises WrongType.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> items = kv.list("items")
    >>> _ = items.append("b", "c"); _ = items.prepend("a"); _ = items.insert(-1, "b2")
    >>> _ = items.move(0, 3); _ = items.set(0, "B"); _ = items.remove(1)
    >>> list(items), items[1:], "a" in items, len(items)
    (['B', 'c', 'a'], ['c', 'a'], True, 3)
    >>> _ = items.clear()                      # there is no such key any more
    >>> items.value, items.empty
    ([], [])
    """

    family = "list"

    @property
    def empty(self) -> Any:
        """The value where there is none, fresh."""
        return []

    def append(self, *new: Any) -> Receipt:
        """Behind the last. O(log n)."""
        return self._do("append", *new)

    def prepend(self, *new: Any) -> Receipt:
        """Before the first. O(log n)."""
        return self._do("prepend", *new)

    def insert(self, index: int, *new: Any) -> Receipt:
        """Before what stands at `index`. O(n)."""
        return self._do("insert", index, *new)

    def remove(self, index: int) -> Receipt:
        """The element at `index` is gone. O(n)."""
        return self._do("remove", index)

    def set(self, index: int, value: Any) -> Receipt:
        """The element at `index` has this value; of concurrent ones the later. O(n)."""
        return self._do("set", index, value)

    def move(self, index: int, to: int) -> Receipt:
        """The element at `index` stands at `to`; of concurrent moves the later, and never two copies. O(n)."""
        return self._do("move", index, to)

    def clear(self) -> Receipt:
        """All that is shown is removed; what was put in concurrently stands. O(n)."""
        return self._do("clear")

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> builtins.list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self.value[index]

    def __setitem__(self, index: int, value: Any) -> None:
        self.set(_one(index), value)

    def __delitem__(self, index: int) -> None:
        self.remove(_one(index))

    def __contains__(self, element: object) -> bool:
        return any(values.equal(_blob(element), e) for e in self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)


def _one(index: Any) -> Any:
    if isinstance(index, slice):
        raise WrongType(f"{index!r} names several elements, which can be read only; put the whole list, or one by one")
    return index


class LogHandle(Handle):
    """A log: entries in the order of their stamps.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr", clock=lambda: 1_800_000_000.0)
    >>> events = kv.log("events")
    >>> _ = events.append("in"); _ = events.append("out")
    >>> list(events), events[-1], len(events), events.range(since=1_800_000_000_000, until=1_800_000_000_001)
    (['in', 'out'], 'out', 2, [(1800000000000, 'in'), (1800000000000, 'out')])
    >>> _ = events.trim(1_800_000_000_001)
    >>> events.value, events.empty
    ([], [])
    """

    family = "log"

    @property
    def empty(self) -> Any:
        """The value where there is none, fresh."""
        return []

    def append(self, *entries: Any) -> Receipt:
        """The entries, stamped now, in this order. O(log n) each."""
        return self._do("append", *entries)

    def trim(self, before: int) -> Receipt:
        """Entries stamped before `before` (milliseconds since 1970), as far as seen here, are gone. O(n).

        Raises ValueInvalid for what is no time.
        """
        return self._do("trim", before)

    def range(self, since: int | None = None, until: int | None = None) -> builtins.list[tuple[int, Any]]:
        """`(ms, entry)` with `since <= ms < until`, in order. O(log n + answer)."""
        return self._kv._reading().log_range(self.key, self._path or (), since, until)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: int | slice) -> Any:
        return self.value[index]


class JsonHandle(Handle):
    """A JSON document, and handles for its paths (JSON pointers such as `/items/0/qty`).

    What is no JSON pointer, or leads through what holds no members, raises WrongType.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> _ = kv.rules.set("cart/*", "json", paths={"/views": "counter", "/tags": "set", "/paid": "flag", "/seen": "log"})
    >>> cart = kv.json("cart/7")
    >>> _ = cart.set_at("/to/city", "London"); _ = cart.counter("/views").add(2); _ = cart.set("/tags").add("gift")
    >>> _ = cart.flag("/paid").enable(); _ = cart.log("/seen").append("ann"); _ = cart.set_at("/items", [])
    >>> _ = cart.list("/items").append({"sku": "hat", "qty": 1}); _ = cart.at("/items/0/qty").put(5)
    >>> cart.value == {"to": {"city": "London"}, "views": 2, "tags": ["gift"], "paid": True, "seen": ["ann"],
    ...                "items": [{"sku": "hat", "qty": 5}]}
    True
    >>> cart.get("/to/city"), cart.get("/to/street")
    ('London', None)
    """

    family = "json"

    def get(self, pointer: str = "") -> Any:
        """What is shown at a path, None if there is nothing. O(n)."""
        return self.at(pointer).value

    def set_at(self, pointer: str, value: Any, *, base: str | None = None) -> Receipt:
        """The path shows `value`, merged against `base`; objects on the way are made. O(what stands there)."""
        return self.at(pointer).put(value, base=base)

    def at(self, pointer: str) -> JsonHandle:
        """The part of the document at a path. O(1)."""
        return JsonHandle(self._kv, self.key, self._at(pointer))

    def counter(self, pointer: str) -> CounterHandle:
        """The counter at a path. O(1)."""
        return CounterHandle(self._kv, self.key, self._at(pointer))

    def set(self, pointer: str) -> SetHandle:
        """The set at a path. O(1)."""
        return SetHandle(self._kv, self.key, self._at(pointer))

    def list(self, pointer: str) -> ListHandle:
        """The array at a path. O(1)."""
        return ListHandle(self._kv, self.key, self._at(pointer))

    def flag(self, pointer: str) -> FlagHandle:
        """The flag at a path. O(1)."""
        return FlagHandle(self._kv, self.key, self._at(pointer))

    def log(self, pointer: str) -> LogHandle:
        """The log at a path. O(1)."""
        return LogHandle(self._kv, self.key, self._at(pointer))

    def _at(self, pointer: str) -> tuple[str, ...]:
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise WrongType(f"path {show(pointer)} is not a JSON pointer; it begins with '/', as in '/items/0'")
        try:
            pointer.encode()
        except UnicodeEncodeError:
            raise WrongType(f"path {show(pointer)} has a lone surrogate; a JSON pointer is text of UTF-8") from None
        tokens = pointer[1:].split("/") if pointer else []
        return (self._path or ()) + tuple(t.replace("~1", "/").replace("~0", "~") for t in tokens)


class Handles:
    """The handles of the keys of a store, a transaction, or a client: making one asks nothing and writes nothing."""

    def counter(self: Owner, key: str) -> CounterHandle:
        """The counter at `key`; made by its first add. O(1).

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv.counter("hits").add(3).value
        3
        """
        return CounterHandle(self, key)

    def set(self: Owner, key: str) -> SetHandle:
        """The set at `key`; made by its first add. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.set("tags").add("b", "a").value
        ['a', 'b']
        """
        return SetHandle(self, key)

    def list(self: Owner, key: str) -> ListHandle:
        """The list at `key`; made by its first element. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.list("queue").append("b", "a").value
        ['b', 'a']
        """
        return ListHandle(self, key)

    def log(self: Owner, key: str) -> LogHandle:
        """The log at `key`; made by its first entry. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.log("events").append("started").value
        ['started']
        """
        return LogHandle(self, key)

    def flag(self: Owner, key: str) -> FlagHandle:
        """The flag at `key`; made by the first time it is set. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.flag("open").enable().value
        True
        """
        return FlagHandle(self, key)

    def json(self: Owner, key: str) -> JsonHandle:
        """The JSON document at `key`, with handles for its paths. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.json("doc").at("/a/b").put(1).value
        {'a': {'b': 1}}
        """
        return JsonHandle(self, key)
