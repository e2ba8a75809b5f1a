"""What cells read as: who wins under each strategy."""

from __future__ import annotations

from typing import Any

from crdtkv.core import rules
from crdtkv.core import values as core_values
from crdtkv.errors import BaseTooOld, MergeFunctionInvalid, RuleInvalid, TooLarge, ValueInvalid
from crdtkv.replica import bases
from crdtkv.replica.draft import Draft
from crdtkv.replica.memos import Memo
from crdtkv.store import rulebook
from crdtkv.strategies import document_parts, log, lww, merge, mv
from crdtkv.strategies import set as sets
from crdtkv.strategies.document_edit import Edit
from crdtkv.strategies.flag import Flag
from crdtkv.strategies.greatest import Max
from crdtkv.strategies.json import Json
from crdtkv.strategies.latch import Latch
from crdtkv.strategies.list import List
from crdtkv.strategies.merge import install
from tests.colos import Colos, arrive, limited, record, refuses, shows
from tests.guards.mutation import Line, guards


@guards(
    "the later stamp, a tie by replica; a write that knew the other always replaces it",
    Line(lww._shown, "reverse=True", "reverse=False"),
)
def of_two_values_the_later_shows_and_of_equal_stamps_the_greater_name_s() -> None:
    """Cases 22, 23: whichever comes first."""
    colos = Colos("a", "b", "c")
    for kv in colos.values():
        kv._replica.state.clock = 0
    colos.clock.step = 0
    colos.clock.wait(1)
    for name in "ba":
        colos[name].put("k", name, strategy="lww")
    colos.meet()
    assert colos.read("k") == "b"


@guards(
    "a remove those that its base had seen, so a concurrent add is a sibling that stands: add wins",
    Line(sets.Set.shows, "how = any if self.add_wins else all", "how = all"),
    Line(sets._add, "Write(path, _HERE, all=True)", "Write(path, _HERE)"),
)
def an_add_wins_against_a_remove_that_had_not_seen_it() -> None:
    """Also where the element was in the set before: the add is written all the same. On an old base as well."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.put("s", ["x"], strategy="set").version
    colos.meet()
    a.set("s").remove("x")
    b.set("s").add("x")
    colos.meet()
    assert colos.read("s") == ["x"]
    for _ in range(3):
        a.operate("s", "set", "add", "x", base=base)
    assert max(len(cell) for cell in a._replica.storage.cells("s").values()) == 1


@guards(
    "Under `wins=remove` an element with a tombstone beside its add is not in the set.",
    Line(sets.Set.shows, "how = any if self.add_wins else all", "how = any"),
    Line(sets.Set._clear, "if not self.add_wins:", "if False:"),
)
def under_remove_wins_a_remove_wins_against_an_add_that_had_not_seen_it() -> None:
    """One element, or all."""
    for act in (lambda kv: kv.set("s").remove("x"), lambda kv: kv.set("s").clear()):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("s", ["x"], strategy="set?wins=remove")
        colos.meet()
        act(a)
        b.set("s").add("x")
        colos.meet()
        assert colos.read("s") is None


@guards(
    "an enable replaces whatever stands, a disable only the enables that its base had seen",
    Line(Flag.read, "for value in (self.preferred, not self.preferred):", "for value in (False, True):"),
    Line(Flag._turn, "if value == self.preferred or absent:", "if absent:"),
    Line(Flag.read, "for value in (self.preferred, not self.preferred):", "for value in (True, False):"),
)
def the_side_that_the_rule_prefers_wins() -> None:
    """Enable, also where it was on already; under wins=disable the other way round."""
    for strategy, prefers in (("flag", True), ("flag?wins=disable", False)):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("f", not prefers, strategy=strategy)
        a.put("f", prefers)
        colos.meet()
        a.put("f", prefers)
        b.put("f", not prefers)
        colos.meet()
        assert colos.read("f") is prefers


@guards(
    "A put of a lesser (or equal) one writes nothing.",
    Line(Max.edit, "if beats else []", ""),
    Line(Max._beats, "ours < theirs if self.least else theirs < ours", "theirs < ours"),
)
def only_what_is_greater_is_written() -> None:
    colos = Colos("a", "b")
    for strategy, worse, better in (("max", 1, 3), ("min", 3, 1)):
        kv = colos["a"]
        kv.put(strategy, 2, strategy=strategy)
        before = kv.vector
        kv.put(strategy, 2)
        kv.put(strategy, worse)
        assert kv.vector == before
        kv.put(strategy, better)
        colos.meet()
        assert colos.read(strategy) == better


@guards(
    "of concurrent puts the furthest along shows, and a put of an earlier state (or the same) writes nothing",
    Line(Latch.edit, "if further else []", ""),
    Line(Latch.read, "max(known, key=self.states.__getitem__, default=ABSENT)", "max(known, default=ABSENT)"),
)
def a_latch_moves_forward_only() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("order", "open", strategy="latch?order=open,paid,done")
    colos.meet()
    b.put("order", "done")
    a.put("order", "paid")
    colos.meet()
    assert colos.read("order") == "done"
    before = a.vector
    a.put("order", "paid")
    assert a.vector == before


@guards(
    "every value that nobody replaced, equal ones once",
    Line(mv.Mv.siblings, "values.pack_canonical(value)", "str(len(by_identity)).encode()"),
)
def equal_values_show_once() -> None:
    """Case 23."""
    colos = Colos("a", "b", "c")
    for kv in colos.values():
        kv.put("k", {"v": 1}, strategy="mv")
    colos.meet()
    assert colos["a"].get("k").siblings == ({"v": 1},)


@guards(
    "One cell per entry at the path (stamp, replica, n, index), so all colos show one order",
    Line(log._append, "start = _first_free(tree, own)", "start = 0"),
    Line(log._append, "env.replica.encode()", "b'x'"),
)
def entries_of_one_instant_all_stand() -> None:
    """Two appends in one transaction, and one at another colo in the same millisecond, the same number of its colo."""
    colos = Colos("a", "b")
    numbers = {kv.id: kv.vector.get(kv.id, 0) for kv in colos.values()}
    for kv in colos.values():
        for _ in range(5 - numbers[kv.id]):
            kv.counter("other").add(1)
        kv._replica.state.clock = 0
    colos.clock.step = 0
    colos.clock.wait(1)
    with colos["a"].transaction() as t:
        t.log("l").append("1")
        t.log("l").append("2")
    colos["b"].log("l").append("3")
    colos.meet()
    assert sorted(colos.read("l")) == ["1", "2", "3"]


@guards(
    "After all that stands, even where this clock is behind: what was put is what is read.",
    Line(log.Log._put, "max(env.stamp, _stamp(last) + 1)", "env.stamp"),
)
def a_log_that_is_put_reads_as_it_was_put() -> None:
    """b's clock is half an hour behind; it puts a's entry and one of its own."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    colos.clock.ahead["b"] = -1800
    colos.clock.wait(10)
    arrive(b, record(a, lambda kv: kv.log("l").append("first")))
    b.put("l", ["first", "second"])
    assert shows(b, "l") == ["first", "second"]


