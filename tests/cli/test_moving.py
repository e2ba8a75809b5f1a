"""export and import as commands: files whole or not at all, what is told, and where to go on."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import crdtkv
from crdtkv.bulk import loading
from crdtkv.errors import StorageFailed
from tests.cli.conftest import Run


@pytest.fixture
def made(run: Run) -> Run:
    with crdtkv.open("lhr.db", colo="lhr") as kv, kv.transaction() as t:
        for i in range(600):
            t.put(f"k/{i:04}", {"n": i})
        t.put("blob", crdtkv.Blob(b"\xff", "image/gif"))
    return run


@pytest.mark.parametrize("name", ["keys.ndjson", "keys.json", "keys.csv", "keys", "keys.CSV"])
def test_there_and_back(made: Run, here: Path, name: str) -> None:
    """By the name of the file; a file of another name is seen through."""
    assert made("export", name).code == 0
    assert made("import", name, "-s", "sin.db", "-o", "raw").out == "601\t0\t0\t0\t0\n"
    assert made("import", name, "-s", "sin.db", "-o", "raw").out == "0\t601\t0\t0\t0\n"
    assert made("export", "-s", "sin.db").out == made("export").out
    assert not list(here.glob("*.part")) and not list(here.glob(".*"))


def test_by_stdout_and_stdin(made: Run) -> None:
    for form in ("ndjson", "json", "csv"):
        out = made("export", "--format", form).out
        assert made("import", "-", "--format", form, "-s", f"{form}.db", "-o", "raw", stdin=out).out.startswith("601")


def test_what_workers_kv_takes(made: Run) -> None:
    """Text, base64 and dates; nothing of ours."""
    made("put", "t", "text", "--ttl", "1000")
    made("add", "s", "x")
    rows = [json.loads(made("export", "--workers", "--prefix", key).out) for key in ("blob", "k/0599", "s", "t")]
    assert [row["value"] for row in rows] == ["/w==", '{"n":599}', '["x"]', "text"]
    assert rows[0]["base64"] is True and rows[3]["expiration"] > 0
    assert all(set(row) <= {"key", "value", "base64", "expiration"} for row in rows)


def test_an_array_without_a_name_is_seen_to_be_one(made: Run, here: Path) -> None:
    (here / "keys.txt").write_text(' \n[{"key": "a", "value": 1}]')
    assert made("import", "keys.txt", "-o", "raw").out == "1\t0\t0\t0\t0\n"


def test_a_part_of_the_keys(made: Run) -> None:
    rows = [json.loads(line) for line in made("export", "--prefix", "k/", "--start", "k/0598").out.splitlines()]
    assert rows == [{"key": "k/0598", "value": {"n": 598}}, {"key": "k/0599", "value": {"n": 599}}]
    assert made("export", "--prefix", "none/").out == ""
    assert json.loads(made("export", "--prefix", "none/", "--format", "json").out) == []


def test_an_export_that_fails_leaves_the_old_file(made: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "keys.ndjson").write_text("old")
    before = sorted(here.iterdir())
    monkeypatch.setattr("crdtkv.bulk.items.plain_of", _fails)
    done = made("export", "keys.ndjson")
    assert done.code == 1 and "no space left" in done.err
    assert (here / "keys.ndjson").read_text() == "old" and sorted(here.iterdir()) == before


def test_an_export_touches_no_other_file(made: Run, here: Path) -> None:
    """Whatever it writes to first is a name that was free; through a link it goes to what the link points to."""
    (here / "keys.ndjson.part").write_text("mine")
    (here / "link.ndjson").symlink_to("keys.ndjson")
    assert made("export", "link.ndjson").code == 0
    assert (here / "keys.ndjson.part").read_text() == "mine" and (here / "link.ndjson").is_symlink()
    assert (here / "keys.ndjson").read_text() == made("export").out


def test_an_export_into_a_pipe_writes_to_it(made: Run, here: Path) -> None:
    os.mkfifo(here / "pipe")
    reading = os.open(here / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert made("export", "pipe", "--prefix", "k/0598").code == 0
        assert os.read(reading, 1000).startswith(b'{"key":"k/0598"')
        assert (here / "pipe").is_fifo()
    finally:
        os.close(reading)


def test_no_export_takes_the_place_of_a_file_of_the_store(made: Run, here: Path) -> None:
    """Nor the name of one that may come to be there."""
    for name in ("lhr.db", "lhr.db-commits0", "lhr.db-commits1", "lhr.db-wal", "lhr.db-witness"):
        done = made("export", name)
        assert done.code == 2 and "name another file" in done.err
    assert len(made("export").out.splitlines()) == 601


def _fails(*given: object) -> None:
    raise OSError(28, "No space left on device", "keys.ndjson")


def test_sqlite(made: Run, here: Path) -> None:
    assert made("export", "--sqlite", "t.sqlite").code == 0
    again = made("export", "--sqlite", "t.sqlite")
    assert again.code == 1 and "--replace" in again.err
    assert made("export", "--sqlite", "t.sqlite", "--replace", "--prefix", "k/").code == 0
    assert made("export", "--sqlite", "t.sqlite", "--table", "other").code == 0
    with closing(sqlite3.connect("t.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM kv").fetchone() == (600,)
        assert db.execute("SELECT value, content_type FROM other WHERE key = 'blob'").fetchone() == (
            b"\xff",
            "image/gif",
        )
    done = made("import", "t.sqlite", "-s", "sin.db")
    assert done.code == 1 and "--table" in done.err
    assert made("import", "t.sqlite", "--table", "other", "-s", "sin.db", "-o", "raw").out == "601\t0\t0\t0\t0\n"


def test_keys_may_be_put_under_a_prefix_and_others_left_alone(made: Run, here: Path) -> None:
    (here / "keys.csv").write_text("key,value\n1,a\n2,b\n")
    made("put", "user/1", "mine")
    assert made("import", "keys.csv", "--prefix", "user/", "--if-absent", "-o", "raw").out == "1\t0\t1\t0\t0\n"
    assert made("get", "user/1", "user/2").out == "mine\nb\n"


def test_any_columns_of_a_csv_may_hold_keys_and_values(made: Run, here: Path) -> None:
    (here / "people.csv").write_text("email,name,age\na@x,ann,31\nb@x,007,40\n")
    done = made("import", "people.csv")
    assert done.code == 1 and "key and value among them" in done.err and "--key" in done.err
    assert made("import", "people.csv", "--key", "email", "--value", "name", "--prefix", "n/").code == 0
    assert made("scan", "n/", "-o", "raw").out == "n/a@x\tann\nn/b@x\t007\n"
    assert made("import", "-", "--format", "csv", "--key", "email", stdin=(here / "people.csv").read_bytes()).code == 0
    assert made("get", "a@x").out == '{"age": 31, "name": "ann"}\n'
    assert "email and nom among them" in made("import", "people.csv", "--key", "email", "--value", "nom").err
    (here / "k.ndjson").write_text("{}")
    assert "this is ndjson" in made("import", "k.ndjson", "--key", "email").err


def test_an_interrupted_import_says_where_to_go_on(made: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Ctrl-C, by the disk, by a file that is cut short: what was told is here, and nothing is missing after."""
    made("export", "keys.ndjson", "--prefix", "k/")
    real, calls = loading._Loading.batch, 0
    for error in (KeyboardInterrupt(), StorageFailed("the disk is full")):
        calls = 0

        def batch(self: loading._Loading, found: list[object], error: BaseException = error) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise error
            real(self, found)  # type: ignore[arg-type]

        monkeypatch.setattr(loading._Loading, "batch", batch)
        store = f"{calls}{type(error).__name__.lower()}.db"
        done = made("import", "keys.ndjson", "-s", store, "--colo", "sin")
        assert done.code == 1 and "go on with --from 257" in done.err
        monkeypatch.setattr(loading._Loading, "batch", real)
        assert made("import", "keys.ndjson", "--from", "257", "-s", store, "-o", "raw").out == "344\t0\t0\t0\t0\n"
        with crdtkv.open(store) as kv:
            assert len(kv) == 600


def test_an_array_that_is_cut_short(made: Run, here: Path) -> None:
    (here / "keys.json").write_text('[{"key": "a", "value": 1},\n{"key": "b", "val')
    done = made("import", "keys.json", "-s", "sin.db")
    assert done.code == 1 and "ends in the middle, at line 2" in done.err
    assert made("get", "a", "-s", "sin.db").out == "1\n"


def test_what_a_key_has_no_place_for_is_told(made: Run) -> None:
    done = made("import", "-", stdin='{"key": "a", "value": "v", "metadata": {"m": 1}}\n')
    assert done.code == 0 and "left out" not in done.err
    assert json.loads(made("export", "--prefix", "a").out.splitlines()[0])["metadata"] == {"m": 1}
    done = made("import", "-", stdin='{"key": "b", "value": "v", "ttl": 60}\n')
    assert done.code == 0 and "left out, for they mean nothing here: 'ttl'; known are key, value" in done.err


def test_many_bad_lines_are_counted(made: Run) -> None:
    done = made("import", "-", "-o", "raw", stdin="{\n" * 50)
    assert (done.code, done.out) == (1, "0\t0\t0\t0\t50\n")
    assert len(done.err.splitlines()) == 22 and "50 lines not imported" in done.err
