"""Texts as words: what two writers changed stands, whatever lies between them and their common past."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core.words import Text, created, edited, joined, merged, split, union

texts = st.lists(st.sampled_from(["a", "b", "c", "&&"]), max_size=6).map(" ".join)


def write(text: Text, new: str, replica: str, n: int = 1) -> Text:
    """What stands after a replica has put `new` in the place of `text`."""
    after = edited(text, new, (replica, n))
    return after._replace(known=union(after.known, {replica: (n, n)}))


def both(base: str, mine: str, theirs: str) -> tuple[str, str, int]:
    """The text made of two edits of `base`, with either as the later, and how many words gave way in the first."""
    start = created(base, ("o", 1))
    one, other = write(start, mine, "a"), write(start, theirs, "b")
    text, lost = merged(one, other)
    return str(text), str(merged(other, one)[0]), len(lost)


@given(st.text())
def test_a_text_is_its_words(text: str) -> None:
    assert joined(split(text)) == text
    assert str(created(text, ("a", 1))) == text


@given(texts, texts)
def test_an_edit_reads_as_what_was_put(before: str, after: str) -> None:
    """And a text merged with its own edit, or with itself, is that edit: f(b, b, x) = f(b, x, b) = f(b, x, x) = x."""
    start = created(before, ("o", 1))
    one = write(start, after, "a")
    assert str(one) == after
    for mine, theirs in ((start, one), (one, start), (one, one)):
        text, lost = merged(mine, theirs)
        assert (str(text), lost) == (after, set())


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "wanted"),
    [
        ("mocha test", "mocha test --bail", "mocha -R dot test", "mocha -R dot test --bail"),
        ("run a b c", "run b c", "run a b", "run b"),  # both took something out
        ("run a b", "run b", "run a b c", "run b c"),  # the first word, and the end
        ("x y", "w x y", "x y z", "w x y z"),
        ("lint --a", "lint", "lint --a --b", "lint --b"),  # taken out, put in beside it
        ("lint --a", "lint --aa", "lint --a --b", "lint --aa --b"),  # replaced, put in beside it
        ("lint", "lint --fix", "lint --fix", "lint --fix"),  # the same once
        ("lint", "lint --fix", "lint --fix --bail", "lint --fix --bail"),
        ("a && b", "a && x && b", "a && b && y", "a && x && b && y"),
        ("one\ntwo\nthree", "one\n2\nthree", "one\ntwo\nthree\nfour", "one\n2\nthree\nfour"),
        ("a b c", "", "a b c d", "d"),
    ],
)
def test_different_words_all_stand(base: str, mine: str, theirs: str, wanted: str) -> None:
    assert both(base, mine, theirs) == (wanted, wanted, 0)


def test_put_in_at_one_place_the_earlier_comes_first() -> None:
    """Neither is torn apart."""
    assert both("a && b", "a && b && x", "a && b && y") == ("a && b && x && y", "a && b && y && x", 0)


@pytest.mark.parametrize(
    ("base", "mine", "theirs"),
    [
        ("^1.2.3", "^2.0.0", "~1.3.0"),  # one word
        ("^1.2.3 || ^2", "^1.2.4 || ^2", "^1.3.0 || ^2"),
        ("", "a b", "c d"),  # two who made it
        ("the old title", "the new title", "the short title"),
    ],
)
def test_the_same_words_replaced_the_later_stands(base: str, mine: str, theirs: str) -> None:
    assert both(base, mine, theirs)[:2] == (theirs, mine)
    assert both(base, mine, theirs)[2] > 0


@pytest.mark.parametrize(
    ("base", "small", "anew"),
    [
        ("eslint --cache lib test examples", "eslint --cache lib tests examples", "eslint . --ext .js --cache"),
        ("node cli -x a b c -- test", "node --trace cli -x a b c -- test", "npm run one && npm run two"),
        # words that both happen to have are no landmark in what was written anew
        ("tidy --write a b c d", "tidy --write --log warn a b c d", "tidy --log warn --write x y"),
    ],
)
def test_a_passage_written_anew_stands_over_an_edit_inside(base: str, small: str, anew: str) -> None:
    """Whichever is the later, and the small edit is told as lost."""
    one, other, lost = both(base, small, anew)
    assert one == other == anew and lost > 0


def test_no_base_is_the_wrong_one() -> None:
    """One side edits twice while apart: a three-way merge against what it read last would take its first edit back."""
    start = created("b c", ("o", 1))
    twice = write(write(start, "a b c", "a", 1), "a b c e", "a", 2)
    once = write(start, "b c d", "b")
    assert str(merged(once, twice)[0]) == "a b c d e"
    assert str(merged(twice, once)[0]) == "a b c e d"
    third = write(merged(once, twice)[0], "a b d e", "c")  # saw both
    late = write(once, "b c d f", "b", 2)  # saw neither
    assert str(merged(late, third)[0]) == "a b d f e"
    assert str(merged(third, late)[0]) == "a b d e f"


def test_what_stands_never_depends_on_how_often_it_was_merged() -> None:
    """Absorbed at once or in turn, directly or through another: random walks end with the same words."""
    for seed in range(300):
        dice = random.Random(seed)
        stands = {r: created("a b c d", ("o", 1)) for r in "xyz"}
        for n in range(1, 8):
            r, other = dice.sample("xyz", 2)
            words = str(stands[r]).split()
            words.insert(dice.randrange(len(words) + 1), f"{r}{n}")
            stands[r] = write(stands[r], " ".join(words), r, n)
            if dice.random() < 0.4:
                stands[other] = merged(stands[other], stands[r])[0]
        all_of_it = [merged(merged(stands[p], stands[q])[0], stands[s])[0] for p, q, s in ("xyz", "zyx", "yxz")]
        assert len({frozenset(str(text).split()) for text in all_of_it}) == 1
        assert all(len(str(text).split()) == 11 for text in all_of_it), "nothing put in is lost or doubled"