@guards(
    "a read folds them from the earliest: acc = f(base, acc, new), with the base of each",
    Line(merge.Merge._fold, "for _, new, base in puts[1:]:", "for _, new, base in puts[:0]:"),
    Line(merge._puts, "for sibling in sorted(cell, key=rank):", "for sibling in cell:"),
    Line(merge.Merge.edit, "[value] if base is ABSENT else [value, base]", "[value]"),
)
def concurrent_values_are_folded_in_the_order_of_their_stamps() -> None:
    """b's first, then a's; each with the base that it had."""
    said: list[Any] = []

    def told(base: Any, mine: Any, theirs: Any) -> Any:
        said.append((base, mine, theirs))
        return f"{mine}+{theirs}"

    install("told", told)
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", "base", strategy="merge:told")
    colos.meet()
    b.put("k", "b")
    a.put("k", "a")
    colos.meet()
    assert colos.read("k") == "b+a" and set(said) == {("base", "b", "a")}


@guards(
    "One that fails shows the latest put, and the others stand as conflicts until the next put.",
    Line(merge.Merge._fold, "except Exception:", "except ZeroDivisionError:"),
    Line(merge.Merge.losers, "if not self._fold(cell)[1]:", "if False:"),
)
def a_merge_that_fails_shows_the_latest() -> None:
    """Case 39."""

    def fails(base: Any, mine: Any, theirs: Any) -> Any:
        raise AssertionError("these two cannot be merged")

    install("fails", fails)
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", "base", strategy="merge:fails")
    colos.meet()
    b.put("k", "b")
    a.put("k", "a")
    colos.meet()
    assert colos.read("k") == "a" and a.get("k").conflicts == ("b",)


# lists and documents put whole


