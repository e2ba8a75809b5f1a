"""sync, watch, conflicts, rules and care, from the outside; some as processes of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import crdtkv
from crdtkv.cli import colos
from tests.cli.conftest import Run
from tests.cli.pages import ROOT


def start(*words: str) -> "subprocess.Popen[str]":
    """The command as a process of its own."""
    world = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", "crdtkv.cli", *words], env=world, text=True, stdin=pipe, stdout=pipe, stderr=pipe
    )


def finish(process: "subprocess.Popen[str]", stdin: str = "") -> tuple[int, str, str]:
    out, err = process.communicate(stdin, timeout=60)
    return process.returncode, out, err


def test_processes_leave_as_the_page_says(here: Path) -> None:
    """0, 1, 2, and no traceback ever."""
    assert finish(start("put", "a", "-"), "[1]\n")[0] == 0
    assert finish(start("get", "a")) == (0, "[1]\n", "")
    code, out, err = finish(start("get", "b"))
    assert (code, out) == (1, "") and err.startswith("error: there is no 'b'")
    code, out, err = finish(start("get"))
    assert (code, out) == (2, "") and err.startswith("Usage: crdtkv get")


def test_a_pipe_between_two_commands_of_one_store(run: Run) -> None:
    """The reader of the pipe opens the store only when it has read all of it."""
    run("put", "a", "[1, 2]")
    reader = start("put", "b", "-")
    assert finish(start("get", "a"))[1] == "[1, 2]\n"
    assert finish(reader, "[1, 2]\n")[0] == 0
    assert run("get", "b").out == "[1, 2]\n"


def test_a_second_process_is_refused(run: Run) -> None:
    with crdtkv.open("lhr.db", colo="lhr"):
        code, out, err = finish(start("scan"))
    assert (code, out) == (1, "") and "'lhr.db' is open already" in err


def test_head_ends_an_export_quietly(run: Run, here: Path) -> None:
    with crdtkv.open("lhr.db", colo="lhr") as kv, kv.transaction() as t:
        for i in range(5000):
            t.put(f"k{i}", "x" * 50)
    line = f'"{sys.executable}" -m crdtkv.cli export | head -n 1'
    world = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", line], env=world, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 1 and done.stderr == ""


# sync


def test_sync_makes_a_colo_and_says_what_moved(run: Run) -> None:
    run("put", "todo", "[1]")
    rows = json.loads(run("sync", "sin.db", "gru.db", "-o", "json").out)
    assert [(row["colo"], row["equal"], row["refused"]) for row in rows] == [("sin", True, []), ("gru", True, [])]
    assert run("get", "todo", "-s", "gru.db").out == "[1]\n"


def test_a_refusal_is_a_failure(run: Run) -> None:
    run("put", "a", "1")
    run("sync", "sin.db", "gru.db")
    with crdtkv.open("lhr.db") as lhr, crdtkv.open("sin.db") as sin:
        lhr.evict("sin")
        sin.evict("lhr")
    done = run("sync", "sin.db")
    assert done.code == 1 and "is not a member" in done.err and "crdtkv members list" in done.err
    listed = run("members", "list", "-o", "json")
    assert [row["here"] for row in json.loads(listed.out) if row["replica"].startswith("lhr~")] == [True]
    link = listed.err.split("against ")[0].split()[-1]
    assert run("members", "resolve", link).code == 0
    assert run("sync", "sin.db").code == 0 and run("members", "list").err == ""


def test_members_leave_and_are_evicted(run: Run) -> None:
    run("put", "a", "1")
    run("sync", "sin.db", "gru.db")
    assert run("members", "leave", "-s", "gru.db").code == 0
    assert run("put", "a", "2", "-s", "gru.db").code == 1
    run("sync", "gru.db")
    assert run("members", "evict", "sin", "-o", "raw").out.startswith("sin~")
    assert len(json.loads(run("members", "list", "-o", "json").out)) == 1


# conflicts


@pytest.fixture
def apart(run: Run) -> Run:
    """lhr's write of `owner` and of `page` lost against sin's."""
    for key in ("owner", "page"):
        run("put", key, "?", "--strategy", "lww")
    run("sync", "sin.db")
    for key in ("owner", "page"):
        run("put", key, "ann")
        run("put", key, "bob", "-s", "sin.db")
    run("sync", "sin.db")
    return run


def test_the_inbox(apart: Run) -> None:
    lost = json.loads(apart("conflicts", "list", "-o", "json").out)
    assert [(c["key"], c["value"], c["winner"]) for c in lost] == [("owner", "ann", "bob"), ("page", "ann", "bob")]
    assert apart("conflicts", "list", "--prefix", "o", "-o", "raw").out.split("\t")[:2] == [lost[0]["id"], "owner"]
    assert apart("conflicts", "restore", lost[0]["id"], "nothing").code == 1
    assert apart("get", "owner").out == "bob\n", "none of them is restored if one is not there"
    assert apart("conflicts", "restore", lost[0]["id"]).code == 0
    assert apart("get", "owner").out == "ann\n"
    assert apart("conflicts", "dismiss", lost[1]["id"]).out == "dismissed 1\n"
    assert apart("conflicts", "list").out == "no conflicts\n"


# rules


def test_rules(run: Run) -> None:
    run("rules", "set", "v/*", "set?wins=remove", "--keep-cells", "3", "--keep-hours", "0.5", "--ttl", "min")
    run("rules", "set", "d", "json", "--require-base")
    rows = json.loads(run("rules", "list", "-o", "json").out)
    assert [(r["pattern"], r["strategy"], r["ttl"], r["keep_cells"]) for r in rows] == [
        ("d", "json", "max", 64), ("v/*", "set?wins=remove", "min", 3)
    ]  # fmt: skip
    run("put", "d", "1")
    assert run("put", "d", "2").code == 1, "it requires a base"
    run("put", "w", "[2, 1]")
    run("put", "x", "3")
    run("rules", "set", "*", "set")
    dry = run("rules", "migrate", "[wx]", "--dry-run", "-o", "json")
    assert [row["problem"] is None for row in json.loads(dry.out)] == [True, False] and dry.code == 1
    assert run("get", "w").out == "[2, 1]\n"
    assert run("rules", "migrate", "w").code == 0
    assert run("get", "w").out == "[1, 2]\n"
    assert run("rules", "remove", "*").code == 0 and run("rules", "of", "zz", "-o", "raw").out == "json\n"


# watch


def test_a_watch_tells_what_changed_and_where_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks the file is free: here the other commands come in its pauses."""
    run("put", "j/1", "old")
    todo = [["put", "j/1", "new"], ["put", "k", "1"], ["delete", "j/1"], ["put", "j/2", '{"a": 1}']]

    def pause(seconds: float) -> None:
        if todo:
            run(*todo.pop(0))
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(colos.time, "sleep", pause)
    done = run("watch", "j/", "-o", "ndjson")
    rows = [json.loads(line) for line in done.out.splitlines() if line]
    assert [(r["what"], r["key"], r.get("value")) for r in rows] == [
        ("put", "j/1", "new"), ("delete", "j/1", None), ("put", "j/2", {"a": 1})
    ]  # fmt: skip
    cursor = done.err.split("--since ")[1].strip()
    assert run("watch", "--since", cursor, "--timeout", "0").out == ""
    run("put", "j/3", "1")
    assert run("watch", "--since", cursor, "--timeout", "0", "-o", "raw").out == "put\tj/3\t1\n"
    assert run("watch", "--since", rows[0]["cursor"], "j/", "--timeout", "0").out.splitlines() == [
        "delete  j/1", 'put     j/2     {"a": 1}', "put     j/3     1"
    ]  # fmt: skip


