"""Commands on keys: what they do to a store, and what they print."""

import json
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from tests.cli.conftest import Run


def shown(run: Run, key: str, *words: str) -> Any:
    """What `get -o json` says of a key."""
    done = run("get", key, "-o", "json", *words)
    return json.loads(done.out) if done.code == 0 else None


# writing


def test_a_file_that_is_made_is_told_of_so_that_a_wrong_name_is_seen(run: Run) -> None:
    made = "note: there was no store 'lhr.db'; it is made, a new colo 'lhr'\n"
    assert run("put", "a", "1").err == made
    assert run("put", "a", "1").err == ""
    assert run("append", "b", "1", "-s", "x.db", "--colo", "gru").err == made.replace("lhr.db", "x.db").replace(
        "colo 'lhr'", "colo 'gru'"
    )


def test_what_is_refused_before_anything_was_written_makes_no_file(run: Run) -> None:
    """A word that is wrong with the first command leaves nothing behind; what was there stays."""
    wrong = ("put", "k" * 513, "1"), ("put", "a", "1", "--ttl", "0"), ("incr", ""), ("put", "a", "1", "--base", "x")
    for words in wrong:
        done = run(*words)
        assert done.code == 1 and "it is made" not in done.err and not list(Path().iterdir()), words
    Path("lhr.db").touch()
    assert run("put", "", "1").code == 1 and Path("lhr.db").exists()
    Path("lhr.db").unlink()
    Path("lhr.db-witness").unlink()
    Path("lhr.db").symlink_to("disk.db")
    assert run("put", "", "1").code == 1 and [p.name for p in Path().iterdir()] == ["lhr.db"]
    assert run("put", "a", "1").code == 0 and run("put", "", "1").code == 1
    assert shown(run, "a")["value"] == 1
    bad = run("import", "-", "-s", "sin.db", stdin='{"key": "a", "value": 1}\nno\n')
    assert bad.code == 1 and "'sin.db'; it is made" in bad.err
    assert shown(run, "a", "-s", "sin.db")["value"] == 1, "of what was begun the file stays"


def test_what_was_before_the_last_write_is_a_base_too(run: Run) -> None:
    for value in ("[1, 2]", "[1, 2, 3]"):
        run("put", "list", value)
    assert json.loads(run("put", "list", "[2]", "--base", "~1", "-o", "json").out)["value"] == [2, 3]
    assert run("put", "list", "[9]", "--if-version", "~1").code == 1
    assert run("put", "list", "[9]", "--if-version", "~0").code == 0
    run("put", "doc", '{"a": 1}')
    run("put", "doc", '{"a": 1, "b": 2}')
    assert json.loads(run("patch", "doc", '{"a": 3}', "--base", "~1", "-o", "json").out)["value"] == {"a": 3, "b": 2}
    run("add", "set", "x")
    run("add", "set", "y")
    assert json.loads(run("remove", "set", "x", "y", "--base", "~1", "-o", "json").out)["value"] == ["y"]
    assert run("delete", "list", "--base", "~9").code == 1


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("hello", "hello"), ("", ""), ("3", 3), ("-5", -5), ("1.5", 1.5), ("1e3", 1000.0), ("true", True),
        ("null", None), ('"3"', "3"), ("[1, 2]", [1, 2]), ('{"a": {"b": []}}', {"a": {"b": []}}),
        ("1.2.3", "1.2.3"), ("007", "007"), ("True", "True"), ("NaN", "NaN"), (" 3 ", 3), ("é\n", "é\n"),
    ],
)  # fmt: skip
def test_a_word_is_json_if_it_looks_like_it_else_text(run: Run, word: str, value: Any) -> None:
    assert run("put", "a", word).code == 0
    with crdtkv.open("lhr.db") as kv:
        assert kv["a"] == value and type(kv["a"]) is type(value)


def test_text_is_text_whatever_it_looks_like(run: Run) -> None:
    run("put", "a", "{", "--text")
    run("put", "b", "3", "--text")
    assert shown(run, "a")["value"] == "{" and shown(run, "b")["value"] == "3"


