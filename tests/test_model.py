"""The model holds on a few dozen seeds, and each of its guards is proven: broken, a known seed notices.

A seed that no longer catches its broken guard means that the model lost its eyes for that rule (or that its workload
moved): find another with `python -m tests.model 500 --world WORLD --break NAME`, do not drop the guard.
"""

import os

import pytest

from tests import model
from tests.model.by_hand import STORIES, tell

LONG = os.environ.get("CRDTKV_LAWS") == "long"
CAUGHT = {  # guard: (world, seed that catches it when broken, the fewest steps tried at which it still does)
    "join-first": ("data", 45, 260),
    "purge-first": ("data", 62, 400),
    "whole-cell": ("purge", 0, 20),
    "catch-up-from": ("data", 0, 200),
    "record-deps": ("data", 0, 20),
    "put-absent-all": ("data", 5, 400),
    "delete-absent-nothing": ("data", 24, 340),
    "group-ship": ("data", 0, 60),
    "recreate-tombstones": ("data", 0, 200),
    "value-ends-below": ("data", 12, 400),
    "mark-over-hider": ("data", 30, 80),
    "purge-on": ("purge", 1, 40),
    "purge-again": ("purge", 0, 20),
    "floor-announced": ("data", 0, 340),
    "group-whole": ("purge", 0, 20),
    "tombstone-is-no-edit": ("data", 3, 340),
    "shown-child": ("data", 3, 400),
    "move-is-no-edit": ("data", 60, 260),
    "life-context": ("data", 28, 340),
    "life-clears": ("data", 0, 100),
    "context-join": ("data", 0, 100),
    "context-dropped": ("data", 1, 40),
    "sweep-applied": ("data", 0, 60),
    "sweep-first": ("data", 0, 60),
    "sweep-seen": ("data", 0, 60),
    "sweep-all": ("data", 270, 400),
    "order-with-element": ("purge", 2, 20),
    "order-recreated": ("data", 95, 400),
    "rank-replaces": ("data", 2, 80),
    "counter-max": ("data", 191, 400),
    "counter-cancel": ("data", 4, 220),
    "counter-restart": ("data", 22, 220),
    "counter-restart-joined": ("members", 41779, 300),
    "once-reset-folded": ("data", 0, 140),
    "once-stable": ("data", 40, 80),
    "expiry-judged-once": ("data", 1, 260),
    "expiry-clears": ("data", 6, 100),
    "expiry-purge-S": ("purge", 5, 40),
    "history-lives": ("data", 0, 260),
    "history-life-floor": ("data", 251, 260),
    "history-life-whole": ("data", 890, 400),
    "history-by-all": ("data", 0, 80),
    "history-trim": ("data", 0, 260),
    "history-trim-gone": ("data", 395, 400),
    "history-gaps": ("data", 0, 80),
    "history-gap-parents": ("data", 0, 80),
    "history-gap-sweeps": ("data", 60, 200),
    "history-by-sweep": ("data", 20, 180),
    "history-floors": ("data", 29, 340),
    "history-gap-floor": ("data", 80, 400),
    "history-new-life": ("data", 0, 160),
    "life-last": ("purge", 0, 20),
    "expiry-undeletes": ("purge", 70068, 100),
    "expiry-settled": ("purge", 0, 60),
    "ttl-ships-key": ("data", 1862, 260),
    "ttl-last": ("purge", 1, 40),
    "only-members": ("members", 66, 60),
    "accepts-mine": ("members", 137, 280),
    "accepts-theirs": ("members", 1810, 300),
    "one-per-colo": ("members", 10, 300),
    "stands": ("members", 336, 300),
    "facts-changes": ("members", 22, 180),
    "yields-evicted": ("members", 19, 100),
    "yields-overruled": ("members", 13, 60),
    "joined-above": ("members", 39, 300),
    "copy-silent": ("members", 20, 140),
    "copy-renames": ("members", 8, 260),
    "copy-inbox": ("members", 20, 300),
    "word-durable": ("power", 608, 220),
    "remint-durable": ("power", 706, 260),
    "mend-low": ("members", 28, 120),
    "from-covers-F": ("members", 15, 300),
    "F-joined": ("members", 20551, 300),
    "restart-vector": ("data", 9, 60),
    "remint-waits": ("members", 0, 180),
    "remint-chain": ("members", 967, 300),
    "remint-base": ("members", 1, 100),
    "remint-later": ("members", 10, 140),
    "remint-removed": ("members", 7, 100),
    "remint-F": ("members", 9, 100),
    "remint-beside": ("members", 608, 300),
    "remint-takes": ("members", 238, 200),
    "remint-named": ("members", 73, 300),
    "remint-still": ("members", 12, 300),
    "heard-promise": ("data", 170, 300),
}
# More than an eighth of a second each: only with CRDTKV_LAWS=long.
HEAVY = {
    "purge-first",
    "value-ends-below",
    "floor-announced",
    "tombstone-is-no-edit",
    "shown-child",
    "move-is-no-edit",
    "life-context",
    "sweep-all",
    "counter-max",
    "expiry-judged-once",
    "history-lives",
    "history-life-whole",
    "history-trim",
    "history-gap-floor",
    "heard-promise",
}
WORLDS = {
    "data": range(64 if LONG else 9),
    "members": range(48 if LONG else 6),
    "power": range(48 if LONG else 3),
    "purge": range(16 if LONG else 2),
}


@pytest.mark.parametrize("world", WORLDS)
def test_replicas_show_what_the_history_says(world):
    total = model.Stats()
    for seed in WORLDS[world]:
        total += model.run(seed, world=world)
    assert total.comparisons and total.purges
    assert total.writes or world == "purge"


@pytest.mark.parametrize("seed", [13813, 15403])
def test_a_reset_takes_what_it_had_seen_as_it_was_minted_anew(seed):
    model.run(seed, 450, world="members")


@pytest.mark.parametrize("seed", [80347, 81043])
def test_what_was_put_where_something_had_been_removed_replaces_what_that_was_minted_anew_as(seed):
    model.run(seed, 450, world="members")


@pytest.mark.parametrize("guard", sorted(CAUGHT if LONG else CAUGHT.keys() - HEAVY))
def test_a_broken_guard_is_noticed(guard):
    world, seed, steps = CAUGHT[guard]
    model.run(seed, steps, world=world)
    with pytest.raises(AssertionError):
        model.run(seed, steps, broken=[guard], world=world)


@pytest.mark.parametrize("guard", STORIES)
def test_a_story_holds_and_notices_the_broken_guard(guard):
    tell(guard)
    with pytest.raises(AssertionError):
        tell(guard, broken=[guard])


def test_every_guard_has_a_seed_or_a_story_that_catches_it():
    assert CAUGHT.keys() | STORIES.keys() == model.GUARDS.keys()
    assert not CAUGHT.keys() & STORIES.keys()
    assert CAUGHT.keys() >= HEAVY


def test_an_unknown_guard_is_refused():
    with pytest.raises(AssertionError, match="no guard"):
        model.run(0, broken=["no-such-guard"])
