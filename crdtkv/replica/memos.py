"""What was made of the cells of keys, kept until one of them changes.

Law of this room: whoever changes a cell says so here, and what is given is what would
be made anew, also when a strategy or a merge function was registered since. Of the keys
asked for last; nothing here is more than time saved.

Two kinds: of few keys what writes and readings go through (a document's nodes), which
follows each write; of more keys what their readers were told, which the next write ends.
Of a key read at a glance that is kept once it is read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from crdtkv.core.cells import Cell
from crdtkv.core.keys import METADATA, SYSTEM
from crdtkv.core.paths import ELEMENT, ENTRY, VALUE, last_at
from crdtkv.core.tree import Cells
from crdtkv.strategies.base import learnt
from crdtkv.strategies.document import update, update_all
from crdtkv.strategies.roots import TTL_PATH, Root, pick, roots_in

__all__ = ["MEMOS", "TOLD", "Memo", "Memos"]

MEMOS = 256
TOLD = 8192
"""Keys of which is kept what their readers were told; how large that may be says whoever keeps it."""


class Memo:
    """What was made of one key's cells."""

    __slots__ = ("_cells", "_picked", "_roots", "_shown", "_weight", "documents")

    def __init__(self) -> None:
        self.documents: dict[bytes, Any] = {}
        """See `strategies.document.build`."""
        self._weight: int | None = None
        self._roots: list[Root] | None = None
        self._shown: Root | None = None
        self._picked = False
        """Whether `_shown` is which of `_roots` is read."""
        self._cells: Cells | None = None

    def roots(self, cells: Cells) -> list[Root]:
        """The strategies of a key without a date. O(1) until a cell changes; not to be mutated."""
        if self._roots is None or self._cells is not cells:
            assert TTL_PATH not in cells, "with a date it depends on the time"
            self._roots = roots_in(cells, memo=self.documents)
            self._picked = False
            self._cells = cells
        return self._roots

    def shown(self, cells: Cells) -> Root | None:
        """Which of them is read; None: the key is absent. O(1) until a cell changes."""
        roots = self.roots(cells)
        if not self._picked:
            self._shown, self._picked = pick(roots), True
        return self._shown

    def shows_still(self, cells: Cells, shown: Root) -> None:
        """A cell has changed, and `shown` is what the key shows, and all it holds, as before. O(1)."""
        if self._cells is cells:
            self._roots, self._shown, self._picked = [shown], shown, True

    def weight(self, cells: Cells) -> int:
        """Bytes that the packed value does not exceed. O(cells) once, then O(1)."""
        if self._weight is None:
            self._weight = sum(_weight(path, cell) for path, cell in cells.items())
        return self._weight

    def begun(self, payloads: Mapping[bytes, bytes | None]) -> None:
        """These are all cells that there are, of one sibling each. O(cells); `weight` costs more."""
        self._weight = sum([_adds(path, len(payload or b"")) for path, payload in payloads.items()])

    def changed(self, path: bytes, old: Cell, new: Cell) -> None:
        """The cell at `path` is `new` from now on."""
        update(self.documents, path, new)
        self._roots = None
        if self._weight is not None:
            self._weight += _said(new) - _said(old) if old and new else _weight(path, new) - _weight(path, old)

    def added(self, cells: Mapping[bytes, Cell]) -> None:
        """As `changed` of each of these, where nothing stood."""
        if len(cells) == 1:
            [(path, cell)] = cells.items()
            self.changed(path, (), cell)
            return
        if self.documents:
            update_all(self.documents, cells)
        self._roots = None
        if self._weight is not None:
            self._weight += sum([_weight(path, cell) for path, cell in cells.items()])


