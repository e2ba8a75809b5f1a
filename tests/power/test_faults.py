"""Disks that are full, fail, or are read-only: a clear error, reads go on, and what was acknowledged is kept."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

import crdtkv
from crdtkv.errors import CrdtkvError, StorageFailed
from crdtkv.storage import checkpoint
from tests.power.disk import Disk, Inode, may_all
from tests.power.faults import Failing, run
from tests.power.vfs import Mounted
from tests.store.filling import everything, fill

LONG = os.environ.get("CRDTKV_LAWS") == "long"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "JOURNAL_BYTES", 6_000)
    monkeypatch.setattr(checkpoint, "STEP_ROWS", 20)


class Place:
    """A folder with a store on a disk that may fail."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.path = folder / "lhr.db"
        self.disk = Disk(self.path, Random(1))
        self.mounted = Mounted(self.disk)
        self.mounted.lie_under(patch)

    def open(self, **options: Any) -> crdtkv.Store:
        return crdtkv.open(self.path, colo="lhr", **options)

    def kill(self) -> None:
        self.mounted.let_go()
        self.disk.dead = False


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    place = Place(tmp_path, monkeypatch)
    yield place
    place.mounted.let_go()


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("seed", range(200 if LONG else 4))
def test_steps_that_fail(tmp_path: Path, seed: int, durability: str) -> None:
    """Any step of the disk, once or for ever: what `tests.power.faults` says must hold."""
    figures = run(seed, 8, tmp_path, durability)
    assert figures["done"] and figures["fell"]  # (whether a call raised hangs on the time, which sizes hang on)


@pytest.mark.parametrize("was", ["none", "closed", "killed", "unsynced"])
@pytest.mark.parametrize("kind", ["open", "read", "write", "sync", "truncate", "delete"])
def test_opening_fails(place: Place, kind: str, was: str) -> None:
    """At its n-th step of a kind: told, nothing has happened, nothing is locked, and on a sound disk it opens."""
    before = None
    if was != "none":
        kv = place.open(durability="normal" if was == "unsynced" else "full")
        fill(kv)
        before = everything(kv)
        kv.close() if was == "closed" else place.kill()
    code = {"open": apsw.SQLITE_CANTOPEN, "write": apsw.SQLITE_FULL}.get(kind, apsw.SQLITE_IOERR)
    for n in range(1, 40):
        failing = place.disk.may = Failing(kind, n, code, n % 2 == 0)
        try:
            kv = place.open()
        except CrdtkvError as error:
            assert type(error) is StorageFailed and error.happened == "no" and error.next_step
            assert str(place.path) in str(error)
        else:
            place.disk.may = may_all
            assert before is None or everything(kv)[4] == before[4]
            place.kill()
            if not failing.fell:
                break
    with place.open() as kv:
        assert before is None or (everything(kv)[4], everything(kv)[7:]) == (before[4], before[7:])
        assert kv.check() == [] and kv.put("a", 1)


def test_a_full_disk(place: Place) -> None:
    """Reads, old versions, a peer's questions go on; each write says what to do, and works once there is room."""
    kv, peer = place.open(), crdtkv.open(colo="sin")
    fill(kv)
    kv.sync(peer)
    kv.put("since", 1)
    state = everything(kv)
    place.disk.may = Failing("write", 1, apsw.SQLITE_FULL, True)
    for act in (lambda: kv.put("a", 1), lambda: kv.counter("n").add(1), lambda: kv.delete("doc")):
        with pytest.raises(StorageFailed, match="full") as caught:
            act()
        assert caught.value.happened == "no" and "make room" in caught.value.next_step
        assert everything(kv) == state and kv.check() == []
    place.kill()
    kv = place.open()  # it is still full
    assert everything(kv)[4] == state[4]
    with pytest.raises(StorageFailed, match="full"):
        kv.put("a", 1)
    place.disk.may = may_all
    assert kv.put("a", 1).value == 1
    assert kv.sync(peer).equal and peer["a"] == peer["since"] == 1
    kv.close()


