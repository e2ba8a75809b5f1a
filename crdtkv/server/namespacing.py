"""Namespaces and tokens: what a cluster has, and who may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from crdtkv.errors import BadRequest
from crdtkv.http.names import path_of
from crdtkv.node.naming import Namespace
from crdtkv.node.tokens import Scope, Token
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.describing import body, replies
from crdtkv.server.routing import cluster

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving

__all__ = ["members_of", "plain_namespace", "router"]

router = APIRouter()
_EXAMPLE = {
    "name": "shop", "id": "~a1b2", "created": 1795759486026, "colos": None, "hosted": True, "without": [],
    "leaving": [],
}  # fmt: skip


def plain_namespace(found: Namespace) -> dict[str, Any]:
    """name, id, created, colos, hosted, without, leaving."""
    colos = None if found.colos is None else list(found.colos)
    return {
        "name": found.name, "id": found.id, "created": found.created, "colos": colos, "hosted": found.hosted,
        "without": list(found.without), "leaving": list(found.leaving),
    }  # fmt: skip


def members_of(ask: Ask, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object in the body, which has these members and no others. Raises BadRequest."""
    found = ask.object()
    missing = [name for name in required if name not in found]
    extra = [name for name in found if name not in (*required, *optional)]
    if missing or extra:
        words = f"lacks {missing[0]!r}" if missing else f"has {extra[0]!r:.80}"
        raise BadRequest(f"the body {words}; it has {', '.join((*required, *optional))}")
    return found


@router.get(
    "/v1/namespaces", summary="All namespaces", operation_id="namespaces", tags=["namespaces"],
    **replies(200, "Namespaces", {"namespaces": [_EXAMPLE]}),
)  # fmt: skip
async def _list(request: Request) -> Response:
    """Also those that this colo does not hold."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        ask.known()
        return json_reply({"namespaces": [plain_namespace(each) for each in serving.node.namespaces()]})

    return await cluster(request, "read", call)


@router.post(
    "/v1/namespaces", summary="Make a namespace", operation_id="create_namespace", tags=["namespaces"],
    **replies(201, "Namespace", _EXAMPLE, headers=("Location",), links={
        "keys": {"operationId": "list_keys", "parameters": {"namespace": "$response.body#/name"}},
        "get": {"operationId": "namespace", "parameters": {"namespace": "$response.body#/name"}},
        "delete": {"operationId": "delete_namespace", "parameters": {"namespace": "$response.body#/name"}},
    }), openapi_extra=body("NamespaceBody", {"name": "shop"}),
)  # fmt: skip
async def _create(request: Request) -> Response:
    """At every colo, or at `colos` only."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        given = members_of(ask, ("name",), ("colos",))
        colos = given.get("colos")
        if colos is not None and not (isinstance(colos, list) and all(isinstance(colo, str) for colo in colos)):
            raise BadRequest(f"colos is {colos!r:.80}; a list of names, or null for all, is wanted")
        made = await serving.slow(serving.node.create, given["name"], colos)
        return json_reply(plain_namespace(made), 201, (b"location", f"/v1/namespaces/{path_of(made.name)}".encode()))

    return await cluster(request, "admin", call)


@router.get(
    "/v1/namespaces/{namespace}", summary="A namespace", operation_id="namespace", tags=["namespaces"],
    **replies(200, "Namespace", _EXAMPLE),
)  # fmt: skip
async def _get(request: Request, namespace: str) -> Response:
    """By name, or by id."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        return json_reply(plain_namespace(serving.node.namespace(namespace)))

    return await cluster(request, "read", call, namespace)


@router.patch(
    "/v1/namespaces/{namespace}", summary="Rename a namespace", operation_id="rename_namespace", tags=["namespaces"],
    **replies(200, "Namespace", _EXAMPLE), openapi_extra=body("NameBody", {"name": "store"}),
)  # fmt: skip
async def _rename(request: Request, namespace: str) -> Response:
    """Its data is what it was."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        given = members_of(ask, ("name",))
        return json_reply(plain_namespace(await serving.slow(serving.node.rename, namespace, given["name"])))

    return await cluster(request, "admin", call)


