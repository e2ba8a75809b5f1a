"""(j) Three colos, a process each: how soon a write is told elsewhere, and how soon who was cut off has caught up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.harness.targets import at_most

__all__ = ["WORKLOAD", "measure", "verdict"]

HALF = Figure("half_ms", "told at another, half of them within", "ms")
MOST = Figure("most_ms", "99 of 100 within", "ms")
BEHIND = Figure("behind_s", "caught up in", "s")


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """By `bench.limits.cluster`, whose sizes come from the environment."""
    os.environ |= {"CRDTKV_BENCH_RATE": str(order["rate"]), "CRDTKV_BENCH_BEHIND": str(order["behind"])}
    from bench.limits import cluster

    found = asyncio.run(cluster.measure((order["do"],)))
    if order["do"] == "behind":
        return {"figures": {"behind_s": found[0].value}, "found": {"missed": 0, "slow": 0}}
    half, most, missed, slow = found
    figures = {"half_ms": half.value, "most_ms": most.value}
    return {"figures": figures, "found": {"missed": missed.value, "slow": 0 if slow.kept else slow.value}}


def verdict(found: Mapping[str, float], order: Mapping[str, Any]) -> str:
    words = [f"{found['missed']:,.0f} changes were not told"] if found["missed"] else []
    words += [f"{found['slow']:,.0f} writes/s too few"] if found["slow"] else []
    return ", ".join(words) or RIGHT


def _cases(rate: int, behind: int) -> tuple[Case, ...]:
    order = {"rate": rate, "behind": behind}
    told = f"{rate:,} writes/s at one of three: from the answer until a feed of another tells it"
    return (
        Case("told", told, {**order, "do": "propagation"}, (HALF, MOST), ("crdtkv",), 60, 1),
        Case("behind", f"{behind:,} keys were written while one was cut off: from the end of that until it has them",
             {**order, "do": "behind"}, (BEHIND,), ("crdtkv",), 120, 1),
    )  # fmt: skip


WORKLOAD = Workload(
    "propagation",
    "three colos as processes",
    _cases(1_000, 100_000),
    _cases(100, 2_000),
    (
        at_most("1,000 writes/s: told at another within 5 ms, half of them", "told", HALF, 5),
        at_most("... 99 of 100 within 50 ms", "told", MOST, 50),
        at_most("100,000 keys behind: caught up in 5 s", "behind", BEHIND, 5),
    ),
    "Colos, clients and followers share the cores of this machine. `python -m bench cluster` also has a new colo take "
    "1,000,000 keys.",
    verdict,
)
