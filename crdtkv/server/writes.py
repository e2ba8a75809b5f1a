"""Writes that stand in a body: operations of one key, transactions of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from crdtkv.core.clocks import merge
from crdtkv.core.versions import parse_version
from crdtkv.errors import BadRequest, CrdtkvError, TooLarge, ValueInvalid
from crdtkv.http import bodies
from crdtkv.http.bodies import UNSET, Write, write_of
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.conditions import condition_of
from crdtkv.server.doors import admit
from crdtkv.server.once import counted_once, once
from crdtkv.server.trying import tried
from crdtkv.server.values import Wrote, merged, replied
from crdtkv.store import door
from crdtkv.strategies import registry
from crdtkv.strategies.base import Operation

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.receipt import Receipt
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["done", "operate", "transact"]

_T = TypeVar("_T")
_U = TypeVar("_U")


async def operate(serving: Serving, store: Store, ask: Ask) -> Reply:
    """One operation, or a list of them, on a key, in one transaction. What holds for all stands in the query."""
    query = ask.known("base", "strategy")
    found = bodies.load(ask.body)
    if isinstance(found, dict) and "operations" in found:
        found = found["operations"]
    plain = found if isinstance(found, list) else [found]
    _check_number(plain, "operations", serving)
    common = {name: query[name] for name in ("base", "strategy") if name in query}
    plain = [{**common, **each} if isinstance(each, dict) else each for each in plain]
    found = _each("operations", plain, lambda each: write_of(each, ask.key))
    asked = counted_once(found, ask.header("idempotency-key"))
    condition = condition_of(ask)

    def act(t: Transaction) -> list[Wrote]:
        if condition is not None:
            condition(t)
        return _each("operations", asked, lambda write: _wrote(t, write))

    wrote = (await serving.write(store, once(ask, act), ask.covered))[-1]
    return await replied(serving, ask, wrote)


async def transact(serving: Serving, store: Store, ask: Ask, trying: bool = False) -> Reply:
    """All of the writes, or, where one is refused or a condition does not hold, none. `trying`: none in any case."""
    body = ask.object()
    unknown = body.keys() - {"writes", "if", *(("read",) if trying else ())}
    if unknown or "writes" not in body:
        words = "a transaction has 'writes', and perhaps 'if'; in a dry run 'read', too"
        raise BadRequest(f"{words}; it has {sorted(body)!r:.80}")
    _check_number(body["writes"], "writes", serving)
    asked = counted_once(_each("writes", body["writes"], write_of), ask.header("idempotency-key"))
    wanted = [_wanted(each) for each in _listed(body.get("if", []), "if")]
    for action, keys in (("write", [w.key for w in asked]), ("read", [key for key, _ in wanted])):
        for key in keys:
            admit(serving, ask.scope, action, ask.namespace, key)

    def act(t: Transaction) -> list[Wrote]:
        for key, version in wanted:
            door.check_version(t, key, version)
        return _each("writes", asked, lambda write: _wrote(t, write))

    if trying:
        return await tried(serving, store, ask, act, _listed(body.get("read", []), "read"))
    wrote = await serving.write(store, once(ask, act), ask.covered)
    value = ask.returns_value()

    def receipts() -> list[dict[str, Any]]:
        return [bodies.plain_receipt(w.receipt, value=value, merged=w.merged) for w in wrote]

    plain = await serving.slow(receipts) if value else receipts()
    contexts = [parse_version(each["key"], each["version"]) for each in plain]
    return json_reply({"receipts": plain}, seen=merge(contexts))


def _each(named: str, given: list[_T], act: Callable[[_T], _U]) -> list[_U]:
    """`act` of each. An error of one of several says of which."""
    if len(given) == 1:
        return [act(given[0])]
    found: list[_U] = []
    try:
        for each in given:
            found.append(act(each))  # noqa: PERF401
    except CrdtkvError as error:
        error.args = (f"{named}[{len(found)}]: {error.message}",)
        raise
    return found


def _wrote(t: Transaction, write: Write) -> Wrote:
    """Of several writes of one key in a transaction each stands on the one before: that is no merging of others'."""
    others = merged(t, write.key, write.base)
    return Wrote(True, done(t, write), others)


