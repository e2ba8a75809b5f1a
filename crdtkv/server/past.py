"""A key's history, diff, blame, and the way back; and a part of what it shows now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crdtkv.core import values
from crdtkv.core.paths import VALUE, component
from crdtkv.errors import BadRequest, ValueInvalid
from crdtkv.http import bodies
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.once import once_of
from crdtkv.server.values import Wrote, replied
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.operations import Operations
    from crdtkv.store.store import Store

__all__ = ["blame", "diff", "history", "part", "part_of", "revert"]


async def history(serving: Serving, store: Store, ask: Ask) -> Reply:
    """The transactions that touched the key, oldest first."""
    ask.known()
    found = await serving.slow(store.history, ask.key)
    return json_reply({"revisions": [bodies.plain_revision(each) for each in found]})


async def diff(serving: Serving, store: Store, ask: Ask) -> Reply:
    """The JSON patch between two versions: from nothing, or `from`, to `to`, or now."""
    query = ask.known("from", "to")
    return json_reply({"patch": await serving.slow(store.diff, ask.key, query.get("from"), query.get("to"))})


async def blame(serving: Serving, store: Store, ask: Ask) -> Reply:
    """Who wrote each part of it last."""
    ask.known()
    return json_reply({"blame": [bodies.plain_blame(each) for each in await serving.slow(store.blame, ask.key)]})


async def revert(serving: Serving, store: Store, ask: Ask) -> Reply:
    """A new write that shows what the key showed at `to`."""
    version = ask.known("to").get("to")
    if version is None:
        raise BadRequest("there is no query parameter 'to'; it names the version to go back to")
    wrote = await serving.write(store, once_of(ask, lambda t: Wrote(True, t.revert(ask.key, version))), ask.covered)
    return await replied(serving, ask, wrote)


async def part(serving: Serving, store: Store, ask: Ask) -> Reply:
    """What stands there of a strategy: the whole key, or at a path of its document; an element, a stretch of a log."""
    return json_reply({"value": await serving.slow(part_of, store, ask.key, ask.object())})


_PART = {"element", "family", "path", "since", "until"}


def part_of(store: Operations, key: str, asked: dict[str, Any]) -> Any:
    """The part of a key that is asked for. Raises BadRequest for what asks for none, and as the reading."""
    unknown = asked.keys() - _PART
    if unknown or not isinstance(asked.get("family"), str):
        raise BadRequest(f"a part has a family, and of {', '.join(sorted(_PART))} what it needs; not {asked!r:.200}")
    for name in ("since", "until"):
        if not isinstance(asked.get(name), int | None) or isinstance(asked.get(name), bool):
            raise ValueInvalid(f"{name} is {asked[name]!r:.80}; milliseconds since 1970 are wanted")
    path = asked.get("path")
    tokens = None if path is None else door.place(store, key, path)
    reading = door.reading(store)
    if "element" in asked:
        return reading.has(key, tokens, component(VALUE, values.pack_canonical(asked["element"])))
    if "since" in asked or "until" in asked:
        return [list(each) for each in reading.log_range(key, tokens or (), asked.get("since"), asked.get("until"))]
    return reading.part(key, tokens, asked["family"])
