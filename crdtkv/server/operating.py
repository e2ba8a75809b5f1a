"""What operators ask: status, health, care of a namespace, backups."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from crdtkv.core.clocks import stamp_ms
from crdtkv.errors import BadRequest, Refused, StoreClosed
from crdtkv.http.refusals import Stopping
from crdtkv.node.node import LEFT
from crdtkv.replica import members
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.describing import body, replies
from crdtkv.server.namespacing import members_of
from crdtkv.server.routing import cluster, through
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.node.node import Node
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["named_stores", "router", "status_of"]

router = APIRouter(tags=["operating"])


def named_stores(node: Node) -> list[tuple[str, Store]]:
    """Every open store with the name of its namespace, the system's last."""
    stores = node.stores()
    named = [(each.name, stores[each.id]) for each in node.namespaces() if each.id in stores]
    return [*named, ("system", node.system)]


def status_of(name: str, store: Store) -> dict[str, Any]:
    """How it stands with one namespace here. O(members + inbox). Waits for the store's lock."""
    with door.holding(store):
        if not door.is_open(store):
            raise StoreClosed(f"the store of {name!r} is closed; open it again")
        replica = door.replica(store)
        state, wall = replica.state, replica.wall_ms()
        here = sorted(members.members(replica))
        lows = {member: state.announced[member][1] for member in here if member in state.announced}
        return {
            "name": name, "id": store.namespace, "replica": state.id, "members": here,
            "forks": [list(fork) for fork in store.forks], "vector": dict(state.vector),
            "digest": f"{state.digest:032x}", "floor": state.floor, "floor_ms_ago": _ago(wall, state.floor),
            "held_back_by": _holding(here, lows), "bytes": replica.storage.size(),
            "lost_writes": len(replica.storage.inbox()), "pending": len(state.pending),
            "quarantined": dict(state.quarantined), "restored_copy": state.copied, "left": state.left,
            "heard_ms_ago": {member: _ago(wall, state.heard.get(member, 0)) for member in here},
        }  # fmt: skip


def _ago(wall: int, stamp: int) -> int | None:
    """Milliseconds since a stamp; None: there was none."""
    return max(0, wall - stamp_ms(stamp)) if stamp else None


def _holding(here: list[str], lows: dict[str, int]) -> str | None:
    """The member for whose word the forgetting of tombstones waits; None: for nobody in particular."""
    silent = [member for member in here if member not in lows]
    if silent:
        return silent[0]
    return min(lows, key=lambda member: (lows[member], member)) if lows else None


def _system_last(node: Node) -> list[dict[str, Any]]:
    return [status_of(name, store) for name, store in named_stores(node)]


@router.get("/v1/status", summary="How it stands with this colo", operation_id="status", **replies(200, "Status"))
async def _status(request: Request) -> Response:
    """Its namespaces: who belongs, how long ago each was heard, digests, what holds the purge floor back; its peers."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        ask.known()
        node = serving.node
        told: dict[str, Any] = {"colo": node.colo, "release": request.app.version}
        told |= {"leaving": node.leaving, "left": serving.left()}
        told["namespaces"] = await serving.slow(_system_last, serving.node)
        if serving.peers is not None:
            told["transport"] = await serving.slow(serving.peers)
        return json_reply(told)

    return await cluster(request, "read", call)


@router.get("/healthz", summary="Whether the process answers", operation_id="healthz", **replies(200, "Health"))
async def _health(request: Request) -> Response:
    """It does."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        return json_reply({"status": "ok"})

    return await cluster(request, "", call)


@router.get("/readyz", summary="Whether it takes requests", operation_id="readyz", **replies(200, "Health"))
async def _ready(request: Request) -> Response:
    """503 while it stops, and while a new colo that was told to join has met nobody yet."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        if serving.stopping.is_set():
            raise Stopping("the server stops")
        serving.check_joined()
        return json_reply({"status": "ready"})

    return await cluster(request, "", call)


@router.post(
    "/v1/leave", summary="This colo leaves the cluster", operation_id="leave_cluster",
    **replies(202, "Going", {"colo": "lhr", "leaving": True}),
)  # fmt: skip
async def _leave_cluster(request: Request) -> Response:
    """It serves no namespace any more. When the others have all that it has, `left` in its status says so."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        ask.known()
        await serving.slow(serving.node.leave)
        return json_reply({"colo": serving.node.colo, "leaving": True}, 202)

    return await cluster(request, "admin", call)


