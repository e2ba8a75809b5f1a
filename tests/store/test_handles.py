"""Handles behave like the Python types people know, plus what is theirs."""

from __future__ import annotations

from typing import Any

import pytest

import crdtkv
from crdtkv import Blob
from crdtkv.errors import BadRequest, Overflow, StrategyMismatch, ValueInvalid, WrongOperation, WrongType


def test_counter(kv: crdtkv.Store) -> None:
    n = kv.counter("n")
    assert n.value == 0 and int(n) == 0 and "n" not in kv
    assert n.add().value == 1 and n.add(3).value == 4 and n.add(-6).value == -2
    assert int(n) == -2 and n.value == kv["n"]
    assert [10, 20, 30][n] == 20
    assert n.reset().value == 0 and kv["n"] == 0
    assert n.put(7).value == 7
    n.delete()
    assert "n" not in kv and n.value == 0
    with pytest.raises(Overflow):
        n.add(2**63)
    with pytest.raises(WrongType):
        n.add("1")  # type: ignore[arg-type]
    assert repr(n) == "CounterHandle('n': 0)"


def test_a_reset_on_an_old_base(kv: crdtkv.Store) -> None:
    n = kv.counter("n")
    base = n.add(5).version
    n.add(2)
    assert n.reset(base=base).value == 2


def test_flag(kv: crdtkv.Store) -> None:
    on = kv.flag("on")
    assert not on and on.value is False
    assert on.enable().value is True and on and kv["on"] is True
    assert on.disable().value is False and not on


def test_set(kv: crdtkv.Store) -> None:
    s = kv.set("s")
    assert s.value == [] and len(s) == 0 and "a" not in s and list(s) == []
    s.add("b", "a", 1, 1.0, True, None, {"k": [1]})
    assert len(s) == 7 and "a" in s and 1 in s and True in s and {"k": [1]} in s
    assert "c" not in s and {"k": [2]} not in s and [1] not in s
    assert s.remove("a", "none").value == kv["s"]
    assert "a" not in s and set(map(repr, s)) == set(map(repr, kv["s"]))
    s.remove(True)
    assert 1 in s and 1.0 in s and True not in s
    s.clear()
    assert len(s) == 0
    s.put(["x"])
    assert list(s) == ["x"]


def test_what_is_no_value_is_in_no_set(kv: crdtkv.Store) -> None:
    """`in` answers, as Python's does, rather than raise."""
    kv.set("s").add("a")
    assert object() not in kv.set("s") and b"a" not in kv.set("s") and float("nan") not in kv.set("s")
    assert object() not in kv.list("l") and object() not in kv.json("d").set("/s")


def test_list(kv: crdtkv.Store) -> None:
    items = kv.list("l")
    assert items.value == [] and len(items) == 0
    items.append("b", "c")
    items.prepend("a")
    items.insert(1, "x", "y")
    assert items.value == list(items) == ["a", "x", "y", "b", "c"]
    assert items[0] == "a" and items[-1] == "c" and items[1:3] == ["x", "y"] and items[::-2] == ["c", "y", "a"]
    assert "x" in items and "z" not in items
    items[1] = "X"
    del items[2]
    assert items.value == ["a", "X", "b", "c"]
    items.set(-1, "C")
    items.remove(-2)
    assert items.value == ["a", "X", "C"]
    assert items.move(0, 2).value == ["X", "C", "a"]
    assert items.move(-1, 0).value == ["a", "X", "C"]
    assert items.insert(3, "end").value == ["a", "X", "C", "end"]
    assert items.insert(0, "start").value[0] == "start"
    items.put([1, 2])
    assert items.value == [1, 2]
    items.put([])
    assert len(items) == 0


def both_lists(kv: crdtkv.Store) -> list[Any]:
    """A list, and an array in a document: one behaviour."""
    return [kv.list("l"), kv.json("doc").list("/l")]


def test_several_at_once(kv: crdtkv.Store) -> None:
    """Nothing of what was given is left out, in an array of a document either, and it stands in the order given."""
    for items in both_lists(kv):
        items.append(1, 2, 3)
        assert items.value == [1, 2, 3]
        items.append(7, 8)
        items.prepend("a", "b")
        items.insert(2, "x", "y")
        assert items.value == ["a", "b", "x", "y", 1, 2, 3, 7, 8]
        with pytest.raises(WrongOperation):
            items.append()


