"""Puts that carry an idempotency key: the second time it is the receipt of the first.

Local to a colo, kept for a day with the transaction that it belongs to. (A counter's
keyed adds are another thing: they count once at whatever colos they are tried.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import xxhash

from crdtkv.core import values
from crdtkv.core.show import show
from crdtkv.errors import ValueInvalid
from crdtkv.replica.core import Replica
from crdtkv.strategies.base import Operation

__all__ = ["IDEMPOTENCY_MS", "Done", "check_idempotency_key", "drop_old", "find", "fingerprint", "keep"]

IDEMPOTENCY_MS = 24 * 3600 * 1000
_PREFIX = "once/"


class Done(NamedTuple):
    """A put that was done: of which key, the version and strategy it left, when, and what was asked for."""

    key: str
    version: str
    wall_ms: int
    fingerprint: str
    strategy: str


def find(replica: Replica, idempotency_key: str, key: str, asked: str) -> Done | None:
    """What was done under an idempotency key within a day. Raises ValueInvalid if that was something else."""
    row = replica.storage.meta(_PREFIX + check_idempotency_key(idempotency_key))
    if row is None or _old(replica, row):
        return None
    done = Done(*row)
    if done.key != key or done.fingerprint != asked:
        raise ValueInvalid(
            f"idempotency key {idempotency_key!r} was used for another write, of {done.key!r}; use a new one",
            next_step="use a new idempotency key",
        )
    return done


def keep(replica: Replica, idempotency_key: str, key: str, version: str, asked: str, strategy: str) -> None:
    """Remember, with the transaction that is open, what was done under an idempotency key."""
    replica.storage.put_meta(_PREFIX + idempotency_key, list(Done(key, version, replica.wall_ms(), asked, strategy)))


def drop_old(replica: Replica) -> None:
    """Forget what is older than a day."""
    replica.storage.drop_meta(_PREFIX, lambda row: _old(replica, row))


def fingerprint(operation: Operation, *conditions: Any) -> str:
    """The same for the same wish under the same conditions, so that one key is not used for two."""
    return xxhash.xxh3_64_hexdigest(values.pack([operation.name, list(operation.args), list(conditions)]))


def check_idempotency_key(key: object) -> str:
    """An idempotency key: 1 to 256 bytes of UTF-8. Raises ValueInvalid."""
    try:
        good = isinstance(key, str) and 1 <= len(key.encode()) <= 256
    except UnicodeEncodeError:
        good = False
    if not good or not isinstance(key, str):
        raise ValueInvalid(
            f"idempotency key {show(key)} is not 1 to 256 bytes of text", next_step="use a new idempotency key"
        )
    return key


def _old(replica: Replica, row: Any) -> bool:
    return bool(replica.wall_ms() - row[2] > IDEMPOTENCY_MS)
