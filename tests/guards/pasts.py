"""A past in the tables of a file: in pieces, of which only those are written that are not as they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import crdtkv
from crdtkv.errors import ChecksumFailed
from crdtkv.storage import faults, pasts
from crdtkv.storage.tables import Tables
from crdtkv.storage.writing import Writing
from tests.colos import limited, refuses
from tests.guards.mutation import Line, guards
from tests.guards.pieces import freshened


@guards(
    "a piece is those of EACH numbers in a row",
    Line(pasts.changes, "if before.get(n) != piece", "if True"),
    Line(pasts.changes, " + [(n, ()) for n in before if n not in made]", ""),
    Line(pasts.changes, "first + gone, rows", "first, rows"),
    Line(pasts.changes, "had.index(rows[0]) if rows and rows[0] in had else len(had)", "len(had)"),
    Line(Writing._wrote_past, "old.kept |= kept", "pass"),
    Line(Writing._write_past, "if told or had[1]:", "if told:"),
    Line(Tables.past, "kept[path] = whole", "kept[path] = 0, whole[1]"),
)
def of_a_past_only_what_came_is_written() -> None:
    """And what is too old goes, from the views too. Also where it was read from the file before."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        written: list[Any] = []
        write = Tables.write

        def spy(tables: Tables, table: str, rows: Any) -> None:
            rows = list(rows)
            written.extend(where for where, _ in rows if table == "past" and where[0] == "k")
            write(tables, table, rows)

        with limited(Tables, "write", spy):  # type: ignore[arg-type]
            for begin in range(0, 240, 60):
                with crdtkv.open(path, colo="a") as kv:
                    for n in range(begin, begin + 60):
                        kv.put("k", n)
                        with kv._lock:
                            freshened(kv._replica.storage)
                with crdtkv.open(path, colo="a") as kv:
                    history = [revision.value for revision in kv.history("k")]
                    assert history == list(range(n + 1))[-len(history) :] and len(history) > min(n, 64)
                with closing(sqlite3.connect(path)) as db:
                    rows = list(db.execute("SELECT json_array_length(shown) FROM was WHERE key = 'k' ORDER BY n"))
                    assert sum(count for (count,) in rows) == len(history) - 1
                    assert len(rows) == len(list(db.execute("SELECT n FROM past WHERE key = 'k'")))
                    tables = Tables(db)
                    tables.begin()
                    assert not list(faults.faults(db, tables))
        assert len(written) < 240 + 60, "a piece a put, and those that go"


@guards(
    "of the past of",
    Line(pasts.joined, "return kept if list(cut(kept)) == pieces else None", "return kept"),
)
def a_past_with_a_hole_is_not_shown() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a") as kv:
            for n in range(40):
                kv.put("k", n)
        with closing(sqlite3.connect(path)) as db:
            db.execute("DELETE FROM past WHERE n = 2")
            db.commit()
        with crdtkv.open(path, colo="a") as kv:
            assert kv["k"] == 39
            assert refuses(ChecksumFailed, lambda: list(kv.history("k")))
            assert any("of which a piece is missing" in word for word in kv.check())
