"""Files put back as they were: what a copy has forgotten that it wrote is not written again under the same numbers."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import crdtkv
from crdtkv.errors import BadRequest, ChainBroken, NotAMember, NotBackYet
from crdtkv.storage import journal
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.storage.witness import TOLERANCE_NS, Witness
from tests.colos import crash

SUFFIXES = ("", "-witness")


class Place:
    """The file of colo `lhr`, its peers in memory, and a backup of the file."""

    def __init__(self, folder: Path) -> None:
        self.path, self.backup = folder / "lhr.db", folder / "backup"
        self.opened = 0
        self.kv = self.open()
        self.sin, self.gru = crdtkv.open(colo="sin"), crdtkv.open(colo="gru")
        self.sync()

    def open(self) -> crdtkv.Store:
        self.opened += 1
        self.kv = crdtkv.open(self.path, colo="lhr", random=random.Random(self.opened))
        return self.kv

    def sync(self) -> None:
        for _ in range(3):
            self.kv.sync(self.sin)
            self.kv.sync(self.gru)
            self.sin.sync(self.gru)

    def back_up(self) -> None:
        """As `cp` does, also of a file that is open."""
        self.backup.mkdir()
        for file in self.path.parent.glob("lhr.db*"):
            shutil.copy2(file, self.backup / file.name)

    def put_back(self, *suffixes: str) -> None:
        """Laid over the file: its device and inode stay as they are."""
        self.kv.close()
        inode = self.path.stat().st_ino
        _pass(self.path.with_name("probe"))
        for suffix in ("-wal", *journal.SUFFIXES, *suffixes):
            for folder in (self.backup, self.path.parent):
                if (folder / f"lhr.db{suffix}").exists() and folder == self.backup:
                    shutil.copy2(folder / f"lhr.db{suffix}", self.path.with_name(f"lhr.db{suffix}"))
        assert self.path.stat().st_ino == inode

    def is_known(self) -> bool:
        """Whether it knows that it is a copy: it writes nothing before it has met a member."""
        try:
            self.open().counter("n").add(1_000)
        except NotBackYet as error:
            assert "copy" in str(error) and error.happened == "no"
            return True
        return False


def _pass(probe: Path) -> None:
    """Until the clock of the file system has moved on by more than a witness can tell."""
    probe.touch()
    began = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns - began <= 2 * TOLERANCE_NS:
        probe.write_bytes(b"x")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    for kv in (place.kv, place.sin, place.gru):
        assert kv.check() == []
        kv.close()


def test_opened_and_closed_and_killed_it_is_no_copy(place: Place) -> None:
    name = place.kv.id
    for _ in range(3):
        place.kv.counter("n").add(1)
        place.kv.close()
        assert place.open().id == name
    crash(place.kv)
    assert not place.is_known() and place.kv.id == name


@pytest.mark.parametrize("met", [False, True])
@pytest.mark.parametrize("suffixes", [("",), SUFFIXES], ids=["the-file", "the-file-and-its-witness"])
def test_laid_over_the_file(place: Place, suffixes: tuple[str, ...], met: bool) -> None:
    """A backup made while the store was open, put back after it wrote more, which others have or not."""
    if len(suffixes) > 1 and not place.kv._replica.storage._witness._boot:  # type: ignore[attr-defined]
        pytest.skip("this system does not say when it was started")
    name = place.kv.id
    place.kv.counter("n").add(1)
    place.sync()
    place.kv.counter("n").add(10)  # in the backup, and nobody else has it
    place.back_up()
    place.kv.counter("n").add(100)
    if met:
        place.sync()
    place.put_back(*suffixes)
    assert place.is_known()
    place.sync()
    assert place.kv.id != name and place.kv.id in place.sin.members
    place.kv.counter("n").add(1_000)
    place.sync()
    total = 1_111 if met else 1_011  # what only the lost file held is lost
    assert [int(kv.counter("n")) for kv in (place.kv, place.sin, place.gru)] == [total] * 3


def test_put_back_as_it_is_it_has_forgotten_nothing(place: Place) -> None:
    place.kv.counter("n").add(1)
    place.back_up()
    place.put_back("")
    assert not place.is_known()


def test_the_witness_is_lost(place: Place) -> None:
    """Nobody can say any more whether the file is an old one."""
    place.kv.close()
    place.path.with_name("lhr.db-witness").unlink()
    assert place.is_known()
    place.sync()


@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_copy_that_nothing_gives_away(place: Place, more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the restore of a whole machine: it writes, and learns at its first sync whose numbers it used.

    What it wrote is taken back, and minted anew under a new name. What it counted is in
    its inbox: its share and the lost file's went on from one total, and neither says what it was.
    """
    place.sync()
    place.back_up()
    for _ in range(2):
        place.kv.counter("n").add(100)
        place.kv.set("tags").add("lost file")
    place.sync()
    name = place.kv.id
    monkeypatch.setattr(SqliteStorage, "noted", lambda self: None)
    place.put_back("")
    kv = place.open()
    kv.counter("n").add(1_000)
    for _ in range(more):
        kv.set("tags").add("copy")
    kv.put("k", 1)
    assert kv.id == name
    place.sync()
    assert kv.id != name
    for colo in (kv, place.sin, place.gru):
        assert int(colo.counter("n")) == 200 and colo["k"] == 1
        assert colo["tags"] == ["lost file"] if not more else ["copy", "lost file"]
    assert [c.key for c in kv.conflicts()] == ["n"]


