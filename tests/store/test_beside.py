"""A store's file that is open: other programs read it, other stores are refused and told by whom."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import crdtkv
from crdtkv.errors import StorageFailed, StoreLocked
from tests.colos import crash

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lhr.db"


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_who_has_it_open_is_told(path: Path) -> None:
    """Here and in another process; and whoever comes after a close, or a crash, finds it free."""
    kv = crdtkv.open(path, colo="lhr")
    words = f"is open already in process {os.getpid()}; close it where it is open"
    here = "is open already in this process; use that store, or close it first"
    with pytest.raises(StoreLocked, match=here) as found:
        crdtkv.open(path, colo="lhr")
    assert found.value.next_step == "use that store, or close it first"
    said = run(f"import crdtkv\ntry: crdtkv.open({str(path)!r}, colo='lhr')\nexcept crdtkv.Refused as e: print(e)")
    assert words in said
    link = path.with_name("link.db")
    link.symlink_to(path)
    with pytest.raises(StoreLocked, match=here):
        crdtkv.open(link, colo="lhr")
    assert "in this process" not in run(
        f"import crdtkv, os\nopen({str(path) + '-pid'!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        f"try: crdtkv.open({str(path)!r}, colo='lhr')\nexcept crdtkv.Refused as e: print(e)"
    ), "a number that two machines give says nothing"
    kv.put("k", 1)
    crash(kv)
    with crdtkv.open(path, colo="lhr") as again:
        assert again["k"] == 1
    assert sorted(p.name for p in path.parent.iterdir()) == ["lhr.db", "lhr.db-witness", "link.db"]


def test_a_file_is_the_same_by_any_name(path: Path) -> None:
    """After a crash what was committed last is in SQLite's log, which is beside the file and not beside its link."""
    (path.parent / "disk").mkdir()
    real, name = path.parent / "disk" / "file.db", path
    with crdtkv.open(real, colo="lhr") as kv:
        kv.put("k", 0)
    name.symlink_to(real)
    for n, at in enumerate((real, name, real)):
        kv = crdtkv.open(at)
        assert kv["k"] == n
        kv.put("k", n + 1)
        kv.put("much", "x" * 100_000)
        kv._replica.storage.settle()
        crash(kv)
    with crdtkv.open(name) as again:
        assert (again.id, again["k"]) == (kv.id, 3)
    assert sorted(p.name for p in real.parent.iterdir()) == ["file.db", "file.db-witness"]


def test_a_file_that_is_moved_while_it_is_open(path: Path) -> None:
    """What came last is in the log, which stays behind: nothing more is written there."""
    kv = crdtkv.open(path, colo="lhr")
    kv.put("k", 1)
    for away in (True, False):
        path.rename(path.with_name("elsewhere"))
        if away:
            path.write_bytes(b"another")
        with pytest.raises(StorageFailed, match="was moved, replaced or removed") as told:
            kv.put("k", 2)
        assert told.value.happened == "no" and kv["k"] == 1
        path.with_name("elsewhere").rename(path)
    kv.put("k", 3)
    kv.close()
    with crdtkv.open(path) as again:
        assert again["k"] == 3


def test_others_read_while_it_is_written(path: Path) -> None:
    """What the tables have; a reader that stays does not stand in the way of anything."""
    with crdtkv.open(path, colo="lhr") as kv:
        kv.put("k", 41)
        kv.compact()
        query = "SELECT value FROM cell WHERE key = 'k'"
        assert run(f"import sqlite3; print(*sqlite3.connect({str(path)!r}).execute({query!r}))") == "(41,)"
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute(query).fetchall() == [(41,)]
        kv.put("k", 42)
        kv.compact()
        assert reader.execute(query).fetchall() == [(41,)]
        reader.execute("ROLLBACK")
        assert reader.execute(query).fetchall() == [(42,)]
    with crdtkv.open(path, colo="lhr") as kv:
        assert kv["k"] == 42 and kv.check() == []
        kv.put("k", 43)
    reader.close()
    with crdtkv.open(path, colo="lhr") as kv:
        assert kv["k"] == 43 and kv.check() == []


def test_another_program_writes(path: Path) -> None:
    """As long as it does, ours go to the journal only; what brings the tables up to it is told to try again."""
    with crdtkv.open(path, colo="lhr") as kv:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert kv.put("k", 1).value == 1
        with pytest.raises(StorageFailed, match="locked") as caught:
            kv.compact()
        assert caught.value.happened == "yes" and kv["k"] == 1
        other.execute("ROLLBACK")
        assert kv.put("k", 2).value == 2
        kv.compact()
        other.close()


def test_a_forked_child_does_not_hold_it(path: Path) -> None:
    """What the parent has closed is free, although a child from before lives on."""
    kv = crdtkv.open(path, colo="lhr")
    reader, writer = os.pipe()
    begun, begins = os.pipe()
    child = os.fork()
    if not child:
        os.close(writer)
        os.write(begins, b".")
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    os.read(begun, 1)
    kv.close()
    with crdtkv.open(path, colo="lhr") as again:
        again.put("k", 1)
    os.close(writer)
    os.waitpid(child, 0)
