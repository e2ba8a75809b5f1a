"""History: the value at a version, or an error that says why not; never a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import BaseTooOld, VersionInvalid
from crdtkv.replica import bases, exchange, past, purge
from crdtkv.replica.core import Replica
from crdtkv.store.maintenance import forget
from crdtkv.store.ruling import Keeping
from crdtkv.strategies import roots
from tests.colos import Colos, arrive, cells, cut, record, refuses
from tests.guards.mutation import Line, Setting, guards
from tests.store import test_bases


def then(kv: crdtkv.Store, key: str, version: str) -> Any:
    """What `key` showed at a version; None if it was absent; "?" if that cannot be told here."""
    try:
        entry = kv.get(key, at=version)
    except BaseTooOld:
        return "?"
    return None if entry is None else (list(entry.siblings) if entry.strategy == "mv" else entry.value)


def nothing(*args: Any, **more: Any) -> None:
    """In the place of what keeps a rule."""


@guards(
    "less those one of whose by V knows",
    Line(past._stood, "and not any(covers(version, dot) for dot in row.by)", ""),
    Line(past._Known.__init__, "for p, rows in past.items() for row in rows", "for p, row in ()"),
)
def a_version_shows_what_it_showed() -> None:
    """At the colo that wrote it, and where each write came as a record."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    versions = []
    for value in (1, 2, 3):
        arrive(b, record(a, lambda kv, value=value: versions.append(kv.put("k", value, strategy="mv").version)))
    assert [[then(kv, "k", version) for version in versions] for kv in (a, b)] == [[[1], [2], [3]]] * 2


@guards(
    "or whose until V covers",
    Line(past._stood, "not _ended(row, version) and ", ""),
)
def what_a_catch_up_took_away_was_gone_after_it() -> None:
    """b has 1, then 3, which names the 2 that b never saw."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    versions = []
    for value in (1, 2, 3, 4):
        versions.append(a.put("k", value, strategy="mv").version)
        if value != 2:
            arrive(b, cut(a, b))
    assert [then(b, "k", version) for version in versions] == [[1], "?", [3], [4]]


@guards(
    "a replaced sibling is replaced by every sibling that names it as a parent, also one that arrives later",
    Setting(past, "also_replaced", nothing),
)
def a_value_is_gone_from_the_version_of_each_who_replaced_it() -> None:
    """2 and 3 each took the place of 1; 2 came first. A version that knows 1 and 3 shows 3."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("k", 1, strategy="mv")
    colos.meet()
    two = record(b, lambda kv: kv.put("k", 2))
    three = record(c, lambda kv: kv.put("k", 3))
    version = c.get("k").version
    arrive(a, two)
    arrive(a, three)
    assert then(a, "k", version) == [3]


@guards(
    "A catch-up tells all of a key iff no sweep came, each parent that its new siblings name was absorbed here before",
    Setting(past, "note_gap", nothing),
)
def what_a_catch_up_squashed_is_not_guessed() -> None:
    """Case 46: b has the first version and the last; what was in between is told to be too old."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    versions = []
    for n in range(4):
        versions.append(a.put("doc", {"n": n, f"m{n}": n}, strategy="json").version)
        if n in (0, 3):
            arrive(b, cut(a, b))
    assert [then(b, "doc", version) for version in versions] == [{"n": 0, "m0": 0}, "?", "?", {"n": 3, "m3": 3}]


@guards(
    "Trimming a sibling raises the horizon by what replaced it",
    Setting(past, "_forget", nothing),
)
def what_was_trimmed_is_not_guessed() -> None:
    """Case 29: a day later, and where a rule keeps two siblings."""
    colos = Colos("a")
    a = colos["a"]
    a.rules.set("few", "mv", keep_cells=2)
    few = [a.put("few", value).version for value in range(5)]
    assert [then(a, "few", version) for version in few] == ["?", "?", [2], [3], [4]]
    old = [a.put("doc", {"n": n, f"m{n}": n}, strategy="json").version for n in range(2)]
    colos.clock.wait(25 * 3600)
    a.compact()
    assert [then(a, "doc", version) for version in old] == ["?", {"n": 1, "m1": 1}]


@guards(
    "of a key that is gone: all its history goes",
    Line(past.trim, "if old and not context:", "if False:"),
)
def what_is_left_of_a_key_that_is_gone_is_not_guessed() -> None:
    """b's x lost to a remove and was purged, and a day later is forgotten; the key's date was in between."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("s", ["y"], strategy="set?wins=remove", ttl=20 * 3600)
    colos.meet()
    a.set("s").add("x")
    a.set("s").remove("x")
    b.set("s").add("x")
    version = b.set("s").add("z").version
    arrive(b, cut(a, b))
    colos.purge()
    assert colos.read("s") == ["y", "z"] and then(b, "s", version) == ["x", "y", "z"]
    colos.clock.wait(20 * 3600)
    colos.purge()
    assert cells(b, "s") == 0 and then(b, "s", version) == ["x", "y", "z"]
    colos.clock.wait(5 * 3600)
    b.compact()
    assert then(b, "s", version) == "?"


