"""Texts merged by words, alone and as the strings of a document."""

from __future__ import annotations

import random
from typing import Any

import pytest

import crdtkv
from crdtkv.core.paths import pretty
from crdtkv.errors import RuleInvalid

Pair = tuple[crdtkv.Store, crdtkv.Store]
JSON = ("json?strings=words", "json?strings=words&wins=delete")


def apart(pair: Pair, spec: str, base: Any, at_lhr: Any, at_sin: Any) -> Any:
    """What both read after two puts on one base; sin's is the later."""
    lhr, sin = pair
    version = lhr.put("k", base, strategy=spec).version
    lhr.sync(sin)
    lhr.put("k", at_lhr, base=version)
    sin.put("k", at_sin, base=version)
    lhr.sync(sin)
    assert lhr["k"] == sin["k"]
    return lhr["k"]


def payload(kv: crdtkv.Store) -> int:
    """Bytes of all that stands of the text `k`."""
    return sum(len(s.payload or b"") for s in kv._replica.storage.cells("k")[b"swords\x00"])


def test_a_text_takes_both_edits(pair: Pair) -> None:
    assert apart(pair, "words", "npm test", "npm test --bail", "CI=1 npm test") == "CI=1 npm test --bail"
    assert pair[0].get("k").conflicts == () and pair[0].conflicts() == []  # type: ignore[union-attr]


@pytest.mark.parametrize("spec", JSON)
def test_strings_of_a_document_take_both_edits(pair: Pair, spec: str) -> None:
    base = {"scripts": {"test": "mocha test", "v": "^1.2.3"}, "words": ["a b"], "n": 1}
    mine = {"scripts": {"test": "mocha test --bail", "v": "^1.3.0"}, "words": ["a b"], "n": 2}
    theirs = {"scripts": {"test": "mocha -R dot test", "v": "^2.0.0"}, "words": ["a b", "c"], "n": 1}
    assert apart(pair, spec, base, mine, theirs) == {
        "n": 2, "scripts": {"test": "mocha -R dot test --bail", "v": "^2.0.0"}, "words": ["a b", "c"],
    }  # fmt: skip
    [lost] = pair[0].conflicts()
    assert (lost.path, lost.value, lost.winner) == ("/scripts/v", "^1.3.0", "^2.0.0")


def test_who_gave_way_is_told(pair: Pair) -> None:
    """An edit inside a passage that was written anew is lost, at the colo that made it, whoever was later."""
    assert apart(pair, "words", "run a b c d", "start all", "run a b b c d") == "start all"
    assert pair[0].get("k").conflicts == ("run a b b c d",)  # type: ignore[union-attr]
    [lost] = pair[1].conflicts()
    assert (lost.value, lost.winner) == ("run a b b c d", "start all")
    assert lost.restore().value == "run a b b c d"
    pair[0].sync(pair[1])
    assert pair[0]["k"] == "run a b b c d"


@pytest.mark.parametrize("back", [0, 1, 2])
def test_edits_on_old_bases_are_merged_here(kv: crdtkv.Store, back: int) -> None:
    """A put on an old base replaces what stands by what it makes of it: one sibling, and the same again is nothing."""
    versions = [kv.put("k", "a b c", strategy="words").version]
    versions += [kv.put("k", text).version for text in ("a b c d", "a b c d e")]
    base = versions[2 - back]
    old = kv.get("k", at=base).value  # type: ignore[union-attr]
    assert kv.put("k", "z " + old, base=base).value == "z a b c d e"
    version = kv.get("k").version  # type: ignore[union-attr]
    assert kv.put("k", "z " + old, base=base).version == version
    assert len(kv._replica.storage.cells("k")[b"swords\x00"]) == 1


def test_two_edits_against_one(pair: Pair) -> None:
    """What one side did first is not taken back because its second put was made on it."""
    lhr, sin = pair
    for key, spec in (("t", "words"), ("d", "json?strings=words")):
        wrap = (lambda text: {"x": text}) if key == "d" else (lambda text: text)
        lhr.put(key, wrap("b c"), strategy=spec)
        lhr.sync(sin)
        sin.put(key, wrap("b c d"))
        lhr.put(key, wrap("a b c"))
        lhr.put(key, wrap("a b c e"))
        lhr.sync(sin)
        assert lhr[key] == sin[key] == wrap("a b c d e")


