"""Faults: each does what it says, ends, and leaves a world that becomes one again."""

from __future__ import annotations

import pytest

from crdtkv.sim import parse, run
from crdtkv.sim.faulting import drawn
from crdtkv.sim.faults import FAULTS
from crdtkv.sim.running import Run
from tests.sim.small import SMALL, made, outcome

DISK = 'disk = { fsync_ms = "lognormal(0, 0.5)" }'


@pytest.mark.parametrize("kind", FAULTS)
def test_after_each_fault_all_is_well(kind: str) -> None:
    """Drawn from the seed, some of that kind; nothing that was acknowledged is lost, and all become one."""
    more = f'{DISK}\n[network]\nloss = 0.01\n[swarm]\nkinds = ["{kind}"]\nmean_interval = "3s"\nmean_length = "3s"'
    words = SMALL.replace("[network]", more).replace('jitter = "lognormal(0, 0.1)"\nloss = 0.01\n', "")
    words = words.replace('settle = "40s"', 'settle = "80s"')
    found = run(parse(words), 3)
    assert {span.kind for span in found.faults} == {kind}
    assert found.verdict == "valid", found.findings
    assert found.acknowledged > 20


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("kind", ["crash", "restart", "restore", "wipe"])
def test_real_files_come_through_as_well(kind: str, durability: str) -> None:
    """SQLite opens what the crash left; and one seed is one run there too."""
    disk = f'storage = "sqlite"\ndisk = {{ fsync_ms = 1, durability = "{durability}" }}'
    swarm = f'[swarm]\nkinds = ["{kind}"]\nmean_interval = "3s"\nmean_length = "2s"'
    scenario = parse(SMALL.replace("[network]", f"{disk}\n[network]") + swarm)
    first, second = run(scenario, 3), run(scenario, 3)
    assert first.verdict == "valid", first.findings
    assert first.trace_hash == second.trace_hash and first.faults


def test_a_swarm_is_drawn_from_the_seed() -> None:
    scenario = made('[swarm]\nkinds = ["crash", "clog"]\nmean_interval = "1s"')
    assert drawn(scenario, 1) == drawn(scenario, 1) != drawn(scenario, 2)
    assert {spec.kind for spec in drawn(scenario, 1)} == {"crash", "clog"}
    assert all(spec.at_s + spec.for_s <= scenario.duration_s + 0.002 for spec in drawn(scenario, 1))


def test_a_crash_loses_what_was_not_synced() -> None:
    """Under full only what nobody was told of; under normal the last writes, and the store then takes a new id."""
    crash = '[[fault]]\nkind = "crash"\nat = "6s"\nfor = "1s"\ncolos = ["LHR"]'
    lost = {}
    for durability in ("full", "normal"):
        disk = f'{{ fsync_ms = 5, durability = "{durability}" }}'
        scenario = parse(SMALL.replace("[network]", f"disk = {disk}\n[network]") + crash)
        played = Run(scenario, 4)
        first = played.world.colos["lhr"].store.id
        found = played.outcome()
        assert found.verdict == "valid", found.findings
        lost[durability] = (found.lost, played.world.colos["lhr"].store.id != first, found.faults[0].words)
    assert lost["full"] == (0, False, "")
    assert lost["normal"][1] and "LHR lost" in lost["normal"][2]


def test_a_full_disk_refuses_and_a_slow_one_takes_its_time() -> None:
    full = outcome('[[fault]]\nkind = "disk-full"\nat = "2s"\nfor = "5s"\ncolos = ["LHR"]')
    assert full.refused > 3 and full.verdict == "valid", full.findings
    slow = outcome('[[fault]]\nkind = "slow-disk"\nat = "2s"\nfor = "5s"\ncolos = ["SIN"]\nleast_ms = 900', rate="6")
    held = [w for w in slow.writes if w.colo == "GRU" and 2.5 < w.at < 5 and w.all_s is not None]
    assert held and max(w.all_s for w in held) > 0.9 and slow.verdict == "valid", slow.findings


def test_a_later_release_is_understood() -> None:
    found = outcome('[[fault]]\nkind = "versions"\nat = "2s"\nfor = "5s"\ncolos = ["LHR"]')
    assert found.verdict == "valid", found.findings
    assert max(w.all_s for w in found.writes if 3 < w.at < 6.5 and w.all_s is not None) < 3


def test_of_a_copy_that_is_all_that_is_left_an_operator_decides() -> None:
    """One disk of two is lost, and the other is put back as it was before they meet again: nobody could go on."""
    words = SMALL.replace('"LHR", "SIN", "GRU"', '"LHR", "SIN"')
    for kind, length in (("partition", 5), ("wipe", 1), ("restore", 2)):
        at = f'colos = ["{"LHR" if kind == "wipe" else "SIN"}"]' if kind != "partition" else ""
        words += f'[[fault]]\nkind = "{kind}"\nat = 1.0\nfor = {length}\n{at}\n'
    found = run(parse(words.replace('"10s"', '"8s"')), 1)
    assert found.verdict == "valid", found.findings


def test_faults_of_one_colo_alone_end_as_well() -> None:
    swarm = f'[swarm]\nkinds = {sorted(FAULTS)}\nmean_interval = "200ms"\nmean_length = "200ms"'.replace("'", '"')
    found = run(parse(SMALL.replace('"LHR", "SIN", "GRU"', '"LHR"') + swarm), 2)
    assert len({span.kind for span in found.faults}) > 12 and found.verdict == "valid", found.findings