@guards(
    "V can be rebuilt iff each of its entries is remembered as a touch of this key, it covers the horizon",
    Line(Replica.check_kept, "past.rebuildable(self.storage.horizon(key), version)", "True"),
)
def an_edit_on_a_version_that_is_gone_is_refused() -> None:
    """With what is current: never a silent last write."""
    colos = Colos("a")
    a = colos["a"]
    old = a.put("l", ["x", "y"], strategy="list").version
    a.put("l", ["x", "y", "z"])
    a.put("l", ["y", "z"])
    colos.clock.wait(25 * 3600)
    a.compact()
    assert refuses(BaseTooOld, lambda: a.put("l", ["x", "y", "new"], base=old))
    assert a["l"] == ["y", "z"]


@guards(
    "A key context forgets what its life replaced; who wrote it had not",
    Setting(past, "begin_life", nothing),
)
def a_version_knows_what_its_life_replaced() -> None:
    """The first value of a new life names nothing of b's old one, of which one row is kept: it can be told."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("k", "lww", keep_cells=1)
    colos.meet()
    for value in (1, 2, 3):
        b.put("k", value)
    colos.meet()
    a.delete("k")
    version = a.put("k", 4).version
    a.put("k", 5)
    assert then(a, "k", version) == 4


@guards(
    "Of a life that was forgotten here no entry is remembered for having been replaced.",
    Line(past.begin_life, "if known(storage, key, {r: n})", "if True"),
)
def a_life_that_is_forgotten_here_cannot_be_told() -> None:
    """a forgets b's set whole and begins its own; c, which had not, makes it anew too and says what it replaced."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    version = b.put("s", ["x"], strategy="set").version
    colos.meet()
    c.delete("s")
    colos.purge_only("a")
    colos.clock.wait(25 * 3600)
    a.compact()
    assert cells(a, "s") == 0 and a._replica.storage.past("s") == {}
    a.put("s", ["y"], strategy="set")
    arrive(a, record(c, lambda kv: kv.put("s", ["z"], strategy="set")))
    assert then(c, "s", version) == ["x"] and then(a, "s", version) == "?"


@guards(
    "stamped at or below that writer's floor (a key dropped whole has no context to say so)",
    Line(past.begin_life, "for row in rows if row.sibling.stamp <= floor]", "for row in ()]"),
)
def a_version_of_a_new_life_shows_nothing_that_was_purged_before_it() -> None:
    """b deletes a's set, which is forgotten; a makes it anew with another element: no version of that has x."""
    colos = Colos("a", "b")
    a = colos["a"]
    a.put("s", ["x"], strategy="set")
    colos.meet()
    colos["b"].set("s").clear()
    colos.purge()
    version = a.set("s").add("y").version
    a.set("s").add("z")
    assert then(a, "s", version) == ["y"]


@guards(
    "or it is a full join, the history begins again",
    Line(exchange._begin_key, "past.begun(cells, context) if full else NO_HORIZON", "NO_HORIZON"),
)
def who_joined_knows_nothing_of_before() -> None:
    """c has the last value, and what it replaced is not known there."""
    colos = Colos("a", "b")
    versions = [colos["a"].put("doc", {"n": n, f"m{n}": n}, strategy="json").version for n in range(3)]
    c = colos.open("c")
    colos.meet()
    assert [then(c, "doc", version) for version in versions] == ["?", "?", {"n": 2, "m2": 2}]