def test_a_copy_whose_members_have_moved_on(place: Place) -> None:
    """Its incarnation was evicted since: it takes everything anew, and what it alone held is in its inbox."""
    place.kv.put("k", "in the backup only")
    place.back_up()
    place.kv.counter("n").add(1)
    place.sin.evict("lhr")
    place.sin.sync(place.gru)
    place.put_back("")
    place.open()
    place.sync()
    assert "k" not in place.kv and [c.value for c in place.kv.conflicts()] == ["in the backup only"]
    assert place.kv.members == place.sin.members == place.gru.members


def test_a_copy_that_is_all_that_is_left(place: Place) -> None:
    """An operator evicts the others there, and it writes again. One that was not lost returns to it."""
    place.kv.counter("n").add(1)
    place.sync()
    place.back_up()
    place.kv.counter("n").add(10)
    place.put_back("")
    assert place.is_known()
    kv, name = place.kv, place.kv.id
    stranger = crdtkv.open(colo="iad")
    with pytest.raises(NotAMember, match="no member of what"):
        kv.sync(stranger)
    kv.evict("sin")
    with pytest.raises(NotBackYet, match="evict all others"):
        kv.counter("n").add(1_000)
    kv.evict("gru")
    assert kv.id != name and kv.members == [kv.id]
    kv.counter("n").add(1_000)
    place.gru.set("tags").add("gru")
    place.sync()
    assert [int(colo.counter("n")) for colo in (kv, place.sin, place.gru)] == [1_001] * 3
    assert kv["tags"] == ["gru"] and len(kv.members) == 3
    stranger.sync(kv)
    assert stranger["n"] == 1_001


def test_a_copy_beside_its_original(place: Place, tmp_path: Path) -> None:
    """Both are open: they are told apart when they meet."""
    place.kv.put("k", 1)
    place.back_up()
    (tmp_path / "other").mkdir()
    for file in place.backup.iterdir():
        shutil.copy(file, tmp_path / "other" / file.name)
    twin = crdtkv.open(tmp_path / "other" / "lhr.db", colo="lhr")
    with pytest.raises(ChainBroken, match="one is a copy"):
        twin.sync(place.kv)
    twin.close()


def test_an_old_copy_that_was_alone(tmp_path: Path) -> None:
    """It goes on as a namespace of its own; those that joined the original later are not told to forget it."""
    path = tmp_path / "lhr.db"
    with crdtkv.open(path, colo="lhr") as kv:
        for i in range(5):
            kv.put(f"k{i}", i)
    shutil.copy(path, tmp_path / "backup")
    sin = crdtkv.open(colo="sin")
    with crdtkv.open(path, colo="lhr") as kv:
        kv.put("since", 1)
        sin.sync(kv)
    shutil.copy(tmp_path / "backup", path)
    with crdtkv.open(path, colo="lhr") as kv:
        for i in range(9):
            kv.put(f"copy{i}", i)
        sin.sync(kv)
        sin.sync(kv)
        assert sin["since"] == kv["since"] == 1 and sin["copy8"] == kv["copy8"] == 8
        assert sin.vector == kv.vector and sin.members == kv.members == sorted([kv.id, sin.id])


def test_what_a_witness_says(tmp_path: Path) -> None:
    path = tmp_path / "w"
    witness = Witness(path)
    assert witness.noted() == ""
    for words in ("lhr~k3f7 12", "lhr~k3f7 1", "x"):
        witness.note(words)
        assert witness.noted() == words
    witness.close()
    witness.close()
    again = Witness(path)
    assert again.noted() == "x"
    again.close()
    path.write_bytes(b"garbage")
    strange = Witness(path)
    assert strange.noted() == ""
    strange.close()


def test_two_stores_of_one_colo_take_turns_and_lose_nothing() -> None:
    """They are refused where they meet; through a third one each takes part again when it meets it."""
    one, two, third = (crdtkv.open(colo=colo) for colo in ("lhr", "lhr", "sin"))
    one.put("one", 1)
    two.put("two", 2)
    with pytest.raises(BadRequest, match=r"stores of one colo, open at once"):
        one.sync(two)
    for _ in range(2):
        for kv in (one, two):
            kv.sync(third)
            kv.put(f"more/{kv.id}", 1)
            kv.sync(third)
    one.sync(third)
    assert {"one", "two"} <= set(one) == set(third) and len(list(third.keys("more/"))) == 4
