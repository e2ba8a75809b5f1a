"""What clients do: one file a kind, by name. `find_workload` also takes a user's own, as "path/to/file.py:Class"."""

from crdtkv.sim.workloads.base import Ask, Done, Op, Steps, Wait, Workload
from crdtkv.sim.workloads.registry import WORKLOADS, find_workload

__all__ = ["WORKLOADS", "Ask", "Done", "Op", "Steps", "Wait", "Workload", "find_workload"]
