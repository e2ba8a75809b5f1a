"""What a file keeps in memory and what in its tables: which of them is asked, and what may be let go of."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import crdtkv
from crdtkv.core.cells import Sibling
from crdtkv.errors import ChecksumFailed, StorageFailed
from crdtkv.storage import checkpoint, held, keyrows, transactions
from crdtkv.storage.base import NO_HORIZON, Horizon
from crdtkv.storage.checkpoint import Checkpoint
from crdtkv.storage.index import Index
from crdtkv.storage.journal import Journal
from crdtkv.storage.layer import Layer
from crdtkv.storage.layers import Layers
from crdtkv.storage.pasts import NO_PAST, Past, Superseded
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.storage.tables import Tables
from crdtkv.storage.transactions import Transactions
from crdtkv.storage.writing import Writing
from crdtkv.store import showing
from crdtkv.store.showing import as_json
from crdtkv.strategies.roots import TTL_PATH, root_path
from tests.colos import limited, refuses
from tests.guards.mutation import Line, guards

ROOT = root_path("lww")
A, B = "a~aaaa", "b~bbbb"


def sibling(n: int, payload: bytes | None = b"\x01", replica: str = A) -> Sibling:
    return Sibling((replica, n), n << 16, payload)


class File:
    """A storage in a file that keeps next to nothing of what is clean."""

    def __init__(self, folder: str, cache_mb: int = 0) -> None:
        self.path, self.cache_mb = Path(folder) / "a.db", cache_mb
        self.open()

    def open(self) -> None:
        self.storage = SqliteStorage(self.path, cache_mb=self.cache_mb)

    def write(self, *acts: Callable[[SqliteStorage], None]) -> None:
        self.storage.begin()
        for act in acts:
            act(self.storage)
        self.storage.commit()

    def put(self, key: str, *siblings: Sibling, path: bytes = ROOT) -> None:
        self.write(
            lambda s: s.put_cell(key, path, siblings), lambda s: s.put_context(key, dict(s.dot for s in siblings))
        )

    def again(self) -> SqliteStorage:
        """Settled, closed and opened again."""
        self.storage.settle()
        self.storage.close()
        self.open()
        return self.storage


@contextmanager
def file(cache_mb: int = 0) -> Iterator[File]:
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        made = File(folder, cache_mb)
        yield made
        made.storage.close()


def faults(found: SqliteStorage) -> list[str]:
    return list(found.faults())


@guards(
    "what is dirty is never let go of",
    Line(Layer.change, "self.dirty[key] = found", "pass"),
    Line(Layer.of, "found = self.dirty.get(key)", "found = None"),
)
def what_the_tables_do_not_have_yet_is_there_although_the_cache_is_full() -> None:
    with file() as made:
        made.put("k", sibling(1))
        for n in range(20):
            made.put(f"k{n}", sibling(n + 2))
        made.put("k", sibling(30))
        assert made.storage.cells("k") == made.storage.standing("k")[0] == {ROOT: (sibling(30),)}
        assert [len(made.storage.cells(f"k{n}")) for n in range(20)] == [1] * 20


@guards(
    "what is clean may be",
    Line(Layer._shrink, "self.weight -= oldest.weight", "self._clean[least] = oldest; break"),
)
def what_the_tables_have_is_let_go_of() -> None:
    with file() as made:
        for n in range(20):
            made.put(f"k{n}", sibling(n + 2))
        made.storage.settle()
        for n in range(20):
            assert made.storage.cells(f"k{n}")
        assert len(made.storage._keys) < 3


class _Ten:
    used, weight = False, 0


@guards(
    "What this one leaves of its limit the other may take meanwhile.",
    Line(Layer._shrink, "limit += max(0, lender._limit - lender.weight)", "pass"),
    Line(Layer._shrink, "max(0, lender._limit - lender.weight)", "lender._limit"),
    Line(Layer._keep, "self._borrower._shrink(None)", "pass"),
)
def pasts_take_the_memory_that_keys_do_not() -> None:
    keys, pasts = (Layer(lambda key: _Ten(), lambda held: 10, limit, lambda key: False, _Ten) for limit in (100, 50))
    keys.lend(pasts)
    for n in range(30):
        pasts.of(f"k{n}")
    assert len(pasts) == 15
    for n in range(30):
        keys.of(f"k{n}")
        assert len(keys) + len(pasts) <= 15
    assert (len(keys), len(pasts)) == (10, 5)


@guards(
    "what is asked for is what was written last, whether the tables have it or not",
    Line(Layers.keys, "key not in self._gone", "True"),
    Line(Layers.keys, "{*fresh, ", "{"),
    Line(Layers._came_or_went, "self._gone.add(key)", "pass"),
    Line(Layers._came_or_went, "self._gone.discard(key)", "pass"),
    Line(Layers._came_or_went, "self._discard_new(key)", "pass"),
    Line(Layers.past_keys, "(found.add if old.rows or old.horizon != NO_HORIZON else found.discard)(key)", "pass"),
)
def keys_that_came_or_went_since_the_tables_have_them() -> None:
    """In the order of all of them, and in pages."""
    with file() as made:
        for key in ("a", "c", "e"):
            made.put(key, sibling(1))
        made.storage.settle()
        made.put("c")
        made.put("d", sibling(2))
        made.put("f", sibling(3))
        assert list(made.storage.keys("", None)) == ["a", "d", "e", "f"]
        made.put("c", sibling(4))
        made.put("f")
        assert list(made.storage.keys("b", None, reverse=True)) == ["e", "d", "c"]
        made.write(
            lambda s: s.put_past("a", ROOT, NO_PAST), lambda s: s.put_horizon("e", s.horizon("e")._replace(deleted=5))
        )
        assert made.storage.past_keys() == ["e"]


@guards(
    "Up to the last of the page the tables have no more.",
    Line(Layers.keys, "bounds = (low, high) if last is None else", "bounds = (low, high) if True else"),
    Line(Layers.keys, 'else (last + "\\0", high, most)', 'else (last + "\\1\\1", high, most)'),
    Line(Layers.keys, "(low, last, most) if reverse", "(low, last + '\\1', most) if reverse"),
)
def keys_of_many_pages() -> None:
    """What lies between two pages is told once."""
    with file() as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr("crdtkv.storage.layers._PAGE", (2, 3))
        names = [f"{n:02}" for n in range(9)]
        made.write(*(lambda s, key=key: s.put_cell(key, ROOT, (sibling(1),)) for key in names))  # type: ignore[misc]
        made.storage.settle()
        fresh = [names[0] + "\0", names[1] + "\0", names[4] + "\0", "z"]
        made.write(*(lambda s, key=key: s.put_cell(key, ROOT, (sibling(1),)) for key in fresh))  # type: ignore[misc]
        expected = sorted([*names, *fresh])
        assert list(made.storage.keys("", None)) == expected
        assert list(made.storage.keys("", None, reverse=True)) == expected[::-1]


@guards(
    "Where a sibling stands whose dot `vector` does not cover. O(answer).",
    Line(Layers.beyond, "found = set(self._index.beyond(vector))", "found = set()"),
    Line(Layers._place, "held.changed_at(path)", "pass"),
    Line(Layers.put_cells, "held.changed_at_all(cells)", "pass"),
    Line(Layers.put_cells, "self._index.came_to(key, cells)", "pass"),
    Line(Writing._wrote_key, "self._index.left(key, paths, lambda: held.cells)", "pass"),
    Line(Tables.beyond, "(number, n, number, n)", "(number, n, number, 1 << 60)"),
    Line(Tables.write_key, "self._list(key, held.dots[1:], dots[1:])", "pass"),
    Line(Tables._list, "if (r, n) not in new]", "if False]"),
    Line(Tables._write_parts, "known = held.dots", "pass"),
)
def a_catch_up_of_what_the_tables_have_and_of_what_they_lack() -> None:
    """Two replicas in one cell, in the tables and beside them; a key of many cells, of which one changes."""
    with file() as made:
        made.put("both", sibling(5), sibling(3, replica=B))
        made.put("one", sibling(4))
        for n in range(40):
            made.put("many", sibling(10 + n), path=ROOT + b"%02d" % n)
        found = made.again()
        assert {key for key, _ in found.beyond({A: 60, B: 2})} == {"both"}
        assert {key for key, _ in found.beyond({A: 4, B: 3})} == {"both", "many"}
        made.write(lambda s: s.put_cells("many", {ROOT + b"a%d" % n: (sibling(70 + n),) for n in range(3)}))
        assert {path for _, path in found.beyond({A: 69, B: 60})} == {ROOT + b"a%d" % n for n in range(3)}
        made.write(*(lambda s, n=n: s.put_cell("many", ROOT + b"a%d" % n, ()) for n in range(3)))  # type: ignore[misc]
        made.put("one", sibling(95))
        made.put("one", sibling(60))
        assert found.beyond({A: 70, B: 9}) == set()
        made.put("many", sibling(61), path=ROOT + b"07")
        assert found.beyond({A: 59, B: 9}) == {("one", ROOT), ("many", ROOT + b"07")}
        made.storage.settle()
        made.put("many", sibling(62), path=ROOT + b"08")
        assert found.beyond({A: 48, B: 9}) == {("one", ROOT), *(("many", ROOT + b"%02d" % n) for n in (7, 8, 39))}
        found = made.again()
        assert {path for key, path in found.beyond({A: 48, B: 9}) if key == "many"} == {
            ROOT + b"%02d" % n for n in (7, 8, 39)
        }
        made.put("many", sibling(80, replica=B), path=ROOT + b"09")
        made.put("one", sibling(95))
        found = made.again()
        assert {key for key, _ in found.beyond({A: 60, B: 99})} == {"one", "many"}
        made.storage.settle()
        made.put("one", sibling(60))
        assert {key for key, _ in found.beyond({A: 70, B: 99})} == set()
        made.put("one", sibling(95))
        made.storage.settle()
        made.put("one", sibling(60))
        assert {key for key, _ in found.beyond({A: 70, B: 99})} == set()
        made.put("both", sibling(5), sibling(70, replica=B))
        assert faults(made.again()) == []
        made.put("late", sibling(96))
        assert made.storage._index.beyond({A: 95, B: 99}) == {("late", ROOT)}
        made.storage.settle()
        assert made.storage._index.beyond({A: 95, B: 99}) == set()  # what the tables have is theirs to say


@guards(
    "What a row of a key says that is kept as one text or whole number, and has not changed since; else None.",
    Line(held.Held.begin_to_change, "self.said = None", "pass"),
    Line(held.Held.begin_to_change, "if self._cells is None:", "self._cells, self._context = {}, {}\n        if False:"),
    Line(Layers._changed_key, "held.begin_to_change()", "pass"),
    Line(held.Held._make, "{replica: n}", "{replica: n + 1}"),
)
def what_a_row_said_is_true_until_the_key_changes() -> None:
    """It is made into cells when these are asked for, before the key is changed or not."""
    with file(cache_mb=1) as made:
        made.put("k", sibling(1, b"\xa1x"))
        found = made.again()
        assert found.said("k") is not None and found.said("k")[5] == "x"
        made.put("k", sibling(1, b"\xa1x"), sibling(2, b"\xa1y"))
        assert found.said("k") is None and len(found.cells("k")[ROOT]) == 2 and found.context("k") == {A: 2}
        found.settle()
        assert found.said("k") is None and len(found.cells("k")[ROOT]) == 2
        made.put("k", sibling(3, b"\xa1z"))
        found = made.again()
        made.write(lambda s: s.put_cell("k", ROOT + b"m", (sibling(4),)))
        assert found.context("k") == {A: 3} and list(found.cells("k")) == [ROOT, ROOT + b"m"]


@guards(
    "All of a key that was `unknown`.",
    Line(Layers.put_key, "self._came_or_went(key, held)", "pass"),
    Line(Layers.put_key, "self._index.moved((key, path), ())", "pass"),
    Line(keyrows.said_of, "if len(cell) != 1:", "if False:"),
    Line(held.Held.say, "self._cells = self._context = None", "pass"),
    Line(held._with, "changed = set(changed)", "return changed"),
    Line(keyrows.said_of, "or lost or", "or"),
    Line(keyrows.said_of, "len(context) > 1 or", ""),
    Line(keyrows.said_of, "or parents[0][0] != replica", ""),
)
def a_new_key_is_held_as_its_row_will_say_it() -> None:
    """It is found, read, listed beyond a vector, written over and undone as any other; so is one that is no plain."""
    with file(cache_mb=1) as made:

        def begin(key: str, *own: Sibling, context: dict[str, int] | None = None) -> None:
            context = context or dict(s.dot for s in own)
            made.write(lambda s: s.put_key(key, {ROOT: own}, context, NO_HORIZON))

        begin("k", sibling(1, b"\xa1x"))
        found = made.storage
        assert found.said("k") is not None and list(found.keys("", None)) == ["k"]
        assert found.beyond({}) == {("k", ROOT)} and found.beyond({A: 1}) == set()
        made.put("k", sibling(2, b"\xa1y"))
        begin("many", sibling(3, b"\xa1x"))
        made.put("many", sibling(3, b"\xa1x"), path=ROOT + b"m")
        begin("other", sibling(4, b"\xa1z", B)._replace(parents=((A, 9),)))
        begin("lost", sibling(5, b"\xa1z")._replace(lost=((A, 1),)))
        begin("two", sibling(6, b"\xa1z"), context={A: 6, B: 1})
        begin("both", sibling(8, b"\xa1z"), sibling(7, b"\xa1x"), context={A: 8})
        for n in range(20):
            made.put("parts", sibling(20 + n), path=ROOT + b"%02d" % n)
        found.begin()
        found.put_key("undone", {ROOT: (sibling(8, b"\xa1x"),)}, {A: 8}, NO_HORIZON)
        found.rollback()
        assert found.cells("k") == {ROOT: (sibling(2, b"\xa1y"),)} and found.standing("undone") == ({}, {})
        found.settle()
        assert not found._index.beyond({})
        for n in range(2):
            made.put("parts", sibling(50 + n), path=ROOT + b"%02d" % n)
        for again in (False, True, True):
            found = made.again() if again else found
            assert list(found.keys("", None)) == ["both", "k", "lost", "many", "other", "parts", "two"]
            assert found.standing("k") == ({ROOT: (sibling(2, b"\xa1y"),)}, {A: 2})
            assert found.cells("other")[ROOT][0].parents == ((A, 9),) and found.cells("lost")[ROOT][0].lost == ((A, 1),)
            assert found.context("two") == {A: 6, B: 1} and found.context("lost") == {A: 5}
            assert len(found.cells("both")[ROOT]) == 2 and len(found.cells("many")) == 2 and not faults(found)
            assert [found.cells("parts")[ROOT + b"%02d" % n][0].dot[1] for n in range(3)] == [50, 51, 22]
        with closing(sqlite3.connect(made.path)) as db:
            assert db.execute("SELECT key FROM cell WHERE root IS NOT NULL").fetchall() == [("k",)]


@guards(
    "The cells that `core.cells.due` puts at or below `floor`.",
    Line(Layers.due, "found = set(self._index.due(floor))", "found = set()"),
    Line(Tables.due, "(floor, floor)", "(floor, 0)"),
    Line(Tables.due, "(floor, floor)", "(0, floor)"),
    Line(Layers.due, "if when is not None and when <= floor:", "if when is not None:"),
)
def what_may_be_dropped_is_found_in_the_tables_and_beside_them() -> None:
    with file() as made:
        made.put("gone", sibling(1, None))
        for n in range(40):
            made.put("many", sibling(2 + n, None if n == 7 else b"\x01"), path=ROOT + b"%02d" % n)
        later = Sibling((B, 1), 99 << 16, None)
        made.write(lambda s: s.put_cell("gone", ROOT + b"x", (later,)))
        found = made.again()
        made.put("new", sibling(3, None))
        assert found.due(50 << 16) == [("gone", ROOT), ("new", ROOT), ("many", ROOT + b"07")]


@guards(
    "What a step wrote is let go of when it is committed, and not before.",
    Line(
        Checkpoint._write,
        "wrote, whole = self._write_units(units)",
        "wrote, whole = self._write_units(units); wrote()",
    ),
    Line(Checkpoint._write, "self._undone()", "pass"),
)
def a_step_that_fails_lets_go_of_nothing() -> None:
    """Also of a name that it had given a number."""
    with file() as made, limited(checkpoint, "STEP_ROWS", 100):
        made.put("k", sibling(1, replica=B))
        with pytest.MonkeyPatch.context() as patch:

            def failing(journal: Journal, generation: int) -> None:
                raise sqlite3.OperationalError("disk I/O error")

            patch.setattr(Journal, "begin_at", failing)
            with suppress(Exception):
                made.storage.settle()
        assert [dict(made.storage.cells(key)) for key in ("x", "y", "k")] == [{}, {}, {ROOT: (sibling(1, replica=B),)}]
        assert made.again().cells("k") == {ROOT: (sibling(1, replica=B),)}


@guards(
    "Where cells of a key have come together and others of it have changed: each cell by itself.",
    Line(transactions._one_by_one, 'change[1][0] for change in changes if change[0] in ("cell", "over")', "() for change in ()"),
    Line(transactions._one_by_one, "if count > 1", "if count > 2"),
)
def what_came_together_and_changed_again_is_kept_as_it_was_last() -> None:
    """In one transaction: gone, there again with others, and another; and twice that others come."""
    one, other, third = ({ROOT + b"%d%d" % (of, n): (sibling(of),) for n in range(9)} for of in (1, 2, 3))
    place = "k", ROOT + b"10"
    changes: list[Any] = [
        ("cell", place, (sibling(9),), ()), ("cells", "k", one, one), ("cell", place, one[place[1]], (sibling(3),)),
        ("cells", "two", other, other), ("meta", "m", None, 1), ("cells", "two", third, third), ("cells", "x", one, one),
    ]  # fmt: skip
    rows: dict[Any, Any] = {}
    for table, where, _, new in transactions._each_once(changes):
        rows |= {(where, path): cell for path, cell in new.items()} if table == "cells" else {where: new}
    kept = {"k": one, "two": other | third, "x": one}
    expected = {(key, path): cell for key, cells in kept.items() for path, cell in cells.items()}
    assert rows == expected | {place: (sibling(3),), "m": 1}


@guards(
    "`old` stands there again.",
    Line(Layers._put_back, "self._place(where, old)", "pass"),
    Line(Layers._put_back, "self._place((where, path), ())", "pass"),
    Line(Layers._put_back, "self._changed_key(where).context = old", "pass"),
    Line(Layers._put_back, "self._set_past(where[0], where[1], old)", "pass"),
    Line(Layers._put_back, "self._set_horizon(where, old)", "pass"),
    Line(Layers._put_back, "self._meta[where] = old", "pass"),
    Line(Layers._put_back, "self._inbox[where] = old", "pass"),
    Line(Layers._put_back, "self._inbox.pop(where, None)", "pass"),
    Line(Transactions.rollback, "in reversed(self._undo[mark:]):", "in ():"),
)
def what_was_undone_is_as_it_was() -> None:
    """Of what is only in the tables, too."""
    with file() as made:
        made.put("k", sibling(1))
        old = made.storage.horizon("k")
        made.write(
            lambda s: s.put_meta("m", 1), lambda s: s.put_inbox("i", 1), lambda s: s.put_inbox("k", 1),
            lambda s: s.put_past("k", ROOT, NO_PAST), lambda s: s.put_horizon("k", old._replace(deleted=1)),
        )  # fmt: skip
        storage = made.again()
        storage.begin()
        storage.put_cell("k", ROOT, (sibling(2),))
        storage.put_context("k", {A: 2})
        storage.put_meta("m", 2)
        storage.put_inbox("i", None)
        storage.put_inbox("k", 2)
        storage.put_inbox("new", 1)
        storage.put_horizon("k", old._replace(deleted=2))
        storage.put_past("k", ROOT, Past.of([Superseded(sibling(1), (), None, 0)]))
        storage.put_cells("k", {ROOT + b"%02d" % n: (sibling(2),) for n in range(20)})
        storage.rollback()

        def all_of(found: SqliteStorage) -> Any:
            return (
                found.cells("k"), found.context("k"), found.meta("m"), found.inbox(), found.horizon("k").deleted,
                found.past("k"),
            )  # fmt: skip

        undone = all_of(storage)
        assert undone == ({ROOT: (sibling(1),)}, {A: 1}, 1, {"i": 1, "k": 1}, 1, {})
        assert all_of(made.again()) == undone


@guards(
    "The units that the tables do not have as they are, by kind.",
    *(Line(Checkpoint.step, "for kind in self._lacking", f"for kind in ('meta', '{kind}')") for kind in ("key", "past")),
    Line(Writing._write, "self._inbox_dirty.remove(name)", "pass"),
)
def what_was_undone_is_let_go_of_once() -> None:
    """With the next checkpoint; and not if the tables have it already."""
    with file() as made:
        made.put("k", sibling(1))
        for settled in (False, True):
            made.storage.begin()
            for key in ("k", "other"):
                made.storage.put_cell(key, ROOT, (sibling(2),))
                made.storage.put_past(key, ROOT, Past.of([Superseded(sibling(1), (), None, 0)]))
            made.storage.rollback()
            if settled:
                made.put("k", sibling(3))
            made.storage.settle()
            made.put("third", sibling(4))
            made.storage.settle()
            made.write(lambda s: s.put_inbox("i", 1))
            made.storage.settle()
        assert not any(made.storage._lacking.values())


@guards(
    "what an index gives is what stands at its places when it is asked",
    Line(Index.moved, "self._moved.setdefault(place, old)", "self._moved[place] = old"),
    Line(Index._left, "elif not old:", "else:"),
    Line(Index._left, "del self._moved[place]", "pass"),
    *(Line(ask, "self._look()", "pass") for ask in (Index.beyond, Index.due)),
    Line(Layers._place, "if path in held.changed else ()", ""),
)
def what_moved_more_than_once_between_two_readings() -> None:
    """And what the tables have by then, which nobody had asked for."""
    with file() as made:
        made.put("k", sibling(1))
        made.put("gone", sibling(2, None))
        assert made.storage.beyond({}) == {("k", ROOT), ("gone", ROOT)}
        for n in (3, 4, 5):
            made.put("k", sibling(n))
        made.put("new", sibling(6, None))
        assert made.storage.beyond({A: 5}) == {("new", ROOT)} and made.storage.beyond({A: 4}) == {("k", ROOT), ("new", ROOT)}
        assert made.storage.due(50 << 16) == [("gone", ROOT), ("new", ROOT)]
        made.storage.settle()
        assert not made.storage._index.due(50 << 16) and not made.storage._index.beyond({})
        for n in (7, 8):
            made.put("k", sibling(n))
        made.put("later", sibling(9))
        made.storage.settle()
        assert not made.storage._index._moved or not made.storage._index.beyond({})
        made.put("k", sibling(10))
        made.put("more", sibling(11))
        made.storage.settle()
        assert list(made.storage._index._moved) == []
        made.put("k", sibling(12))
        assert made.storage._index.beyond({}) == {("k", ROOT)}
        made.put("k", sibling(13))
        made.storage.settle()
        assert not made.storage._index.beyond({})


@guards(
    "A key that is one text or whole number, written by one dot, is a *plain* row",
    Line(Tables.write_key, 'self._db.execute("DELETE FROM part WHERE key = ?", (key,))', "pass"),
    Line(Tables._write_parts, "paths = {*paths, *set(held.cells).difference(held.changed or ())}", "pass"),
    Line(Tables.write_key, "held.context if kind == ALONE else None", "None"),
    Line(Tables.write_key, "if ALONE in (kind, held.kind):", "if kind == ALONE:"),
    Line(Tables.key, "Held({}, {}) if context is None else Held({}, context, ALONE)", "Held({}, {})"),
    Line(Tables.key, "Held({}, context, ALONE)", "Held({}, context)"),
)
def a_key_that_grows_and_shrinks_is_read_as_it_was_written() -> None:
    """From one cell to many, back to one, to none but a context, and to one again."""
    with file() as made:
        many = {ROOT + b"%02d" % n: (sibling(n + 1),) for n in range(40)}
        made.put("k", sibling(1), path=ROOT + b"00")
        for count in (1, 16, 17, 40, 16, 40, 1, 0, 40, 0, 1):
            wanted = dict(list(many.items())[:count])
            context = {A: count + 1}
            cells = [partial(SqliteStorage.put_cell, key="k", path=p, cell=wanted.get(p, ())) for p in many]
            made.write(*cells, partial(SqliteStorage.put_context, key="k", context=context))
            found = made.again()
            assert (dict(found.cells("k")), found.context("k")) == (wanted, context) and faults(found) == []


@guards(
    "Who passes through a range reads each row once, and nothing of it is kept.",
    Line(Layers.passing, "held = dirty.get(said[0])", "held = None"),
    Line(Layers.passing, "new > said[0] if reverse else new < said[0]", "new < said[0]"),
    Line(Layers.passing, ", (None,)):", ", ()):"),
    Line(held.made_of, "if found is None and held.cells else found", "if found is None else found"),
    Line(keyrows.read_row, "if _mark(said) != mark:", "if False:"),
)
def a_range_is_passed_through() -> None:
    """One key is changed, one deleted, two are new; one is in parts; and one is not as it was written."""
    with file(cache_mb=1) as made:
        for n, key in enumerate("bcdefgz", 1):
            made.put(key, sibling(n))
        many = [ROOT + b"%02d" % n for n in range(40)]
        made.write(*(partial(SqliteStorage.put_cell, key="e", path=path, cell=(sibling(9),)) for path in many))
        storage = made.again()
        made.put("d", sibling(31))
        made.put("f")
        made.put("bb", sibling(32))
        made.put("gg", sibling(33))
        asked: list[str] = []
        storage._db.set_trace_callback(asked.append)

        def passed(reverse: bool) -> list[Any]:
            found = storage.passing("a", "h", reverse, lambda said: said[:3], lambda key, cells, _: (key, len(cells)))
            return list(found)

        wanted = [("b", A, 1), ("bb", 1), ("c", A, 2), ("d", 1), ("e", 41), ("g", A, 6), ("gg", 1)]
        assert (passed(False), passed(True)) == (wanted, wanted[::-1])
        assert len([words for words in asked if "sqlite_master" not in words]) == 4 and not storage._keys._clean  # a range, and what is in parts, twice
        storage._db.execute("UPDATE cell SET stamp = stamp + 1 WHERE key = 'c'")
        assert refuses(ChecksumFailed, lambda: passed(False))


@guards(
    "An interrupt came where a step may be committed, and not all of it is let go of.",
    Line(SqliteStorage.settle, "self.doubtful or self._checkpoint.torn", "self.doubtful"),
    Line(Checkpoint._write, "self.torn = True", "pass"),
    Line(Checkpoint._write, "self.torn = False", "pass"),
)
def an_interrupt_while_a_step_is_let_go_of() -> None:
    """What is committed is in the file; what this process knows of it is not all of it: it writes no more."""

    def interrupted(where: type, name: str) -> bool:
        def interrupt(*given: Any) -> None:
            raise KeyboardInterrupt

        with file() as made:
            made.put("a", sibling(1))
            made.storage.settle()
            made.put("a", sibling(2))
            with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
                patch.setattr(where, name, interrupt)
                made.storage.settle()
            try:
                made.put("b", sibling(3))
            except StorageFailed:
                made.storage.close()
                made.open()
                assert made.storage.cells("a")[ROOT] == (sibling(2),)
                return True
        return False

    assert interrupted(Writing, "_wrote_key"), "the tables have it, and nobody knows it here"
    assert not interrupted(Checkpoint, "finish") and not interrupted(Journal, "begin_at"), "all is undone"


@guards(
    "Where no key has a past, none is kept in memory of each new key that is taken in",
    Line(Layers._old, "not self._pasts.at_hand(key) and ", ""),
    Line(Layers._old, "self._read(self._tables.pastless)", "False"),
    Line(Tables.pastless, 'self._is_bare("past") and ', ""),
    Line(Tables.pastless, ' and self._is_bare("horizon")', ""),
)
def a_past_that_is_the_first_one() -> None:
    """Of a key: before the tables have it, and after; or a horizon alone."""
    past = Past.of([Superseded(sibling(1), ((A, 2),), None, 5)])
    for act, found in (
        (partial(SqliteStorage.put_past, key="k", path=ROOT, rows=past), ({ROOT: past}, NO_HORIZON)),
        (partial(SqliteStorage.put_horizon, key="k", horizon=Horizon({A: 1, B: 1})), ({}, Horizon({A: 1, B: 1}))),
    ):
        with file(cache_mb=1) as made:
            storage = made.storage
            storage._absent._after = ""  # what is asked for is looked for in the tables
            assert (storage.past("k"), storage.horizon("k"), len(storage._pasts)) == ({}, NO_HORIZON, 0)
            made.write(act)
            for again in (False, True):
                kept = made.again() if again else storage
                assert (kept.past("k"), kept.horizon("k")) == found


@guards(
    "After so many SQLite's own log goes into the file",
    Line(Checkpoint.step, "self._tidy()", "pass"),
    Line(Checkpoint.step, "self._untidy = 0", "pass"),
    Line(Checkpoint.step, "self._untidy += done", "pass"),
    Line(SqliteStorage._tidy, "self._stop_reading()", "pass"),
)
def a_log_of_few_steps() -> None:
    """Also while something is read: the log is emptied by steps that write nothing, and grows no more than by four."""
    with file(cache_mb=8) as made, limited(checkpoint, "STEP_ROWS", 1):
        made.storage._absent._after = ""  # what is asked for is looked for in the tables
        for n in range(30):
            made.put(f"k{n}", sibling(n + 1))
        sizes, log = [], Path(f"{made.path}-wal")
        for _ in range(30):
            for n in range(9):
                made.storage.cells(f"cold{len(sizes)}/{n}")
            before = len(made.storage._keys.dirty)
            made.storage.freshen()
            sizes.append(log.stat().st_size)
            assert bool(sizes[-1]) == (len(made.storage._keys.dirty) < before)
        assert 0 < sizes.count(0) < len(sizes) // 2
        made.storage.settle()
        assert list(made.again().keys("", None)) == sorted(f"k{n}" for n in range(30))


def without_past(made: File, *keys: str) -> None:
    """Keys of which all is known from their one write on, in the tables."""
    for key in keys:
        made.put(key, sibling(1, b"\xa1x")._replace(parents=((A, 7),)))
        made.write(partial(SqliteStorage.put_horizon, key=key, horizon=Horizon({A: 1})))
    made.storage.settle()


@guards(
    "its past can be rebuilt from `origin, n` on, which is all of its horizon",
    Line(keyrows.said_of, "-rest if base == (replica, n) else rest or None", "rest or None"),
    Line(keyrows.said_of, "-rest if base == (replica, n) else", "-rest if base else"),
    Line(held.Held.begun, "said[1:3] if said[6] is not None and said[6] <= 0 else None", "None"),
    Line(held.Held.begun, "said[6] <= 0", "said[6] < 0"),
    Line(held.Held.begin_to_change, "self.base = self.begun()", "pass"),
    Line(held.Held._make, "abs(rest)", "rest"),
    Line(Layers.put_key, "None if horizon is NO_HORIZON else lone(horizon)", "None"),
    Line(Layers._set_horizon, "self._changed_key(key).base = base", "pass"),
    Line(Layers._set_horizon, "self._changed_past(key).horizon = aside", "pass"),
    Line(Layers._set_horizon, "self._pasts.let_go(key)", "pass"),
    Line(Layers._old, "self._keys.of(key).begun() or ", ""),
    Line(Layers.horizon, "if held.begun() is None", "if True"),
    Line(Layers.has_past, "if held.begun() is not None:", "if False:"),
)
def of_a_key_without_a_past_its_row_says_all() -> None:
    """No row of a horizon stands beside it, and nothing of its past in memory; also of one that came all at once."""
    with file(cache_mb=8) as made:
        made.storage._absent._after = ""  # what is asked for is looked for in the tables
        made.put("other", sibling(1), sibling(2, replica=B))
        made.write(partial(SqliteStorage.put_horizon, key="other", horizon=Horizon({A: 1, B: 2})))
        made.storage.settle()
        without_past(made, "k")
        made.put("later", sibling(4, b"\xa1y"))
        made.write(partial(SqliteStorage.put_horizon, key="later", horizon=Horizon({A: 3})))
        own = sibling(5, b"\xa1z")
        made.write(lambda s: s.put_key("came", {ROOT: (own,)}, {A: 5}, Horizon({A: 5})))
        for as_it_is in (lambda: made.storage, made.again, made.again):
            found = as_it_is()
            horizons = {key: found.horizon(key) for key in ("k", "later", "came", "other")}
            assert horizons == {
                "k": Horizon({A: 1}), "later": Horizon({A: 3}), "came": Horizon({A: 5}), "other": Horizon({A: 1, B: 2})
            }  # fmt: skip
            assert all(map(found.has_past, horizons)) and not any(map(found.past, horizons))
            assert found.cells("k")[ROOT][0].parents == ((A, 7),) and found.cells("came")[ROOT] == (own,)
            assert {"k", "came"}.isdisjoint(found._pasts.dirty) and not {*found._pasts._clean} & {"k", "came"}
        told = {key for (key,) in found._db.execute("SELECT key FROM horizon")}
        assert told == {"other", "later"}
        made.put("k", sibling(8))
        assert found.horizon("k") == Horizon({A: 1}), "before it is said anew"
        made.write(partial(SqliteStorage.put_horizon, key="other", horizon=NO_HORIZON))
        assert made.again().horizon("other") == NO_HORIZON


@guards(
    "which is all of its horizon (no row of `past` or `horizon` then)",
    Line(Writing._write, "if held.base is not None:", "if False:"),
    Line(Writing._write, "old.horizon = old.known = horizon", "pass"),
    Line(held.Old.wrote, "self.rows, horizon, None", "self.rows, self.known, None"),
    Line(Writing._write_past, "if horizon != old.known:", "if False:"),
    Line(Layers._read_past, "return Old(kept, horizon)", "return Old(kept, NO_HORIZON)"),
    Line(Writing._write, "aside.get(name, old.horizon)", "NO_HORIZON"),
    Line(Writing._write, 'units.append(("past", name))', "pass"),
    Line(Layers.put_past, 'self._undo.append(("horizon", key, horizon_of(held), horizon_of(held)))', "pass"),
    Line(Layers._set_past, "self._changed_past(key).horizon = horizon_of(held)", "pass"),
    Line(Layers._set_past, "self._changed_key(key).base = None", "pass"),
    Line(Layers._set_horizon, "None if old.rows else ", ""),
    Line(Layers.past_keys, "if held.base is not None and not held.cells", "if False"),
    Line(Layers._stands, " or held.base", ""),
)
def a_key_gets_a_past_or_loses_its_row() -> None:
    """What its row said stands beside it by the same step, or is in the journal: whenever the process ends."""
    row, long = Past.of([Superseded(sibling(1), ((A, 2),), None, 5)]), Horizon({A: 1, B: 2})
    put_past = partial(SqliteStorage.put_past, path=ROOT, rows=row)

    def step_and_crash() -> SqliteStorage:
        """Once the tables have the keys, and not yet what sorts behind them."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoint, "STEP_ROWS", len(made.storage._keys.dirty))
            made.storage._checkpoint.step()
        made.storage._let_go()
        made.open()
        return made.storage

    for ends in (step_and_crash, lambda: made.again()):  # (of the file that is made there)
        with file(cache_mb=8) as made:
            without_past(made, "a", "b", "c", "d", "e")
            made.write(partial(put_past, key="a"))
            made.write(lambda s: s.put_cell("b", ROOT + b"m", (sibling(3),)))
            made.write(partial(put_past, key="c"), lambda s: s.put_past("c", ROOT, NO_PAST))
            made.write(partial(SqliteStorage.put_horizon, key="c", horizon=long))
            made.write(lambda s: s.put_cell("d", ROOT, ()), lambda s: s.put_context("d", {}))
            made.write(partial(put_past, key="e"), lambda s: s.put_horizon("e", NO_HORIZON))
            made.write(partial(SqliteStorage.put_horizon, key="e", horizon=Horizon({A: 1})))
            assert {"a", "d", "e"} <= set(made.storage.past_keys()) and made.storage.unknown(["d"]) == set()
            for as_it_is in (lambda: made.storage, ends):
                found = as_it_is()
                assert [found.horizon(key) for key in "abcde"] == [
                    Horizon({A: 1}), Horizon({A: 1}), long, Horizon({A: 1}), Horizon({A: 1})
                ]  # fmt: skip
                assert [found.past(key) for key in "abcde"] == [{ROOT: row}, {}, {}, {}, {ROOT: row}]
            made.storage.settle()
            made.put("c", sibling(9, b"\xa1y"))
            made.write(partial(SqliteStorage.put_horizon, key="c", horizon=Horizon({A: 9})))
            made.write(partial(put_past, key="b"), lambda s: s.put_past("b", ROOT, NO_PAST))
            made.write(partial(SqliteStorage.put_horizon, key="b", horizon=Horizon({A: 3})))
            found = ends()
            assert [found.horizon(key) for key in "bc"] == [Horizon({A: 3}), Horizon({A: 9})]
            made.storage.settle()
            assert [found.horizon(key) for key in "bc"] == [Horizon({A: 3}), Horizon({A: 9})]
            made.write(partial(SqliteStorage.put_horizon, key="c", horizon=NO_HORIZON))
            assert made.again().horizon("c") == NO_HORIZON and faults(made.storage) == []


