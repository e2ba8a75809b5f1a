"""What one step of a checkpoint writes: units that the tables lack, of a large key a piece at a time.

Law of this room: what a step did not write stays dirty. A key in parts is written in pieces, so that no step is
longer than another; what the views tell of a large value is told apart, not behind each commit: its name stands in
`meta` from the step that left it behind to the one that tells it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from mypy_extensions import mypyc_attr

from crdtkv.core.clocks import Dot
from crdtkv.storage import checkpoint
from crdtkv.storage.base import NO_HORIZON, Horizon
from crdtkv.storage.held import ALONE, PARTS, PLAIN, Held, Old, horizon_of
from crdtkv.storage.index import SMALL
from crdtkv.storage.layers import Layers, Unit
from crdtkv.storage.pasts import NO_PAST, Past, begun, changes, plain_rows
from crdtkv.storage.tables import Told
from crdtkv.storage.views import AS_IT_IS, Showing

__all__ = ["LARGE", "Writing"]

LARGE = 1_000
"""A value of more cells is told apart: its JSON text takes more than a step."""

_UNTOLD_NAMES = "untold/"
"""Behind it in the names of meta: a key whose value is not told as it is."""


class _Wrote(NamedTuple):
    key: str
    held: Held
    kind: int
    dots: tuple[Dot, ...]
    paths: Collection[bytes]
    """All that have changed, or a piece of them."""
    piece: bool = False
    last: bool = True


class _Together(NamedTuple):
    """Of all units of a step, written together."""

    pieces: list[tuple[tuple[str, bytes, int], bytes | None]]
    """Of pasts: key, path and number, and the piece; None: there is none any more."""
    horizons: list[tuple[tuple[str], Horizon | None]]
    shown: list[Told]
    was: list[Told]
    more: list[Told]
    """What is told behind what `was` says there."""
    lost: list[Told]


@mypyc_attr(allow_interpreted_subclasses=True)
class Writing(Layers):
    """The layers, and how the tables come to have what they lack."""

    _checkpoint: checkpoint.Checkpoint

    def __init__(self, db: sqlite3.Connection, cache_bytes: int) -> None:
        super().__init__(db, cache_bytes)
        self._untold: dict[str, None] = {}
        """Large keys of which the views do not tell what the tables have, in the order they were left behind."""
        self._telling: dict[str, bool] = {}
        """What the step that is being written makes of those: told, or left behind."""
        self._piecemeal = ""
        """The key that is being written in pieces."""
        self._rest: list[bytes] = []
        """Its paths that this checkpoint is still to write, the next one last."""
        self._pieces = 0
        """How many there were at first."""

    @property
    def owing(self) -> bool:
        return self._checkpoint.owed > 0

    def keep_up(self) -> None:
        if self.doubtful:
            return
        try:
            # What was committed is in the journal: that the tables cannot have it yet is nobody's failure.
            with suppress(sqlite3.Error):
                self._checkpoint.pay()
        except BaseException:
            self.doubtful = self._checkpoint.torn
            raise

    def _weigh(self, unit: Unit) -> int:
        """As how many keys of one cell it is written, about: of a past more the more of it there is (what came is
        written, and what views tell of it is rewritten as a whole)."""
        kind, name = unit
        if kind == "past":
            old = self._pasts.dirty[name]
            return 1 + sum([8 + len(old.rows.get(path, NO_PAST)) for path in old.changed or ()]) // 16
        return 1 + len(self._keys.dirty[name].changed or ()) // 4 if kind == "key" else 1

    def _write(self, units: list[Unit]) -> tuple[Callable[[], None], bool]:
        """The tables have these units as they are now, of a large key a piece. What returns is to be called once that
        is committed; and whether no piece of the last one is left.
        """
        keys: list[_Wrote] = []
        aside: dict[str, Horizon] = {}
        pasts: dict[str, Horizon] = {}
        together = _Together([], [], [], [], [], [])
        self._telling.clear()
        self._absent.add(name for table, name in units if table in ("key", "past"))
        for table, name in units:
            if table == "key":
                held = self._keys.dirty[name]
                keys.append(self._write_key(name, held, together.shown))
                if held.begun() is not None and name in self._pasts.dirty and ("past", name) not in units:
                    units.append(("past", name))  # whose row says when it began has none of its past
                if held.base is not None:  # and whose row cannot
                    aside[name] = horizon_of(held)
                    together.horizons.append(((name,), aside[name]))
            elif table == "past":
                old = self._pasts.dirty[name]
                pasts[name] = aside.get(name, old.horizon)
                self._write_past(name, old, pasts[name], together)
            elif table == checkpoint.UNTOLD:
                self._tell(name, True, together.shown)
            else:
                row = self._inbox.get(name) if table == "inbox" else self._meta[name]
                self._tables.write(table, [((name,), row)])
                if table == "inbox" and self._showing is not None:
                    together.lost.append(((name,), None if row is None else self._showing.lost(name, row)))
        self._tables.flush()
        self._write_together(together)

        def wrote() -> None:
            for name, horizon in aside.items():
                self._keys.dirty[name].base = None
                if (old := self._pasts.peek(name)) is not None:
                    old.horizon = old.known = horizon
            for key in keys:
                self._wrote_key(key)
            for name, told in self._telling.items():
                if told:
                    self._untold.pop(name, None)
                else:
                    self._untold[name] = None
            for table, name in units:
                if table == "past":
                    self._pasts.dirty[name].wrote(pasts[name])
                    self._pasts.wrote(name)
                elif table == "meta":
                    del self._meta[name]
                elif table == "inbox":
                    self._inbox_dirty.remove(name)

        return wrote, all(key.last for key in keys)

    def _write_together(self, together: _Together) -> None:
        self._tables.write("past", together.pieces)
        self._tables.write("horizon", together.horizons)
        self._tables.tell("shown", together.shown)
        self._tables.tell("was", together.was)
        self._tables.tell_more(together.more)
        self._tables.tell("lost", together.lost)

    def _write_key(self, key: str, held: Held, shown: list[Told]) -> _Wrote:
        changed = held.changed or ()
        piece = 4 * checkpoint.STEP_ROWS
        if len(changed) <= piece or len(held.cells) <= SMALL:
            kind, dots = self._tables.write_key(key, held, changed)
            self._tell_key(key, held, kind, shown)
            return _Wrote(key, held, kind, dots, changed)
        if self._piecemeal != key:
            self._rest = sorted(changed, reverse=True)
            self._piecemeal, self._pieces = key, len(changed)
        paths = self._rest[: -piece - 1 : -1]
        kind, dots = self._tables.write_key(key, held, paths)
        self._tell_key(key, held, kind, shown)
        return _Wrote(key, held, kind, dots, paths, True, len(self._rest) <= piece)

    def _halfway(self) -> float:
        """How much is left of the key that is being written in pieces; 1 if none is."""
        return len(self._rest) / self._pieces if self._piecemeal else 1.0

    def _wrote_key(self, wrote: _Wrote) -> None:
        key, held, paths = wrote.key, wrote.held, wrote.paths
        held.kind, held.dots = wrote.kind, wrote.dots
        self._discard_new(key)
        self._gone.discard(key)
        if wrote.piece:
            assert type(held.changed) is set
            self._index.left_some(key, paths, lambda: held.cells)
            held.changed.difference_update(paths)
            del self._rest[-len(paths) :]
        else:
            self._index.left(key, paths, lambda: held.cells)
            held.changed = None
        if self._piecemeal == key and wrote.last:
            self._piecemeal, self._rest = "", []
        if held.changed:
            return
        held.changed = None
        self._keys.wrote(key)

    def _tell_key(self, key: str, held: Held, kind: int, shown: list[Told]) -> None:
        """A key that others cannot read where it stands, or could not, is told beside it; a large one later."""
        plain = held.said is not None and held.said[4] in AS_IT_IS
        if self._showing is None or (plain and held.kind <= PLAIN):
            return
        if kind == PARTS and len(held.cells) > LARGE:
            self._telling[key] = False
            if key not in self._untold:
                self._tables.write("meta", [((_UNTOLD_NAMES + key,), True)])
        else:
            self._tell(key, not (plain or kind <= ALONE), shown)

    def _tell(self, key: str, there: bool, shown: list[Told]) -> None:
        assert self._showing is not None
        shown.append(((key,), self._showing.key(key) if there else None))
        if key in self._untold:
            self._telling[key] = True
            self._tables.write("meta", [((_UNTOLD_NAMES + key,), None)])

    def _find_untold(self) -> None:
        """Those that were left behind when the file was last open. O(they)."""
        rows = self._tables.rows("meta", _UNTOLD_NAMES, _UNTOLD_NAMES + "\U0010ffff")
        self._untold.update((where[0][len(_UNTOLD_NAMES) :], None) for where, _ in rows)

    def _write_past(self, key: str, old: Old, horizon: Horizon, together: _Together) -> None:
        for path in sorted(old.changed or ()):
            had = old.kept.get(path, NO_PAST)
            for n, piece in changes(had, old.rows.get(path, NO_PAST)):
                together.pieces.append(((key, path, n), piece))
                if self._showing is not None:
                    _tell_piece(self._showing, (key, path, n), piece, had, together)
        if horizon != old.known:
            together.horizons.append(((key,), None if horizon == NO_HORIZON else horizon))


def _tell_piece(
    showing: Showing, where: tuple[str, bytes, int], piece: bytes | None, had: Past, together: _Together
) -> None:  # fmt: skip
    """Where it has only grown, what came is told behind what was."""
    key, path, n = where
    before = None if piece is None else begun(had, n, piece)
    if piece is None:
        together.was.append((where, None))
    elif before is not None:
        if told := showing.past(key, path, plain_rows(piece, before)):
            together.more.append((where, told))
    elif (told := showing.past(key, path, plain_rows(piece))) or had:
        together.was.append((where, told))
