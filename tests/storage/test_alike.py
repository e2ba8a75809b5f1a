"""The two storages are one thing: whatever is done to both, they are asked the same and say the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crdtkv.core import paths, values
from crdtkv.core.cells import MARK_PLAIN, Sibling, expiry, hide, make_cell
from crdtkv.storage import checkpoint
from crdtkv.storage.base import NO_HORIZON, Floor, Horizon, Life, Storage
from crdtkv.storage.memory import MemoryStorage
from crdtkv.storage.pasts import Past, Superseded
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.strategies.roots import TTL_PATH, root_path

KEYS = ["a", "b", "b\x00", "ba", "\x00members", "é", "z" * 300, "\U0001f600", "\ud7ff", "\ue000"]
REPLICAS = ["lhr~aaaa", "sin~bbbb", "gru~cccc"]
ROOTS = [root_path(spec) for spec in ("json", "lww", "set?wins=remove", "other")]
MEMBERS = [ROOTS[0] + paths.component(paths.MEMBER, str(n).encode()) for n in range(40)]
ORDER = ROOTS[0] + paths.component(paths.ORDER, paths.component(paths.ELEMENT, b"\x02\x80"))
PATHS = [b"", TTL_PATH, *ROOTS, ORDER, *MEMBERS]
PAYLOADS: list[bytes | None] = [
    None, MARK_PLAIN, values.pack("text"), values.pack("é\n\"'"), values.pack("with\x00nul"), values.pack(""),
    values.pack("x" * 3000), values.pack(5), values.pack(2**70), values.pack(1.5), values.pack({"a": [1, None]}),
    b"\xd9\x01a", b"\xa2\xff\xfe", b"\xa5abc", b"\xc1Zlater", hide({"lhr~aaaa": 2}, MARK_PLAIN), expiry(1 << 20, "max"),
]  # fmt: skip


class Both:
    """A storage in memory and one in a file, told the same."""

    def __init__(self, path: Path, dice: random.Random, **options: Any) -> None:
        self.path, self.dice, self.options = path, dice, options
        self.memory: Storage = MemoryStorage()
        self.sqlite: Storage = SqliteStorage(path, **options)
        self.stamp = 0

    def open_again(self, crashed: bool) -> None:
        """The file is closed, or its process dies; what was committed is there."""
        found: Any = self.sqlite
        if crashed:
            found._db.close()
            found._witness.close()
            found._hold.close()
        found.close()
        self.sqlite = SqliteStorage(self.path, **self.options)

    def tell(self, act: Callable[[Storage], Any]) -> None:
        for storage in (self.memory, self.sqlite):
            act(storage)

    def same(self, ask: Callable[[Storage], Any]) -> None:
        assert ask(self.memory) == ask(self.sqlite)

    # what is drawn

    def sibling(self) -> Sibling:
        dice, self.stamp = self.dice, self.stamp + dice_step(self.dice)
        dots = [(dice.choice(REPLICAS), dice.randrange(1, 60)) for _ in range(4)]
        parents, lost = (tuple(sorted(set(dots[1 : 1 + dice.choice((0, 0, 1, 2))]))) for _ in range(2))
        return Sibling(dots[0], self.stamp, dice.choice(PAYLOADS), parents, lost if dice.random() < 0.2 else ())

    def cell(self) -> Any:
        count = self.dice.choice((0, 0, 1, 1, 1, 1, 2, 3))
        return make_cell({s.dot: s for s in (self.sibling() for _ in range(count))}.values())

    def vector(self) -> dict[str, int]:
        return {r: self.dice.randrange(0, 61) for r in REPLICAS if self.dice.random() < 0.8}

    def write(self) -> None:
        dice = self.dice
        key = dice.choice(KEYS)
        match dice.randrange(16):
            case 0 | 1 | 2 | 3:
                path, cell = dice.choice(PATHS), self.cell()
                self.tell(lambda s: s.put_cell(key, path, cell))
            case 4:  # a plain key, as most are
                sibling = self.sibling()
                for path in list(self.memory.cells(key)):
                    self.tell(lambda s, path=path: s.put_cell(key, path, ()))  # type: ignore[misc]
                self.tell(lambda s: s.put_cell(key, ROOTS[0], (sibling,)))
                self.tell(lambda s: s.put_context(key, dict([sibling.dot])))
                if dice.random() < 0.7:  # no past is kept of it
                    self.tell(lambda s: s.put_horizon(key, Horizon(dict([sibling.dot]))))
            case 5:  # all of its cells
                cells = [(path, self.cell()) for path in MEMBERS]
                for path, cell in cells:
                    self.tell(lambda s, path=path, cell=cell: s.put_cell(key, path, cell))  # type: ignore[misc]
            case 15:  # a date that goes from what is left as it was, written by whom nobody else has heard of
                if TTL_PATH not in self.memory.cells(key):
                    dot, stamp = (f"one~{self.stamp:04x}", 1), self.stamp
                    for path in list(self.memory.cells(key)):
                        self.tell(lambda s, path=path: s.put_cell(key, path, ()))  # type: ignore[misc]
                    for path in (ROOTS[0], TTL_PATH):
                        written = (Sibling(dot, stamp, values.pack(5) if path != TTL_PATH else None),)
                        self.tell(lambda s, path=path, cell=written: s.put_cell(key, path, cell))  # type: ignore[misc]
                    self.tell(lambda s: s.put_context(key, dict([dot])))
                else:
                    self.tell(lambda s: s.put_cell(key, TTL_PATH, ()))
            case 14:  # more, where nothing stands
                stand = self.memory.cells(key)
                places = [p for p in dice.sample(PATHS, dice.choice((1, 2, 30))) if p not in stand]
                more = {p: cell for p in places if (cell := self.cell())}
                if more:
                    self.tell(lambda s: s.put_cells(key, more))
            case 6:  # none is left
                for path in list(self.memory.cells(key)):
                    self.tell(lambda s, path=path: s.put_cell(key, path, ()))  # type: ignore[misc]
                if dice.random() < 0.5:
                    self.tell(lambda s: s.put_context(key, {}))
            case 7:
                context = {r: n for r, n in self.vector().items() if n}
                self.tell(lambda s: s.put_context(key, context))
            case 8:
                path = dice.choice(PATHS)
                rows = Past.of([self.superseded() for _ in range(dice.choice((0, 1, 2, 30)))])
                if dice.random() < 0.5:
                    rows = self.memory.past(key).get(path, rows).grown(list(rows)).without(dice.choice((0, 1, 9)))
                self.tell(lambda s: s.put_past(key, path, rows))
            case 9:
                horizon = self.horizon()
                self.tell(lambda s: s.put_horizon(key, horizon))
            case 10:
                id, lost = str(dice.randrange(5)), dice.choice((None, {"key": key, "lost": [1, b"\x00"]}))
                self.tell(lambda s: s.put_inbox(id, lost))
            case 11:
                name, value = (
                    dice.choice(("state", "once/1", "once/2")),
                    dice.choice((None, {"n": 2**63, "b": b"x"}, 5)),
                )
                self.tell(lambda s: s.put_meta(name, value))
                if dice.random() < 0.2:
                    self.tell(lambda s: s.drop_meta("once/", lambda row: row == 5))
            case _:  # all of a new one
                new = min(self.memory.unknown(KEYS), default="")
                cells = {p: cell for p in dice.sample(PATHS, dice.choice((1, 2, 30))) if (cell := self.cell())}
                context, horizon = {r: n for r, n in self.vector().items() if n}, self.horizon()
                if dice.random() < 0.7:  # as one that came in a full join
                    context = dict([next(s.dot for cell in cells.values() for s in cell)]) if cells else {}
                    horizon = Horizon(context)
                if new and cells:
                    self.tell(lambda s: s.put_key(new, dict(cells), context, horizon))

    def superseded(self) -> Superseded:
        by = tuple((r, n) for r, n in self.vector().items())
        return Superseded(self.sibling(), by, self.dice.choice((None, {"sin~bbbb": 5})), self.dice.randrange(9))

    def horizon(self) -> Horizon:
        match self.dice.randrange(10):
            case 0 | 1 | 2:
                return NO_HORIZON
            case 3 | 4 | 5:
                return Horizon({self.dice.choice(REPLICAS): self.dice.randrange(1, 60)})
        dot = ("lhr~aaaa", 3)
        return Horizon(
            self.vector(), ((self.vector(), self.vector()),), (Life(dot, {"a~a": 1}, {}),), 7, (Floor(dot, {}, 9),)
        )

    # what is asked

    def compare(self) -> None:
        dice = self.dice
        for key in KEYS:
            self.same(lambda s, key=key: dict(s.cells(key)))  # type: ignore[misc]
            self.same(lambda s, key=key: dict(s.context(key)))  # type: ignore[misc]
            self.same(lambda s, key=key: [dict(part) for part in s.standing(key)])  # type: ignore[misc]
            self.same(lambda s, key=key: dict(s.past(key)))  # type: ignore[misc]
            self.same(lambda s, key=key: s.horizon(key))  # type: ignore[misc]
            dot = (dice.choice(REPLICAS), dice.randrange(1, 60))
            self.same(lambda s, key=key, dot=dot: s.stands(key, dot))  # type: ignore[misc]
        some = dice.sample(KEYS, 5)
        self.same(lambda s: s.unknown(some))
        self.compare_many()

    def compare_many(self) -> None:
        dice = self.dice
        bounds = sorted(dice.choice([*KEYS, ""]) for _ in range(2))
        for low, high in (("", None), (bounds[0], bounds[1]), (bounds[1], None)):
            for reverse in (False, True):
                self.same(lambda s, a=low, b=high, r=reverse: list(s.keys(a, b, r)))  # type: ignore[misc]
                self.same(lambda s, a=low, b=high, r=reverse: passed(s, a, b, r))  # type: ignore[misc]
        compound, keys = list(self.sqlite.compound("a")), list(self.memory.compound("a"))
        assert compound == [key for key in keys if key in compound]
        assert {key for key in keys if len(self.memory.cells(key)) > 1} <= set(compound)
        for vector in ({}, self.vector(), self.vector(), dict.fromkeys(REPLICAS, 60)):
            self.same(lambda s, vector=vector: s.beyond(vector))  # type: ignore[misc]
        for floor in (0, dice.randrange(self.stamp + 1), self.stamp, 1 << 62):
            self.same(lambda s, floor=floor: s.due(floor))  # type: ignore[misc]
        told = self.sqlite.past_keys()
        left_out = sorted({*self.memory.past_keys()} - {*told})
        assert sorted({*told, *left_out}) == self.memory.past_keys()
        for key in left_out:
            assert self.memory.cells(key) and not self.memory.past(key)
            assert self.memory.horizon(key) == Horizon(dict([*self.memory.horizon(key).base.items()][:1]))
        self.same(lambda s: sorted(s.inbox().items()))
        for name in ("state", "once/1", "once/2", "none"):
            self.same(lambda s, name=name: s.meta(name))  # type: ignore[misc]


def passed(storage: Storage, low: str, high: str | None, reverse: bool) -> list[Any]:
    """What stands in the keys of a range, all or some of them, made of what a plain row says or of cells."""
    asked = [(plain, wanted) for plain in (None, of_plain) for wanted in (None, lambda key: key != "b")]
    found = [list(storage.passing(low, high, reverse, plain, of_cells, wanted)) for plain, wanted in asked]
    assert [key for key, *_ in found[0]] == list(storage.keys(low, high, reverse))
    return found


def of_cells(key: str, cells: Any, context: Any) -> Any:
    """(Without the parents: a plain row's are not told.)"""
    return key, {path: [tuple(s[:3]) for s in cell] for path, cell in cells.items()}, dict(context)


def of_plain(said: Any) -> Any:
    key, replica, n, stamp, spec, value, *_ = said
    sibling = Sibling((replica, n), stamp, values.pack(value))
    return None if spec == "other" else of_cells(key, {root_path(spec): (sibling,)}, {replica: n})


def dice_step(dice: random.Random) -> int:
    return dice.choice((0, 1, 1 << 16, 1 << 40))


@pytest.mark.parametrize("seed", range(16))
def test_whatever_is_done_to_both(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions that are kept or undone, checkpoints in small steps, closes and crashes between them."""
    dice = random.Random(seed)
    monkeypatch.setattr(checkpoint, "JOURNAL_BYTES", dice.choice((1, 2_000, 1 << 20)))
    monkeypatch.setattr(checkpoint, "STEP_ROWS", dice.choice((1, 3, 1_000)))
    both = Both(tmp_path / "x.db", dice, cache_mb=dice.choice((0, 256)))
    for _ in range(60):
        both.tell(lambda s: s.begin())
        for _ in range(dice.randrange(1, 6)):
            both.write()
            if dice.random() < 0.1:
                both.compare()
        if dice.random() < 0.8:
            both.tell(lambda s: s.commit())
        else:
            both.tell(lambda s: s.rollback())
        match dice.randrange(9):
            case 8:
                assert list(both.sqlite.faults()) == []
            case 0:
                both.open_again(crashed=dice.random() < 0.5)
            case 1:
                both.tell(lambda s: s.settle())
            case _:
                pass
        if dice.random() < 0.4:
            both.compare()
        else:
            both.compare_many()
    both.sqlite.close()