@guards(
    "SQLite's integers end at half of what stamps do",
    Line(keyrows.stamp_column, "min(when, _MAX)", "when"),
    Line(keyrows.said_of, " or stamp > _MAX", ""),
    Line(Tables.due, "floor = stamp_column(floor) or 0", "pass"),
    Line(keyrows.pack_parts, "stamp_column(due(path, cell))", "due(path, cell)"),
)
def a_clock_that_is_thousands_of_years_ahead() -> None:
    late = (1 << 63) + 5
    cells = {path: (sibling(1, None)._replace(stamp=late),) for path in (ROOT + b"%02d" % n for n in range(17))}
    with file() as made:
        made.put("plain", sibling(1)._replace(stamp=late))
        made.put("deleted", sibling(2, None)._replace(stamp=late))
        made.write(*(partial(SqliteStorage.put_cell, key="parts", path=p, cell=cell) for p, cell in cells.items()))
        try:
            made.storage.settle()
            found = made.again()
            due = [len(found.due(floor)) for floor in (1, late - 1, late)]
        except OverflowError as error:
            raise AssertionError("the file cannot hold it") from error
        assert (dict(found.cells("parts")), found.cells("plain")[ROOT][0].stamp) == (cells, late)
        assert due == [0, 0, 18] and faults(found) == []


