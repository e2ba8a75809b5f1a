"""The inbox of lost writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crdtkv.core.versions import parse_version
from crdtkv.errors import BadRequest
from crdtkv.http import bodies
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.describing import replies
from crdtkv.server.doors import admit
from crdtkv.server.routing import through
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.results import Conflict
    from crdtkv.store.store import Store

__all__ = ["Prefixed", "router"]

router = APIRouter(tags=["conflicts"])


class Prefixed(BaseModel):
    """Of which keys."""

    model_config = ConfigDict(extra="forbid")

    prefix: Annotated[str, Field(description="Of keys that begin so.")] = ""


@router.get(
    "/v1/{namespace}/conflicts", summary="The lost writes of this colo, oldest first", operation_id="conflicts",
    **replies(200, "Conflicts", {"conflicts": []}, links={
        name: {"operationId": name, "parameters": {
            "namespace": "$request.path.namespace", "id": "$response.body#/conflicts/0/id"}}
        for name in ("restore_conflict", "dismiss_conflict")
    }),
)  # fmt: skip
async def _list(request: Request, namespace: str, given: Annotated[Prefixed, Query()]) -> Response:
    """What had to give way to a concurrent write: restore it, or dismiss it."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        found = await serving.slow(store.conflicts, given.prefix)
        return json_reply({"conflicts": [bodies.plain_conflict(each) for each in found]})

    return await through(request, "read", namespace, given.prefix, call)


@router.post(
    "/v1/{namespace}/conflicts/{id}/restore", summary="Write a lost value again", operation_id="restore_conflict",
    **replies(200, "Receipt"),
)  # fmt: skip
async def _restore(request: Request, namespace: str, id: str) -> Response:
    """A new write, which has seen what beat it; it is taken out of the inbox."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        conflict = await serving.slow(_found, store, id)
        admit(serving, ask.scope, "write", namespace, conflict.key)
        receipt = await serving.write(store, lambda t: door.restore(t, id), ask.covered)
        plain = await serving.slow(lambda: bodies.plain_receipt(receipt, value=ask.returns_value()))
        return json_reply(plain, seen=parse_version(receipt.key, receipt.version))

    return await through(request, "", namespace, None, call)


@router.delete(
    "/v1/{namespace}/conflicts/{id}", summary="Take a lost write out of the inbox", operation_id="dismiss_conflict",
    **replies(204, None),
)  # fmt: skip
async def _dismiss(request: Request, namespace: str, id: str) -> Response:
    """What it tells of is forgotten; what is not there is none already."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        for conflict in [each for each in await serving.slow(store.conflicts) if each.id == id]:
            admit(serving, ask.scope, "write", namespace, conflict.key)
            await serving.write(store, lambda t: door.dismiss(t, id), ask.covered)
        return Reply(204, [])

    return await through(request, "", namespace, None, call)


def _found(store: Store, id: str) -> Conflict:
    for conflict in store.conflicts():
        if conflict.id == id:
            return conflict
    raise BadRequest(
        f"no conflict {id!r:.80} in the inbox; it was restored or dismissed already, or never there",
        next_step="list the conflicts",
    )
