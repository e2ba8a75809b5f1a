"""A folder of its own, a store in it, and commands run as a person would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crdtkv.cli import app, door


class Done:
    """What a command said, and how it left. `out` and `err` apart."""

    def __init__(self, result: Any) -> None:
        self.code: int = result.exit_code
        self.out: str = result.stdout
        self.err: str = result.stderr
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception


Run = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in; the store is lhr.db."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRDTKV_STORE", "lhr.db")
    monkeypatch.setattr(door, "WAIT", 0.0)
    return tmp_path


@pytest.fixture
def run(here: Path) -> Run:
    """`run("put", "a", "1")`: the command, in this process. `stdin` is text or bytes."""

    def call(*words: str, stdin: str | bytes = b"", **env: str) -> Done:
        return Done(CliRunner().invoke(app, list(words), input=stdin, env=env or None, prog_name="crdtkv"))

    return call
