"""Keys and plain values as Python's mutable mapping.

Rule: what takes a value and changes it (pop, popitem, setdefault, update, clear) is one
transaction, so that no other thread or exchange comes in between; and walking over
the keys never trips over one that is deleted meanwhile.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, ItemsView, Iterator, KeysView, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

from crdtkv.core.keys import check_key
from crdtkv.errors import KeyInvalid, PreconditionFailed
from crdtkv.replica.draft import Draft
from crdtkv.store.reading import Reading
from crdtkv.store.selection import Selection
from crdtkv.strategies.base import Operation

if TYPE_CHECKING:
    from crdtkv.store.owner import Readings, View

__all__ = ["Items", "Keys", "PlainMapping", "ReadMapping", "Values"]

_T = TypeVar("_T")
_UNSET: Any = object()
_PAGE = 256
_EVERY_KEY = Selection()


class ReadMapping(MutableMapping[str, Any]):
    """What of the mapping follows from how keys read: of a store, and of a client of one."""

    @abstractmethod
    def _reading(self) -> Readings:
        """How keys read now, to a caller."""

    def __contains__(self, key: object) -> bool:
        """Whether there is such a key; False for what is none. O(1)."""
        try:
            return self._reading().present(check_key(key))
        except KeyInvalid:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._reading().keys(_EVERY_KEY))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def items(self) -> ItemsView[str, Any]:
        """A view of the keys and their plain values; read page by page while it is walked over. O(cells).

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv.update(a=1, b=2); list(kv.items())
        [('a', 1), ('b', 2)]
        """
        return Items(self)

    def values(self) -> ValuesView[Any]:
        """A view of the plain values in the order of their keys; read page by page. O(cells).

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv.update(a=1, b=2); list(kv.values())
        [1, 2]
        """
        return Values(self)


class PlainMapping(ReadMapping):
    """The mapping that a store is; `Operations` adds versions, bases and handles."""

    @abstractmethod
    def _run(self, act: Callable[[Draft], _T]) -> _T:
        """Do `act` in a transaction and return what it returns."""

    @abstractmethod
    def _reading(self) -> Reading: ...

    @abstractmethod
    def _inside(self) -> Reading:
        """How keys read to a transaction that is open, if one is."""

    def __getitem__(self, key: str) -> Any:
        entry = self._reading().entry(check_key(key))
        if entry is None:
            raise KeyError(key)
        return entry.value

    def __delitem__(self, key: str) -> None:
        check_key(key)

        def act(draft: Draft) -> bool:
            found = self._inside().present(key)
            draft.operate(key, Operation("delete"))
            return found

        if not self._run(act):
            raise KeyError(key)

    def __len__(self) -> int:
        """O(keys)."""
        return len(self._reading().keys(_EVERY_KEY))

    def pop(self, key: str, default: Any = _UNSET) -> Any:
        """The value of `key`, which is deleted; `default` if there is none, KeyError if that is not given. O(n).

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv["a"] = 1
        >>> kv.pop("a"), kv.pop("a", None)
        (1, None)
        """
        check_key(key)
        found = self._run(lambda draft: self._take(draft, key))
        if found is not _UNSET:
            return found
        if default is _UNSET:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, Any]:
        """The first key and its value; the key is deleted. KeyError if there is none. O(n).

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv["a"] = 1
        >>> kv.popitem()
        ('a', 1)
        """

        def act(draft: Draft) -> tuple[str, Any] | None:
            key = next(iter(self._inside().scan(_EVERY_KEY, 1, None)), None)
            return None if key is None else (key.key, self._take(draft, key.key))

        found = self._run(act)
        if found is None:
            raise KeyError("there is no key")
        return found

    def clear(self) -> None:
        """Delete every key that is shown here, in one transaction; what is written concurrently stands. O(cells).

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv.update(a=1, b=2); kv.clear(); len(kv)
        0
        """

        def act(draft: Draft) -> None:
            for key in self._inside().keys(_EVERY_KEY):
                draft.operate(key, Operation("delete"))

        self._run(act)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of `key`, which is put to `default` if there is none. O(n).

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv.setdefault("a", 1), kv.setdefault("a", 2)
        (1, 1)
        """
        while True:
            entry = self._reading().entry(check_key(key))
            if entry is not None:
                return entry.value
            try:
                return self._put_new(key, default)
            except PreconditionFailed:
                continue  # another thread made it meanwhile

    @abstractmethod
    def _put_new(self, key: str, value: Any) -> Any:
        """Put what is not there; its value then. Raises PreconditionFailed if it is there."""

    def _take(self, draft: Draft, key: str) -> Any:
        entry = self._inside().entry(key)
        if entry is None:
            return _UNSET
        draft.operate(key, Operation("delete"))
        return entry.value


class Keys(KeysView[str]):
    """The keys of a store that a selection takes, in order: a view, read anew each time."""

    def __init__(self, kv: View, selection: Selection) -> None:
        super().__init__(kv)
        self._kv = kv
        self._selection = selection

    def __iter__(self) -> Iterator[str]:
        return iter(self._kv._reading().keys(self._selection))

    def __reversed__(self) -> Iterator[str]:
        return iter(self._kv._reading().keys(self._selection._replace(reverse=not self._selection.reverse)))

    def __len__(self) -> int:
        """O(keys)."""
        return len(self._kv._reading().keys(self._selection))

    def __contains__(self, key: object) -> bool:
        """O(1)."""
        return key in self._kv and bool(self._kv._reading().keys(self._selection.of_one(str(key))))


class Items(ItemsView[str, Any]):
    """Keys and plain values. Each page is of one instant."""

    def __init__(self, kv: View) -> None:
        super().__init__(kv)
        self._kv = kv

    def __contains__(self, item: object) -> bool:
        """O(n) of that key; as Python compares."""
        if not isinstance(item, tuple) or len(item) != 2 or item[0] not in self._kv:
            return False
        entry = self._kv._reading().entry(item[0])
        return entry is not None and bool(entry.value == item[1])

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        cursor = None
        while True:
            page = self._kv._reading().scan(_EVERY_KEY, _PAGE, cursor)
            yield from ((entry.key, entry.value) for entry in page)
            cursor = page.cursor
            if cursor is None:
                return


class Values(ValuesView[Any]):
    """The plain values."""

    def __init__(self, kv: View) -> None:
        super().__init__(kv)
        self._kv = kv

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in Items(self._kv))
