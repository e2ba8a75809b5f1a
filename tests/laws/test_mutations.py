"""The random worlds have eyes: with a line of the engine written wrong, a run of them fails.

Each guard has a story of its own that proves it (tests/guards/). What is proven here is
that the worlds see: one kind of harm each, noticed by a short run that holds as the engine is.
"""

from __future__ import annotations

import pytest

from crdtkv.errors import Corrupt
from tests.compiled import interpreted
from tests.guards.mutation import GUARDS, Guard
from tests.guards.test_guards import AREAS
from tests.laws.world import Failure, run

STEPS = 120

SEEN: dict[str, tuple[tuple[str, int], ...]] = {
    "exchange-a_catch_up_ships_what_lies_below": (("calm", 1), ("expiry", 1), ("days", 1)),
    "exchange-a_record_waits_for_the_one_before_it": (("calm", 1), ("purging", 1), ("focus", 1)),
    "exchange-a_record_waits_for_what_its_writer_had_seen": (("calm", 1), ("restarts", 1), ("expiry", 1)),
    "exchange-a_record_takes_away_what_it_replaced": (("calm", 1), ("purging", 1), ("focus", 1)),
    "exchange-a_commit_that_fails_leaves_nothing-3": (("calm", 1), ("purging", 1), ("restarts", 1)),
    "cells-what_the_other_saw_and_replaced_goes": (("calm", 1), ("purging", 1), ("focus", 1)),
    "cells-contexts_join_as_siblings_do": (("calm", 1), ("purging", 1), ("focus", 1)),
    "deleting-a_record_s_sweep_takes_what_its_writer_had_seen": (("calm", 1), ("purging", 1), ("focus", 1)),
    "absent-a_new_life_has_a_new_version": (("calm", 1), ("purging", 1), ("focus", 1)),
    "forgetting-a_delete_and_what_lost_to_it_are_dropped_together_when_both_are_old": (
        ("restarts", 6), ("focus", 8), ("restarts", 22),
    ),
    "forgetting-a_key_that_is_forgotten_is_forgotten_whole": (("calm", 1), ("purging", 1), ("focus", 1)),
    "keeping-what_is_remembered_of_a_document_follows_its_cells": (("calm", 1), ("purging", 1), ("focus", 1)),
    "keeping-a_digest_is_of_all_cells_and_contexts-2": (("calm", 1), ("purging", 1), ("focus", 1)),
    "history-a_value_is_gone_from_the_version_of_each_who_replaced_it": (("calm", 1), ("purging", 1), ("restarts", 1)),
    "history-what_a_catch_up_squashed_is_not_guessed": (("calm", 1), ("purging", 1), ("days", 1)),
    "history-what_was_trimmed_is_not_guessed": (("days", 1), ("splits", 2), ("everything", 2)),
}  # fmt: skip
"""Guard -> (profile, seed) pairs; `python -m tests.laws.mutations` finds others."""

BY_NAME = {guard.name: guard for guard in GUARDS}


def caught(guard: Guard, profile: str, seed: int, steps: int = STEPS) -> str:
    """How a seed fails while the engine is so broken; '' if it holds."""
    with guard.broken():
        return failing(profile, seed, steps)


def failing(profile: str, seed: int, steps: int = STEPS) -> str:
    """How a seed fails; '' if it holds."""
    try:
        run(seed, profile, steps)
    except Failure as failure:
        return failure.kind
    except Corrupt as error:  # before its first step, where all become one
        return error.code
    return ""


@interpreted
@pytest.mark.parametrize("name", SEEN)
def test_a_broken_guard_is_noticed(name: str) -> None:
    """One of its seeds holds as the engine is, and fails when the guard is broken."""
    assert AREAS and name in BY_NAME, f"there is no guard {name!r} any more"
    if any(caught(BY_NAME[name], *seed) and not failing(*seed) for seed in SEEN[name]):
        return
    pytest.fail(f"none of {SEEN[name]} notices; find others: python -m tests.laws.mutations {name}")
