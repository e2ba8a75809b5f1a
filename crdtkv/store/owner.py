"""Whose keys handles and views show: a store, a transaction, or a client of a store elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Entry, Page
from crdtkv.store.selection import Selection

__all__ = ["Owner", "Readings", "View"]


class Readings(Protocol):
    """How keys read; as `Reading`."""

    def entry(self, key: str) -> Entry | None:
        """How a key reads, None if it is absent."""

    def present(self, key: str) -> bool:
        """Whether there is such a key."""

    def keys(self, selection: Selection) -> list[str]:
        """The keys that match, in order."""

    def scan(self, selection: Selection, limit: int | None, cursor: str | None) -> Page:
        """A page of entries."""

    def part(self, key: str, path: tuple[str, ...] | None, family: str) -> Any:
        """What a handle shows; None if nothing."""

    def has(self, key: str, path: tuple[str, ...] | None, element: bytes) -> bool:
        """Whether a set has the element of that component."""

    def log_range(self, key: str, path: tuple[str, ...], since: int | None, until: int | None) -> list[tuple[int, Any]]:
        """The entries of a log with their stamps."""


class Owner(Protocol):
    """What a handle works on."""

    def operate(
        self, key: str, family: str | None, name: str, *args: Any, base: str | None = None, strategy: str | None = None,
    ) -> Receipt:  # fmt: skip
        """An operation of a strategy by its name."""

    def _reading(self) -> Readings: ...


class View(Protocol):
    """What a view of keys shows."""

    def __contains__(self, key: object) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, key: str) -> Any: ...

    def _reading(self) -> Readings: ...
