"""(c) A set: adds, what one costs on the wire, and whether an add stands against a concurrent remove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.harness.targets import at_most, right
from bench.peers import need
from bench.worker import peak_mb
from bench.workloads.figures import MERGE, SENT, STATE
from bench.workloads.measuring import each_us, exchanged

__all__ = ["WORKLOAD", "measure", "verdict"]

DOCUMENTS = ("crdtkv", "pycrdt", "loro", "automerge", "yjs", "loro-js", "automerge-js", "gun")
ADD = Figure("add_us", "one add", "us")
ALONE = Figure("alone_bytes", "bytes for one add, alone", "B")
BATCH = Figure("batch_bytes", "bytes for each of 100 adds", "B")
TRIES = 40
BATCHED = 100


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    need(peer, "replica", "add", "elements")
    return _MEASURES[order["do"]](peer, order)


def verdict(found: Mapping[str, Any], order: Mapping[str, Any]) -> str:
    if "kept" in found:
        gone = order["tries"] - found["kept"]
        return f"removes what was added in {gone} of {order['tries']} tries" if gone else RIGHT
    lost = found["wanted"] - found["size"]
    words = [f"loses {lost:,} elements"] if lost else []
    return ", ".join(words + ([] if found.get("equal", True) else ["the two differ"])) or RIGHT


def _adds(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """So many a transaction."""
    size, at_once = order["size"], order["at_once"]
    one = peer.replica(1)
    if at_once == 1:
        took = each_us(one.add, [f"element-{n}" for n in range(size)], size)
    else:
        need(peer, "add_all")
        batches = [[f"element-{n}" for n in range(m, min(m + at_once, size))] for m in range(0, size, at_once)]
        took = each_us(one.add_all, batches, size)
    figures = {"add_us": took, "peak_mb": peak_mb()}  # before the state is written out
    if hasattr(one, "save"):
        figures["state_bytes"] = len(one.save())
    return {"figures": figures, "found": {"size": len(one.elements()), "wanted": size}}


def _bytes(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """What goes over the wire for one add to a large set that both have, and for each of a hundred."""
    need(peer, "add_all", "fork", "meet")
    one = peer.replica(1)
    one.add_all([f"element-{n}" for n in range(order["size"])])
    other = peer.fork(one, 2)
    peer.meet(one, other)
    figures = {}
    for name, count in (("alone_bytes", 1), ("batch_bytes", BATCHED)):
        for n in range(count):
            one.add(f"new-{name}-{n}")
        figures[name] = peer.meet(one, other)[0] / count
    return {"figures": figures, "found": {"size": len(other.elements()), "wanted": order["size"] + 1 + BATCHED}}


def _against(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Both have x; one removes it, the other adds it again: who adds is now this, now that one, first or second."""
    need(peer, "discard", "fork", "meet")
    kept = 0
    for n in range(order["tries"]):
        one = peer.replica(1)
        one.add("x")
        other = peer.fork(one, 2)
        adds, removes = (one, other) if n % 2 else (other, one)
        acts = [lambda removes=removes: removes.discard("x"), lambda adds=adds: adds.add("x")]
        for act in acts if n % 4 < 2 else reversed(acts):  # a clock must not tell
            act()
        peer.meet(one, other)
        kept += "x" in one.elements() and "x" in other.elements()
    return {"figures": {}, "found": {"kept": kept}}


def _merge(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    need(peer, "fork", "meet")
    size = order["size"]
    one = peer.replica(1)
    other = peer.fork(one, 2)
    for n in range(size):
        one.add(f"a-{n}")
        other.add(f"b-{n}")
    figures = exchanged(peer, one, other)
    mine, theirs = set(one.elements()), set(other.elements())
    return {"figures": figures, "found": {"size": len(mine), "wanted": 2 * size, "equal": mine == theirs}}


_MEASURES = {"adds": _adds, "bytes": _bytes, "against": _against, "merge": _merge}


def _cases(sizes: tuple[int, ...], most: int, repetitions: int) -> tuple[Case, ...]:
    adds = [
        Case(f"adds {size:,}", f"{size:,} adds at one replica, a transaction each, in memory",
             {"do": "adds", "size": size, "at_once": 1}, (ADD, STATE), DOCUMENTS, 8, repetitions,
             f"adds {sizes[n - 1]:,}" if n else "")
        for n, size in enumerate(sizes)
    ]  # fmt: skip
    large, small = sizes[-1], sizes[0]
    return (
        *adds,
        Case(f"adds {most:,}", f"{most:,} adds, 1,000 a transaction", {"do": "adds", "size": most, "at_once": 1_000},
             (ADD, STATE), DOCUMENTS, 15, 1, f"adds {large:,}"),
        Case("bytes of an add", f"What goes over the wire for an add to a set of {large:,} that both have",
             {"do": "bytes", "size": large}, (ALONE, BATCH), DOCUMENTS, 8, 1),
        Case("add against remove", f"One removes what the other adds again, {TRIES} times",
             {"do": "against", "tries": TRIES}, (), DOCUMENTS, 8, 1),
        Case("two replicas", f"{small:,} other ones at each of two replicas, then the two exchange",
             {"do": "merge", "size": small}, (MERGE, SENT), DOCUMENTS, 8, repetitions),
    )  # fmt: skip


WORKLOAD = Workload(
    "sets",
    "a set that grows, and is written at two places",
    _cases((10_000, 100_000), 1_000_000, 3),
    _cases((200, 1_000), 2_000, 1),
    (
        at_most("bytes for one add into 100,000, in a batch of records: <= 45", "bytes of an add", BATCH, 45),
        right("an add stands against a concurrent remove, 40 of 40", "add against remove"),
    ),
    "The documents have no set: their users take a map's keys. Bytes include what the two say of what they have.",
    verdict,
)
