"""Guards are proven: each rule of the engine that keeps it right is broken, and the world notices.

A mutation is caught if one of its seeds, which holds with the engine as it is, fails
while it is broken. Those without seeds are not reached by short runs (rare orders of
purges, returns of members): `CRDTKV_LAWS=long` tries LONG seeds of every profile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from crdtkv.core import cells, views
from crdtkv.core.clocks import covers, merge
from crdtkv.replica import draft, exchange, life, members, past, pending, purge
from crdtkv.replica.core import Replica
from crdtkv.storage.memory import MemoryStorage
from crdtkv.store import syncing
from crdtkv.strategies import counter, document, document_edit, forgetting, json, lww
from crdtkv.strategies import list as lists
from tests.laws.world import PROFILES, Failure, run

STEPS = 120
LONG = 40
Patch = pytest.MonkeyPatch


class Mutation(NamedTuple):
    """What is broken, how, and (profile, seed) pairs that notice."""

    name: str
    apply: Callable[[Patch], None]
    seeds: tuple[tuple[str, int], ...] = ()


def mutation(*seeds: tuple[str, int]) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def keep(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTATIONS.append(Mutation(apply.__name__, apply, seeds))
        return apply

    return keep


MUTATIONS: list[Mutation] = []


def around(patch: Patch, where: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """`wrapper(original, *args)` stands in for `where.name`."""
    original = getattr(where, name)
    patch.setattr(where, name, lambda *args, **more: wrapper(original, *args, **more))


# exchange


@mutation()
def purges_before_it_joins(patch: Patch) -> None:
    def join(original: Any, replica: Any, message: Any, before: Any) -> Any:
        purge.purge_to(replica, message.floor.stamp)
        return original(replica, message, before)

    around(patch, exchange, "_join", join)


@mutation()
def sends_no_full_join_to_who_lacks_what_was_purged(patch: Patch) -> None:
    patch.setattr(exchange, "since_for", lambda replica, vector, full=False: {} if full else dict(vector))


@mutation(("calm", 1), ("expiry", 1), ("days", 1))
def does_not_ship_what_lies_below(patch: Patch) -> None:
    patch.setattr(exchange, "_roots_of", lambda paths: [])


@mutation()
def does_not_ship_the_key_with_its_date(patch: Patch) -> None:
    patch.setattr(exchange, "TTL_PATH", b"none")


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def takes_records_with_gaps(patch: Patch) -> None:
    patch.setattr(
        exchange, "_ready",
        lambda replica, r: all(n <= replica.state.vector.get(o, 0) for o, n in r.needs.items() if o != r.dot[0]),
    )  # fmt: skip


@mutation(("calm", 1), ("restarts", 1), ("expiry", 1))
def takes_records_before_what_they_need(patch: Patch) -> None:
    patch.setattr(exchange, "_ready", lambda replica, r: r.dot[1] == replica.state.vector.get(r.dot[0], 0) + 1)


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def leaves_the_parents_of_a_record(patch: Patch) -> None:
    around(patch, exchange, "_write_one", lambda f, replica, w, *rest: f(replica, w._replace(parents=()), *rest))


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def forgets_the_lives_of_a_record(patch: Patch) -> None:
    around(patch, exchange, "_write", lambda f, replica, record: f(replica, record._replace(lives=())))


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def applies_no_sweeps_of_a_record(patch: Patch) -> None:
    patch.setattr(exchange, "swept", lambda *args, **more: [])


@mutation()
def does_not_purge_before_a_record(patch: Patch) -> None:
    around(patch, exchange, "_absorb_record", lambda f, replica, r, data: f(replica, r._replace(floor=0), data))


@mutation(("purging", 2), ("expiry", 2), ("expiry", 3))
def takes_a_catch_up_that_starts_beyond(patch: Patch) -> None:
    patch.setattr(exchange, "covers_all", lambda mine, other: True)


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def joins_contexts_by_maximum(patch: Patch) -> None:
    patch.setattr(exchange, "join_contexts", lambda a, va, b, vb: merge([a, b]))


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def keeps_what_the_other_has_replaced(patch: Patch) -> None:
    patch.setattr(
        exchange, "join_cells", lambda a, va, b, vb: cells.make_cell({*a, *(s for s in b if not covers(va, s.dot))})
    )


# edits


@mutation(("rules", 2), ("focus", 3), ("expiry", 3))
def sweeps_nothing_when_a_life_begins(patch: Patch) -> None:
    def begin(original: Any, self: Any, key: str, written: set[bytes]) -> None:
        write = self._write
        self._write = lambda key, w, *rest: None if w.path == b"" else write(key, w, *rest)
        try:
            original(self, key, written)
        finally:
            del self._write

    around(patch, draft.Draft, "_begin_life", begin)


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def keeps_the_context_when_a_life_begins(patch: Patch) -> None:
    def begin(original: Any, self: Any, key: str, written: set[bytes]) -> None:
        context = dict(self.replica.storage.context(key))
        original(self, key, written)
        self.replica.set_context(key, context)

    around(patch, draft.Draft, "_begin_life", begin)


@mutation(("restarts", 11), ("restarts", 34))
def a_base_covers_everything(patch: Patch) -> None:
    patch.setattr(draft.Draft, "_covers", lambda self, base: lambda dot: True)


@mutation()
def hiders_have_seen_everything(patch: Patch) -> None:
    patch.setattr(document, "covers", lambda seen, dot: True)


@mutation(("expiry", 23))
def does_not_clear_what_has_expired(patch: Patch) -> None:
    patch.setattr(draft.Draft, "_clear_expired", lambda self, key: None)


@mutation()
def a_new_share_begins_at_nothing(patch: Patch) -> None:
    around(
        patch, counter.Counter, "edit", lambda f, self, tree, op, env: f(self, tree, op, replace(env, share_floor=0))
    )


@mutation(("restarts", 8))
def a_document_made_anew_leaves_what_stood_below(patch: Patch) -> None:
    around(
        patch, document_edit.Edit, "_create",
        lambda f, self, path, at, now, *rest: f(self, path, at, type(now)(document.Node(now.cell))
                                                if isinstance(now, document_edit.Gone)
                                                else document.Node(now.cell), *rest),
    )  # fmt: skip


@mutation()
def an_edit_below_a_delete_puts_no_mark(patch: Patch) -> None:
    patch.setattr(document_edit.Edit, "reassert", lambda self, path, now, kind, writes: writes)


@mutation()
def a_put_to_what_is_absent_leaves_its_order(patch: Patch) -> None:
    def put(original: Any, self: Any, *args: Any) -> Any:
        return [w for w in original(self, *args) if not (w.path[:1] == b"o" and w.payload is None)]

    around(patch, lists.List, "_put", put)


# forgetting


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def purges_what_it_has_heard_alone(patch: Patch) -> None:
    around(
        patch, purge, "stable",
        lambda f, replica, step_ms=0: 0 if members.forked(replica) else replica.state.heard.get(replica.state.id, 0),
    )  # fmt: skip


@mutation(("splits", 5))
def purges_before_the_members_agree(patch: Patch) -> None:
    def agreed(replica: Replica) -> bool:
        return members.is_live_member(replica) and members.members(replica) <= replica.state.announced.keys()

    patch.setattr(purge.members, "agreed", agreed)


@mutation(("expiry", 1), ("purging", 2), ("expiry", 2))
def drops_tombstones_and_keeps_what_they_beat(patch: Patch) -> None:
    def drop(original: Any, cells: Any, due: Any, floor: int) -> Any:
        for path in original(cells, due, floor):
            kept = tuple(s for s in cells()[path] if s.payload is not None)
            if len(kept) in (0, len(cells()[path])):
                yield path
            else:
                cells()[path] = kept

    around(patch, purge, "dead_paths", drop)


@mutation(("restarts", 6), ("focus", 8), ("restarts", 22))
def a_losing_sibling_keeps_its_cell(patch: Patch) -> None:
    patch.setattr(lww.Lww, "gone", lambda self, cell: all(s.payload is None for s in cell))


@mutation(("purging", 1), ("expiry", 1), ("days", 1))
def drops_a_part_of_a_group(patch: Patch) -> None:
    patch.setattr(
        json.Json, "dead",
        lambda self, tree, candidates, floor: [p for p in candidates if all(s.stamp <= floor for s in tree.cell(p))
                                               and not any(cells.is_live(s.payload) for s in tree.cell(p))],
    )  # fmt: skip


@mutation()
def drops_the_date_before_what_it_hides(patch: Patch) -> None:
    around(patch, forgetting, "_dead_date", lambda f, cells, floor: [*f(cells, floor), forgetting.TTL_PATH])


@mutation()
def judges_expiry_by_the_clock_in_a_purge(patch: Patch) -> None:
    around(patch, forgetting, "expired", lambda f, cells, floor: f(cells, 1 << 62))


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def keeps_the_context_of_a_dropped_key(patch: Patch) -> None:
    def purge_key(original: Any, replica: Any, key: str, paths: set[bytes]) -> int:
        context = dict(replica.storage.context(key))
        done = int(original(replica, key, paths))
        replica.set_context(key, context)
        return done

    around(patch, purge, "_purge_key", purge_key)


@mutation()
def a_fork_does_not_stop_purging(patch: Patch) -> None:
    patch.setattr(purge.members, "forked", lambda replica: False)


# members and lives


@mutation()
def anyone_may_speak(patch: Patch) -> None:
    patch.setattr(members, "may_speak", lambda *args: True)
    patch.setattr(members, "may_write", lambda *args: True)


@mutation()
def what_would_leave_us_out_is_taken(patch: Patch) -> None:
    patch.setattr(exchange, "_check_standing", lambda replica: None)


@mutation()
def ghosts_are_members(patch: Patch) -> None:
    patch.setattr(members, "_last_of_each_colo", members.standing)


@mutation()
def who_knows_what_was_overruled_is_accepted(patch: Patch) -> None:
    accepts = members.accepts
    for where in (members, syncing):
        patch.setattr(where, "accepts", lambda mine, theirs: accepts(mine._replace(overruled=()), theirs))


@mutation()
def who_is_not_known_is_refused(patch: Patch) -> None:
    accepts = members.accepts
    for where in (members, syncing):
        patch.setattr(
            where, "accepts", lambda mine, theirs: accepts(mine, theirs._replace(ancestry=theirs.ancestry[:1]))
        )


@mutation()
def a_wiped_disk_is_accepted_beside_its_ghost(patch: Patch) -> None:
    patch.setattr(views, "_has_rival", lambda mine, theirs: False)


@mutation()
def nobody_yields_whose_acts_were_overruled(patch: Patch) -> None:
    patch.setattr(members, "_undone", lambda links, over: set())


@mutation()
def who_returns_does_not_wait(patch: Patch) -> None:
    def remint(original: Any, *args: Any) -> int:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(members, "agreed", members.is_live_member)
            return int(original(*args))

    around(patch, pending, "remint", remint)


@mutation()
def what_is_minted_anew_stays_beside_what_is_absent(patch: Patch) -> None:
    around(patch, pending, "_writes", lambda f, item, place: f(item, place._replace(present=True)))


@mutation()
def what_is_minted_anew_does_not_ask_what_it_is_in(patch: Patch) -> None:
    around(patch, pending, "_why_lost", lambda f, replica, item, place: f(replica, item, place._replace(inside=True)))


@mutation()
def a_clock_opens_where_the_wall_is(patch: Patch) -> None:
    def begin(original: Any, *args: Any, **more: Any) -> Any:
        replica = original(*args, **more)
        replica.state.clock = 0
        return replica

    around(patch, life, "begin", begin)


@mutation()
def a_copy_goes_on_as_it_was(patch: Patch) -> None:
    patch.setattr(life, "_wake_copy", lambda replica: None)


# memory and disk


@mutation(("calm", 1), ("purging", 1), ("restarts", 1))
def a_refused_commit_stays(patch: Patch) -> None:
    patch.setattr(MemoryStorage, "rollback", lambda self: self._undo.clear())


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def trees_are_remembered_for_ever(patch: Patch) -> None:
    from crdtkv.replica import core

    patch.setattr(core, "update", lambda memo, path, cell: None)


@mutation(("calm", 1), ("purging", 1), ("focus", 1))
def a_context_is_not_digested(patch: Patch) -> None:
    patch.setattr(Replica, "set_context", lambda self, key, context: self.storage.put_context(key, dict(context)))


# history


@mutation(("calm", 1), ("purging", 1), ("restarts", 1))
def history_knows_one_replacer_only(patch: Patch) -> None:
    patch.setattr(past, "also_replaced", lambda *args: None)


@mutation(("calm", 1), ("purging", 1), ("days", 1))
def history_has_no_gaps(patch: Patch) -> None:
    patch.setattr(past, "note_gap", lambda *args: None)


@mutation(("days", 1), ("splits", 2), ("everything", 2))
def trimming_leaves_no_horizon(patch: Patch) -> None:
    patch.setattr(past, "_forget", lambda *args: None)


@mutation()
def history_knows_no_lives(patch: Patch) -> None:
    patch.setattr(past, "begin_life", lambda *args: None)


# the test


def caught(mutation: Mutation, profile: str, seed: int, steps: int = STEPS) -> str:
    """How a seed fails while the engine is so broken; '' if it holds."""
    with Patch.context() as patch:
        mutation.apply(patch)
        try:
            run(seed, profile, steps)
        except Failure as failure:
            return failure.kind
    return ""


def holds(profile: str, seed: int) -> bool:
    """Whether a seed holds with the engine as it is: else it proves nothing."""
    try:
        run(seed, profile, STEPS)
    except Failure:
        return False
    return True


@pytest.mark.parametrize("broken", [m for m in MUTATIONS if m.seeds], ids=lambda m: m.name)
def test_a_broken_guard_is_noticed(broken: Mutation) -> None:
    """One of its seeds holds as the engine is, and fails when the guard is broken."""
    if any(caught(broken, profile, seed) and holds(profile, seed) for profile, seed in broken.seeds):
        return
    pytest.fail(f"none of {broken.seeds} notices; find others: python -m tests.laws.mutations {broken.name}")


@pytest.mark.long
@pytest.mark.skipif(os.environ.get("CRDTKV_LAWS") != "long", reason="minutes: CRDTKV_LAWS=long runs it")
@pytest.mark.parametrize("broken", [m for m in MUTATIONS if not m.seeds], ids=lambda m: m.name)
def test_a_guard_that_short_runs_do_not_reach(broken: Mutation) -> None:
    """Broken so, no short run has failed yet: these guards are proven by stories and by the model, not here."""
    found = [(p, s) for s in range(1, LONG) for p in PROFILES if caught(broken, p, s, 3 * STEPS)]
    if not found:
        pytest.xfail(f"nobody noticed in {LONG * len(PROFILES)} seeds")
