"""What lies under the rules: disks, indexes, digests, messages, paths, clocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import crdtkv
from crdtkv.core import clocks, digest, paths, wire
from crdtkv.core.wire import decode
from crdtkv.errors import (
    BadRequest,
    ChecksumFailed,
    Corrupt,
    FormatTooNew,
    MessageInvalid,
    NotAStore,
    StoreLocked,
)  # fmt: skip
from crdtkv.replica import life
from crdtkv.replica.core import Replica
from crdtkv.storage import rows, sqlite
from crdtkv.storage.memory import MemoryStorage
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.store import store
from tests.colos import Colos, arrive, cut, limited, record, refuses, shows
from tests.guards.mutation import Line, guards

# disks


def _all_of(kv: crdtkv.Store) -> dict[str, Any]:
    """All that a store is asked for."""
    return {
        "vector": kv.vector, "floor": kv.floor, "digest": kv.digest(), "values": dict(kv.items()), "check": kv.check(),
        "history": [(r.version, r.value, r.known) for r in kv.history("k")],
        "old": [(r.version, r.value, r.known) for r in kv.history("doc")],
        "conflicts": [(c.id, c.value) for c in kv.conflicts()], "clock": kv._replica.state.ceiling,
    }  # fmt: skip


def _lose(table: str) -> Line:
    return Line(
        SqliteStorage._save,
        "for table, where in changed:",
        f"for table, where in [c for c in changed if c[0] != '{table}']:",
    )


@guards(
    "Law: a transaction's rows are in the file, synced, before `commit` returns.",
    *map(_lose, ("cell", "context", "past", "horizon", "inbox", "meta")),
    Line(SqliteStorage._save_row, "if row is None:", "if False:"),
    Line(SqliteStorage._save, 'self._db.execute("COMMIT")', "self._db.execute('ROLLBACK')"),
)
def what_was_committed_is_there_when_it_is_opened_again() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        colos = Colos("a", "b", folder=Path(folder), memory="b")
        a, b = colos["a"], colos["b"]
        a.put("k", 1)
        a.put("k", 2)
        b.put("lost", "later")
        a.put("lost", "earlier")
        b.put("lost", "latest")
        a.put("gone", 1)
        a.delete("gone")
        b.put("doc", {"x": 1}, strategy="json")
        colos.meet()
        a.delete("doc")
        a.put("doc", {"y": 1}, strategy="json")
        colos.purge()
        before = _all_of(a)
        assert before["conflicts"] and before["history"] and before["floor"]
        a.close()
        assert _all_of(colos.open("a")) == before
        colos["a"].close()


@guards(
    "One process at a time: the file is locked while it is open.",
    Line(SqliteStorage._open, "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA locking_mode=NORMAL"),
)
def a_file_that_is_open_is_refused() -> None:
    """Case 6."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a"):
            assert refuses(StoreLocked, lambda: crdtkv.open(path, colo="a").close())


@guards(
    "Raises StoreLocked if another process has it open, FormatTooNew if a later release made it",
    Line(SqliteStorage._is_new, "if found > FORMAT:", "if False:"),
)
def a_file_of_a_later_release_is_refused() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with limited(sqlite, "FORMAT", sqlite.FORMAT + 1):
            crdtkv.open(path, colo="a").close()
        assert refuses(FormatTooNew, lambda: crdtkv.open(path, colo="a").close())


@guards(
    "Only a file that bears our number is a store; only one that holds nothing becomes one.",
    Line(SqliteStorage._is_new, "if mark != APPLICATION_ID and (mark or found or tables):", "if False:"),
    Line(SqliteStorage._is_new, "if self._was_there and self._was_noted():", "if False:"),
)
def a_file_of_somebody_else_and_a_store_that_was_emptied_are_refused() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path, emptied = Path(folder) / "notes.db", Path(folder) / "a.db"
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE notes (a)")
        crdtkv.open(emptied, colo="a").close()
        emptied.write_bytes(b"")
        assert refuses(NotAStore, lambda: crdtkv.open(path, colo="a").close())
        assert refuses(ChecksumFailed, lambda: crdtkv.open(emptied, colo="a").close())


