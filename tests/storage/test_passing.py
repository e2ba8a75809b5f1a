"""Who passes through a range of keys reads their rows by one statement, as far as he goes, and none is kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

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


def stamp_of(said: Any) -> Any:
    return said[0], said[3]


def nothing(*_: Any) -> None:
    return None


@pytest.mark.parametrize("reverse", [False, True])
def test_a_range_takes_one_statement(storage: SqliteStorage, reverse: bool) -> None:
    found = asked(storage)
    passed = list(storage.passing("", None, reverse, stamp_of, nothing))
    assert passed == sorted(((key, n << 16) for n, key in enumerate(KEYS, 1)), reverse=reverse)
    assert len(found) == 1


def test_no_more_rows_are_read_than_are_asked_for(storage: SqliteStorage) -> None:
    """Where the one behind them is damaged, it is not met."""
    storage._db.execute("UPDATE cell SET stamp = stamp + 1 WHERE key = '005'")
    passed = storage.passing("", None, False, stamp_of, nothing)
    assert [key for key, _ in islice(passed, 5)] == KEYS[:5]
    with pytest.raises(ChecksumFailed):
        next(passed)


def test_what_cannot_be_read_of_a_strategy_is_not_the_files_fault(storage: SqliteStorage) -> None:
    """What is made of a row may raise: that is not taken for a row that cannot be read."""
    with pytest.raises(KeyError):
        next(storage.passing("", None, False, lambda said: {}[said[0]], nothing))


def test_nothing_of_it_stays_in_memory(storage: SqliteStorage) -> None:
    weight = storage._keys.weight
    assert len(list(storage.passing("", None, False, None, lambda key, cells, context: key))) == len(KEYS)
    assert storage._keys.weight == weight


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