@guards(
    "At most 16 gaps",
    Line(past.note_gap, "for _, end in gaps[:-MAX_GAPS]:", "for _, end in ():"),
)
def the_oldest_gaps_become_the_horizon() -> None:
    """b hears of every second write only, twenty times: what it cannot tell, it says so."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    versions, values = [], []
    for n in range(40):
        values.append({"n": n, f"m{n}": n})
        versions.append(a.put("doc", values[-1], strategy="json").version)
        if n % 2:
            arrive(b, cut(a, b))
    told = [then(b, "doc", version) for version in versions]
    assert told[-1] == values[-1] and all(said in ("?", value) for said, value in zip(told, values, strict=True))


@guards(
    "What is not was trimmed, squashed or purged away, belongs to another key, or was made up.",
    Line(Replica.check_kept, "past.known(self.storage, key, version) and", ""),
)
def a_version_that_never_was_is_not_rebuilt() -> None:
    """A number that was given to another key."""
    kv = Colos("a")["a"]
    version = kv.put("k", 1).version
    other = kv.put("other", 1).version
    kv.put("k", 2)
    forged = version.split("_")[0] + "_" + other.split("_")[1]
    assert then(kv, "k", forged) == "?"
    assert refuses(VersionInvalid, lambda: kv.get("k", at=other))


@guards(
    "What a purge dropped has neither.",
    Line(Replica.replace_cell, "if gone:", "if gone and (by or until):"),
)
def what_was_purged_can_still_be_read_as_it_was() -> None:
    colos = Colos("a", "b")
    a = colos["a"]
    base = a.put("doc", {"x": 1, "y": {"z": 2}}, strategy="json").version
    a.json("doc").at("/y").delete()
    colos.purge()
    assert then(a, "doc", base) == {"x": 1, "y": {"z": 2}}


@guards(
    "The sweep `dot` replaced what it covers also where something concurrent had replaced that here before.",
    Setting(past, "sweep_rows", nothing),
)
def a_sweep_is_part_of_the_versions_that_know_it() -> None:
    """b removes x, and a sweeps it, neither knowing of the other: a's version, read at b, shows no x."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.put("s", ["x"], strategy="set").version
    a.set("s").add("stays")
    colos.meet()
    b.set("s").remove("x")
    swept = record(a, lambda kv: kv.delete("s", base=base))
    version = a.get("s").version
    assert arrive(b, swept) == "absorbed"
    assert then(b, "s", version) == ["stays"]


@guards(
    "Expiry at V is judged at the latest stamp V knows, so V reads the same for ever",
    Line(roots.expired_then, "return date if pick(roots_in(cells, date)) else 0", "return 0"),
)
def a_version_reads_the_same_after_its_date() -> None:
    """The date had passed for x when b, which did not know of it, added y."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", ["x"], strategy="list")
    colos.meet()
    a.expire("k", 10)
    colos.clock.wait(20)
    b.list("k").append("y")
    colos.meet()
    version = a.get("k").version
    assert colos.read("k") == ["y"]
    a.list("k").append("z")
    assert then(a, "k", version) == ["y"]


@guards(
    "`history=False` keeps no superseded values.",
    Line(Keeping.of, "if not self._history or key.startswith(SYSTEM):", "if key.startswith(SYSTEM):"),
)
def without_history_nothing_is_kept() -> None:
    kv = crdtkv.open(colo="a", history=False)
    version = kv.put("k", 1).version
    kv.put("k", 2)
    assert then(kv, "k", version) == "?" and kv._replica.storage.past("k") == {}


@guards(
    "of each life it covers all that the life's writer knew",
    Line(past.begin_life, "    if whole:\n", "    if False:\n"),
)
def a_life_begun_where_nothing_was_left_knows_all_that_was_there() -> None:
    """c joined when a's value had been replaced; the key was forgotten whole and made anew: c rebuilds what it showed."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1, strategy="lww")
    colos.meet()
    b.put("k", 2)
    c = colos.open("c")
    colos.meet()
    b.delete("k")
    colos.meet()
    colos.purge()
    assert cells(c, "k") == 0
    version = b.put("k", 3, strategy="lww").version
    colos.meet()
    b.put("k", 4)
    colos.meet()
    assert then(c, "k", version) == 3


