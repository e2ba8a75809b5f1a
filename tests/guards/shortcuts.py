"""The short way of a write: where it does not lead, it is not taken."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from crdtkv.core.cells import Sibling
from crdtkv.core.packed import Packed
from crdtkv.replica import leaf
from crdtkv.replica.draft import Draft
from crdtkv.replica.memos import Memo
from crdtkv.storage.memory import MemoryStorage
from crdtkv.strategies import line
from crdtkv.strategies.json import Json
from tests.guards.mutation import Line, guards
from tests.store.test_short_way import played
from tests.strategies.test_indexes import test_who_goes_on_at_an_end_stands_where_he_would as as_between_says

DELETED: list[Any] = [("put", "a", 1), ("away", "a", 2), ("meet", "a", 0), ("delete", "a", 0), ("put", "a", 3)]
FORGOTTEN: list[Any] = [*DELETED[:4], *[("compact", "a", 0)] * 4, ("put", "a", 3), ("meet", "a", 0), ("put", "a", 4)]
GONE: list[Any] = [
    ("operate", ("set", "add", "x"), False), ("meet", "a", 0), ("operate", ("set", "clear"), False),
    *[("compact", "a", 0)] * 4, ("operate", ("set", "add", "y", "z"), False), ("operate", ("set", "add", "x"), True),
    ("meet", "a", 0), ("operate", ("set", "remove", "x"), False), *[("compact", "a", 0)] * 4,
    ("operate", ("set", "add", "w"), False), ("operate", ("list@log", "append", 1), False), ("put", "set", 1),
    ("operate", ("set@new", "append", 1), False),
]  # fmt: skip
DATED: list[Any] = [("put", "a", 1), ("expire", "a", 0), ("put", "a", 2), ("wait", "a", 0), ("put", "a", 3)]
UNTIL: list[Any] = [
    ("until", "a", 1), ("until", "a", 2), ("stays", "a", 3), ("stays", "a", 3), ("until", "a", 4), ("wait", "a", 0),
    ("until", "a", 5), ("away", "a", 6), ("meet", "a", 0), ("until", "a", 7), ("meet", "a", 0), ("delete", "a", 0),
    ("until", "a", 8), ("wait", "a", 0), ("stays", "a", 9), ("until", "base/a", 1), ("until", "base/a", 2),
    *[("delete", "a", 0), ("meet", "a", 0), ("compact", "a", 0), ("compact", "a", 0), ("compact", "a", 0)],
    [("until", "a", 1), ("until", "a", 2), ("stays", "a", 3)], ("meet", "a", 0), ("compact", "a", 0), ("wait", "a", 0),
    ("until", "mv/a", 1), ("away", "mv/a", 2), ("meet", "a", 0), ("until", "mv/a", 3), ("compact", "a", 0),
    ("until", "a", {"x": 1}), ("until", "a", [1]), ("until", "a", 2), ("lww", "b", 1), ("until", "b", 2),
]  # fmt: skip
TWO: list[Any] = [
    ("put", "a", 1), ("meet", "a", 0), ("put", "a", "x"), ("wait", "a", 0), ("away", "a", 0), ("meet", "a", 0),
    ("put", "a", "x"), ("meet", "a", 0),
]  # fmt: skip
UNTIL_AGAIN = [[("until" if act[0] == "put" else act[0], *act[1:]) for act in script] for script in (DELETED, TWO)]
BESIDE: list[Any] = [("put", "mv/a", 1), ("away", "mv/a", 2), ("meet", "a", 0), ("put", "mv/a", 3), ("meet", "a", 0)]
NESTED: list[Any] = [("put", "a", {}), ("put", "a", 1), ("put", "a", 1), ("put", "a", {"x": 1}), ("put", "a", 2)]
NAMED: list[Any] = [
    ("put", "b", 1),
    ("lww", "b", 2),
    ("lww", "mv/a", 1),
    ("put", "mv/a", 2),
    ("lww", "a", 3),
    ("lww", "max/a", 1),
    ("put", "max/a", 1),
]
ADDED: list[Any] = [
    ("operate", ("set", "add", "x"), False), ("operate", ("set", "remove", "x"), False),
    [("operate", ("list", "append", n), False) for n in range(20)], ("operate", ("list", "append", 7), False),
    ("operate", ("log", "append", 0), False), [("operate", ("log", "append", n), False) for n in range(20)],
    ("operate", ("set", "clear"), False), ("operate", ("set", "add", "y"), False), ("expire", "set", 0),
    ("operate", ("set", "add", "z"), False), ("operate", ("counter", "add", 1), False), ("expire", "counter", 0),
    ("operate", ("counter", "add", 2), False), ("operate", ("log", "append", 1), False),
    ("operate", ("list@log", "append", 1), False),
]  # fmt: skip


@guards(
    "Law of this room: it leaves the cells, the context, the past and the record that the long way",
    Line(leaf._over, "None if old is None else found.leaf(old, value)", "found.leaf(old, value)"),
    Line(leaf.put, "or storage.has_past(key)", ""),
    Line(leaf.put, "if len(cells) > 1 or rule.require_base:", "if rule.require_base:"),
    Line(leaf._over, "if found is None or len(cell) > 1 or", "if found is None or"),
    Line(leaf._over, "or (spec is not None and strategy(spec) is not found)", ""),
    Line(leaf.put_until, "or storage.has_past(key)", ""),
    Line(leaf.put_until, "or rule.require_base", ""),
    Line(leaf.put_until, "or expired(cells, draft.stamp)", ""),
    Line(leaf.put_until, "if date is None and any(s.payload for s in dated):", "if date is None:"),
    Line(leaf.operate, "if TTL_PATH in cells or", "if"),
    Line(leaf.operate, "operation.name not in chosen.short or", ""),
    Line(leaf.operate, "or (family is not None and family != chosen.name)", ""),
    Line(Json.leaf, "if isinstance(value, (dict, list, tuple)):", "if False:"),
    Line(Json.leaf, 'b"" if old == packed else packed', "packed"),
    Line(Memo.roots, "or self._cells is not cells", ""),
    Line(Draft.put_first, "if replica.state.floor:", "if False:"),
    Line(leaf._begin, "storage.context(key) or storage.has_past(key)", "False"),
    Line(leaf._begin, "if operation.name not in chosen.short:", "if False:"),
    Line(Draft.put_all_first, "if replica.state.floor:", "if False:"),
    Line(Draft.add_leaves, "self._noting(key)", "pass"),
    Line(MemoryStorage.put_cells, "self._index.came_to(key, cells, before if isinstance(before, Packed) else None)", "pass"),
)
def the_short_way_leaves_what_the_long_way_leaves() -> None:
    """Deleted, forgotten, dated, written beside, of another kind or strategy: the same as without it."""
    never = lambda *given: None  # noqa: E731
    for script in (DELETED, FORGOTTEN, GONE, DATED, UNTIL, *UNTIL_AGAIN, BESIDE, NESTED, NAMED, TWO, ADDED):
        for history in (True, False):
            with patch.multiple(leaf, put=never, operate=never, put_until=never):
                long = played(script, history)
            assert played(script, history) == long


@guards(
    "Law of this room: nothing here is more than time saved.",
    Line(line.beyond, "[] if moved(tree) else ", ""),
    Line(line._Places.put_cell, "None if path == last else last", "last"),
    Line(line._Places.put_cell, "elif last is not None and path > last:", "elif last is None:"),
    Line(line._Places.put_cell, "elif first is not None and path < first:", "elif first is None:"),
    Line(line._Places.go_on, "if self.run_at[front] != (replica, end):", "if self.run_at[front] is None:"),
)
def who_goes_on_at_an_end_stands_where_he_would() -> None:
    for seed in range(6):
        as_between_says(seed)


@guards(
    "what is kept of a cell says all of it.",
    Line(Packed._made, "and not parents and not lost", ""),
    Line(Packed._made, "if len(cell) == 1:", "if cell:"),
    Line(Packed.beyond, "and n > known[number]:", "and n >= known[number]:"),
    Line(Packed.newest, "row[-12:-4]", "row[-20:-12]"),
)
def a_cell_of_a_large_key_is_given_as_it_was_put() -> None:
    one = Sibling(("lhr~k3f7", 7), 9, b"\xa1x")
    old = one._replace(stamp=5)
    given = {b"a": (one,), b"b": (old._replace(parents=(("sin~a2c5", 2),)),), b"c": (old, old._replace(dot=("z~1", 1)))}
    cells = Packed(given)
    assert dict(cells.items()) == given and cells.newest() == 9
    assert cells.beyond({"lhr~k3f7": 7, "z~1": 1}) == [] and cells.beyond({"lhr~k3f7": 7}) == [b"c"]
