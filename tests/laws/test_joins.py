"""The laws of the join, on the states that whole worlds end up in, and of the messages that carry them.

`join` is the plain definition over full states: every cell of either, joined under the
two vectors. What the engine does in place, in parts and by records must be the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import permutations
from random import Random
from typing import NamedTuple

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core.cells import Cell, join_cells, join_contexts
from crdtkv.core.clocks import covers, merge
from crdtkv.core.wire import CatchUp, Floor, Record, decode, encode
from crdtkv.errors import MessageInvalid
from crdtkv.replica import cutting, exchange, inbox
from crdtkv.replica.core import Replica
from crdtkv.replica.purge import purge_to
from tests.laws.disks import Colo
from tests.laws.world import World, plan

SEEDS = range(8)
PROFILES = ("calm", "expiry", "rules", "clocks")


class Full(NamedTuple):
    """A whole state: what a colo holds, and its vector."""

    vector: dict[str, int]
    cells: dict[tuple[str, bytes], Cell]
    contexts: dict[str, dict[str, int]]


def full(colo: Colo) -> Full:
    disk = colo.disk
    cells = {(key, path): cell for key in disk.keys("", None) for path, cell in disk.cells(key).items()}
    return Full(colo.store.vector, cells, {k: dict(c) for k, c in disk._contexts.items() if c})


def join(a: Full, b: Full) -> Full:
    """Every cell of either, joined under the two vectors."""
    cells = {p: join_cells(a.cells.get(p, ()), a.vector, b.cells.get(p, ()), b.vector) for p in {*a.cells, *b.cells}}
    contexts = {
        k: join_contexts(a.contexts.get(k, {}), a.vector, b.contexts.get(k, {}), b.vector)
        for k in {*a.contexts, *b.contexts}
    }
    return Full(
        merge([a.vector, b.vector]), {p: c for p, c in cells.items() if c}, {k: c for k, c in contexts.items() if c}
    )


def told(state: Full, *senders: Colo) -> Full:
    """Without what a sender has purged: a catch-up says so by its floor alone, which these laws leave out."""
    held = [full(sender).cells for sender in senders]
    cells = {
        place: cell
        for place, cell in state.cells.items()
        if not any(
            place not in there and all(covers(sender.replica.state.dropped, s.dot) for s in cell)
            for sender, there in zip(senders, held, strict=True)
        )
    }
    keys = {key for key, _ in cells}
    return Full(state.vector, cells, {key: c for key, c in state.contexts.items() if key in keys})


def worlds(seed: int, profile: str, steps: int = 120) -> World:
    """A world in the middle of things, nothing healed, and all at the highest floor that any has reached.

    (What one has dropped and another has not yet is no part of the join: a catch-up carries the floor, not that.)
    """
    world = World(seed, profile)
    for action in plan(seed, profile, steps):
        world.step(action)
    floor = max(colo.store.floor for colo in world.colos)
    for colo in world.colos:
        with colo.replica.transaction():
            purge_to(colo.replica, floor)
    return world


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_join_is_commutative_associative_and_idempotent(seed: int, profile: str) -> None:
    world = worlds(seed, profile)
    states = [full(colo) for colo in world.colos]
    for a in states:
        assert join(a, a) == a
        for b in states:
            assert join(a, b) == join(b, a)
            assert join(a, join(a, b)) == join(a, b)
    found = [join(join(join(states[i], states[j]), states[k]), states[m]) for i, j, k, m in permutations(range(4))]
    found.append(join(join(states[0], states[1]), join(states[2], states[3])))
    assert all(f == found[0] for f in found)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", SEEDS)
def test_absorbing_is_the_join(seed: int, profile: str) -> None:
    """In place, of all or of what lacks, once or twice, in parts or at once: the plain join of full states."""
    world = worlds(seed, profile)
    for one in world.colos[:2]:
        for other in world.colos[2:]:
            wanted = told(join(full(one), full(other)), other)
            for whole in (True, False):
                copy = _copy(world, one)
                made = cutting.catch_up(other.replica, {} if whole else one.store.vector, full=whole)
                made = made._replace(floor=Floor(0, {}))  # the join alone; what a floor drops has its own laws
                for _ in range(2):
                    received = decode(encode(made))
                    assert isinstance(received, CatchUp)
                    outcome = exchange.absorb(copy.replica, received)
                    assert outcome in (exchange.Outcome.absorbed, exchange.Outcome.known)
                    assert told(full(copy), other) == wanted, f"{one.name} absorbs {other.name}, whole={whole}"
                    assert copy.store.check() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_small_exchanges_are_one_full_exchange(seed: int) -> None:
    """What another colo tells in three catch-ups, and third colos in between, is what it tells in one."""
    world = worlds(seed, "calm")
    a, b, c, _ = world.colos
    wanted = told(join(join(full(a), full(b)), full(c)), b, c)
    small = _copy(world, a)
    for source in (c, b, c, b):
        exchange.absorb(
            small.replica, cutting.catch_up(source.replica, small.store.vector)._replace(floor=Floor(0, {}))
        )
    assert told(full(small), b, c) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_records_and_catch_ups_say_the_same(seed: int) -> None:
    """The transactions that a colo lacks, one by one in any order, or as one catch-up: equal cells and digests."""
    world = worlds(seed, "calm")
    a, b = world.colos[0], world.colos[1]
    by_records, by_catch_up = _copy(world, a), _copy(world, a)
    told = [
        data for dot, (_, record, data) in world.records.items()
        if dot[1] <= b.store.vector.get(dot[0], 0) and dot[1] > a.store.vector.get(dot[0], 0)
    ]  # fmt: skip
    Random(seed).shuffle(told)
    for data in [*told, *told]:
        record = decode(data)
        assert isinstance(record, Record)
        exchange.receive(by_records.replica, record, data)
    made = cutting.catch_up(b.replica, a.store.vector)
    exchange.absorb(by_catch_up.replica, made._replace(floor=Floor(by_records.store.floor, {})))
    assert by_records.store.vector == by_catch_up.store.vector == merge([a.store.vector, b.store.vector])
    if by_records.store.floor == by_catch_up.store.floor:
        assert full(by_records) == full(by_catch_up)
        assert by_records.store.digest() == by_catch_up.store.digest()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_said_twice_weighs_as_much_as_once(seed: int) -> None:
    """Of cells, of history, of the inbox: nothing grows."""
    world = worlds(seed, "everything", 80)
    copy = _copy(world, world.colos[0])
    for other in world.colos[1:]:
        for again in (False, True, True):
            before = _weight(copy)
            exchange.absorb(copy.replica, cutting.catch_up(other.replica, copy.store.vector))
            assert not again or _weight(copy) == before
            exchange.absorb(copy.replica, cutting.catch_up(other.replica, {}, full=True))
            assert not again or _weight(copy) == before


def _weight(colo: Colo) -> tuple[int, ...]:
    disk = colo.disk
    cells = sum(len(cell) for key in disk.keys("", None) for cell in disk.cells(key).values())
    rows = sum(len(rows) for key in disk.past_keys() for rows in disk.past(key).values())
    return cells, rows, len(disk.inbox()), len(disk._contexts), len(colo.replica.state.vector)


def _copy(world: World, colo: Colo) -> Colo:
    """The same colo on another disk, in the same place; the world knows nothing of it."""
    copy = Colo(colo.name, None, colo.skew)
    copy.token = Random(0)
    world._open(copy, colo.disk.copy())
    return copy


# messages


def _messages(seed: int) -> list[bytes]:
    world = worlds(seed, "everything", 60)
    made = [data for _, _, data in world.records.values()]
    made += [encode(cutting.catch_up(a.replica, b.store.vector)) for a in world.colos for b in world.colos]
    return made


MESSAGES = _messages(3)


def test_a_message_is_what_was_sent() -> None:
    """decode(encode(m)) == m, and encode(decode(d)) == d."""
    for data in MESSAGES:
        assert encode(decode(data)) == data
        assert decode(encode(decode(data))) == decode(data)


@given(st.sampled_from(MESSAGES), st.data())
def test_altered_bytes_are_refused(data: bytes, draw: st.DataObject) -> None:
    """Truncated, lengthened, a byte changed: MessageInvalid."""
    at = draw.draw(st.integers(0, len(data) - 1))
    byte = draw.draw(st.integers(1, 255))
    for altered in (data[:at], data + data[: at + 1], data[:at] + bytes([data[at] ^ byte]) + data[at + 1 :]):
        with pytest.raises(MessageInvalid):
            decode(altered)


@given(st.sampled_from(MESSAGES), st.data())
def test_forged_bytes_are_refused_or_well_formed(data: bytes, draw: st.DataObject) -> None:
    """With a checksum that fits: MessageInvalid, or a message all of whose parts have their types and encode again."""
    body = bytearray(data[:-4])
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(2, len(body) - 1))
        body[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    forged = bytes(body) + xxhash.xxh32_digest(bytes(body))
    try:
        message = decode(forged)
    except MessageInvalid:
        return
    assert decode(encode(message)) == message


def test_a_record_that_does_not_continue_the_chain_is_refused() -> None:
    """Two stores under one name are found: their origin goes into quarantine, and nothing is written."""
    world = World(1, "calm")
    a, b = world.colos[0], world.colos[1]
    a.store.put("x", 1)
    record = decode(a.replica.recent[-1][1])
    assert isinstance(record, Record)
    forged = record._replace(previous=record.previous ^ 1)
    before = full(b)
    assert exchange.receive(b.replica, forged, encode(forged)) is exchange.Outcome.refused
    assert full(b) == before
    assert b.store.check() != []


def left_by(world: World, one: Colo, act: Callable[[Replica], object]) -> object:
    """All that an exchange leaves at a colo: what became of it, cells, contexts, history, inbox, state."""
    copy = _copy(world, one)
    outcome = act(copy.replica)
    disk = copy.disk
    cells = {key: dict(disk.cells(key)) for key in disk.keys("", None)}
    past = {key: (disk.past(key), disk.horizon(key)) for key in disk.past_keys()}
    return outcome, cells, disk._contexts, past, disk.inbox(), copy.replica.state.to_plain(), list(copy.replica.recent)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_joined_at_a_glance_is_joined_as_the_definition_says(
    seed: int, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whom a colo lacks much or little, a part or the whole."""
    world = worlds(seed, profile, 60)
    for one, other in permutations(world.colos, 2):
        for whole in (True, False):
            made = cutting.catch_up(other.replica, {} if whole else one.store.vector, full=whole)
            found = left_by(world, one, partial(exchange.absorb, message=made))
            with monkeypatch.context() as patch:
                patch.setattr(exchange, "_begin_key", lambda *_: False)
                patch.setattr(exchange, "succeeds", lambda *_: False)
                patch.setattr(inbox, "_is_of_others", lambda *_: False)
                assert left_by(world, one, partial(exchange.absorb, message=made)) == found


@pytest.mark.parametrize("profile", (*PROFILES, "everything", "members"))
@pytest.mark.parametrize("seed", SEEDS)
def test_records_absorbed_together_leave_what_they_leave_one_by_one(seed: int, profile: str) -> None:
    """Some come too early, some twice; also what is no member's, and what would leave the receiver out."""
    world, dice = worlds(seed, profile, 80), Random(seed)
    told = [(record, data) for _, record, data in world.records.values()]
    for start in range(0, len(told), 6):
        told[start : start + 6] = dice.sample(told[start : start + 6], len(told[start : start + 6]))
    told += told[::7]

    def absorb(replica: Replica, size: int) -> None:
        for start in range(0, len(told), size):
            exchange.receive_all(replica, told[start : start + size])

    for colo in world.colos:
        wanted = left_by(world, colo, partial(absorb, size=1))
        for size in (4, len(told)):
            assert left_by(world, colo, partial(absorb, size=size)) == wanted
