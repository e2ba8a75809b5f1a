"""Requests that carry an idempotency key: the second time they are answered with the receipts of the first.

A PUT's key is the store's own; here it is of all other writes, kept in the same place, for a day, with the
transaction that it belongs to. (A counter's keyed adds are another thing: they count once at whatever colos they are
tried.)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from crdtkv.core.versions import parse_version
from crdtkv.server.values import Act, Wrote
from crdtkv.store import idempotency
from crdtkv.store.results import Fate
from crdtkv.strategies.base import Operation

if TYPE_CHECKING:
    from crdtkv.server.asking import Ask
    from crdtkv.store.transaction import Transaction

__all__ = ["once", "once_of"]


def once_of(ask: Ask, act: Act) -> Act:
    """As `once`, of one write."""
    if ask.header("idempotency-key") is None:
        return act
    acted = once(ask, lambda t: [act(t)])
    return lambda t: acted(t)[-1]


def once(ask: Ask, act: Callable[[Transaction], list[Wrote]]) -> Callable[[Transaction], list[Wrote]]:
    """`act`, or what it did when it was asked for under that key within a day. ValueInvalid if something else was."""
    key = ask.header("idempotency-key")
    if key is None:
        return act
    wish = (ask.scope["query_string"].decode("latin-1"), ask.body.decode("latin-1"))
    conditions = (ask.header("if-match"), ask.header("if-none-match"))
    asked = idempotency.fingerprint(Operation(f"{ask.method} {ask.scope['path']}", wish), *conditions)

    def acted(t: Transaction) -> list[Wrote]:
        replica = t._replica
        done = idempotency.find(replica, key, ask.key, asked)
        if done is not None:
            return [_again(t, *row) for row in json.loads(done.version)]
        wrote = act(t)
        rows = [[w.receipt.key, w.receipt.version, w.receipt.strategy, w.merged] for w in wrote]
        idempotency.keep(replica, key, ask.key, json.dumps(rows), asked, "")
        return wrote

    return acted


def _again(t: Transaction, key: str, version: str, strategy: str, merged: bool | None) -> Wrote:
    return Wrote(True, t._made(key, parse_version(key, version), strategy, Fate()), merged)
