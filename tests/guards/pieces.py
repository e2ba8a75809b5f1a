"""A key of many cells in a file: written in pieces, and told apart from what is written. And which keys it has none of."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import crdtkv
from crdtkv.core.cells import Sibling
from crdtkv.storage import absent, checkpoint, tables, writing
from crdtkv.storage.absent import Absent
from crdtkv.storage.base import Horizon
from crdtkv.storage.checkpoint import Checkpoint
from crdtkv.storage.index import Index
from crdtkv.storage.layer import Layer
from crdtkv.storage.pasts import Past, Superseded
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.storage.tables import Tables
from crdtkv.storage.writing import Writing
from crdtkv.strategies.roots import root_path
from tests.colos import limited
from tests.guards.layers import file
from tests.guards.mutation import Line, Setting, guards

ROOT = root_path("lww")
COUNT = 100


def cells(numbers: Any, n: int) -> dict[bytes, tuple[Sibling]]:
    return {ROOT + b"%05d" % at: (Sibling(("a~aaaa", n), n << 16, b"\x01"),) for at in numbers}


@guards(
    "A key in parts is written in pieces, so that no step is longer than another",
    Line(Writing._write_key, "len(changed) <= piece or", "True or"),
    Line(Writing._wrote_key, "held.changed.difference_update(paths)", "held.changed = None"),
    Line(Writing._wrote_key, "if held.changed:", "if False:"),
    Line(Writing._wrote_key, "del self._rest[-len(paths) :]", "self._rest.clear()"),
    Line(Writing._wrote_key, "self._discard_new(key)", "pass"),
    Line(Checkpoint._write, "last = last and whole", "pass"),
    Line(Tables._write_parts, ".difference(held.changed or ())", ""),
)
def a_large_key_is_written_in_pieces() -> None:
    """Each step writes as much as another; between them all is read, and a crash takes nothing."""
    with file() as made, limited(checkpoint, "STEP_ROWS", 5):
        storage = made.storage
        made.write(lambda s: s.put_cells("k", cells(range(COUNT), 2)), lambda s: s.put_context("k", {"a~aaaa": 2}))
        made.put("a", Sibling(("a~aaaa", 3), 3 << 16, b"\x01"))
        stands = dict(cells(range(COUNT), 2))
        written = [0]
        while storage._checkpoint.catch_up():
            written.append(storage._db.execute("SELECT count(*) FROM part").fetchone()[0])
            assert written[-1] - written[-2] in (0, 20), "a step, or one that tidies up"
            at = len(written)
            [(path, cell)] = cells([at], at + 10).items()  # of what is in the tables by now
            made.write(lambda s, p=path, c=cell: s.put_cell("k", p, c))  # type: ignore[misc]
            stands[path] = cell
            assert not {"a", "k"} & {*storage._new, *storage._came}
            assert list(storage.passing("", None, False, None, lambda key, *_: key)) == ["a", "k"]
            assert dict(storage.cells("k")) == stands and not list(storage.faults())
            assert dict(dying(made.path).cells("k")) == stands
            assert at < COUNT, "it is done some time"
        assert len(written) > 5
        assert dict(made.again().cells("k")) == stands


def dying(path: Path) -> SqliteStorage:
    """What is found where the process died just now."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        for found in path.parent.glob(f"{path.name}*"):
            if not found.name.endswith(("-shm", "-pid", "-witness")):
                shutil.copy(found, folder)
        storage = SqliteStorage(Path(folder) / path.name)
        storage.cells("k")
        storage.close()
        return storage


