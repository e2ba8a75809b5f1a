"""(d) A counter, incremented at two replicas at once; and one key that is written over and over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.harness.targets import at_most, grows, right
from bench.peers import need
from bench.workloads.figures import MERGE, SENT, STATE
from bench.workloads.measuring import each_us, exchanged

__all__ = ["WORKLOAD", "measure", "verdict"]

DOCUMENTS = ("crdtkv", "pycrdt", "loro", "automerge", "yjs", "loro-js", "automerge-js")
ADD = Figure("add_us", "one increment", "us")
PUT = Figure("put_us", "one put", "us")


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    if order["do"] == "overwrites":
        return _overwrites(peer, order["count"])
    return _increments(peer, order["count"])


def verdict(found: list[int], order: Mapping[str, Any]) -> str:
    if order["do"] == "overwrites":
        return RIGHT if found[0] == found[1] else f"reads {found[0]}, not {found[1]}"
    wanted = 2 * order["count"]
    lost = [wanted - count for count in found]
    if lost[0] != lost[1]:
        return f"the two differ: {found[0]:,} and {found[1]:,}"
    return f"loses {lost[0]:,} of {wanted:,}" if lost[0] else RIGHT


def _increments(peer: Any, count: int) -> dict[str, Any]:
    need(peer, "replica", "increment", "count", "fork", "meet")
    one = peer.replica(1)
    one.increment(0)
    other = peer.fork(one, 2)
    took = each_us(lambda _: one.increment(1), range(count), count)
    for _ in range(count):
        other.increment(1)
    figures = {"add_us": took, **exchanged(peer, one, other), "state_bytes": len(one.save())}
    return {"figures": figures, "found": [int(one.count()), int(other.count())]}


def _overwrites(peer: Any, count: int) -> dict[str, Any]:
    need(peer, "replica", "put", "get")
    one = peer.replica(1)
    took = each_us(lambda n: one.put("key", b"value-%09d" % n), range(count), count)
    if hasattr(one, "purge"):
        one.purge()
    figures = {"put_us": took, "state_bytes": len(one.save())}
    return {"figures": figures, "found": [bytes(one.get("key")).decode(), f"value-{count - 1:09}"]}


def _cases(few: int, count: int, repetitions: int) -> tuple[Case, ...]:
    def increments(n: int, times: int, after: str = "") -> Case:
        words = f"{n:,} increments at each of two replicas, a transaction each, then the two exchange"
        order = {"do": "increments", "count": n}
        return Case(f"increments {n:,}", words, order, (ADD, MERGE, SENT, STATE), DOCUMENTS, 8, times, after)

    overwrites = f"{count:,} puts of one key, a transaction each; the state after a purge, where there is one"
    return (
        increments(few, 1),
        increments(count, repetitions, f"increments {few:,}"),
        Case("overwrites", overwrites, {"do": "overwrites", "count": count}, (PUT, STATE), DOCUMENTS, 8, 1),
    )


WORKLOAD = Workload(
    "counters",
    "a counter, and a key that is written over and over",
    _cases(1_000, 100_000, 3),
    _cases(50, 1_000, 1),
    (
        right("100,000 + 100,000 increments: none lost", "increments 100,000"),
        grows("state of a counter, 100 times as many increments: the same (<= 1.1 times)",
              "increments 1,000", "increments 100,000", STATE, 1.1),
        grows("bytes exchanged, 100 times as many increments: the same (<= 1.1 times)",
              "increments 1,000", "increments 100,000", SENT, 1.1),
        at_most("state after 100,000 puts of one key and a purge: <= 400 B", "overwrites", STATE, 400),
    ),
    "pycrdt, Yjs and automerge's Python core have no counter: their users read a member of a map and write it plus "
    "one. The state is what a new replica takes: of crdtkv a catch-up from nothing, with all that it says of who "
    "belongs.",
    verdict,
)  # fmt: skip
