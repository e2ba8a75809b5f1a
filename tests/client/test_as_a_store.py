"""What the store's own tests say of a store holds of a client: they run here over one, as they are.

Those of one store alone; what needs a file, a sync, or what is inside is no matter of a client.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from tests.store import (
    test_handles,
    test_history,
    test_mapping,
    test_reading,
    test_receipts,
    test_rules,
    test_telling,
    test_transactions,
    test_versions,
    test_watch,
    test_words,
    test_writing,
)

MODULES = (
    test_handles, test_history, test_mapping, test_reading, test_receipts, test_rules, test_telling, test_transactions,
    test_versions, test_watch, test_words, test_writing,
)  # fmt: skip

_SENT = "a transaction of a client is sent at its end: what it wrote has no version in it, and is not listed in it"
_FREE = "a transaction of a client holds nothing up: others write meanwhile, and what it read is a condition at its end"
_ENDS = "a transaction of a client is refused at its end, and then as a whole"
_INSIDE = "it looks inside a store, or syncs one that is open here"
_BASED = "a client sends the base of what it read last by itself"
OTHERWISE = {
    "test_in_a_transaction": _SENT, "test_it_reads_what_it_wrote": _SENT,
    "test_of_a_repeated_put_in_a_transaction": _SENT, "test_the_receipts_in_it_are_right": _SENT,
    "test_its_own_receipts_are_versions_in_it": _SENT, "test_what_other_threads_read_meanwhile": _FREE,
    "test_the_store_shows_only_what_is_committed": _FREE, "test_transactions_do_not_nest": _FREE,
    "test_what_reads_outside_see_in_the_same_thread": _FREE, "test_what_cannot_be_done_in_a_transaction": _FREE,
    "test_not_inside_a_transaction": _FREE, "test_threads_that_count": _FREE,
    "test_an_error_of_one_operation_leaves_the_others": _ENDS,
    "test_an_operation_that_fails_half_way_writes_nothing": _ENDS,
    "test_what_is_made_at_a_glance_is_kept_for_who_reads_it_again": _INSIDE,
    "test_update_is_one_transaction": _BASED, "test_require_base": _BASED,
    "test_a_base_of_before_the_migration_of_a_path": _BASED,
    "test_a_required_base_is_required_of_every_whole_write": _BASED,
    "test_rules_and_members_are_not_told": _INSIDE, "test_rules_come_before_the_option": _INSIDE,
    "test_each_reading_is_of_one_instant": _INSIDE, "test_edits_on_old_bases_are_merged_here": _INSIDE,
}
"""Test -> why it is none of a client."""


def of_one_store(module: ModuleType) -> dict[str, Any]:
    """The tests that take the store, perhaps its clock, and what they are parametrized with."""
    found = {}
    for name, test in vars(module).items():
        if not name.startswith("test_") or not inspect.isfunction(test) or name in OTHERWISE:
            continue
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        given = {n for mark in marks for n in ([mark.args[0]] if isinstance(mark.args[0], str) else mark.args[0])}
        given = {part.strip() for names in given for part in names.split(",")}
        needs = set(inspect.signature(test).parameters) - given
        if "kv" in needs and needs <= {"kv", "clock"}:
            found[f"{name}_of_{module.__name__.rpartition('test_')[2]}"] = test
    return found


for _module in MODULES:
    globals().update(of_one_store(_module))
