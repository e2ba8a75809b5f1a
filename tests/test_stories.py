"""Every story in `tests/stories` is told again, and must say what it said.

python -m tests.test_stories --rewrite     writes what is said now; then read the diff
"""

import sys
import tempfile
from pathlib import Path

import pytest

from tests.stories.teller import StoryError, parse, tell

FOLDER = Path(__file__).parent / "stories"
STORIES = sorted(FOLDER.glob("*.txt"))


def rewrite() -> None:
    """Write each story as it is told now, and name those that changed."""
    for path in STORIES:
        with tempfile.TemporaryDirectory() as folder:
            told = tell(path.read_text(), Path(folder))
        if told != path.read_text():
            path.write_text(told)
            print(f"rewritten: {path.relative_to(FOLDER.parent.parent)}")


@pytest.mark.parametrize(
    "path",
    STORIES,
    ids=lambda p: p.stem,
)
def test_story(path: Path, tmp_path: Path) -> None:
    """What the colos say is what they said when the story was written."""
    assert tell(path.read_text(), tmp_path) == path.read_text()


def test_a_story_is_told_the_same_twice(tmp_path: Path) -> None:
    """Nothing in it depends on the time, the machine or a die."""
    words = '> colos lhr sin\nlhr> v = put a [1]\n> sync\nsin> history a\nsin> list b append {"x": [1, 2]} null\n'
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    assert tell(words, tmp_path / "1") == tell(words, tmp_path / "2")


def test_a_story_that_says_otherwise_is_found(tmp_path: Path) -> None:
    words = "> colos lhr\nlhr> put a 1\n  2\n"
    assert tell(words, tmp_path) != words


@pytest.mark.parametrize("words", ["lhr> sing", "> sing", "gru> get a", "lhr> put a 1 loudly x", "> clock soon"])
def test_a_command_that_there_is_not_is_an_error(words: str, tmp_path: Path) -> None:
    with pytest.raises(StoryError):
        tell(f"> colos lhr\n{words}\n", tmp_path)


def test_words_and_values() -> None:
    """A JSON value is one word, spaces and all; a name that begins like a number is a name."""
    assert [str(w) for w in parse('put todo/1 {"a": [1, "x y"]} base v1 ttl 10s')] == [
        "put", "todo/1", 'Json({"a": [1, "x y"]})', "base", "v1", "ttl", "10s",
    ]  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] != ["--rewrite"]:
        sys.exit("usage: python -m tests.test_stories --rewrite")
    rewrite()
