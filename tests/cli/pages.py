"""Runs the `console` blocks of a page: each line after `$` in an empty folder, one after the other.

    python -m tests.cli.pages docs/cli.md       writes into the page what the commands say now

What differs at every run (ids, times, cursors) is as good as any other. A line that is
`crdtkv` and its words runs in this process, which is quicker; all others in a shell.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from crdtkv.cli import app

__all__ = ["ROOT", "Shell", "filled", "plain"]

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHANGING = (
    (r"~[a-z0-9]{4}\b", "~"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (r'"(stamp|expires|purged_to)": \d+', r'"\1": TIME'),
    (r"\b[0-9a-f]{32}\b", "DIGEST"),
    (r"\b[0-9a-f]{16,}-[0-9a-z~.-]*", "ID"),
    (r"\bdropped +\d+", "dropped N"),
    (r"\bbytes\b(\"?:?) +\d+", r"bytes\1 N"),
    (r"--since \S+", "--since CURSOR"),
    (r"[ \t]+", " "),
)


class Shell:
    """Where the commands of one page run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shim = folder / "bin" / "crdtkv"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m crdtkv.cli "$@"\n')
        shim.chmod(0o755)
        python = folder / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        self.names: dict[str, str] = {}
        # Else what a page shows would hang on who runs it.
        self.world = {k: v for k, v in os.environ.items() if k not in ("CRDTKV_STORE", "COLUMNS", "NO_COLOR")}
        self.world |= {"PATH": f"{shim.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def run(self, line: str) -> str:
        """What one line says, on stdout and stderr."""
        found = re.fullmatch(r"(?:export )?(\w+)=(\S+)", line)
        if found:
            self.names[found[1]] = found[2]
            return ""
        found = re.fullmatch(r"(\w+)=\$\((.*)\)", line)
        if found:
            self.names[found[1]] = self.run(found[2]).strip()
            return ""
        if re.match(r"crdtkv [^|>;&`]*$", line) and "$(" not in line:
            words = [re.sub(r"\$(\w+)", lambda m: self.names[m[1]], word) for word in shlex.split(line)[1:]]
            return CliRunner().invoke(app, words, env=self.names, prog_name="crdtkv").output
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.world | self.names, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.stdout


def blocks(text: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, language, text) of each block that runs."""
    for found in _BLOCK.finditer(text):
        yield found.start(2), found.end(2), found[1], found[2]


def filled(text: str, folder: Path) -> str:
    """The page with what its commands say now. Runs in `folder`, which is the current one."""
    shell, out, at = Shell(folder), [], 0
    for start, end, language, block in blocks(text):
        out.append(text[at:start])
        if language == "python":
            exec(block, {})
            out.append(block)
        else:
            for line in (line[2:] for line in block.splitlines() if line.startswith("$ ")):
                said = shell.run(line)
                out.append(f"$ {line}\n{said}{'' if not said or said.endswith(chr(10)) else chr(10)}")
        at = end
    return "".join([*out, text[at:]])


def plain(text: str) -> list[str]:
    """The lines of a page, without what changes from run to run."""
    for pattern, instead in _CHANGING:
        text = re.sub(pattern, instead, text)
    return [line.rstrip() for line in text.splitlines()]


if __name__ == "__main__":
    page = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        page.write_text(filled(page.read_text(), Path(place)))
