"""A store as Python's mutable mapping: what dict users take for granted, under threads too."""

from __future__ import annotations

import threading
from collections.abc import Iterator, KeysView
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, BaseRequired


@pytest.fixture
def filled(kv: crdtkv.Store) -> crdtkv.Store:
    kv.update({"cart/7": 7, "cart/9": 9, "todo": [1]})
    return kv


def test_keys_is_a_view(filled: crdtkv.Store) -> None:
    keys = filled.keys()
    assert isinstance(keys, KeysView) and list(keys) == ["cart/7", "cart/9", "todo"] and len(keys) == 3
    assert list(reversed(keys)) == ["todo", "cart/9", "cart/7"]
    assert keys & {"todo", "x"} == {"todo"} and keys == {"cart/7", "cart/9", "todo"} and keys >= {"todo"}
    filled["new"] = 1
    assert "new" in keys and len(keys) == 4 and 7 not in keys and "" not in keys


def test_keys_of_a_selection(filled: crdtkv.Store) -> None:
    """The same view of a part."""
    carts = filled.keys("cart/")
    assert list(carts) == ["cart/7", "cart/9"] and "cart/7" in carts and "todo" not in carts and len(carts) == 2
    ending = filled.keys(glob="*9", reverse=True)
    assert "cart/9" in ending and "cart/7" not in ending and list(ending) == ["cart/9"]
    ranged = filled.keys(start="cart/8", end="todo")
    assert [key in ranged for key in ("cart/7", "cart/9", "todo")] == [False, True, False]
    assert list(filled.keys(start="cart/8", reverse=True)) == ["todo", "cart/9"]


def test_no_key_is_in_it(filled: crdtkv.Store) -> None:
    """What cannot be a key is not there; it is no error to ask."""
    assert [key in filled for key in ("", "a\0b", "x" * 600, "\ud800", 7, None)] == [False] * 6  # type: ignore[comparison-overlap]


def test_pop(filled: crdtkv.Store) -> None:
    assert filled.pop("todo") == [1] and "todo" not in filled
    assert filled.pop("todo", None) is None and filled.pop("todo", 5) == 5
    with pytest.raises(KeyError, match="todo"):
        filled.pop("todo")
    with pytest.raises(KeyError, match="todo"):
        del filled["todo"]


def test_popitem_and_clear(filled: crdtkv.Store) -> None:
    assert filled.popitem() == ("cart/7", 7)
    before = filled.vector[filled.id]
    filled.clear()
    assert dict(filled) == {} and filled.vector[filled.id] == before + 1
    with pytest.raises(KeyError):
        filled.popitem()
    assert filled.setdefault("a", 1) == 1 and filled.setdefault("a", 2) == 1


def test_in_a_transaction(filled: crdtkv.Store) -> None:
    before = filled.vector[filled.id]
    with filled.transaction() as t:
        assert t.pop("todo") == [1] and t.popitem() == ("cart/7", 7) and t.setdefault("x", [1]) == [1]
        assert dict(t.items()) == {"cart/9": 9, "x": [1]} and list(t.values()) == [9, [1]]
        t.clear()
        t["y"] = 1
    assert dict(filled) == {"y": 1} and filled.vector[filled.id] == before + 1


def test_clear_takes_only_what_it_saw(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """Case 15 for a whole store."""
    lhr, sin = pair
    lhr.set("k").add("blue")
    lhr.sync(sin)
    lhr.clear()
    sin.set("k").add("red")
    lhr.sync(sin)
    assert dict(lhr) == dict(sin) == {"k": ["red"]}


@pytest.mark.parametrize("view", ["items", "values", "keys"])
def test_a_walk_over_what_is_deleted_meanwhile(kv: crdtkv.Store, view: str) -> None:
    """No KeyError, though every key goes while the first one is looked at."""
    with kv.transaction() as t:
        t.update({f"k{n:03}": n for n in range(300)})
    walk: Iterator[Any] = iter(getattr(kv, view)())
    first = next(walk)
    kv.clear()
    assert first in (("k000", 0), 0, "k000")
    assert len(list(walk)) < 300


def test_items_beyond_a_page(kv: crdtkv.Store) -> None:
    wanted = {f"k{n:03}": n for n in range(600)}
    with kv.transaction() as t:
        t.update(wanted)
    assert dict(kv.items()) == wanted and list(kv.values()) == list(range(600)) and len(kv.items()) == 600
    assert ("k007", 7) in kv.items() and ("k007", 8) not in kv.items() and 599 in kv.values()


def test_one_of_two_takes_it(filled: crdtkv.Store) -> None:
    """A pop reads and deletes in one transaction: of two at once, one has the value and one the default."""
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(filled.pop("todo", None))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count([1]) == 1 and found.count(None) == 7


def test_errors_of_a_selection_come_at_once(kv: crdtkv.Store) -> None:
    for wrong in ({"glob": "[a"}, {"regex": "("}, {"start": 7}, {"reverse": "yes"}):
        with pytest.raises(BadRequest):
            kv.keys(**wrong)  # type: ignore[arg-type]


def test_update_is_one_transaction(kv: crdtkv.Store) -> None:
    """All or nothing: also where the last of it is no value."""
    before = kv.vector[kv.id]
    kv.update({"a": 1, "b": b"blob"}, c=[3])
    kv.update([("d", 4)])
    assert dict(kv) == {"a": 1, "b": crdtkv.Blob(b"blob"), "c": [3], "d": 4} and kv.vector[kv.id] == before + 2
    for wrong in ({"e": 1, "f": float("nan")}, {"e": 1, "": 2}, [("e", 1), ("f", object())]):
        with pytest.raises(BadRequest):
            kv.update(wrong)
    kv.rules.set("x*", "lww", require_base=True)
    kv["x1"] = 1
    with pytest.raises(BaseRequired):
        kv.update(e=1, x1=2)
    assert "e" not in kv and kv["x1"] == 1
    with kv.transaction() as t:
        t.update(y=1)
        assert t["y"] == 1
    assert kv["y"] == 1