def test_a_watch_opens_a_file_only_when_it_was_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("put", "a", "1")
    opened: list[object] = []
    real, pauses = crdtkv.open, iter(range(4))
    monkeypatch.setattr(crdtkv, "open", lambda path, **options: opened.append(path) or real(path, **options))

    def pause(seconds: float) -> None:
        if next(pauses, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(colos.time, "sleep", pause)
    assert run("watch").code == 0 and len(opened) == 1


def test_a_watch_waits_for_a_locked_store(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("put", "a", "1")
    kv = crdtkv.open("lhr.db")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            kv.close()
        if len(pauses) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(colos.time, "sleep", pause)
    assert run("watch").code == 0 and len(pauses) == 4


@pytest.mark.parametrize(("form", "line"), [("table", "put     b       1\n"), ("raw", "put\tb\t1\n")])
def test_ctrl_c_ends_a_watch(run: Run, form: str, line: str) -> None:
    """What it tells is in the pipe at once, not when it ends."""
    run("put", "a", "1")
    with crdtkv.open("lhr.db") as kv:
        cursor = kv.watch().cursor
    run("put", "b", "1")
    watch = start("watch", "--since", cursor, "--every", "0.05", "-o", form)
    assert watch.stdout is not None and watch.stdout.readline() == line
    watch.send_signal(signal.SIGINT)
    code, _, err = finish(watch)
    assert code == 0 and err.startswith("note: go on with --since ")


# care


def test_a_backup_is_a_store_that_can_be_read(run: Run, here: Path) -> None:
    run("put", "a", "1")
    run("sync", "sin.db")
    assert run("backup", "monday.db").out == "1 key in monday.db\n"
    run("put", "a", "2")
    assert run("get", "a", "-s", "monday.db").out == "1\n"
    refused = run("put", "a", "3", "-s", "monday.db")
    assert refused.code == 1 and "copy" in refused.err
    assert run("backup", "monday.db").code == 1
    assert run("get", "a", "-s", "monday.db").out == "1\n"


def test_check_compact_stats(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("put", "a", "1")
    run("incr", "c")
    assert run("check").out.startswith("sound: 2 keys, digest ")
    assert json.loads(run("check", "-o", "json").out) == []
    assert run("compact", "-o", "raw").out == "0\n"
    stats = json.loads(run("stats", "-o", "json").out)
    assert (stats["keys"], stats["strategies"]) == (2, {"json": 1, "counter": 1}) and stats["members"] == [
        stats["replica"]
    ]
    monkeypatch.setattr(crdtkv.Store, "check", lambda self: ["digest is a; the cells give b"])
    wrong = run("check")
    assert wrong.code == 1 and "digest is a" in wrong.out and "1 thing found wrong" in wrong.err