def test_a_disk_that_turned_read_only(place: Place) -> None:
    """As a file system does after an error."""
    kv = place.open()
    fill(kv)
    state = everything(kv)
    place.disk.may = Failing("write", 1, apsw.SQLITE_READONLY, True)
    with pytest.raises(StorageFailed, match="readonly") as caught:
        kv.put("a", 1)
    assert caught.value.happened == "no" and everything(kv) == state
    place.disk.may = may_all
    kv.put("a", 1)
    kv.close()


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-witness", "-commits0"])
def test_a_file_beside_it_that_cannot_be_made(tmp_path: Path, suffix: str) -> None:
    """A folder stands in its place: told with the path, for a new store and for one that was there."""
    for path in (tmp_path / "new.db", tmp_path / "old.db"):
        if path.name == "old.db":
            with crdtkv.open(path, colo="lhr") as kv:
                kv.put("a", 1)
            path.with_name(f"old.db{suffix}").unlink(missing_ok=True)
        path.with_name(f"{path.name}{suffix}").mkdir()
        if (path.name, suffix) == ("old.db", "-journal"):
            continue  # it is not asked for any more
        with pytest.raises(StorageFailed, match=path.name) as caught:
            crdtkv.open(path, colo="lhr").put("a", 2)
        assert caught.value.happened == "no" and caught.value.next_step
        path.with_name(f"{path.name}{suffix}").rmdir()
        with crdtkv.open(path, colo="lhr") as kv:
            assert dict(kv) == ({"a": 1} if path.name == "old.db" else {})


def test_what_lies_on_the_disk_cannot_be_read(place: Place) -> None:
    """Each read says so, or answers; nothing of what is half read is shown, written on, or sent."""
    with place.open() as kv:
        fill(kv)
        before, state = dict(kv.items()), everything(kv)
    refused = 0
    for n in range(1, 60):
        kv, peer = place.open(), crdtkv.open(colo="sin")
        kv._replica.storage._db.execute("PRAGMA shrink_memory")  # type: ignore[attr-defined] # of pages it holds none
        failing = place.disk.may = Failing("read", n, apsw.SQLITE_IOERR_READ, True, name="")
        for act in (
            lambda kv=kv: {key: kv[key] for key in before} == before,
            lambda kv=kv: dict(kv.items()) == before,
            lambda kv=kv: [repr(r) for r in kv.history("doc")] == state[7]["doc"],
            lambda kv=kv: kv.put("row", ["a"]).value == ["a"],
            lambda kv=kv, peer=peer: peer.sync(kv).equal,
        ):
            try:
                assert act()
            except StorageFailed as error:
                refused += 1
                assert error.happened == "no" and error.next_step and str(place.path) in str(error)
        place.disk.may = may_all
        assert peer.check() == kv.check() == [] and kv.sync(peer).equal and dict(kv.items()) == dict(peer.items())
        kv.put("row", before["row"])
        assert dict(kv.items()) == before
        kv.close()
        if not failing.fell:
            break
    assert refused


@pytest.mark.parametrize(("kind", "for_ever"), [("write", False), ("sync", False), ("sync", True)])
def test_a_failed_commit_is_told_to_nobody(place: Place, kind: str, for_ever: bool) -> None:
    """No listener, no feed, no peer hears of what may not be there."""
    kv, peer, heard = place.open(), crdtkv.open(colo="sin"), []
    kv.sync(peer)
    kv.on_commit.append(lambda record, data: heard.append(record))
    feed = kv.watch(timeout=0)
    place.disk.may = Failing(kind, 1, apsw.SQLITE_IOERR, for_ever)
    with pytest.raises(StorageFailed) as caught:
        kv.put("a", 1)
    assert caught.value.happened == ("unknown" if for_ever else "no")
    place.disk.may = may_all
    assert heard == [] and list(feed) == []
    peer.put("b", 1)
    if for_ever:
        with pytest.raises(StorageFailed, match="it is not known"):
            peer.sync(kv)
    else:
        assert peer.sync(kv).equal
    assert "a" not in peer and peer.check() == []
    kv.close()
    with place.open() as kv:
        assert kv.sync(peer).equal and dict(kv) == dict(peer)


def test_a_sync_that_failed_is_not_made_good_by_the_next() -> None:
    """The disk that we test on forgets as a system does: it tells of what it could not write once."""
    left = set()
    for seed in range(20):
        inode = Inode(b"old")
        inode.write(0, b"new")
        inode.fail_to_sync(Random(seed))
        inode.sync()
        left.add(inode.after(Random(seed)))
    assert {b"old", b"new"} <= left


def test_errors_are_those_of_sqlite3(place: Place) -> None:
    """What the storage catches here is what it would catch."""
    kv = place.open()
    place.disk.may = Failing("write", 1, apsw.SQLITE_FULL, True)
    with pytest.raises(StorageFailed) as caught:
        kv.put("a", 1)
    cause = caught.value.__cause__
    assert isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode == sqlite3.SQLITE_FULL
    assert "database or disk is full" in str(caught.value)
