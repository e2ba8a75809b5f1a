"""The model holds on a few dozen seeds, and each of its guards is proven: broken, a known seed notices.

A seed that no longer catches its broken guard means that the model lost its eyes for that rule (or that its workload
moved): find another with `python -m tests.model 500 --break NAME`, do not drop the guard.
"""

import os

import pytest

from tests import model

LONG = os.environ.get("CRDTKV_LAWS") == "long"
CAUGHT = {  # guard: (world, seed that catches it when broken, the fewest steps tried at which it still does)
    "join-first": ("data", 1, 220),
    "purge-first": ("data", 38, 169),
    "whole-cell": ("data", 81, 220),
    "announced-retired": ("members", 156, 220),
    "catch-up-from": ("data", 0, 15),
    "record-deps": ("data", 0, 18),
    "put-absent-all": ("data", 56, 79),
    "delete-absent-nothing": ("data", 36, 120),
    "group-ship": ("data", 0, 60),
    "recreate-tombstones": ("data", 0, 14),
    "mark-over-hider": ("data", 28, 172),
    "tombstone-is-no-edit": ("data", 0, 215),
    "life-context": ("data", 18, 120),
    "life-clears": ("data", 0, 129),
    "context-join": ("data", 0, 40),
    "context-dropped": ("data", 2, 40),
    "sweep-applied": ("data", 0, 75),
    "sweep-first": ("data", 0, 38),
    "sweep-seen": ("data", 0, 74),
    "counter-cancel": ("data", 5, 140),
    "once-stable": ("data", 8, 69),
    "expiry-judged-once": ("data", 0, 63),
    "expiry-clears": ("data", 0, 106),
    "history-lives": ("data", 25, 83),
    "history-by-all": ("data", 0, 186),
    "history-purged": ("data", 35, 170),
    "history-trim": ("data", 1, 72),
    "history-gaps": ("data", 0, 84),
    "history-gap-parents": ("data", 0, 183),
    "history-gap-sweeps": ("data", 2, 47),
    "ttl-last": ("data", 69, 220),
    "vouched": ("members", 36, 180),
    "restart-vector": ("members", 114, 97),
    "rename-after-crash": ("members", 3, 160),
    "retire-unknown": ("members", 0, 220),
    "remint-waits": ("members", 18, 180),
    "remint-waits-evictions": ("members", 115, 140),
    "remint-base": ("members", 1, 100),
    "out-sponsor": ("members", 18, 100),
    "refuse-losers": ("members", 383, 220),
    "out-sponsor-chain": ("members", 71, 140),
    "out-retired": ("members", 17, 220),
    "fork-known": ("members", 76, 180),
    "fork-stops-purge": ("members", 5, 160),
    "shown-child": ("data", 64, 73),
    "move-is-no-edit": ("data", 18, 110),
    "order-recreated": ("data", 63, 193),
    "counter-max": ("data", 86, 151),
    "once-reset-folded": ("data", 104, 81),
    "history-by-dot": ("data", 131, 220),
    "counter-restart": ("data", 148, 220),
    "expiry-purge-S": ("data", 144, 220),
    "leaf-drop-hidden": ("data", 216, 220),
}
# More than half a second each: only with CRDTKV_LAWS=long.
HEAVY = {
    "history-by-all",
    "history-gap-parents",
    "out-retired",
    "tombstone-is-no-edit",
    "ttl-last",
    "counter-restart",
    "leaf-drop-hidden",
    "history-by-dot",
}
# Broken, these went unnoticed in the 60 to 340 seeds tried so far: the rule is in the
# model, its proof is not. Each needs a seed (or a sharper workload) and then moves up.
NOT_CAUGHT = {
    "announced-n",
    "group-whole",
    "sweep-all",
    "order-with-element",
    "order-ships",
    "rank-replaces",
    "once-origin",
    "history-life-floor",
    "history-lives-squashed",
    "ttl-ships-key",
    "only-members",
    "from-covers-F",
    "stamp-ceiling",
    "copy-remints-nothing",
    "join-clock",
    "remint-F",
    "out-losers",
    "fork-no-return",
    "heard-promise",
}


@pytest.mark.parametrize("world, seeds", [("data", range(24 if LONG else 8)), ("members", range(16 if LONG else 6))])
def test_replicas_show_what_the_history_says(world, seeds):
    total = model.Stats()
    for seed in seeds:
        total += model.run(seed, world=world)
    assert total.comparisons and total.purges and total.writes


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
