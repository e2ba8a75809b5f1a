"""What clients send and get back: values to the bit, patches, pages of keys, sums, merge functions that are tried."""

from __future__ import annotations

from typing import Any

import crdtkv
from crdtkv import registration
from crdtkv.core import positions, values
from crdtkv.errors import MergeFunctionInvalid, ValueInvalid
from crdtkv.store import patches
from crdtkv.store.reading import Reading
from crdtkv.store.selection import Selection
from crdtkv.strategies import counter, lone
from tests.colos import Colos, refuses, shows
from tests.guards.mutation import Line, guards

# values


@guards(
    "what goes in comes out exactly",
    Line(values._unpack_ext, 'return int.from_bytes(data, "big", signed=True)', 'return int.from_bytes(data, "big")'),
    Line(values._pack_ext, "-_INT_END < value < _INT_END", "-(2**200) < value < 2**100"),
)
def numbers_come_back_as_they_went_in() -> None:
    """Case 18: beyond 64 bits, at another colo."""
    colos = Colos("a", "b")
    numbers = [2**53 + 1, 2**64, -(2**64), 10**40, -0.0, 1, 1.0, 5e-324]
    colos["a"].put("v", {"n": numbers}, strategy="json")
    colos.meet()
    assert repr(colos.read("v")["n"]) == repr(numbers)


@guards(
    "NaN, Infinity or lone surrogates",
    Line(values._weighed, "all(isfinite(item) for item in items if isinstance(item, float))", "True"),
    Line(values._pack_checked, 'unicode_errors="strict"', 'unicode_errors="replace"'),
)
def what_is_no_value_is_refused_with_its_path() -> None:
    """Case 18."""
    kv = Colos("a")["a"]
    for wrong, path in ((float("nan"), "/a/0"), (float("-inf"), "/a/0"), ("\ud800", "/a/0")):
        try:
            kv.put("v", {"a": [wrong]})
        except ValueInvalid as error:
            assert path in str(error)
        else:
            raise AssertionError(f"{wrong!r} was taken for a value")
    assert "v" not in kv


@guards(
    "Apply a JSON patch (RFC 6902, a list) or a merge patch (RFC 7396, a dict) to what `base` showed.",
    Line(patches._merged, "if new is None:", "if False:"),
    Line(
        patches.patched, "return _merged(", "patch = {k: v for k, v in patch.items() if v is not None}; return _merged("
    ),
)
def null_deletes_in_a_merge_patch_and_stands_in_a_put() -> None:
    """Case 16."""
    kv = Colos("a")["a"]
    kv.put("doc", {"a": None, "b": 1}, strategy="json")
    kv.patch("doc", {"b": None, "c": 2})
    assert shows(kv, "doc") == {"a": None, "c": 2}


# reading


@guards(
    "What is left of it behind the page that gave `cursor`.",
    Line(Selection.behind, r'max(key + "\x00", self.start or "")', 'max(key, self.start or "")'),
)
def a_cursor_goes_on_behind_the_last_key() -> None:
    """Case 36: also where that key has been deleted since."""
    kv = Colos("a")["a"]
    for i in range(6):
        kv.put(f"k{i}", i)
    page = kv.scan(limit=2)
    kv.delete("k2")
    assert [e.key for e in kv.scan(cursor=page.cursor)] == ["k3", "k4", "k5"]


@guards(
    "Whether there is something to read.",
    Line(Reading._present, "return bool(cells) and self.replica.shown(key, now) is not None", "return True"),
    Line(lone.plainly_shown, "is_live(cell[0].payload)", "True"),
    Line(lone.plainly_shown, "TTL_PATH not in cells", "True"),
)
def no_key_is_listed_that_does_not_read() -> None:
    """Case 36."""
    colos = Colos("a")
    kv = colos["a"]
    kv.put("k", 1)
    kv.put("gone", 1)
    kv.delete("gone")
    kv.put("old", 1, ttl=1)
    colos.clock.wait(2)
    assert list(kv.keys()) == ["k"] and "gone" not in kv


# sums, places


@guards(
    "all adds count",
    Line(counter.Counter.read, "total += n", "total = max(total, n)"),
    Line(counter.Counter._add, "path = share_path(env.replica)", 'path = share_path("one for all")'),
)
def adds_that_did_not_know_each_other_are_summed() -> None:
    """Case 3: 5 and 3, merged on their own and merged again."""
    colos = Colos("a", "b", "c")
    colos["a"].counter("n").add(5)
    colos["b"].counter("n").add(3)
    for one, other in ("ac", "bc", "ab", "ca", "ba"):
        colos[one].sync(colos[other])
    colos.meet()
    assert colos.read("n") == 8


@guards(
    "the same new element put in at two colos stands twice",
    Line(
        positions._Gap._open,
        "_varint(stamp - base if region in _LATER_LAST else base - stamp) + who",
        "_varint(1) + b'x~x' + bytes((_REPLICA_END,))",
    ),
)
def each_append_is_an_element_of_its_own() -> None:
    """Case 9: both append x."""
    colos = Colos("a", "b")
    colos["a"].put("l", ["a"], strategy="list")
    colos.meet()
    for kv in colos.values():
        kv.list("l").append("x")
    colos.meet()
    assert colos.read("l") == ["a", "x", "x"]


# merge functions


def _clean(base: Any, mine: Any, theirs: Any) -> Any:
    return theirs if mine in (base, theirs) else mine if theirs == base else max(str(mine), str(theirs))


def _in_hash_order(base: Any, mine: Any, theirs: Any) -> Any:
    """What a set iterates in differs from process to process."""
    if mine in (base, theirs):
        return theirs
    return mine if theirs == base else list({str(mine), str(theirs), "c", "d", "e"})


@guards(
    "what is found here, with words, would otherwise be found between colos, as values that differ",
    Line(registration._check_determinism, "if len(said) > 1:", "if False:"),
    Line(registration.check_merge, "if values.pack_canonical(got) != values.pack_canonical(x):", "if False:"),
)
def a_merge_function_that_breaks_its_contract_is_found_when_it_is_registered() -> None:
    """Case 40."""
    assert refuses(MergeFunctionInvalid, lambda: crdtkv.register_merge("ordered", _in_hash_order))
    assert refuses(MergeFunctionInvalid, lambda: crdtkv.register_merge("mine", lambda base, mine, theirs: mine))
    crdtkv.register_merge("clean", _clean)