@guards(
    "less those one of whose by V knows or whose until V covers",
    Line(
        past._Known.cells,
        "covers(known, s.dot) and _stood(row, known)",
        "covers(known, s.dot) and _stood(row, self.version)",
    ),
)
def what_a_catch_up_took_away_had_stood_when_something_was_purged() -> None:
    """x was moved, and its element replaced by a catch-up: at an earlier purge it stood, and kept its order cell."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("l", ["x", "y", "z"], strategy="list")
    colos.meet()
    a.list("l").move(0, 2)
    a.list("l").remove(0)
    colos.meet()
    colos.purge()
    a.list("l").append("w")
    colos.meet()
    a.list("l").set(1, "X")
    arrive(b, cut(a, b))
    entry = b.get("l")
    assert entry is not None and entry.value == ["z", "X", "w"]
    a.list("l").append("q")
    arrive(b, cut(a, b))
    assert then(b, "l", entry.version) == ["z", "X", "w"]


@guards(
    "where what was purged at a noted floor hangs on it, the history begins again.",
    Line(past.keep, "if any(_decides(row, floor)", "if False and any(_decides(row, floor)"),
    Line(past._decides, "or any(covers(before, dot) for dot in by)", "or True"),
)
def a_trimmed_edit_does_not_let_a_delete_win_in_the_past() -> None:
    """b edits in what c deletes, so it stands; c purges, and writes. Then b's edit is replaced, and trimmed at a."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.rules.set("doc", "json", keep_cells=2)
    colos.meet()
    b.put("doc", {"c": {"x": 1, "y": 1}, "z": 0})
    b.json("doc").at("/z").delete()
    b.json("doc").at("/z").put(1)
    colos.meet()
    hidden = record(c, lambda kv: kv.json("doc").at("/c").delete())
    edited = record(b, lambda kv: kv.json("doc").at("/c/x").put(2))
    arrive(a, hidden)
    arrive(b, hidden)
    arrive(a, edited)
    arrive(c, edited)
    colos.purge_only("c")
    arrive(a, record(c, lambda kv: kv.json("doc").at("/w").put(0)))
    arrive(a, record(b, lambda kv: kv.json("doc").at("/c/x").put(3)))
    version, showed = a.get("doc").version, a["doc"]
    for value in (4, 5):
        assert then(a, "doc", version) in (showed, "?")
        arrive(a, record(b, lambda kv, value=value: kv.json("doc").at("/c/x").put(value)))
    assert then(a, "doc", version) == "?"


