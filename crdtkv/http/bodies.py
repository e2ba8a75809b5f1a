"""The JSON of entries, receipts, conflicts, revisions, blame, changes, rules, writes and errors, both ways.

`plain_*` makes members of a thing, `*_of` the thing of members; `dump` and `load` are the JSON text.
What JSON lacks is blobs: they are base64 text, and the outermost object's member `binary` names each
by its JSON pointer, with its content type:

>>> dump({"key": "logo", "value": Blob(b"GIF", "image/gif")})
b'{"key":"logo","value":"R0lG","binary":{"/value":"image/gif"}}'
>>> load(_)
{'key': 'logo', 'value': Blob(data=b'GIF', content_type='image/gif')}
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.fate import Fate
from crdtkv.core.rules import Rule, rule_from_plain
from crdtkv.errors import BadRequest, CrdtkvError, ValueInvalid, all_errors
from crdtkv.http.refusals import all_refusals
from crdtkv.store.receipt import UNREAD, Receipt
from crdtkv.store.results import Blame, Change, Conflict, Entry, Migration, Revision

__all__ = [
    "UNSET",
    "Write",
    "blame_of",
    "change_of",
    "conflict_of",
    "dump",
    "entry_of",
    "error_of",
    "load",
    "migration_of",
    "plain_blame",
    "plain_change",
    "plain_conflict",
    "plain_entry",
    "plain_error",
    "plain_migration",
    "plain_receipt",
    "plain_revision",
    "plain_rule",
    "plain_write",
    "receipt_of",
    "revision_of",
    "rule_of",
    "split_blobs",
    "write_of",
]

UNSET: Any = object()
"""In the place of what was not said; None is a value."""

_T = TypeVar("_T")
_BINARY = "binary"
_ENTRY, _REVISION, _BLAME, _MIGRATION, _CONFLICT = (
    tuple(f.name for f in fields(cls) if not f.name.startswith("_"))
    for cls in (Entry, Revision, Blame, Migration, Conflict)
)
_ERRORS: dict[str, type[CrdtkvError]] = {error.code: error for error in (*all_errors(), *all_refusals())}
_TOLD_BY_ERRORS = ("version", "value")


# text


def dump(body: dict[str, Any]) -> bytes:
    """The JSON text of an object, blobs and all. O(size). Raises ValueInvalid for what is none."""
    try:
        return _text(body)
    except ValueInvalid:
        out, found = split_blobs(body)
        if not found:
            raise
        return _text(out | {_BINARY: found})


def _text(body: dict[str, Any]) -> bytes:
    try:
        return values.to_json(body).encode()
    except UnicodeEncodeError:
        values.pack(body)  # says where the lone surrogate stands
        raise


def split_blobs(value: Any) -> tuple[Any, dict[str, str]]:
    """`value` with base64 text for its blobs, and the content type of each by its JSON pointer. O(size).

    >>> split_blobs([Blob(b"GIF", "image/gif")])
    (['R0lG'], {'/0': 'image/gif'})
    """
    found: dict[str, str] = {}
    return _without_blobs(value, "", found), found


def load(text: bytes) -> Any:
    """What `dump` made; of other JSON that it is sound (RFC 8259, no member twice, no NaN). O(size).

    Raises ValueInvalid. How deep a value may be, and how large, is asked where it is stored.
    """
    try:
        found = json.loads(text, object_pairs_hook=_members, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise ValueInvalid(f"not UTF-8 at byte {error.start}: {text!r:.80}") from None
    except (ValueError, RecursionError) as error:
        raise ValueInvalid(f"not JSON: {text!r:.80}: {str(error).lower() or 'too deep'}") from None
    if not isinstance(found, dict) or _BINARY not in found:
        return found
    binary = found.pop(_BINARY)
    if not isinstance(binary, dict) or not all(isinstance(kind, str) for kind in binary.values()):
        raise ValueInvalid(f"binary is {binary!r:.80}; an object of JSON pointers and content types is wanted")
    for pointer, kind in binary.items():
        _put_blob(found, pointer, kind)
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueInvalid(f"member {next(n for n in names if names.count(n) > 1)!r:.80} occurs twice")
    return members


def _constant(name: str) -> Any:
    raise ValueInvalid(f"{name} is no JSON number")


def _without_blobs(value: Any, where: str, found: dict[str, str]) -> Any:
    if isinstance(value, Blob):
        found[where] = value.content_type
        return base64.b64encode(value.data).decode()
    if isinstance(value, dict):
        return {
            name: _without_blobs(part, f"{where}/{name.replace('~', '~0').replace('/', '~1')}", found)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_blobs(part, f"{where}/{i}", found) for i, part in enumerate(value)]
    return value


def _put_blob(body: Any, pointer: str, kind: str) -> None:
    """The base64 text at `pointer` becomes the blob that it stands for."""
    try:
        *above, last = [t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")[1:]]
        place = body
        for token in above:
            place = place[int(token) if isinstance(place, list) else token]
        step = int(last) if isinstance(place, list) else last
        place[step] = Blob(base64.b64decode(place[step], validate=True), kind)
    except (LookupError, TypeError, ValueError):
        raise ValueInvalid(f"binary names {pointer!r:.80}, where there is no base64 text") from None


# what is told


def plain_entry(entry: Entry) -> dict[str, Any]:
    """key, value, version, strategy, siblings, conflicts, stamp, expires."""
    return {name: getattr(entry, name) for name in _ENTRY}


def entry_of(plain: Any) -> Entry:
    """The entry. Raises ValueInvalid for what is none."""
    found = _taken(plain, _ENTRY, "an entry")
    return Entry(**{**found, "siblings": tuple(found["siblings"]), "conflicts": tuple(found["conflicts"])})


def plain_receipt(receipt: Receipt, *, value: bool = False, merged: bool | None = None) -> dict[str, Any]:
    """key, version, strategy; with its value if that is wanted, which is read for it.

    `merged`, of a write that named its base: whether the key had been written beyond it.
    """
    plain: dict[str, Any] = {"key": receipt.key, "version": receipt.version, "strategy": receipt.strategy}
    if value:
        plain["value"] = receipt.value
    return plain if merged is None else plain | {"merged": merged}


def receipt_of(plain: Any, read: Callable[[], Any]) -> Receipt:
    """The receipt; `read` gives its value if it is not told, when it is first asked for. Raises ValueInvalid."""
    found = _taken(plain, ("key", "version", "strategy"), "a receipt")
    return Receipt(found["key"], found["version"], found["strategy"], Fate(), read, plain.get("value", UNREAD))


def plain_revision(revision: Revision) -> dict[str, Any]:
    """version, stamp, replica, value, known."""
    return {name: getattr(revision, name) for name in _REVISION}


def revision_of(plain: Any) -> Revision:
    """The revision. Raises ValueInvalid for what is none."""
    return Revision(**_taken(plain, _REVISION, "a revision"))


def plain_blame(blame: Blame) -> dict[str, Any]:
    """path, value, replica, stamp."""
    return {name: getattr(blame, name) for name in _BLAME}


def blame_of(plain: Any) -> Blame:
    """The blame. Raises ValueInvalid for what is none."""
    return Blame(**_taken(plain, _BLAME, "a blame"))


def plain_change(change: Change) -> dict[str, Any]:
    """key, entry (null: it is absent), cursor, reset."""
    entry = None if change.entry is None else plain_entry(change.entry)
    return {"key": change.key, "entry": entry, "cursor": change.cursor, "reset": change.reset}


def change_of(plain: Any) -> Change:
    """The change. Raises ValueInvalid for what is none."""
    found = _taken(plain, ("key", "entry", "cursor", "reset"), "a change")
    return Change(**(found | {"entry": None if found["entry"] is None else entry_of(found["entry"])}))


def plain_conflict(conflict: Conflict) -> dict[str, Any]:
    """id, key, path, reason, value, winner, replica, stamp."""
    return {name: getattr(conflict, name) for name in _CONFLICT}


def conflict_of(plain: Any, restore: Callable[[str], Receipt], dismiss: Callable[[str], None]) -> Conflict:
    """The conflict; what its methods do is handed in. Raises ValueInvalid for what is none."""
    return Conflict(**_taken(plain, _CONFLICT, "a conflict"), _restore=restore, _dismiss=dismiss)


def plain_migration(migration: Migration) -> dict[str, Any]:
    """key, old, new, before, after, problem."""
    return {name: getattr(migration, name) for name in _MIGRATION}


def migration_of(plain: Any) -> Migration:
    """The migration. Raises ValueInvalid for what is none."""
    return Migration(**_taken(plain, _MIGRATION, "a migration"))


def plain_rule(rule: Rule) -> dict[str, Any]:
    """pattern, strategy, ttl, paths, keep_cells, keep_hours, require_base."""
    return rule.to_plain()


def rule_of(plain: Any) -> Rule:
    """The rule. Raises RuleInvalid for one that cannot stand, ValueInvalid for what is none."""
    _taken(plain, ("pattern",), "a rule")
    return rule_from_plain(plain)


def _taken(plain: Any, names: tuple[str, ...], what: str) -> dict[str, Any]:
    """The members of these names; others, of a later release, are passed over."""
    if not isinstance(plain, Mapping):
        raise ValueInvalid(f"{plain!r:.80} is not {what}; an object with {', '.join(names)} is wanted")
    missing = [name for name in names if name not in plain]
    if missing:
        raise ValueInvalid(f"{what} lacks {missing[0]!r}; it has {', '.join(map(repr, plain)) or 'nothing'}")
    return {name: plain[name] for name in names}


# errors


def plain_error(error: CrdtkvError) -> dict[str, Any]:
    """code, message, happened, next_step; and what the error tells beside: version, value."""
    plain = {
        "code": error.code, "message": error.message, "happened": error.happened, "next_step": error.next_step,
    }  # fmt: skip
    return plain | {name: getattr(error, name) for name in _TOLD_BY_ERRORS if hasattr(error, name)}


def error_of(plain: Any, status: int = 500) -> CrdtkvError:
    """The error to raise for what `plain_error` made.

    Of a code that is not known here it is the branch that the status belongs to, and says so.
    """
    found = plain if isinstance(plain, Mapping) else {}
    kind = _ERRORS.get(found.get("code", ""), _branch(status))
    error = kind(str(found.get("message") or f"the server answered {status}"))
    if found.get("happened") in ("no", "yes", "unknown"):
        error.happened = found["happened"]
    elif not found:
        error.happened = "unknown"
    error.next_step = str(found.get("next_step") or kind.next_step)
    for name in _TOLD_BY_ERRORS:
        if name in found:
            setattr(error, name, found[name])
    return error


def _branch(status: int) -> type[CrdtkvError]:
    by_status = {413: "too-large", 412: "precondition-failed", 428: "base-required", 429: "overloaded"}
    if status in by_status:
        return _ERRORS[by_status[status]]
    if status in (502, 503, 504):
        return _ERRORS["unavailable"]
    return _ERRORS["bad-request" if 400 <= status < 500 else "crdtkv-error"]


# writes


class Write(NamedTuple):
    """One wish for a key, as it stands in a transaction or among the operations of a key.

    `op`: put, patch, delete, expire, revert, or an operation of a strategy with its `args`; `family`: the strategy that
    it belongs to, None for whichever the key has; `path`: a JSON pointer in it. `value`: of a put, or a patch.
    """

    key: str
    op: str
    args: tuple[Any, ...] = ()
    value: Any = UNSET
    family: str | None = None
    path: str | None = None
    base: str | None = None
    strategy: str | None = None
    ttl: float | None = UNSET
    if_version: str | None = UNSET
    version: str | None = None
    idempotency_key: str | None = None


_TEXTS = ("family", "path", "base", "strategy", "version", "idempotency_key")
_NAMED: dict[str, tuple[str, ...]] = {
    "increment": ("by",), "decrement": ("by",), "insert": ("index",), "move": ("index", "to"), "trim": ("before",),
}  # fmt: skip
"""Which members of an operation are its arguments, before its values."""
_ARGUMENTS = ("by", "index", "to", "before", "value", "values", "patch", "args")
_WHOLE = ("put", "patch", "delete", "expire", "revert")


def plain_write(write: Write) -> dict[str, Any]:
    """The members of a write; its arguments as `args`, which every operation takes."""
    plain: dict[str, Any] = {"key": write.key, "op": write.op}
    if write.args:
        plain["args"] = list(write.args)
    if write.value is not UNSET:
        plain["patch" if write.op == "patch" else "value"] = write.value
    plain |= {name: getattr(write, name) for name in _TEXTS if getattr(write, name) is not None}
    return plain | {name: getattr(write, name) for name in ("ttl", "if_version") if getattr(write, name) is not UNSET}


def write_of(plain: Any, key: str | None = None) -> Write:
    """The write that members say; `key`: of all of them, where none names its own. Raises BadRequest.

    >>> write_of({"op": "increment", "by": 3}, "hits").args
    (3,)
    >>> write_of({"key": "tags", "op": "add", "values": ["a", "b"]}).args
    ('a', 'b')
    """
    if not isinstance(plain, Mapping):
        raise BadRequest(f"{plain!r:.80} is no write; an object with key and op is wanted")
    members = dict(plain)
    own, op = members.pop("key", key), members.pop("op", None)
    if key is not None and own != key:
        raise BadRequest(f"key is {own!r:.80} in a write of {key!r}; leave it out")
    for name, found in (("key", own), ("op", op), *((n, members[n]) for n in _TEXTS if members.get(n) is not None)):
        if not isinstance(found, str):
            raise BadRequest(f"{name} is {found!r:.80}; text is wanted")
    arguments = {name: members.pop(name) for name in _ARGUMENTS if name in members}
    given = {name: members.pop(name) for name in (*_TEXTS, "ttl", "if_version") if name in members}
    if members:
        raise BadRequest(f"a write has no {next(iter(members))!r:.80}; it has key, op, {', '.join(Write._fields[4:])}, "
                         f"{', '.join(_ARGUMENTS)}")  # fmt: skip
    if op in _WHOLE and given.get("path") is None:
        return _whole(own, op, arguments, given)
    return _operation(own, op, arguments, given)


def _whole(key: str, op: str, arguments: dict[str, Any], given: dict[str, Any]) -> Write:
    """A put, patch, delete, expire or revert of all of a key."""
    wanted = {"put": "value", "patch": "patch"}.get(op)
    if arguments.keys() - {wanted}:
        raise BadRequest(f"{op} takes {wanted or 'no arguments'}; not {next(iter(arguments.keys() - {wanted}))!r}")
    if wanted is not None and wanted not in arguments:
        raise BadRequest(f"{op} of {key!r:.80} lacks {wanted!r}")
    for name, needs in (("expire", "ttl"), ("revert", "version")):
        if op == name and needs not in given:
            raise BadRequest(f"{op} of {key!r:.80} lacks {needs!r}")
    return Write(key, op, value=arguments.get(wanted or "", UNSET), **given)


def _operation(key: str, op: str, arguments: dict[str, Any], given: dict[str, Any]) -> Write:
    """An operation of a strategy, its arguments in their order."""
    names = _NAMED.get(op, ("index",) if op in ("set", "remove") and "index" in arguments else ())
    if op == "add" and "by" in arguments:
        op, names = "increment", ("by",)
    if "args" in arguments:
        args = arguments.pop("args")
        if arguments or not isinstance(args, list):
            raise BadRequest(f"args of {op!r:.80} is {args!r:.80}; a list, and no other arguments beside it, is wanted")
    else:
        if op in ("increment", "decrement"):
            arguments.setdefault("by", 1)
        missing = [name for name in names if name not in arguments]
        if missing:
            raise BadRequest(f"{op} of {key!r:.80} lacks {missing[0]!r}")
        args = [*(arguments.pop(name) for name in names), *_values(op, arguments)]
    family = given.pop("family", None)
    if family is None and (op in ("increment", "decrement") or (op == "remove" and "index" in names)):
        family = "list" if op == "remove" else "counter"
    if op == "decrement" and args and type(args[0]) is int:
        args = [-args[0], *args[1:]]
    if op in ("increment", "decrement"):
        once = given.pop("idempotency_key", None)
        op, args = "add", args if once is None else [*args, once]
    return Write(key, op, tuple(args), family=family, **given)


def _values(op: str, arguments: dict[str, Any]) -> list[Any]:
    """`value`, or `values`."""
    one = [arguments.pop("value")] if "value" in arguments else []
    many = arguments.pop("values", [])
    if not isinstance(many, list):
        raise BadRequest(f"values of {op!r:.80} is {many!r:.80}; a list is wanted")
    if arguments:
        raise BadRequest(f"{op!r:.80} takes no {next(iter(arguments))!r}")
    return one + many