def test_several_with_keys_at_once(kv: crdtkv.Store) -> None:
    """Each is the element of its key, at the place asked for; of two with one key the first is, as in a put."""
    kv.rules.set("*", "json", paths={"/l": {"list": {"key": ["id"]}}})
    items = kv.json("doc").list("/l")
    items.append({"id": 1}, {"id": 2})
    items.prepend({"id": 3}, {"id": 2, "new": True}, {"other": 0})
    assert items.value == [{"id": 3}, {"id": 2, "new": True}, {"other": 0}, {"id": 1}]


@pytest.mark.parametrize("count", range(4))
def test_insert_is_pythons(kv: crdtkv.Store, count: int) -> None:
    """Negative indices count from the end: `insert(-1, x)` is before the last. Outside is an error, not the end."""
    for index in range(-count, count + 1):
        wanted: list[Any] = list(range(count))
        wanted.insert(index, "x")
        for items in both_lists(kv):
            items.put(list(range(count)))
            items.insert(index, "x")
            assert items.value == wanted
    for items in both_lists(kv):
        items.put(list(range(count)))
        for index in (-count - 1, count + 1):
            with pytest.raises(WrongType, match=str(index)):
                items.insert(index, "x")


def test_clear_a_list(kv: crdtkv.Store) -> None:
    for items in both_lists(kv):
        items.append(1, 2)
        items.clear()
        assert items.value == [] and len(items) == 0
        items.append(3)
        assert items.value == [3]