@guards(
    "As `left`, of some that have changed, in path order.",
    Line(Writing._wrote_key, "self._index.left_some(key, paths, lambda: held.cells)", "pass"),
    Line(Index.left_some, "del came[: len(first)]", "pass"),
    Line(Index.left_some, "paths = [path for path in paths if (key, path) in moved]", "paths = []"),
    Line(Index.left_some, "moved.setdefault((key, path), ())", "pass"),
    Line(Index.left_some, "came.clear()", "pass"),
)
def what_is_beyond_is_found_between_the_pieces() -> None:
    """In the tables or beside them, whatever the order it came in, asked for before or not."""
    for order in (range(COUNT), range(COUNT)[::-1]):
        for asked in (True, False):
            with file() as made, limited(checkpoint, "STEP_ROWS", 5):
                index = made.storage._index
                made.put("k", Sibling(("a~aaaa", 1), 1 << 16, b"\x01"))
                for at in order:
                    made.write(lambda s, at=at: s.put_cells("k", cells([2 * at, 2 * at + 1], 2)))  # type: ignore[misc]
                before = noted(index)
                for _ in range(3):
                    made.storage._checkpoint.catch_up()
                assert noted(index) == before - 60, "of what is in the tables nothing is left in memory"
                places = {("k", path) for path in cells(range(2 * COUNT), 2)}
                if asked:
                    assert made.storage.beyond({"a~aaaa": 1}) == places
                made.write(lambda s: s.put_cells("k", cells([2 * COUNT], 3)))
                for _ in range(3):
                    made.storage._checkpoint.catch_up()
                more = {("k", path) for path in cells([2 * COUNT], 3)}
                assert made.storage.beyond({"a~aaaa": 1}) == places | more
                assert made.storage.beyond({"a~aaaa": 2}) == more


def noted(index: Index) -> int:
    return len(index._moved) + sum(map(len, index._came.values()))


@contextmanager
def a_long_list(path: Path) -> Iterator[crdtkv.Store]:
    with limited(writing, "LARGE", 50), crdtkv.open(path, colo="lhr") as kv:
        kv.list("long").append(*range(60))
        yield kv


def told(path: Path) -> Any:
    with closing(sqlite3.connect(path)) as db:
        found = dict(db.execute("SELECT key, value FROM kv"))
        return len(json.loads(found["long"])) if "long" in found else 0


@guards(
    "what the views tell of a large value is told apart, not behind each commit: its name stands in `meta` from the "
    "step that left it behind to the one that tells it.",
    Line(Writing._tell_key, "len(held.cells) > LARGE", "False"),
    Line(Writing._tell_key, 'self._tables.write("meta", [((_UNTOLD_NAMES + key,), True)])', "pass"),
    Line(Writing._tell_key, "self._telling[key] = False", "pass"),
    Line(Writing._tell, 'self._tables.write("meta", [((_UNTOLD_NAMES + key,), None)])', "pass"),
    Line(Writing._tell, "self._telling[key] = True", "pass"),
    Line(Writing._find_untold, "where[0][len(_UNTOLD_NAMES) :]", "where[0]"),
    Line(SqliteStorage.attend, "self._find_untold()", "pass"),
    Line(Checkpoint.catch_up, "self.tell()", "pass"),
    Line(Checkpoint.finish, "for _ in list(self._untold):", "for _ in ():"),
)
def a_large_value_is_told_once_the_tables_have_all_else() -> None:
    """Also where the process died before it was, and by who closes it."""
    with TemporaryDirectory(prefix="crdtkv-") as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "a.db"
        with a_long_list(path) as kv:
            storage: Any = kv._replica.storage
            patch.setattr(checkpoint, "JOURNAL_BYTES", 0)
            kv.put("other", 1)  # behind it a step writes both
            kv.put("other", 2)
            assert told(path) == 0 and storage._untold
            patch.undo()
            freshened(storage)
            assert told(path) == 60 and not storage._untold
            kv.list("long").append(60)
            storage._checkpoint.step()
            assert told(path) == 60 and list(storage._untold) == ["long"]
            other = died(path)
        with crdtkv.open(other, colo="lhr") as again:
            assert list(again._replica.storage._untold) == ["long"]
            freshened(again._replica.storage)
            assert told(other) == 61
            assert not list(again._replica.storage._tables.rows("meta", "untold/", "untold0"))
        assert told(path) == 61, "by the close"
        shutil.rmtree(other.parent)


def freshened(storage: Any) -> None:
    for _ in range(100):
        if not storage.freshen():
            return
    raise AssertionError("it comes to no end")


def died(path: Path) -> Path:
    """A copy of the files as they are now."""
    folder = path.parent.parent / f"{path.parent.name}-died"
    folder.mkdir()
    for found in path.parent.glob(f"{path.name}*"):
        if not found.name.endswith(("-shm", "-pid")):
            with suppress(FileNotFoundError):
                shutil.copy(found, folder)
    return folder / path.name


