"""What is left of a scenario that fails: as little as fails in the same way."""

from random import Random

import pytest

from crdtkv.sim import shrink
from crdtkv.sim.outcome import Finding, Outcome
from crdtkv.sim.scenario import Scenario
from crdtkv.sim.shrink import Shrinking, failing, fewer
from tests.sim.small import made

FAULTS = "".join(
    f'[[fault]]\nkind = "isolate"\nat = "{at}s"\nfor = "2s"\ncolos = ["{colo}"]\n'
    for at, colo in ((1, "LHR"), (2, "GRU"), (4, "SIN"), (8, "GRU"))
)


def fake(monkeypatch: pytest.MonkeyPatch, fails: object) -> list[Scenario]:
    """In place of a run: what that function finds."""
    ran: list[Scenario] = []

    def run(scenario: Scenario, seed: int) -> Outcome:
        ran.append(scenario)
        found = [Finding(name, "words") for name in fails(scenario)]  # type: ignore[operator]
        return Outcome("x", seed, [], {}, 1.0, findings=found)

    monkeypatch.setattr(shrink, "run", run)
    return ran


def test_only_what_the_failure_hangs_on_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fault of four, two colos of three, one client, the least rate, and no more time than that fault needs."""

    def fails(scenario: Scenario) -> list[str]:
        alone = [f for f in scenario.faults if f.options.get("colos") == ("SIN",)]
        return ["lost"] if alone and "GRU" in scenario.colos.set and scenario.workloads[0].rate >= 2 else []

    ran = fake(monkeypatch, fails)
    told: list[Scenario] = []
    search = Shrinking(made(FAULTS), seed=7, tell=told.append)
    small = search.shrunk()
    assert search.checker == "lost"
    assert [(f.at_s, f.options["colos"]) for f in small.faults] == [(4, ("SIN",))]
    assert small.colos.set == ("SIN", "GRU")
    assert [(w.clients_per_colo, w.rate) for w in small.workloads] == [(1, 2.5)]
    assert 4 < small.duration_s <= 6
    assert small.faults[0].for_s <= 0.2
    assert small.seed == 7
    assert told[-1] == small
    assert all(scenario.check.checkers == ("lost",) for scenario in ran[1:])


def test_another_failure_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fault something else is found: the fault stays."""
    fake(monkeypatch, lambda scenario: ["lost"] if len(scenario.faults) == 4 else ["doubled"])
    assert len(Shrinking(made(FAULTS), seed=1).shrunk().faults) == 4


def test_what_does_not_fail_is_not_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = fake(monkeypatch, lambda scenario: [])
    search = Shrinking(made(FAULTS), seed=1)
    assert (search.checker, search.shrunk(), len(ran)) == ("", made(FAULTS), 1)


def test_it_ends_after_so_many_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = fake(monkeypatch, lambda scenario: ["lost"])
    Shrinking(made(FAULTS), seed=1, tries=5).shrunk()
    assert len(ran) == 6


def test_a_swarm_becomes_the_faults_that_it_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = made('[swarm]\nkinds = ["ring", "isolate"]\nmean_interval = "1s"\n')
    fake(monkeypatch, lambda s: ["lost"] if s.swarm or any(f.kind == "ring" for f in s.faults) else [])
    small = Shrinking(scenario, seed=3).shrunk()
    assert small.swarm is None
    assert [fault.kind for fault in small.faults] == ["ring"]


def test_fewer_leaves_nothing_that_could_go() -> None:
    """For any needed few among many: exactly those."""
    for seed in range(50):
        dice = Random(seed)
        all_of = range(dice.randint(1, 30))
        needed = set(dice.sample(all_of, dice.randint(0, min(4, len(all_of)))))
        assert set(fewer(all_of, lambda some, needed=needed: needed <= set(some))) == needed  # type: ignore[misc]
    assert len(fewer(range(9), lambda some: True, least=2)) == 2


def test_what_is_unknown_is_no_failure() -> None:
    outcome = Outcome("x", 1, [], {}, 1.0, findings=[Finding("a", "w", unknown=True), Finding("b", "w")])
    assert failing(outcome) == "b"


def test_other_colos_are_tried_under_other_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a colo less all is drawn anew: the small scenario says under which seed it fails."""

    def run(scenario: Scenario, seed: int) -> Outcome:
        fails = len(scenario.colos.set) == 3 or seed == 9
        return Outcome("x", seed, [], {}, 1.0, findings=[Finding("lost", "words")] * fails)

    monkeypatch.setattr(shrink, "run", run)
    small = Shrinking(made(), seed=7).shrunk()
    assert (len(small.colos.set), small.seed) == (2, 9)
