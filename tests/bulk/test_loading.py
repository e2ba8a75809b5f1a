"""Out of a store and into another: what comes in is what went out, however often, and wherever it was cut."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.bulk import loading, sqlite
from crdtkv.bulk.items import page_of, plain_of
from crdtkv.bulk.loading import Loaded, load
from crdtkv.bulk.sources import FORMATS, Found
from crdtkv.bulk.targets import WRITERS
from crdtkv.core.blob import Blob
from crdtkv.errors import BadRequest, NotAMember, StorageFailed
from crdtkv.store.metadata import metadata_of, put_metadata


@pytest.fixture
def full() -> crdtkv.Store:
    """A store with one of everything."""
    kv = crdtkv.open(colo="lhr")
    for n, value in enumerate(
        ["text", "3", '"q"', "[", 'a,b\r\n"c"', "é\u2028", "", None, True, 1.0, -0.0, 2**70, [], {}]
    ):
        kv.put(f"json/{n}", value)
    kv.put("doc", {"a": [1, {"b": "x"}], "": "~/", "pic": Blob(b"\xff", "image/gif"), "l": [Blob(b"")]})
    kv.put("blob", Blob(b"\x00\xff", "image/png"))
    kv.put("bytes", b"plain")
    kv.set("set").add("x", 1)
    kv.list("list").append(1, 1)
    kv.counter("counter").add(-7)
    kv.log("log").append({"a": 1}, "x")
    kv.flag("flag").enable()
    kv.put("latch", "paid", strategy="latch?order=open,paid,sent")
    kv.put("lww", [1, 2], strategy="lww")
    kv.put("words", "two words", strategy="words")
    kv.put("soon", 1, ttl=1000)
    kv.put('key with, "odd" \n letters\x1b', 1)
    return kv


def seen(kv: crdtkv.Store) -> dict[str, tuple[Any, str, int]]:
    """Key -> type and value, strategy, seconds until it expires (to some seconds)."""
    return {e.key: (repr(e.value), e.strategy, (e.expires or 0) // 60_000) for e in kv.scan()}


def told(line: int, words: str) -> None:
    raise AssertionError(f"line {line}: {words}")


def take(kv: crdtkv.Store, found: Any, **options: Any) -> Loaded:
    options = {"problem": told, "advance": lambda so_far, read: None} | options
    return load(kv, found, time.time, **options)


@pytest.mark.parametrize("form", [*FORMATS, "sqlite"])
def test_what_went_out_comes_in_as_it_was(full: crdtkv.Store, form: str, tmp_path: Path) -> None:
    """And again: nothing is written then."""
    items = [plain_of(entry) for entry in full.scan()]
    if form == "sqlite":
        sqlite.write(items, tmp_path / "t.sqlite", "kv", replace=False)
    else:
        out = io.StringIO(newline="")
        WRITERS[form](items, out)
        (tmp_path / "t").write_bytes(out.getvalue().encode())

    def found() -> Any:
        if form == "sqlite":
            return sqlite.rows(tmp_path / "t.sqlite", None, None, None, time.time())
        return FORMATS[form](io.BytesIO((tmp_path / "t").read_bytes()), time.time())

    with crdtkv.open(colo="sin") as kv:
        assert take(kv, found()).written == len(items)
        assert seen(kv) == seen(full)
        vector = kv.vector
        done = take(kv, found())
        assert (done.written, done.same) == (0, len(items)) and kv.vector == vector


def lines(n: int, bad: frozenset[int] = frozenset()) -> Iterator[Found]:
    """n puts, a line each; the bad ones are of a set that a number does not fit."""
    puts = ({"key": "set" if i in bad else f"k{i:04}", "value": i} for i in range(1, n + 1))
    text = "".join(json.dumps(put) + "\n" for put in puts)
    return iter(FORMATS["ndjson"](io.BytesIO(text.encode()), 0.0))


def test_lines_that_are_refused_are_told_and_no_other(full: crdtkv.Store) -> None:
    bad = frozenset({1, 2, 256, 257, 511, 700})
    wrong: list[int] = []
    done = take(full, lines(700, bad), problem=lambda line, words: wrong.append(line))
    assert (set(wrong), len(wrong), done.bad, done.written) == (bad, 6, 6, 694)
    assert all((f"k{i:04}" in full) == (i not in bad) for i in range(1, 701))


def test_it_goes_on_where_it_ended(full: crdtkv.Store) -> None:
    """After an error of the disk, from the line that the last `advance` told: nothing is missing."""
    reached: list[int] = []

    def stop(so_far: Loaded, read: int) -> None:
        reached.append(so_far.then)
        if len(reached) == 2:
            raise StorageFailed("the disk is full")

    with crdtkv.open(colo="sin") as kv:
        with pytest.raises(StorageFailed):
            take(kv, lines(1000), advance=stop)
        assert len(kv) == reached[-1] - 1 == 2 * loading.BATCH
        done = take(kv, lines(1000), start=reached[-1])
        assert (done.written, done.same, len(kv)) == (1001 - reached[-1], 0, 1000)


def test_an_array_on_one_line_goes_on_with_that_line() -> None:
    """As JSON.stringify writes one: its end is not behind a line that comes next."""
    text = json.dumps([{"key": f"k{i:04}", "value": i} for i in range(1000)])
    reached: list[int] = []

    def stop(so_far: Loaded, read: int) -> None:
        reached.append(so_far.then)
        raise StorageFailed("the disk is full")

    with crdtkv.open(colo="sin") as kv:
        with pytest.raises(StorageFailed):
            take(kv, FORMATS["json"](io.BytesIO(text.encode()), 0.0), advance=stop)
        done = take(kv, FORMATS["json"](io.BytesIO(text.encode()), 0.0), start=reached[-1])
        assert (done.same, len(kv), done.then) == (loading.BATCH, 1000, 2)
        cut = io.BytesIO(text[:-1].encode())
        with pytest.raises(BadRequest):
            take(kv, FORMATS["json"](cut, 0.0), advance=lambda so_far, read: reached.append(so_far.then))
        assert reached[-1] == 1


def test_a_store_that_takes_no_write_is_no_line_s_fault() -> None:
    kv, other = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
    kv.sync(other)
    kv.leave()
    with pytest.raises(NotAMember):
        take(kv, lines(3))


def test_what_is_there_already_may_be_left_alone() -> None:
    with crdtkv.open(colo="lhr") as kv:
        kv["k0001"] = "mine"
        done = take(kv, lines(3), absent_only=True)
        assert (done.written, done.kept, kv["k0001"]) == (2, 1, "mine")


def test_what_has_expired_is_not_put() -> None:
    text = b'{"key": "a", "value": 1, "expiration": 5}\n{"key": "b", "value": 1, "expiration_ttl": 60}\n'
    with crdtkv.open(colo="lhr") as kv:
        done = take(kv, FORMATS["ndjson"](io.BytesIO(text), time.time()))
        assert (done.expired, done.written, list(kv)) == (1, 1, ["b"])


def test_metadata_is_put_beside_the_key() -> None:
    text = b'{"key": "a", "value": 1, "metadata": {"x": 1}}\n{"key": "b", "value": 1, "metadata": null}\n'
    with crdtkv.open(colo="lhr") as kv:
        for written, same in ((2, 0), (0, 2)):
            done = take(kv, FORMATS["ndjson"](io.BytesIO(text), 0.0))
            assert (done.written, done.same, done.metadata) == (written, same, 0)
        assert metadata_of(kv._replica, "a") == {"x": 1} and metadata_of(kv._replica, "b") is None
        again = text.replace(b'"x": 1', b'"x": 2')
        assert take(kv, FORMATS["ndjson"](io.BytesIO(again), 0.0)).written == 1
        assert metadata_of(kv._replica, "a") == {"x": 2}


@pytest.mark.parametrize("metadata", [{"x": [1]}, "text", "3", 3, True, '"quoted"', [None]])
@pytest.mark.parametrize("form", ["ndjson", "json", "csv"])
def test_metadata_goes_out_and_comes_in_as_it_was(form: str, metadata: object) -> None:
    with crdtkv.open(colo="lhr") as kv, crdtkv.open(colo="sin") as other:
        with kv.transaction() as t:
            t.put("a", [1])
            put_metadata(t, "a", metadata)
        page, _ = page_of(kv)
        text = io.StringIO(newline="")
        WRITERS[form](page, text)
        take(other, FORMATS[form](io.BytesIO(text.getvalue().encode()), 0.0))
        assert metadata_of(other._replica, "a") == metadata and page_of(other)[0] == page


def test_one_key_twice_in_a_file_ends_as_its_last_line() -> None:
    text = b'{"key": "a", "value": [1]}\n{"key": "a", "value": [2]}\n'
    with crdtkv.open(colo="lhr") as kv:
        assert take(kv, FORMATS["ndjson"](io.BytesIO(text), 0.0)).written == 2
        assert kv["a"] == [2]


def test_many_bytes_are_more_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH_BYTES", 100)
    steps: list[int] = []
    with crdtkv.open(colo="lhr") as kv:
        take(kv, lines(20), advance=lambda so_far, read: steps.append(so_far.then))
    assert len(steps) > 4 and steps[-1] == 21
