"""The simulator: the real store and the real gossip of many colos under virtual time, from one seed.

Law of this room: pure of wall clock, of the process's randomness and of threads. Only the clock,
the network and the disk are made up; nothing of the replication is.
"""

from typing import Any

__all__ = ["Outcome", "Scenario", "Workload", "load", "parse", "run"]

_WHERE = {
    "Outcome": "outcome", "Scenario": "scenario", "Workload": "workloads", "load": "scenario", "parse": "scenario",
    "run": "running",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(f"module 'crdtkv.sim' has no attribute {name!r}")
    return getattr(import_module(f"crdtkv.sim.{_WHERE[name]}"), name)
