"""How long a client waits for a small edit of a large list: 3 changes in 10,000 elements, in memory.

The median of 21 puts of the whole list, each against the version before it.
"""

import statistics
import time

import crdtkv

__all__ = ["measure", "report"]

LENGTH = 10_000
RUNS = 21
LIMIT_MS = 10


def measure(strategy: str) -> float:
    """Milliseconds, the median, of one put under `strategy`."""
    took = []
    with crdtkv.open(":memory:", colo="lhr") as kv:
        value: list[int] = list(range(LENGTH))
        version = kv.put("list", value, strategy=strategy).version
        for run in range(RUNS):
            value = list(value)
            value[100 + run] = -1 - run
            value.insert(LENGTH // 2 + run, LENGTH + run)
            del value[LENGTH - 1000]
            began = time.perf_counter()
            version = kv.put("list", value, base=version).version
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def report() -> bool:
    """Prints the figures; whether json is within the limit."""
    json, plain = measure("json"), measure("list")
    kept = json <= LIMIT_MS
    print(f"\na put of 3 edits in {LENGTH:,} elements, ms (median of {RUNS})")
    print(f"  json  {json:6.1f}  limit {LIMIT_MS}  {'ok' if kept else 'over'}")
    print(f"  list  {plain:6.1f}")
    return kept
