"""A past in the tables of a file: in pieces, of which only those are written that are not as they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import crdtkv
from crdtkv.errors import ChecksumFailed
from crdtkv.storage import faults, pasts
from crdtkv.storage.held import Old
from crdtkv.storage.tables import Tables
from tests.colos import limited, refuses
from tests.guards.mutation import Line, guards
from tests.guards.pieces import freshened


@guards(
    "A piece is some rows that came one after the other, under the number of the first",
    Line(pasts.changes, "and before.get(n) != blob", ""),
    Line(pasts.changes, " + [(n, None) for n in before if n not in made]", ""),
    Line(pasts._joined, "count == _MOST or len(blob) + len(data) > PIECE_BYTES", "count == _MOST"),
    Line(Old.wrote, "self.kept, self.known, self.changed = self.rows, horizon, None", "self.known, self.changed = horizon, None"),
    Line(Tables.tell, "if gone:", "if False:"),
    Line(Tables.tell_more, "if rows:", "if False:"),
    Line(Old.changed_at, "self.rows = dict(self.kept)", "pass"),
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
                        kv.put("k", f"{n:060}")
                        with kv._lock:
                            freshened(kv._replica.storage)
                with crdtkv.open(path, colo="a") as kv:
                    history = [int(revision.value or -1) for revision in kv.history("k")]
                    assert history == list(range(n + 1))[-len(history) :] and len(history) > min(n, 64)
                with closing(sqlite3.connect(path)) as db:
                    rows = list(db.execute("SELECT json_array_length(shown) FROM was WHERE key = 'k' ORDER BY n"))
                    assert sum(count for (count,) in rows) == len(history) - 1
                    assert len(rows) == len(list(db.execute("SELECT n FROM past WHERE key = 'k'")))
                    assert max(map(len, map(itemgetter(0), db.execute("SELECT rows FROM past")))) <= pasts.PIECE_BYTES
                    tables = Tables(db)
                    tables.begin()
                    assert not list(faults.faults(db, tables))
        assert len(written) < 240 + 90, "a piece a put, and those that go"


@guards(
    "of the past of",
    Line(pasts.Past.found, "or (made and n != made[-1][0] + made[-1][1])", ""),
    Line(Tables.piece, 'checked("past", (key, path, n), *found)', "found[0]"),
    Line(Tables.past, 'checked("past", (key, path, n), blob, checksum)', "pass"),
)
def a_past_with_a_hole_or_a_fault_is_not_shown() -> None:
    """What was written last can be written over all the same, unless the fault is where that goes."""
    hole = "DELETE FROM past WHERE n = (SELECT min(n) FROM past WHERE n > 0)"
    middle, last = (
        "UPDATE past SET rows = CAST(substr(rows, 1, 9) || x'07' || substr(rows, 11) AS BLOB) WHERE n = "
        f"(SELECT {which}(n) FROM past WHERE n > 0)" for which in ("min", "max")
    )  # fmt: skip
    for statement, goes_on in ((hole, False), (middle, True), (last, False)):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                for n in range(60):
                    kv.put("k", n)
            with closing(sqlite3.connect(path)) as db:
                db.execute(statement)
                db.commit()
            with crdtkv.open(path, colo="a") as kv:
                assert kv["k"] == 59 and len(kv.check()) == 1
                assert refuses(ChecksumFailed, lambda kv=kv: list(kv.history("k")))
                assert refuses(ChecksumFailed, lambda kv=kv: kv.put("k", 60)) is not goes_on
