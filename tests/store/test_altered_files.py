"""Files that are not as they were written: found when that is read, named, and left as they are."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, ChecksumFailed, Corrupt, DigestMismatch
from crdtkv.storage.rows import pack_row
from tests.store.filling import fill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lhr.db"


def refused(path: Path, words: str) -> None:
    """Opening says what is wrong and where, and leaves the file free and as it was."""
    before = path.read_bytes()
    with pytest.raises(Corrupt) as caught:
        crdtkv.open(path, colo="lhr")
    assert type(caught.value) is ChecksumFailed and caught.value.happened == "no"
    assert str(path) in str(caught.value) and words in str(caught.value)
    assert path.read_bytes() == before
    db = sqlite3.connect(path, timeout=0)  # while the error, and all that it holds, is still at hand
    try:
        db.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as why:
        assert "locked" not in str(why)
    db.close()


def altered(path: Path, *statements: str) -> dict[str, Any]:
    """What it reads before that is done to its file."""
    with crdtkv.open(path, colo="lhr") as kv:
        fill(kv)
        before = reading(kv)
    db = sqlite3.connect(path)
    for statement in statements:
        assert db.execute(statement).rowcount
    db.commit()
    db.close()
    return before


def reading(kv: crdtkv.Store) -> dict[str, Any]:
    """What each key shows and showed, or the words of why it cannot be read."""
    said: dict[str, Any] = {}
    for key in ("doc", "row", "n", "log", "on", "blob", "mv", "ttl", "gone", "\U0001f600" * 100, "lost", "long"):
        try:
            entry = kv.get(key)
            said[key] = (entry and (entry.value, entry.version), [(r.version, r.value) for r in kv.history(key)])
        except ChecksumFailed as error:
            assert str(kv._replica.storage.path) in str(error) and error.happened == "no"  # type: ignore[attr-defined]
            said[key] = str(error)
    return said


def found(path: Path, before: dict[str, Any], *words: str, told: bool = False) -> list[str]:
    """Opened, each key reads as before or is said to be unreadable; and `check` says the words. The keys that are.

    `told`: what stands in them can be read, and is told to others.
    """
    with crdtkv.open(path, colo="lhr") as kv, crdtkv.open(colo="sin") as sin:
        now = reading(kv)
        wrong = kv.check()
        assert all(any(word in said for said in wrong) for word in words), wrong
        unread = [key for key in before if isinstance(now[key], str)]
        assert {k: v for k, v in now.items() if k not in unread} == {k: v for k, v in before.items() if k not in unread}
        if unread and not told:
            with pytest.raises(ChecksumFailed):  # nobody is told of a key that nobody can read
                sin.sync(kv)
        kv.put("other", 1)
        assert kv["other"] == 1
        return unread


COLUMNS = {"part": "siblings", "context": "entries", "past": "rows", "horizon": "horizon"}
BLOBS = ["x'c1'", "x'90'", "x'80'", "x'05'", "x'c0'", "'text'", "7", "x''"]


def filled(path: Path, *statements: str) -> dict[str, Any]:
    """As `altered`, with rows in all tables."""
    with (
        crdtkv.open(path, colo="lhr", clock=lambda: 1e9) as kv,
        crdtkv.open(colo="sin", clock=lambda: 1e9 + 1) as other,
    ):
        kv.put("lost", 0, strategy="lww")
        kv.sync(other)
        kv.put("lost", 1)
        other.put("lost", 2)
        kv.sync(other)
        fill(kv)
        kv.delete("n")
        kv.sync(other)
        kv.compact()
        kv.put("long", list(range(40)))
    return altered(path, *statements)


@pytest.mark.parametrize("blob", BLOBS)
@pytest.mark.parametrize("table", ["part", "past", "horizon"])
def test_altered_rows(path: Path, table: str, blob: str) -> None:
    """Bits that changed by themselves: the keys that they lie in are named, never a wrong value; others go on."""
    before = filled(path, f"UPDATE {table} SET {COLUMNS[table]}={blob}")
    assert found(path, before, f"checksum of {table}", told=table != "part")


@pytest.mark.parametrize("column", ["mark", "n", "stamp", "value", "rest", "due", "origin", "root"])
@pytest.mark.parametrize("value", ["NULL", "1", "'text'", "x'90'", "-5.5"])
def test_altered_columns_of_keys(path: Path, column: str, value: str) -> None:
    """Whatever stands in the place of what was written."""
    if value == "NULL" and column in ("mark", "n", "origin"):
        return  # there it cannot be
    before = filled(path, f"UPDATE cell SET {column} = {value} WHERE key IN ('lost', 'doc', 'mv')")
    found(path, before)


@pytest.mark.parametrize("blob", BLOBS)
@pytest.mark.parametrize(("table", "column"), [("inbox", "lost"), ("meta", "value")])
def test_altered_rows_without_a_key(path: Path, table: str, column: str, blob: str) -> None:
    """What the store is, and its inbox, are read when it is opened."""
    filled(path, f"UPDATE {table} SET {column}={blob}")
    refused(path, f"checksum of {table}")


def test_rows_that_changed_places(path: Path) -> None:
    """Each is sound by itself, and lies where it was not written."""
    before = altered(
        path, *(f"UPDATE cell SET ({', '.join(_REST)}) = (SELECT {', '.join(_REST)} FROM cell WHERE key='mv') "
                f"WHERE key='{key}'" for key in ("on", "blob")),
    )  # fmt: skip
    assert found(path, before, "checksum of 'on'") == ["on", "blob"]


_REST = ["mark", "origin", "n", "stamp", "root", "value", "rest", "due"]


def test_rows_that_are_missing(path: Path) -> None:
    """Found by the digest that is kept with the cells: by `check`, and by a peer at the next exchange."""
    altered(path, "DELETE FROM cell WHERE key='mv'")
    with crdtkv.open(path, colo="lhr") as kv, crdtkv.open(colo="sin") as sin:
        assert any("digest is" in word for word in kv.check())
        with pytest.raises(DigestMismatch, match="nothing of it was taken"):
            sin.sync(kv)
        assert sin.check() == [] and len(sin) == 0


def test_parts_and_listings_that_are_missing(path: Path) -> None:
    for statement, word in (
        ("DELETE FROM part WHERE key='long'", "no part of 'long'"),
        ("INSERT INTO part VALUES ('mv', x'00', x'90', NULL, 0)", "parts of 'mv'"),
        ("UPDATE name SET name = 'x~' || id WHERE name LIKE 'lhr~%'", "checksum"),
        ("INSERT INTO dot VALUES (0, 9, 'none')", "a dot of 'none'"),
        ("UPDATE cell SET due = 5 WHERE key = 'mv'", "a date by which 'mv'"),
    ):
        path.unlink(missing_ok=True)
        path.with_name("lhr.db-witness").unlink(missing_ok=True)
        with crdtkv.open(path, colo="lhr") as kv:
            kv.put("long", list(range(40)))
            kv.put("mv", 1)
        db = sqlite3.connect(path)
        db.execute(statement)
        db.commit()
        db.close()
        with crdtkv.open(path, colo="lhr") as kv:
            assert any(word in said for said in kv.check()), word


def test_a_state_that_is_missing(path: Path) -> None:
    """It is not taken for a new store: that would mint dots that are somebody's, over cells beyond its vector."""
    altered(path, "DELETE FROM meta WHERE name='state'")
    refused(path, "state is missing")


