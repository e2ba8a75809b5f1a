"""A transaction in the making: wishes become cells under one dot.

Everything a draft writes is read back at once by the next operation of the same
draft. Nothing is minted if nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from crdtkv.core import values
from crdtkv.core.cells import (
    Cell,
    Context,
    Fields,
    Sibling,
    Told,
    expiry,
    expiry_of,
    is_live,
    is_sweep,
    make_cell,
    newest_stamp,
    sweep,
    told,
    unhide,
)
from crdtkv.core.clocks import Dot, Stamp, ahead, covers, covers_all, merge
from crdtkv.core.fate import Fate
from crdtkv.core.paths import STRATEGY, component, first, is_counted
from crdtkv.core.rules import Rule
from crdtkv.core.sweeps import in_sweep, join_sweeps, swept
from crdtkv.core.tree import Tree
from crdtkv.core.wire import Record, RecordWrite, chain, encode
from crdtkv.errors import BaseTooOld
from crdtkv.replica import bases, inbox, past
from crdtkv.replica.core import Replica
from crdtkv.replica.purge import purge_to
from crdtkv.replica.superseding import supersede
from crdtkv.storage.base import NO_HORIZON
from crdtkv.strategies.base import ABSENT, Env, Operation, Strategy, Write
from crdtkv.strategies.counter_cells import dead_payload
from crdtkv.strategies.forgetting import left_orders
from crdtkv.strategies.roots import TTL_PATH, Root, choose, expired, known_strategy, root_path, roots_in

__all__ = ["Draft"]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long


class Draft:
    """One transaction of `replica`, inside `replica.transaction()`."""

    def __init__(self, replica: Replica, rule_of: Callable[[str], Rule]) -> None:
        self.replica = replica
        self.rule_of = rule_of
        state = replica.state
        self.stamp: Stamp = replica.tick()
        self.dot: Dot = (state.id, state.vector.get(state.id, 0) + 1)
        self.fate = Fate()
        self.touched: dict[tuple[str, bytes], Sibling | None] = {}
        """Where it has written, and what, if that is known without looking."""
        self.keys: set[str] = set()
        self.lives: dict[str, dict[str, int]] = {}
        self.long = False
        """Whether anything was written the long way."""
        self.wakes = False
        """Whether what could not go before may go now."""

    # operations

    def operate(
        self, key: str, operation: Any, base: Context | None = None, spec: str | None = None,
        family: Any = None,
    ) -> Strategy:  # fmt: skip
        """Carry `operation` out on `key` against `base`; the strategy that did it.

        `spec` names the strategy of a key that is to be made; `family` is the strategy
        name that the caller's operation belongs to.
        """
        current = base is not None and covers_all(base, self._seen(key))
        self._clear_expired(key)
        if base is not None and current and self._seen(key).get(self.dot[0]) == self.dot[1]:
            base = merge([base, dict([self.dot])])  # who knew all knew what has just been cleared
        shown = self._shown(key)
        if shown is not None and family in shown[0].also:
            operation, family = Operation("at", ((), family, operation)), shown[0].name
        chosen = choose(key, shown, self.rule_of, operation, spec, family)
        if shown is None and base and operation.name == "put":
            operation = bases.unseen(self.replica, key, base, chosen, operation)
            if not operation.args:
                return chosen  # what it puts was deleted, all of it, by who had seen it
        base = None if operation.name in chosen.baseless else base
        if base is not None:
            # Its own dot is not absorbed yet, but a receipt of this transaction may name it.
            self.replica.check_absorbed(key, {r: n for r, n in base.items() if (r, n) != self.dot})
        then = bases.showed(self.replica, key, base, chosen) if shown is not None else None
        if operation.name == "delete":
            for found, tree in self._roots(key):
                if found.present(tree):
                    self._edit(key, found, tree, operation, base, then, present=True)
            return chosen
        if operation.name == "put" and shown is not None:
            # What other strategies show of the key is replaced with it, as far as the base had seen it.
            for found, tree in self._roots(key):
                if found is not chosen and found.spec != chosen.spec and found.present(tree):
                    self._edit(key, found, tree, Operation("delete"), base, then, present=True)
        tree = Tree(self._cells(key), root_path(chosen.spec), self._expired(key), self.replica.memo(key))
        self._edit(key, chosen, tree, operation, base, then, present=shown is not None)
        return chosen

    def expire(self, key: str, date: Stamp | None, base: Context | None = None) -> None:
        """From `date` on the key is not shown (None: it stays). Nothing if there is no such key, or nothing changes."""
        self._clear_expired(key)
        if self._shown(key) is None:
            return
        cell = self._cells(key).get(TTL_PATH, ())
        if date is None and not any(s.payload for s in cell):
            return
        payload = None if date is None else expiry(date, self.rule_of(key).ttl)
        # What reads as no date may be purged elsewhere: it is replaced whole.
        self._write(key, Write(TTL_PATH, payload, all=expiry_of(cell) is None), self._covers(base), False)
        self._touch(key)

    def _edit(
        self, key: str, chosen: Strategy, tree: Tree, operation: Operation, base: Context | None,
        then: Callable[[Tree], Tree] | None, present: bool,
    ) -> None:  # fmt: skip
        covered, seen, before = self._base(key, base, then, tree)
        rule = self.rule_of(key)
        floor = self.replica.state.share_floor
        env = Env(*self.dot, self.stamp, seen, covered, before, floor, rule.strategy_for)
        try:
            writes = chosen.edit(tree, operation, env)
        except BaseTooOld as error:
            raise self.replica.too_old(key, base or {}, str(error)) from None
        if not writes:
            return
        if not present and any(is_live(w.payload) for w in writes):
            self._begin_life(key, {tree.prefix + w.path for w in writes})
            # A tombstone where the life's sweep has left nothing would not be there where a purge had been.
            writes = [w for w in writes if w.payload is not None or self._cells(key).get(tree.prefix + w.path)]
        for write in writes:
            self._write(key, write._replace(path=tree.prefix + write.path), covered, base is not None and present)
        self._touch(key)
        self.check_size(key, chosen, writes)

    def check_size(self, key: str, chosen: Strategy, writes: list[Write]) -> None:
        """Raises TooLarge for what was made larger than one put can be, write by write.

        What only takes away is welcome, also where two colos together have made more of it.
        """
        cells, memo = self._cells(key), self.replica.memos.of(key)
        if memo.weight(cells) > values.MAX_PACKED and any(is_live(w.payload) for w in writes):
            # (The tree that was written by is a window on what the key was.)
            value = chosen.read(Tree(cells, root_path(chosen.spec), self._expired(key), memo.documents))
            if value is not ABSENT:
                values.pack(value)

    def maintain(self, key: str, act: Callable[[Tree, Env], list[Write]]) -> None:
        """Writes that keep the key's counters in order, be it in a document, and change no reading."""
        for found, tree in self._roots(key):
            for place in found.counted(tree):
                counter = tree.sub(place).raw() if found.whole else tree
                env = Env(*self.dot, self.stamp, {}, self._covers(None), counter, self.replica.state.share_floor)
                for write in act(counter, env):
                    self._write(key, write._replace(path=counter.prefix + write.path), self._covers(None), False)
                    self._touch(key)

    def restore(self, key: str, path: bytes, payload: bytes | None) -> None:
        """What once stood at `path` stands there again, and the containers it was in."""
        tag, data, rest = first(path)
        assert tag == STRATEGY, f"what is lost at {path!r} is no value of the key"
        if is_live(payload) and self._shown(key) is None:
            self._begin_life(key, set())
        tree = Tree(self._cells(key), component(tag, data), memo=self.replica.memo(key))
        for write in known_strategy(data.decode()).restore(tree, rest, payload):
            self._write(key, write._replace(path=tree.prefix + write.path), self._covers(None), False)
        self._touch(key)

    def ready(self, key: str) -> list[Root]:
        """What the key shows to who is about to rewrite a part of it: what has expired is cleared first."""
        self._clear_expired(key)
        return self._roots(key)

    def rewrite(self, key: str, write: Write, covered: Callable[[Dot], bool], named: Iterable[Dot] = ()) -> None:
        """A write as it was once minted by an earlier incarnation, replacing what `covered` says, and `named`, which is
        not here."""
        if self._shown(key) is None and is_live(write.payload):
            self._begin_life(key, {write.path})
        self._write(key, write, covered, False)
        if named:
            cell = self._cells(key).get(write.path, ())
            own = {s.dot: s._replace(parents=tuple(sorted({*s.parents, *named}))) for s in cell if s.dot == self.dot}
            self._set(key, write.path, make_cell(own.get(s.dot, s) for s in cell))
        self._touch(key)

    # the short way (replica/leaf.py)

    def env(self, key: str, tree: Tree) -> Env:
        """What an edit may know whose client has seen all that is here."""
        replica = self.replica
        seen, rule = replica.storage.context(key), self.rule_of(key)
        id, n = self.dot
        floor = replica.state.share_floor
        return _new(Env, (id, n, self.stamp, seen, _everything, tree, floor, rule.strategy_for))

    def put_first(self, key: str, path: bytes, payload: bytes) -> Context:
        """`_begin_life` and `put_leaf` of a key of which nothing is known here, neither standing nor past."""
        replica, dot = self.replica, self.dot
        if replica.state.floor:
            # Where a purge had dropped the key whole, its floor says what is replaced.
            self.lives[key] = {}
        own, context = _new(Sibling, (dot, self.stamp, payload, (), ())), dict([dot])
        self._touching(key, path, own)
        replica.begin_key(key, {path: (own,)}, context, NO_HORIZON)
        return context

    def put_all_first(self, key: str, payloads: Mapping[bytes, bytes | None]) -> None:
        """As `put_first`, of all these cells."""
        replica, dot = self.replica, self.dot
        if replica.state.floor:
            self.lives[key] = {}
        self._noting(key)
        self._touched_all(key, replica.begin_with(key, dot, self.stamp, payloads))

    def put_leaf(self, key: str, path: bytes, old: Cell, payload: bytes | None) -> Context:
        """`_write` of a live payload by who has seen all that stands at its place; the key's context after it."""
        replica = self.replica
        dot: Any = self.dot  # (one tuple for all that bears it)
        was: Fields = old[0] if old else ()
        if len(old) == 1 and was[0] != dot:
            own = _new(Sibling, (dot, self.stamp, payload, (was[0],), ()))
            self._touching(key, path, own)
            return supersede(replica, key, path, old, (own,))
        if not was:
            own = _new(Sibling, (dot, self.stamp, payload, (), ()))
        else:
            own = self._sibling(old, payload, [s.dot for s in old if s.dot != dot], [])
        self._touching(key, path, own)
        replica.replace_cell(key, path, old, (own,), dot)
        return replica.touch(key, dot)

    def add_leaves(self, key: str, payloads: Mapping[bytes, bytes | None]) -> Context:
        """As `put_leaf` of each of these, where nothing stands: what many operations come to at once."""
        self._noting(key)
        self._touched_all(key, self.replica.add_cells(key, self.dot, self.stamp, payloads))
        return self.replica.touch(key, self.dot)

    def _touched_all(self, key: str, cells: dict[bytes, Cell]) -> None:
        touched = self.touched
        for path, cell in cells.items():
            touched[key, path] = cell[0]

    # bases

    def _base(
        self, key: str, base: Context | None, then: Callable[[Tree], Tree] | None, tree: Tree
    ) -> tuple[Callable[[Dot], bool], Context, Tree]:  # fmt: skip
        """What the base covers, as a test, as a context for hiders, and the cells as they stood there."""
        if base is None or then is None:
            return self._covers(None), self._seen(key), tree
        return self._covers(base), dict(base), then(tree)

    def _covers(self, base: Context | None) -> Callable[[Dot], bool]:
        if base is None:
            return _everything
        own = self.dot
        return lambda dot: covers(base, dot) or dot == own

    # writes

    def _write(
        self, key: str, write: Write, covered: Callable[[Dot], bool], based: bool, stood: Iterable[Told] = ()
    ) -> None:  # fmt: skip
        if not self.long:
            self.long = True
            self.replica.reach()
        sweeps = is_sweep(write.payload)
        joined = self._with_earlier(key, write) if sweeps else None
        if joined is None:
            self._spell_out(key, write.path)
        if sweeps:
            self._sweep(key, write)
            write = write._replace(payload=joined or write.payload)
        old = self._cells(key).get(write.path, ())
        replaced = [
            s.dot
            for s in old
            # An earlier sweep has done its work, and may be purged elsewhere; a mark that the base had not seen stands.
            if s.dot != self.dot and (write.all or covered(s.dot) or (sweeps and not is_live(s.payload)))
        ]
        lost = [dot for dot in replaced if write.beats and based and not covered(dot)]
        gone = {*replaced, self.dot}
        stood = [*stood, *(each for s in old if s.dot in gone for each in told(s)[s.dot == self.dot :])]
        if sweeps:
            write = write._replace(payload=self._telling(key, write.payload or b"", stood))
        own = self._sibling(old, write.payload, replaced, lost)
        self._set(key, write.path, make_cell([own, *(s for s in old if s.dot not in gone)]))
        if not sweeps and (stood := self._young(stood)):
            # What takes the place of a sweep cannot say what that had seen: one that takes nothing does.
            self._write(key, Write(b"", sweep(self._seen(key), only=())), self._covers(None), False, stood)

    def _telling(self, key: str, payload: bytes, stood: list[Told]) -> bytes:
        """A sweep that says what its writer knew, and whose place it has taken, unless it takes all that is here."""
        found, known = unhide(payload), self._seen(key)
        full = covers_all(found.seen, known)
        whole = full and found.below is None and found.only is None
        knew = None if full else merge([known, found.seen])
        return sweep(found.seen, found.below, found.only, knew, () if whole else self._young(stood))

    def _young(self, stood: Iterable[Told]) -> list[Told]:
        """Those that may be above a floor, each once."""
        floor = self.replica.state.floor
        young = {(stamp, tuple(sorted(knew.items()))): (stamp, knew) for stamp, knew in stood if stamp > floor}
        return [young[each] for each in sorted(young)]

    def _sibling(self, old: Cell, payload: bytes | None, replaced: list[Dot], lost: list[Dot]) -> Sibling:
        """What this draft leaves in a cell, given what stands there: also what it has written there before."""
        prior = next((s for s in old if s.dot == self.dot), None)
        return Sibling(
            self.dot, self.stamp, payload,
            tuple(sorted({*replaced, *(prior.parents if prior else ())})),
            tuple(sorted({*lost, *(prior.lost if prior else ())})),
        )  # fmt: skip

    def _with_earlier(self, key: str, write: Write) -> bytes | None:
        """A sweep that says also what an earlier one of this draft, at the same cell, had swept; None if none can."""
        prior = [s for s in self._cells(key).get(write.path, ()) if s.dot == self.dot and is_sweep(s.payload)]
        return join_sweeps(prior[0].payload, write.payload) if prior else write.payload

    def _spell_out(self, key: str, root: bytes) -> None:
        """The cell of an own sweep is about to be written again: what it swept gets tombstones instead."""
        cell = self._cells(key).get(root, ())
        sweeps = [s.payload for s in cell if s.dot == self.dot and s.payload is not None and is_sweep(s.payload)]
        for path, before in list(self.replica.changed.get(key, {}).items()) if sweeps else ():
            now = self._cells(key).get(path, ())
            gone = {s.dot for s in before if s not in now and s.dot != self.dot}
            if gone and in_sweep(path, root, sweeps[0] or b""):
                own = next((s for s in now if s.dot == self.dot), Sibling(self.dot, self.stamp, None, ()))
                named = own._replace(parents=tuple(sorted({*own.parents, *gone})))
                self._set(key, path, make_cell([named, *(s for s in now if s.dot != self.dot)]))

    def _set(self, key: str, path: bytes, cell: Cell) -> None:
        self._touching(key, path)
        self.replica.set_cell(key, path, cell, by=self.dot)

    def _touching(self, key: str, path: bytes, own: Sibling | None = None) -> None:
        self._noting(key)
        self.touched[key, path] = own

    def _noting(self, key: str) -> None:
        """Before it touches the key."""
        state = self.replica.state
        if state.floor and key not in self.keys:
            self.keys.add(key)
            past.note_floor(self.replica.storage, key, self.dot, state.vector, state.floor)

    def _sweep(self, key: str, write: Write) -> None:
        """What a sweep covers goes at once; what this draft itself wrote there becomes a tombstone."""
        assert write.payload is not None
        full = covers_all(unhide(write.payload).seen, self._seen(key))
        for path, cell in swept(self._cells(key), write.path, write.payload, skip=self.dot):
            old = self._cells(key)[path]
            self.replica.set_cell(key, path, cell, by=self.dot)
            if cell and not full and any(is_live(s.payload) for s in old) and not any(is_live(s.payload) for s in cell):
                # What the base had not seen of what it took says nothing any more: others still show it.
                self._write(key, Write(path, None, all=True), self._covers(None), False)
        past.sweep_rows(self.replica.storage, key, write.path, write.payload, self.dot)
        for touched_key, path in list(self.touched):
            if touched_key == key and in_sweep(path, write.path, write.payload):
                cell = self._cells(key).get(path, ())
                self._set(key, path, make_cell(s._replace(payload=None) if s.dot == self.dot else s for s in cell))

    def _clear_expired(self, key: str) -> None:
        """Before a write to a key part of which has expired: what its date hides goes, and the date with it.

        The date is about to be replaced or outlived; what it hid must not come back.
        """
        date = self._expired(key)
        if not date or self._shown(key) is None:
            return
        hidden = {TTL_PATH}
        for found, tree in self._roots(key):
            if found.whole and found.present(tree):
                self._write(key, Write(tree.prefix, found.mark(tree)), self._covers(None), False)
            else:
                cells = [(b"", tree.raw().cell()), *tree.raw().below()]
                hidden |= {tree.prefix + p for p, c in cells if c and (found.whole or newest_stamp(c) < date)}
        # What a life's sweep is kept to remember goes with it, for this one takes its place.
        groups = [(tree.prefix, group) for found, tree in roots_in(self._cells(key)) for group in found.orphans(tree)]
        hidden |= {at + path for at, group in groups for path in group}
        # (Where an element stood that is not there any more, a purge may have forgotten.)
        hidden |= set(left_orders(self._cells(key), self._cells(key), hidden))
        self._cancel(key, hidden)
        stood = [each for path in hidden for s in self._cells(key).get(path, ()) for each in told(s)]
        whole = Write(b"", sweep(self._seen(key), only=sorted(hidden)))
        self._write(key, whole, self._covers(None), False, stood)
        self._touch(key)

    def _begin_life(self, key: str, written: set[bytes]) -> None:
        """The key is made anew: its old context is replaced, and nothing of an old life is left standing.

        By a sweep at the key's own cell, not by tombstones: those would beat a concurrent
        add, and would not be there where a purge has been.
        """
        storage = self.replica.storage
        old = {r: n for r, n in storage.context(key).items() if (r, n) != self.dot}
        self._cancel(key, set(self._cells(key)))
        if old or set(self._cells(key)) - written - {b""}:
            # Also where nothing is left to sweep: to who comes by catch-up it says what this life replaced.
            self._write(key, Write(b"", sweep(self._seen(key))), self._covers(None), False)
        if old or self.replica.state.floor:
            # Where a purge had dropped the key whole, its floor says what is replaced.
            self.lives[key] = {**self.lives.get(key, {}), **old}
            past.begin_life(storage, key, self.dot, old, self.replica.state.floor)
        self.replica.set_context(key, {})

    def _cancel(self, key: str, paths: set[bytes]) -> None:
        """Counters' cells among `paths` are dead: a sweep or tombstone would give back what an add replaced."""
        for path in sorted(p for p in paths if p and is_counted(p)):
            payload = dead_payload(path, self._cells(key)[path])
            if payload is not None:
                self._write(key, Write(path, payload, all=True), self._covers(None), False)

    def _seen(self, key: str) -> Context:
        return dict(self.replica.storage.context(key))

    def _touch(self, key: str) -> None:
        self.replica.touch(key, self.dot)

    # the record

    def record(self) -> tuple[Record, bytes] | None:
        """The transaction as a record, and its bytes; the replica has advanced past it. None if nothing changed."""
        if not self.touched:
            return None
        replica, state, dot = self.replica, self.replica.state, self.dot
        writes = []
        for (key, path), own in self.touched.items():
            if own is None:
                own = next((s for s in replica.storage.cells(key).get(path, ()) if s.dot == dot), None)
            if own is not None:
                _, _, payload, parents, lost = own
                writes.append(_new(RecordWrite, (key, path, payload, parents, lost)))
        id, n = dot
        needs = {} if state.vector == replica.spoken else ahead(ahead(state.vector, replica.spoken), replica.implied)
        lives = tuple(self.lives.items()) if self.lives else ()
        previous = state.chains.get(id, 0)
        record = _new(Record, (dot, self.stamp, previous, needs, state.floor, tuple(writes), lives))
        data = encode(record)
        state.vector[id] = n
        state.heard[id] = self.stamp
        state.chains[id] = chain(data)
        replica.spoken = state.vector.copy()
        if self.long:
            # What took the short way had seen all that it replaced, and nothing else goes with it.
            inbox.note_own(replica, self.dot)
        if self.long or self.wakes:
            purge_to(replica, 0)
        return record, data

    # small readings

    def _cells(self, key: str) -> Any:
        return self.replica.storage.cells(key)

    def _expired(self, key: str) -> Stamp:
        return expired(self._cells(key), self.stamp)

    def _roots(self, key: str) -> list[Root]:
        return self.replica.roots(key, self.stamp)

    def _shown(self, key: str) -> Root | None:
        return self.replica.shown(key, self.stamp)


def _everything(dot: Dot) -> bool:
    """Without a base: all that is here was seen."""
    return True
