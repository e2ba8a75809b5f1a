"""hash and zset over the real engine: what is removed leaves nothing, sums are exact, parts of documents, bad input."""

from __future__ import annotations

import math
from typing import Any

import pytest

import crdtkv
from crdtkv.core.blob import Blob
from crdtkv.errors import BadRequest, TooLarge, ValueInvalid, WrongOperation, WrongType
from crdtkv.strategies.base import Operation
from crdtkv.strategies.hash import amount
from crdtkv.strategies.zset import score_of
from tests.colos import Colos


@pytest.mark.parametrize("family", ["hash", "zset"])
def test_what_was_removed_leaves_nothing(family: str) -> None:
    """Cases 24 and 26: registers and shares, of names and of the whole; nothing comes back."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.operate("k", family, "set", "x", 1, "y", 2)
    a.operate("k", family, "add", "x", 5)
    colos.meet()
    b.operate("k", family, "add", "x", 0.5)
    b.operate("k", family, "add", "n", 1)
    colos.meet()
    b.operate("k", family, "remove", "x", "n")
    colos.purge()
    assert len(a._replica.storage.cells("k")) == 1 and colos.read("k") == {"y": 2}
    a.delete("k")
    colos.purge()
    assert not a._replica.storage.cells("k") and not b._replica.storage.cells("k")
    b.operate("k", family, "add", "x", 1)
    colos.meet()
    assert colos.read("k") == {"x": 1}
    colos.check()


def test_a_part_of_a_document() -> None:
    """By a rule of its path; who takes the document's part away leaves what he had not seen."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("d", "json", paths={"/scores": "zset", "/h": "hash"})
    a.put("d", {"scores": {"x": 1}, "h": {"f": "v"}, "t": 1})
    colos.meet()

    def add(kv: Any, n: float) -> None:
        kv.operate("d", "json", "at", ("scores",), "zset", Operation("add", ("x", n)))

    add(a, 5), add(b, 0.5)
    colos.meet()
    assert colos.read("d") == {"h": {"f": "v"}, "scores": {"x": 6.5}, "t": 1}
    a.put("d", {"t": 1})
    add(b, 2)
    colos.meet()
    assert colos.read("d") == {"scores": {"x": 2}, "t": 1}
    a.delete("d")
    colos.purge()
    assert colos.read("d") is None and not a._replica.storage.cells("d")


def test_a_put_of_all_is_what_changed_since_its_base() -> None:
    colos = Colos("a", "b")
    base = colos["a"].put("h", {"x": 1, "y": 2}, strategy="hash").version
    colos.meet()
    colos["b"].operate("h", "hash", "set", "y", 3, "z", 4)
    colos.meet()
    colos["a"].put("h", {"x": 1.5, "y": 2}, base=base)
    colos.meet()
    assert colos.read("h") == {"x": 1.5, "y": 3, "z": 4}
    assert colos["a"].put("h", {}).value == {}


def test_infinite_scores() -> None:
    kv = crdtkv.open(colo="lhr")
    kv.operate("z", "zset", "set", "a", "inf", "b", 1e308, "c", -0.0)
    kv.operate("z", "zset", "add", "a", -5)
    kv.operate("z", "zset", "add", "b", 1e308)
    assert kv["z"] == {"a": "inf", "b": "inf", "c": -0.0}
    assert score_of(kv["z"]["a"]) == math.inf and math.copysign(1, kv["z"]["c"]) == -1
    with pytest.raises(ValueInvalid, match="have no sum"):
        kv.operate("z", "zset", "add", "a", "-inf")


def test_names_may_be_bytes() -> None:
    """They are shown with their bytes spelled out; a put of what was read changes nothing."""
    kv = crdtkv.open(colo="lhr")
    kv.operate("h", "hash", "set", Blob(b"\xff"), 1, "a", 2)
    assert kv["h"] == {"\\xff": 1, "a": 2}
    before = kv.vector
    kv.put("h", kv["h"])
    assert kv.vector == before
    kv.operate("h", "hash", "remove", Blob(b"\xff"))
    assert kv["h"] == {"a": 2}


@pytest.mark.parametrize(
    ("family", "name", "args", "error", "words"),
    [
        ("hash", "set", ("a",), WrongOperation, "does not fit set"),
        ("hash", "set", (1, 2), WrongType, "a name is a string or bytes; not 1"),
        ("hash", "set", ("x" * 4000, 2), TooLarge, "at most 3072"),
        ("hash", "put", ([1],), WrongType, "a hash is put as an object"),
        ("hash", "add", ("text", 1), WrongType, "'no number' is no number, so 1 cannot be added to it"),
        ("hash", "add", ("n", "1e9999"), WrongType, "what is added is a number"),
        ("hash", "add", ("n", "1e-399"), ValueInvalid, "more than 340 decimals"),
        ("hash", "add", ("n", True), WrongType, "not True"),
        ("zset", "set", ("a", "much"), WrongType, "a score is a number"),
        ("zset", "set", ("a", 10**400), ValueInvalid, "beyond a float"),
        ("zset", "add", ("a", None), WrongType, "not None"),
        ("zset", "move", (1,), WrongOperation, "set, add, remove, put, clear, delete; not move"),
    ],
)
def test_what_does_not_fit_is_refused(
    family: str, name: str, args: tuple[Any, ...], error: type[BadRequest], words: str
) -> None:
    kv = crdtkv.open(colo="lhr")
    kv.operate("k", family, "set", *(("text", "no number") if family == "hash" else ("m", 1)))
    before = kv.vector
    with pytest.raises(error, match=words):
        kv.operate("k", family, name, *args)
    assert kv.vector == before


@pytest.mark.parametrize("text", ["1/2", "", " 1", "1_0", "nan", "inf", "0x1", "١", "1e", "9" * 401])
def test_what_is_no_number(text: str) -> None:
    assert amount(text) is None
