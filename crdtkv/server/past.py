"""A key's history, diff, blame; and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crdtkv.errors import BadRequest
from crdtkv.http import bodies
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.values import receipt_reply

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["blame", "diff", "history", "revert"]


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
    there, receipt = await serving.write(store, lambda t: (True, t.revert(ask.key, version)))
    return await serving.slow(receipt_reply, ask, there, receipt)