@guards(
    "a cell not sent counts as empty, for all keys",
    Line(exchange._join_key, "*(mine if message.full else", "*(filter(None, mine) if message.full else"),
)
def a_key_that_is_not_there_leaves_no_past_to_who_returns() -> None:
    """It was deleted, made anew and deleted: a has forgotten it whole; to b, which is sent all there is, it is gone."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    version = a.put("k", {"x": 1}).version
    a.delete("k")
    a.put("k", {"y": 1})
    a.delete("k")
    a.put("other", 1)
    colos.purge_only("a")
    arrive(b, cut(a, b, full=True))
    assert refuses(BaseTooOld, lambda: b.get("k", at=version)) or refuses(VersionInvalid, lambda: b.get("k", at=version))
    assert b._replica.storage.past("k") == {}



@guards(
    "its last version showed what has expired since",
    Line(purge._purge_key, "past.leave(storage, key)", "pass"),
    Line(purge._purge_key, "< len(cell)", "< 1"),
)
def what_expired_was_there_before() -> None:
    """Where no past of it is kept, or not all, its last version is one that cannot be rebuilt once it is forgotten.

    c knows it from that version on.
    """
    for keep in (0, 1, 64):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        for pattern, strategy in (("k", "mv"), ("doc", "json"), ("n", "counter")):
            a.rules.set(pattern, strategy, keep_cells=keep)
        colos.meet()
        for kv in (a, b):
            kv.put("k", kv.colo)
            kv.json("doc").set_at(f"/{kv.colo}", 1)
            kv.counter("n").add(1)
        colos.meet()
        showed = {}
        for key in ("k", "doc", "n"):
            a.expire(key, 5)
            showed[key] = a.get(key).version, then(a, key, a.get(key).version)
        colos.meet()
        c = colos.open("c")
        for _ in range(3):
            colos.meet()
            colos.clock.wait(30)
        for kv in (a, c):
            assert forget(kv) > 4
            for key, (version, value) in showed.items():
                assert key not in kv and not kv._replica.storage.cells(key)
                lacks = keep < (1 if key == "n" else 2)  # (of a document both wrote the root)
                assert then(kv, key, version) == ("?" if lacks else value), (kv, keep, key)


@guards(
    "Its past was begun anew half-way: what was kept since is not all that stood.",
    Line(purge._purge_key, "if covers_all(storage.horizon(key).base, context) and not covers_all(known_from, context):", "if False:"),
)
def a_past_that_is_begun_anew_in_a_purge_holds_nothing_of_what_goes_with_it() -> None:
    """Two of a cell are kept: a version of the key's next life showed what had been forgotten before it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    steps: list[Callable[[], object]] = [
        lambda: a.rules.set("k", "json", keep_cells=2), colos.meet,
        lambda: a.json("k").at("/x").put(6), lambda: b.json("k").at("/y").put(2), a.compact,
        lambda: a.json("k").at("/x").delete(), lambda: a.json("k").at("/x").put(7), colos.meet,
        lambda: a.delete("k"), colos.meet, a.compact,
    ]  # fmt: skip
    for step in steps:
        step()
        colos.clock.wait(0.1)
    version = a.json("k").at("/x").put(6).version
    a.json("k").at("/z").put(0)
    assert a.get("k", at=version).value == {"x": 6}


@guards(
    "Some of what stood in the key was purged here at `floor`, which may be later than all that it hung on.",
    Line(past.note_purge, "if floor > horizon.deleted and storage.past(key):", "if False:"),
)
def what_went_with_a_deleted_container_is_gone_for_who_had_purged_it() -> None:
    """b edits in what a deletes, and deletes win; b purges twice, once before all of that is old, and writes each time."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1}, "w": 0, "z": 0}, strategy="json?wins=delete")
    colos.meet()
    deleted = [
        record(a, lambda kv: kv.json("doc").at("/c").delete()),
        record(a, lambda kv: kv.json("doc").at("/w").delete()),
        record(a, lambda kv: kv.json("doc").at("/w").put(1)),
    ]
    arrive(a, record(b, lambda kv: kv.put("other", 1)))
    a.compact()
    colos.clock.wait(50)
    b.json("doc").at("/c/x").put(2)
    for data in deleted:
        arrive(b, data)
    arrive(b, cut(a, b))
    b.compact()
    assert b.floor
    b.json("doc").at("/z").put(1)
    colos.purge()
    b.json("doc").at("/c").put({"y": 1})
    entry = b.get("doc")
    b.json("doc").at("/z").put(5)
    assert entry is not None and then(b, "doc", entry.version) == entry.value == {"c": {"y": 1}, "w": 1, "z": 1}


@guards(
    "Law of this room: what is told at a glance is what `past.cells_at` says",
    Line(past.differing, "and _stood(row, version)", ""),
    Line(past.differing, "if any(covers(version, when.dot) for when in horizon.floors):", "if False:"),
    Line(bases._differing, "or Tree(cells).tops() != [root]", ""),
)
def what_an_old_base_showed_is_told_by_what_differs() -> None:
    for seed in range(6):
        test_bases.test_what_differs_is_what_differs(seed)
    for kind in test_bases.KINDS:
        for seed in range(4):
            with pytest.MonkeyPatch.context() as patch:
                test_bases.test_an_edit_of_an_old_version_is_what_its_cells_make_of_it(seed, kind, patch)
