"""(e) Two replicas of many keys, of which a few differ: what it takes to make them equal; and where nothing differs."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.harness.targets import at_most
from bench.peers import need
from bench.workloads.figures import MERGE, ROUNDS, SENT
from bench.workloads.measuring import exchanged

__all__ = ["WORKLOAD", "measure", "verdict"]

PEERS = ("crdtkv", "pycrdt", "loro", "automerge", "yjs", "loro-js", "automerge-js", "pouchdb")
NOTHING = Figure("nothing_bytes", "bytes where nothing is new", "B")
CHANGED = 100
VALUE = 100
KEY = 10
SHOWN = 3


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Bytes, round trips and time of the exchange; what was there before is not counted."""
    need(peer, "replica", "put_all", "put", "get", "fork", "meet")
    dice = Random(1)
    names = [f"key-{n:06}" for n in range(order["keys"])]
    one = peer.replica(1)
    one.put_all({name: dice.randbytes(VALUE) for name in names})
    other = peer.fork(one, 2)
    peer.meet(one, other)
    changed = {name: dice.randbytes(VALUE) for name in dice.sample(names, CHANGED)}
    for name, value in changed.items():
        one.put(name, value)
    figures = exchanged(peer, one, other)
    nothing = peer.meet(one, other)[0]
    wrong = sum(other.get(name) != changed[name] for name in list(changed)[:SHOWN])
    return {"figures": figures | ({"nothing_bytes": nothing} if nothing else {}), "found": {"wrong": wrong}}


def verdict(found: Mapping[str, int], order: Mapping[str, Any]) -> str:
    return f"{found['wrong']} of {SHOWN} looked at are not as they were written" if found["wrong"] else RIGHT


def _case(keys: int, seconds: float, repetitions: int) -> Case:
    words = f"{keys:,} keys of {VALUE} random bytes that both have, of which {CHANGED} are written anew at one"
    return Case("differences", words, {"keys": keys}, (SENT, ROUNDS, MERGE, NOTHING), PEERS, seconds, repetitions)


WORKLOAD = Workload(
    "reconcile",
    "two replicas that differ in a few of many keys",
    (_case(100_000, 12, 3),),
    (_case(2_000, 20, 1),),
    (
        at_most("100 of 100,000 differ: <= 1.25 times their keys and values", "differences", SENT,
                1.25 * CHANGED * (KEY + VALUE)),
        at_most("... in <= 3 round trips", "differences", ROUNDS, 3),
        at_most("... and <= 5 ms, in memory", "differences", MERGE, 5),
        at_most("nothing is new: <= 300 B", "differences", NOTHING, 300),
    ),
    f"The keys and values that differ are {CHANGED * (KEY + VALUE):,} bytes. The documents hold all keys in one map. "
    "PouchDB does not tell what it exchanges, and keeps the values as text, on disk.",
    verdict,
)  # fmt: skip
