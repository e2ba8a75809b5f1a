"""Bad input for every command: a word about it on stderr, the right exit code, and nothing half written."""

import json
import sqlite3
from pathlib import Path

import pytest

import crdtkv
from crdtkv.bulk import items, sources
from crdtkv.cli import door, words
from tests.cli.conftest import Run
from tests.cli.test_page import COMMANDS

REFUSED, USAGE = 1, 2


def make(folder: Path) -> str:
    """A store that holds a list, a set, a counter and a document, and files beside it; its digest."""
    (folder / "text").write_text("hello\n")
    crdtkv.open(folder / "sin.db", colo="sin").close()
    with crdtkv.open(folder / "lhr.db", colo="lhr") as kv, kv.transaction() as t:
        t.list("list").append(1, 2)
        t.set("set").add("x")
        t.counter("counter").add(2**62)
        t.put("doc", {"a": 1})
    with crdtkv.open(folder / "lhr.db") as kv:
        return kv.digest()


@pytest.fixture
def made(run: Run, here: Path) -> Run:
    make(here)
    return run


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One store for all that must not change it, and its digest."""
    folder = tmp_path_factory.mktemp("unharmed")
    return folder, make(folder)


BAD = {
    "put": [
        (["a", "{"], REFUSED, "not JSON"), (["a", '"x'], REFUSED, "not JSON"), (["a", "1e999"], REFUSED, "not finite"),
        (["a", '{"a": 1, "a": 2}'], REFUSED, "occurs twice"), (["", "1"], REFUSED, "key '' is empty"),
        (["k" * 513, "1"], REFUSED, "513 bytes"), (["a\0", "1"], REFUSED, "NUL"),
        (["a", "1", "--strategy", "nope"], REFUSED, "no strategy 'nope'"),
        (["a", "1", "--base", "x"], REFUSED, "version"),
        (["a", "1", "--ttl", "0"], REFUSED, "ttl is 0"), (["a", "1", "--ttl", "x"], USAGE, "'x' is no number"),
        (["a"], USAGE, "give a VALUE"), (["a", "1", "--file", "nope"], USAGE, "nope"), ([], USAGE, "KEY"),
        (["a", "1", "--frob"], USAGE, "--frob"), (["a", "1", "--if-absent", "--if-version", "x"], USAGE, "not both"),
        (["set", "3"], REFUSED, "a set is put as a list"), (["a", "1", "2"], USAGE, "2"),
        (["a", "1", "--type", "a\nb"], REFUSED, "content type"),
        (["list", "[1]", "--strategy", "set"], REFUSED, "list"),
    ],
    "get": [
        (["nobody"], REFUSED, "no 'nobody'"), (["doc", "--as-of", "x"], REFUSED, "version 'x'"),
        (["doc", "--as-of", "~x"], USAGE, "~1"), (["doc", "set", "--as-of", "~0"], USAGE, "one KEY"),
        ([], USAGE, "KEY"),
    ],
    "delete": [(["doc", "--base", "x"], REFUSED, "version"), (["doc", "set", "--if-version", "x"], USAGE, "one KEY"),
               (["doc", "--if-version", "x"], REFUSED, "read it again")],
    "expire": [(["doc", "x"], USAGE, "SECONDS"), (["doc", "-1"], REFUSED, "ttl"), (["doc", "0"], REFUSED, "ttl"),
               (["doc"], USAGE, "SECONDS")],
    "patch": [
        (["doc", "3"], REFUSED, "list (RFC 6902) or an object"), (["doc", '[{"op": "frob"}]'], REFUSED, "operation 0"),
        (["doc", '[{"op": "remove", "path": "/z"}]'], REFUSED, "operation 0"), (["doc", "{"], REFUSED, "not JSON"),
        (["nobody", "[]"], REFUSED, "no 'nobody'"), (["doc"], USAGE, "VALUE"),
    ],
    "append": [(["doc", "1"], REFUSED, "the document is not a list"), (["set", "1"], REFUSED, "is a set"),
               (["list"], USAGE, "VALUE"),
               (["list", "{"], REFUSED, "not JSON"), (["doc", "1", "--path", "a"], REFUSED, "JSON pointer")],
    "add": [(["list", "1"], REFUSED, "append to a list"), (["set"], USAGE, "VALUE"),
            (["set", "{"], REFUSED, "not JSON")],
    "remove": [
        (["list", "1"], REFUSED, "--index"), (["list", "--index", "9"], REFUSED, "9"), (["set"], USAGE, "VALUE"),
        (["list", "--index", "x"], USAGE, "--index"), (["list", "1", "--index", "0"], USAGE, "index"),
    ],
    "incr": [(["doc"], REFUSED, "by --path"), (["counter", "x"], USAGE, "N"), (["counter", str(2**62)], REFUSED, "64"),
             (["counter", "1.5"], USAGE, "N"), (["counter", "1", "--once", ""], REFUSED, "1 to 256")],
    "revert": [(["doc", "x"], REFUSED, "version"), (["doc", "~9"], REFUSED, "before them"),
               (["doc"], USAGE, "VERSION")],
    "scan": [(["--regex", "("], REFUSED, "regex"), (["--cursor", "!"], REFUSED, "cursor"),
             (["-n", "0"], USAGE, "limit"),
             (["--glob", "["], REFUSED, "glob"), (["-o", "xml"], USAGE, "xml")],
    "history": [(["nobody"], REFUSED, "no 'nobody'")],
    "diff": [(["doc", "x"], REFUSED, "version"), (["nobody"], REFUSED, "no 'nobody'"),
             (["doc", "~9"], REFUSED, "1 version here")],
    "blame": [(["nobody"], REFUSED, "no 'nobody'")],
    "sync": [([], USAGE, "FILE"), (["lhr.db"], USAGE, "itself"), ([".", "x.db"], USAGE, "folder")],
    "watch": [(["--since", "x"], REFUSED, "cursor"), (["-o", "json"], USAGE, "ndjson"),
              (["--every", "0"], USAGE, "every")],
    "check": [(["--frob"], USAGE, "--frob")],
    "compact": [(["--frob"], USAGE, "--frob")],
    "backup": [([], USAGE, "FILE"), (["text"], REFUSED, "there is a file 'text' already"),
               (["no/where.db"], REFUSED, "no/where.db")],
    "restore": [([], USAGE, "COPY"), (["nope", "new.db"], USAGE, "nope"),
                (["text", "new.db"], REFUSED, "'text' is no copy"),
                (["sin.db", "lhr.db"], REFUSED, "there is a file 'lhr.db' already")],
    "stats": [(["--frob"], USAGE, "--frob")],
    "export": [(["no/where.csv"], REFUSED, "'no/where.csv': no such file"),
               (["."], USAGE, "is a folder"), (["a", "--sqlite", "b"], USAGE, "not both"),
               (["new.sqlite"], USAGE, "named as a database"), (["New.DB"], USAGE, "--sqlite"),
               (["--format", "xml"], USAGE, "xml"), (["--sqlite", "lhr.db"], USAGE, "itself"),
               (["--sqlite", "sin.db"], REFUSED, "is a store"), (["lhr.db"], USAGE, "itself"),
               (["--sqlite", "text"], REFUSED, "no SQLite database")],
    "import": [(["nope"], USAGE, "no file 'nope'"), (["."], USAGE, "is a folder"), ([], USAGE, "FILE"),
               (["text", "--table", "t"], USAGE, "SQLite"),
               (["text", "--from", "0"], USAGE, "--from"), (["lhr.db"], USAGE, "itself"),
               (["sin.db"], REFUSED, "is a store"), (["text", "--format", "json"], REFUSED, "begins with"),
               (["text", "--format", "csv"], REFUSED, "head")],
    "members list": [(["--frob"], USAGE, "--frob")],
    "members leave": [(["--frob"], USAGE, "--frob")],
    "members evict": [(["lhr"], REFUSED, "lhr"), ([], USAGE, "COLO")],
    "members resolve": [(["x"], REFUSED, "x"), ([], USAGE, "LINK")],
    "conflicts list": [(["--frob"], USAGE, "--frob")],
    "conflicts restore": [(["x"], REFUSED, "no conflict 'x'"), ([], USAGE, "ID")],
    "conflicts dismiss": [(["x"], REFUSED, "no conflict 'x'"), ([], USAGE, "--all"), (["x", "--all"], USAGE, "--all")],
    "rules list": [(["--frob"], USAGE, "--frob")],
    "rules of": [([""], REFUSED, "key"), ([], USAGE, "KEY")],
    "rules set": [
        (["[", "lww"], REFUSED, "glob"), (["a", "nope"], REFUSED, "no strategy"), (["a"], USAGE, "STRATEGY"),
        (["a", "json", "--path", "/t"], USAGE, "POINTER=STRATEGY"),
        (["a", "json", "--path", "/t={"], USAGE, "not JSON"),
        (["a", "json", "--path", "/t=nope"], REFUSED, "nope"), (["a", "lww", "--ttl", "x"], REFUSED, "ttl"),
        (["a", "lww", "--keep-cells", "-1"], REFUSED, "keep_cells"), (["a", "set?wins=x"], REFUSED, "wins"),
    ],
    "rules remove": [(["a"], REFUSED, "no rule for 'a'")],
    "rules migrate": [(["["], REFUSED, "glob"), ([], USAGE, "PATTERN")],
    "strategies list": [(["--load", "nope.py"], USAGE, "nope.py"), (["--load", "text"], REFUSED, "text")],
    "strategies show": [(["nope"], REFUSED, "no strategy 'nope'"), ([], USAGE, "NAME")],
    "strategies test": [(["nope"], REFUSED, "no strategy 'nope'"), (["set?a=b"], REFUSED, "options"),
                        (["counter", "--value", "x"], REFUSED, "--value"), (["lww", "-n", "0"], USAGE, "worlds")],
    "demo": [(["--writes", "x"], USAGE, "--writes")],
    "serve": [
        (["--data", "x"], REFUSED, "--colo"), (["--colo", "London", "--data", "x"], REFUSED, "'London'"),
        (["--colo", "lhr", "--data", "x", "--listen", "8801"], REFUSED, "an address and a port"),
        (["--colo", "lhr", "--data", "x", "--listen", "0.0.0.0:0"], REFUSED, "CRDTKV_ADMIN_TOKEN"),
        (["--colo", "lhr", "--data", "x", "--join", "sin"], REFUSED, "the URL of a colo"),
        (["--colo", "lhr", "--data", "x", "--redis", "6379"], REFUSED, "an address and a port"),
        (["--colo", "lhr", "--data", "x", "--redis", "0.0.0.0:0"], REFUSED, "CRDTKV_ADMIN_TOKEN"),
        (["--colo", "lhr", "--data", "text"], REFUSED, "setting data is 'text': a folder is wanted"),
        (["--config", "nope.toml"], REFUSED, "no settings file 'nope.toml'"),
    ],
    "simulate run": [
        ([], USAGE, "FILE"), (["nope.toml"], USAGE, "nope.toml"), (["text"], USAGE, "text: "),
        (["text", "--seed", "x"], USAGE, "no whole number"), (["text", "--jobs", "0"], USAGE, "at least 1"),
        (["text", "--seed", "1", "--seeds", "1..2"], USAGE, "not both"),
        (["text", "--seeds", "1..2", "--html", "r.html"], USAGE, "not both"),
        (["text", "--executor", "dask://h:1"], USAGE, "--seeds"), (["text", "--frob"], USAGE, "--frob"),
        (["text", "--strategy", "lww", "--compare", "set"], USAGE, "not both"),
    ],
    "simulate replay": [([], USAGE, "SEED"), (["1"], USAGE, "no scenario was run"), (["x", "text"], USAGE, "'x'"),
                        (["1", "text"], USAGE, "text: ")],
    "simulate shrink": [(["text"], USAGE, "--seed"), (["text", "--seed", "1"], USAGE, "text: "), ([], USAGE, "FILE")],
    "simulate explain": [([], USAGE, "KEY"), (["a"], USAGE, "no scenario was run"), (["a", "text"], USAGE, "text: ")],
    "maelstrom": [(["-w", "nope"], USAGE, "'nope'")],
    "cluster": [(["--colos", "0"], USAGE, "at least 1"), (["--colos", "99"], USAGE, "at most"),
                (["--port", "x"], USAGE, "no whole number"), (["--data", "lhr.db"], USAGE, "lhr.db")],
    "status": [(["--at", "x"], REFUSED, "no address of a colo"), (["--at", "http://127.0.0.1:9"], REFUSED, "reached")],
    "tokens list": [(["--at", "x"], REFUSED, "no address of a colo")],
    "tokens create": [(["web", "--at", "x"], REFUSED, "no address of a colo"), ([], USAGE, "LABEL"),
                      (["web", "--may", "fly"], USAGE, "'fly'")],
    "tokens revoke": [(["x", "--at", "x"], REFUSED, "no address of a colo"), ([], USAGE, "ID")],
    "namespaces list": [(["--at", "x"], REFUSED, "no address of a colo")],
    "namespaces create": [(["shop", "--at", "x"], REFUSED, "no address of a colo"), ([], USAGE, "NAME")],
    "namespaces rename": [(["shop", "--at", "x"], USAGE, "NEW"), (["shop", "s", "--at", "x"], REFUSED, "no address")],
    "namespaces host": [(["shop", "--at", "x"], USAGE, "COLO"), (["shop", "s", "--at", "x"], REFUSED, "no address")],
    "namespaces unhost": [(["shop", "--at", "x"], USAGE, "COLO"), (["shop", "s", "--at", "x"], REFUSED, "no address")],
    "evict": [(["gru", "--at", "x"], REFUSED, "no address of a colo"), ([], USAGE, "COLO")],
    "resolve": [(["x.1", "--at", "x"], REFUSED, "no address of a colo"), ([], USAGE, "LINK")],
    "leave": [(["--at", "x"], REFUSED, "no address of a colo"), (["--timeout", "-1", "--at", "x"], USAGE, "timeout")],
    "namespaces delete": [(["shop", "--at", "x"], REFUSED, "no address of a colo"), ([], USAGE, "NAME")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--cache-mb", "0"], "'0' is too small; at least 1"), (["--cache-mb", "x"], "'x' is no whole number"),
        (["--durability", "x"], ": 'x' is not one of 'full', 'normal'"), (["-o", "yaml"], ": 'yaml' is not one of"),
        (["frob"], "frob"), (["--frob"], "--frob"),
    ],
)  # fmt: skip
def test_what_is_wrong_before_the_command(run: Run, given: list[str], says: str) -> None:
    done = run(*given, "get", "a")
    assert done.code == USAGE and says in done.err and not done.out


def test_every_command_is_tried() -> None:
    assert BAD.keys() == {" ".join(words) for words in COMMANDS}


@pytest.mark.parametrize(
    ("command", "given", "code", "says"),
    [(command, *case) for command, cases in BAD.items() for case in cases],
)
def test_what_is_wrong_is_said(
    run: Run, unharmed: tuple[Path, str], monkeypatch: pytest.MonkeyPatch,
    command: str, given: list[str], code: int, says: str,
) -> None:  # fmt: skip
    """On stderr, nothing on stdout; the store is as it was, and no file was made."""
    folder, digest = unharmed
    monkeypatch.chdir(folder)
    files = sorted(folder.iterdir())
    done = run(*command.split(), *given)
    assert done.code == code, done.err + done.out
    assert says in done.err
    assert not done.out
    assert done.err.startswith("error: " if code == REFUSED else "Usage: crdtkv ")
    assert sorted(folder.iterdir()) == files
    if code == REFUSED:  # else it was not even opened, or read only
        with crdtkv.open("lhr.db") as kv:
            assert kv.digest() == digest


STORE_COMMANDS = [" ".join(w) for w, c in COMMANDS.items() if any(p.name == "store" for p in c.params)]
ARGUMENTS = {
    "put": ["a", "1"], "get": ["a"], "delete": ["a"], "expire": ["a", "60"],
    "patch": ["a", "{}"], "append": ["a", "1"], "add": ["a", "1"],
    "remove": ["a", "1"], "incr": ["a"], "revert": ["a", "~1"], "history": ["a"], "diff": ["a"], "blame": ["a"],
    "sync": ["sin.db"], "import": ["keys"], "conflicts restore": ["x"], "conflicts dismiss": ["x"], "rules of": ["a"],
    "members evict": ["sin"], "backup": ["monday.db"], "members resolve": ["x"], "rules set": ["a", "lww"],
    "rules remove": ["a"], "rules migrate": ["*"],
}  # fmt: skip
MAKES = {"put", "patch", "append", "add", "incr", "sync", "import", "rules set"}


@pytest.mark.parametrize("command", STORE_COMMANDS)
def test_a_store_that_is_not_there(run: Run, here: Path, command: str) -> None:
    """Only what writes anew makes one; all others leave nothing behind."""
    (here / "keys").write_text('{"key": "a", "value": 1}\n')
    done = run(*command.split(), *ARGUMENTS.get(command, []))
    assert done.code == (0 if command in MAKES else USAGE), done.err
    assert (here / "lhr.db").exists() == (command in MAKES)
    if command not in MAKES:
        assert "no file 'lhr.db'" in done.err


@pytest.mark.parametrize("command", STORE_COMMANDS)
def test_no_store_is_named(run: Run, here: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRDTKV_STORE")
    (here / "keys").write_text("")
    done = run(*command.split(), *ARGUMENTS.get(command, []))
    assert done.code == USAGE and "CRDTKV_STORE" in done.err


@pytest.mark.parametrize("command", [c for c in STORE_COMMANDS if c != "watch"])
def test_a_locked_store(made: Run, here: Path, command: str) -> None:
    (here / "keys").write_text('{"key": "a", "value": 1}\n')
    with crdtkv.open("lhr.db"):
        done = made(*command.split(), *ARGUMENTS.get(command, []))
    assert (done.code, done.out) == (REFUSED, "") and "is open already" in done.err and "next:" in done.err


def test_a_lock_is_waited_for(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kv = crdtkv.open("lhr.db")
    monkeypatch.setattr(door, "WAIT", 60.0)
    monkeypatch.setattr(door.time, "sleep", lambda seconds: kv.close())
    assert made("get", "doc").out == '{"a": 1}\n'


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_store(run: Run, here: Path, content: bytes) -> None:
    (here / "lhr.db").write_bytes(content)
    done = run("get", "a")
    assert done.code == REFUSED and (here / "lhr.db").read_bytes() == content


def test_a_database_of_something_else(run: Run, here: Path) -> None:
    sqlite3.connect(here / "lhr.db").execute("CREATE TABLE t (a)").connection.close()
    done = run("put", "a", "1")
    assert done.code == REFUSED and "something else" in done.err


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["put", "a", "{"], REFUSED), (["put", "a"], USAGE), (["put", "a", "-", "--type", "a\nb"], REFUSED),
        (["append", "a"], USAGE), (["append", "a", "1", "{"], REFUSED), (["add", "a", "-"], REFUSED),
        (["patch", "a", "{"], REFUSED), (["import", "nope"], USAGE), (["put", "a", "1", "--colo", "A b"], REFUSED),
    ],
)  # fmt: skip
def test_no_store_is_made_for_what_is_wrong_with_a_value(run: Run, here: Path, given: list[str], code: int) -> None:
    assert run(*given, stdin=b"\xff").code == code
    assert list(here.iterdir()) == []


def test_bytes_that_are_no_text(made: Run, here: Path) -> None:
    (here / "v").write_bytes(b"ab\xff")
    done = made("put", "a", "--file", "v")
    assert done.code == REFUSED and "not UTF-8 at byte 2" in done.err and "--type" in done.err


def test_more_than_a_value_can_be(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MAX_LINE", 10)
    done = made("put", "a", "-", stdin=b"x" * 11)
    assert done.code == REFUSED and "more than 10 bytes" in done.err


def test_several_that_are_not_all_right_are_none(made: Run) -> None:
    """Of several values, or keys to delete, one that is refused leaves all as it was."""
    for given in (["append", "list", "3", "{"], ["add", "set", "y", "x" * 4000], ["delete", "doc", ""]):
        assert made(*given).code == REFUSED
    assert json.loads(made("get", "list").out) == [1, 2] and json.loads(made("get", "set").out) == ["x"]
    assert made("get", "doc").code == 0


def test_an_import_names_each_bad_line_and_takes_the_rest(
    made: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_LINE", 200)
    lines = [
        b'\xef\xbb\xbf{"key": "ok/1", "value": 1}', b"", b"{", b"[1]", b'{"key": "a"}', b'{"value": 1}',
        b'{"key": 3, "value": 1}', b'{"key": "", "value": 1}', b'{"key": "a", "value": NaN}',
        b'{"key": "a", "value": 1, "value": 2}', b'{"key": "\xff", "value": 1}',
        b'{"key": "a", "value": "' + b"x" * 300 + b'"}',
        b'{"key": "a", "value": "!", "base64": true}', b'{"key": "a", "value": 1, "expiration": "soon"}',
        b'{"key": "set", "value": 3}', b'{"key": "a", "value": 1, "strategy": "nope"}',
        b'{"key": "\\ud800", "value": 1}',
        b'{"key": "ok/2", "value": {"a": 2}}\r',
    ]  # fmt: skip
    (here / "keys").write_bytes(b"\n".join(lines))
    done = made("import", "keys", "-o", "raw")
    assert (done.code, done.out) == (REFUSED, "2\t0\t0\t0\t15\n")
    told = {int(line.split()[2].rstrip(":")) for line in done.err.splitlines() if line.startswith("error: line ")}
    assert told == {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
    assert made("scan", "ok/", "-o", "raw").out == 'ok/1\t1\nok/2\t{"a": 2}\n'
    assert items.MAX_LINE > 25 << 20, "a value of 25 MiB fits a line"


def test_numbers_and_names_are_asked_for_in_plain_words(made: Run) -> None:
    for given, says in (
        (["incr", "counter", "1.5"], "'1.5' is no whole number"), (["scan", "-n", "x"], "'x' is no whole number"),
        (["scan", "-n", "0"], "'0' is too small; at least 1 is allowed"),
        (["demo", "--writes", "1000000"], "'1000000' is too large; at most 100000 is allowed"),
        (["scan", "-o", "foo"], "'foo' is not one of 'table', 'json', 'ndjson', 'raw'"),
    ):  # fmt: skip
        done = made(*given)
        assert done.code == USAGE and done.err.strip().endswith(says)


def test_no_value_at_all_is_said_and_writes_nothing(run: Run, here: Path) -> None:
    (here / "none").write_bytes(b"\n\n")
    for given, whose in ((["append", "l", "-"], "stdin"), (["add", "s", "--file", "none"], "'none'")):
        done = run(*given)
        assert (done.code, done.out, done.err) == (0, "", f"note: {whose} holds no value; nothing was written\n")
    assert not (here / "lhr.db").exists()


@pytest.mark.parametrize("option", ["--namespace", "--durability", "--cache-mb"])
def test_an_option_that_stands_before_the_command_says_so(run: Run, here: Path, option: str) -> None:
    for given in ([option, "64"], [f"{option}=64"]):
        done = run("put", "a", "1", *given)
        assert done.code == USAGE and f"it stands before the command: crdtkv {option} ... put" in done.err
    assert not (here / "lhr.db").exists()


def test_what_is_of_files_says_so_where_a_colo_is_named(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By CRDTKV_AT, as by --at; beside a file that is named it does not count."""
    monkeypatch.setenv("CRDTKV_AT", "http://127.0.0.1:1")
    assert run("put", "a", "1", "-s", "lhr.db").code == 0
    assert run("sync", "sin.db").code == 0
    monkeypatch.delenv("CRDTKV_STORE")
    done = run("sync", "sin.db")
    assert done.code == USAGE and "exchange by themselves" in done.err and "CRDTKV_AT" in done.err