@guards(
    "bits that changed by themselves, and a row that came to lie in the place of another, are found when it is read.",
    Line(rows.unpack_row, "if type(blob) is not bytes or _checksum(table, where, blob) != checksum:", "if False:"),
    Line(rows._checksum, "(table, *where)", "(table,)"),
)
def a_row_that_is_not_what_was_written_there_is_found() -> None:
    """One bit of a value; and two values, each sound, in each other's place."""
    flipped = "UPDATE cell SET siblings = x'{}' WHERE key = 'k'"
    moved = "UPDATE past SET (rows, checksum) = (SELECT rows, checksum FROM past WHERE key = 'l') WHERE key = 'k'"
    for statement in (flipped, moved):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                for key, value in (("k", 1), ("k", 3), ("l", 2), ("l", 3)):
                    kv.put(key, value)
            with closing(sqlite3.connect(path)) as db:
                [[blob]] = db.execute("SELECT siblings FROM cell WHERE key = 'k'").fetchall()
                db.execute(statement.format(blob.replace(b"\xc4\x01\x03", b"\xc4\x01\x02").hex()))
                db.commit()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(life, "_check_digest", lambda storage, kept: None)
                assert refuses(ChecksumFailed, lambda path=path: crdtkv.open(path, colo="a").close())


@guards(
    "Rows have checksums of their own; this finds those that are missing, or are of another time.",
    Line(life._check_digest, "if found != kept:", "if False:"),
    Line(life.begin, 'if plain is None and next(storage.keys("", None), None) is not None:', "if False:"),
)
def rows_that_are_missing_are_found_when_a_store_is_opened() -> None:
    for missing in ("cell WHERE key = 'k'", "meta WHERE name = 'state'"):
        with TemporaryDirectory(prefix="crdtkv-") as folder:
            path = Path(folder) / "a.db"
            with crdtkv.open(path, colo="a") as kv:
                kv.put("k", 1)
            with closing(sqlite3.connect(path)) as db:
                db.execute(f"DELETE FROM {missing}")
                db.commit()
            assert refuses(Corrupt, lambda path=path: crdtkv.open(path, colo="a").close())


@guards(
    "who is told that it cannot be opened must not find it locked by us.",
    Line(SqliteStorage.__init__, "self.close()", "pass"),
    Line(store.open_store, "storage.close()", "pass"),
)
def a_store_that_could_not_be_opened_locks_nothing() -> None:
    """By the storage, of a row that is wrong, and by the store, of another colo's name; while the error is at hand."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        crdtkv.open(path, colo="a").close()
        try:
            crdtkv.open(path, colo="b")
        except BadRequest as error:
            crdtkv.open(path, colo="a").close()
            assert error
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE cell SET checksum = 0")
            db.commit()
        try:
            crdtkv.open(path, colo="a")
        except ChecksumFailed as error:
            with closing(sqlite3.connect(path, timeout=0)) as db:
                assert not refuses(sqlite3.OperationalError, lambda: db.execute("SELECT key FROM cell").fetchall())
            assert error


@guards(
    "Where a sibling stands whose dot `vector` does not cover.",
    Line(MemoryStorage._index, "by_n[n].add(place)", "pass"),
    Line(MemoryStorage.beyond, "vector.get(replica, 0) + 1", "vector.get(replica, 0) + 2"),
)
def a_catch_up_has_all_that_is_new() -> None:
    """Two keys of one transaction, and the next one."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    with a.transaction() as t:
        t.put("x", 1)
        t.put("y", 1)
    a.put("z", 1)
    arrive(b, cut(a, b))
    assert [shows(b, key) for key in "xyz"] == [1, 1, 1]


@guards(
    "The cells that `core.cells.due` puts at or below `floor`.",
    Line(MemoryStorage._index, "self._due.add((now, *place))", "pass"),
    Line(MemoryStorage._index, "self._due.discard((was, *place))", "pass"),
)
def a_purge_finds_all_that_may_go_and_nothing_else() -> None:
    colos = Colos("a", "b")
    a = colos["a"]
    for key in "xy":
        a.put(key, 1)
        a.delete(key)
    a.put("y", 2)
    colos.purge()
    storage = a._replica.storage
    assert [len(storage.cells(key)) for key in "xy"] == [0, 1]
    assert storage.due(1 << 64) == [(k, p) for k, p in storage.due(1 << 64) if p in storage.cells(k)]


# digests and memos


