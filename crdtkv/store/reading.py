"""How keys read: entries now and at a version, pages, history, blame. A read writes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import wraps
from itertools import islice
from typing import Any, TypeVar, cast

from crdtkv.core.cells import Context, expiry_of
from crdtkv.core.clocks import Dot, Stamp, stamp_ms
from crdtkv.core.paths import element_index
from crdtkv.core.tree import Cells
from crdtkv.core.uncollected import LARGE, uncollected
from crdtkv.core.versions import format_version
from crdtkv.errors import StrategyMismatch, WrongOperation, WrongType
from crdtkv.replica import past
from crdtkv.replica.core import Replica
from crdtkv.storage.base import Plain, Said, Whole
from crdtkv.store.results import Blame, Entry, Page, Revision
from crdtkv.store.selection import Selection, check_limit, encode_cursor
from crdtkv.store.telling import Again, again, again_of_lone, of_lone, of_plain, of_roots, passing, plain
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.document_parts import pointer
from crdtkv.strategies.log import Log
from crdtkv.strategies.lone import atom_of, lone, plainly_shown
from crdtkv.strategies.roots import TTL_PATH, Root, expired_then, pick, roots_in

__all__ = ["Reading"]

_F = TypeVar("_F", bound=Callable[..., Any])
_ENTRY_BYTES = 500
"""Some, of an entry and what it was made of."""

_T = TypeVar("_T")


def _locked(method: _F) -> _F:
    """A reading of one instant: no write happens while it lasts."""

    @wraps(method)
    def call(self: Reading, *args: Any) -> Any:
        with self.lock:
            self.check()
            return method(self, *args)

    return cast(_F, call)


class Reading:
    """The keys of `replica`, each call at one instant of its hybrid clock.

    `check` raises if nothing may be read now; it is called under `lock`.
    """

    def __init__(self, replica: Replica, lock: AbstractContextManager[Any], check: Callable[[], None]) -> None:
        self.replica = replica
        self.lock = lock
        self.check = check

    # now

    @_locked
    def present(self, key: str) -> bool:
        """Whether there is something to read. O(1) for most."""
        return self._present(key, None)

    def entry(self, key: str) -> Entry | None:
        """How a key reads, None if it is absent. O(1) for what was read last, else O(cells of the key)."""
        with self.lock:
            self.check()
            return self._entry(key, None)

    @_locked
    def entries(self, keys: list[str]) -> dict[str, Entry | None]:
        """How keys read, all at one instant."""
        now = self.replica.now()
        return {key: self._entry(key, now) for key in keys}

    def _entry(self, key: str, now: Stamp | None) -> Entry | None:
        """How a key reads, kept to be told again. `now`: None for this moment."""
        memos = self.replica.memos
        known: Again | None = memos.told(key)
        if known is not None and (known.until is None or self._now(now) < known.until):
            return known.told()
        storage = self.replica.storage
        said = storage.said(key)
        if said is not None and not memos.met(key):
            entry = of_plain(said)
            if entry is not None:
                return entry
        cells, context = storage.standing(key)
        if not cells:
            return None
        found = lone(cells)
        if found is not None:
            entry = of_lone(key, found, context)
            known = again_of_lone(entry, found) if memos.met(key) else None
        else:
            now = self._now(now)
            made = of_roots(key, cells, context, self.replica.roots(key, now))
            if made is None:
                return None
            entry, date = made, expiry_of(cells.get(TTL_PATH, ()))
            known = again(entry, date) if date is None or now < date else None
        if known is None:
            return entry
        memos.tell(key, known)
        return known.told()

    def _passing(
        self, selection: Selection, plain: Plain[_T], whole: Whole[_T]
    ) -> Iterator[_T]:  # fmt: skip
        """What is made of the keys of a selection, in order."""
        patterns = selection.patterns()
        wanted = (lambda key: all(p.matches(key) for p in patterns)) if patterns else None
        return self.replica.storage.passing(*selection.bounds(), selection.reverse, plain, whole, wanted)

    def _now(self, now: Stamp | None) -> Stamp:
        return self.replica.now() if now is None else now

    def _present(self, key: str, now: Stamp | None) -> bool:
        cells = self.replica.storage.cells(key)
        if plainly_shown(cells) or lone(cells) is not None:
            return True
        return bool(cells) and self.replica.shown(key, now) is not None

    def _shown(self, key: str) -> Root | None:
        return self.replica.shown(key)

    @_locked
    def part(self, key: str, path: tuple[str, ...] | None, family: str) -> Any:
        """What a handle of a strategy family shows: of the key, or at a path of its document; None if nothing.

        O(cells of the key). Raises StrategyMismatch, or WrongType at a path, where that is of another strategy.
        """
        shown = self._shown(key)
        if shown is None:
            return None
        if path is None and family in shown[0].also:
            path = ()
        _check_family(key, shown, family if path is None else "json")
        value = _step_in(shown[0].read(shown[1]), path or ())
        if path is None or value is None:
            return value
        own = shown[0].nested_at(shown[1], path)
        if not _fits(family, own, value):
            found = own[0].name if own is not None else type(value).__name__
            where = f" at {pointer(path)!r}" if path else ""
            raise WrongType(f"{key!r} holds a {found}{where}, not a {family}")
        return value

    @_locked
    def has(self, key: str, path: tuple[str, ...] | None, element: bytes) -> bool:
        """Whether the set at `key`, or at a path of its document, holds the element whose component that is. O(log n).

        Raises as `part`.
        """
        shown = self._shown(key)
        if shown is None:
            return False
        _check_family(key, shown, "set" if path is None else "json")
        found = shown if path is None else shown[0].nested_at(shown[1], path)
        if found is None or found[0].name != "set":
            return element in (self.part(key, path, "set") or ())  # nothing, or no set: then it says so
        cell = found[1].cell(element)
        return bool(cell) and not found[0].gone(cell)

    @_locked
    def log_range(
        self, key: str, path: tuple[str, ...], since: Any, until: Any
    ) -> list[tuple[int, Any]]:  # fmt: skip
        """The entries of the log at `key`, or at a path in its document, in a range of time."""
        shown = self._shown(key)
        found = shown[0].nested_at(shown[1], path) if shown is not None and path else shown
        if found is None:
            return []
        if not isinstance(found[0], Log):
            raise WrongOperation(f"{key!r} is a {found[0].name}, not a log; it has no range of time")
        return found[0].entries(found[1], since, until)

    # then

    @_locked
    def value_at(self, key: str, version: Context | None) -> Any:
        """The value at a version (None: now), ABSENT if it was absent. Raises as `entry_at`."""
        shown = self._shown(key) if version is None else pick(self._at(key, version)[1])
        return ABSENT if shown is None else shown[0].read(shown[1])

    @_locked
    def entry_at(self, key: str, version: Context) -> Entry | None:
        """How a key read at a version. Raises BaseTooOld, BaseNotHere, VersionInvalid."""
        # What has expired since is shown: a version reads the same for ever.
        cells, roots = self._at(key, version)
        return of_roots(key, cells, version, roots)

    def _at(self, key: str, version: Context) -> tuple[Cells, list[Root]]:
        storage = self.replica.storage
        # Also the version that an open transaction has given the key, which is not absorbed yet.
        if version == storage.context(key):
            cells = storage.cells(key)
            return cells, roots_in(cells, expired_then(cells), self.replica.memo(key))
        self.replica.check_absorbed(key, version)
        self.replica.check_kept(key, version)
        cells = past.cells_at(storage, key, version)
        return cells, _roots_then(cells)

    # many

    @_locked
    def keys(self, selection: Selection, limit: Any = None) -> list[str]:
        """The keys that match, in order; the first `limit` of them."""
        now = self.replica.now()

        def plain(said: Said) -> str | None:
            return None if atom_of(said[4]) is None else said[0]

        def whole(key: str, cells: Cells, _: Context) -> str | None:
            shown = plainly_shown(cells) or lone(cells) or pick(self.replica.roots_of(key, cells, now))
            return key if shown else None

        return list(islice(self._passing(selection.checked(), plain, whole), limit))

    @_locked
    def scan(self, selection: Selection, limit: Any, cursor: Any) -> Page:
        """A page of entries."""
        check_limit(limit)
        now = self.replica.now()
        entries = self._passing(selection.checked().behind(cursor), of_plain, passing(self.replica, now))
        with uncollected(LARGE if limit is None else limit * _ENTRY_BYTES):
            page = Page(entries if limit is None else islice(entries, min(limit, sys.maxsize)))
        if limit is not None and len(page) == limit and next(entries, None) is not None:
            page.cursor = encode_cursor(page[-1].key)
        return page

    # history

    @_locked
    def history(self, key: str) -> list[Revision]:
        """The transactions that touched a key, oldest first, as far back as is known here. O(history * cells)."""
        storage = self.replica.storage
        context: dict[str, int] = {}
        lives = {life.dot for life in storage.horizon(key).lives}
        out = []
        for (stamp, dot), _ in sorted(self._touches(key).items()):
            context = {dot[0]: dot[1]} if dot in lives else {**context, dot[0]: dot[1]}
            known = past.rebuildable(storage.horizon(key), context)
            value = self._value_of(past.cells_at(storage, key, context)) if known else None
            out.append(Revision(format_version(key, context), stamp_ms(stamp), dot[0], value, known))
        return out

    def _value_of(self, cells: Cells) -> Any:
        shown = pick(_roots_then(cells))
        return None if shown is None else plain(shown[0].read(shown[1]))

    def _touches(self, key: str) -> dict[tuple[Stamp, Dot], None]:
        storage = self.replica.storage
        standing = [s for cell in storage.cells(key).values() for s in cell]
        before = [row.sibling for rows in storage.past(key).values() for row in rows]
        return {(s.stamp, s.dot): None for s in [*standing, *before]}

    @_locked
    def blame(self, key: str) -> list[Blame]:
        """Who wrote each part that is shown, last. O(cells)."""
        shown = self._shown(key)
        if shown is None:
            return []
        return [Blame(path, value, s.dot[0], stamp_ms(s.stamp)) for path, s, value in shown[0].leaves(shown[1])]


def _check_family(key: str, shown: Root, family: str) -> None:
    """Raises StrategyMismatch if the key is not of that family of strategies."""
    if shown[0].name != family:
        raise StrategyMismatch(f"{key!r} is a {shown[0].spec}, not a {family}; read it as a {shown[0].name}")


def _step_in(value: Any, path: tuple[str, ...]) -> Any:
    for token in path:
        if isinstance(value, dict):
            value = value.get(token)
        else:
            index = element_index(token, len(value)) if isinstance(value, list) else None
            value = value[index] if index is not None and isinstance(value, list) else None
    return value


def _fits(family: str, own: Root | None, value: Any) -> bool:
    """Whether a handle of that family is for what stands at a path."""
    if own is not None:
        return family in (own[0].name, "json")
    return family == "json" or (family == "list" and isinstance(value, list))


def _roots_then(cells: Cells) -> list[Root]:
    """The strategies in the cells of a version, expiry judged when it was made."""
    return roots_in(cells, expired_then(cells))