def test_the_same_put_twice_in_a_transaction(kv: crdtkv.Store) -> None:
    kv.put("k", {"t": "a b"}, strategy="json?strings=words")
    with kv.transaction() as t:
        t.put("k", {"t": "a b c"})
        t.put("k", {"t": "a x b c d"})
        t.json("k").at("/t").put("x b c e")
    assert kv["k"] == {"t": "x b c e"}


CHANGES: list[tuple[Any, Any, Any, Any, list[Any]]] = [
    ("a b", 5, "a b c", "a b c", [5]),  # base, lhr's, sin's (the later), what both read, what lhr lost
    ("a b", "a b c", 5, 5, ["a b c"]),
    (5, "a b", 6, 6, ["a b"]),
    (5, 6, "a b", "a b", [6]),
    ("a b", {"x": 1}, "a b c", "a b c", [{"x": 1}]),
    ("a b", "a b c", {"x": 1}, {"x": 1}, ["a b c"]),
    ("a b", ["a"], "a b c", "a b c", [["a"]]),
    ({"x": 1}, "a b", 7, 7, ["a b"]),
    ({"x": 1}, ["y"], "a b", "a b", [["y"]]),
    (None, "a b", "a b", "a b", []),
    ("a b", None, True, True, [None]),
]


@pytest.mark.parametrize(("base", "mine", "theirs", "wanted", "lost"), CHANGES)
def test_a_change_of_type(pair: Pair, base: Any, mine: Any, theirs: Any, wanted: Any, lost: list[Any]) -> None:
    """Of concurrent kinds the later is read, at both colos; the other is told, and gone after the next put."""
    assert apart(pair, JSON[0], {"m": base}, {"m": mine}, {"m": theirs}) == {"m": wanted}
    assert list(pair[0].get("k").conflicts) == lost  # type: ignore[union-attr]
    assert [c.value for c in pair[0].conflicts()] == lost
    assert pair[1].conflicts() == []
    for after in ("x y", 3, {"z": "x y"}, "x y z", [1], "last"):
        assert pair[0].put("k", {"m": after}).value == {"m": after}
        assert pair[0].get("k").conflicts == ()  # type: ignore[union-attr]
        pair[0].sync(pair[1])
        assert pair[1]["k"] == {"m": after}


@pytest.mark.parametrize("spec", JSON)
def test_a_change_of_type_undone_brings_nothing_back(kv: crdtkv.Store, spec: str) -> None:
    version = kv.put("k", {"m": "a b"}, strategy=spec).version
    kv.put("k", {"m": {"x": "y z"}})
    assert kv.put("k", {"m": "a b c"}).value == {"m": "a b c"}
    assert kv.put("k", {"m": {"w": 1}}).value == {"m": {"w": 1}}
    assert kv.put("k", {}).value == {}
    assert kv.put("k", {"m": {}}).value == {"m": {}}
    assert kv.get("k", at=version).value == {"m": "a b"}  # type: ignore[union-attr]


@pytest.mark.parametrize(("spec", "stands"), [(JSON[0], True), (JSON[1], False)])
def test_delete_against_edit(pair: Pair, spec: str, stands: bool) -> None:
    """As for the members of any document: the edit wins, or under wins=delete the delete, and the edit is told."""
    read = apart(pair, spec, {"m": "a b", "n": 1}, {"n": 1}, {"m": "a b c", "n": 1})
    assert read == ({"m": "a b c", "n": 1} if stands else {"n": 1})
    assert [c.value for c in pair[1].conflicts()] == ([] if stands else ["a b c"])
    pair[0].put("k", {"m": "new", "n": 1})
    pair[0].sync(pair[1])
    assert pair[1]["k"] == {"m": "new", "n": 1}


@pytest.mark.parametrize("spec", JSON)
def test_what_was_not_edited_is_no_edit(pair: Pair, spec: str) -> None:
    """A document put with a text as it was does not bring back the text that another took out, nor undo its edit."""
    assert apart(pair, spec, {"m": "a b", "n": 1}, {"n": 1}, {"m": "a b", "n": 2}) == {"n": 2}
    lhr, sin = pair
    assert apart((lhr, sin), spec, {"m": "a b", "n": 1}, {"m": "a b c", "n": 1}, {"m": "a b", "n": 2}) == {
        "m": "a b c", "n": 2,
    }  # fmt: skip


