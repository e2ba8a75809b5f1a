"""Figures that several workloads have."""

from bench.harness.shapes import Figure

__all__ = ["DISK", "MERGE", "ROUNDS", "SENT", "STATE"]

STATE = Figure("state_bytes", "state that a new replica takes", "B")
SENT = Figure("sent_bytes", "bytes exchanged", "B")
MERGE = Figure("merge_ms", "exchange and merge", "ms")
ROUNDS = Figure("rounds", "round trips", "")
DISK = Figure("disk_bytes", "on disk", "B")