@pytest.mark.parametrize("state", [{}, [], 5, "x", {"id": 5}])
def test_a_state_that_is_none(path: Path, state: Any) -> None:
    """Somebody wrote it, and its checksum too."""
    blob, checksum = pack_row("meta", ("state",), state)
    altered(path, f"UPDATE meta SET value=x'{blob.hex()}', checksum={checksum} WHERE name='state'")
    refused(path, "no state of a replica")


def test_a_table_that_is_missing(path: Path) -> None:
    altered(path, "DROP TABLE past")
    refused(path, "no table past")


@pytest.mark.parametrize("kept", [100, 4096, 10_000, -1])
def test_a_truncated_file(path: Path, kept: int) -> None:
    """What bears our number and cannot be read was ours, and is corrupt: not somebody else's, not a disk's failure."""
    altered(path)
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "not as it was written")


def test_a_file_overwritten_in_the_middle(path: Path) -> None:
    altered(path)
    data = path.read_bytes()
    path.write_bytes(data[:5000] + b"\xff" * 8000 + data[13_000:])
    try:
        with crdtkv.open(path, colo="lhr") as kv:
            assert any("sqlite:" in word for word in kv.check())
    except ChecksumFailed as error:
        assert "not as it was written" in str(error)


def test_a_key_that_is_no_text(path: Path) -> None:
    """A byte of it changed; so does the driver's own error."""
    altered(path, "UPDATE cell SET key = CAST(x'6d76ff' AS TEXT) WHERE key = 'mv'")
    with crdtkv.open(path, colo="lhr") as kv:
        with pytest.raises(ChecksumFailed, match="decode"):
            list(kv.keys())
        assert kv["on"] is True
        assert any("decode" in word for word in kv.check())


@pytest.mark.parametrize("seed", range(40))
def test_bytes_that_changed_by_themselves(path: Path, seed: int) -> None:
    """Bits turned, zeros, a page in another's place, an end that is missing: what was written, or an error in words."""
    with crdtkv.open(path, colo="lhr") as kv:
        fill(kv)
        before = dict(kv.items())
    dice, data = random.Random(seed), bytearray(path.read_bytes())
    at, page = dice.randrange(len(data)), 4096 * dice.randrange(len(data) // 4096)
    match seed % 4:
        case 0:
            data[at] ^= 1 << dice.randrange(8)
        case 1:
            data[at : at + 300] = bytes(300)
        case 2:
            data[page : page + 4096] = data[:4096]
        case 3:
            del data[at:]
    path.write_bytes(data)
    try:
        with crdtkv.open(path, colo="lhr") as kv:
            # What is missing as a whole is not found by who asks for it, but by who asks for all.
            assert dict(kv.items()) == before or kv.check()
            kv.check()
    except crdtkv.CrdtkvError as error:
        assert str(path) in str(error) and error.happened == "no"


def test_a_colo_that_is_refused_locks_nothing(path: Path) -> None:
    """While the error and its traceback are still held."""
    crdtkv.open(path, colo="lhr").close()
    with pytest.raises(BadRequest) as caught:
        crdtkv.open(path, colo="sin")
    crdtkv.open(path, colo="lhr").close()
    assert caught.value


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    """As `mktemp` makes one; but not where a store's note beside it says that it was not empty."""
    path.touch()
    with crdtkv.open(path, colo="lhr") as kv:
        kv.put("a", 1)
    path.write_bytes(b"")
    refused(path, "is empty")
    path.unlink()
    crdtkv.open(path, colo="lhr").close()
