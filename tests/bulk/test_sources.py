"""What is read from files: every item with its line, and what is wrong with one said of that one."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.bulk import sources, sqlite
from crdtkv.bulk.items import Item, item_of, read_word, word_of
from crdtkv.bulk.sources import FORMATS, Found
from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.errors import BadRequest

NOW = 1_800_000_000.0


def read(form: str, data: bytes) -> list[Found]:
    return list(FORMATS[form](io.BytesIO(data), NOW))


def pairs(found: list[Found]) -> list[tuple[int, Any]]:
    """(line, value), or (line, None) where it is no item."""
    return [(f.line, f.item.value if f.item else None) for f in found]


# one item


@pytest.mark.parametrize(
    ("plain", "item"),
    [
        ({"key": "a", "value": 1}, Item("a", 1)),
        ({"key": "a", "value": None, "other": 1}, Item("a", None, unknown=("other",))),
        ({"key": "a", "value": "AP8=", "base64": True}, Item("a", Blob(b"\x00\xff"))),
        ({"key": "a", "value": "AP8=", "base64": False}, Item("a", "AP8=")),
        ({"key": "a", "value": "", "base64": True, "content_type": "image/gif"}, Item("a", Blob(b"", "image/gif"))),
        ({"key": "a", "value": 1, "expiration": 7}, Item("a", 1, 7.0)),
        ({"key": "a", "value": 1, "expiration": 7, "expiration_ttl": 60}, Item("a", 1, NOW + 60)),
        ({"key": "a", "value": 1, "metadata": {"m": 1}, "strategy": "lww"}, Item("a", 1, None, "lww", {"m": 1})),
        (
            {"key": "a", "value": {"x/y": ["AA=="]}, "blobs": {"/x~1y/0": "image/gif"}},
            Item("a", {"x/y": [Blob(b"\x00", "image/gif")]}),
        ),
    ],
)
def test_what_an_item_says(plain: dict[str, Any], item: Item) -> None:
    assert item_of(plain, NOW) == item


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (3, "3 is no object"), ({}, "no 'key'"), ({"key": "a"}, "no 'value' in it; it has 'key'"),
        ({"key": 3, "value": 1}, "key is 3"), ({"key": "a", "value": "!", "base64": True}, "no base64"),
        ({"key": "a", "value": 3, "base64": True}, "no base64"), ({"key": "a", "value": 1, "base64": 3}, "base64 is 3"),
        ({"key": "a", "value": 1, "expiration": 0}, "expiration is 0"),
        ({"key": "a", "value": 1, "expiration": True}, "expiration is True"),
        ({"key": "a", "value": 1, "expiration_ttl": "60"}, "expiration_ttl is '60'"),
        ({"key": "a", "value": 1, "strategy": 1}, "strategy is 1"),
        ({"key": "a", "value": 1, "blobs": [1]}, "blobs is"),
        ({"key": "a", "value": {}, "blobs": {"/x": "t"}}, "blobs names '/x'"),
        ({"key": "a", "value": "", "base64": True, "content_type": "a\nb"}, "content type"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_item(plain: Any, words: str) -> None:
    with pytest.raises(BadRequest) as error:
        item_of(plain, NOW)
    assert words in str(error.value)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


@given(st.one_of(JSON, st.sampled_from(["3", "[", " 3", "null", '"', "{}", "-1e5", "", " ", "\t1\n"])))
def test_a_word_reads_as_what_it_was_made_of(value: Any) -> None:
    assert values.equal(read_word(word_of(value)), value)


# lines


def test_lines_are_numbered_as_an_editor_does() -> None:
    data = b'\xef\xbb\xbf{"key": "a", "value": 1}\r\n\n  \n{"key": "b", "value": 2}\n{\n{"key": "c", "value": 3}'
    found = read("ndjson", data)
    assert pairs(found) == [(1, 1), (4, 2), (5, None), (6, 3)]
    assert found[-1].read == len(data)


def test_a_line_that_is_too_long_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_LINE", 30)
    monkeypatch.setattr(sources, "_CHUNK", 7)
    long = b'{"key": "b", "value": "' + b"x" * 100 + b'"}\n'
    found = read("ndjson", b'{"key": "a", "value": 1}\n' + long + b'{"key": "c", "value": 3}\n')
    assert pairs(found) == [(1, 1), (2, None), (3, 3)]
    assert found[1].problem == f"it is {len(long)} bytes long; at most 30"


# an array


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 65536])
def test_the_elements_of_an_array(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut anywhere: strings with brackets, commas, quotes and backslashes in them."""
    monkeypatch.setattr(sources, "_CHUNK", chunk)
    items = [
        {"key": "a", "value": '],[{}"\\'},
        {"key": "b", "value": [[1], {"c": "\\\\"}]},
        {"key": "é", "value": "\n"},
    ]
    assert [f.item and f.item.value for f in read("json", json.dumps(items).encode())] == [i["value"] for i in items]
    indented = json.dumps(items, indent=2, ensure_ascii=False).encode()
    assert [f.line for f in read("json", b"\xef\xbb\xbf \n" + indented + b"\n\n")] == [3, 7, 18]
    assert read("json", b" [ ] ") == []


def test_a_bad_element_spoils_no_other() -> None:
    data = b'[{"key": "a", "value": 1},\n3,\n{"key": "b", "value": },\n,\n{"key": "c", "value": 3}\n]'
    assert pairs(read("json", data)) == [(1, 1), (2, None), (3, None), (4, None), (5, 3)]