@guards(
    "Two stores that have the same of both and not the same digest have a bug or bit rot between them.",
    Line(
        Replica.set_cell,
        "+ cell_digest(key, path, cell) - cell_digest(key, path, old)",
        "+ cell_digest(key, path, cell)",
    ),
    Line(Replica.set_context, "self.state.digest = (self.state.digest + change) % MODULUS", "pass"),
    Line(digest.cell_digest, "place = msgpack.packb((key, path))", "place = msgpack.packb(key)"),
    Line(digest.context_digest, "msgpack.packb((key, r, n))", "msgpack.packb((key, r))"),
)
def a_digest_is_of_all_cells_and_contexts() -> None:
    """It follows every change, and cells in other places, or contexts with other numbers, give another one."""
    kv = Colos("a")["a"]
    kv.put("k", 1)
    kv.put("k", 2)
    kv.delete("k")
    kv.put("k", ["x"], strategy="list")
    assert kv.check() == []
    cell = next(iter(kv._replica.storage.cells("k").values()))
    assert digest.cell_digest("k", b"sa\x00", cell) != digest.cell_digest("k", b"sb\x00", cell)
    assert digest.context_digest("k", {"a~1": 1}) != digest.context_digest("k", {"a~1": 2})


@guards(
    "A cell of the key changed: what `build` remembers of the key follows.",
    Line(Replica.set_cell, "update(self._memos[key], path, cell)", "pass"),
)
def what_is_remembered_of_a_document_follows_its_cells() -> None:
    kv = Colos("a")["a"]
    kv.put("doc", {"x": 1}, strategy="json")
    assert shows(kv, "doc") == {"x": 1}
    kv.json("doc").at("/x").put(2)
    assert shows(kv, "doc") == {"x": 2}


# messages, paths, clocks


@guards(
    "Law of this room: `decode(encode(m)) == m`, and whatever bytes come in",
    Line(wire.decode, "if xxhash.xxh32_digest(data[:-_CHECK]) != data[-_CHECK:]:", "if False:"),
)
def a_message_that_was_altered_on_its_way_is_refused() -> None:
    data = record(Colos("a")["a"], lambda kv: kv.put("k", "value"))
    for at in range(len(data)):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert refuses(MessageInvalid, lambda altered=altered: decode(altered)), at


@guards(
    "FormatTooNew, which the version and the checksum tell",
    Line(wire.decode, "if data[0] > VERSION:", "if False:"),
)
def a_message_of_a_later_release_asks_for_an_upgrade() -> None:
    """And the refusal says so; one that was only altered asks to be sent again."""
    with limited(wire, "VERSION", wire.VERSION + 1):
        data = record(Colos("a")["a"], lambda kv: kv.put("k", "value"))
    assert refuses(FormatTooNew, lambda: decode(data))
    assert refuses(MessageInvalid, lambda: decode(bytes([wire.VERSION]) + data[1:]))


@guards(
    "It is above `last` whatever the wall does, and as near the wall as that allows.",
    Line(clocks.tick, "max(last + 1, wall_ms << COUNTER_BITS)", "wall_ms << COUNTER_BITS"),
    Line(clocks.tick, "max(last + 1, wall_ms << COUNTER_BITS)", "last + 1"),
)
def each_stamp_is_later_than_the_last() -> None:
    """While the wall stands still, and while it goes back a little; and when time passes, time is what they tell."""
    colos = Colos("a")
    kv = colos["a"]
    colos.clock.step = 0
    stamps = [decode(record(kv, lambda kv: kv.counter("n").add(1))).stamp for _ in range(2)]
    colos.clock.wait(-5)
    stamps.append(decode(record(kv, lambda kv: kv.counter("n").add(1))).stamp)
    assert stamps == sorted(set(stamps))
    colos.clock.wait(100)
    kv.put("k", 2)
    assert kv.get("k").stamp == int(colos.clock.now * 1000)


@guards(
    "Written: the tag, the data with each 0x00 as 0x00 0xff, then 0x00.",
    Line(paths.component, 'data = data.replace(b"\\0", b"\\0\\xff")', "pass"),
    Line(paths.component_end, 'while path[end : end + 1] == b"\\xff":', "while False:"),
)
def names_that_begin_alike_are_two() -> None:
    """A member `a` and a member that goes on with a NUL: neither lies in the other."""
    colos = Colos("a", "b")
    value = {"a": {"x": 1}, "a\0": {"x": 2}, "a\0mx": 3}
    colos["a"].put("doc", value, strategy="json")
    colos["a"].put("s", ["a", "a\0", "a\0\0"], strategy="set")
    colos.meet()
    assert colos.read("doc") == value
    colos["b"].json("doc").at("/a").delete()
    colos.meet()
    assert colos.read("doc") == {"a\0": {"x": 2}, "a\0mx": 3}
    assert colos.read("s") == ["a", "a\0", "a\0\0"]
