"""Every case is shown, and what shows it would notice if one of the lines it hangs on were written wrong.

`tests/guards` has those lines, each with a proof of its own; here the case itself is the proof.
"""

from __future__ import annotations

import inspect
import itertools
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.cases.__main__ import named
from tests.cases.index import CASES, Case
from tests.compiled import interpreted
from tests.connections import closed_after
from tests.guards.test_guards import GUARDS, LAWS
from tests.stories.teller import StoryError, tell

HERE = Path(__file__).parent
STORIES = HERE.parent / "stories"
GUARD = {guard.name: guard for guard in GUARDS}
BROKEN = [(number, name) for number, case in CASES.items() for name in case.guards]
MOST = 4
"""Of a test that is run with many arguments, how many of them are tried under a broken guard."""

TESTS: dict[str, Callable[..., None]] = {
    name: test
    for path in sorted(HERE.glob("test_*.py"))
    if path.stem != "test_index"
    for name, test in vars(import_module(f"tests.cases.{path.stem}")).items()
    if name.startswith("test_case_")
}


def shows(case: Case) -> Iterator[Callable[[Path], None]]:
    """What shows a case, each to be run in a folder of its own."""
    for name in case.shown:
        if name.endswith(".txt"):
            yield lambda folder, name=name: _tell(name, folder)
        else:
            for test in (test for title, test in TESTS.items() if title.startswith(name)):
                for arguments in itertools.islice(_arguments(test), MOST):
                    yield lambda folder, test=test, arguments=arguments: _run(test, folder, arguments)


def _tell(name: str, folder: Path) -> None:
    words = (STORIES / name).read_text()
    assert tell(words, folder) == words


def _arguments(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Those that pytest would give it."""
    sets = []
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names = [n.strip() for n in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
            sets.append([dict(zip(names, v if len(names) > 1 else (v,), strict=True)) for v in mark.args[1]])
    for chosen in itertools.product(*sets):
        yield {name: value for some in chosen for name, value in some.items()}


def _run(test: Callable[..., None], folder: Path, arguments: dict[str, Any]) -> None:
    wants = inspect.signature(test).parameters
    with pytest.MonkeyPatch.context() as patch:
        given = {"tmp_path": folder, "monkeypatch": patch}
        test(**arguments, **{name: value for name, value in given.items() if name in wants})


def test_every_case_is_somewhere() -> None:
    """Each number is in CASES; each story and each test that is named is there."""
    assert sorted(CASES) == list(range(1, 58))
    for number, case in CASES.items():
        for name in case.shown:
            if name.endswith(".txt"):
                assert f"Case {number}" in (STORIES / name).read_text(), name
            else:
                assert any(title.startswith(name) for title in TESTS), name
    told = {name for case in CASES.values() for name in case.shown}
    assert [p.name for p in STORIES.glob("case-*.txt") if p.name not in told] == []
    assert [title for title in TESTS if not title.startswith(tuple(told))] == []


def test_every_case_hangs_on_a_guard_or_says_why_on_none() -> None:
    for number, case in CASES.items():
        assert case.shown and bool(case.guards) != bool(case.unguarded), number
        assert [name for name in case.guards if name not in GUARD] == [], number


def test_a_proof_that_names_a_case_names_one_that_there_is() -> None:
    """`python -m tests.cases` goes by it."""
    told = {number for guard in GUARDS for number in named(guard)}
    assert told <= CASES.keys() and len(told) > 30


@interpreted
@pytest.mark.parametrize(("number", "name"), BROKEN, ids=lambda v: str(v))
def test_a_case_notices_when_its_guard_is_broken(number: int, name: str, tmp_path: Path) -> None:
    """By an assertion, a story that says otherwise or cannot go on, or an error of the store's own tree."""
    with closed_after(), GUARD[name].broken():
        for show in shows(CASES[number]):
            with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
                try:
                    show(Path(folder))
                except (*LAWS, pytest.fail.Exception, StoryError):
                    return
    pytest.fail(f"case {number} is shown as before without {name}: {GUARD[name].mutation.words}")
