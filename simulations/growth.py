"""What a write to all colos costs the simulator, by how many there are.

python -m simulations.growth world-12 world-50 edge-330 [--writes 300]
python -m simulations.growth --pace          how many times as fast as time twelve colos go

Set adds at random colos, 50 a second, no faults, history off, `cables`. Processor time of one core. `needs`: how many
bytes of a record say what it builds on; `at all`: from its acknowledgement until a write was at all colos, p50 and max.
"""

from __future__ import annotations

import argparse
import resource
import time

from crdtkv.sim import Outcome, parse, run
from crdtkv.sim.running import Run

SCENARIO = """
[scenario]
duration = "{seconds}s"
settle = "15s"
[colos]
preset = "{preset}"
history = false
[network]
model = "cables"
jitter = "lognormal(0, 0.04)"
[[keys]]
match = "*"
strategy = "set"
[[workload]]
kind = "set"
keys = "tags/{{zipf(1000, 0.99)}}"
rate = 50
most = {writes}
mix = {{ add = 1.0 }}
members = 100000
"""


PACE = """
[scenario]
duration = "20s"
settle = "20s"
[colos]
preset = "world-12"
[network]
model = "cables"
jitter = "lognormal(0, 0.04)"
[[keys]]
match = "*"
strategy = "list"
[[workload]]
kind = "list-append"
keys = "todo/{zipf(1000, 0.99)}"
rate = 200
clients_per_colo = 4
mix = { append = 0.5, remove = 0.1, read = 0.4 }
sticky = 0.9
"""


def pace() -> None:
    """Print how fast lists at twelve colos go, under 200 operations a second."""
    scenario, began = parse(PACE), time.process_time()
    found = run(scenario, 1)
    took = time.process_time() - began
    print(
        f"{found.verdict}: {scenario.duration_s:.0f} s of 200 operations a second, and rest, in {took:.1f} s: "
        f"{scenario.duration_s / took:.1f} times as fast; {found.absorbed:,} records taken in"
    )


def measured(preset: str, writes: int) -> tuple[Outcome, float, float]:
    """What came of it, and how long it took to open the colos, and in all."""
    scenario = parse(SCENARIO.format(preset=preset, writes=writes, seconds=writes // 50 + 1))
    began = time.process_time()
    Run(scenario, 1).world.close()
    opened = time.process_time() - began
    began = time.process_time()
    return run(scenario, 1), opened, time.process_time() - began


def main() -> None:
    """Print a row for each preset."""
    parser = argparse.ArgumentParser()
    parser.add_argument("presets", nargs="*", default=["world-12", "world-50", "edge-330"])
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--pace", action="store_true")
    given = parser.parse_args()
    if given.pace:
        pace()
        return
    heads = "colos", "verdict", "open", "in all", "absorbed", "each", "copies", "needs", "at all", "a write", "memory"
    print(f"| {' | '.join(heads)} |")
    print("|" + " --- |" * len(heads))
    for preset in given.presets:
        found, opened, took = measured(preset, given.writes)
        each = 1e6 * (took - opened) / max(1, found.absorbed)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        spread = ", ".join("never" if s is None else f"{s:.2f} s" for s in (found.spread(0.5), found.spread(1.0)))
        print(
            f"| {len(found.colos)} | {found.verdict} | {opened:.1f} s | {took:.1f} s | {found.absorbed:,} "
            f"| {each:.0f} us | {found.copies:.2f} | {found.needs_bytes:.0f} B | {spread} "
            f"| {found.write_bytes:,.0f} B | {memory} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
