"""Requests that carry an idempotency key: the second time they are answered with the receipts of the first.

A PUT's key is the store's own; here it is of all other writes, kept in the same place, for a day, with the
transaction that it belongs to. A colo knows the requests that were sent to itself; a counter's adds are told apart at
all: they count once at whatever colos they are tried, so they are kept under the request's key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from crdtkv.core.fate import Fate
from crdtkv.core.versions import parse_version
from crdtkv.http.bodies import Write
from crdtkv.server.values import Act, Wrote
from crdtkv.store import door, idempotency
from crdtkv.strategies.base import Operation

if TYPE_CHECKING:
    from crdtkv.server.asking import Ask
    from crdtkv.store.transaction import Transaction

__all__ = ["counted_once", "once", "once_of"]


def once_of(ask: Ask, act: Act) -> Act:
    """As `once`, of one write."""
    if ask.once is None:
        return act
    acted = once(ask, lambda t: [act(t)])
    return lambda t: acted(t)[-1]


def once(ask: Ask, act: Callable[[Transaction], list[Wrote]]) -> Callable[[Transaction], list[Wrote]]:
    """`act`, or what it did when it was asked for under that key within a day. ValueInvalid if something else was."""
    key = ask.once
    if key is None:
        return act
    wish = (ask.scope["query_string"].decode("latin-1"), ask.body.decode("latin-1"))
    conditions = (ask.header("if-match"), ask.header("if-none-match"))
    asked = idempotency.fingerprint(Operation(f"{ask.method} {ask.scope['path']}", wish), *conditions)

    def acted(t: Transaction) -> list[Wrote]:
        replica = door.replica(t)
        done = idempotency.find(replica, key, ask.key, asked)
        if done is not None:
            return [_again(t, *row) for row in json.loads(done.version)]
        wrote = act(t)
        rows = [[w.receipt.key, w.receipt.version, w.receipt.strategy, w.merged] for w in wrote]
        idempotency.keep(replica, key, ask.key, json.dumps(rows), asked, "")
        return wrote

    return acted


def counted_once(writes: list[Write], key: str | None) -> list[Write]:
    """The same, their adds to counters under `key` where they have none of their own; the first as it is.

    Several of a request are several keys. None: they count each time that they are sent.

    >>> counted_once([Write("n", "add", (3,), family="counter")], "order-7")[0].args
    (3, 'order-7')
    """
    if key is None:
        return writes
    adds = [i for i, write in enumerate(writes) if (write.family, write.op, len(write.args)) == ("counter", "add", 1)]
    own = {i: key if nth == 0 else sha256(f"{nth} {key}".encode()).hexdigest() for nth, i in enumerate(adds)}
    return [write._replace(args=(*write.args, own[i])) if i in own else write for i, write in enumerate(writes)]


def _again(t: Transaction, key: str, version: str, strategy: str, merged: bool | None) -> Wrote:
    return Wrote(True, door.again(t, key, parse_version(key, version), strategy, Fate()), merged)