@router.delete(
    "/v1/namespaces/{namespace}", summary="Delete a namespace, and all in it, for ever",
    operation_id="delete_namespace", tags=["namespaces"], **replies(204, None),
)  # fmt: skip
async def _delete(request: Request, namespace: str) -> Response:
    """At every colo that hears of it."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        await serving.slow(serving.node.delete, namespace)
        return Reply(204, [])

    return await cluster(request, "admin", call)


@router.put(
    "/v1/namespaces/{namespace}/colos/{colo}", summary="A colo holds the namespace, too", operation_id="host_namespace",
    tags=["namespaces"], **replies(200, "Namespace", _EXAMPLE),
)  # fmt: skip
async def _host(request: Request, namespace: str, colo: str) -> Response:
    """It takes all of it from those that hold it, and serves it then."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        return json_reply(plain_namespace(await serving.slow(serving.node.host, namespace, colo)))

    return await cluster(request, "admin", call)


@router.delete(
    "/v1/namespaces/{namespace}/colos/{colo}", summary="A colo holds the namespace no more",
    operation_id="unhost_namespace", tags=["namespaces"], **replies(200, "Namespace", _EXAMPLE),
)  # fmt: skip
async def _unhost(request: Request, namespace: str, colo: str) -> Response:
    """It serves it no more; once the others have all that it has, its file goes, and `leaving` names it no more."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        return json_reply(plain_namespace(await serving.slow(serving.node.unhost, namespace, colo)))

    return await cluster(request, "admin", call)


# tokens


def _plain_token(token: Token) -> dict[str, Any]:
    scopes = [{"namespace": s.namespace, "prefix": s.prefix, "actions": list(s.actions)} for s in token.scopes]
    return {
        "id": token.id, "label": token.label, "scopes": scopes, "created": token.created, "expires": token.expires,
    }  # fmt: skip


def _scope(serving: Serving, plain: Any) -> Scope:
    """A scope; its namespace by name or by id, `*` for all."""
    wanted = {"namespace", "actions"}
    if not isinstance(plain, dict) or not wanted <= plain.keys() <= wanted | {"prefix"}:
        raise BadRequest(f"{plain!r:.80} is no scope; an object with 'namespace', 'actions' and perhaps 'prefix'")
    name, actions = plain["namespace"], plain["actions"]
    if not isinstance(name, str) or not isinstance(actions, list):
        raise BadRequest(f"{plain!r:.80} is no scope; namespace is text, actions are a list")
    return Scope(name if name == "*" else serving.node.namespace(name).id, plain.get("prefix", ""), tuple(actions))


@router.get(
    "/v1/tokens", summary="The tokens", operation_id="tokens", tags=["tokens"], **replies(200, "Tokens"),
)  # fmt: skip
async def _tokens(request: Request) -> Response:
    """What each may; their secrets are nowhere kept."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        return json_reply({"tokens": [_plain_token(each) for each in serving.node.tokens.all()]})

    return await cluster(request, "admin", call)


@router.post(
    "/v1/tokens", summary="Make a token", operation_id="create_token", tags=["tokens"], **replies(201, "Token"),
    openapi_extra=body("TokenBody", {"label": "ann", "scopes": [{"namespace": "*", "actions": ["admin"]}]}),
)  # fmt: skip
async def _create_token(request: Request) -> Response:
    """`token` in the reply is what is sent as `Authorization: Bearer ...`; it is shown this once."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        given = members_of(ask, ("label", "scopes"), ("expires",))
        if not isinstance(given["scopes"], list):
            raise BadRequest(f"scopes is {given['scopes']!r:.80}; a list is wanted")
        scopes = [_scope(serving, each) for each in given["scopes"]]
        token, text = await serving.slow(serving.node.tokens.create, given["label"], scopes, given.get("expires"))
        return json_reply({**_plain_token(token), "token": text}, 201, (b"cache-control", b"no-store"))

    return await cluster(request, "admin", call)


@router.delete(
    "/v1/tokens/{id}", summary="Revoke a token", operation_id="revoke_token", tags=["tokens"], **replies(204, None)
)
async def _revoke(request: Request, id: str) -> Response:
    """It is good nowhere any more that hears of it."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        await serving.slow(serving.node.tokens.revoke, id)
        return Reply(204, [])

    return await cluster(request, "admin", call)
