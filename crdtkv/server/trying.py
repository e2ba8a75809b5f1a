"""Transactions that are tried: done, read in, and undone. For who has one open elsewhere and reads what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crdtkv.core.keys import check_key
from crdtkv.errors import BadRequest
from crdtkv.http import bodies
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.doors import admit
from crdtkv.server.past import part_of
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["tried"]


class _Undone(Exception):
    """What was read; nothing stays."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        super().__init__()
        self.found = found


async def tried(
    serving: Serving, store: Store, ask: Ask, act: Callable[[Transaction], object], wanted: list[Any]
) -> Reply:  # fmt: skip
    """What `wanted` shows after `act`, each with the version that its key had before (null: it was absent).

    Nothing is written. Each of `wanted` is an object with a `key`: its entry, which has no version yet; with a
    `family` too: that part.
    """
    asked = [_asked(each) for each in wanted]
    for each in asked:
        admit(serving, ask.scope, "read", ask.namespace, each["key"])

    def acted(t: Transaction) -> None:
        versions = [door.version(t, each["key"]) for each in asked]
        act(t)
        shown = [_shown(t, **each) for each in asked]
        raise _Undone([{**found, "before": version} for found, version in zip(shown, versions, strict=True)])

    try:
        await serving.write(store, acted, ask.covered)
    except _Undone as undone:
        return json_reply({"read": undone.found})
    raise AssertionError("what is tried is undone")


def _asked(plain: Any) -> dict[str, Any]:
    if not isinstance(plain, dict) or not isinstance(plain.get("key"), str):
        raise BadRequest(f"{plain!r:.80} cannot be read; an object with a 'key' is wanted, and perhaps a 'family'")
    check_key(plain["key"])
    return plain


def _shown(t: Transaction, key: str, **part: Any) -> dict[str, Any]:
    if part:
        return {"value": part_of(t, key, part)}
    entry = t.get(key)
    return {"entry": None if entry is None else {**bodies.plain_entry(entry), "version": ""}}
