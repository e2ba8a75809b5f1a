"""What was promised to clients is what a ledger holds a cluster to."""

import pytest

from tests.cluster.ledger import Ledger


@pytest.mark.parametrize(
    ("added", "removed", "found", "right"),
    [
        ("yes", "no", ["a"], True),
        ("yes", "no", [], False),
        ("yes", "no", ["a", "a"], False),
        ("no", "no", ["a"], False),
        ("no", "no", [], True),
        ("unknown", "no", ["a"], True),
        ("unknown", "no", [], True),
        ("yes", "yes", [], True),
        ("yes", "yes", ["a"], False),
        ("yes", "unknown", [], True),
        ("yes", "unknown", ["a"], True),
        ("unknown", "yes", ["a"], False),
    ],
)
def test_an_element(added: str, removed: str, found: list[str], right: bool) -> None:
    ledger = Ledger()
    ledger.add("a", added)
    ledger.remove("a", removed)
    assert (ledger.judge(found) == []) is right


def test_what_nobody_added_is_found() -> None:
    assert Ledger().judge(["a"]) == ["a is there, and was not added"]


def test_what_was_seen_was_added() -> None:
    ledger = Ledger()
    ledger.add("a", "unknown")
    ledger.saw("a")
    assert ledger.judge([]) == ["lost: a was acknowledged, and is not there"]


def test_a_removal_that_may_have_been_does_not_undo_one_that_was() -> None:
    ledger = Ledger()
    ledger.add("a", "yes")
    ledger.remove("a", "yes")
    ledger.remove("a", "unknown")
    assert ledger.judge(["a"]) == ["resurrected: a is there, and was removed"]
