"""The npm clients of the doors: what is installed in tests/doors/npm (`make clients`), and how a test runs it.

Where they are not installed a test that wants them is skipped and says so; in CI it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

NPM = Path(__file__).parent / "npm"
ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LANG")

Js = Callable[..., str]


def missing() -> str | None:
    """Why no npm client can run here; None where all can."""
    if shutil.which("node") is None:
        return "no Node.js here: install version 20 or later, then make clients"
    ready, wanted = NPM / "node_modules" / "ready", NPM / "package.json"
    if not ready.exists() or ready.stat().st_mtime < wanted.stat().st_mtime:
        return "the npm clients are not installed: make clients"
    return None


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder of the npm clients. A test that asks for it runs only where they are."""
    why = missing()
    if why is not None:
        if os.environ.get("CI"):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    return NPM


@pytest.fixture
def js(npm: Path, tmp_path: Path) -> Js:
    """`js("cloudflare-keys.mjs", "word", TOKEN="t")`: what that script of tests/doors/npm printed.

    It fails where the script does, with all it said. `js("wrangler", "kv", ...)`, a name without a dot, is a command
    of a package. It runs in the test's folder, with nothing of this process's environment but PATH, HOME and
    what is given; `stdin` is text, `fails` says that it is to end with an error, which is what is returned then.
    """

    def run(name: str, *words: str, stdin: str = "", fails: bool = False, timeout: float = 120, **given: str) -> str:
        command = ["node", str(npm / name)] if "." in name else [str(npm / "node_modules" / ".bin" / name)]
        known = {each: os.environ[each] for each in ENVIRONMENT if each in os.environ}
        done = subprocess.run(
            [*command, *words], cwd=tmp_path, env={**known, "NO_COLOR": "1", **given}, input=stdin, text=True,
            capture_output=True, timeout=timeout,
        )  # fmt: skip
        said = f"{' '.join([name, *words])} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == fails, said
        return done.stdout + done.stderr if fails else done.stdout

    return run
