"""Rules: which strategy new keys get; what a change of them would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crdtkv.core.rules import Rule, choose
from crdtkv.errors import BadRequest, RuleInvalid
from crdtkv.http import bodies
from crdtkv.http.names import key_of
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.describing import body, replies
from crdtkv.server.routing import through
from crdtkv.store.rulebook import check_strategies
from crdtkv.strategies.registry import strategy

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["DryRun", "Migrating", "OfKey", "router"]

router = APIRouter(tags=["rules"])
_DIFFER = 1_000
"""Keys that are named; there may be more."""


class OfKey(BaseModel):
    """Whose rule."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str | None, Field(description="Only the rule that holds for this key.")] = None


class DryRun(BaseModel):
    """Whether it is done."""

    model_config = ConfigDict(extra="forbid")

    dry_run: Annotated[bool, Field(description="Say what it would do, and do nothing.")] = False


class Migrating(DryRun):
    """Which keys."""

    pattern: Annotated[str, Field(description="Keys that match: a key, a glob, or `re:` and an expression.")] = "*"


_RULE = {"pattern": "cart/*", "strategy": "json", "paths": {"/tags": "set"}}


@router.get("/v1/{namespace}/rules", summary="The rules, by pattern", operation_id="rules", **replies(200, "Rules"))
async def _list(request: Request, namespace: str, given: Annotated[OfKey, Query()]) -> Response:
    """All of them; or, with `key`, the one that holds for it."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        found = await serving.slow(lambda: store.rules.all() if given.key is None else [store.rules.of(given.key)])
        return json_reply({"rules": [bodies.plain_rule(rule) for rule in found]})

    return await through(request, "read", namespace, given.key, call)


@router.put(
    "/v1/{namespace}/rules", summary="Set all rules: these and no others", operation_id="set_rules",
    **replies(200, "RulesSet"), openapi_extra=body("RulesBody", {"rules": [_RULE]}),
)  # fmt: skip
async def _set_all(request: Request, namespace: str, given: Annotated[DryRun, Query()]) -> Response:
    """Keys keep what they are; `differ` names those that they would make otherwise: see migrate."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        found = ask.object()
        plain = found.get("rules")
        if found.keys() != {"rules"} or not isinstance(plain, list):
            raise BadRequest(f"the body is {found!r:.80}; an object with 'rules', a list, is wanted")
        return json_reply(await serving.slow(_replaced, store, [_checked(each) for each in plain], given.dry_run))

    return await through(request, "admin", namespace, None, call)


@router.put(
    "/v1/{namespace}/rules/{pattern:path}", summary="Set the rule of a pattern", operation_id="set_rule",
    **replies(200, "RuleSet"), openapi_extra=body("RuleBody", {"strategy": "set"}),
)  # fmt: skip
async def _set(request: Request, namespace: str, pattern: str, given: Annotated[DryRun, Query()]) -> Response:
    """Keys that match are made so from now on. Another that has the pattern gives way."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        rule = _checked({**ask.object(), "pattern": _pattern(request)})
        return json_reply(await serving.slow(_put, store, rule, given.dry_run))

    return await through(request, "admin", namespace, None, call)


@router.delete(
    "/v1/{namespace}/rules/{pattern:path}", summary="Take a rule away", operation_id="remove_rule",
    **replies(204, None),
)  # fmt: skip
async def _remove(request: Request, namespace: str, pattern: str) -> Response:
    """Keys keep what they are."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        await serving.slow(store.rules.remove, _pattern(request))
        return Reply(204, [])

    return await through(request, "admin", namespace, None, call)


@router.post(
    "/v1/{namespace}/migrate", summary="Rewrite old keys that their rule would make otherwise", operation_id="migrate",
    **replies(200, "Migrations"),
)  # fmt: skip
async def _migrate(request: Request, namespace: str, given: Annotated[Migrating, Query()]) -> Response:
    """Each key is one write; what does not fit is left alone, with the reason."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        done = await serving.slow(lambda: store.rules.migrate(given.pattern, dry_run=given.dry_run))
        return json_reply({"migrations": [bodies.plain_migration(each) for each in done]})

    return await through(request, "admin", namespace, None, call)


def _pattern(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return key_of(raw.partition(b"/rules/")[2])


def _checked(plain: Any) -> Rule:
    rule = bodies.rule_of(plain)
    check_strategies(rule)
    return rule


def _replaced(store: Store, rules: list[Rule], dry_run: bool) -> dict[str, Any]:
    """What was set and removed. Whole rules are compared: one that stands already is not set again."""
    patterns = [rule.pattern for rule in rules]
    twice = [pattern for pattern in patterns if patterns.count(pattern) > 1]
    if twice:
        raise RuleInvalid(f"there are two rules of {twice[0]!r:.80}; one is allowed")
    before = store.rules.all()
    new = [rule for rule in rules if rule not in before]
    gone = [rule.pattern for rule in before if rule.pattern not in patterns]
    if not dry_run:
        for rule in new:
            _set_rule(store, rule)
        for pattern in gone:
            store.rules.remove(pattern)
    return {"set": [rule.pattern for rule in new], "removed": gone, "differ": _differ(store, rules)}


def _put(store: Store, rule: Rule, dry_run: bool) -> dict[str, Any]:
    others = [each for each in store.rules.all() if each.pattern != rule.pattern]
    if not dry_run:
        _set_rule(store, rule)
    return {"rule": bodies.plain_rule(rule), "differ": _differ(store, [*others, rule])}


def _set_rule(store: Store, rule: Rule) -> None:
    plain = rule.to_plain()
    store.rules.set(plain.pop("pattern"), plain.pop("strategy"), **plain)


def _differ(store: Store, rules: list[Rule]) -> list[dict[str, str]]:
    """The first of the keys that are of another strategy than these rules would make them of."""
    found = []
    for entry in store.scan():
        new = strategy(choose(rules, entry.key).strategy).spec
        if entry.strategy != new:
            found.append({"key": entry.key, "old": entry.strategy, "new": new})
            if len(found) == _DIFFER:
                break
    return found
