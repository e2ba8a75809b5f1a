"""What handles and views of a client read: as a store's `Reading` gives it, asked of the colo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crdtkv.client.caring import Caring
from crdtkv.client.steps import Steps
from crdtkv.core import values
from crdtkv.core.paths import first
from crdtkv.store.results import Entry, Page
from crdtkv.store.selection import Selection

__all__ = ["Shown"]


class Shown:
    """Keys as they read at a colo; each call is a request, or one for each 1,000 keys."""

    def __init__(self, calls: Caring, drive: Callable[[Steps[Any]], Any]) -> None:
        self._calls, self._drive = calls, drive

    def present(self, key: str) -> bool:
        """Whether there is something to read."""
        return bool(self.keys(Selection().of_one(key)))

    def entry(self, key: str) -> Entry | None:
        """How a key reads, None if it is absent."""
        found: Entry | None = self._drive(self._calls.get(key))
        return found

    def keys(self, selection: Selection) -> list[str]:
        """The keys that match, in order."""
        found: list[str] = self._drive(self._calls.keys_of(selection))
        return found

    def scan(self, selection: Selection, limit: int | None, cursor: str | None) -> Page:
        """A page of entries."""
        prefix, *_ = selection
        more = {name: value for name, value in selection._asdict().items() if name != "prefix"}
        page: Page = self._drive(self._calls.scan(prefix, **more, limit=limit, cursor=cursor))
        return page

    def part(self, key: str, path: tuple[str, ...] | None, family: str) -> Any:
        """What a handle shows; None if nothing."""
        return self._drive(self._calls.part(key, path, family))

    def has(self, key: str, path: tuple[str, ...] | None, element: bytes) -> bool:
        """Whether a set has the element of that component."""
        _, packed, _ = first(element)
        return bool(self._drive(self._calls.part(key, path, "set", element=values.unpack(packed))))

    def log_range(
        self, key: str, path: tuple[str, ...], since: int | None, until: int | None
    ) -> list[tuple[int, Any]]:
        """The entries of a log with their stamps."""
        found = self._drive(self._calls.part(key, path or None, "log", since=since, until=until))
        return [(ms, entry) for ms, entry in found]
