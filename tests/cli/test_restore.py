"""`crdtkv restore`: a backup in the place of what was lost."""

from __future__ import annotations

from pathlib import Path

import crdtkv
from crdtkv.node.node import Node
from tests.cli.conftest import Run


def test_a_file_that_was_put_back_writes_again_once_it_has_met_a_member(run: Run, here: Path) -> None:
    """Under a new id; what it wrote after the backup comes back from the others, and nothing is minted twice."""
    with crdtkv.open("lhr.db", colo="lhr") as lhr, crdtkv.open("sin.db", colo="sin") as sin:
        lhr.put("a", 1)
        lhr.sync(sin)
        lhr.backup("monday.db")
        before = lhr.id
        lhr.put("b", 2)
        lhr.sync(sin)
    assert run("restore", "monday.db", "lhr.db").code == 1
    for lost in here.glob("lhr.db*"):
        lost.unlink()
    done = run("-o", "raw", "restore", "monday.db", "lhr.db")
    assert (done.code, done.out) == (0, "lhr.db\n"), done.err
    assert run("put", "c", "3").code == 1
    assert run("sync", "sin.db").code == 0
    assert run("put", "c", "3").code == 0
    with crdtkv.open("lhr.db") as lhr:
        assert dict(lhr) == {"a": 1, "b": 2, "c": 3} and lhr.id != before and lhr.check() == []


def test_the_only_member_goes_on_at_once(run: Run, here: Path) -> None:
    assert run("put", "a", "1").code == 0 and run("backup", "monday.db").code == 0
    for lost in here.glob("lhr.db*"):
        lost.unlink()
    assert "at once" in run("restore", "monday.db", "lhr.db").out
    assert run("put", "b", "2").code == 0 and run("get", "a").out == "1\n"


def test_the_folder_of_a_colo(run: Run, here: Path) -> None:
    """Every namespace of it."""
    Path("monday").mkdir()
    with Node(here / "lhr", colo="lhr") as node:
        node.create("carts")
        node.store("carts").put("a", 1)
        for store in (node.system, *node.stores().values()):
            store.backup(Path("monday") / Path(node.path(store.namespace)).name)
    done = run("restore", "monday", "again")
    assert done.code == 0 and done.out.count("lhr") >= 3, done.err
    with Node(here / "again", colo="lhr") as node:
        assert node.store("carts")["a"] == 1
    assert run("restore", "monday", "again").code == 1
    Path("empty").mkdir()
    refused = run("restore", "empty", "elsewhere")
    assert refused.code == 1 and "there is no copy in 'empty'" in refused.err and not Path("elsewhere").exists()


def test_what_is_no_sound_copy_leaves_nothing(run: Run, here: Path) -> None:
    """A file of something else, a damaged one."""
    Path("text.db").write_text("no store at all, but some text that is long enough to be looked at twice")
    assert run("restore", "text.db", "new.db").code == 1
    assert run("put", "a", '"some words that can be found"').code == 0 and run("backup", "monday.db").code == 0
    data = Path("monday.db").read_bytes()
    at = data.index(b"some words that")
    Path("monday.db").write_bytes(data[:at] + b"S" + data[at + 1 :])
    own = [Path(f"new.db{rest}") for rest in (".old", "-lost", "2", "-wal.old")]
    for each in own:
        each.write_text("what was moved away")
    refused = run("restore", "monday.db", "new.db")
    assert refused.code == 1 and "not put back" in refused.err, refused.err
    assert sorted(here.glob("new.db*")) == sorted(here / each for each in own), "what is somebody's own stays"
