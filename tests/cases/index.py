"""The cases that crdtkv answers to: what other stores got wrong, and what broke its own drafts.

`shown`: stories of `tests/stories`, and tests of this folder by how their names begin.
`guards`: lines of the engine (`tests/guards`) on which the case hangs; `test_index.py` writes
each of them wrong and holds the case to notice. `unguarded`: why there is no such line.
`python -m tests.cases` prints the table, with the proofs of guards that tell the same case
in short (they name it: "Case 7").
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CASES", "Case"]


class Case(NamedTuple):
    """What is wanted, in a few words, and where it is shown."""

    words: str
    shown: tuple[str, ...]
    guards: tuple[str, ...]
    unguarded: str = ""


CASES: dict[int, Case] = {
    1: Case(
        "one list, whatever the order of exchange", ("test_case_01",), ("clients-each_append_is_an_element_of_its_own",)
    ),
    2: Case(
        "two who merge the same pair agree, with no third version",
        ("test_case_02",),
        ("telling-who_wrote_earlier_is_told_and_nobody_else-2",),
    ),
    3: Case(
        "counters criss-cross: 8",
        ("case-03-counters-criss-cross.txt",),
        (
            "clients-adds_that_did_not_know_each_other_are_summed",
            "clients-adds_that_did_not_know_each_other_are_summed-2",
        ),
    ),
    4: Case(
        "doubled, late, reordered, in parts",
        ("test_case_04",),
        ("exchange-a_record_waits_for_the_one_before_it", "clocks-a_delay_is_not_a_wrong_clock"),
    ),
    5: Case(
        "a lost disk, an old backup: no number twice",
        ("case-05-a-lost-disk.txt", "case-05b-a-copy-that-writes.txt", "test_case_05"),
        ("returning-a_restored_copy_writes_under_a_new_name-2",),
    ),
    6: Case(
        "two on one file, two with one id",
        ("case-06-two-on-one-file.txt", "test_case_06"),
        ("files-a_file_that_is_open_is_refused",),
    ),
    7: Case(
        "a remove after a join of two adds", ("case-07-sets-removed-apart.txt",), ("cells-a_delete_leaves_a_trace",)
    ),
    8: Case("the thread", ("case-08-the-thread.txt",), ("values-a_list_put_whole_says_what_its_client_changed-2",)),
    9: Case(
        "both append the same: twice in a list, once in a set",
        ("case-09-both-append-the-same.txt",),
        ("clients-each_append_is_an_element_of_its_own",),
    ),
    10: Case(
        "runs never interleave",
        ("case-10-runs.txt",),
        ("elements-runs_never_interleave", "elements-runs_never_interleave-2"),
    ),
    11: Case(
        "a delete against an edit inside: whole, or gone and told",
        ("case-11-delete-against-edit.txt",),
        (
            "deleting-an_edit_that_had_not_seen_the_delete_brings_all_back",
            "deleting-under_delete_wins_an_edit_inside_does_not_bring_it_back",
            "telling-who_edited_what_was_deleted_is_told",
        ),
    ),
    12: Case(
        "moves against moves, edits and deletes",
        ("case-12-moves.txt",),
        ("elements-moves_and_edits_of_one_element_both_hold", "elements-a_move_is_no_reason_to_keep_what_is_deleted"),
    ),
    13: Case(
        "both create one member, one list",
        ("case-13-both-create.txt",),
        ("elements-two_who_make_the_same_list_make_one",),
    ),
    14: Case(
        "an object against an array",
        ("case-14-type-clash.txt",),
        ("deleting-of_two_kinds_at_one_path_the_later_is_read",),
    ),
    15: Case(
        "clear against add",
        ("case-15-clear-against-add.txt",),
        (
            "deleting-a_sweep_takes_what_its_writer_sees",
            "deleting-a_record_s_sweep_takes_what_its_writer_had_seen",
            "deleting-a_record_s_sweep_takes_what_its_writer_had_seen-3",
        ),
    ),
    16: Case(
        "null stands in a put and deletes in a merge patch",
        ("case-16-null.txt",),
        (
            "clients-null_deletes_in_a_merge_patch_and_stands_in_a_put",
            "clients-null_deletes_in_a_merge_patch_and_stands_in_a_put-2",
        ),
    ),
    17: Case(
        "what is created again has no old children",
        ("case-17-re-created.txt",),
        ("absent-what_is_made_anew_has_none_of_its_old_members",),
    ),
    18: Case(
        "numbers and names to the bit; what is no value is refused with its path",
        ("test_case_18",),
        (
            "clients-numbers_come_back_as_they_went_in",
            "clients-numbers_come_back_as_they_went_in-2",
            "clients-what_is_no_value_is_refused_with_its_path",
            "clients-what_is_no_value_is_refused_with_its_path-2",
        ),
    ),
    19: Case(
        "one add costs the same in any size",
        ("test_case_19",),
        ("elements-an_append_costs_the_same_in_any_size-3", "elements-a_member_costs_the_same_in_any_size"),
    ),
    20: Case(
        "what was read and then written wins, whatever the clocks",
        ("case-20-causality-before-clocks.txt",),
        ("cells-a_record_names_all_that_its_writes_replaced-3",),
    ),
    21: Case(
        "a clock ten years ahead, and mended",
        ("test_case_21",),
        (
            "clocks-a_clock_in_the_future_drags_no_other_along",
            "clocks-a_clock_that_is_ahead_of_its_peers_mints_nothing",
            "returning-a_clock_that_was_set_right_makes_a_new_name",
        ),
    ),
    22: Case(
        "the later of two concurrent writes, not the busier writer",
        ("case-20-causality-before-clocks.txt",),
        ("cells-the_later_of_two_concurrent_writes_shows",),
    ),
    23: Case(
        "a tie goes by replica; the same value shows once",
        ("test_case_23",),
        (
            "values-of_two_values_the_later_shows_and_of_equal_stamps_the_greater_name_s",
            "values-equal_values_show_once",
        ),
    ),
    24: Case(
        "away during a delete and its purge",
        ("case-24-away-during-the-delete.txt",),
        (
            "exchange-a_record_takes_away_what_it_replaced",
            "exchange-who_lacks_what_was_purged_is_sent_all_there_is-4",
        ),
    ),
    25: Case(
        "a purge against a re-insert",
        ("case-25-purge-against-re-insert.txt",),
        ("forgetting-what_was_swept_leaves_nothing", "exchange-a_record_takes_away_what_it_replaced"),
    ),
    26: Case(
        "nothing is left of what was deleted",
        ("test_case_26",),
        ("keeping-a_purge_finds_all_that_may_go_and_nothing_else",),
    ),
    27: Case(
        "a colo that is lost for ever", ("case-27-lost-for-ever.txt",), ("belonging-who_is_evicted_is_no_member",)
    ),
    28: Case(
        "killed at any point of joining",
        ("test_case_28",),
        ("returning-what_is_minted_anew_replaces_what_it_had_replaced_and_no_more",),
    ),
    29: Case(
        "a base older than the history is told",
        ("case-29-base-too-old.txt",),
        ("history-what_was_trimmed_is_not_guessed", "history-an_edit_on_a_version_that_is_gone_is_refused"),
    ),
    30: Case(
        "a tombstone and its loser go together",
        ("case-30-a-loser-stays-lost.txt",),
        ("forgetting-a_delete_and_what_lost_to_it_are_dropped_together_when_both_are_old",),
    ),
    31: Case(
        "two dates at once; all agree about expiry",
        ("case-31-expiry.txt",),
        (
            "expiry-the_later_of_two_dates_holds",
            "expiry-to_stay_wins_over_a_date",
            "expiry-under_min_the_earlier_of_two_dates_holds",
        ),
    ),
    32: Case(
        "a reset or a delete against an add",
        ("case-32-reset-against-add.txt",),
        ("counters-a_deleted_counter_is_absent",),
    ),
    33: Case(
        "overflow by the sum of two",
        ("test_case_33",),
        ("counters-what_leaves_64_bits_is_refused_and_the_way_back_is_not",),
    ),
    34: Case(
        "a transaction is seen whole or not at all",
        ("case-34-transactions.txt",),
        ("exchange-a_commit_that_fails_leaves_nothing-3", "exchange-a_transaction_that_is_given_up_leaves_nothing"),
    ),
    35: Case(
        "never the old value for who holds a version",
        ("test_case_35_never_the_old_value", "test_case_35_a_session"),
        ("serving-a_base_that_is_not_here_is_no_base", "cluster-a_session_waits_for_what_it_has_seen"),
    ),
    36: Case(
        "lists agree with reads; a cursor goes on over deletes",
        ("case-36-listing.txt", "test_case_36"),
        ("clients-a_cursor_goes_on_behind_the_last_key", "clients-no_key_is_listed_that_does_not_read-3"),
    ),
    37: Case(
        "a feed says where it has a gap, and each change once",
        ("case-37-feeds.txt", "test_case_37"),
        ("serving-a_feed_says_so_where_it_has_a_gap", "serving-a_feed_goes_on_at_another_colo"),
    ),
    38: Case(
        "a rule changed on live keys",
        ("case-38-rules-on-live-keys.txt",),
        ("serving-of_two_strategies_the_later_is_read",),
    ),
    39: Case(
        "a value that cannot be read is kept",
        ("test_case_39",),
        ("values-a_merge_that_fails_shows_the_latest-2", "serving-of_two_strategies_the_later_is_read"),
    ),
    40: Case(
        "a merge function that breaks its contract is found",
        ("test_case_40",),
        (
            "clients-a_merge_function_that_breaks_its_contract_is_found_when_it_is_registered",
            "clients-a_merge_function_that_breaks_its_contract_is_found_when_it_is_registered-2",
        ),
    ),
    41: Case("join first, purge after", ("test_case_41",), ("exchange-a_catch_up_is_joined_before_it_is_purged",)),
    42: Case(
        "evicted with a write older than the purge",
        ("test_case_42",),
        ("returning-what_is_minted_anew_replaces_what_it_had_replaced_and_no_more",),
    ),
    43: Case(
        "never a stamp below what was said",
        ("test_case_43",),
        ("forgetting-a_clock_that_was_mended_opens_above_what_others_have_forgotten",),
    ),
    44: Case(
        "an element whole or gone, purged at every step",
        ("test_case_44",),
        ("deleting-an_edit_that_had_not_seen_the_delete_brings_all_back",),
    ),
    45: Case(
        "a version never comes again", ("test_case_45",), ("serving-a_put_on_a_condition_is_not_made_without_it",)
    ),
    46: Case(
        "a base older than what is left is told, never guessed",
        ("test_case_46",),
        (
            "history-a_version_shows_what_it_showed",
            "history-what_a_catch_up_squashed_is_not_guessed",
            "history-what_was_trimmed_is_not_guessed",
        ),
    ),
    47: Case(
        "two clients of one token, and no word of a base",
        ("test_case_47",),
        (),
        "which version is guessed is a door's affair (tests/doors/items/test_guessing.py), in front of the engine",
    ),
    48: Case(
        "a thousand puts on one old base",
        ("test_case_48",),
        ("cells-what_ranks_keeps_one_sibling_whatever_the_base", "serving-siblings_do_not_pile_up"),
    ),
    49: Case(
        "adds on an old base, and keyed ones, count once each",
        ("case-49-keyed-adds.txt", "test_case_49"),
        ("counters-a_key_that_was_reset_counts_no_more", "counters-one_colo_folds_a_key"),
    ),
    50: Case(
        "a base that is not here", ("case-50-a-base-not-here.txt",), ("serving-a_base_that_is_not_here_is_no_base",)
    ),
    51: Case(
        "a record waits for all that its writer had seen before a restart",
        ("case-51-a-restart-and-a-record.txt",),
        ("exchange-after_a_restart_a_record_waits_for_all_that_its_writer_had_seen",),
    ),
    52: Case(
        "parts of a catch-up while writes go on", ("test_case_52",), ("keeping-a_catch_up_has_all_that_is_new-3",)
    ),
    53: Case(
        "hidden leaves do not reappear", ("test_case_53",), ("exchange-what_is_not_sent_below_a_cell_that_is_has_gone",)
    ),
    54: Case(
        "created anew before and after a purge",
        ("test_case_54",),
        ("absent-a_record_s_new_life_replaces_what_its_writer_knew-3",),
    ),
    55: Case(
        "what an evicted colo wrote stands once",
        ("test_case_55",),
        (
            "belonging-whose_first_known_sponsor_is_out_is_out",
            "cells-what_the_other_saw_and_replaced_goes-2",
        ),
    ),
    56: Case(
        "two halves that evict each other",
        (
            "case-56-two-halves-evict-each-other.txt",
            "case-56b-two-evict-each-other-and-others-remain.txt",
            "test_case_56",
        ),
        (
            "belonging-while_two_halves_evict_each_other_nothing_is_forgotten_and_nobody_is_evicted",
            "belonging-while_two_halves_evict_each_other_nobody_returns",
        ),
    ),
    57: Case(
        "a sponsor evicted before anyone heard of it",
        ("case-57-an-evicted-sponsor.txt",),
        ("belonging-who_is_evicted_is_no_member",),
    ),
}
