"""Stores that may not be written: what reads, reads; what writes says why it cannot."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.cli import unwritable
from crdtkv.storage import backup, checkpoint
from crdtkv.store import following
from tests.cli.conftest import Run

NOTE = "note: 'lhr.db' may not be written here; what is read is a copy of it, as it is now\n"


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {found.name: (found.stat().st_size, found.stat().st_mtime_ns) for found in folder.iterdir()}


@pytest.fixture
def made(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Nothing may be written (a test may be run by root, who may all)."""
    run("put", "todo", "[1, 2]")
    run("put", "todo", "[1, 2, 3]")
    monkeypatch.setattr(unwritable.os, "access", lambda path, mode: mode != os.W_OK)
    return run


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["get", "todo"], "[1, 2, 3]\n"), (["get", "todo", "--as-of", "~1"], "[1, 2]\n"),
        (["scan", "-k", "-o", "raw"], "todo\n"), (["export"], '{"key":"todo","value":[1,2,3]}\n'),
        (["check"], "sound: 1 key"), (["rules"], "no rules"), (["conflicts"], "no conflicts"),
        (["history", "todo", "-o", "raw"], "[1, 2, 3]"), (["stats", "-o", "raw"], "1\n"),
        (["members", "list", "-o", "raw"], "lhr~"), (["diff", "todo", "-o", "raw"], "add\t/2\t3\n"),
    ],
)  # fmt: skip
def test_it_is_read_and_nothing_is_changed(made: Run, here: Path, words: list[str], says: str) -> None:
    before = listing(here)
    done = made(*words)
    assert says in done.out and (done.code, done.err) == (0, NOTE)
    assert listing(here) == before


def test_what_is_read_of_a_copy_is_not_noted_and_the_next_store_is(made: Run, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("crdtkv")
    made("get", "todo")
    assert all(isinstance(handler, logging.NullHandler) for handler in log.handlers)
    log.warning("the next store was put back")
    assert "was put back" in caplog.text


def test_also_while_its_own_process_writes_to_it(made: Run) -> None:
    with crdtkv.open("lhr.db") as kv:
        kv["todo"] = [4]
        assert made("get", "todo").out == "[4]\n"


def test_also_where_its_journal_goes_on_in_the_other_file_meanwhile(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two of the copies: what is read is of one instant."""
    read = backup.journal_of
    monkeypatch.setattr(checkpoint, "STEP_ROWS", 1)
    monkeypatch.setattr(following, "FRESH_S", None)
    with crdtkv.open("lhr.db") as kv:
        storage: Any = kv._replica.storage
        for n in range(2):
            kv["todo"] = [n]
            written = iter(range(10 * n + 1, 10 * n + 3))

            def look(db: Any, path: str, written: Any = written) -> list[tuple[int, bytes]]:
                found = read(db, path)
                for more in written:
                    kv["todo"] = [more]
                    storage._checkpoint.step()
                return found

            monkeypatch.setattr(backup, "journal_of", look)
            done = made("get", "todo")
            assert (done.code, done.out[0]) == (0, "["), done
            monkeypatch.setattr(backup, "journal_of", read)


def test_also_where_sqlite_cannot_read_its_log(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connect: Any = sqlite3.connect

    def refused(path: Any, **given: Any) -> Any:
        if "uri" in given:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path, **given)

    with crdtkv.open("lhr.db") as kv:
        kv["todo"] = [4]
        monkeypatch.setattr(sqlite3, "connect", refused)
        assert made("get", "todo").out == "[4]\n"
