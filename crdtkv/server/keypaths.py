"""The paths of keys as a router and its OpenAPI know them; what answers is what the front calls (`front.answer`)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from crdtkv.http.names import ENTRY, JSON, JSON_PATCH, MERGE_PATCH
from crdtkv.server.describing import parameter, replies
from crdtkv.server.front import answer_whole
from crdtkv.server.routing import respond, serving_of

__all__ = ["router"]

router = APIRouter()

_NAMESPACE = parameter("path", "namespace", "By name, or by id.", example="default")
_KEY = parameter("path", "key", "Percent-encoded.", {"type": "string", "minLength": 1, "maxLength": 512}, "todo")
_VERSION = {"type": "string", "minLength": 4}
_BASE = parameter("query", "base", "The version that this was made from: what others did since is merged.", _VERSION)
_TAG = {"type": "string", "minLength": 1}
_STRATEGY = parameter("query", "strategy", "Of a key that is made by this.", example="set")
_MATCH = parameter("header", "If-Match", "Only if the key is at this version, or at any (`*`).", _TAG)
_NONE_MATCH = parameter("header", "If-None-Match", "Only if it is not; `*`: only if there is no such key.", _TAG)
_ONCE = parameter("header", "Idempotency-Key", "Sent again within a day, it is answered as the first time.")
_PREFER = parameter("header", "Prefer", "return=representation: the receipt with its value.")
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": 3.16e9}
_TTL = parameter("query", "ttl", "Seconds until it is gone.", _SECONDS)
_RECEIPT = {"key": "todo", "version": "5af9_lhr~k3f9.41", "strategy": "json"}
_VALUES = {
    JSON: {"schema": {}, "example": [1, 2, 3]},
    "text/plain": {"schema": {"type": "string"}, "example": "hello"},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    ENTRY: {"schema": {"type": "object", "required": ["value"], "additionalProperties": False, "properties": {
        "value": {}, "binary": {"type": "object", "additionalProperties": {"type": "string"}}}}},
}


def _link(operation: str, words: str) -> dict[str, Any]:
    parameters = {"namespace": "$request.path.namespace", "key": "$request.path.key"}
    return {"operationId": operation, "parameters": parameters, "description": words}


_LINKS = {
    "read": _link("read_key", "what it shows"),
    "history": _link("key_history", "who wrote it"),
    "delete": _link("delete_key", "take it away"),
}


async def _any(request: Request) -> Response:
    return respond(await answer_whole(serving_of(request), request.scope, request.receive))


def _add(
    method: str, path: str, operation: str, summary: str, told: dict[str, Any], *parameters: dict[str, Any],
    content: dict[str, Any] | None = None, words: str = "", tag: str = "keys",
) -> None:  # fmt: skip
    extra: dict[str, Any] = {"parameters": [_NAMESPACE, _KEY, *parameters]}
    if content is not None:
        extra["requestBody"] = {"required": True, "content": content}
    endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = _any
    router.add_api_route(
        f"/v1/{{namespace}}/keys/{{key:path}}{path}", endpoint, methods=[method], summary=summary, description=words,
        operation_id=operation, openapi_extra=extra, tags=[tag], **told,
    )  # fmt: skip


def _receipt(status: int = 200) -> dict[str, Any]:
    told = replies(status, "Receipt", _RECEIPT, links=_LINKS, headers=("ETag", "crdtkv-session"))
    if status == 201:
        told["responses"][200] = told["responses"][201]
    return told


_AT = parameter("query", "at", "A version: what it showed then.", _VERSION)
_WHOLE = parameter("query", "entry", "The whole entry, not the value alone.", {"type": "boolean"})
_READ = {
    "status_code": 200, "response_model": None,
    "responses": {
        200: {"description": "The value", "headers": {"ETag": {"schema": {"type": "string"}}}, "content": {
            JSON: {"schema": {}, "example": [1, 2, 3]}, ENTRY: {"schema": {"$ref": "#/components/schemas/Entry"}},
            "text/plain": {"schema": {"type": "string"}}, "*/*": {"schema": {"type": "string", "format": "binary"}},
        }},
        304: {"description": "It is at the version of If-None-Match still"},
    },
}  # fmt: skip
_OPERATIONS = {
    JSON: {"schema": {"$ref": "#/components/schemas/Operations"}, "example": [{"op": "append", "value": 8}]}
}

_TIME = {"type": ["integer", "null"]}
_PART = {"type": "object", "required": ["family"], "additionalProperties": False, "properties": {
    "family": {"type": "string"}, "path": {"type": "string"}, "element": {}, "since": _TIME, "until": _TIME,
    "binary": {"type": "object"},
}}  # fmt: skip
_PART_TOLD = {"status_code": 200, "response_model": None, "responses": {200: {
    "description": "`value`: null if there is nothing",
    "content": {JSON: {"schema": {"type": "object"}, "example": {"value": ["red"]}}},
}}}  # fmt: skip

_add("POST", "/operations", "key_operations", "Operations of its strategy, in one transaction", _receipt(), _BASE,
     _STRATEGY, _MATCH, _NONE_MATCH, _ONCE, _PREFER, content=_OPERATIONS)  # fmt: skip
_add("GET", "/history", "key_history", "The transactions that touched it", replies(200, "Revisions"), tag="past")
_add("GET", "/diff", "key_diff", "The JSON patch between two versions", replies(200, "Patch"),
     parameter("query", "from", "A version; nothing, if it is left out.", _VERSION),
     parameter("query", "to", "A version; now, if it is left out.", _VERSION), tag="past")  # fmt: skip
_add("GET", "/blame", "key_blame", "Who wrote each part of it", replies(200, "Blames"), tag="past")
_add("POST", "/part", "key_part", "What stands at a path of it, as a strategy shows it; an element; a stretch of a log",
     _PART_TOLD, content={JSON: {"schema": _PART, "example": {"family": "set", "path": "/tags"}}})
_add("POST", "/revert", "revert_key", "Show again what it showed once", _receipt(),
     {**parameter("query", "to", "That version.", _VERSION), "required": True}, _ONCE, _PREFER, tag="past")  # fmt: skip
_FRESH = parameter("header", "Prefer", "freshness: crdtkv-heard says how long ago each colo was heard.")
_add("GET", "", "read_key", "Its value, or the whole entry", _READ, _AT, _WHOLE, _MATCH, _NONE_MATCH, _FRESH)
_add("HEAD", "", "head_key", "Whether it is there, and at which version", {
    "status_code": 200, "responses": {200: {"description": "It is there"}, 304: {"description": "as of GET"}},
    "response_model": None, "response_class": Response}, _AT, _WHOLE, _MATCH, _NONE_MATCH)  # fmt: skip
_add("PUT", "", "put_key", "Put a value", _receipt(201), _BASE, _STRATEGY, _TTL, _MATCH, _NONE_MATCH, _ONCE, _PREFER,
     content=_VALUES)  # fmt: skip
_add("PATCH", "", "patch_key", "Change it by a patch", _receipt(), _BASE, _MATCH, _NONE_MATCH, _ONCE, _PREFER, content={
    JSON_PATCH: {"schema": {"type": "array", "items": {"type": "object"}},
                 "example": [{"op": "add", "path": "/-", "value": 8}]},
    MERGE_PATCH: {"schema": {"type": "object"}, "example": {"title": "Hats", "draft": None}},
})  # fmt: skip
_add("DELETE", "", "delete_key", "Take it away, as far as it was seen", _receipt(), _BASE, _MATCH, _NONE_MATCH, _ONCE)
