"""Every workload: its peers are known, its targets can be told, and crdtkv does all of it right, at small sizes."""

from __future__ import annotations

import importlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from bench.__main__ import LIMITS, WORKLOADS
from bench.harness.registry import PEERS
from bench.harness.shapes import RIGHT, Case, Row, Spread, Workload
from bench.peers import file_name

ROOT = Path(__file__).parent.parent.parent / "bench"
IN_PROCESS = ("thread", "lists", "sets", "counters", "reconcile", "documents", "keyvalue", "text")
"""The others start servers or clusters, or run for seconds: their parts have tests of their own."""


def of(name: str) -> Workload:
    return importlib.import_module(f"bench.workloads.{name}").WORKLOAD  # type: ignore[no-any-return]


def all_cases(workload: Workload) -> Iterator[Case]:
    yield from (*workload.cases, *workload.quick, *workload.large)


@pytest.mark.parametrize("name", WORKLOADS)
def test_its_peers_are_known_and_have_an_adapter(name: str) -> None:
    for peer in {peer for case in all_cases(of(name)) for peer in case.peers}:
        suffix = ".mjs" if PEERS[peer].group == "npm" else ".py"
        assert (ROOT / "peers" / f"{file_name(peer)}{suffix}").exists(), peer
        assert suffix == ".py" or (ROOT / "workloads" / f"{name}.mjs").exists()


@pytest.mark.parametrize("name", WORKLOADS)
def test_its_targets_are_told_where_all_was_measured(name: str) -> None:
    """A target that names no case or figure that is there would never be told."""
    workload = of(name)
    one = Spread(1.0, 1.0, 1.0, 1)
    table = {
        case.name: {
            peer: Row({figure.name: one for figure in case.figures} | {"peak_mb": one}, RIGHT) for peer in case.peers
        }
        for case in workload.cases
    }
    assert [target.words for target in workload.targets if target.judge(table).met is None] == []


@pytest.mark.parametrize("name", WORKLOADS)
def test_its_cases_have_names_of_their_own_and_come_after_smaller_ones(name: str) -> None:
    workload = of(name)
    for cases in (workload.cases, workload.quick):
        names = [case.name for case in cases]
        assert len(set(names)) == len(names)
        assert all(case.after in names[:at] for at, case in enumerate(cases) if case.after)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an adapter opens is open until its process ends: here it is closed after the test."""
    with ExitStack() as opened:

        def closing_after(module: Any, name: str) -> None:
            real = getattr(module, name)
            monkeypatch.setattr(
                module, name, lambda *args, **options: opened.enter_context(closing(real(*args, **options)))
            )

        closing_after(sqlite3, "connect")
        closing_after(crdtkv, "open")
        yield


@pytest.mark.parametrize("name", IN_PROCESS)
@pytest.mark.parametrize("peer", ["crdtkv", "sqlite3"])
def test_it_is_done_right(
    name: str, peer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: None
) -> None:
    workload, module = of(name), importlib.import_module(f"bench.workloads.{name}")
    adapter = importlib.import_module(f"bench.peers.{peer}")
    for case in workload.quick:
        if peer not in case.peers or case.name == "corpus":
            continue
        monkeypatch.setenv("CRDTKV_BENCH_FOLDER", str(tmp_path / file_name(case.name)))
        order = {"peer": peer, "trace": "", "corpus": "", **case.order}
        result = module.measure(adapter, order)
        assert {figure.name for figure in case.figures} >= result["figures"].keys() - {"peak_mb", "rounds"}, case.name
        assert workload.verdict is not None
        told = workload.verdict(result["found"], order)
        assert told == RIGHT or (name, peer) == ("thread", "sqlite3"), (case.name, told)


def test_a_corpus_of_merges(tmp_path: Path) -> None:
    path = tmp_path / "merges.jsonl"
    path.write_text('{"base": [1, 2], "ours": [1, 2, 3], "theirs": [2], "merged": [2, 3]}\n')
    module, adapter = (importlib.import_module(f"bench.{m}") for m in ("workloads.documents", "peers.crdtkv"))
    result = module.measure(adapter, {"do": "corpus", "corpus": str(path), "most": None})
    assert result["verdict"] == "1 of 1 as committed"
    assert (result["figures"]["conflicts"], result["figures"]["failed"]) == (0, 0)


def test_git_merges_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    monkeypatch.setenv("CRDTKV_BENCH_FOLDER", str(tmp_path))
    adapter = importlib.import_module("bench.peers.git_merge_file")
    assert adapter.merge([1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]) == [0, 1, 2, 3, 4, 5, 6]
    assert adapter.merge([1], [1, 2], [1, 3]) == "a conflict"


def test_the_page_of_the_benchmarks_names_all(request: pytest.FixtureRequest) -> None:
    page = (ROOT / "README.md").read_text()
    assert [name for name in (*WORKLOADS, *LIMITS) if f"| `{name}` |" not in page] == []
