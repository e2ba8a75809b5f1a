"""JSON documents: clients edit members by path, and append tags, in documents that others edit too."""

from __future__ import annotations

from random import Random
from typing import Any

from crdtkv.sim.workloads.base import Ask, Steps, Workload, entries_of
from crdtkv.store.store import Store

__all__ = ["Documents"]


class Documents(Workload):
    """tag: an entry more in /tags; untag: one less; title: another /title; read."""

    KEYS = "doc/{zipf(50, 0.99)}"
    MIX = {"tag": 0.4, "untag": 0.1, "title": 0.2, "read": 0.3}
    CHECKS = ("nothing-lost", "nothing-returns", "nothing-unasked", "no-duplicates")

    def steps(self, client: int, dice: Random) -> Steps:
        key, kind = self.key_of(dice), self.kind(dice)
        by_path = self.family_of(key) == "json"
        match kind:
            case "tag":
                tag = self.new()
                yield Ask("add", key, lambda store: _tag(store, key, tag, by_path), tag)
            case "title":
                title = f"title {self.new()}"
                yield Ask("title", key, lambda store: _title(store, key, title, by_path), title)
            case _:
                there = yield Ask("read", key, lambda store: _tags(store, key), writes=False)
                if kind == "untag" and there.value:
                    tag = dice.choice(there.value)
                    yield Ask("remove", key, lambda store: _untag(store, key, tag, by_path), tag)

    def entries(self, value: Any) -> list[Any]:
        return entries_of(value.get("tags")) if isinstance(value, dict) else []


def _read(store: Store, key: str) -> dict[str, Any]:
    entry = store.get(key)
    return dict(entry.value) if entry is not None and isinstance(entry.value, dict) else {}


def _tags(store: Store, key: str) -> list[Any]:
    return entries_of(_read(store, key).get("tags"))


def _tag(store: Store, key: str, tag: int, by_path: bool) -> Any:
    document = _read(store, key)
    if by_path and "tags" in document:
        return store.json(key).list("/tags").append(tag)
    return store.put(key, {**document, "tags": [*entries_of(document.get("tags")), tag]})


def _untag(store: Store, key: str, tag: int, by_path: bool) -> Any:
    tags = _tags(store, key)
    if tag not in tags:
        return None
    if by_path:
        return store.json(key).list("/tags").remove(tags.index(tag))
    return store.put(key, {**_read(store, key), "tags": [each for each in tags if each != tag]})


def _title(store: Store, key: str, title: str, by_path: bool) -> Any:
    document = _read(store, key)
    if by_path and document:
        return store.json(key).set_at("/title", title)
    return store.put(key, {**document, "title": title})
