"""fakeredis' own tests, which it runs against a real server to know what it has to imitate, run against any server.

`python -m tests.doors.redis.fakeredis_suite` runs them against a colo and against redis-server, and prints how many
pass of each file. They and what they need are installed into `.clients/fakeredis`, once, from the package index:
`make clients` does so.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["FILES", "Ends", "Unreachable", "environment", "ready", "run"]

VERSION = "2.40.0"
NEEDS = (
    f"fakeredis=={VERSION}", "redis==8.1.0", "valkey", "lupa", "pytest", "pytest-asyncio", "pytest-timeout",
    "pytest-mock", "hypothesis", "packaging",
)  # fmt: skip
FILES = (
    "string_commands", "set_commands", "hash_commands", "sortedset_commands", "sortedset_zadd", "list_commands",
    "generic_commands", "generic_scan_commands", "transactions_commands", "pubsub_commands",
)  # fmt: skip
_HOME = Path(__file__).parents[3] / ".clients" / "fakeredis"
_PORT = "6390"
"""Where fakeredis' tests look for a server."""


@dataclass
class Ends:
    """How the tests of one file ended."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)


class Unreachable(Exception):
    """The package index cannot be reached."""


def ready() -> bool:
    """Whether they are installed."""
    return (_HOME / "ready").exists()


def environment() -> Path:
    """The folder that holds the tests and a Python that can run them, made if it is not there. Raises Unreachable."""
    home = _HOME
    if ready():
        return home
    try:
        _call([sys.executable, "-m", "venv", str(home)])
        python = str(home / "bin" / "python")
        _call([python, "-m", "pip", "install", "-q", *NEEDS])
        with tempfile.TemporaryDirectory() as folder:
            wanted = ["--no-deps", "--no-binary", "fakeredis", "-d", folder, f"fakeredis=={VERSION}"]
            _call([python, "-m", "pip", "download", "-q", *wanted])
            [archive] = Path(folder).glob("*.tar.gz")
            with tarfile.open(archive) as packed:
                packed.extractall(home, filter="data")
    except subprocess.CalledProcessError as error:
        raise Unreachable(f"fakeredis {VERSION} and what its tests need cannot be installed: {error.stderr}") from None
    (home / "ready").touch()
    return home


def _call(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=600)


def run(port: int, files: tuple[str, ...] = FILES, more: tuple[str, ...] = ()) -> dict[str, Ends]:
    """How the tests of each file ended against the server at `port`: passed, failed, skipped. Raises Unreachable."""
    home = environment()
    source = home / f"fakeredis-{VERSION}"
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "test"
        copied.mkdir()
        for path in [*source.glob("test/*.py"), *(source / "test/test_mixins").glob("*.py")]:
            target = copied / path.relative_to(source / "test")
            target.parent.mkdir(exist_ok=True)
            target.write_text(path.read_text().replace(_PORT, str(port)))
        (Path(folder) / "pyproject.toml").write_text((source / "pyproject.toml").read_text())
        report = Path(folder) / "report.xml"
        words = ["-m", "pytest", "-q", "-m", "not fake", "--timeout", "60", "-p", "no:cacheprovider"]
        words += [f"--junitxml={report}", *more, *(f"test/test_mixins/test_{name}.py" for name in files)]
        subprocess.run([str(home / "bin/python"), *words], cwd=folder, check=False, timeout=1200)
        return _counted(report)


def _counted(report: Path) -> dict[str, Ends]:
    found: dict[str, Ends] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = re.sub(r".*test_mixins\.test_", "", case.get("classname", "")).split(".")[0]
        ends = {child.tag for child in case} & {"failure", "error", "skipped"}
        file = found.setdefault(name, Ends())
        if "skipped" in ends:
            file.skipped += 1
        elif ends:
            file.failed.append(case.get("name", "").removeprefix("test_").partition("[")[0])
        else:
            file.passed += 1
    return found


def main() -> None:
    """Prints how many pass, at a colo and at redis-server."""
    from tests.doors.redis.beside import redis_server
    from tests.doors.redis.conftest import Colo

    if sys.argv[1:] == ["install"]:
        environment()
        return
    more = tuple(sys.argv[1:])
    with ExitStack() as stack:
        ours = run(Colo("lhr", stack).port, more=more)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        theirs = run(stack.enter_context(redis_server(folder)), more=more)
    print("| file | here | redis-server |\n|---|---|---|")
    for name in ours:
        counts = [f"{each[name].passed} of {each[name].passed + len(each[name].failed)}" for each in (ours, theirs)]
        print(f"| {name} | {counts[0]} | {counts[1]} |")


if __name__ == "__main__":
    main()
