"""A small scenario, and how it is made into others."""

from __future__ import annotations

from crdtkv.sim import Outcome, Scenario, parse, run

__all__ = ["SMALL", "made", "outcome"]

SMALL = """
[scenario]
name = "small"
duration = "10s"
settle = "40s"
[colos]
set = ["LHR", "SIN", "GRU"]
clock = { skew_ms = "normal(0, 20)", drift_ppm = "normal(0, 30)" }
[network]
jitter = "lognormal(0, 0.1)"
loss = 0.01
[[keys]]
match = "todo/*"
strategy = "list"
[[workload]]
kind = "list-append"
keys = "todo/{uniform(5)}"
rate = 10
clients_per_colo = 2
"""


def made(more: str = "", **replaced: str) -> Scenario:
    """The small one with more to it; what is named as it stands in it, replaced."""
    words = SMALL
    for name, value in replaced.items():
        lines = [f"{name} = {value}" if line.startswith(f"{name} =") else line for line in words.splitlines()]
        words = "\n".join(lines)
    return parse(f"{words}\n{more}\n", "small.toml")


def outcome(more: str = "", seed: int = 1, **replaced: str) -> Outcome:
    """What comes of that."""
    return run(made(more, **replaced), seed)
