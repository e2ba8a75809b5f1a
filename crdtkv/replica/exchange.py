"""Facts from other colos: records and catch-ups, made and absorbed.

Both are idempotent and may be lost, doubled or late. A record waits until what its
writer had seen is here; a catch-up is absorbed only by who has all that it starts
from. Either is absorbed in one transaction: seen whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from itertools import islice
from typing import Any, Final

from crdtkv.core.cells import Cell, Context, Fields, Sibling, is_life, is_sweep, join_cells, join_contexts, make_cell
from crdtkv.core.clocks import Dot, Vector, ahead, covers, covers_all, merge
from crdtkv.core.digest import MODULUS, key_digest
from crdtkv.core.packed import Packed
from crdtkv.core.state import State
from crdtkv.core.sweeps import swept
from crdtkv.core.tree import Cells
from crdtkv.core.uncollected import uncollected
from crdtkv.core.usual import succeeds
from crdtkv.core.wire import CatchUp, KeyCells, Record, RecordWrite, chain
from crdtkv.errors import DigestMismatch
from crdtkv.replica import inbox, members, past
from crdtkv.replica.core import Replica
from crdtkv.replica.cutting import along
from crdtkv.replica.purge import purge_to
from crdtkv.storage.base import NO_HORIZON

__all__ = [
    "SOME_BYTES",
    "Outcome",
    "absorb",
    "receive",
    "receive_all",
    "release",
    "take",
]

_new: Final = tuple.__new__  # of a NamedTuple: its own takes four times as long

SOME_BYTES = 64
"""What a key is in a message, at least."""


_AT_ONCE = 1_024
"""Of so many keys the storage is asked at once whether it knows them."""


class Outcome(Enum):
    """What became of a message. Only `absorbed` changed anything."""

    absorbed = "absorbed"
    known = "known"
    waiting = "waiting"
    refused = "refused"
    unfit = "unfit"


# records


def receive(replica: Replica, record: Record, data: bytes) -> Outcome:
    """Take a record in: absorb it and what waited for it, or let it wait. `data` is its encoding.

    A record that does not continue its origin's chain puts the origin into quarantine
    and is refused.
    """
    return receive_all(replica, [(record, data)])[0]


def receive_all(replica: Replica, arrived: Sequence[tuple[Record, bytes]]) -> list[Outcome]:
    """As `receive` of each in turn, but all that can be absorbed, and what waited for it, is in one transaction."""
    try:
        return _absorb_records(replica, arrived)
    except _Unwelcome:
        return [Outcome.refused] if len(arrived) == 1 else [receive(replica, *each) for each in arrived]


def release(replica: Replica) -> None:
    """Absorb the waiting records whose time has come, drop those that are known."""
    if any(_ready(replica, record) for record, _ in replica.waiting.values()):
        with replica.following():
            absorbed = _absorb_waiting(replica)
        replica.took(absorbed)
    _drop_known(replica)


def _drop_known(replica: Replica) -> None:
    for dot in [dot for dot in replica.waiting if covers(replica.state.vector, dot)]:
        replica.waiting.pop(dot)


def _absorb_waiting(replica: Replica) -> list[tuple[Record, bytes]]:
    """Inside a transaction: of what waits, all that may be absorbed now, each undone by itself where it is refused."""
    absorbed: list[tuple[Record, bytes]] = []
    moved = True
    while moved:
        moved = False
        for record, data in sorted(replica.waiting.values(), key=_dot_of):
            if not _ready(replica, record):
                continue
            outcome = Outcome.refused
            with suppress(_Unwelcome), replica.step():
                if _may_absorb(replica, record):
                    outcome = _absorb_record(replica, record, data)
            if outcome is Outcome.absorbed:
                absorbed.append((record, data))
                moved = True
            else:
                replica.waiting.pop(record.dot)
    return absorbed


def _dot_of(waiting: tuple[Record, bytes]) -> Dot:
    return waiting[0].dot


def _ready(replica: Replica, record: Record) -> bool:
    origin, n = record.dot
    vector = replica.state.vector
    return n == vector.get(origin, 0) + 1 and all(m <= vector.get(r, 0) for r, m in record.needs.items() if r != origin)


def _absorb_records(replica: Replica, arrived: Sequence[tuple[Record, bytes]]) -> list[Outcome]:
    """What becomes of each. The transaction begins with the first that changes anything."""
    outcomes: list[Outcome] = []
    judged: Outcome | None = None
    outcome: Outcome
    for record, data in arrived:
        judged = _judge(replica, record, data)
        if judged is Outcome.absorbed:
            break
        outcomes.append(judged)
    else:
        return outcomes
    absorbed: list[tuple[Record, bytes]] = []
    with replica.following():
        for record, data in arrived[len(outcomes) :]:
            outcome, judged = judged or _judge(replica, record, data), None
            if outcome is Outcome.absorbed:
                outcome = _absorb_record(replica, record, data)
            if outcome is Outcome.absorbed:
                absorbed.append((record, data))
                if record.dot in replica.waiting.wanted:
                    absorbed += _absorb_waiting(replica)
            outcomes.append(outcome)
    replica.took(absorbed)
    if replica.waiting:
        _drop_known(replica)
        vector, late = replica.state.vector, Outcome.waiting
        outcomes = [
            Outcome.absorbed if outcome is late and covers(vector, record.dot) else outcome
            for outcome, (record, _) in zip(outcomes, arrived, strict=True)
        ]
    return outcomes


def _judge(replica: Replica, record: Record, data: bytes) -> Outcome:
    """What becomes of a record where it arrives; `absorbed` if it is to be tried."""
    if covers(replica.state.vector, record.dot):
        return Outcome.known
    if not _ready(replica, record):
        replica.waiting.admit(record, data)
        return Outcome.waiting
    return Outcome.absorbed if _may_absorb(replica, record) else Outcome.refused


def _may_absorb(replica: Replica, record: Record) -> bool:
    return record.dot[0] not in replica.state.quarantined and members.may_write(replica, record)


def _absorb_record(replica: Replica, record: Record, data: bytes) -> Outcome:
    """Inside a transaction."""
    origin, n = record.dot
    previous, state = record.previous, replica.state
    if state.chains.get(origin, previous) != previous:
        replica.reach()
        state.quarantined[origin] = f"record {origin}.{n} does not continue the chain known here"
        return Outcome.refused
    replica.changed = {}  # of this record, for the inbox, the purge and who belongs
    _take_record(replica, record, data)
    _check_standing(replica)
    return Outcome.absorbed


def _take_record(replica: Replica, record: Record, data: bytes) -> None:
    origin, n = record.dot
    stamp, heard = record.stamp, replica.state.heard
    purge_to(replica, record.floor)
    _write(replica, record)
    replica.follow(origin, (n, max(heard.get(origin, 0), stamp), chain(data)))
    replica.observe(stamp)
    inbox.note(replica)
    purge_to(replica, 0)


def _write(replica: Replica, record: Record) -> None:
    """The cells of a record, as its origin wrote them: sweeps first, then parents out and siblings in."""
    fields: Fields = record
    dot, stamp, _, _, floor, writes, lives = fields
    if len(writes) == 1 and not floor and not lives:
        one: Fields = writes[0]
        if not is_sweep(one[2]):
            _write_one(replica, writes[0], dot, stamp)  # most
            replica.touch(one[0], dot)
            return
    storage, keys = replica.storage, {w.key for w in record.writes}
    for key in keys if record.floor else ():
        past.note_floor(storage, key, dot, replica.state.vector, record.floor)
    for key, replaced in record.lives:
        past.begin_life(storage, key, dot, replaced, record.floor)
        kept = {r: n for r, n in storage.context(key).items() if n > replaced.get(r, 0)}
        replica.set_context(key, kept)
    for write in record.writes:
        if write.payload is not None and is_sweep(write.payload):
            for path, cell in swept(storage.cells(write.key), write.path, write.payload):
                replica.set_cell(write.key, path, cell, by=dot)
            past.sweep_rows(storage, write.key, write.path, write.payload, dot)
    for write in record.writes:
        _write_one(replica, write, dot, record.stamp)
    for key in keys:
        replica.touch(key, dot)


def _write_one(replica: Replica, write: RecordWrite, dot: Any, stamp: Any) -> None:
    fields: Fields = write
    key, path, payload, parents, lost = fields
    old: Cell = replica.storage.cells(key).get(path, ())
    cell: Cell = (_new(Sibling, (dot, stamp, payload, parents, lost)),)
    if len(old) == len(parents) == 1:
        was: Fields = old[0]
        if was[0] == parents[0]:
            replica.replace_cell(key, path, old, cell, by=dot)  # most
            return
    gone = set(parents)
    left = [s for s in old if s.dot not in gone]
    if len(gone) + len(left) > len(old):
        past.also_replaced(replica.storage, key, path, gone - {s.dot for s in old}, dot)
    replica.replace_cell(key, path, old, make_cell([*cell, *left]) if left else cell, by=dot)


# catch-ups


def absorb(replica: Replica, message: CatchUp, believed: bool = True) -> Outcome:
    """Join a catch-up in one transaction. `unfit` if it starts beyond what is here, `refused` from whom it is not
    taken, and where it would leave us out. Raises DigestMismatch where something is missing in it; unless it is not
    `believed`, by who mends it after.
    """
    state = replica.state
    if not members.may_speak(replica, message):
        return Outcome.refused
    if not covers_all(state.vector, message.since):
        return Outcome.unfit
    sender = message.lineage[-1]
    if _tells_nothing(state, message):
        _look_at_clock(replica, message, sender)
        _advance(replica, message, sender)
        replica.told[sender] += 1
        return Outcome.known
    try:
        with uncollected(len(message.keys) * SOME_BYTES), replica.transaction():
            take(replica, message, believed)
            _check_standing(replica)
    except _Unwelcome:
        return Outcome.refused
    replica.told[sender] += 1
    release(replica)
    return Outcome.absorbed


def take(replica: Replica, message: CatchUp, believed: bool = True) -> None:
    """Inside a transaction: join, advance, take announcements, and only then purge.

    Who comes in by it has seen what time it is there: with a clock that is wrong nothing is written.
    """
    before, sender = dict(replica.state.vector), message.lineage[-1]
    _look_at_clock(replica, message, sender)
    _join(replica, message, before)
    _advance(replica, message, sender)
    inbox.note(replica)
    # After the join and the announcements: purging first makes replicas diverge (case 41).
    purge_to(replica, message.floor.stamp)
    _compare(replica, message, sender, believed)


def _look_at_clock(replica: Replica, message: CatchUp, sender: str) -> None:
    if sender in message.heard:
        replica.compare_clock(sender, message.heard[sender])


class _Unwelcome(Exception):
    """A message that is undone, since it would leave us out."""


def _check_standing(replica: Replica) -> None:
    changed = replica.changed
    if (members.MEMBERS in changed or members.CHAIN in changed) and not members.stands(replica):
        raise _Unwelcome


def _tells_nothing(state: State, message: CatchUp) -> bool:
    """Whether only clocks and announcements are new: true also after a crash, so nothing has to be saved."""
    known = covers_all(state.vector, message.to) and message.floor.stamp <= state.floor
    alike = state.vector == message.to and state.floor == message.floor.stamp
    strange = state.digest != message.digest or message.lineage[-1] in state.quarantined
    return known and not message.keys and not message.full and not (alike and strange)


def _join(replica: Replica, message: CatchUp, before: dict[str, int]) -> None:
    keys: Iterable[KeyCells] = message.keys
    if message.full:
        keys = _with_held(keys, list(replica.storage.keys("", None)))
    left = iter(keys)
    while some := list(islice(left, _AT_ONCE)):
        unknown = replica.storage.unknown([theirs.key for theirs in some])
        for theirs in some:
            if theirs.key not in unknown or not _begin_key(replica, theirs, message, before):
                _join_key(replica, theirs, message, before)


def _with_held(sent: Iterable[KeyCells], held: Sequence[str]) -> Iterator[KeyCells]:
    """What was sent, in order, and every key that is held and was not sent, empty."""
    left = iter(held)
    next_held = next(left, None)
    for key in sent:
        while next_held is not None and next_held <= key.key:
            if next_held < key.key:
                yield KeyCells(next_held, {}, ())
            next_held = next(left, None)
        yield key
    if next_held is not None:
        yield KeyCells(next_held, {}, ())
    yield from (KeyCells(key, {}, ()) for key in left)


def _begin_key(replica: Replica, theirs: KeyCells, message: CatchUp, before: dict[str, int]) -> bool:
    """Join a key of which nothing is known here, where all that came is new, and replaced nothing unless all is told:
    most of what comes to a new colo. As `_join_key` does; False where it takes that."""
    full = message.full
    for _, cell in theirs.cells:
        for s in cell:
            fields: Fields = s
            dot: Dot = fields[0]
            r, n = dot
            if n <= before.get(r, 0) or (not full and (fields[3] or is_sweep(fields[2]))):
                return False
    if not theirs.cells:
        return False
    cells = dict(theirs.cells)
    context = {r: n for r, n in theirs.context.items() if n > before.get(r, 0)}  # (`join_contexts`, with none)
    replica.begin_key(theirs.key, cells, context, past.begun(cells, context) if full else NO_HORIZON)
    return True


def _join_key(replica: Replica, theirs: KeyCells, message: CatchUp, before: Vector) -> None:
    storage, key, to = replica.storage, theirs.key, message.to
    mine, old_context = storage.standing(key)
    context = join_contexts(old_context, before, theirs.context, to)
    cells = dict(theirs.cells)
    new = _new_here(cells, mine, before)
    paths = [path for path in cells if path not in new] if len(new) < len(cells) else []
    if not mine.keys() <= cells.keys():
        paths = sorted({*paths, *(mine if message.full else along(cells, mine))})
    joined = {}
    for path in paths:
        one, other = mine.get(path, ()), cells.get(path, ())
        joined[path] = other if succeeds(one, before, other, to) else join_cells(one, before, other, to)
    told = _told(joined, mine, before) and not any(map(is_sweep, [cell[0][2] for cell in new.values()]))
    if new:
        replica.put_cells(key, new)
    for path, cell in joined.items():
        replica.set_cell(key, path, cell, until=context)
    replica.set_context(key, context)
    _note_past(replica, message, key, old_context, joined, before, told)


def _new_here(cells: Mapping[bytes, Cell], mine: Cells, before: Vector) -> dict[bytes, Cell]:
    """Those of `cells` that stand where nothing does here, below the key's own cell: of one new sibling that replaced
    nothing. O(cells)."""
    known, found = before.get, dict[bytes, Cell]()
    standing = set(mine.standing(cells)) if isinstance(mine, Packed) else mine
    for path, cell in cells.items():
        if path not in standing and path and len(cell) == 1:
            fields: Fields = cell[0]
            parents = fields[3]
            dot: Dot = fields[0]
            replica, n = dot
            if not parents and n > known(replica, 0):
                found[path] = cell
    return found


def _told(joined: Mapping[bytes, Cell], mine: Cells, before: Vector) -> bool:
    """Whether a catch-up tells all that happened to these cells: nothing came and went in between.

    Every touch of a cell leaves a sibling there until another replaces it and names it. So
    where no sibling that came names what was never here, and what went was named, none is missing.
    """
    for path, cell in joined.items():
        came = [s for s in cell if not covers(before, s.dot)]
        named = {parent for s in came for parent in s.parents}
        swept = any(s.payload is not None and is_sweep(s.payload) for s in came)
        if swept or not all(covers(before, dot) for dot in named):
            return False
        old = mine.get(path, ())
        standing = {s.dot for s in cell} if old else ()
        if any(s.dot not in standing and s.dot not in named for s in old):
            return False
    return True


def _note_past(
    replica: Replica, message: CatchUp, key: str, old: Context, joined: Mapping[bytes, Cell], before: Vector, told: bool
) -> None:
    """What this catch-up leaves unknown of the key's past: nothing, what lies between then and now, or all of it."""
    storage = replica.storage
    context = storage.context(key)
    new_life = any(is_life(s.payload) and not covers(before, s.dot) for s in joined.get(b"", ()))
    reborn = not old and (storage.past(key) or storage.horizon(key).lives)
    if message.full or new_life or reborn or any(r not in context for r in old):
        # A life began there of which only the end is known here.
        past.begin_again(storage, key, context)
    elif not told or (message.floor.stamp and storage.horizon(key).deleted):
        past.note_gap(storage, key, {r: before.get(r, 0) for r in ahead(message.to, before)}, context)
    else:
        for path, cell in joined.items():
            for s in cell:
                if s.parents and not covers(before, s.dot):
                    past.also_replaced(storage, key, path, s.parents, s.dot)