@pytest.mark.parametrize(
    ("data", "options", "value"),
    [
        (b"hello\n", [], "hello"), (b"hello\r\n", [], "hello"), (b"hello\n\n", [], "hello\n"),
        (b"hello\n", ["--text"], "hello\n"), (b'{"a": 1}\n', [], {"a": 1}), (b"\xef\xbb\xbf[1]", [], [1]),
        (b"", [], ""),
        (b"\xff\x00", ["--type", "image/gif"], crdtkv.Blob(b"\xff\x00", "image/gif")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_value_from_a_file_or_stdin(
    run: Run, here: Path, source: str, data: bytes, options: list[str], value: Any
) -> None:
    (here / "v").write_bytes(data)
    words = ["--file", "v"] if source == "file" else ["-"]
    assert run("put", "a", *words, *options, stdin=data).code == 0
    with crdtkv.open("lhr.db") as kv:
        assert kv["a"] == value


def test_a_put_says_its_version_and_merges_against_its_base(run: Run) -> None:
    version = run("put", "todo", "[1, 2, 3]", "-o", "raw").out.strip()
    run("put", "todo", "[1, 3]", "--base", version)
    row = json.loads(run("put", "todo", "[1, 2, 3, 4]", "--base", version, "-o", "json").out)
    assert row["value"] == [1, 3, 4] and row["version"] == shown(run, "todo")["version"]


def test_conditions_of_a_put(run: Run) -> None:
    assert run("put", "a", "1", "--if-absent").code == 0
    refused = run("put", "a", "2", "--if-absent")
    assert refused.code == 1 and "there is a 'a' already" in refused.err
    version = shown(run, "a")["version"]
    assert run("put", "a", "2", "--if-version", version).code == 0
    assert run("put", "a", "3", "--if-version", version).code == 1
    assert run("put", "a", "3", "--once", "k").out == run("put", "a", "3", "--once", "k").out
    assert shown(run, "a")["value"] == 3


def test_a_ttl_and_a_strategy(run: Run) -> None:
    run("put", "a", "1", "--ttl", "100", "--strategy", "lww")
    entry = shown(run, "a")
    assert entry["strategy"] == "lww" and 0 < entry["expires"] - entry["stamp"] <= 100_000


def test_delete_is_one_transaction_and_says_what_was_not_there(run: Run) -> None:
    run("put", "a", "1")
    run("put", "b", "1")
    done = run("delete", "a", "nobody", "b")
    assert done.code == 0 and "there was no 'nobody'" in done.err
    assert run("scan", "-o", "json").out == "[]\n"
    assert run("delete", "a" * 513, "b").code == 1


def test_patch_takes_both_kinds(run: Run) -> None:
    run("patch", "p", '{"a": 1, "b": 2}')
    run("patch", "p", '[{"op": "add", "path": "/c", "value": [3]}, {"op": "remove", "path": "/a"}]')
    assert shown(run, "p")["value"] == {"b": 2, "c": [3]}


def test_a_diff_is_a_patch(run: Run) -> None:
    run("put", "p", '{"a": [1, 2]}')
    run("put", "q", '{"a": [1, 2]}')
    run("put", "p", '{"a": [2], "b": null}')
    patch = run("diff", "p", "-o", "json").out
    run("patch", "q", "-", stdin=patch)
    assert shown(run, "q")["value"] == {"a": [2], "b": None}


def test_what_a_key_is_made_as(run: Run) -> None:
    """append makes a list, add a set, incr a counter; a rule that speaks of the key says otherwise."""
    run("append", "l", "1", "x")
    run("add", "s", "x", "x", "1")
    run("incr", "c", "-5")
    assert [shown(run, k)["strategy"] for k in "lsc"] == ["list", "set", "counter"]
    assert [shown(run, k)["value"] for k in "lsc"] == [[1, "x"], [1, "x"], -5]
    run("rules", "set", "log/*", "log")
    run("rules", "set", "doc/*", "json")
    for key in ("log/1", "doc/1"):
        run("append", key, "1")
    assert [shown(run, k)["strategy"] for k in ("log/1", "doc/1")] == ["log", "json"]
    run("append", "doc/1", "2")
    assert shown(run, "doc/1")["value"] == [1, 2]


def test_parts_of_a_document(run: Run) -> None:
    run("rules", "set", "d", "json", "--path", "/n=counter", "-p", "/t=set", "-p", '/i={"list": {"key": ["id"]}}')
    run("put", "d", '{"n": 1, "t": ["a"], "i": [{"id": 1}]}')
    run("incr", "d", "2", "--path", "/n")
    run("add", "d", "b", "--path", "/t")
    run("remove", "d", "a", "--path", "/t")
    run("append", "d", '{"id": 2}', "--path", "/i")
    run("remove", "d", "--index", "0", "--path", "/i")
    assert shown(run, "d")["value"] == {"n": 3, "t": ["b"], "i": [{"id": 2}]}


def test_values_line_by_line(run: Run, here: Path) -> None:
    (here / "lines").write_text('a\n\n{"b": 1}\n')
    run("append", "l", "first", "-", stdin="1\n2\n")
    run("append", "l", "--file", "lines")
    assert shown(run, "l")["value"] == ["first", 1, 2, "a", {"b": 1}]


def test_an_incr_is_counted_once_under_one_id(run: Run) -> None:
    assert [run("incr", "c", "3", "--once", "x", "-o", "raw").out for _ in range(2)] == ["3\n", "3\n"]


# reading


def test_get_prints_the_value_and_nothing_else(run: Run) -> None:
    run("put", "t", "two\nlines")
    run("put", "j", '{"é": [1, null]}')
    run("put", "b", "-", "--type", "image/gif", stdin=b"\x00\xff")
    assert run("get", "t", "j").out == 'two\nlines\n{"é": [1, null]}\n'
    done = run("get", "nobody", "t")
    assert (done.code, done.out) == (1, "two\nlines\n") and "there is no 'nobody'" in done.err
    entry = shown(run, "b")["value"]
    assert entry == {"base64": "AP8=", "content_type": "image/gif"}


def test_versions(run: Run) -> None:
    for value in ("1", "2", "3"):
        run("put", "a", value)
    versions = [row["version"] for row in json.loads(run("history", "a", "-o", "json").out)]
    read = [run("get", "a", "--as-of", at).out for at in ("~0", "~1", "~2", versions[0])]
    assert read == ["3\n", "2\n", "1\n", "1\n"]
    assert json.loads(run("diff", "a", "~2", versions[1], "-o", "json").out)[0]["value"] == 2
    assert run("diff", "a", versions[2]).out == "no difference\n"
    beyond = run("get", "a", "--as-of", "~3")
    assert beyond.code == 1 and "'a' has 3 versions here" in beyond.err
    run("revert", "a", "~2")
    assert shown(run, "a")["value"] == 1


def test_expire(run: Run) -> None:
    run("put", "a", "1")
    soon = int(run("expire", "a", "60", "-o", "raw").out)
    assert shown(run, "a")["expires"] == soon and "20" in run("expire", "a", "90").out
    assert run("expire", "a", "never", "-o", "raw").out == "\n" and shown(run, "a").get("expires") is None
    assert "there was no 'b'" in run("expire", "b", "60").err
    assert "there was no 'b'" in run("remove", "b", "x").err


def test_a_first_write_differs_from_nothing(run: Run) -> None:
    run("put", "a", "1")
    assert json.loads(run("diff", "a", "-o", "json").out) == [{"op": "replace", "path": "", "value": 1}]


def test_blame_and_history_of_what_is_not_there(run: Run) -> None:
    run("put", "a", "1")
    for command in ("blame", "history", "diff"):
        assert run(command, "nobody").code == 1, command
    run("delete", "a")
    assert [row["value"] for row in json.loads(run("history", "a", "-o", "json").out)] == [1, None]


def test_scan_takes_what_a_scan_takes(run: Run) -> None:
    for key in ("a/1", "a/2", "b/1", "b/2"):
        run("put", key, "1")

    def keys(*words: str) -> list[str]:
        return run("scan", *words, "-k", "-o", "raw").out.split()

    assert keys("a/") == ["a/1", "a/2"] and keys("--glob", "*1") == ["a/1", "b/1"]
    assert keys("--regex", "2$", "-r") == ["b/2", "a/2"] and keys("--start", "a/2", "--end", "b/2") == ["a/2", "b/1"]
    first = run("scan", "-n", "3", "-k", "-o", "raw")
    assert first.out.split() == ["a/1", "a/2", "b/1"]
    assert keys("--cursor", first.err.split()[-1]) == ["b/2"]
    assert run("scan", "-n", "4").err == ""


def test_a_scan_of_many_pages_is_whole(run: Run) -> None:
    with crdtkv.open("lhr.db", colo="lhr") as kv, kv.transaction() as t:
        for i in range(600):
            t.put(f"{i:04}", i)
    assert len(run("scan", "-k", "-o", "raw").out.splitlines()) == 600
    assert len(json.loads(run("scan", "-n", "300", "-o", "json").out)) == 300


# what is printed


def test_every_form_holds_the_same(run: Run) -> None:
    run("put", "a", '["x", null]')
    rows = json.loads(run("scan", "-o", "json").out)
    assert [json.loads(line) for line in run("scan", "-o", "ndjson").out.splitlines()] == rows
    assert run("scan", "-o", "raw").out == 'a\t["x", null]\n'
    assert run("scan").out.splitlines() == ["key  value", 'a    ["x", null]']


@pytest.mark.parametrize("form", ["table", "raw", "ndjson", "json"])
def test_no_control_character_reaches_a_terminal(run: Run, form: str) -> None:
    """A key or a value may hold any; a table, fields and JSON show them escaped."""
    with crdtkv.open("lhr.db", colo="lhr") as kv:
        kv["k\x1b[31m\n\u202e\x9b"] = "v\x1b]0;x\x07\r\t"
    for command in (["scan"], ["scan", "-l"], ["history", "k\x1b[31m\n\u202e\x9b"]):
        out = run(*command, "-o", form).out
        assert not {c for c in out if ord(c) < 32} - {"\n", "\t"}, out
        assert len(out.splitlines()) <= 3


def test_the_options_may_stand_before_the_command(run: Run) -> None:
    assert run("-s", "sin.db", "-o", "raw", "put", "a", "1").code == 0
    assert run("--store", "sin.db", "get", "a").out == "1\n"
    assert run("-s", "sin.db", "get", "a", "-s", "lhr.db").code == 2


@pytest.mark.parametrize("group", ["conflicts", "rules", "members", "strategies"])
def test_a_group_lists_what_there_is(run: Run, group: str) -> None:
    run("put", "a", "1")
    assert run(group, "-o", "ndjson").out == run(group, "list", "-o", "ndjson").out
    assert run(group, "--help").out.startswith(f"Usage: crdtkv {group} ")
    assert run(group, "frob").code == 2


def test_a_colo_is_named_or_the_stem(run: Run) -> None:
    run("put", "a", "1", "-s", "one.db", "--colo", "gru")
    run("put", "a", "1", "-s", "sin.db")
    assert json.loads(run("stats", "-s", "one.db", "-o", "json").out)["colo"] == "gru"
    assert json.loads(run("stats", "-s", "sin.db", "-o", "json").out)["colo"] == "sin"
    assert run("get", "a", "-s", "one.db", "--colo", "lhr").code == 1
    bad = run("put", "a", "1", "-s", "My Store.db")
    assert bad.code == 2 and "'My Store' is none" in bad.err and "--colo NAME" in bad.err