def test_history_blame_diff_and_revert(kv: crdtkv.Store) -> None:
    first = kv.put("k", {"m": "a b", "n": 1}, strategy=JSON[0]).version
    second = kv.put("k", {"m": "a b c", "n": 1}).version
    assert kv.diff("k", first, second) == [{"op": "replace", "path": "/m", "value": "a b c"}]
    assert [(b.path, b.value) for b in kv.blame("k")] == [("/m", "a b c"), ("/n", 1)]
    assert [r.value["m"] for r in kv.history("k")] == ["a b", "a b c"]
    assert kv.revert("k", first).value == {"m": "a b", "n": 1}
    assert kv.put("t", "a b", strategy="words").value == "a b"
    assert [(b.path, b.value) for b in kv.blame("t")] == [("", "a b")]


def test_rules_come_before_the_option(kv: crdtkv.Store) -> None:
    """A path with a strategy of its own keeps it; `words` may be one of them, in a document of another kind too."""
    kv.rules.set("a/*", "json", strings="words", paths={"/tags": "set", "/id": "lww"})
    kv.rules.set("b/*", "json", paths={"/body": "words"})
    kv.put("a/1", {"tags": ["y", "x"], "id": "i d", "t": "a b"})
    kv.put("b/1", {"body": "a b", "title": "c d"})
    kept = {pretty(path) for key in ("a/1", "b/1") for path in kv._replica.storage.cells(key)}
    assert {path for path in kept if "s'words'" in path or "s'lww'" in path or "title" in path} == {
        "s'json?strings=words'/m'id'/s'lww'", "s'json?strings=words'/m't'/s'words'", "s'json'/m'body'/s'words'",
        "s'json'/m'title'",
    }  # fmt: skip
    assert kv.rules.migrate("*") == []


def test_migration_to_words_and_back(kv: crdtkv.Store) -> None:
    kv.put("k", {"m": "a b", "list": ["x"]}, strategy="json")
    kv.rules.set("k", "json", strings="words")
    [done] = kv.rules.migrate("k")
    assert (done.new, done.after, kv.rules.migrate("k")) == (JSON[0], {"m": "a b", "list": ["x"]}, [])
    kv.rules.set("k", "json")
    [done] = kv.rules.migrate("k")
    assert (done.new, kv["k"], kv.rules.migrate("k")) == ("json", {"m": "a b", "list": ["x"]}, [])


@pytest.mark.parametrize("spec", ["json?strings=lines", "json?words=on", "words?strings=words"])
def test_options_that_there_are_not(kv: crdtkv.Store, spec: str) -> None:
    with pytest.raises(RuleInvalid):
        kv.put("k", {}, strategy=spec)


def test_expiry_hides_a_document_with_its_texts(kv: crdtkv.Store, clock: Any) -> None:
    kv.put("k", {"m": "a b"}, strategy=JSON[0], ttl=10)
    clock.now += 20
    assert kv.get("k") is None
    assert kv.put("k", {"m": "c"}).value == {"m": "c"}


def test_weight(pair: Pair) -> None:
    """Bounded by words and replicas, not by edits: 20 to 30 bytes for each; little is left of a text written anew."""
    lhr, sin = pair
    dice = random.Random(1)
    words = [f"w{i}" for i in range(40)]
    lhr.put("k", " ".join(words), strategy="words")
    lhr.sync(sin)
    for n in range(200):
        kv = dice.choice(pair)
        at = dice.randrange(40)
        words = kv["k"].split()
        words[at] = f"x{dice.randrange(100)}"
        kv.put("k", " ".join(words))
        if n % 5 == 0:
            lhr.sync(sin)
    lhr.sync(sin)
    lhr.put("k", lhr["k"] + " end")
    assert payload(lhr) <= len(lhr["k"]) + 41 * 30 + 2 * 20
    lhr.put("k", "all new")
    assert payload(lhr) <= len("all new") + 80
    lhr.delete("k")
    lhr.put("k", "made anew", strategy="words")
    assert payload(lhr) == len("made anew") + 2
