"""What workloads measure with. The standard library only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["disk_bytes", "each_us", "exchanged", "timed_ms"]


def each_us(act: Callable[[Any], object], things: Iterable[Any], count: int) -> float:
    """Microseconds for each, by the clock."""
    began = time.perf_counter()
    for thing in things:
        act(thing)
    return (time.perf_counter() - began) * 1e6 / count


def timed_ms(act: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds by the clock, and what came of it."""
    began = time.perf_counter()
    found = act()
    return (time.perf_counter() - began) * 1e3, found


def exchanged(peer: Any, a: Any, b: Any) -> dict[str, float]:
    """The figures of a meeting; bytes and round trips where the peer tells them."""
    took, (sent, rounds) = timed_ms(lambda: peer.meet(a, b))
    return {"merge_ms": took} | ({"sent_bytes": sent} if sent else {}) | ({"rounds": rounds} if rounds else {})


def disk_bytes() -> int:
    """What lies in the worker's folder, as the disk counts it (a file may have holes)."""
    files = (p for p in Path(os.environ["CRDTKV_BENCH_FOLDER"]).rglob("*") if p.is_file())
    return sum(p.stat().st_blocks * 512 for p in files)
