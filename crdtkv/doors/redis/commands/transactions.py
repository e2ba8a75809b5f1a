"""MULTI and EXEC: commands that are one transaction of the store, here and at every colo. WATCH is of this colo."""

from __future__ import annotations

from typing import Any

from crdtkv.doors.redis.at import At, Wait, key_of
from crdtkv.doors.redis.client import Client, Queued
from crdtkv.doors.redis.refusals import Refusal
from crdtkv.doors.redis.replies import NIL_ARRAY, OK, Failed
from crdtkv.doors.redis.table import Command, command
from crdtkv.store import door

__all__: list[str] = []

_MOST = 100_000
_PATIENCE = 1.0
"""Seconds that EXEC waits for who writes in another namespace, of which a key is watched."""
_HERE = "watches at this colo: another may write the key at the same time"


@command("multi", 1, "fast", group="transactions", maps="a transaction begins")
def _multi(client: Client, args: list[bytes]) -> Any:
    """Begins a transaction: what follows is queued until EXEC."""
    if client.queued is not None:
        raise Refusal("ERR MULTI calls can not be nested")
    client.queued = Queued()
    return OK


@command("discard", 1, "fast", group="transactions", maps="nothing is done")
def _discard(client: Client, args: list[bytes]) -> Any:
    """Gives up a transaction."""
    if client.queued is None:
        raise Refusal("ERR DISCARD without MULTI")
    client.queued = None
    client.watched.clear()
    return OK


@command("watch", -2, "readonly fast", (1, -1, 1), group="transactions", local=_HERE, maps="versions")
def _watch(at: At, args: list[bytes]) -> Any:
    """EXEC does nothing if one of these keys has changed here by then."""
    client = at.client
    if client.queued is not None:
        raise Refusal("ERR WATCH inside MULTI is not allowed")
    if len(client.watched) + len(args) > _MOST:
        raise Refusal(f"ERR at most {_MOST:,} keys are watched")
    for key in [key_of(name) for name in args[1:]]:
        at.check_alone(key)
        client.watched.setdefault((at.store.namespace, key), at.context(key) if at.there(key) else None)
    return OK


@command("unwatch", 1, "fast", group="transactions", maps="nothing")
def _unwatch(client: Client, args: list[bytes]) -> Any:
    """Forgets what WATCH was told."""
    client.watched.clear()
    return OK


@command("exec", 1, "write alone", group="transactions", maps="one transaction")
def _exec(at: At, args: list[bytes]) -> Any:
    """Carries out what was queued, in one transaction that is seen whole or not at all, here and at every colo."""
    client = at.client
    queued = client.queued
    if queued is None:
        raise Refusal("ERR EXEC without MULTI")
    at.after.append(lambda: _ended(client, queued))
    if queued.refused:
        return Failed("EXECABORT Transaction discarded because of previous errors.")
    if any(not _unchanged(at, *watched) for watched in client.watched.items()):
        return NIL_ARRAY
    before, at.waits = at.waits, False
    try:
        return [_one(at, each, args) for each, args in queued.commands]
    finally:
        at.waits = before


def _ended(client: Client, queued: Queued) -> None:
    # Not before it is durable: where it has to be done again, it is still there.
    if client.queued is queued:
        client.queued = None
    client.watched.clear()


def _unchanged(at: At, watched: tuple[str, str], context: Any) -> bool:
    namespace, key = watched
    store = at.store if namespace == at.store.namespace else at.client.door.place(namespace).store
    if store is at.store:
        return bool((at.context(key) if at.there(key) else None) == context)
    latch = door.latch(store)
    # (Who has that lock may be waiting for this one in the same way: whoever waits too long gives up, as if it had
    # changed.)
    if not latch.acquire(timeout=_PATIENCE):
        return False
    try:
        other = At(store, at.client)
        return bool((other.context(key) if other.there(key) else None) == context)
    finally:
        latch.release()


def _one(at: At, each: Command, args: list[bytes]) -> Any:
    """The reply to one of them. What it refuses is told in its place, and the others are done."""
    try:
        if not each.store:
            return at.client.door.in_transaction(at, each, args)
        reply = each.run(at, args)
        return reply.nil if isinstance(reply, Wait) else reply
    except Refusal as refused:
        return Failed(str(refused))