@guards(
    "of a key that is in any table by its key it never says so.",
    Line(Writing._write, 'self._absent.add(name for table, name in units if table in ("key", "past"))', "pass"),
    Line(Absent.learn, "self.add(keys)", "pass"),
    Line(Absent.learn, "if len(keys) == PIECE else None", "if False else None"),
    Line(Absent.lacks, "if self._after is not None:", "if False:"),
    Setting(tables, "_NAMED", {order: f"SELECT key FROM cell WHERE key > ? AND key <= ? AND ? AND ? AND ? AND ? "
                               f"AND ? AND ? ORDER BY key {order} LIMIT ?" for order in ("ASC", "DESC")}),
    Line(Layer.of, "if self._lacks(key):", "if True:"),
    Line(Layer.change, "if self._lacks(key)", "if True"),
)  # fmt: skip
def what_the_tables_have_is_never_taken_for_absent() -> None:
    """What was written before and since it was opened: cells, a context alone, a past alone, a horizon alone."""
    found = Sibling(("a~aaaa", 2), 2 << 16, b"\x01")
    gone = Past.of([Superseded(Sibling(("a~aaaa", 1), 1 << 16, b"\x02"), (("a~aaaa", 2),), None, 1)])
    names = [f"{n:02}" for n in range(10)]
    acts: list[Callable[[SqliteStorage, str], None]] = [
        lambda s, k: s.put_cell(k, ROOT, (found,)), lambda s, k: s.put_context(k, {"a~aaaa": 2}),
        lambda s, k: s.put_past(k, ROOT, gone), lambda s, k: s.put_horizon(k, Horizon({"a~aaaa": 1})),
    ]  # fmt: skip
    with file() as made, limited(absent, "PIECE", 3), limited(absent, "MISSES", 0):
        for name in names:
            made.write(*(lambda s, k=name + kind, act=act: act(s, k) for kind, act in zip("cxph", acts, strict=True)))  # type: ignore[misc]
        for opened in (False, True):
            if opened:
                made.again()
                early = [name for n in range(30) if made.storage._absent.lacks(name := f"none{n}")]
                assert not early, "not before all was gone through"
            made.storage.settle()
            freshened(made.storage)
            for name in names:
                made.write(lambda s, k=name + "c": s.put_context(k, {"a~aaaa": 3}))  # type: ignore[misc]
                assert made.storage.cells(name + "c") == {ROOT: (found,)}
                assert made.storage.context(name + "x") == {"a~aaaa": 2}
                assert made.storage.past(name + "p") == {ROOT: gone}
                assert made.storage.horizon(name + "h") == Horizon({"a~aaaa": 1})
                made.write(lambda s, k=name + "x": s.put_cell(k, ROOT, ()))  # type: ignore[misc]
                assert made.storage.unknown([name + "c", name + "x", name + "p", name + "h", "none"]) == {"none"}
            # (So small a filter may not know of one in twelve, by the seed of hash().)
            assert any(made.storage._absent.lacks(f"none{n}") for n in range(30)) and not made.storage.cells("none")


@guards(
    "Raises RowInvalid where they are not the same from either side",
    Line(Tables.named, "[::-1] != found", "[::-1] != found and False"),
    Line(Absent.learn, "self._given_up = True", "self._after = None"),
)
def where_keys_are_out_of_order_nothing_is_known_to_be_absent() -> None:
    """A page in the place of another: what lies behind it would be passed over."""

    class Swapped:
        def __init__(self, db: sqlite3.Connection) -> None:
            self.db = db

        def execute(self, words: str, *given: Any) -> Any:
            found = list(self.db.execute(words, *given))
            return [(("z",) if row == ("c",) else row) for row in found] if "ASC" in words else found

    with file() as made:
        for name in "abcd":
            made.put(name, Sibling(("a~aaaa", 2), 2 << 16, b"\x01"))
        made.again()
        storage: Any = made.storage
        storage._absent._after = ""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storage._tables, "_db", Swapped(storage._tables._db))
            storage._absent.learn()
        assert not storage._absent.lacks("none") and storage._absent._after == ""
