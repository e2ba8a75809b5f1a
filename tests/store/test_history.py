"""history, diff, blame, revert, and the inbox of lost writes."""

from __future__ import annotations

from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BadRequest, VersionInvalid


def test_history(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """One revision a transaction, oldest first: who, when, the value, and a version that get(at=) takes."""
    lhr, sin = pair
    lhr.put("doc", {"a": 1}, strategy="json")
    lhr.sync(sin)
    sin.put("doc", {"a": 1, "b": 2})
    sin.sync(lhr)
    with lhr.transaction() as t:
        t.put("doc", {"a": 5, "b": 2})
        t.put("other", 1)
        t.json("doc").at("/b").delete()
    lhr.delete("doc")
    revisions = lhr.history("doc")
    assert [(r.replica.split("~")[0], r.value) for r in revisions] == [
        ("lhr", {"a": 1}), ("sin", {"a": 1, "b": 2}), ("lhr", {"a": 5}), ("lhr", None),
    ]  # fmt: skip
    assert [r.stamp for r in revisions] == sorted(r.stamp for r in revisions)
    assert all(r.known for r in revisions)
    for revision in revisions:
        entry = lhr.get("doc", at=revision.version)
        assert (entry.value if entry else None) == revision.value
    assert lhr.history("nothing") == []


def test_history_of_concurrent_writes(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """Each revision shows what its version covers; a write of elsewhere that was not seen is not in it."""
    lhr, sin = pair
    lhr.put("k", 0)
    lhr.sync(sin)
    one = lhr.put("k", 1)
    two = sin.put("k", 2)
    lhr.sync(sin)
    for kv in pair:
        assert kv.get("k", at=one.version).value == 1  # type: ignore[union-attr]
        assert kv.get("k", at=two.version).value == 2  # type: ignore[union-attr]
        assert kv["k"] == 2


def test_diff(kv: crdtkv.Store) -> None:
    """A JSON patch from one version to another, to now, from nothing; applying it gives the other."""
    a = kv.put("doc", {"a": 1, "l": [1, 2, 3]}, strategy="json").version
    b = kv.put("doc", {"a": 2, "l": [1, 3]}).version
    kv.put("doc", {"a": 3})
    assert _applies(kv, a, b) and _applies(kv, a, None) and _applies(kv, b, a) and _applies(kv, None, b)
    assert kv.diff("doc", a, a) == []


def _applies(kv: crdtkv.Store, a: str | None, b: str | None) -> bool:
    import jsonpatch

    old = kv.get("doc", at=a) if a else None
    new = kv.get("doc", at=b) if b else kv.get("doc")
    assert new is not None
    return bool(jsonpatch.apply_patch(old.value if old else None, kv.diff("doc", a, b)) == new.value)


def test_a_diff_knows_1_from_true(kv: crdtkv.Store) -> None:
    """1, 1.0 and true are three values, so there is a difference between them."""
    a = kv.put("doc", {"v": 1}, strategy="json").version
    b = kv.put("doc", {"v": True}).version
    c = kv.put("doc", {"v": 1.0}).version
    assert kv.diff("doc", a, b) and kv.diff("doc", b, c) and kv.diff("doc", a, c)


def test_blame(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    lhr.put("doc", {"a": 1, "b": {"c": 2}}, strategy="json")
    lhr.sync(sin)
    sin.json("doc").at("/b/c").put(3)
    sin.sync(lhr)
    found = {b.path: (b.value, b.replica.split("~")[0]) for b in lhr.blame("doc")}
    assert found == {"/a": (1, "lhr"), "/b/c": (3, "sin")}
    assert lhr.blame("nothing") == []
    lhr.put("plain", 1)
    assert [(b.path, b.value) for b in lhr.blame("plain")] == [("", 1)]


def test_revert(kv: crdtkv.Store) -> None:
    """A new write that shows the old value; of an absent one a delete; what came since stays in the history."""
    a = kv.put("doc", {"a": 1, "l": [1, 2]}, strategy="json").version
    kv.put("doc", {"a": 2, "l": [2]})
    receipt = kv.revert("doc", a)
    assert receipt.value == kv["doc"] == {"a": 1, "l": [1, 2]} and receipt.version != a
    gone = kv.delete("doc").version
    kv.put("doc", {"new": 1}, strategy="json")
    kv.revert("doc", gone)
    assert "doc" not in kv
    assert kv.revert("doc", a).value == {"a": 1, "l": [1, 2]}
    assert kv.get("doc").strategy == "json"  # type: ignore[union-attr]
    with pytest.raises(VersionInvalid):
        kv.revert("other", a)


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        ("set", ["a"], ["b"]),
        ("list", [1, 2], [2, 1, 3]),
        ("lww", 1, 2),
        ("mv", 1, 2),
        ("flag", True, False),
        ("json", [1], {"a": 1}),
    ],
)
def test_revert_of_each(kv: crdtkv.Store, strategy: str, first: Any, second: Any) -> None:
    version = kv.put("k", first, strategy=strategy).version
    kv.put("k", second)
    assert kv.revert("k", version).value == first


def test_revert_is_one_transaction(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """What another colo wrote meanwhile stands beside it."""
    lhr, sin = pair
    version = lhr.put("doc", {"a": 1}, strategy="json").version
    lhr.put("doc", {"a": 2})
    lhr.sync(sin)
    sin.json("doc").at("/b").put(1)
    before = lhr.vector[lhr.id]
    lhr.revert("doc", version)
    assert lhr.vector[lhr.id] == before + 1
    lhr.sync(sin)
    assert lhr["doc"] == sin["doc"] == {"a": 1, "b": 1}


# lost writes


def lost(pair: tuple[crdtkv.Store, crdtkv.Store], key: str = "k") -> Any:
    lhr, sin = pair
    lhr.put(key, "lost")
    sin.put(key, "won")
    lhr.sync(sin)
    return lhr.conflicts(key)


def test_a_lost_write_is_in_the_inbox_of_who_made_it(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    [conflict] = lost(pair)
    assert (conflict.key, conflict.value, conflict.winner) == ("k", "lost", "won")
    assert conflict.replica == pair[0].id and conflict.stamp > 0 and conflict.reason and conflict.path == ""
    assert pair[1].conflicts() == []
    pair[0].sync(pair[1])
    assert len(pair[0].conflicts()) == 1


def test_conflicts_of_a_prefix(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lost(pair, "a/1")
    lost(pair, "b/1")
    assert [c.key for c in pair[0].conflicts()] == ["a/1", "b/1"]
    assert [c.key for c in pair[0].conflicts("b")] == ["b/1"]


def test_restore(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """A new write, that has seen what beat it: it stands everywhere, and the conflict is gone."""
    lhr, sin = pair
    [conflict] = lost(pair)
    receipt = conflict.restore()
    assert receipt.value == lhr["k"] == "lost"
    assert lhr.conflicts() == []
    lhr.sync(sin)
    assert sin["k"] == "lost" and sin.conflicts() == []
    with pytest.raises(BadRequest, match="no conflict"):
        conflict.restore()


def test_restore_over_something_newer(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    lhr, sin = pair
    [conflict] = lost(pair)
    lhr.put("k", {"newer": 1})
    assert conflict.restore().value == "lost"
    lhr.sync(sin)
    assert sin["k"] == "lost"


def test_dismiss(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    [conflict] = lost(pair)
    before = pair[0].vector
    conflict.dismiss()
    conflict.dismiss()
    assert pair[0].conflicts() == [] and pair[0].vector == before


def test_restore_of_an_edit_in_a_deleted_member(pair: tuple[crdtkv.Store, crdtkv.Store]) -> None:
    """Under delete-wins the edit is lost; restoring it makes the member again, with what was edited in it."""
    lhr, sin = pair
    lhr.put("doc", {"m": {"a": 1, "b": 2}, "x": 0}, strategy="json?wins=delete")
    lhr.sync(sin)
    lhr.json("doc").at("/m").delete()
    sin.json("doc").at("/m/a").put(9)
    lhr.sync(sin)
    assert lhr["doc"] == {"x": 0}
    [conflict] = sin.conflicts()
    assert (conflict.value, conflict.path) == (9, "/m/a")
    conflict.restore()
    lhr.sync(sin)
    assert lhr["doc"] == sin["doc"]
    assert lhr["doc"]["m"]["a"] == 9


@pytest.mark.parametrize("purged", [False, True])
def test_restore_of_an_element_that_was_moved_and_removed(
    pair: tuple[crdtkv.Store, crdtkv.Store], purged: bool
) -> None:  # fmt: skip
    """It stands where it was made, also where the other has forgotten that it was moved."""
    lhr, sin = pair
    lhr.put("l", ["a", "b", "c"], strategy="list")
    lhr.sync(sin)
    lhr.list("l").set(0, "lost")
    sin.list("l").set(0, "won")
    lhr.sync(sin)
    sin.list("l").move(0, 2)
    lhr.sync(sin)
    lhr.list("l").remove(2)
    for _ in range(2):
        lhr.sync(sin)
    if purged:
        assert sin.compact() > 0
    [conflict] = lhr.conflicts()
    conflict.restore()
    lhr.sync(sin)
    assert lhr["l"] == sin["l"] == ["lost", "b", "c"]
    for _ in range(3):
        lhr.sync(sin)
        lhr.compact()
        sin.compact()
    assert lhr.digest() == sin.digest() and lhr["l"] == sin["l"] == ["lost", "b", "c"]


def test_a_write_that_lost_to_its_own_colo_is_no_conflict(kv: crdtkv.Store) -> None:
    base = kv.put("k", 0).version
    kv.put("k", 1)
    kv.put("k", 2, base=base)
    assert [c.value for c in kv.conflicts()] in ([], [1])
    assert kv["k"] == 2


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [("max", 1, 2), ("min", 2, 1), ("latch?order=new,paid,sent", "new", "sent"), ("log", ["a"], ["a", "b"])],
)
def test_where_there_is_no_way_back(kv: crdtkv.Store, strategy: str, first: Any, second: Any) -> None:
    """It says so and writes nothing: it must not pass for done."""
    version = kv.put("k", first, strategy=strategy).version
    there = kv.put("k", second)
    with pytest.raises(BadRequest, match=r"no way back|only grows") as caught:
        kv.revert("k", version)
    assert caught.value.happened == "no"
    assert kv["k"] == second and kv.get("k").version == there.version  # type: ignore[union-attr]


def test_revert_keeps_the_expiry_date(kv: crdtkv.Store, clock: Any) -> None:
    """It is the value that goes back."""
    version = kv.put("k", 1, ttl=100).version
    date = kv.put("k", 2, ttl=50).version and kv.get("k").expires  # type: ignore[union-attr]
    kv.revert("k", version)
    found = kv.get("k")
    assert found is not None and (found.value, found.expires) == (1, date)
    clock.now += 60
    assert "k" not in kv


def test_revert_where_a_base_is_required(kv: crdtkv.Store) -> None:
    """The version that it names is what its client read."""
    kv.rules.set("k", "json", require_base=True)
    version = kv.put("k", [1]).version
    kv.put("k", [2], base=version)
    assert kv.revert("k", version).value == [1]


def test_diff_of_blobs(kv: crdtkv.Store) -> None:
    """What JSON cannot say in parts is replaced whole."""
    version = kv.put("k", b"abc").version
    assert kv.diff("k", version) == []
    new = kv.put("k", b"abd").value
    assert kv.diff("k", version) == [{"op": "replace", "path": "", "value": new}]
    assert kv.diff("k", None) == [{"op": "replace", "path": "", "value": new}]


def test_diff_tells_kinds_of_numbers_apart(kv: crdtkv.Store) -> None:
    version = kv.put("k", {"a": 1, "b": 0}).version
    kv.put("k", {"a": 1.0, "b": False})
    assert len(kv.diff("k", version)) == 2
