"""What a test leaves open fails that test, and is closed for the next."""

import sqlite3
from pathlib import Path

import pytest

from tests.connections import closed_after, none_left_open


def is_closed(db: sqlite3.Connection) -> bool:
    try:
        db.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_what_is_left_open_is_named_and_closed(tmp_path: Path) -> None:
    closed, before = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    with pytest.raises(AssertionError, match=r"still open, .*lost\.db$"), none_left_open():
        closed.close()
        left = sqlite3.connect(tmp_path / "lost.db")
    assert is_closed(left) and not is_closed(before)
    before.close()


def test_what_is_dropped_is_left_open(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"lost\.db"), none_left_open():
        sqlite3.connect(tmp_path / "lost.db")


def test_what_stops_where_it_stands_leaves_nothing_open() -> None:
    opened = []
    with pytest.raises(ZeroDivisionError), closed_after():
        opened.append(sqlite3.connect(":memory:"))
        raise ZeroDivisionError
    assert is_closed(opened[0])
