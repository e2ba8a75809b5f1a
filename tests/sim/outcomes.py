"""An outcome out of thin air, with something in every field: figures are tried on it without a run."""

import random

from crdtkv.sim.latency import named
from crdtkv.sim.outcome import Carried, Event, Finding, Lag, Outcome, Span, Weight, Written
from crdtkv.sim.places import preset

__all__ = ["made"]


def made(preset_name: str = "world-12", strategy: str = "list", seed: int = 1, lost: int = 0) -> Outcome:
    """Writes at every colo, spread along the cables; two faults; one key traced."""
    chance = random.Random(seed)
    colos = list(preset(preset_name))
    rtt = named("cables").rtt_ms
    out = Outcome("made-up", seed, colos, {"todo/*": strategy}, 60.0, verdict="invalid" if lost else "valid")
    out.faults = [
        Span("partition", 12.0, 28.0, tuple(colos[:4]), "these apart from the rest"),
        Span("crash", 20.0, 24.0, (colos[5],), "what was not synced is lost"),
        Span("partition", 36.0, 44.0, tuple(colos[-3:]), "these apart from the rest"),
    ]
    out.healed_s, out.converged_s, out.lost = 46.0, 1.84, lost
    out.checks = {"converged": "valid", "nothing lost": "invalid" if lost else "valid", "quiet": "unknown"}
    for n in range(lost):
        out.findings.append(Finding("nothing lost", f"'entry{n}' was acknowledged and is nowhere", "todo/1"))
    for n in range(1200):
        colo, at = chance.choice(colos), chance.random() * 60
        slow = next((s.end - at for s in out.faults if s.begin < at < s.end), 0.0)
        far = max(rtt(colo, other) for other in colos) / 2000
        some = {o: rtt(colo, o) / 2000 * (1 + chance.random() / 5) for o in colos if o != colo} if n < 20 else {}
        out.writes.append(Written(at, colo, f"todo/{n % 9}", f"{colo.lower()}~aaaa.{n}", slow + far, some))
    out.writes.append(Written(59.9, colos[0], "todo/1", "x~aaaa.9", None, {}))
    out.acknowledged, out.reads = len(out.writes), 4000
    out.read_staleness = [max(0.0, chance.gauss(0.02, 0.06)) for _ in range(4000 if strategy == "lww" else 3000)]
    for a in colos:
        for b in colos:
            if a != b:
                out.staleness[a, b] = Lag(40, rtt(a, b) / 2000, rtt(a, b) / 500)
                out.links[a, b] = Carried(300, int(10 ** (3 + 3 * chance.random())), 2)
    out.bytes_by_kind = {"push": 4_300_000, "page": 1_200_000, "probe": 320_000, "heard": 54_000}
    out.write_bytes, out.copies = 4900.0, 1.7
    out.memory = [
        Weight(float(t), colo, t, t * 3, t * 4, t * 900 + chance.randrange(4000), t * 300)
        for t in range(0, 61, 2) for colo in colos[:12]
    ]  # fmt: skip
    _trace(out, chance)
    return out


def _trace(out: Outcome, chance: random.Random) -> None:
    rtt = named("cables").rtt_ms
    for n in range(6):
        colo = chance.choice(out.colos[:12])
        at, dot = 1.0 + n * 0.17, f"{colo.lower()}~aaaa.{n + 2}"
        out.trace.append(Event(at, colo, "write", "todo/1", dot, "", f"append 'entry{n}'"))
        for other in out.colos[:12]:
            if other != colo:
                out.trace.append(Event(at + 0.001, colo, "send", "todo/1", dot, other, ""))
                kind = "catch-up" if n == 3 else "absorb"
                out.trace.append(Event(at + rtt(colo, other) / 2000, other, kind, "todo/1", dot, colo, ""))
