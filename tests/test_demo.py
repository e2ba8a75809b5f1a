"""The demo: what a newcomer sees is right, the same for the same seed, and its counting is fair."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import crdtkv
from crdtkv.demo.judge import Act, Counts, judge
from crdtkv.demo.shapes import SHAPES, Intent, Shape

if hasattr(crdtkv, "open"):
    from crdtkv.demo import merges, workload

ROOT = Path(__file__).parent.parent
STORE = pytest.mark.skipif(not hasattr(crdtkv, "open"), reason="crdtkv.open is not there yet")
BASE = {"name": "x", "list": [1, 2, 3], "on": False}


def command(*words: str, tty_width: str = "100") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": tty_width, "PYTHONHASHSEED": "random"}
    return subprocess.run(
        [sys.executable, "-m", "crdtkv.cli", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def corpus(path: Path, rows: Sequence[object]) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def case(ours: object, theirs: object, merged: object, base: object = BASE) -> dict[str, object]:
    return {"repo": "r", "path": "p", "commit": "c", "base": base, "ours": ours, "theirs": theirs, "merged": merged}


# Counting


@pytest.mark.parametrize(
    ("acts", "found", "counts"),
    [
        ([Act(0, "add", "x", 0)], {"x": 1}, Counts(0, 0, 0)),
        ([Act(0, "add", "x", 0)], {}, Counts(1, 0, 0)),
        ([Act(0, "add", "x", 0), Act(1, "remove", "x", 0b1)], {}, Counts(0, 0, 0)),
        ([Act(0, "add", "x", 0), Act(1, "remove", "x", 0b1)], {"x": 1}, Counts(0, 1, 0)),
        ([Act(0, "add", "x", 0), Act(1, "add", "x", 0), Act(2, "remove", "x", 0b1)], {}, Counts(1, 0, 0)),
        ([Act(0, "add", "x", 0), Act(1, "remove", "x", 0b1), Act(2, "add", "x", 0b11)], {}, Counts(1, 0, 0)),
        ([Act(0, "add", "x", 0), Act(1, "remove", "x", 0b1), Act(2, "edit", "x", 0b1)], {}, Counts(0, 0, 0)),
        ([Act(0, "add", "x", 0), Act(1, "remove", "x", 0b1), Act(2, "edit", "x", 0b1)], {"x": 1}, Counts(0, 0, 0)),
        ([Act(0, "add", "x", 0)], {"x": 2}, Counts(0, 0, 1)),
    ],
)
def test_counting_follows_what_clients_saw(acts: list[Act], found: dict[str, int], counts: Counts) -> None:
    """Lost: an add that no remover had seen. Back: all adds and edits seen by removers. An unseen edit: either."""
    assert judge(acts, found) == counts


def test_siblings_are_read_in_favour_of_the_strategy() -> None:
    """Lost only if in no sibling, back only if in all."""
    acts = [Act(0, "add", "x", 0), Act(1, "remove", "x", 0b1), Act(2, "add", "y", 0)]
    assert judge(acts, {"x": 1, "y": 1}, surely=set()) == Counts(0, 0, 0)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.name)
def test_a_shape_does_what_its_client_means(shape: Shape) -> None:
    """An entry taken out is gone and nothing else is; taking it out again is nothing to do."""
    start = shape.start()
    for entry in shape.entries(start):
        done = shape.carry_out(start, Intent("remove", entry, "", 0))
        assert done is not None
        document, kind = done
        assert kind == "remove"
        assert set(shape.entries(document)) == set(shape.entries(start)) - {entry}
        assert shape.carry_out(document, Intent("remove", entry, "", 0)) is None
    assert start == shape.start(), "a client's document is its own"


def test_half_an_entry_does_not_count() -> None:
    page = SHAPES[2]
    assert not page.entries({"tags": [], "steps": [{"id": "step-a", "done": True}], "comments": {"c": {"text": "t"}}})


# The runs


@STORE
def test_the_thread_ends_as_wanted() -> None:
    """Under json at every colo: 5 gone, 8 and 9 there, and a later PUT on the old base brings nothing back."""
    done = command("demo", "--writes", "12")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[:2] == ["json", "lhr"]]
    assert rows == [
        ["json", "lhr", "sin", "gru", *"12346789", "as", "wanted"],
        ["json", "lhr", "sin", "gru", *"12346789", "10", "as", "wanted"],
    ]


@STORE
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.name)
def test_every_strategy_converges_and_json_loses_nothing(shape: Shape) -> None:
    for strategy in shape.strategies:
        result = workload.play(shape, strategy, seed=3, writes=60, tick=lambda: None)
        assert result.converged, strategy
        if strategy == "json":
            assert result.counts == Counts(0, 0, 0)
        if strategy == "lww":
            assert result.counts.lost > 0, "a workload in which lww loses nothing shows nothing"


@STORE
def test_the_same_seed_shows_the_same_run() -> None:
    one, two, other = (command("demo", "--writes", "30", "--seed", seed).stdout for seed in ("5", "5", "6"))
    assert one == two
    assert one != other


@STORE
def test_plain_text_in_a_pipe() -> None:
    out = command("demo", "--writes", "6").stdout
    assert "\x1b" not in out
    assert all(line == line.rstrip() for line in out.splitlines())


# The corpus


@STORE
@pytest.mark.parametrize(
    ("ours", "theirs", "merged", "verdict"),
    [
        ({**BASE, "name": "y"}, {**BASE, "on": True}, {**BASE, "name": "y", "on": True}, "equal"),
        ({**BASE, "list": [1, 3]}, {**BASE, "list": [1, 2, 3, 4]}, {**BASE, "list": [1, 3, 4]}, "equal"),
        ({**BASE, "name": "y"}, {**BASE, "name": "z"}, {**BASE, "name": "y"}, "equal"),
        ({**BASE, "name": "y"}, {**BASE, "name": "z"}, {**BASE, "name": "z"}, "other scalar"),
        ({**BASE, "name": "y"}, {**BASE, "name": "z"}, {**BASE, "name": "w"}, "different"),
        (BASE, BASE, {**BASE, "on": 0}, "different"),
    ],
)
def test_verdicts(ours: object, theirs: object, merged: object, verdict: str) -> None:
    outcome = merges.merge(merges.Case("x", BASE, ours, theirs, merged))
    assert outcome.verdict == verdict
    assert bool(outcome.detail) == (verdict != "equal")


SCRIPT = {**BASE, "name": "mocha test --check"}


@STORE
@pytest.mark.parametrize(
    ("strategy", "ours", "theirs", "merged"),
    [
        ("json?strings=words", {"name": "mocha test --check --bail"}, {"name": "mocha -R dot test --check"},
         {"name": "mocha -R dot test --check --bail"}),
        ("json?strings=words", {"name": "jest test"}, {"name": "mocha test --check --bail"},
         {"name": "jest test --bail"}),
        ("json?strings=words&wins=delete", {"on": True}, {"list": [2]}, {"on": True, "list": [2]}),
    ],
)  # fmt: skip
def test_verdicts_under_another_strategy(strategy: str, ours: object, theirs: object, merged: object) -> None:
    """Strings edited in different words; and a member deleted by the one and edited by the other."""
    case = merges.Case("x", SCRIPT, *({**SCRIPT, **part} for part in (ours, theirs, merged)))  # type: ignore[dict-item]
    assert merges.merge(case, strategy).verdict == "equal"
    gone = {name: value for name, value in SCRIPT.items() if name != "on"}
    edited = merges.Case("x", SCRIPT, {**SCRIPT, "on": 1}, gone, gone)
    assert (merges.merge(edited, strategy).verdict == "equal") == ("wins=delete" in strategy)


@STORE
@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz"])
def test_a_corpus_is_counted(tmp_path: Path, name: str) -> None:
    same, other = case(BASE, BASE, BASE), case(BASE, BASE, {**BASE, "name": "odd"})
    done = command("demo", "--merges", str(corpus(tmp_path / name, [same, same, other])), "-v")
    assert done.returncode == 0, done.stderr
    counts = {line.split()[0]: line for line in done.stdout.splitlines() if "%" in line}
    assert [int(word) for word in counts["equal"].split() if word.isdigit()] == [2, 2, 2]
    assert [int(word) for word in counts["different"].split() if word.isdigit()] == [1, 1, 1]
    assert '- "name": "odd",' in done.stdout


@STORE
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "c.jsonl:2 is not JSON"),
        ({"base": 1}, "c.jsonl:2 lacks 'ours', 'theirs', 'merged'"),
        ([1], "c.jsonl:2 lacks 'base'"),
        ('{"base": {"a": 1, "a": 2}, "ours": 1, "theirs": 1, "merged": 1}', "member 'a' occurs twice"),
        ('{"base": NaN, "ours": 1, "theirs": 1, "merged": 1}', "NaN is no JSON number"),
        ("[" * 100_000, "c.jsonl:2 is not JSON"),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_run(tmp_path: Path, row: object, words: str) -> None:
    """One line, what is wrong where, the next step; exit 1."""
    same = case(BASE, BASE, BASE)
    done = command("demo", "--merges", str(corpus(tmp_path / "c.jsonl", [same, row, "", same])))
    assert done.returncode == 1
    assert "2 merges of c.jsonl" in done.stdout
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "(next: " in done.stderr
    assert done.stderr.count("\n") == 1


@STORE
def test_bytes_that_are_no_text_are_one_bad_line(tmp_path: Path) -> None:
    """And a byte order mark is none."""
    line = json.dumps(case(BASE, BASE, BASE)).encode()
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\xff\xfe\n" + line)
    found = merges.read(path)
    assert [type(f).__name__ for f in found] == ["Case", "BadLine", "Case"] and found[1][0] == 2


@STORE
@pytest.mark.parametrize("verdict", ["divergence", "order-dependent", "error"])
def test_a_run_in_which_a_merge_failed_is_a_failure(
    tmp_path: Path, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = corpus(tmp_path / "c.jsonl", [case(BASE, BASE, BASE)])
    assert merges.show(path)
    monkeypatch.setattr(merges, "merge", lambda case, strategy: merges.Outcome(verdict))
    assert not merges.show(path)


@STORE
def test_a_corpus_that_is_not_gzip_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.gz").write_bytes(b"{}")
    done = command("demo", "--merges", str(tmp_path / "c.gz"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


# The door


def test_usage_errors_leave_with_2(tmp_path: Path) -> None:
    for words in (["nope"], ["demo", "--nope"], ["demo", "--seed", "x"], ["demo", "--merges", str(tmp_path / "no")]):
        assert command(*words).returncode == 2, words


def test_version() -> None:
    done = command("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("crdtkv ")
