"""docs/http.md: its commands are run against a real server, and say what the page says."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.server.conftest import ROOT, Start

PAGE = (ROOT / "docs" / "http.md").read_text()
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "--- next ---"


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Each command of its console blocks, and what it says."""
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, said = part.partition("\n")
            yield command, said


def plain(text: str) -> str:
    """Letters drawn at random, and how many writes there were before, are as good as those in the page."""
    return re.sub(r"~[a-z0-9]{4}(\.\d+)?\b", "~", text)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_page_says_what_the_commands_say(start: Start) -> None:
    """In one shell, in order, so that what one sets the next may use."""
    server = start()
    steps = list(commands(PAGE))
    assert len(steps) > 20
    script = "\n".join([f"U={server.url}/v1/default", *(f"{command}\necho; echo '{_MARK}'" for command, _ in steps)])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
    said = done.stdout.split(f"{_MARK}\n")
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    wrong = [
        f"$ {command}\n{got}(the page: {wanted})"
        for (command, wanted), got in zip(steps, said, strict=False)
        if not checker.check_output(plain(wanted).strip() + "\n", plain(got).strip() + "\n", flags)
    ]
    assert not wrong and len(said) == len(steps) + 1, "\n".join(wrong) + done.stderr
