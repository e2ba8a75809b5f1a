"""Files that are not as they were written: found when they are opened, named, and left as they are."""

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


def refused(path: Path, words: str, error: type[Corrupt] = ChecksumFailed) -> None:
    """Opening says what is wrong and where, and leaves the file free and as it was."""
    before = path.read_bytes()
    with pytest.raises(Corrupt) as caught:
        crdtkv.open(path, colo="lhr")
    assert type(caught.value) is error and caught.value.happened == "no"
    assert str(path) in str(caught.value) and words in str(caught.value)
    assert path.read_bytes() == before
    db = sqlite3.connect(path, timeout=0)  # while the error, and all that it holds, is still at hand
    try:
        db.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as why:
        assert "locked" not in str(why)
    db.close()


def altered(path: Path, *statements: str) -> None:
    with crdtkv.open(path, colo="lhr") as kv:
        fill(kv)
    db = sqlite3.connect(path)
    for statement in statements:
        assert db.execute(statement).rowcount
    db.commit()
    db.close()


COLUMNS = {
    "cell": "siblings",
    "context": "entries",
    "past": "rows",
    "horizon": "horizon",
    "inbox": "lost",
    "meta": "value",
}


@pytest.mark.parametrize("blob", ["x'c1'", "x'90'", "x'80'", "x'05'", "x'c0'", "'text'", "7", "x''"])
@pytest.mark.parametrize("table", COLUMNS)
def test_altered_rows(path: Path, table: str, blob: str) -> None:
    """Bits that changed by themselves, in any table: named, never a wrong value and never another error."""
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
    altered(path, f"UPDATE {table} SET {COLUMNS[table]}={blob}")
    refused(path, f"checksum of {table}")


def test_rows_that_changed_places(path: Path) -> None:
    """Each is sound by itself, and lies where it was not written."""
    altered(
        path,
        "UPDATE context SET (entries, checksum) = "
        "(SELECT entries, checksum FROM context WHERE key='row') WHERE key='n'",
    )
    refused(path, "checksum of context 'n'")


def test_rows_that_are_missing(path: Path) -> None:
    """Found by the digest that is kept with the cells: at every open, and by `check`."""
    altered(path, "DELETE FROM cell WHERE key='mv'")
    refused(path, "digest", DigestMismatch)


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
    refused(path, "not as it was written")


def test_a_key_that_is_no_text(path: Path) -> None:
    """A byte of it changed; so does the driver's own error."""
    altered(path, "UPDATE cell SET key = CAST(x'6d76ff' AS TEXT) WHERE key = 'mv'")
    refused(path, "decode")


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
            assert dict(kv.items()) == before and kv.check() == []
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
