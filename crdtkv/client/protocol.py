"""What a program may count on, whether the store is open in it or served elsewhere.

`crdtkv.open` gives a Store, `crdtkv.connect` a Client; both are a KeyValue, so what takes one takes the other. A Store
can do more: `sync`, `submit`, `asubmit` and `backup` are of a file that is here. (mypy checks that both are one, where
`stores` is defined; a test compares each signature.)
"""

from __future__ import annotations

import builtins
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from crdtkv.core.rules import Rule
from crdtkv.store.handles import CounterHandle, FlagHandle, JsonHandle, ListHandle, LogHandle, SetHandle
from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Blame, Change, Conflict, Entry, Migration, Page, Revision

if TYPE_CHECKING:
    from crdtkv.client.blocking import Client
    from crdtkv.store.store import Store

__all__ = ["Changes", "KeyValue", "Rules", "Writing", "either"]

_UNSET: Any = object()


@runtime_checkable
class Writing(Protocol):
    """What can be done to keys: of a store, of a client, and in a transaction of either."""

    def put(
        self, key: str, value: Any, *, base: str | None = None, strategy: str | None = None, ttl: float | None = None,
        if_version: str | None = _UNSET, idempotency_key: str | None = None,
    ) -> Receipt:  # fmt: skip
        """`key` shows `value`, merged with what others did since `base`."""

    def delete(self, key: str, *, base: str | None = None, if_version: str | None = _UNSET) -> Receipt:
        """What `base` showed of `key` is gone."""

    def patch(self, key: str, patch: Sequence[Any] | Mapping[str, Any], *, base: str | None = None) -> Receipt:
        """A JSON patch or a merge patch is applied to what `base` showed."""

    def expire(self, key: str, ttl: float | None) -> Receipt:
        """`key` is not shown from `ttl` seconds from now on."""

    def revert(self, key: str, version: str) -> Receipt:
        """`key` shows what it showed at `version`."""

    def operate(
        self, key: str, family: str | None, name: str, *args: Any, base: str | None = None, strategy: str | None = None,
    ) -> Receipt:  # fmt: skip
        """An operation of a strategy by its name."""

    def get(self, key: str, *, at: str | None = None) -> Entry | None:
        """How `key` reads, or read at a version."""

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry | None]:
        """`get` of several keys, at one instant."""

    def counter(self, key: str) -> CounterHandle:
        """The counter at `key`."""

    def set(self, key: str) -> SetHandle:
        """The set at `key`."""

    def list(self, key: str) -> ListHandle:
        """The list at `key`."""

    def log(self, key: str) -> LogHandle:
        """The log at `key`."""

    def flag(self, key: str) -> FlagHandle:
        """The flag at `key`."""

    def json(self, key: str) -> JsonHandle:
        """The JSON document at `key`."""

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Put several keys."""

    def __getitem__(self, key: str) -> Any: ...

    def __setitem__(self, key: str, value: Any) -> None: ...

    def __delitem__(self, key: str) -> None: ...

    def __contains__(self, key: object) -> bool: ...


class Changes(Protocol):
    """A feed of changes."""

    @property
    def cursor(self) -> str:
        """Where a feed goes on that is to miss nothing."""

    def __iter__(self) -> Iterator[Change]: ...

    def __next__(self) -> Change: ...


class Rules(Protocol):
    """How new keys are made."""

    def set(
        self, pattern: str, strategy: str, *, paths: dict[str, Any] | None = None, ttl: str = "max",
        keep_cells: int = 64, keep_hours: float = 24.0, require_base: bool = False, **options: Any,
    ) -> Rule:  # fmt: skip
        """Keys matching `pattern` are made under `strategy`."""

    def remove(self, pattern: str) -> None:
        """The rule of `pattern` is gone."""

    def all(self) -> builtins.list[Rule]:
        """The rules, by pattern."""

    def of(self, key: str) -> Rule:
        """The rule that holds for `key`."""

    def migrate(self, pattern: str = "*", *, dry_run: bool = False) -> builtins.list[Migration]:
        """Rewrite the keys that their rule would make otherwise."""


@runtime_checkable
class KeyValue(Writing, Protocol):
    """A namespace: a Store here, or a Client of one elsewhere."""

    @property
    def rules(self) -> Rules:
        """How new keys are made."""

    def transaction(self) -> AbstractContextManager[Writing]:
        """All that is done with what this yields is one transaction."""

    def scan(
        self, prefix: str = "", *, glob: str | None = None, regex: str | None = None, start: str | None = None,
        end: str | None = None, limit: int | None = None, reverse: bool = False, cursor: str | None = None,
    ) -> Page:  # fmt: skip
        """The entries in key order."""

    def keys(
        self, prefix: str = "", *, glob: str | None = None, regex: str | None = None, start: str | None = None,
        end: str | None = None, reverse: bool = False,
    ) -> KeysView[str]:  # fmt: skip
        """A view of the keys."""

    def items(self) -> ItemsView[str, Any]:
        """Keys and plain values."""

    def values(self) -> ValuesView[Any]:
        """The plain values."""

    def pop(self, key: str, default: Any = _UNSET) -> Any:
        """The value of `key`, which is deleted."""

    def popitem(self) -> tuple[str, Any]:
        """The first key and its value; it is deleted."""

    def clear(self) -> None:
        """Delete every key that is shown."""

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of `key`, which is put to `default` if there is none."""

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...

    def history(self, key: str) -> builtins.list[Revision]:
        """The transactions that touched `key`."""

    def diff(self, key: str, a: str | None, b: str | None = None) -> builtins.list[dict[str, Any]]:
        """The JSON patch from one version to another."""

    def blame(self, key: str) -> builtins.list[Blame]:
        """Who wrote each part of what `key` shows."""

    def conflicts(self, prefix: str = "") -> builtins.list[Conflict]:
        """The inbox of lost writes."""

    def watch(self, prefix: str = "", since: str | None = None, timeout: float | None = None) -> Changes:
        """The changes of keys with `prefix`."""

    @property
    def id(self) -> str:
        """The replica's id."""

    @property
    def colo(self) -> str:
        """The colo's name."""

    @property
    def namespace(self) -> str:
        """The namespace."""

    @property
    def vector(self) -> dict[str, int]:
        """replica -> how many of its transactions are absorbed there."""

    @property
    def members(self) -> builtins.list[str]:
        """The replica ids that belong to the namespace."""

    @property
    def forks(self) -> builtins.list[tuple[str, ...]]:
        """The membership conflicts that stand."""

    @property
    def floor(self) -> int:
        """The stamp up to which deleted cells have been dropped."""

    @property
    def size(self) -> int:
        """Bytes of the file that are in use."""

    def digest(self) -> str:
        """32 hex digits over all cells."""

    def check(self) -> builtins.list[str]:
        """What is wrong with the store."""

    def compact(self) -> int:
        """Drop what is known to be deleted everywhere."""

    def evict(self, colo: str) -> builtins.list[str]:
        """`colo` is no member any more."""

    def resolve(self, link: str) -> None:
        """Of a membership conflict, `link` holds."""

    def leave(self) -> None:
        """Retire from the namespace."""

    def close(self) -> None:
        """Let go of it."""


def either(store: Store, client: Client) -> tuple[KeyValue, KeyValue]:
    """Both, as what they both are. (That this type-checks is the point of it.)"""
    return store, client