def test_clear_leaves_what_came_concurrently(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    for items in both_lists(lhr):
        items.append(1, 2)
    lhr.sync(sin)
    for mine, theirs in zip(both_lists(lhr), both_lists(sin), strict=True):
        mine.clear()
        theirs.append(3)
    lhr.sync(sin)
    for items in both_lists(lhr) + both_lists(sin):
        assert items.value == [3]


def test_slices_are_for_reading(kv: crdtkv.Store) -> None:
    for items in both_lists(kv):
        items.append(1, 2, 3)
        with pytest.raises(WrongType, match="put the whole list"):
            del items[0:2]
        with pytest.raises(WrongType, match="put the whole list"):
            items[0:2] = [9]
        assert items.value == [1, 2, 3]


def test_move_is_pythons_pop_and_insert(kv: crdtkv.Store) -> None:
    """`move(i, j)`: what stood at i stands at j."""
    for at in range(-3, 3):
        for to in range(-3, 3):
            kv.put("l", ["a", "b", "c"], strategy="list")
            wanted = ["a", "b", "c"]
            wanted.insert(to % 3, wanted.pop(at))
            assert kv.list("l").move(at, to).value == wanted, (at, to)
            kv.delete("l")


@pytest.mark.parametrize("index", [3, -4, "0", 1.0, True, None])
def test_an_index_that_is_none(kv: crdtkv.Store, index: Any) -> None:
    items = kv.list("l")
    items.append(1, 2, 3)
    before = kv.vector
    acts = [
        lambda: items.remove(index),
        lambda: items.set(index, 0),
        lambda: items.move(index, 0),
        lambda: items.move(0, index),
    ]
    if index not in (3, -4):
        acts.append(lambda: items.insert(index, 0))
    for act in acts:
        with pytest.raises(WrongType) as caught:
            act()
        assert repr(index) in str(caught.value)
    assert kv.vector == before


def test_reading_outside_is_an_index_error(kv: crdtkv.Store) -> None:
    kv.list("l").append(1)
    with pytest.raises(IndexError):
        _ = kv.list("l")[1]
    with pytest.raises(TypeError):
        _ = kv.list("l")["0"]  # type: ignore[call-overload]


def test_del_and_set_outside_are_index_errors_too(kv: crdtkv.Store) -> None:
    """A list in Python raises IndexError; a WrongType that is an IndexError as well would do."""
    kv.list("l").append(1)
    with pytest.raises((IndexError, WrongType)):
        del kv.list("l")[1]
    with pytest.raises((IndexError, WrongType)):
        kv.list("l")[1] = 0


def test_log(kv: crdtkv.Store, clock: Any) -> None:
    events = kv.log("e")
    assert events.value == [] and events.range() == []
    times = []
    for i in range(5):
        events.append({"n": i})
        times.append(events.range()[-1][0])
        clock.now += 10
    assert list(events) == [{"n": i} for i in range(5)] and len(events) == 5
    assert events[0] == {"n": 0} and events[-2:] == [{"n": 3}, {"n": 4}]
    assert [e["n"] for _, e in events.range(since=times[2])] == [2, 3, 4]
    assert [e["n"] for _, e in events.range(until=times[2])] == [0, 1]
    assert [e["n"] for _, e in events.range(times[1], times[3])] == [1, 2]
    events.trim(times[2])
    assert [e["n"] for e in events] == [2, 3, 4]
    events.append("a", "b")
    assert list(events)[-2:] == ["a", "b"]
    for bad in ("x", -1, 1.5, True, 2**60):
        with pytest.raises(ValueInvalid):
            events.trim(bad)  # type: ignore[arg-type]
        with pytest.raises(ValueInvalid):
            events.range(since=bad)  # type: ignore[arg-type]


def test_json(kv: crdtkv.Store) -> None:
    doc = kv.json("doc")
    assert doc.value is None and doc.get("/a/b") is None
    doc.set_at("/a/b", 1)
    assert doc.value == kv["doc"] == {"a": {"b": 1}}
    doc.at("/a").at("/c").put([1, {"d": 2}])
    assert doc.get("/a/c/1/d") == 2 and doc.get("/a/c/9") is None and doc.get("/a/b/c") is None
    assert doc.counter("/hits").add(2).value["hits"] == 2
    assert int(doc.counter("/hits")) == 2
    doc.set("/tags").add("y", "x")
    assert doc.get("/tags") == ["x", "y"] and "x" in doc.set("/tags") and len(doc.set("/tags")) == 2
    doc.list("/a/c").append(3)
    doc.list("/a/c").move(2, 0)
    assert doc.get("/a/c") == [3, 1, {"d": 2}] and doc.list("/a/c")[0] == 3
    doc.flag("/on").enable()
    assert doc.get("/on") is True and doc.flag("/on")
    doc.log("/log").append("first")
    assert doc.get("/log") == ["first"] and len(doc.log("/log")) == 1
    doc.at("/a").delete()
    assert "a" not in doc.value
    doc.at("/x~1y/m~0n").put(1)
    assert doc.value["x/y"] == {"m~n": 1} and doc.get("/x~1y/m~0n") == 1


def test_a_log_in_a_document_has_its_own_range(kv: crdtkv.Store) -> None:
    """`range` of a handle at a path reads that path."""
    doc = kv.json("doc")
    doc.log("/log").append("a", "b")
    assert [entry for _, entry in doc.log("/log").range()] == ["a", "b"]


def test_rules_choose_by_path(kv: crdtkv.Store) -> None:
    kv.rules.set("todo/*", "json", paths={"/tags": "set", "/hits": "counter", "/items": {"list": {"key": ["sku"]}}})
    kv.put("todo/1", {"tags": ["b", "a", "b"], "hits": 3, "items": [{"sku": 1, "n": 1}, {"sku": 2, "n": 2}]})
    assert kv["todo/1"] == {"tags": ["a", "b"], "hits": 3, "items": [{"n": 1, "sku": 1}, {"n": 2, "sku": 2}]}
    kv.json("todo/1").counter("/hits").add(1)
    kv.json("todo/1").set("/tags").add("c")
    assert kv["todo/1"]["hits"] == 4 and kv["todo/1"]["tags"] == ["a", "b", "c"]
    assert kv.put("todo/1", {**kv["todo/1"], "hits": 10}).value["hits"] == 10


def test_a_handle_of_the_wrong_kind(kv: crdtkv.Store) -> None:
    """Writes name what the key is; nothing is written."""
    kv.put("s", ["a"], strategy="set")
    before = kv.vector
    for act in (lambda: kv.list("s").append(1), lambda: kv.counter("s").add(1), lambda: kv.json("s").at("/a").put(1)):
        with pytest.raises(WrongOperation, match="'s' is a set"):
            act()
    assert kv.vector == before


@pytest.mark.parametrize("pointer", ["a", "a/b", "~", "#/a"])
def test_a_pointer_that_is_none(kv: crdtkv.Store, pointer: str) -> None:
    with pytest.raises(WrongType, match="JSON pointer"):
        kv.json("doc").at(pointer)
    with pytest.raises(WrongType):
        kv.json("doc").get(pointer)


def test_paths_that_lead_nowhere(kv: crdtkv.Store) -> None:
    kv.put("doc", {"l": [1], "s": "x"}, strategy="json")
    before = kv.vector
    for pointer in ("/l/7", "/l/x", "/s/a", "/l/-1", "/l/01"):
        with pytest.raises(crdtkv.BadRequest) as caught:
            kv.json("doc").at(pointer).put(1)
        assert pointer.rsplit("/", 1)[1] in str(caught.value) or pointer.rsplit("/", 1)[0] in str(caught.value)
    assert kv.vector == before


def test_handles_in_a_transaction(kv: crdtkv.Store) -> None:
    with kv.transaction() as t:
        t.list("l").append(1)
        t.list("l").append(2)
        t.counter("n").add(2)
        t.counter("n").add(3)
        t.set("s").add("a")
        t.set("s").remove("a")
        t.set("s").add("b")
        assert t.list("l").value == [1, 2] and int(t.counter("n")) == 5 and "b" in t.set("s")
    assert kv["l"] == [1, 2] and kv["n"] == 5 and kv["s"] == ["b"]
    assert kv.vector[kv.id] == 2


def test_a_handle_holds_no_data(kv: crdtkv.Store) -> None:
    one, two = kv.list("l"), kv.list("l")
    one.append(1)
    assert two.value == [1]
    two.value.append("not stored")
    assert one.value == [1]


def test_bytes_are_blobs_in_every_handle(kv: crdtkv.Store) -> None:
    """As in `put`: in a log, a list, a set, and at a path; they are found again by their bytes."""
    blob = Blob(b"x")
    assert kv.log("log").append(b"x", "y").value == [blob, "y"]
    assert kv.list("list").append(b"x").value == kv.list("list").set(0, b"x").value == [blob]
    assert kv.set("set").add(b"x").value == [blob]
    assert b"x" in kv.set("set") and b"x" in kv.list("list") and b"y" not in kv.set("set")
    assert kv.set("set").remove(b"x").value is None
    kv.rules.set("doc", "json", paths={"/log": "log", "/set": "set"})
    doc = kv.json("doc")
    doc.log("/log").append(b"x")
    doc.set("/set").add(b"x")
    doc.list("/list").append(b"x")
    assert doc.at("/at").put(b"x").value == {"at": blob, "list": [blob], "log": [blob], "set": [blob]}
    assert b"x" in doc.set("/set") and b"x" in doc.list("/list")


# of the wrong kind

READS: dict[str, Any] = {
    "counter": lambda kv, k: int(kv.counter(k)),
    "flag": lambda kv, k: bool(kv.flag(k)),
    "set": lambda kv, k: list(kv.set(k)),
    "in a set": lambda kv, k: 1 in kv.set(k),
    "list": lambda kv, k: len(kv.list(k)),
    "log": lambda kv, k: kv.log(k)[0:1],
    "json": lambda kv, k: kv.json(k).get("/a"),
}


@pytest.mark.parametrize("name", READS)
def test_a_key_of_another_kind(kv: crdtkv.Store, name: str) -> None:
    """A reading names both; it must not show what an add would be refused for. What is not there is empty."""
    family = name.rpartition(" ")[2]
    kinds = {"counter": 1, "flag": True, "set": [1], "list": [1], "log": [1], "json": {"a": 1}}
    for strategy, value in kinds.items():
        kv.put(strategy, value, strategy=strategy)
        if strategy == family:
            READS[name](kv, strategy)
            continue
        words = f"'{strategy}' is a {strategy}, not a {family}"
        if (strategy, family) == ("json", "list"):
            words = "'json' holds a dict, not a list"
        with pytest.raises((StrategyMismatch, WrongType), match=words):
            READS[name](kv, strategy)
    assert not READS[name](kv, "nothing")


def test_an_array_that_was_put_is_a_list_too(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """Who put a whole list by the default strategy, json, goes on by its elements; concurrent ones stand."""
    lhr, sin = pair
    lhr.put("todo", ["a", "b"])
    lhr.sync(sin)
    todo = lhr.list("todo")
    assert todo.append("c").value == ["a", "b", "c"] and todo[0] == "a" and len(todo) == 3
    todo.move(2, 0)
    del todo[1]
    assert sin.list("todo").insert(1, "new").value == ["a", "new", "b"]
    with sin.transaction() as t:
        t.list("todo").append("last")
        assert list(t.list("todo")) == ["a", "new", "b", "last"]
    lhr.sync(sin)
    assert lhr["todo"] == sin["todo"] == ["c", "new", "b", "last"]
    assert todo.put(["b"], base=lhr.get("todo").version).value == ["b"] and todo.clear().value == []
    assert todo.delete().value is None and "todo" not in lhr
    lhr.put("doc", {"a": 1})
    for act in (lambda: lhr.list("doc").append(1), lambda: lhr.list("doc")[0], lambda: list(lhr.list("doc"))):
        with pytest.raises(WrongType):
            act()


def test_a_place_of_another_kind(kv: crdtkv.Store) -> None:
    """The same at the paths of a document, as the operations there have it."""
    doc = kv.json("doc")
    doc.at("/plain").put(1)
    doc.at("/array").put([1])
    doc.counter("/hits").add(2)
    doc.set("/tags").add("x")
    for read in (
        lambda: doc.counter("/plain").value,
        lambda: doc.set("/array").value,
        lambda: doc.list("/tags").value,
        lambda: int(doc.counter("/tags")),
        lambda: list(doc.log("/array")),
        lambda: bool(doc.flag("/hits")),
    ):
        with pytest.raises(WrongType, match=r"'doc' holds a .* at '/.*', not a "):
            read()
    assert (doc.counter("/hits").value, doc.set("/tags").value, doc.list("/array").value) == (2, ["x"], [1])
    assert doc.get("/hits") == 2 and doc.get("/tags/0") == "x" and doc.counter("/none").value == 0
    with pytest.raises(StrategyMismatch, match="'s' is a set, not a json"):
        kv.set("s").add(1)
        int(kv.json("s").counter("/x"))


def test_a_handle_of_the_wrong_kind_can_be_shown(kv: crdtkv.Store) -> None:
    """In a debugger nothing must raise."""
    kv.set("s").add(1)
    assert repr(kv.counter("s")) == "CounterHandle('s': <'s' is a set, not a counter; read it as a set>)"
    assert repr(kv.set("s")) == "SetHandle('s': [1])"


@pytest.mark.parametrize("token", ["\u00b2", "\u0663", "01", "-1", "-", "", "9" * 5000])
def test_what_names_no_element(kv: crdtkv.Store, token: str) -> None:
    """Digits of other scripts, leading zeros, more than there are: nothing to read, and no place to write."""
    kv.put("doc", {"a": [1, 2, 3, 4]})
    assert kv.json("doc").get(f"/a/{token}") is None
    place = kv.json("doc").at(f"/a/{token}")
    for act in (lambda: place.put(5), place.delete, lambda: place.list("").clear()):
        with pytest.raises(BadRequest):
            act()
    assert kv["doc"] == {"a": [1, 2, 3, 4]}


def test_a_pointer_is_text_of_utf_8(kv: crdtkv.Store) -> None:
    for act in (kv.json("doc").get, kv.json("doc").at, lambda at: kv.json("doc").log(at).range()):
        with pytest.raises(WrongType, match="lone surrogate"):
            act("/a/\ud800")


def test_in_a_set_of_a_document(kv: crdtkv.Store) -> None:
    """As in one that is a key; what is no set says so."""
    doc = kv.json("doc")
    doc.set("/tags").add("x", 1)
    doc.at("/plain").put(["x"])
    tags = doc.set("/tags")
    assert "x" in tags and 1 in tags and 1.0 not in tags and "y" not in tags and "x" not in doc.set("/none")
    tags.remove("x")
    assert "x" not in tags
    for wrong in (doc.set("/plain"), kv.json("doc").set("")):
        with pytest.raises(WrongType, match="not a set"):
            assert "x" in wrong
