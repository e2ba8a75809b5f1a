"""Who goes through a range of keys reads their rows together: fewer statements, and nothing else is different."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crdtkv.core import values
from crdtkv.core.cells import Cell, Sibling
from crdtkv.errors import ChecksumFailed
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.strategies.roots import root_path

ROOT = root_path("json")
KEYS = [f"{n:03}" for n in range(200)]
SIZE = 3000


def cell(n: int) -> Cell:
    return (Sibling(("lhr~aaaa", n), n << 16, values.pack(f"{n:04}" + "x" * SIZE)),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    storage = SqliteStorage(tmp_path / "x.db")
    storage.begin()
    for n, key in enumerate(KEYS, 1):
        storage.put_cell(key, ROOT, cell(n))
        storage.put_context(key, {"lhr~aaaa": n})
    storage.commit()
    storage.close()
    return tmp_path / "x.db"


@pytest.fixture
def storage(path: Path) -> Iterator[SqliteStorage]:
    storage = SqliteStorage(path)
    yield storage
    storage.close()


def asked(storage: SqliteStorage) -> list[str]:
    """The statements that are run from now on."""
    found: list[str] = []
    storage._db.set_trace_callback(lambda words: found.append(words) if words.startswith("SELECT key") else None)
    return found


@pytest.mark.parametrize("reverse", [False, True])
def test_a_range_takes_few_statements(storage: SqliteStorage, reverse: bool) -> None:
    found = asked(storage)
    assert [key for key in storage.keys("", None, reverse) if storage.cells(key)] == sorted(KEYS, reverse=reverse)
    assert len(found) < 20
    assert storage.cells("007") == {ROOT: cell(8)}


def test_what_was_changed_meanwhile_is_not_read_over(storage: SqliteStorage) -> None:
    storage.begin()
    given = storage.keys("", None)
    next(given)
    storage.put_cell("001", ROOT, cell(999))
    storage.put_cell("002", ROOT, ())
    assert storage.cells("000") == {ROOT: cell(1)}
    assert (storage.cells("001"), storage.cells("002"), storage.cells("003")) == (
        {ROOT: cell(999)},
        {},
        {ROOT: cell(4)},
    )
    assert list(given)[:2] == ["001", "002"]  # (the page had been read)
    storage.rollback()
    assert storage.cells("001") == {ROOT: cell(2)}


def test_a_row_that_was_damaged_is_told_of_its_key_alone(path: Path) -> None:
    storage = SqliteStorage(path)
    storage._db.execute("UPDATE cell SET stamp = stamp + 1 WHERE key = '005'")
    read, wrong = [], []
    for key in storage.keys("", None):
        try:
            read.append(storage.cells(key))
        except ChecksumFailed:
            wrong.append(key)
    assert wrong == ["005"]
    assert len(read) == len(KEYS) - 1
    storage.close()


@pytest.mark.parametrize("kilobytes", [0, 40, 400])
def test_no_more_is_read_than_there_is_room_for(path: Path, kilobytes: int) -> None:
    """Each row is read ahead once, whatever becomes of it."""
    storage = SqliteStorage(path, cache_mb=0)
    storage._ahead_bytes = storage._keys._limit = kilobytes << 10
    found = asked(storage)
    for key in storage.keys("", None):
        storage.cells(key)
        assert storage._keys.weight <= max(kilobytes << 10, 2 * (SIZE + 2000))
    assert len(found) < 2 * len(KEYS) + 10
    storage.close()
