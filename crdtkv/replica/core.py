"""The replica: cells under a vector, read and changed in one place.

It is handed its storage, its wall clock and its source of new incarnations; the
simulator hands it others.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from crdtkv.core.cells import Cell, Context, Fields, Sibling
from crdtkv.core.clocks import Dot, Stamp, covers, make_stamp, stamp_ms, tick
from crdtkv.core.digest import MODULUS, Stood, added_digest, context_digest, digest_change, entry_change, key_digest
from crdtkv.core.state import TIP_OF, At, Mark, State
from crdtkv.core.tree import Cells
from crdtkv.core.versions import format_version
from crdtkv.core.views import colo_of
from crdtkv.core.wire import Record
from crdtkv.errors import BaseNotHere, BaseTooOld, VersionInvalid
from crdtkv.replica import past
from crdtkv.replica.memos import Memos
from crdtkv.replica.offsets import Offsets
from crdtkv.replica.recent import RECENT_RECORDS, Recent, Waiting
from crdtkv.replica.transactions import Transaction, Whole
from crdtkv.storage.base import NO_HORIZON, Horizon, Storage
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.counter_cells import share, share_path
from crdtkv.strategies.roots import TTL_PATH, Root, expired, pick, roots_in

__all__ = [
    "Before",
    "CEILING_MS",
    "CLOCK_BOUND_MS",
    "Replica",
]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long

CLOCK_BOUND_MS = 60_000
"""How far past its wall time a received stamp may drag a colo's clock."""

CEILING_MS: Final = 1_000

_CLOSED: Final = -1
_UNREAD: Final = -2
"""In the place of a time: no transaction is open; or it has not read the clock yet."""

Before = tuple[Mark, dict[str, int]]
"""What a transaction begins from: the tip of the state, and what was said of it in the last record."""


