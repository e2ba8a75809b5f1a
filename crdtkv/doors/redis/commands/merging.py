"""What Redis has no words for: strategies, histories, conflicts, bases, and which commands are sound across colos."""

from __future__ import annotations

from typing import Any

from crdtkv.core.versions import format_version, parse_version
from crdtkv.doors.redis.arguments import count_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.kinds import of_rule, said
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.replies import OK
from crdtkv.doors.redis.table import COMMANDS, command, find
from crdtkv.store import door
from crdtkv.store.results import Conflict, Revision

__all__: list[str] = []


@command("crdtkv.sound", -1, "fast", group="crdtkv", maps="the table of commands")
def _sound(client: Client, args: list[bytes]) -> Any:
    """Tells of a command "sound", or why it holds at one colo only; without one, all that do."""
    if len(args) > 2:
        raise Refusal(SYNTAX)
    if len(args) == 1:
        return {each.name: each.local for each in COMMANDS.values() if each.local}
    found = find(args[1])
    if found is None:
        raise Refusal(f"ERR there is no command '{args[1].decode('utf-8', 'replace'):.40}'")
    return found.local or "sound"


@command("crdtkv.strategy", 2, "readonly fast", (1, 1, 1), group="crdtkv", maps="the strategy")
def _strategy(at: At, args: list[bytes]) -> Any:
    """Tells the strategy by which a key merges; of one that is absent, the one that SET would make it by."""
    key = key_of(args[1])
    root = at.shown(key)
    return root[0].spec if root is not None else of_rule(door.rule(at.store, key))


@command("crdtkv.history", -2, "namespace", (1, 1, 1), group="crdtkv", maps="history")
async def _history(client: Client, args: list[bytes]) -> Any:
    """Tells the last versions of a key, newest first: version, time, replica, value. COUNT: how many (10)."""
    key, count = key_of(args[1]), 10
    if len(args) == 4 and args[2].lower() == b"count":
        count = count_of(args[3])
    elif len(args) != 2:
        raise Refusal(SYNTAX)
    found: list[Revision] = await client.door.serving.slow(client.store.history, key)
    return [_revision(each) for each in reversed(found[-count:] if count else [])]


def _revision(each: Revision) -> dict[str, Any]:
    value = said(each.value, "lww") if each.value is not None else None
    return {"version": each.version, "ms": each.stamp, "replica": each.replica, "value": value}


@command("crdtkv.conflicts", -1, "namespace", group="crdtkv", maps="the conflict inbox")
async def _conflicts(client: Client, args: list[bytes]) -> Any:
    """Tells the writes that were lost and that this colo made, oldest first; of keys with a prefix, if it is given."""
    if len(args) > 2:
        raise Refusal(SYNTAX)
    prefix = args[1].decode("utf-8", "replace") if len(args) == 2 else ""
    found: list[Conflict] = await client.door.serving.slow(client.store.conflicts, prefix)
    return [_conflict(each) for each in found]


def _conflict(each: Conflict) -> dict[str, Any]:
    lost, winner = (None if value is None else said(value, "lww") for value in (each.value, each.winner))
    return {
        "id": each.id, "key": each.key, "path": each.path, "reason": each.reason, "value": lost, "winner": winner,
        "ms": each.stamp, "replica": each.replica,
    }  # fmt: skip


@command("crdtkv.base", -2, "readonly fast", (1, 1, 1), group="crdtkv", maps="versions")
def _base(at: At, args: list[bytes]) -> Any:
    """Tells the version that a SET of this connection is made from; with a version, says which it is to be."""
    key, client = key_of(args[1]), at.client
    if len(args) > 3:
        raise Refusal(SYNTAX)
    if len(args) == 3:
        client.note_base(key, parse_version(key, args[2].decode("utf-8", "replace")))
        return OK
    base = client.bases.get(key)
    return None if base is None else format_version(key, base)
