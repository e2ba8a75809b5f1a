"""(k) The simulator: events a second, and what a write to all colos costs, by their number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload

__all__ = ["WORKLOAD", "measure", "verdict"]

EVENTS = Figure("events", "events", "/s", more=True)
ABSORBED = Figure("absorbed_us", "a write taken in at one colo", "us")
OPENED = Figure("opened_s", "opened in", "s")
COPIES = Figure("copies", "copies of a record", "")
BYTES = Figure("write_bytes", "bytes a write", "B")
SPREAD = Figure("spread_s", "at all colos, virtual time, p50", "s")


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Set adds at random colos, 50 a second, no faults."""
    from crdtkv.sim import parse, run
    from crdtkv.sim.running import Run
    from simulations.growth import SCENARIO

    text = SCENARIO.format(preset=order["preset"], writes=order["writes"], seconds=order["writes"] // 50 + 1)
    if order["colos"]:
        text = text.replace(f'preset = "{order["preset"]}"', f"set = {order['colos']}")
    scenario = parse(text)
    began = time.process_time()
    Run(scenario, 1).world.close()
    opened = time.process_time() - began
    began = time.process_time()
    found = run(scenario, 1)
    took = time.process_time() - began
    figures = {
        "events": found.events / took,
        "absorbed_us": 1e6 * max(0.0, took - opened) / max(1, found.absorbed),
        "opened_s": opened,
        "copies": found.copies,
        "write_bytes": found.write_bytes,
        "spread_s": found.spread(0.5) or 0.0,
    }
    return {"figures": figures, "found": {"verdict": found.verdict, "colos": len(found.colos)}}


def verdict(found: Mapping[str, Any], order: Mapping[str, Any]) -> str:
    return RIGHT if found["verdict"] == "valid" else f"the run is {found['verdict']}"


def _case(name: str, preset: str, writes: int, colos: tuple[str, ...] = (), seconds: float = 120) -> Case:
    order = {"preset": preset, "writes": writes, "colos": list(colos)}
    figures = (EVENTS, ABSORBED, OPENED, COPIES, BYTES, SPREAD)
    return Case(name, f"{name}: {writes} writes", order, figures, ("crdtkv",), seconds, 1, size=int(name.split()[0]))


WORKLOAD = Workload(
    "simulator",
    "the simulator, by the number of colos",
    (
        _case("2 colos", "world-12", 300, ("LHR", "SIN")),
        _case("12 colos", "world-12", 300),
        _case("50 colos", "world-50", 100),
        _case("330 colos", "edge-330", 50),
    ),
    (_case("2 colos", "world-12", 50, ("LHR", "SIN")), _case("12 colos", "world-12", 50)),
    (),
    "Processor time of one core; bytes and delays are those of virtual time.",
    verdict,
)
