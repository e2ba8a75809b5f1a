"""On a terminal: colour, columns cut to its width, bars on long work; and what a shell offers on TAB."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.cli import complete
from tests.cli.conftest import Run
from tests.cli.pages import ROOT

WIDTH = 60


def terminal(*words: str, **env: str) -> str:
    """What a person sees who calls the command in a terminal of sixty columns."""
    world = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(WIDTH), "TERM": "xterm-256color", **env}
    world.pop("NO_COLOR", None) if "NO_COLOR" not in env else None
    above, below = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "crdtkv.cli", *words], env=world, stdin=below, stdout=below, stderr=below, close_fds=True
    )
    os.close(below)
    said = b""
    while True:
        try:
            data = os.read(above, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        said += data
    os.close(above)
    process.wait(timeout=60)
    return said.decode().replace("\r\n", "\n")


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.fixture
def made(run: Run) -> Run:
    with crdtkv.open("lhr.db", colo="lhr") as kv:
        kv["long"] = "x" * 200
        kv["short"] = 1
        kv["esc\x1b[31m"] = "\x1b]0;owned\x07"
        kv["blob"] = b"\xff"
    return run


def test_a_table_is_coloured_and_cut_to_the_width(made: Run) -> None:
    said = terminal("scan")
    assert "\x1b[" in said and "…" in said
    assert all(len(line) <= WIDTH for line in bare(said).splitlines())
    # In a pipe the same words, whole, and no colour.
    piped = made("scan").out
    assert "\x1b" not in piped and "x" * 200 in piped
    shown, whole = ([line.split()[0] for line in text.splitlines()] for text in (bare(said), piped))
    assert shown == whole


def test_sentences_are_folded_between_their_words(here: Path) -> None:
    """In a table, and where a thing is told of by itself: no line is longer than the screen, none has blanks behind."""
    for words in (["strategies"], ["strategies", "show", "json"]):
        said = bare(terminal(*words))
        lines = said.splitlines()
        assert all(len(line) <= WIDTH for line in lines)
        assert lines == [line.rstrip() for line in lines]
        assert "an edit wins" in " ".join(said.split())


def test_a_version_is_never_cut(made: Run) -> None:
    version = made("put", "short", "2", "-o", "raw").out.strip()
    assert version in bare(terminal("scan", "short", "-l"))
    # Nor folded: a narrow screen breaks the line itself, and what is copied from it is whole.
    with crdtkv.open("lhr.db") as kv:
        id = kv.id
    said = [line.split() for line in bare(terminal("history", "short", COLUMNS="20")).splitlines()]
    assert [version in words and id in words for words in said] == [False, False, True]


def test_what_a_terminal_would_obey_is_not_sent(made: Run) -> None:
    for words in (["scan"], ["get", "esc\x1b[31m"], ["get", "esc\x1b[31m", "-o", "table"], ["history", "esc\x1b[31m"]):
        said = terminal(*words)
        assert "\x1b]0;" not in said and "\\u001b]0;ow" in bare(said)


def test_bytes_are_not_sent_to_a_terminal(made: Run) -> None:
    assert "send them to a file" in terminal("get", "blob")


def test_a_long_document_is_indented(made: Run) -> None:
    made("put", "doc", '{"a": [%s]}' % ", ".join(map(str, range(40))))  # noqa: UP031
    assert terminal("get", "doc").startswith('{\n  "a": [\n    0,')
    assert len(made("get", "doc").out.splitlines()) == 1


def test_errors_are_coloured_and_no_color_is_heard(made: Run) -> None:
    assert terminal("get", "nobody").startswith("\x1b[31merror:\x1b[0m there is no 'nobody'")
    assert terminal("get", "nobody", NO_COLOR="1").startswith("error: there is no 'nobody'")
    assert "\x1b[3" not in terminal("scan", NO_COLOR="1")


def test_long_work_shows_a_bar_and_takes_it_away(made: Run, here: Path) -> None:
    (here / "keys.ndjson").write_text("".join(f'{{"key": "k{i}", "value": {i}}}\n' for i in range(600)))
    assert "importing" in terminal("import", "keys.ndjson")
    assert "exporting" in terminal("export", "out.ndjson")
    assert "trying" in terminal("strategies", "test", "lww", "-n", "30")
    assert "exchanging with sin" in terminal("sync", "sin.db")


# TAB


class _Context:
    def __init__(self, **params: Any) -> None:
        self.params, self.obj = params, {}


def test_keys_and_patterns_are_offered(made: Run) -> None:
    made("rules", "set", "cart/*", "set")
    here: Any = _Context()
    assert complete.complete_key(here, "s") == ["short"]
    assert complete.complete_pattern(here, "c") == ["cart/*"]
    assert "set" in [name for name, _ in complete.complete_strategy("s")]
    other: Any = _Context(store="nope.db")
    assert complete.complete_key(other, "") == [] and not Path("nope.db").exists()
    with crdtkv.open("lhr.db"):
        assert complete.complete_key(here, "") == [] and complete.complete_pattern(here, "") == []


def test_a_shell_gets_what_it_asks_for(made: Run) -> None:
    world = {
        **os.environ, "PYTHONPATH": str(ROOT), "_CRDTKV_COMPLETE": "complete_bash", "COMP_WORDS": "crdtkv get s",
        "COMP_CWORD": "2",
    }  # fmt: skip
    command = [sys.executable, "-c", "from crdtkv.cli import main; main()"]
    done = subprocess.run(command, env=world, capture_output=True, text=True)
    assert done.stdout.split() == ["short"], done.stderr


def test_a_simulation_shows_how_far_it_is(here: Path) -> None:
    """And leaves the verdict alone on the screen."""
    (here / "far.toml").write_text(
        '[scenario]\nduration = "3s"\nsettle = "5s"\n[colos]\nset = ["LHR", "SIN"]\n[[workload]]\nkind = "set"\n'
    )
    said = terminal("simulate", "far.toml")
    assert "far " in said and "%" in said and "\x1b[" in said
    assert bare(said).splitlines()[-1].startswith("valid: far under json, seed 1, 2 colos, 3 s: ")
