"""What the OpenAPI says beside what FastAPI finds by itself: bodies, replies, errors, links, examples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from crdtkv.errors import CrdtkvError, all_errors
from crdtkv.http.names import JSON
from crdtkv.http.refusals import all_refusals
from crdtkv.server.examples import REPLIES
from crdtkv.server.limits import LIMITS

__all__ = ["SCHEMAS", "body", "complete", "parameter", "replies"]

_ANY: dict[str, Any] = {"description": "any JSON value"}
_TEXT: dict[str, Any] = {"type": "string"}
_VERSION: dict[str, Any] = {"type": "string", "minLength": 4, "examples": ["5af9_lhr~k3f9.41"]}
_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_INTEGER: dict[str, Any] = {"type": "integer"}
_FLAG: dict[str, Any] = {"type": "boolean"}
_LIST: dict[str, Any] = {"type": "array", "items": _ANY}
_BINARY: dict[str, Any] = {"type": "object", "additionalProperties": _TEXT}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, closed: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object", "required": list(required), "properties": {**required, **(optional or {})},
    }  # fmt: skip
    return found | ({"additionalProperties": False} if closed else {})


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


_ENTRY = {
    "key": _TEXT, "value": _ANY, "version": _VERSION, "strategy": _TEXT, "siblings": _LIST, "conflicts": _LIST,
    "stamp": _INTEGER, "expires": {"type": ["integer", "null"]},
}  # fmt: skip
_RULE = {
    "strategy": {"type": "string", "examples": ["set"]}, "ttl": {"enum": ["max", "min"]},
    "paths": {"type": ["object", "null"], "additionalProperties": _TEXT, "examples": [{"/tags": "set"}]},
    "keep_cells": {"type": "integer", "minimum": 0, "maximum": 10_000},
    "keep_hours": {"type": "number", "minimum": 0, "maximum": 8_784}, "require_base": _FLAG,
}  # fmt: skip
_WRITE = {
    "args": _LIST, "value": _ANY, "values": _LIST, "patch": {"type": ["array", "object"]}, "by": _INTEGER,
    "index": _INTEGER, "to": _INTEGER, "before": _INTEGER, "family": _TEXT, "path": _TEXT, "base": _VERSION,
    "strategy": _TEXT, "ttl": {"type": ["number", "null"]}, "if_version": _OR_NULL, "version": _VERSION,
    "idempotency_key": _TEXT,
}  # fmt: skip
SCHEMAS: dict[str, dict[str, Any]] = {
    "Problem": _object(
        {"code": _TEXT, "message": _TEXT, "happened": {"enum": ["no", "yes", "unknown"]}, "next_step": _TEXT},
        {"version": _TEXT, "value": _ANY},
    ),
    "Entry": _object(_ENTRY, {"binary": _BINARY}),
    "Receipt": _object(
        {"key": _TEXT, "version": _VERSION, "strategy": _TEXT},
        {"value": _ANY, "merged": {"type": "boolean"}, "binary": _BINARY},
    ),
    "Revision": _object(
        {"version": _VERSION, "stamp": _INTEGER, "replica": _TEXT, "value": _ANY, "known": _FLAG}
    ),
    "Blame": _object({"path": _TEXT, "value": _ANY, "replica": _TEXT, "stamp": _INTEGER}),
    "Change": _object({"key": _TEXT, "entry": {"anyOf": [_ref("Entry"), {"type": "null"}]}, "cursor": _TEXT,
                       "reset": _FLAG}, {"binary": _BINARY}),
    "Conflict": _object(
        {"id": _TEXT, "key": _TEXT, "path": _TEXT, "reason": _TEXT, "value": _ANY, "winner": _ANY, "replica": _TEXT,
         "stamp": _INTEGER}
    ),
    "Migration": _object(
        {"key": _TEXT, "old": _TEXT, "new": _TEXT, "before": _ANY, "after": _ANY, "problem": _OR_NULL}
    ),
    "Rule": _object({"pattern": _TEXT, **_RULE}),
    "Namespace": _object(
        {"name": _TEXT, "id": _TEXT, "created": _INTEGER, "colos": {"type": ["array", "null"], "items": _TEXT},
         "hosted": _FLAG, "without": {"type": "array", "items": _TEXT},
         "leaving": {"type": "array", "items": _TEXT}}
    ),
    "Write": _object({"key": _TEXT, "op": _TEXT}, _WRITE, closed=True),
    "Operation": _object({"op": _TEXT}, _WRITE, closed=True),
    "Operations": {"oneOf": [
        _object({"op": _TEXT}, {**_WRITE, "binary": _BINARY}, closed=True),
        {"type": "array", "items": _ref("Operation"), "minItems": 1, "maxItems": LIMITS.writes},
        _object({"operations": {"type": "array", "items": _ref("Operation"), "minItems": 1, "maxItems": LIMITS.writes}},
                {"binary": _BINARY}, closed=True),
    ]},
    "Differ": _object({"key": _TEXT, "old": _TEXT, "new": _TEXT}),
    # bodies
    "GetKeys": _object({"keys": {"type": "array", "items": _TEXT, "maxItems": 1000}}, closed=True),
    "Transaction": _object(
        {"writes": {"type": "array", "items": _ref("Write"), "minItems": 1, "maxItems": LIMITS.writes}},
        {"if": {"type": "array", "items": _object({"key": _TEXT, "version": _OR_NULL}, closed=True)},
         "read": {"type": "array", "items": _object({"key": _TEXT}, {"family": _TEXT, "path": _TEXT})},
         "binary": _BINARY}, closed=True,
    ),
    "RuleBody": _object({}, _RULE, closed=True),
    "RulesBody": _object(
        {"rules": {"type": "array", "items": _object({"pattern": _TEXT}, _RULE, closed=True)}}, closed=True
    ),
    "NamespaceBody": _object(
        {"name": _TEXT}, {"colos": {"type": ["array", "null"], "items": _TEXT, "minItems": 1}}, closed=True
    ),
    "NameBody": _object({"name": _TEXT}, closed=True),
    "BackupBody": _object({"folder": _TEXT}, closed=True),
    "ColoBody": _object({"colo": _TEXT}, closed=True),
    "LinkBody": _object({"link": _TEXT}, closed=True),
    "TokenBody": _object(
        {"label": {"type": "string", "maxLength": 100}, "scopes": _array("Scope")},
        {"expires": {"type": ["integer", "null"]}}, closed=True,
    ),
    "Scope": _object(
        {"namespace": _TEXT, "actions": {"type": "array", "items": {"enum": ["read", "write", "admin"]}}},
        {"prefix": _TEXT}, closed=True,
    ),
    # replies
    "Keys": _object({}, {"cursor": _OR_NULL, "keys": {"type": "array", "items": _TEXT}, "entries": _array("Entry"),
                                           "count": _INTEGER, "binary": _BINARY}),
    "Entries": _object({"entries": {"type": "object", "additionalProperties": {
        "anyOf": [_ref("Entry"), {"type": "null"}]}}}, {"binary": _BINARY}),
    "Transacted": {"anyOf": [_ref("Receipts"), _ref("Tried")]},
    "Receipts": _object({"receipts": _array("Receipt")}, {"binary": _BINARY}),
    "Tried": _object({"read": {"type": "array", "items": _object({"before": _OR_NULL})}}, {"binary": _BINARY}),
    "Revisions": _object({"revisions": _array("Revision")}, {"binary": _BINARY}),
    "Patch": _object({"patch": {"type": "array", "items": {"type": "object"}}}, {"binary": _BINARY}),
    "Blames": _object({"blame": _array("Blame")}, {"binary": _BINARY}),
    "Changes": _object({"changes": _array("Change"), "cursor": _TEXT}, {"binary": _BINARY}),
    "Conflicts": _object({"conflicts": _array("Conflict")}, {"binary": _BINARY}),
    "Migrations": _object({"migrations": _array("Migration")}, {"binary": _BINARY}),
    "Rules": _object({"rules": _array("Rule")}),
    "RulesSet": _object({"set": {"type": "array", "items": _TEXT}, "removed": {"type": "array", "items": _TEXT},
                         "differ": _array("Differ")}),
    "RuleSet": _object({"rule": _ref("Rule"), "differ": _array("Differ")}),
    "Namespaces": _object({"namespaces": _array("Namespace")}),
    "Lines": {"description": "an object with `key` and `value` a line"},
    "Imported": _object(
        dict.fromkeys(("written", "same", "expired", "kept", "bad"), _INTEGER)
        | {"problems": {"type": "array", "items": _object({"line": _INTEGER, "message": _TEXT})}}
    ),
    "Gone": _object({"gone": _INTEGER}),
    "Wrong": _object({"wrong": {"type": "array", "items": _TEXT}}),
    "Out": _object({"out": {"type": "array", "items": _TEXT}}),
    "Evicted": _object({"out": {"type": "object", "additionalProperties": {"type": "array", "items": _TEXT}}}),
    "Resolved": _object({"resolved": {"type": "array", "items": _TEXT}}),
    "Files": _object({"files": {"type": "array", "items": _TEXT}}),
    "Token": _object({"id": _TEXT, "label": _TEXT, "scopes": _array("Scope"), "created": _INTEGER,
                      "expires": {"type": ["integer", "null"]}}, {"token": _TEXT}),
    "Tokens": _object({"tokens": _array("Token")}),
    "Status": _object({"colo": _TEXT, "release": _TEXT, "leaving": _FLAG, "left": _FLAG,
                       "namespaces": {"type": "array", "items": {"type": "object"}}}),
    "Going": _object({"colo": _TEXT, "leaving": _FLAG}),
    "Health": _object({"status": _TEXT}),
}


def replies(
    status: int, schema: str | None, example: Any = None, *others: str, links: dict[str, Any] | None = None,
    headers: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The good reply of an operation: its status, what is in it, other media types; `links` to what may be next."""
    told: dict[str, Any] = {"description": "Done" if schema is None else schema}
    example = REPLIES.get(schema or "") if example is None else example
    if schema is not None:
        told["content"] = {JSON: {"schema": _ref(schema), **({} if example is None else {"example": example})}}
        told["content"] |= {kind: {"schema": _TEXT} for kind in others}
    if links:
        told["links"] = links
    if headers:
        told["headers"] = {name: {"schema": _TEXT} for name in headers}
    return {"status_code": status, "responses": {status: told}, "response_model": None}


