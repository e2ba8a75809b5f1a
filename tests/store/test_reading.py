"""get, get_many, scan, keys, and the store as a mapping."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import CursorInvalid, KeyInvalid, PatternInvalid, ValueInvalid

KEYS = ["a", "a/1", "a/10", "a/2", "b", "b*", "cart:7", "cart:70", "é", "\U0001f600"]


@pytest.fixture
def filled(kv: crdtkv.Store) -> crdtkv.Store:
    for key in reversed(KEYS):
        kv.put(key, key)
    kv.put("gone", 1)
    kv.delete("gone")
    kv.rules.set("x", "set")
    return kv


def keys(page: Any) -> list[str]:
    return [e.key for e in page]


def test_get(kv: crdtkv.Store) -> None:
    assert kv.get("k") is None
    version = kv.put("k", 1).version
    entry = kv.get("k")
    assert entry is not None
    assert (entry.key, entry.value, entry.version, entry.strategy) == ("k", 1, version, "json")
    assert entry.siblings == () and entry.conflicts == () and entry.expires is None
    assert entry.stamp > 1_767_261_600_000


def test_get_at(kv: crdtkv.Store) -> None:
    """Every version of the last 64 is rebuilt exactly, a deleted one as None."""
    values: list[Any] = [[1], [1, 2], [2], {"a": [1]}, {"a": [1], "b": 2}, {"b": 2}, 7]
    seen = [(kv.put("doc", value, strategy="json").version, value) for value in values]
    gone = kv.delete("doc").version
    kv.put("doc", "back", strategy="lww")
    for version, value in seen:
        entry = kv.get("doc", at=version)
        assert entry is not None and entry.value == value and entry.version == version
    assert kv.get("doc", at=gone) is None


def test_get_many(filled: crdtkv.Store) -> None:
    found = filled.get_many(["b", "none", "a"])
    assert list(found) == ["b", "none", "a"]
    assert found["none"] is None and found["b"].value == "b"  # type: ignore[union-attr]


def test_keys_are_in_code_point_order(filled: crdtkv.Store) -> None:
    assert keys(filled.scan()) == list(filled.keys()) == list(filled) == sorted(KEYS)
    assert keys(filled.scan(reverse=True)) == list(filled.keys(reverse=True)) == sorted(KEYS, reverse=True)


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ({"prefix": "a"}, ["a", "a/1", "a/10", "a/2"]),
        ({"prefix": "a/"}, ["a/1", "a/10", "a/2"]),
        ({"prefix": "zz"}, []),
        ({"prefix": "\U0001f600"}, ["\U0001f600"]),
        ({"glob": "a/?"}, ["a/1", "a/2"]),
        ({"glob": "cart:*"}, ["cart:7", "cart:70"]),
        ({"glob": "b\\*"}, ["b*"]),
        ({"glob": "[ab]"}, ["a", "b"]),
        ({"glob": "*"}, sorted(KEYS)),
        ({"regex": r"a/\d+"}, ["a/1", "a/10", "a/2"]),
        ({"regex": r"^cart:7$"}, ["cart:7"]),
        ({"prefix": "a", "regex": r"0$"}, ["a/10"]),
        ({"start": "a/10"}, [k for k in sorted(KEYS) if k >= "a/10"]),
        ({"end": "a/10"}, ["a", "a/1"]),
        ({"start": "a/1", "end": "b"}, ["a/1", "a/10", "a/2"]),
        ({"start": "b", "end": "a"}, []),
        ({"prefix": "a", "start": "a/10", "end": "c"}, ["a/10", "a/2"]),
    ],
)
def test_scan_finds(filled: crdtkv.Store, how: dict[str, Any], wanted: list[str]) -> None:
    """The same with and without paging, forwards and backwards, by keys and by scan."""
    assert keys(filled.scan(**how)) == list(filled.keys(**how)) == wanted
    assert keys(filled.scan(**how, reverse=True)) == wanted[::-1]
    for reverse in (False, True):
        for limit in (1, 2, 3, 100):
            found: list[str] = []
            cursor = None
            for _ in range(100):
                page = filled.scan(**how, limit=limit, reverse=reverse, cursor=cursor)
                assert len(page) <= limit
                found += keys(page)
                cursor = page.cursor
                if cursor is None:
                    break
            assert found == (wanted[::-1] if reverse else wanted)


def test_a_page_that_is_exactly_full_is_the_last(kv: crdtkv.Store) -> None:
    kv.put("a", 1)
    assert kv.scan(limit=1).cursor is None
    kv.put("b", 1)
    assert kv.scan(limit=1).cursor is not None
    kv.delete("b")
    assert kv.scan(limit=1).cursor is None


def test_scan_refuses(filled: crdtkv.Store) -> None:
    for limit in (0, -1, 1.5, "1", True):
        with pytest.raises(ValueInvalid, match=re.escape(repr(limit))):
            filled.scan(limit=limit)  # type: ignore[arg-type]
    for cursor in ("!", "\U0001f600", "_w", 7):
        with pytest.raises(CursorInvalid):
            filled.scan(cursor=cursor)  # type: ignore[arg-type]
    for how in ({"glob": "["}, {"regex": "("}, {"regex": r"(a)\1"}, {"regex": "x" * 2000}, {"regex": "(a{500}){500}"}):
        with pytest.raises(PatternInvalid) as caught:
            filled.scan(**how)
        assert caught.value.next_step


def test_a_regex_cannot_be_made_to_backtrack(kv: crdtkv.Store) -> None:
    kv.put("a" * 500, 1)
    assert keys(kv.scan(regex=r"^(a+)+$")) == ["a" * 500]
    assert keys(kv.scan(regex=r"^(a+)+b$")) == []
    assert keys(kv.scan(glob="*a" * 100 + "b")) == []


def test_system_keys_are_nobodys(filled: crdtkv.Store) -> None:
    assert all(not k.startswith("\0") for k in filled)
    assert keys(filled.scan(start="\0", glob="*")) == sorted(KEYS)
    for act in (lambda: filled["\0members"], lambda: filled.put("\0rules", 1), lambda: filled.delete("\0members")):
        with pytest.raises(KeyInvalid):
            act()


# as a mapping


def test_it_is_a_mutable_mapping(kv: crdtkv.Store) -> None:
    assert isinstance(kv, MutableMapping)
    kv["a"] = 1
    kv.update({"b": [2], "c": None})
    assert kv["b"] == [2] and kv["c"] is None
    assert len(kv) == 3 and "a" in kv and "d" not in kv and 7 not in kv
    assert dict(kv.items()) == {"a": 1, "b": [2], "c": None}
    assert list(kv.values()) == [1, [2], None]
    assert kv.setdefault("a", 9) == 1 and kv.setdefault("d", 9) == 9
    assert kv.pop("d") == 9 and "d" not in kv
    assert kv.pop("d", "default") == "default"
    del kv["a"]
    with pytest.raises(KeyError, match="a"):
        _ = kv["a"]
    with pytest.raises(KeyError):
        del kv["a"]
    with pytest.raises(KeyError):
        kv.pop("none")
    key, value = kv.popitem()
    assert key in ("b", "c") and value in ([2], None)
    kv.clear()
    assert len(kv) == 0 and list(kv) == []


def test_a_store_is_true_even_when_empty_or_says_so(kv: crdtkv.Store) -> None:
    """As other mappings do: empty is false."""
    assert not kv
    kv["a"] = 1
    assert kv


def test_a_store_equals_itself_only(kv: crdtkv.Store) -> None:
    assert kv == kv and kv != {} and len({kv, kv}) == 1


def test_keys_may_change_while_they_are_iterated(kv: crdtkv.Store) -> None:
    for key in "abc":
        kv[key] = 1
    for key in kv:
        del kv[key]
    assert len(kv) == 0
