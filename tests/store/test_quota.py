"""A store that may not grow beyond its quota."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import crdtkv
from crdtkv.errors import BadRequest, QuotaExceeded
from crdtkv.store import following
from tests.threads import at_once


@pytest.fixture
def full(tmp_path: Path) -> Iterator[crdtkv.Store]:
    """A store with something of every kind, opened again with less room than it takes."""
    with crdtkv.open(tmp_path / "lhr.db", colo="lhr") as kv:
        kv.put("doc", {"a": {"b": 1}, "n": 2, "l": [1, 2]})
        kv.json("doc").counter("/hits").add(3)
        kv.counter("n").add(7)
        kv.set("tags").add("x", "y")
        kv.list("l").append("x", "y")
        kv.put("blob", b"x" * 100_000, strategy="lww")
    with crdtkv.open(tmp_path / "lhr.db", quota_mb=0.01) as kv:
        yield kv
        assert kv.check() == []


def test_what_adds_is_refused_with_the_figures(full: crdtkv.Store) -> None:
    digest, vector = full.digest(), full.vector
    for add in (
        lambda: full.put("new", 1), lambda: full.set("tags").add("z"), lambda: full.counter("n").add(1),
        lambda: full.json("doc").at("/a/c").put(1), lambda: full.update({"p": 1, "q": 2}),
    ):  # fmt: skip
        with pytest.raises(QuotaExceeded, match=rf"the store has {full.size:,} bytes .* its quota is 10,000") as told:
            add()
        assert told.value.happened == "no" and "compact" in told.value.next_step
    assert (full.digest(), full.vector) == (digest, vector)


def test_the_journal_counts_and_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is small in it may be larger in the tables: it counts in either, and who is refused sees where it is."""
    monkeypatch.setattr(following, "FRESH_S", None)
    with crdtkv.open(tmp_path / "lhr.db", colo="lhr", quota_mb=0.2) as kv:
        for n in range(10):
            kv.put(f"k{n}", "x" * 10_000)
        journal = kv._replica.storage.journal_size()
        assert 100_000 < journal < kv.size
        words = f"the store has {kv.size:,} bytes, {journal:,} of them in its journal, and this write "
        with pytest.raises(QuotaExceeded, match=words):
            kv.put("large", "x" * 100_000)
        kv.compact()
        assert kv._replica.storage.journal_size() == 0
        with pytest.raises(QuotaExceeded, match=f"the store has {kv.size:,} bytes and this write "):
            kv.put("large", "x" * 100_000)


def test_reads_and_deletes_go_on(full: crdtkv.Store) -> None:
    assert full["n"] == 7 and len(full.scan()) == 5
    full.json("doc").at("/a").delete()
    full.json("doc").at("/hits").delete()
    full.set("tags").remove("x")
    full.list("l").remove(0)
    assert (full["doc"], full["tags"], full["l"]) == ({"l": [1, 2], "n": 2}, ["y"], ["y"])
    for key in list(full):
        del full[key]
    assert dict(full) == {}


def test_what_other_colos_wrote_is_taken_in(full: crdtkv.Store) -> None:
    sin = crdtkv.open(colo="sin")
    assert full.sync(sin).equal
    sin.put("theirs", "x" * 1_000)
    assert full.sync(sin).equal and full["theirs"] == "x" * 1_000
    assert full.evict("sin") != [], "an operator decides, room or not"


def test_each_of_a_group_for_itself(full: crdtkv.Store) -> None:
    added, deleted = at_once(full, lambda: full.put("new", 1), lambda: full.delete("n"))
    assert isinstance(added, QuotaExceeded) and deleted.value is None and "n" not in full


def test_there_is_room_again(tmp_path: Path) -> None:
    with crdtkv.open(tmp_path / "lhr.db", colo="lhr", history=False, quota_mb=0.3, purge_step_ms=1) as kv:
        written = 0
        with pytest.raises(QuotaExceeded):
            while written < 100:
                kv.put(f"k{written}", "x" * 10_000, strategy="lww")
                written += 1
        assert 10 < written < 30
        for key in list(kv):
            del kv[key]
        kv.compact()
        kv._replica.storage.settle()
        assert kv.put("new", "x" * 10_000).value


@pytest.mark.parametrize("wrong", [0, -1, True, "1", float("nan"), float("inf"), 1e303, 10**9 + 1])
def test_what_is_no_quota(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(BadRequest, match="quota_mb is "):
        crdtkv.open(tmp_path / "lhr.db", colo="lhr", quota_mb=wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "lhr.db").exists()


def test_memory_has_none() -> None:
    with pytest.raises(BadRequest, match="in memory has no file"):
        crdtkv.open(colo="lhr", quota_mb=1)