@guards(
    "A plain key is read where it stands. What only the store can read (documents, sets, counters, several siblings, a date) is written in its words beside it",
    Line(Writing._tell_key, "(plain and held.kind <= PLAIN)", "plain"),
    Line(Writing._tell_key, "not (plain or kind <= ALONE)", "False"),
    Line(Writing._tell_key, " in AS_IT_IS", " != ''"),
    Line(showing._past_row, "payload is None or is_value(payload)", "False"),
)
def what_the_views_show_is_what_the_store_shows() -> None:
    """A key that is plain, is not any more, and is again; one whose strategy alone knows how to read it."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a") as kv, closing(sqlite3.connect(path)) as db:
            for value in ("text", ["a"], "again"):
                kv.put("k", value, strategy="lww")
                kv.put("done", "yes", strategy="latch?order=no,yes")
                kv.compact()
                shown = db.execute("SELECT key, value FROM kv ORDER BY key").fetchall()
                assert shown == [(e.key, as_json(e.value)) for e in kv.scan()]
            assert [v for (v,) in db.execute("SELECT value FROM history WHERE key = 'k' ORDER BY time")] == [
                as_json(r.value) for r in kv.history("k")
            ]


@guards(
    "The keys from `low` on that have more than one value at their root",
    Line(Layers.compound, "found.update(", "("),
    Line(Tables.compound, "root IS NULL", "root IS NOT NULL"),
    Line(Layers.compound, "filter(self.cells, sorted(found))", "sorted(found)"),
)
def keys_of_many_cells_are_found_in_the_tables_and_beside_them() -> None:
    with file() as made:
        for key in ("old", "gone"):
            for n in range(2):
                made.put(key, sibling(n + 1), path=ROOT + b"%02d" % n)
        found = made.again()
        for n in range(2):
            made.put("gone", path=ROOT + b"%02d" % n)
            made.put("new", sibling(n + 1), path=ROOT + b"%02d" % n)
        assert list(found.compound("")) == ["new", "old"]


@guards(
    "of a key that became plain other places have changed, too",
    Line(held.Held.dot_at, "said is None or path != _root(said[4])", "said is None"),
)
def a_date_that_went_was_not_written_by_who_wrote_the_value() -> None:
    """What is looked for by dots knows neither, since the tables have the one and nothing is left of the other."""
    with file() as made:
        value, date = sibling(1, b"\xa1v", "c~cccc"), sibling(1, None, "c~cccc")
        made.write(
            lambda s: s.put_cell("k", ROOT, (value,)), lambda s: s.put_cell("k", TTL_PATH, (date,)),
            lambda s: s.put_context("k", {"c~cccc": 1}),
        )  # fmt: skip
        found = made.again()
        made.write(lambda s: s.put_cell("k", TTL_PATH, ()))
        for _ in range(2):
            assert found.beyond({}) == {("k", ROOT)}
            assert not refuses(KeyError, found.settle)
        made.put("l", sibling(2))
        assert found.beyond({"c~cccc": 1}) == {("l", ROOT)}
