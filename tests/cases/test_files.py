"""Files that are copied, open twice, or whose process dies."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import NotBackYet
from crdtkv.storage.sqlite import SqliteStorage
from tests.colos import Colos, crash


def test_case_05_a_copy_that_writes_before_it_meets_anyone(tmp_path: Path) -> None:
    """A restored copy bears no number a second time: it refuses to write until it has met a member, and says so."""
    with Colos("a", "b", folder=tmp_path) as colos:
        colos["b"].counter("hits").add(1)
        colos.meet()
        colos["b"].close()
        shutil.copy(tmp_path / "b.db", tmp_path / "b.bak")
        colos.open("b").counter("hits").add(10)
        colos.meet()
        colos["b"].close()
        (tmp_path / "b.bak").replace(tmp_path / "b.db")
        b = colos.open("b")
        try:
            b.counter("hits").add(100)
        except NotBackYet as error:
            assert error.happened == "no" and "copy" in str(error)
            colos.meet()
            b.counter("hits").add(100)
        colos.meet()
        assert colos.read("hits") == 111
        colos.check()


def test_case_06_two_live_replicas_with_one_id(tmp_path: Path) -> None:
    """A copy of a file that is open elsewhere: refused when it opens or writes, at the latest when both are met."""
    with Colos("a", "b", folder=tmp_path) as colos, ExitStack() as opened:
        colos["b"].put("x", 1)
        colos.meet()
        colos["b"].close()
        (tmp_path / "other").mkdir()
        shutil.copy(tmp_path / "b.db", tmp_path / "other" / "b.db")
        colos.open("b")
        try:
            path, clock = tmp_path / "other" / "b.db", colos.clock.of("b")
            twin = crdtkv.open(path, colo="b", clock=clock, random=colos.dice["x"], purge_step_ms=1)
            opened.enter_context(twin)
        except crdtkv.CrdtkvError:
            return
        if twin.id != colos["b"].id:
            return
        colos["b"].put("x", "original")
        try:
            twin.put("x", "twin")
        except NotBackYet as error:
            assert error.happened == "no" and twin.id in str(error)
            return
        colos["a"].sync(colos["b"])
        said: list[Any] = []
        try:
            report = colos["a"].sync(twin)
            said = list(report.refused) + ([] if report.equal else ["not equal"])
        except crdtkv.CrdtkvError as error:
            said = [error]
        assert said, f"both are {twin.id}, a reads {colos['a']['x']!r}, the twin {twin['x']!r}, and nobody says so"


class Killed(Exception):
    """The process died here."""


def test_case_28_killed_at_any_point_of_the_bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever commit of the join is the last one on disk: it restarts, joins and ends equal, its own writes kept."""
    whole = SqliteStorage.commit
    for dies_at in range(40):
        folder = tmp_path / str(dies_at)
        folder.mkdir()
        colos = Colos("a", "b", folder=folder, seed=dies_at, memory="ab")
        for i in range(2):
            colos["a"].put(f"k{i}", {"i": i}, strategy="json")
            colos["b"].counter("n").add(1)
        colos.meet()
        c = colos.open("c")
        c.put("mine", "c's")
        c.counter("n").add(10)
        left = dies_at

        def commit(self: SqliteStorage, at: Path = folder / "c.db") -> None:
            nonlocal left
            if self.path == at:
                left -= 1
                if left < 0:
                    raise Killed
            whole(self)

        with monkeypatch.context() as patch:
            patch.setattr(SqliteStorage, "commit", commit)
            try:
                colos["a"].sync(c)
                colos["a"].put("while", "joining")
                c.sync(colos["b"])
                died = False
            except Killed:
                died = True
            crash(c)
        colos.open("c")
        colos["b"].put("later", 1)
        colos.meet(3)
        colos.check()
        assert colos.read("n") == 12, dies_at
        assert colos.read("mine") == "c's", dies_at
        assert [colos.read(f"k{i}") for i in range(2)] == [{"i": i} for i in range(2)]
        assert sorted(m.split("~")[0] for m in colos["a"].members) == ["a", "b", "c"]
        for kv in colos.values():
            kv.close()
        if not died:
            return
    pytest.fail("the join takes more than 40 commits")