class Replica:
    """Cells, vector and clock of one colo. Not thread-safe: the Store holds its lock around every call."""

    def __init__(
        self, storage: Storage, state: State, wall_ms: Callable[[], int], token: Callable[[], str],
        keep_of: Callable[[str], past.Keep] = lambda key: past.Keep(), steady_ms: Callable[[], int] | None = None,
    ) -> None:  # fmt: skip
        self.storage = storage
        self.state = state
        self.wall_ms = wall_ms
        self.token = token
        self.keep_of = keep_of
        self.kept: State | None = None  # the state that the storage has, but for its tip; None: not known
        self.reserved = (state.ceiling, state.low_ceiling)  # what of them is durable
        self.spoken: dict[str, int] = {}  # the vector at our previous transaction since this open
        self.implied: dict[str, int] = {}  # what the records absorbed since need: who needs them needs that too
        self._noted = ("", 0)  # what was minted last, as it is noted beside the storage
        self.opened = dict(state.vector)  # what was absorbed when this was opened
        self.announced = sum(state.vector.values())  # the most that may have been announced to have been absorbed
        self.waiting = Waiting()
        self.recent = Recent()
        self.untold: deque[tuple[Record, bytes]] = deque(maxlen=RECENT_RECORDS)  # minted, for who listens
        self.offsets = Offsets(wall_ms, steady_ms)
        self.told: Counter[str] = Counter()  # how often each has told us itself all that it had, since this open
        self.memos = Memos()
        self.lost: Counter[tuple[str, str]] = Counter()  # own writes that lost since this open, by strategy and prefix
        self.changed: dict[str, dict[bytes, Cell]] = {}  # what stood before, of all that this transaction changed
        self._whole: State | None = None  # the state as it was before this transaction changed more of it than its tip
        self._moved: dict[str, At] = {}  # where others were before this transaction absorbed a record of theirs
        self._at_ms = _CLOSED  # the wall clock, as this transaction first read it

    # transactions

    def transaction(self) -> Whole:
        """All that happens inside is kept whole, or undone whole if anything raises."""
        return Whole(self)

    def following(self) -> Transaction:
        """As `transaction`, for records of others, and O(1), however many replicas there are: who changes more of the
        state than `follow` does calls `reach` first."""
        return Transaction(self)

    def begin(self) -> Before:
        """A transaction is open: `commit` and then `committed`, or `undo` with what this gives, end it.

        Who changes more of the state in it than its tip, or by `follow`, calls `reach` first.
        """
        before = self.state.mark(), self.spoken
        self.changed = {}
        self._whole = None
        self._moved = {}
        self.storage.begin()
        self._at_ms = _UNREAD
        return before

    def reach(self) -> None:
        """Any of the state may be changed from now on. Idempotent in a transaction, or a step of it."""
        if self._whole is None:
            self._whole = self.state.shared()
            self.state.unshare()

    def follow(self, replica: str, at: At) -> None:
        """A record of another was absorbed, and that is where it is now. O(1), unless it is its first."""
        state = self.state
        if replica not in state.vector:
            self.reach()  # (who is looked for when the state is read is who stands in it)
        self._moved.setdefault(replica, state.at(replica))
        state.place(replica, at)

    def commit(self) -> State:
        """All that was written since `begin` is kept; the state as the storage has it."""
        kept = self.keep_state()
        self.storage.commit()
        return kept

    def undo(self, before: Before) -> None:
        """All is as it was at `begin`, unless it is committed: an interrupt may come between that and its return."""
        self._at_ms = _CLOSED
        if not self.storage.committed:
            self._put_back(before)
            self.storage.rollback()
        self.changed = {}
        self.memos.clear()

    def _put_back(self, before: Before) -> None:
        tip, self.spoken = before
        if self._whole is not None:
            self.state, self._whole = self._whole, None
        for replica, at in self._moved.items():
            self.state.place(replica, at)
        self.state.back_to(tip)

    def keep_state(self) -> State:
        """What has changed of the state goes into the open transaction: the rest of it seldom, its tip always.

        The state as the storage has it then, but for its tip and whom it follows, for `committed`.
        """
        state, kept, tip = self.state, self.kept, self.state.tip()
        if kept is None or (self._whole is not None and not kept.alike(state)):
            kept = state.shared()
            self.storage.put_meta("state", kept.to_plain())
        else:
            for replica in self._moved:
                self.storage.put_meta(TIP_OF + replica, state.at(replica))
        self.storage.put_meta("tip", tip)
        return kept

    def committed(self, kept: State) -> None:
        """After a commit of `kept`: what it reserved is durable, and what was minted last is noted."""
        self._at_ms = _CLOSED
        self.kept = kept
        if kept.vector is not self.state.vector:  # (else the two share them)
            for replica in self._moved:
                kept.place(replica, self.state.at(replica))
        self.reserved = (self.state.ceiling, kept.low_ceiling)
        self._note()

    def step(self) -> _Step:
        """Inside a transaction: a part of it that is undone by itself, whole, if anything raises."""
        return _Step(self)

    def _note(self) -> None:
        """What was minted last is noted beside the storage: an old copy put back in its place lacks it."""
        id = self.state.id
        said = (id, self.state.vector.get(id, 0))
        if said != self._noted:
            self.storage.note(f"{id} {said[1]}")
            self._noted = said

    def minted(self, made: tuple[Record, bytes] | None) -> None:
        """After its commit: what was minted is at hand for peers, and waits to be told to who listens."""
        if made is not None:
            self.recent.append((made[0].dot, made[1]))
            self.untold.append(made)

    def took(self, absorbed: Sequence[tuple[Record, bytes]]) -> None:
        """After their commit (what is undone implies nothing): they are at hand for peers, and ours need not name what
        they need."""
        recent, implied = self.recent, self.implied
        for record, data in absorbed:
            fields: Fields = record
            recent.append((fields[0], data))
            for origin, n in record.needs.items():
                if n > implied.get(origin, 0):
                    implied[origin] = n

    def set_cell(self, key: str, path: bytes, cell: Cell, by: Dot | None = None, until: Context | None = None) -> None:
        """`cell` stands at (key, path). What stood there goes to the past, replaced by `by` or up to `until`."""
        old = self.storage.cells(key).get(path, ())
        if old != cell:
            self.replace_cell(key, path, old, cell, by, until)

    def replace_cell(
        self, key: str, path: bytes, old: Cell, cell: Cell, by: Dot | None, until: Context | None = None
    ) -> None:  # fmt: skip
        """As `set_cell`, where another, `old`, is known to stand."""
        stood = self.change_cell(key, path, old, cell)
        if not cell:
            self._note_share(path, old)
        gone = _gone(stood, cell, by) if stood else stood
        if gone:
            past.keep(self.storage, key, path, gone, by, until, self.at_ms(), self.keep_of(key))

    def begin_key(self, key: str, cells: dict[bytes, Cell], context: Context, horizon: Horizon) -> None:
        """These cells stand in a key of which nothing was known. As `set_cell` of each, and `set_context`."""
        self._begin_key(key, cells, context, horizon, key_digest(key, cells, context))

    def begin_with(self, key: str, dot: Dot, stamp: Stamp, payloads: Mapping[bytes, bytes | None]) -> dict[bytes, Cell]:
        """As `add_cells`, in a key of which nothing was known, and which nothing but that dot has touched."""
        cells, context = _alone(dot, stamp, payloads), dict([dot])
        digest = added_digest(key, dot, stamp, payloads) + context_digest(key, context)
        self._begin_key(key, cells, context, NO_HORIZON, digest)
        return cells

    def _begin_key(
        self, key: str, cells: dict[bytes, Cell], context: Context, horizon: Horizon, digest: int
    ) -> None:  # fmt: skip
        self.changed[key] = dict.fromkeys(cells, ())
        state = self.state
        state.digest = (state.digest + digest) % MODULUS
        self.storage.put_key(key, cells, context, horizon)
        self.memos.begun(key)

    def change_cell(self, key: str, path: bytes, old: Cell, cell: Cell) -> list[Stood]:
        """`cell` stands where `old` stood. What stood there, whose past is for who calls."""
        changed = self.changed.get(key)
        if changed is None:
            self.changed[key] = {path: old}
        elif path not in changed:
            changed[path] = old
        state = self.state
        change, stood = digest_change(key, path, old, cell)
        state.digest = (state.digest + change) % MODULUS
        self.storage.put_cell(key, path, cell)
        self.memos.changed(key, path, old, cell)
        return stood

    def add_cells(self, key: str, dot: Dot, stamp: Stamp, payloads: Mapping[bytes, bytes | None]) -> dict[bytes, Cell]:
        """At each path, where nothing stood, stands one sibling of that dot: the cells. As `change_cell` of each."""
        cells = _alone(dot, stamp, payloads)
        self._put_cells(key, cells, added_digest(key, dot, stamp, payloads))
        return cells

    def put_cells(self, key: str, cells: Mapping[bytes, Cell]) -> None:
        """These stand where nothing stood. As `set_cell` of each."""
        self._put_cells(key, cells, key_digest(key, cells, {}))

    def _put_cells(self, key: str, cells: Mapping[bytes, Cell], digest: int) -> None:
        changed = self.changed.setdefault(key, {})
        for path in cells:
            changed.setdefault(path, ())
        state = self.state
        state.digest = (state.digest + digest) % MODULUS
        self.storage.put_cells(key, cells)
        self.memos.added(key, cells)

    def _note_share(self, path: bytes, old: Cell) -> None:
        """Our own share is dropped, by a purge here or by one that a catch-up tells of: the next begins above it."""
        if path.endswith(share_path(self.state.id)):
            said = share(old)
            self.state.share_floor = max(self.state.share_floor, said.up, said.down)

    def set_context(self, key: str, context: Context) -> None:
        """`context` is the key's context from now on."""
        old = self.storage.context(key)
        if old != context:
            change = context_digest(key, context) - context_digest(key, old)
            self.state.digest = (self.state.digest + change) % MODULUS
            self.storage.put_context(key, dict(context))
            self.memos.touched(key)

    def touch(self, key: str, dot: Dot) -> Context:
        """`dot` is the last of its replica in the key's context, which is returned. As `set_context`; O(1)."""
        replica, n = dot
        context = self.storage.context(key)
        old = context.get(replica)
        if old != n:
            state = self.state
            state.digest = (state.digest + entry_change(key, replica, old, n)) % MODULUS
            context = {**context, replica: n}
            self.storage.put_context(key, context)
            self.memos.touched(key)
        return context

    # time

    def at_ms(self) -> int:
        """The wall clock: in a transaction as that first read it, for each of its writes asks."""
        at = self._at_ms
        if at < 0:
            wall = self.wall_ms()
            if at == _CLOSED:
                return wall
            self._at_ms = at = wall
        return at

    def now(self) -> Stamp:
        """The hybrid clock, not ticked: what a read judges expiry by."""
        return max(self.state.clock, make_stamp(self.wall_ms()))

    def went_back(self) -> bool:
        """Whether the wall clock went back by more than the bound."""
        return self.wall_ms() < self.state.wall_ms - CLOCK_BOUND_MS

    def tick(self) -> Stamp:
        """The next stamp; durable with this transaction, so that no later life of this disk says it again."""
        state = self.state
        wall = self.at_ms()
        if wall > state.wall_ms:
            state.wall_ms = wall
        state.clock = tick(state.clock, wall)
        if state.clock > state.ceiling:
            state.ceiling = state.clock + make_stamp(CEILING_MS)
        return state.clock

    def speak(self) -> None:
        """Say our clock, and announce how far we have heard all.

        Costs a commit only when the reserved ceiling is reached.
        """
        from crdtkv.replica import members

        self._read_clock()
        members.announce(self)
        self._keep_word()

    def say_clock(self) -> None:
        """Say our clock: everything we ever write later is stamped later, also in a later life of this disk.

        As `speak`, but announce nothing: what a copy had announced is what gives it away.
        """
        self._read_clock()
        self._keep_word()

    def _read_clock(self) -> None:
        from crdtkv.replica import members

        if members.is_live_member(self):
            self.state.heard[self.state.id] = self.tick()

    def _keep_word(self) -> None:
        state = self.state
        if (state.ceiling, state.low_ceiling) != self.reserved:
            with self.transaction():
                pass
        self.storage.sync()  # others forget on our word: who comes back from a power cut knows no less than it said

    def rest(self) -> None:
        """Before a close: nothing more is said, so the clock goes on from where it is, not from what was reserved.

        Else a store that is opened for each of many writes would run ahead of its wall, a second each time.
        """
        if self.state.ceiling > self.state.clock:
            with self.transaction():
                self.state.ceiling = self.state.clock

    def observe(self, stamp: Stamp) -> None:
        """A stamp was received: the clock moves past it, but not far past the wall."""
        if stamp > self.state.clock:
            bound = make_stamp(self.at_ms() + CLOCK_BOUND_MS)
            self.state.clock = max(self.state.clock, min(stamp, bound))

    def compare_clock(self, peer: str, heard: Stamp) -> None:
        """A peer said its clock."""
        self.offsets.compare(peer, stamp_ms(heard), heard > self.state.heard.get(peer, 0))

    # readings

    def roots(self, key: str, now: Stamp | None = None) -> list[Root]:
        """The strategies that have cells in `key`, each with its tree, expiry judged at `now` (None: this moment).

        O(1) where nothing has changed since and there is no date. Not to be mutated.
        """
        cells = self.storage.cells(key)
        if TTL_PATH not in cells:
            return self.memos.of(key).roots(cells) if cells else []
        return roots_in(cells, expired(cells, self.now() if now is None else now), self.memo(key))

    def roots_of(self, key: str, cells: Cells, now: Stamp) -> list[Root]:
        """As `roots` of a key whose cells these are, for who passes by: it takes the place of no other's memo."""
        memo = self.memos.passing(key)
        if TTL_PATH not in cells:
            return memo.roots(cells)
        return roots_in(cells, expired(cells, now), memo.documents)

    def shown(self, key: str, now: Stamp | None = None) -> Root | None:
        """The strategy and tree that `key` is read by, None if it is absent.

        Where two colos created it under different rules, the one with the latest live
        stamp; the other stays readable as a conflict.
        """
        cells = self.storage.cells(key)
        if not cells or TTL_PATH in cells:
            return pick(self.roots(key, now))
        return self.memos.of(key).shown(cells)

    def memo(self, key: str) -> dict[bytes, Any]:
        """The documents made of the key's cells."""
        return self.memos.of(key).documents

    def check_absorbed(self, key: str, version: Context) -> None:
        """Raises BaseNotHere for a version naming what is still on its way, VersionInvalid for one nobody minted.

        BaseTooOld for what was minted under an id that was given up: it stands under another by now, or soon.
        """
        from crdtkv.replica import members

        for origin, n in version.items():
            if covers(self.state.vector, (origin, n)):
                continue
            if origin in self.state.lineage[:-1]:
                raise self.too_old(key, version, f"names {origin}.{n}, of an id that this colo has given up")
            words, known = f"version of {key!r} names {origin}.{n}, ", origin in self.state.vector
            if origin == self.state.id:
                raise VersionInvalid(words + "which this colo has not written; use a version that a read returned")
            if members.is_member(self, origin) or (known and not members.agreed(self)):
                raise BaseNotHere(words + "not absorbed here yet; sync with that colo, or try again")
            if known or members.member_at(self, colo_of(origin)) is not None:
                raise self.too_old(key, version, f"names {origin}.{n}, of an id that no member has")
            raise VersionInvalid(words + "which no member here has written; use a version that a read returned")

    def check_kept(self, key: str, version: Context) -> None:
        """Raises BaseTooOld, with what is current, for a version that can no longer be rebuilt here."""
        known = past.known(self.storage, key, version) and past.rebuildable(self.storage.horizon(key), version)
        if known:
            return
        raise self.too_old(key, version)

    def too_old(self, key: str, version: Context, why: str = "is older than the history kept here") -> BaseTooOld:
        """The error for a version that nothing can be compared with here any more, with what is current."""
        value = self.read(key)
        return BaseTooOld(
            f"version {format_version(key, version)} of {key!r} {why}; "
            "read it again, and repeat the edit on what you find",
            version=format_version(key, self.storage.context(key)) if value is not ABSENT else "",
            value=value if value is not ABSENT else None,
        )

    def read(self, key: str) -> Any:
        """The value of `key`, ABSENT if there is none."""
        root = self.shown(key)
        return ABSENT if root is None else root[0].read(root[1])