def test_a_bad_element_is_told_by_its_number() -> None:
    """Where all stand on one line, that line says nothing."""
    wrong = [f.problem for f in read("json", b'[{"key": "a", "value": 1}, {"key": "b"}, 3]') if f.item is None]
    assert [words.partition(":")[0] for words in wrong] == ["element 2", "element 3"] and "no 'value'" in wrong[0]


@pytest.mark.parametrize(
    ("data", "whole", "words"),
    [
        (b'[{"key": "a", "value": 1}, {"key": ', [1], "ends in the middle"), (b'[{"key": "a', [], "in the middle"),
        (b'{"key": "a", "value": 1}', [], "begins with"), (b"", [], "begins with ''"),
        (b"hello", [], "begins with 'hello'"),
        (b'[{"key": "a", "value": 1}] []', [1], "behind the array stands '[]'"), (b"]", [], "begins with"),
    ],
)  # fmt: skip
def test_what_is_no_whole_array(data: bytes, whole: list[Any], words: str) -> None:
    """What was whole comes first."""
    taken: list[Found] = []
    with pytest.raises(BadRequest) as error:
        taken.extend(FORMATS["json"](io.BytesIO(data), NOW))
    assert words in str(error.value)
    assert [f.item and f.item.value for f in taken] == whole


def test_an_element_that_is_too_long_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_LINE", 30)
    data = b'[{"key": "a", "value": "' + b"x" * 100 + b'"}, {"key": "b", "value": 1}]'
    assert pairs(read("json", data)) == [(1, None), (1, 1)]


# CSV


def test_csv_is_read_as_words() -> None:
    data = (
        b"\xef\xbb\xbfvalue,key,expiration,base64,note\r\n"
        b'hello,a,,,x\r\n"{""a"": 1}",b,7,,\r\n"two\nlines",c,,false,\r\nAP8=,d,,true,\r\n007,e,,,\r\n"""7""",f,,,\r\n'
    )
    found = read("csv", data)
    assert [f.item and f.item.value for f in found] == ["hello", {"a": 1}, "two\nlines", Blob(b"\x00\xff"), "007", "7"]
    assert [f.line for f in found] == [2, 3, 4, 6, 7, 8]
    assert found[1].item is not None and found[1].item.expires == 7


def test_a_bad_row_spoils_no_other() -> None:
    data = b"key,value\na,1\nb\nc,{\n\xff,1\nd,1,2\ne,5\n"
    assert pairs(read("csv", data)) == [(2, 1), (3, None), (4, None), (5, None), (6, None), (7, 5)]


@pytest.mark.parametrize("head", [b"", b"a,b\n", b"key\n", b"key,value,key\n", b"\xff,value\n"])
def test_a_head_without_key_and_value_is_refused(head: bytes) -> None:
    with pytest.raises(BadRequest, match="the head of the CSV"):
        read("csv", head + b"1,2\n")


# SQLite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as db, db:
        db.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, photo BLOB)")
        db.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", [(2, "bob", 3.5, None), (1, "ann", 41, b"\xff")])
        db.execute("CREATE TABLE kv (key TEXT, value TEXT, expiration INTEGER)")
        db.executemany("INSERT INTO kv VALUES (?, ?, ?)", [("a", "[1]", None), ("b", "x", 9), (None, "y", None)])
        db.execute("CREATE TABLE pair (a TEXT, b TEXT, c TEXT, PRIMARY KEY (a, b))")
        db.execute("CREATE VIEW names AS SELECT name AS key, age AS value FROM users")
    return tmp_path / "app.sqlite"


def table(path: Path, name: str | None, key: str | None = None, value: str | None = None) -> list[Found]:
    return list(sqlite.rows(path, name, key, value, NOW))


def test_rows_of_any_table(path: Path) -> None:
    users = table(path, "users")
    assert [f.item for f in users] == [
        Item("1", {"name": "ann", "age": 41, "photo": Blob(b"\xff")}),
        Item("2", {"name": "bob", "age": 3.5, "photo": None})
    ]  # fmt: skip
    assert [f.item for f in table(path, "users", "name", "age")] == [Item("ann", 41), Item("bob", 3.5)]
    found = table(path, "kv")
    assert [f.item for f in found] == [Item("a", [1]), Item("b", "x", 9.0), None] and "key is None" in found[2].problem
    assert sorted(f.item.key for f in table(path, "names") if f.item) == ["ann", "bob"]
    assert sqlite.count(path, "users") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None,), "4 tables"), (("nope",), "no table 'nope'"), (("pair",), "2 in its primary key"),
        (("users", "nope"), "no column 'nope'"), (("users", None, "nope"), "no column 'nope'"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit(path: Path, arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(BadRequest) as error:
        table(path, *arguments)
    assert words in str(error.value)


def test_a_table_is_written_whole_or_not_at_all(path: Path) -> None:
    def broken() -> Any:
        yield {"key": "a", "value": 1}
        raise BadRequest("in the middle")

    with pytest.raises(BadRequest, match="already"):
        sqlite.write([], path, "users", replace=False)
    with pytest.raises(BadRequest, match="already"):
        sqlite.write([], path, "names", replace=True)
    with pytest.raises(BadRequest, match="in the middle"):
        sqlite.write(broken(), path, "users", replace=True)
    assert sqlite.count(path, "users") == 2
    sqlite.write([{"key": "a", "value": 1}], path, 'odd "name"', replace=False)
    assert [f.item for f in table(path, 'odd "name"')] == [Item("a", 1)]
