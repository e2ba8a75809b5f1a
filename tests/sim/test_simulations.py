"""The scenarios of simulations/: each says what it shows and how it was measured, and its results are beside it."""

import shlex
from pathlib import Path

import pytest
import typer

from crdtkv.cli import app
from crdtkv.sim import load
from crdtkv.sim.sweep import seeds_of
from simulations.__main__ import HERE, RESULTS, commands, scenarios, section, seeds, sim
from tests.sim.small import SMALL

FILES = sorted(HERE.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_scenario_says_what_it_shows_and_how_it_is_run(path: Path) -> None:
    """Its commands are ones of `simulate`, of this file; its results stand in RESULTS.md under the same commands."""
    scenario = load(path)
    assert scenario.name == path.stem
    assert scenario.words.endswith(".")
    assert seeds(path) == "none" or len(seeds_of(seeds(path))) >= 1
    group = typer.main.get_command(app).commands["simulate"]  # type: ignore[attr-defined]
    for command in commands(path):
        words = shlex.split(command)[2:]
        assert f"simulations/{path.name}" in words
        group.make_context("simulate", words, resilient_parsing=True)
        assert f"$ {command}\n" in RESULTS.read_text(), "python -m simulations results"


def test_a_section_is_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simulations.__main__.HERE", tmp_path)
    text = SMALL.replace('name = "small"', 'name = "small"\nwords = "It is small."').replace('"10s"', '"2s"')
    text = f"# seeds: 4..5\n# $ crdtkv simulate small.toml --compare lww,list -o raw\n{text}"
    (tmp_path / "small.toml").write_text(text)
    [path] = scenarios(["small"])
    told = section(path)
    command = "$ crdtkv simulate small.toml --compare lww,list -o raw"
    assert told.startswith(f"## small\n\nIt is small.\n\n```text\n{command}\nlww\t")
    assert "\nlist\tvalid\t" in told
    assert (seeds(path), sim(["small"])) == ("4..5", 0)
    (tmp_path / "plain.toml").write_text(SMALL)
    assert commands(tmp_path / "plain.toml")[0].endswith("plain.toml")
    with pytest.raises(SystemExit, match="no scenario 'nope'"):
        list(scenarios(["nope"]))