@router.post(
    "/v1/evict", summary="A colo that is lost belongs to the cluster no more", operation_id="evict_everywhere",
    **replies(200, "Evicted", {"out": {"default": ["sin~k3f9"], "system": ["sin~a0c2"]}}),
    openapi_extra=body("ColoBody", {"colo": "sin"}),
)  # fmt: skip
async def _evict_everywhere(request: Request) -> Response:
    """From each namespace that this colo holds, and the system's: the replicas that are out. It can return."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        colo = _text(members_of(ask, ("colo",)), "colo")
        return json_reply({"out": await serving.slow(serving.node.evict, colo)})

    return await cluster(request, "admin", call)


@router.post(
    "/v1/resolve", summary="Of two evictions that clash this one holds, in whatever namespace",
    operation_id="resolve_everywhere", **replies(200, "Resolved", {"resolved": ["system"]}),
    openapi_extra=body("LinkBody", {"link": "lhr~k3f9.41"}),
)  # fmt: skip
async def _resolve_everywhere(request: Request) -> Response:
    """The namespaces in which it does. Who is on the other side returns."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        link = _text(members_of(ask, ("link",)), "link")
        return json_reply({"resolved": await serving.slow(serving.node.resolve, link)})

    return await cluster(request, "admin", call)


# care


@router.post(
    "/v1/{namespace}/compact", summary="Drop what is deleted everywhere, and old history", operation_id="compact",
    **replies(200, "Gone", {"gone": 0}),
)  # fmt: skip
async def _compact(request: Request, namespace: str) -> Response:
    """How many cells and replaced values went."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        return json_reply({"gone": await serving.slow(store.compact)})

    return await through(request, "admin", namespace, None, call)


@router.get(
    "/v1/{namespace}/check", summary="Whether every invariant holds", operation_id="check",
    **replies(200, "Wrong", {"wrong": []}),
)  # fmt: skip
async def _check(request: Request, namespace: str) -> Response:
    """What is wrong with the store, in words; nothing, if nothing is."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        return json_reply({"wrong": await serving.slow(store.check)})

    return await through(request, "admin", namespace, None, call)


@router.post(
    "/v1/{namespace}/leave", summary="This colo leaves the namespace", operation_id="leave", **replies(204, None)
)
async def _leave(request: Request, namespace: str) -> Response:
    """It stays readable, and writes no more."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        await serving.slow(store.leave)
        return Reply(204, [])

    return await through(request, "admin", namespace, None, call)


@router.post(
    "/v1/{namespace}/evict", summary="A colo that is lost is no member any more", operation_id="evict",
    **replies(200, "Out"), openapi_extra=body("ColoBody", {"colo": "sin"}),
)  # fmt: skip
async def _evict(request: Request, namespace: str) -> Response:
    """The replicas that are out. It can return."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        colo = _text(members_of(ask, ("colo",)), "colo")
        return json_reply({"out": await serving.slow(store.evict, colo)})

    return await through(request, "admin", namespace, None, call)


@router.post(
    "/v1/{namespace}/resolve", summary="Of two evictions that clash this one holds", operation_id="resolve",
    **replies(204, None), openapi_extra=body("LinkBody", {"link": "lhr~k3f9.41"}),
)  # fmt: skip
async def _resolve(request: Request, namespace: str) -> Response:
    """Who is on the other side returns."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        await serving.slow(store.resolve, _text(members_of(ask, ("link",)), "link"))
        return Reply(204, [])

    return await through(request, "admin", namespace, None, call)


def _text(found: dict[str, Any], name: str) -> str:
    if not isinstance(found[name], str):
        raise BadRequest(f"{name} is {found[name]!r:.80}; text is wanted")
    return found[name]  # type: ignore[no-any-return]


@router.post(
    "/v1/backup", summary="A consistent copy of every namespace, while it runs", operation_id="backup",
    **replies(200, "Files", {"files": ["monday/system.db", "monday/namespace-default.db"]}),
    openapi_extra=body("BackupBody", {"folder": "monday"}),
)  # fmt: skip
async def _backup(request: Request) -> Response:
    """Into a new folder below the data folder. Put back, it takes new ids once it has met a member."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        folder = _text(members_of(ask, ("folder",)), "folder")
        return json_reply({"files": await serving.slow(_backed_up, serving.node, folder)})

    return await cluster(request, "admin", call)


_OURS = ("system.db", "namespace-")


def _backed_up(node: Node, folder: str) -> list[str]:
    if node.folder is None:
        raise BadRequest("this node is in memory only; there is no file to copy")
    if not folder or folder != Path(folder).name or folder.startswith(".") or "\0" in folder:
        raise BadRequest(f"folder is {folder!r:.80}; one name, without slashes, is wanted")
    if folder == LEFT or folder.startswith(_OURS):
        raise BadRequest(f"folder is {folder!r:.80}, a name of the colo's own files; choose another")
    place = node.folder / folder
    try:
        place.mkdir()
    except OSError as error:
        words = f"folder {folder!r:.80}: {(error.strerror or '').lower()}"
        raise Refused(words, next_step="name a new one") from None
    files = []
    try:
        for _, store in named_stores(node):
            path = place / Path(node.path(store.namespace)).name
            store.backup(path)
            files.append(f"{folder}/{path.name}")
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)  # half of a copy would pass for one
        raise
    return files
