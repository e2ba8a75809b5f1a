"""The simulator from the command line: a verdict in one line and in the exit code, and what goes on from there."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from crdtkv.sim import running, shrink
from crdtkv.sim.outcome import Event, Finding, Outcome
from tests.cli.conftest import Run

SCENARIO = """
[scenario]
name = "todo"
duration = "4s"
settle = "10s"
[colos]
set = ["LHR", "SIN", "SYD"]
[[keys]]
match = "todo/*"
strategy = "list"
[[workload]]
kind = "list-append"
keys = "todo/{uniform(2)}"
rate = 10
[[fault]]
at = "1s"
for = "2s"
kind = "partition"
groups = [["LHR"], ["SIN"]]
"""


@pytest.fixture
def scenario(run: Run, here: Path) -> Run:
    (here / "todo.toml").write_text(SCENARIO)
    return run


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that a checker finds wrong as long as there is a fault, at an even seed."""
    real = running.run

    def run(scenario: Any, seed: int | None = None, **given: Any) -> Outcome:
        outcome = real(scenario, seed, **given)
        if scenario.faults and outcome.seed % 2 == 0:
            outcome.verdict = "invalid"
            outcome.findings = [Finding("nothing-lost", "'x' is nowhere"), Finding("nothing-lost", "'y' is nowhere")]
        outcome.trace = [Event(1.5, "LHR", "write", key, "lhr~a.2", "", "append 'x'") for key in given.get("watch", ())]
        return outcome

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(shrink, "run", run)
    monkeypatch.setattr("crdtkv.sim.sweep.run", run)


def test_a_verdict_in_one_line_and_exit_0(scenario: Run) -> None:
    """`simulate FILE` and `simulate run FILE` are one, and say the same again."""
    done = scenario("simulate", "todo.toml")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("valid: todo under list, seed 1, 3 colos, 4 s: ") and done.out.count("\n") == 1
    assert "lost 0, resurrected 0" in done.out
    assert scenario("simulate", "run", "todo.toml").out == done.out
    assert scenario("simulate", "--seed", "2", "todo.toml").out != done.out


def test_an_invalid_run_leaves_with_1_and_says_how_to_see_it_again(scenario: Run, broken: None) -> None:
    done = scenario("simulate", "todo.toml", "--seed", "2", "--colos", "LHR,SIN")
    first, again = done.out.splitlines()
    assert done.code == 1
    assert first.startswith("invalid: todo under list, seed 2, 2 colos")
    assert first.endswith("nothing-lost: 'x' is nowhere (and 1 more)")
    assert again == "again: crdtkv simulate replay 2 todo.toml --colos LHR,SIN"
    replayed = scenario(*again.removeprefix("again: crdtkv ").split())
    assert replayed.code == 1 and replayed.out.endswith(done.out)
    assert "1 s to 3 s: partition at LHR, SIN: LHR | SIN\n" in replayed.out
    assert "nothing-lost: 'y' is nowhere\n" in replayed.out
    assert scenario("simulate", "replay", "2").out == replayed.out, "the scenario that was run last here"


def test_an_unknown_verdict_leaves_with_2(scenario: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "run", lambda s, seed=None, **given: Outcome("todo", 1, ["LHR"], {}, 1.0))
    done = scenario("simulate", "todo.toml")
    assert done.code == 2 and done.out.startswith("unknown: ")