def done(t: Transaction, write: Write) -> Receipt:
    """What one write did. Raises as the store's method of that name."""
    key = write.key
    if write.family is not None and write.op in ("put", "delete") and write.path is None:
        args = () if write.value is UNSET else (write.value,)
        given = _said(write, "family", "base", "strategy")
        return t.operate(key, write.family, write.op, *args, base=given.get("base"), strategy=given.get("strategy"))
    if write.op == "put" and write.path is None:
        return t.put(key, write.value, **_said(write, "base", "strategy", "ttl", "if_version", "idempotency_key"))
    if write.if_version is not UNSET:
        door.check_version(t, key, write.if_version)
    if write.path is not None or write.op not in _WHOLE:
        return _operated(t, write)
    match write.op:
        case "delete":
            return t.delete(key, **_said(write, "base"))
        case "patch":
            return t.patch(key, write.value, **_said(write, "base"))
        case "expire":
            return t.expire(key, **_said(write, "ttl"))
    return t.revert(key, **_said(write, "version"))


_WHOLE = ("delete", "patch", "expire", "revert")
_USUAL = {
    "reset": "counter", "enable": "flag", "disable": "flag", "prepend": "list", "insert": "list", "move": "list",
    "set": "list", "append": "list", "trim": "log", "add": "set", "remove": "set",
}  # fmt: skip
"""What an operation makes of a key that is not there, and of which no rule speaks otherwise."""


def _operated(t: Transaction, write: Write) -> Receipt:
    """An operation of a strategy, on a key or on what stands at a path of it."""
    key, op = write.key, write.op
    path = write.path
    if path is None:
        family = write.family or _family(t, key, op)
        if family == "json" and _USUAL.get(op) == "list":
            path = ""  # a document that is an array is a list
        else:
            given = _said(write, "family", "base", "strategy")
            base, spec = given.get("base"), given.get("strategy")
            return t.operate(key, family, op, *write.args, base=base, strategy=spec)
    family = write.family or _USUAL.get(op, "json")
    place = door.place(t, key, path)
    _said(write, "family", "path", "base")
    inner = Operation(op, write.args)
    return t.operate(key, "json", "at", place, family, inner, base=write.base)


def _family(t: Transaction, key: str, op: str) -> str | None:
    """The strategy that an operation is of, where that was not said: that of the key, or of its rule, if it has it."""
    shown = door.replica(t).shown(key)  # (no entry: that would read all of it)
    kind = (door.rule(t, key).strategy if shown is None else shown[0].spec).partition("?")[0]
    if shown is not None and kind == "json":
        return kind
    return kind if op in registry.find(kind).operations else _USUAL.get(op)


def _said(write: Write, *names: str) -> dict[str, Any]:
    """What was said of these. Raises BadRequest for anything else that was said: it would be without effect."""
    found: dict[str, Any] = {}
    for name in ("family", "path", "base", "strategy", "ttl", "version", "idempotency_key", "if_version"):
        given = getattr(write, name)
        if given is UNSET or (given is None and name not in ("ttl", "if_version")):
            continue
        if name in names:
            found[name] = given
        elif name != "if_version":
            raise BadRequest(f"{write.op} of {write.key!r:.80} takes no {name!r}")
    return found


def _wanted(plain: Any) -> tuple[str, str | None]:
    """A key, and the version that it must have; None: it must be absent."""
    if not isinstance(plain, dict) or plain.keys() != {"key", "version"} or not isinstance(plain["key"], str):
        raise BadRequest(f"{plain!r:.80} is no condition; an object with 'key' and 'version' is wanted")
    if not isinstance(plain["version"], str | None):
        raise ValueInvalid(f"version is {plain['version']!r:.80}; text, or null for no such key, is wanted")
    return plain["key"], plain["version"]


def _listed(found: Any, name: str) -> list[Any]:
    if not isinstance(found, list):
        raise BadRequest(f"{name} is {found!r:.80}; a list is wanted")
    return found


def _check_number(found: Any, name: str, serving: Serving) -> None:
    if not _listed(found, name):
        raise BadRequest(f"there are no {name}; at least one is wanted")
    if len(found) > serving.limits.writes:
        raise TooLarge(f"{len(found):,} {name}; at most {serving.limits.writes:,}")
