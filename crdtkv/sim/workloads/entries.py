"""One entry more, or less, in a key that holds many: by what its strategy offers, else by a whole PUT."""

from __future__ import annotations

from typing import Any

from crdtkv.sim.workloads.base import entries_of
from crdtkv.store.store import Store

__all__ = ["append", "put_entries", "remove", "shown"]


def shown(store: Store, key: str) -> list[Any]:
    """The entries that a reader sees."""
    entry = store.get(key)
    return [] if entry is None else entries_of(entry.value)


def put_entries(store: Store, key: str, entries: list[Any], base: str | None = None) -> Any:
    """All of them, as a whole."""
    return store.put(key, entries, base=base)


def append(store: Store, key: str, entry: Any, family: str) -> Any:
    """One more."""
    match family:
        case "list":
            return store.list(key).append(entry)
        case "set":
            return store.set(key).add(entry)
        case "log":
            return store.log(key).append(entry)
        case "json" if key in store:
            return store.json(key).list("").append(entry)
    return put_entries(store, key, [*shown(store, key), entry])


def remove(store: Store, key: str, entry: Any, family: str) -> Any:
    """One less; None, and nothing is written, where it is not there."""
    there = shown(store, key)
    if entry not in there:
        return None
    if family == "set":
        return store.set(key).remove(entry)
    if family in ("list", "json"):
        with store.transaction() as t:
            shown_list = t.list(key) if family == "list" else t.json(key).list("")
            for at in reversed(range(len(there))):  # (two may have added it)
                if there[at] == entry:
                    shown_list.remove(at)
        return True
    return put_entries(store, key, [each for each in there if each != entry])