@guards(
    "A put of a whole list is compared with what its client had read: what it lacks is removed",
    Line(List._put, "base = _shown(env.base) if self.present(tree) else []", "base = _shown(tree)"),
    Line(Edit._put_container, "before = base", "before = now"),
)
def a_list_put_whole_says_what_its_client_changed() -> None:
    """Case 8, the thread: without 5 at a; with 8 and 9 at b; later once more on the old base: 5 does not come back."""
    for strategy in ("list", "json"):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        base = a.put("l", [1, 2, 3, 4, 5, 6, 7], strategy=strategy).version
        colos.meet()
        a.put("l", [1, 2, 3, 4, 6, 7], base=base)
        b.put("l", [1, 2, 3, 4, 5, 6, 7, 8, 9], base=base)
        colos.meet()
        assert colos.read("l") == [1, 2, 3, 4, 6, 7, 8, 9]
        b.put("l", [1, 2, 3, 4, 5, 6, 7, 10], base=base)
        colos.meet()
        assert sorted(colos.read("l")) == [1, 2, 3, 4, 6, 7, 8, 9, 10]


@guards(
    "Whether `value` is the old element, edited: they share at least half of their members.",
    Line(Edit._alike, "return isinstance(value, dict)", "return False and isinstance(value, dict)"),
)
def an_element_that_is_edited_in_a_put_stays_itself() -> None:
    """Both put the whole array with another member of its one element changed: one element, with both."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.put("doc", [{"id": 1, "x": 1, "y": 1}], strategy="json").version
    colos.meet()
    a.put("doc", [{"id": 1, "x": 2, "y": 1}], base=base)
    b.put("doc", [{"id": 1, "x": 1, "y": 2}], base=base)
    colos.meet()
    assert colos.read("doc") == [{"id": 1, "x": 2, "y": 2}]


@guards(
    "arrays as lists with identity (of creation, of key members, or of value: a set)",
    Line(document_parts.keyed, "if not keys or not isinstance", "if True or not isinstance"),
)
def elements_with_a_key_are_one_wherever_they_were_put() -> None:
    """Both put in the same article, each with a member of its own."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("doc", "json", paths={"/items": {"list": {"key": ["sku"]}}})
    a.put("doc", {"items": []})
    colos.meet()
    a.put("doc", {"items": [{"sku": "s", "x": 1}]})
    b.put("doc", {"items": [{"sku": "s", "y": 2}]})
    colos.meet()
    assert colos.read("doc") == {"items": [{"sku": "s", "x": 1, "y": 2}]}


@guards(
    "A path may have a strategy of its own: /tags a set, /hits a counter.",
    Line(Edit._own_strategy, "return own_component(self.env.strategy_for(at))", "return None"),
)
def a_path_has_a_strategy_of_its_own() -> None:
    """Two who count at once count two; two who tag alike tag once."""
    colos = Colos("a", "b")
    colos["a"].rules.set("doc", "json", paths={"/hits": "counter", "/tags": "set"})
    colos["a"].put("doc", {"hits": 0, "tags": ["t"]})
    colos.meet()
    for kv in colos.values():
        kv.json("doc").counter("/hits").add(1)
        kv.json("doc").set("/tags").add("u")
    colos.meet()
    assert colos.read("doc") == {"hits": 2, "tags": ["t", "u"]}


@guards(
    "at its root it is a document still, and its options hold for all of it.",
    Line(rules._check_path, "if not tokens and name not in", "if False and name not in"),
    Line(rules._check_path, 'if name == "json" and asked:', "if False:"),
)
def what_a_document_cannot_hold_at_a_path_is_refused() -> None:
    """At its root, a strategy that its cells would not be read by; at a path, options of its own."""
    kv = Colos("a")["a"]
    assert all(
        refuses(RuleInvalid, lambda path=path, spec=spec: kv.rules.set("doc", "json", paths={path: spec}))
        for path, spec in (("", "set"), ("", "counter"), ("/a", "json?wins=delete"))
    )


@guards(
    "Raise UnknownStrategy, RuleInvalid or MergeFunctionInvalid for what a rule names and is not known here.",
    Line(rulebook.check_strategies, ".check_known()", ""),
)
def a_rule_names_what_is_known() -> None:
    kv = Colos("a")["a"]
    assert refuses(MergeFunctionInvalid, lambda: kv.rules.set("k", "merge:nobody-knows"))


@guards(
    "what the client changed cannot be told from them.",
    Line(bases.showed, "if was is not None and was[0].spec != chosen.spec:", "if False:"),
)
def a_base_of_another_strategy_is_refused() -> None:
    """Put back as it was read, before the key was made a counter, it would count 3 more."""
    kv = Colos("a")["a"]
    base = kv.put("k", 3).version
    kv.rules.set("k", "counter")
    kv.rules.migrate("k")
    assert refuses(BaseTooOld, lambda: kv.put("k", 3, base=base)) and kv["k"] == 3


