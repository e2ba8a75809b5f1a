"""Handles for an event loop: those of a store, awaited. Each write is the store's own method."""

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from crdtkv.client.asking import value_of
from crdtkv.client.rulebook import rule_as_given
from crdtkv.core.rules import Rule
from crdtkv.errors import TooLarge, ValueInvalid
from crdtkv.store.handles import (
    CounterHandle,
    FlagHandle,
    Handle,
    JsonHandle,
    ListHandle,
    LogHandle,
    SetHandle,
)
from crdtkv.store.results import Migration

if TYPE_CHECKING:
    from crdtkv.client.waiting import AsyncClient

__all__ = [
    "AsyncCounter", "AsyncFlag", "AsyncHandle", "AsyncJson", "AsyncList", "AsyncLog", "AsyncRules", "AsyncSet",
    "waited",
]  # fmt: skip

_P = ParamSpec("_P")
_T = TypeVar("_T")


def waited(method: Callable[Concatenate[Any, _P], _T]) -> Callable[Concatenate[Any, _P], Awaitable[_T]]:
    """A handle's method as it is where `operate` is awaited: it only passes on what `operate` gives."""
    return method  # type: ignore[return-value]


class AsyncHandle:
    """A key, or a path in a JSON document, as a value of one strategy family. As Handle, awaited."""

    family = ""

    def __init__(self, kv: AsyncClient, key: str, path: tuple[str, ...] | None = None) -> None:
        self._kv: Any = kv
        self.key = key
        self._path = path

    _do = Handle._do
    put = waited(Handle.put)
    delete = waited(Handle.delete)

    async def value(self) -> Any:
        """What is shown now; the empty value of the type if there is nothing."""
        found = await self._part()
        return self._empty() if found is None else found

    async def _part(self, **more: Any) -> Any:
        return await self._kv._drive(self._kv._calls.part(self.key, self._path, self.family, **more))

    def _empty(self) -> Any:
        return None


class AsyncCounter(AsyncHandle):
    """A counter."""

    family = "counter"
    add = waited(CounterHandle.add)
    reset = waited(CounterHandle.reset)

    def _empty(self) -> Any:
        return 0


class AsyncFlag(AsyncHandle):
    """A flag."""

    family = "flag"
    enable = waited(FlagHandle.enable)
    disable = waited(FlagHandle.disable)

    def _empty(self) -> Any:
        return False


class AsyncSet(AsyncHandle):
    """A set of JSON values."""

    family = "set"
    add = waited(SetHandle.add)
    remove = waited(SetHandle.remove)
    clear = waited(SetHandle.clear)

    async def has(self, element: Any) -> bool:
        """Whether the element is in it; False for what is no value."""
        try:
            element = value_of(element)
        except (ValueInvalid, TooLarge):
            return False
        return bool(await self._part(element=element))

    def _empty(self) -> Any:
        return []


class AsyncList(AsyncHandle):
    """A list, or an array in a JSON key."""

    family = "list"
    append = waited(ListHandle.append)
    prepend = waited(ListHandle.prepend)
    insert = waited(ListHandle.insert)
    remove = waited(ListHandle.remove)
    set = waited(ListHandle.set)
    move = waited(ListHandle.move)
    clear = waited(ListHandle.clear)

    def _empty(self) -> Any:
        return []


class AsyncLog(AsyncHandle):
    """A log: entries in the order of their stamps."""

    family = "log"
    append = waited(LogHandle.append)
    trim = waited(LogHandle.trim)

    async def range(self, since: int | None = None, until: int | None = None) -> builtins.list[tuple[int, Any]]:
        """`(ms, entry)` with `since <= ms < until`, in order."""
        return [(ms, entry) for ms, entry in await self._part(since=since, until=until)]

    def _empty(self) -> Any:
        return []


class AsyncJson(AsyncHandle):
    """A JSON document, and handles for its paths."""

    family = "json"

    async def get(self, pointer: str = "") -> Any:
        """What is shown at a path, None if there is nothing."""
        return await self.at(pointer).value()

    def set_at(self, pointer: str, value: Any, *, base: str | None = None) -> Awaitable[Any]:
        """The path shows `value`, merged against `base`; objects on the way are made."""
        return self.at(pointer).put(value, base=base)

    def at(self, pointer: str) -> AsyncJson:
        """The part of the document at a path."""
        return AsyncJson(self._kv, self.key, self._tokens(pointer))

    def counter(self, pointer: str) -> AsyncCounter:
        """The counter at a path."""
        return AsyncCounter(self._kv, self.key, self._tokens(pointer))

    def set(self, pointer: str) -> AsyncSet:
        """The set at a path."""
        return AsyncSet(self._kv, self.key, self._tokens(pointer))

    def list(self, pointer: str) -> AsyncList:
        """The array at a path."""
        return AsyncList(self._kv, self.key, self._tokens(pointer))

    def flag(self, pointer: str) -> AsyncFlag:
        """The flag at a path."""
        return AsyncFlag(self._kv, self.key, self._tokens(pointer))

    def log(self, pointer: str) -> AsyncLog:
        """The log at a path."""
        return AsyncLog(self._kv, self.key, self._tokens(pointer))

    def _tokens(self, pointer: str) -> tuple[str, ...]:
        return JsonHandle._at(self, pointer)  # type: ignore[arg-type]


class AsyncRules:
    """Which strategy new keys get. As Rulebook, awaited."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def set(
        self, pattern: str, strategy: str, *, paths: dict[str, Any] | None = None, ttl: str = "max",
        keep_cells: int = 64, keep_hours: float = 24.0, require_base: bool = False, **options: Any,
    ) -> Rule:  # fmt: skip
        """Keys matching `pattern` are made under `strategy` with `options`. As Rulebook.set."""
        rule = rule_as_given(pattern, strategy, paths, ttl, keep_cells, keep_hours, require_base, options)
        return await self._client._drive(self._client._calls.set_rule(rule))

    async def remove(self, pattern: str) -> None:
        """The rule of `pattern` is gone; keys keep what they are."""
        await self._client._drive(self._client._calls.remove_rule(pattern))

    async def all(self) -> builtins.list[Rule]:
        """The rules, by pattern."""
        return await self._client._drive(self._client._calls.rules())

    async def of(self, key: str) -> Rule:
        """The rule that holds for `key`."""
        return await self._client._drive(self._client._calls.rule_of(key))

    async def migrate(self, pattern: str = "*", *, dry_run: bool = False) -> builtins.list[Migration]:
        """Rewrite the keys matching `pattern` that their rule would make otherwise; or say what that would do."""
        return await self._client._drive(self._client._calls.migrate(pattern, dry_run=dry_run))