def test_a_comparison_is_a_table(scenario: Run) -> None:
    done = scenario("simulate", "todo.toml", "--compare", "lww,list", "-o", "json")
    rows = json.loads(done.out)
    assert [row["strategy"] for row in rows] == ["lww", "list"]
    assert rows[1]["lost"] == 0
    lines = scenario("simulate", "todo.toml", "--compare", "lww,list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["strategy", "lww", "list"]
    assert len(scenario("simulate", "todo.toml", "--strategy", "set,json").out.splitlines()) == 2


def test_many_seeds_say_which_are_not_valid(scenario: Run, broken: None) -> None:
    done = scenario("simulate", "todo.toml", "--seeds", "1..4")
    assert done.code == 1
    assert done.out.splitlines() == [
        "invalid: seed 2: nothing-lost: 'x' is nowhere; again: crdtkv simulate replay 2 todo.toml",
        "invalid: seed 4: nothing-lost: 'x' is nowhere; again: crdtkv simulate replay 4 todo.toml",
        "todo under list, 4 seeds: 2 valid, 2 invalid",
    ]
    rows = json.loads(scenario("simulate", "todo.toml", "--seeds", "1..2", "-o", "json").out)
    assert [(row["seed"], row["verdict"]) for row in rows] == [(1, "valid"), (2, "invalid")]
    assert rows[1]["faults"] == {"partition": 1}


def test_many_seeds_on_two_processes(scenario: Run) -> None:
    done = scenario("simulate", "todo.toml", "--seeds", "1..3", "--jobs", "2")
    assert (done.code, done.out) == (0, "todo under list, 3 seeds: 3 valid\n")


def test_what_fails_is_shrunk_to_a_file_that_fails(scenario: Run, here: Path, broken: None) -> None:
    done = scenario("simulate", "shrink", "todo.toml", "--seed", "2", "-o", "json")
    said = json.loads(done.out)
    assert (done.code, said["checker"], said["colos"], said["faults"]) == (1, "nothing-lost", 2, 1)
    small = tomllib.loads((here / said["file"]).read_text())
    assert small["scenario"]["duration"] < 4 and small["scenario"]["seed"] == 2
    assert scenario("simulate", said["file"]).code == 1
    none = scenario("simulate", "shrink", "todo.toml", "--seed", "1")
    assert (none.code, none.out) == (0, "valid: todo, seed 1: there is nothing to shrink\n")


def test_a_key_is_explained(scenario: Run, broken: None) -> None:
    done = scenario("simulate", "explain", "todo/1", "todo.toml", "-o", "json")
    assert done.code == 0
    assert json.loads(done.out)[0] | {"colo": "LHR", "what": "written", "dot": "lhr~a.2"} == json.loads(done.out)[0]


def test_reports_are_written_where_one_says(scenario: Run, here: Path) -> None:
    given = [word for form in ("html", "json", "csv", "trace") for word in (f"--{form}", f"out/r.{form}")]
    done = scenario("simulate", "todo.toml", "--seed", "3", *given)
    assert done.code == 0
    assert [line.split(",")[0] for line in done.err.splitlines()] == [
        f"note: {form}: out/r.{form}" for form in ("html", "json", "csv", "trace")
    ]
    assert "crdtkv simulate replay 3 todo.toml" in (here / "out/r.html").read_text()
    assert json.loads((here / "out/r.json").read_text())[0]["seed"] == 3
    assert (here / "out/r.csv").read_text().count("\n") == 2
    with (here / "todo.toml").open("a") as file:
        file.write('[report]\ncsv = "own.csv"\n')
    assert scenario("simulate", "todo.toml").code == 0
    assert (here / "own.csv").exists()


def test_what_is_wrong_with_a_scenario_leaves_with_2_and_its_line(scenario: Run, here: Path) -> None:
    """1 would say that a run was invalid."""
    (here / "bad.toml").write_text(SCENARIO.replace('"partition"', '"part"'))
    done = scenario("simulate", "bad.toml")
    assert done.code == 2 and "bad.toml, line 18: kind is 'part'" in done.err and not done.out
    for given, says in (
        (["--colos", "nowhere"], "no preset 'nowhere'"), (["--colos", "LHR,XQZ"], "no airport 'XQZ'"),
        (["--strategy", "nope"], "no strategy 'nope'"), (["--seeds", "4..2"], "seeds are '4..2'"),
        (["--seeds", "1", "--executor", "slurm://x"], "no executor 'slurm://x'"),
    ):  # fmt: skip
        done = scenario("simulate", "todo.toml", *given)
        assert done.code == 2 and says in done.err and not done.out