@guards(
    "Raises BaseTooOld where what the client changed cannot be told: its base is of before a migration.",
    Line(Edit.put, "self._check_kind(at, shown, was)", "pass"),
    Line(Edit._here, "self._check_kind(at, shown, self.reader.shown(base))", "pass"),
    Line(Edit.put, "if self._unchanged(base, value):", "if False:"),
)
def a_base_of_another_strategy_at_a_path_is_refused() -> None:
    """But what the client left as it was is left as it is."""
    kv = Colos("a")["a"]
    base = kv.put("doc", {"hits": 3, "x": 0}).version
    kv.rules.set("doc", "json", paths={"/hits": "counter"})
    kv.rules.migrate("doc")
    kv.json("doc").counter("/hits").add(1)
    assert refuses(BaseTooOld, lambda: kv.put("doc", {"hits": 5, "x": 0}, base=base))
    assert refuses(BaseTooOld, lambda: kv.json("doc").counter("/hits").reset(base=base))
    assert kv.put("doc", {"hits": 3, "x": 1}, base=base).value == {"hits": 4, "x": 1}


@guards(
    "Raises TooLarge for what was made larger than one put can be, write by write.",
    Line(Draft.check_size, "Tree(cells, root_path(chosen.spec)", "Tree({}, root_path(chosen.spec)"),
)
def what_may_be_too_large_and_is_not_is_shown() -> None:
    """Its weight is an upper bound: where that is over the limit, the value itself is looked at, as it is now."""
    kv = Colos("a")["a"]
    given: dict[str, Any] = {"list": [1] * 60, "set": list(range(60)), "log": [1] * 60, "json": {"x": [1] * 60}}
    with limited(core_values, "MAX_PACKED", 120):
        for strategy, value in given.items():
            kv.put(strategy, value, strategy=strategy)
        assert {strategy: shows(kv, strategy) for strategy in given} == given
        kv.list("list").append(2)
        assert shows(kv, "list") == [*given["list"], 2]
        assert refuses(TooLarge, lambda: kv.list("list").append(*[3] * 60))


@guards(
    "Raises TooLarge for what was made larger than one put can be, write by write.",
    Line(Draft._edit, "self.check_size(key, chosen, writes)", "pass"),
    Line(Draft.check_size, "and any(is_live(w.payload) for w in writes)", ""),
    Line(Memo.changed, "self._weight += _said(new) - _said(old) if old and new else _weight(path, new) - _weight(path, old)", "pass"),
)
def a_value_does_not_outgrow_its_limit_by_operations() -> None:
    """What two colos made of it together is shown; it only gets smaller from there."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    made: dict[str, Any] = {"set": [], "list": [], "log": [], "json": {}}
    for strategy, empty in made.items():
        a.put(strategy, empty, strategy=strategy)
    colos.meet()
    long = ["x" * 40 + str(i) for i in range(5)]
    adds: dict[str, Any] = {
        "set": lambda kv, i: kv.set("set").add(long[i]),
        "list": lambda kv, i: kv.list("list").append(long[i]),
        "log": lambda kv, i: kv.log("log").append(long[i]),
        "json": lambda kv, i: kv.json("json").at(f"/m{i}").put(long[i]),
    }
    with limited(core_values, "MAX_PACKED", 150):
        for strategy, add in adds.items():
            for i in range(3):
                add(a, i)
            before = a.digest()
            assert refuses(TooLarge, lambda add=add: add(a, 3)) and a.digest() == before
            add(b, 3)
            add(b, 4)
            colos.meet()
            assert len(colos.read(strategy)) == 5
        a.set("set").remove(long[0])
        a.list("list").remove(0)
        a.json("json").at("/m0").delete()
        assert len(shows(a, "set")) == len(shows(a, "list")) == len(shows(a, "json")) == 4


@guards(
    "Raises ValueInvalid or TooLarge if a list of these is no value: one may be deep enough by itself already.",
    Line(core_values.check_items, "if isinstance(item, (dict, list, tuple)):", "if False:"),
    Line(Json.edit, "[arg] if inside else arg", "arg"),
)
def nothing_gets_too_deep_by_operations() -> None:
    """What is put in is a level deeper than it is by itself."""
    kv = Colos("a")["a"]
    kv.put("doc", {"l": [], "s": 0}, strategy="json")
    deep: Any = 0
    for _ in range(core_values.MAX_DEPTH - 1):
        deep = [deep]
    for add in (kv.set("set").add, kv.list("list").append, kv.log("log").append):
        assert refuses(ValueInvalid, lambda add=add: add([deep]))
    assert refuses(ValueInvalid, lambda: kv.json("doc").list("/l").append(deep))
    kv.set("set").add(deep)
    kv.list("list").append(deep)
    kv.log("log").append(deep)
    kv.json("doc").list("/l").append(deep[0])
    for key in ("set", "list", "log", "doc"):
        assert kv.put(key, shows(kv, key)).value == shows(kv, key)
