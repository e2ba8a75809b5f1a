"""What memory holds of a key and of its past, and what that weighs.

Law of this room: what is held says what the tables have of it, until `wrote`; and a plain key, one
text or whole number written by one dot, is held as its row says it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final, TypeVar

import msgpack

from crdtkv.core.cells import Context, Sibling
from crdtkv.core.clocks import Dot
from crdtkv.core.packed import Packed
from crdtkv.core.paths import STRATEGY, component
from crdtkv.core.tree import Cells
from crdtkv.storage.base import Horizon, Plain, Said, Whole
from crdtkv.storage.pasts import Past

__all__ = [
    "ABSENT", "ALONE", "PACKED", "PARTS", "PLAIN", "Held", "Old", "horizon_of", "lone", "made_of", "weight_of",
    "weight_of_past",
]  # fmt: skip

ABSENT: Final = 0
ALONE: Final = 1
PLAIN: Final = 2
PACKED: Final = 3
PARTS: Final = 4
"""How the tables have a key: there is nothing; a context by itself; a row."""

_T = TypeVar("_T")

_pack: Final = msgpack.Packer().pack
_new: Final = tuple.__new__
"""(Half the time of the call of a named tuple: a scan reads many rows.)"""


class Held:
    """The cells and context of a key, and what the tables have of it.

    Of a plain key they are made when they are asked for, of what its row says or will say: most are only read, or
    left as they are, and what it says is nothing that Python's collector has to go through.
    """

    __slots__ = ("_cells", "_context", "base", "changed", "dots", "kind", "said", "used", "weight")

    def __init__(
        self, cells: Cells | None, context: Context | None, kind: int = ABSENT, dots: tuple[Dot, ...] = ()
    ) -> None:  # fmt: skip
        self._cells, self._context = cells, context
        """None: not made yet of what is said."""
        self.said: Said | None = None
        """What the row of a plain key says, or is about to say, as long as that is all there is of it."""
        self.kind = kind
        """How the tables have it."""
        self.dots = dots
        """Under which dots the tables list it: of each replica none of its own is above. (Of a plain one not said.)"""
        self.changed: set[bytes] | frozenset[bytes] | None = None
        """The paths that the tables do not have as they are; None if they have all, and the context."""
        self.base: Dot | None = None
        """Of what is known from this dot on, and no more is to be said of its horizon: that, unless its row says so."""
        self.used = False
        self.weight = 0

    @classmethod
    def of_row(cls, said: Said) -> Held:
        """A plain key, as its row has it."""
        held = Held(None, None, PLAIN)
        held.said = said
        return held

    @property
    def cells(self) -> Cells:
        """What stands in it. O(1)."""
        if self._cells is None:
            self._make()
        return self._cells  # type: ignore[return-value]

    @cells.setter
    def cells(self, cells: Cells) -> None:
        self._cells = cells

    @property
    def context(self) -> Context:
        """Its version. O(1)."""
        if self._context is None:
            self._make()
        return self._context  # type: ignore[return-value]

    @context.setter
    def context(self, context: Context) -> None:
        self._context = context

    def _make(self) -> None:
        assert self.said is not None
        _, replica, n, stamp, spec, value, rest, _ = self.said
        parents = ((replica, abs(rest)),) if rest else ()
        sibling = _new(Sibling, ((replica, n), stamp, _pack(value), parents, ()))
        self._cells, self._context = {_root(spec): (sibling,)}, {replica: n}

    def dot_at(self, path: bytes) -> Dot | None:
        """Whose write stands at `path`, where that is all that its row says; None elsewhere: of a key that became plain
        other places have changed, too."""
        said = self.said
        return None if said is None or path != _root(said[4]) else (said[1], said[2])

    def begin_to_change(self) -> None:
        """What its row says is not all there is of it any more. Idempotent."""
        if self.said is not None:
            if self._cells is None:
                self._make()  # (of that)
            self.base = self.begun()
            self.said = None

    def begun(self) -> Dot | None:
        """From which dot on all is known, where that is all there is to its horizon; None: that stands elsewhere."""
        said = self.said
        if said is None or self.base is not None:
            return self.base
        return said[1:3] if said[6] is not None and said[6] <= 0 else None

    def say(self, said: Said) -> None:
        """That is all there is of it, where nothing was said yet; cells and context are made when asked for."""
        self.said = said
        if self.base == said[1:3]:
            self.base = None
        self._cells = self._context = None

    def changed_at(self, path: bytes) -> None:
        """The tables do not have what stands at `path`."""
        self.changed = _with(self.changed, path)

    def changed_at_all(self, paths: Collection[bytes]) -> None:
        """As `changed_at` of each."""
        if len(paths) > 1:
            changed = self.changed if type(self.changed) is set else set(self.changed or ())
            changed.update(paths)
            self.changed = changed
        else:
            for path in paths:
                self.changed_at(path)


def weight_of(held: Held) -> int:
    """Some bytes, as measured: of a plain key between what it takes as its row says it, 600, and as cells, 1,500."""
    if held.said is not None:
        value = held.said[5]
        return 900 + (len(value) if type(value) is str else 8)
    cells = held.cells
    if isinstance(cells, Packed):
        return 900 + 130 * len(cells) + cells.weight()
    return 900 + sum(350 + sum(len(sibling[2] or b"") for sibling in cell) for cell in cells.values())


def made_of(key: str, held: Held, plain: Plain[_T] | None, whole: Whole[_T]) -> _T | None:
    """What `Storage.passing` makes of a key; None if it is passed over."""
    found = plain(held.said) if plain is not None and held.said is not None else None
    return whole(key, held.cells, held.context) if found is None and held.cells else found


def lone(horizon: Horizon) -> Dot | None:
    """The dot that is all of a horizon: of a key of which no past is kept, that is the last one that wrote it."""
    base, *rest = horizon
    return next(iter(base.items())) if len(base) == 1 and not any(rest) else None


def horizon_of(held: Held) -> Horizon:
    """Of a key that says from which dot on it is known."""
    base = held.begun()
    assert base is not None, "its horizon stands where its past is"
    return Horizon({base[0]: base[1]})


class Old:
    """The past of a key: what stood before, and how far back it reaches."""

    __slots__ = ("changed", "horizon", "kept", "known", "rows", "used", "weight")

    def __init__(self, rows: dict[bytes, Past], horizon: Horizon) -> None:
        self.rows, self.horizon = rows, horizon
        self.kept, self.known = rows, horizon
        """What the tables have of each path, the same mapping where that is what stands; and of its horizon."""
        self.changed: set[bytes] | frozenset[bytes] | None = None
        """The paths that the tables do not have as they are; None if they have all, and the horizon."""
        self.used = False
        self.weight = 0

    def changed_at(self, path: bytes) -> None:
        """The tables do not have the past of `path`, which is about to change."""
        if self.rows is self.kept:
            self.rows = dict(self.kept)
        self.changed = _with(self.changed, path)

    def wrote(self, horizon: Horizon) -> None:
        """The tables have what stands, and that of its horizon."""
        self.kept, self.known, self.changed = self.rows, horizon, None


def weight_of_past(old: Old) -> int:
    """As `weight_of`, of what stood before."""
    return 700 + sum([rows.weight() for rows in old.rows.values()])


def _with(changed: set[bytes] | frozenset[bytes] | None, path: bytes) -> set[bytes] | frozenset[bytes]:
    if not changed:
        return _only(path)
    if path not in changed:
        if type(changed) is frozenset:
            changed = set(changed)
        changed.add(path)  # type: ignore[union-attr]
    return changed


@lru_cache
def _only(path: bytes) -> frozenset[bytes]:
    """One for all keys: most have one cell, and a set of one takes 200 bytes."""
    return frozenset((path,))


@lru_cache
def _root(spec: str) -> bytes:
    return component(STRATEGY, spec.encode())
