"""SQLite's connections that a test leaves open: told in the test that does it, on every Python.

Since 3.13 sqlite3 itself warns of one that is dropped without a close, but only when that
is noticed: in whatever test runs then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["closed_after", "none_left_open", "watched"]


class _Watched(sqlite3.Connection):
    """Kept until it is closed."""

    def close(self) -> None:
        super().close()
        _open.pop(self, None)


_open: dict[_Watched, str] = {}
"""What each one has open."""


@contextmanager
def watched() -> Iterator[None]:
    """Meanwhile each connection that sqlite3 opens is known."""
    connect = sqlite3.connect

    def keep(database: Any, *given: Any, **options: Any) -> _Watched:
        db: _Watched = connect(database, *given, factory=_Watched, **options)
        _open[db] = str(database)
        return db

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", keep)
        yield


@contextmanager
def none_left_open() -> Iterator[None]:
    """Fails where one that was opened meanwhile was not closed; it is closed then, for the tests to come."""
    before = set(_open)
    yield
    left = {db: path for db, path in _open.items() if db not in before}
    for db in left:
        db.close()
    assert not left, f"still open, where a test closes what it opens: {', '.join(left.values())}"


@contextmanager
def closed_after() -> Iterator[None]:
    """For what stops where it stands, as a proof does that fails: what it leaves open is closed."""
    before = set(_open)
    try:
        yield
    finally:
        for db in set(_open) - before:
            db.close()