def _advance(replica: Replica, message: CatchUp, sender: str) -> None:
    state = replica.state
    announced = dict(state.announced)
    told = {r: value for r, value in message.chains.items() if message.to.get(r, 0) >= state.vector.get(r, 0)}
    chains = {**state.chains, **told}
    for origin, n in message.to.items():
        if n > state.vector.get(origin, 0) and origin not in message.chains:
            chains.pop(origin, None)
    state.chains = chains
    state.vector = merge([state.vector, message.to])
    # In every catch-up: what its sender had dropped below a cell it sent goes in the join, and no purge notes it.
    state.dropped = merge([state.dropped, message.floor.dots])
    state.heard = merge([state.heard, message.heard])
    replica.observe(max(message.heard.values(), default=0))
    for member, said in message.announced.items():
        if said[:2] >= announced.get(member, (0, 0, 0))[:2]:
            announced[member] = said
    state.announced = announced
    members.announce(replica)


def _compare(replica: Replica, message: CatchUp, sender: str, believed: bool) -> None:
    """Equal vectors and floors mean equal cells: if not, the sender is named."""
    state = replica.state
    if state.vector != message.to or state.floor != message.floor.stamp:
        return
    if state.digest == message.digest:
        if state.quarantined.get(sender, "").startswith("digest"):
            del state.quarantined[sender]
        return
    words = f"digest {message.digest:032x} there, {state.digest:032x} here, at an equal vector"
    if believed and message.keys and _is_sound(replica):
        # What lacks there would never come from elsewhere: it would lie below the vector here.
        raise DigestMismatch(f"what {sender} sent is not what it says that it has ({words}); nothing of it was taken")
    state.quarantined[sender] = words


def _is_sound(replica: Replica) -> bool:
    """Whether the cells that are here add up to the digest kept with them. O(cells)."""
    found = sum(replica.storage.passing("", None, False, None, key_digest))
    return found % MODULUS == replica.state.digest
