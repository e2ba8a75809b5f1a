"""`crdtkv strategies`: what there is, and the laws on ours and on what a user brings."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crdtkv.strategies import merge, registry
from tests.cli.conftest import Run

FIRST = """
from crdtkv import register
from crdtkv.strategies.lww import Lww

@register
class First(Lww):
    "The first."
    name = "first"
"""
PICK = """
import crdtkv

def pick(base, mine, theirs):
    return theirs if mine == base else mine

crdtkv.register_merge("pick", pick)
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(merge, "_functions", dict(merge._functions))
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("users_own"):
            del sys.modules[name]
    registry.strategy.cache_clear()


def test_all_are_listed_and_each_is_shown(run: Run) -> None:
    names = run("strategies", "-o", "raw").out.split()
    assert {"counter", "json", "set", "words"} <= set(names)
    for name in ("set", "set?wins=remove", "merge:anything"):
        row = json.loads(run("strategies", "show", name, "-o", "json").out)
        assert row["name"] in name and row["anomaly"] and "put" in row["operations"]


def test_a_user_s_strategy_and_merge_function(run: Run, here: Path) -> None:
    (here / "users_own_1.py").write_text(FIRST)
    (here / "users_own_2.py").write_text(PICK)
    load = ["--load", "users_own_1.py", "--load", "users_own_2.py"]
    assert "first" in run("strategies", "list", *load[:2], "-o", "raw").out.split()
    registry._registered.pop("first")
    for name in ("first", "merge:pick"):
        done = run("strategies", "test", name, *load, "-n", "10", "-o", "ndjson")
        assert done.code == 0, done.out + done.err
        assert all(json.loads(line)["kept"] for line in done.out.splitlines())
        registry._registered.pop("first", None)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("users_own_3.py", "raise ValueError('x')", "raised ValueError: x"), ("users_own_4.py", "1 +", "SyntaxError"),
        ("users_own_5.txt", "", "no Python file"), ("pathlib.py", "", "there is a module 'pathlib' already"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_loaded(run: Run, here: Path, name: str, text: str, words: str) -> None:
    (here / name).write_text(text)
    done = run("strategies", "list", "--load", name)
    assert (done.code, done.out) == (1, "") and words in done.err


def test_a_merge_function_that_is_not_here(run: Run) -> None:
    done = run("strategies", "test", "merge:nope")
    assert done.code == 1 and "no merge function 'nope' here" in done.err
