"""The model holds on a few dozen seeds, and each of its guards is proven: broken, a known seed notices.

A seed that no longer catches its broken guard means that the model lost its eyes for that rule (or that its workload
moved): find another with `python -m tests.model 500 --world WORLD --break NAME`, do not drop the guard.
"""

import os

import pytest

from tests import model

LONG = os.environ.get("CRDTKV_LAWS") == "long"
CAUGHT = {  # guard: (world, seed that catches it when broken, the fewest steps tried at which it still does)
    "join-first": ("data", 45, 260),
    "purge-first": ("data", 9, 400),
    "whole-cell": ("purge", 0, 20),
    "purge-on": ("purge", 1, 40),
    "purge-again": ("purge", 0, 20),
    "group-whole": ("purge", 0, 20),
    "life-context": ("data", 28, 340),
    "order-with-element": ("purge", 2, 20),
    "expiry-purge-S": ("purge", 5, 40),
    "life-last": ("purge", 0, 20),
    "expiry-settled": ("purge", 0, 60),
    "ttl-last": ("purge", 1, 40),
    "only-members": ("members", 66, 60),
    "accepts-mine": ("members", 32, 180),
    "yields-evicted": ("members", 19, 100),
    "yields-overruled": ("members", 13, 60),
    "copy-silent": ("members", 20, 140),
    "copy-renames": ("members", 8, 260),
    "copy-inbox": ("members", 14, 220),
    "mend-low": ("members", 28, 120),
    "remint-waits": ("members", 0, 180),
}
# More than an eighth of a second each: only with CRDTKV_LAWS=long.
HEAVY = {
    "purge-first",
    "life-context",
}
# Broken, these went unnoticed so far: the rule is in the model, its proof is not.
NOT_CAUGHT = {
    "catch-up-from",
    "record-deps",
    "put-absent-all",
    "delete-absent-nothing",
    "group-ship",
    "recreate-tombstones",
    "value-ends-below",
    "mark-over-hider",
    "floor-announced",
    "tombstone-is-no-edit",
    "shown-child",
    "move-is-no-edit",
    "life-clears",
    "context-join",
    "context-dropped",
    "sweep-applied",
    "sweep-first",
    "sweep-seen",
    "sweep-all",
    "order-recreated",
    "rank-replaces",
    "counter-max",
    "counter-cancel",
    "counter-restart",
    "once-reset-folded",
    "once-stable",
    "expiry-judged-once",
    "expiry-clears",
    "history-lives",
    "history-life-floor",
    "history-by-all",
    "history-trim",
    "history-gaps",
    "history-gap-parents",
    "history-gap-sweeps",
    "history-by-sweep",
    "history-floors",
    "history-gap-floor",
    "history-new-life",
    "counter-restart-join",
    "ttl-ships-key",
    "accepts-theirs",
    "accepts-sponsor",
    "accepts-unknown",
    "accepts-rival",
    "accepts-overruled",
    "one-per-colo",
    "stands",
    "facts-changes",
    "facts-retired",
    "fork-stops-purge",
    "yields-undone",
    "retire-known",
    "retire-lineage",
    "join-clock",
    "adopt-clock",
    "mend-joined",
    "from-covers-F",
    "restart-vector",
    "remint-chain",
    "remint-base",
    "remint-later",
    "remint-removed",
    "remint-F",
    "heard-promise",
}
WORLDS = {"data": range(64 if LONG else 9), "members": range(48 if LONG else 6), "purge": range(16 if LONG else 2)}


@pytest.mark.parametrize("world", WORLDS)
def test_replicas_show_what_the_history_says(world):
    total = model.Stats()
    for seed in WORLDS[world]:
        total += model.run(seed, world=world)
    assert total.comparisons and total.purges
    assert total.writes or world == "purge"


@pytest.mark.parametrize("guard", sorted(CAUGHT if LONG else CAUGHT.keys() - HEAVY))
def test_a_broken_guard_is_noticed(guard):
    world, seed, steps = CAUGHT[guard]
    model.run(seed, steps, world=world)
    with pytest.raises(AssertionError):
        model.run(seed, steps, broken=[guard], world=world)


def test_every_guard_has_a_seed_that_catches_it():
    assert CAUGHT.keys() | NOT_CAUGHT == model.GUARDS.keys()
    assert not CAUGHT.keys() & NOT_CAUGHT
    assert CAUGHT.keys() >= HEAVY


def test_an_unknown_guard_is_refused():
    with pytest.raises(AssertionError, match="no guard"):
        model.run(0, broken=["no-such-guard"])