class _Step:
    """A part of a transaction, in a `with` block."""

    # By hand: a generator takes several times as long, and each write of a group is one.
    __slots__ = ("_before", "_mark", "_moved", "_replica", "_whole")

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def __enter__(self) -> None:
        replica = self._replica
        self._before = replica.state.mark(), replica.spoken
        self._mark, self._whole, self._moved = replica.storage.mark(), replica._whole, replica._moved
        replica.changed = {}
        replica._whole = None
        replica._moved = {}

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        replica = self._replica
        try:
            if kind is not None:
                replica._put_back(self._before)
                replica.storage.rollback(self._mark)
                replica.changed = {}
                replica.memos.clear()
        finally:
            replica._whole = self._whole or replica._whole
            replica._moved = {**replica._moved, **self._moved}


def _alone(dot: Dot, stamp: Stamp, payloads: Mapping[bytes, bytes | None]) -> dict[bytes, Cell]:
    """A cell of one sibling for each, which replaced nothing."""
    return {path: (_new(Sibling, (dot, stamp, payload, (), ())),) for path, payload in payloads.items()}


def _gone(stood: list[Stood], cell: Cell, by: Dot | None) -> list[Stood]:
    """What stood and does not stand any more; what `by` itself had written there was never seen by others."""
    if len(stood) == len(cell) == 1:
        was: Fields = stood[0][0]
        now: Fields = cell[0]
        return [] if was[0] == now[0] or was[0] == by else stood
    standing = {s.dot for s in cell}
    return [each for each in stood if each[0].dot not in standing and each[0].dot != by]
