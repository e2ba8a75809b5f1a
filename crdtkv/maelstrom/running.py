"""A node between standard input and standard output, until the input ends."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterable
from random import SystemRandom
from typing import TextIO

from crdtkv.maelstrom.node import Node
from crdtkv.maelstrom.protocol import Fault

__all__ = ["TICK_S", "run"]

TICK_S = 0.05
_WAITING = 10_000


def run(workload: str | None = None, lines: TextIO | None = None, out: TextIO | None = None) -> None:
    """Answers lines until there are no more. What cannot be answered is told on standard error."""
    node = Node(workload, time.time, SystemRandom())
    waiting: queue.Queue[str | None] = queue.Queue(_WAITING)  # full: the reader waits, and with it who writes to us
    threading.Thread(target=_read, args=(lines or sys.stdin, waiting), daemon=True).start()
    due = time.monotonic() + TICK_S
    while True:
        now = time.monotonic()
        if now >= due:
            _write(out or sys.stdout, node.on_tick())
            due = time.monotonic() + TICK_S
            continue
        try:
            line = waiting.get(timeout=due - now)
        except queue.Empty:
            continue
        if line is None:
            return
        try:
            _write(out or sys.stdout, node.on_line(line))
        except Fault as fault:
            print(f"note: {fault}", file=sys.stderr, flush=True)


def _read(lines: TextIO, waiting: queue.Queue[str | None]) -> None:
    for line in lines:
        if line.strip():
            waiting.put(line)
    waiting.put(None)


def _write(out: TextIO, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if text:
        out.write(text)
        out.flush()