def body(schema: str, example: Any, *, kind: str = JSON, required: bool = True) -> dict[str, Any]:
    """The body that an operation takes."""
    return {"requestBody": {"required": required, "content": {kind: {"schema": _ref(schema), "example": example}}}}


def parameter(
    place: str, name: str, words: str, schema: dict[str, Any] | None = None, example: Any = None
) -> dict[str, Any]:  # fmt: skip
    """A parameter in `place`: path, query or header."""
    told: dict[str, Any] = {"name": name, "in": place, "description": words, "schema": schema or _TEXT}
    if place == "path":
        told["required"] = True
    return told | ({} if example is None else {"example": example})


_EXAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("path", "namespace"): {"description": "By name, or by id.", "example": "default"},
    ("path", "colo"): {"description": "The name of a colo.", "example": "sin"},
    ("path", "pattern"): {"description": "A key, a glob, or `re:` and an expression.", "example": "cart/*"},
}


def complete(openapi: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Schemas, every error on every operation, and the nulls in examples, which FastAPI leaves out."""
    for route in routes:
        if not isinstance(route, APIRoute):
            continue
        for method in route.methods or ():
            told = openapi["paths"].get(route.path_format, {}).get(method.lower(), {})
            _with_nulls(told.get("requestBody", {}), (route.openapi_extra or {}).get("requestBody", {}))
            for status, reply in route.responses.items():
                _with_nulls(told["responses"][str(status)], reply)
    components = openapi.setdefault("components", {})
    components["schemas"] = {**components.get("schemas", {}), **SCHEMAS}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    openapi["security"] = [{"token": []}, {}]
    errors = _errors()
    for operations in openapi["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"] = {**errors, **operation["responses"]}
            for told in operation.get("parameters", ()):
                told.update(_EXAMPLES.get((told["in"], told["name"]), {}))
    return openapi


def _with_nulls(told: dict[str, Any], given: dict[str, Any]) -> None:
    """The examples as they were given."""
    for kind, content in given.get("content", {}).items():
        if "example" in content:
            told["content"][kind]["example"] = content["example"]


def _errors() -> dict[str, Any]:
    """By status: which errors there are, with one example."""
    by_status: dict[int, list[type[CrdtkvError]]] = {}
    for kind in (*all_errors(), *all_refusals()):
        by_status.setdefault(kind.status, []).append(kind)
    return {
        str(status): {
            "description": ", ".join(sorted(kind.code for kind in kinds)),
            "content": {JSON: {"schema": _ref("Problem"), "example": _example(kinds[-1])}},
        }
        for status, kinds in sorted(by_status.items())
    }


def _example(kind: type[CrdtkvError]) -> dict[str, Any]:
    words = (kind.__doc__ or "").partition("\n")[0]
    return {"code": kind.code, "message": words, "happened": kind.happened, "next_step": kind.next_step}
