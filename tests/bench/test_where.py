"""Where the time goes is counted by owner: the innermost frame that has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.where import paths
from bench.where.__main__ import _shares
from bench.where.sampling import counted, owner

SCRIPT = """\
 55d0 PyDict_SetItem+0x10
 55d1 CPyDef_crdtkv___core___cells___make_cell+0x20
 55d2 CPyDef_crdtkv___replica___core___Replica___set_cell+0x20

 55d0 sqlite3VdbeExec+0x1
 55d1 pysqlite_connection_execute+0x1
 55d2 CPyDef_crdtkv___storage___writing___Writing____write+0x9

 55d0 gc_collect_main+0x1
 55d1 CPyDef_crdtkv___replica___core___Replica___set_cell+0x20

 55d0 _PyEval_EvalFrameDefault+0x1
 55d1 main+0x1

 55d0 [unknown]
"""


def test_a_sample_is_its_innermost_owner_s() -> None:
    rooms, modules = counted(SCRIPT.splitlines())
    assert rooms == {"core": 1, "SQLite": 1, "Python's collector": 1, "interpreted Python": 1, "other": 1}
    assert modules == {"core/cells": 1}
    assert _shares(rooms, 5, 2) == "core 20%, SQLite 20%"
    assert owner(["__pyx_pf_7msgpack_9_cmsgpack_6Packer_6pack"]) == ("MessagePack", "")


@pytest.mark.parametrize("name", [name for name in paths.PATHS if name not in ("http-put", "redis-set")])
def test_every_path_does_what_it_says_it_did(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """(Those of servers are what bench/limits asks of them.)"""
    monkeypatch.setattr(paths, "SECONDS", 1e-9)
    monkeypatch.setattr(paths, "_SCANNED", 1_000)
    monkeypatch.setattr(paths.reads, "KEYS", 200)
    monkeypatch.setattr(paths, "PACE", paths.PACE.replace('"20s"', '"1s"'))
    with paths.PATHS[name][1](tmp_path) as (_, work):
        assert work() > 0