class Memos:
    """The memos of the keys asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Memo] = OrderedDict()
        self.derived: dict[str, Any] = {}
        """What was made of the system's keys, until one of them changes. (Of metadata nothing is made.)"""
        self._told: OrderedDict[str, Any] = OrderedDict()
        self._met: set[str] = set()
        """Keys of one value that were read lately."""
        self._learnt = learnt()

    def of(self, key: str) -> Memo:
        """The memo of `key`, a new one if it is not kept."""
        if self._learnt != learnt():
            self._learn()
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = self._kept[key] = Memo()
        if len(self._kept) > MEMOS:
            self._kept.popitem(last=False)
        return found

    def passing(self, key: str) -> Memo:
        """As `of`, for who passes by: a new one is kept where there is room."""
        return self.of(key) if key in self._kept or len(self._kept) < MEMOS else Memo()

    def told(self, key: str) -> Any:
        """What a reader of `key` was told, None if that is not kept, or not true any more. O(1)."""
        if self._learnt != learnt():
            self._learn()
        found = self._told.get(key)
        if found is not None:
            self._told.move_to_end(key)
        return found

    def stands(self, key: str, what: Any) -> bool:
        """Whether `what` is what a reader of `key` was told, and true still. O(1).

        Changes nothing, so it may be asked without the lock that all else is done under. What a transaction that is
        open has changed is not true any more: whether it will be, nobody knows yet.
        """
        return self._told.get(key) is what and self._learnt == learnt()

    def all_told(self) -> Mapping[str, Any]:
        """Key -> what its reader was told, as far as it is true still: `stands`, of many keys at one moment. O(1)."""
        return self._told if self._learnt == learnt() else {}

    def met(self, key: str) -> bool:
        """Whether a key is read again that was read lately: only then it is worth it to keep what is made at a glance,
        for most keys of a large store are read once. O(1)."""
        met = self._met
        if key in met:
            return True
        if len(met) >= TOLD:
            met.clear()
        met.add(key)
        return False

    def tell(self, key: str, what: Any) -> None:
        """A reader of `key` is told `what`, which holds until a cell or the context of the key changes. O(1)."""
        self._told[key] = what
        if len(self._told) > TOLD:
            self._told.popitem(last=False)

    def changed(self, key: str, path: bytes, old: Cell, new: Cell) -> None:
        """A cell of `key` is `new` from now on."""
        self.touched(key)
        if key in self._kept:
            self._kept[key].changed(path, old, new)

    def added(self, key: str, cells: Mapping[bytes, Cell]) -> None:
        """As `changed` of each of these, where nothing stood."""
        self.touched(key)
        if key in self._kept:
            self._kept[key].added(cells)

    def begun(self, key: str) -> None:
        """A key has come of which there was nothing."""
        self.touched(key)
        self._kept.pop(key, None)

    def touched(self, key: str) -> None:
        """The context of `key` is another from now on."""
        self._told.pop(key, None)
        if key[0] == SYSTEM and not key.startswith(METADATA):
            self.derived.clear()

    def clear(self) -> None:
        """Cells were changed, and nobody said which. (A version that was undone may come again, of another write.)"""
        self._kept.clear()
        self.derived.clear()
        self._told.clear()

    def _learn(self) -> None:
        self._learnt = learnt()
        self.clear()

    def __len__(self) -> int:
        return len(self._kept)


def _said(cell: Cell) -> int:
    return sum([len(s[2]) for s in cell if s[2]])


def _weight(path: bytes, cell: Cell) -> int:
    """What a cell adds to a packed value at most."""
    if not cell:
        return 0
    return _adds(path, len(cell[0][2] or b"") if len(cell) == 1 else _said(cell))


def _adds(path: bytes, said: int) -> int:
    """And one whose payloads are so long: of an element that is the payload, of one of a set its name.

    MessagePack puts up to 5 bytes before a name and before a value; a container's mark has 2.
    """
    at = path.rfind(b"\0", 0, -1) + 1  # (`last_at`, of most paths)
    if at and path[at] == 0xFF:
        at = last_at(path)
    tag = path[at : at + 1]
    if tag in (ELEMENT, ENTRY):
        return said + 3
    return said + (len(path) - at if tag == VALUE else len(path) + 10)
