"""docs/cli.md and the README's console blocks say what the commands say, and name every command and option."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from crdtkv.cli import app
from crdtkv.cli.front import SECTIONS
from crdtkv.strategies import registry
from tests.cli.conftest import Run
from tests.cli.pages import ROOT, filled, plain


@pytest.mark.parametrize("name", ["docs/cli.md", "README.md"])
def test_every_block_says_what_the_commands_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs is shown as a diff; `python -m tests.cli.pages PAGE` writes it anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRDTKV_STORE", raising=False)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    text = (ROOT / name).read_text()
    if name == "README.md":  # its Python blocks run elsewhere
        text = text.replace("```python", "```py")
    said = plain(filled(text, tmp_path))
    found = list(difflib.unified_diff(plain(text), said, "the page", "the commands", lineterm=""))
    assert not found, "\n".join(found)


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something."""
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, (*words, name))
    if not hasattr(command, "commands"):
        yield words, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def test_every_command_and_option_is_in_the_page() -> None:
    page = (ROOT / "docs" / "cli.md").read_text().split("<!-- commands -->")[1]
    for words, command in COMMANDS.items():
        assert f"### crdtkv {' '.join(words)}\n" in page
        section = page.split(f"### crdtkv {' '.join(words)}\n")[1].split("\n### ")[0]
        own = [p for p in command.params if p.name not in ("store", "at", "colo", "output")]
        missing = [name for p in own for name in p.opts if name.startswith("-") and f"`{name}`" not in section]
        assert not missing, words


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_says_what_it_is_and_shows_an_example(words: tuple[str, ...]) -> None:
    """The example begins as the command does, so it is of this one."""
    command = COMMANDS[words]
    assert command.help and command.help.splitlines()[0].endswith(".")
    assert len(command.help.splitlines()[0]) <= 66, "the list of commands would cut it"
    assert f"  crdtkv {' '.join(words)}" in command.epilog
    assert all(p.help for p in command.params if p.name not in ("install_completion", "show_completion", "help")), words


def test_the_list_of_commands_cuts_no_line(run: Run) -> None:
    """In a window of 80 columns. Each is there once, in its section."""
    said = run("-h", COLUMNS="80").out
    listed = said.split(f"{next(iter(SECTIONS))}:")[1].splitlines()
    cut = [line for line in listed if line.endswith("...")]
    assert "put" in said and not cut, cut
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted({words[0] for words in COMMANDS})
    assert all(sum(line.startswith(f"  {name} ") for line in listed) == 1 for name in named)
